package netconn_test

import (
	"net"
	"testing"

	"golang.org/x/net/nettest"
)

// TestConformance is what golang.org/x/net asks of a net.Conn, with connections that come and go on two threads.
func TestConformance(t *testing.T) {
	for _, name := range []string{"tcp", "unix", "tls+tcp", "tls+unix", "haproxy+tcp", "tls+haproxy+tcp"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, s := startPool(t, 2), newStack(t, name, "")
			l := listen(t, p, s)
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				near := dial(t, p, s, l)
				far := accept(t, l)
				return near, far, func() { near.Close(); far.Close() }, nil
			})
		})
	}
}
