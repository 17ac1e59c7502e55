//go:build !race && !friocheck

package thread_test

const (
	checked     = false
	connections = 10_000
)
