//go:build !race && !friocheck

package transport

const checked = false
