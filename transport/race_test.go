//go:build race || friocheck

package transport

// checked builds allocate where others do not.
const checked = true
