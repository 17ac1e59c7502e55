//go:build race || friocheck

package thread_test

const (
	checked     = true
	connections = 1000
)
