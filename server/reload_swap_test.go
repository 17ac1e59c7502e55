package server

import (
	"fmt"
	"strings"
	"testing"
)

// Two listens may change places, on any method.
func TestReloadSwapsPorts(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			a, b := freePort(t), freePort(t)
			text := func(a, b int) string {
				return strings.ReplaceAll(echoOn(tcpOn("a", a, ""), tcpOn("b", b, "")), "tcp", network)
			}
			r := startFile(t, text(a, b))
			for i := range 4 {
				for _, port := range []int{a, b} {
					c := r.dial(network, fmt.Sprintf("127.0.0.1:%d", port))
					r.echoes(c, fmt.Sprintf("round %d", i))
					c.Close()
				}
				a, b = b, a
				r.must(r.load(text(a, b)))
			}
			if n := len(r.all()); n != 2 {
				t.Errorf("%d listens", n)
			}
		})
	}
}
