package main

import (
	"strings"
	"testing"

	"github.com/frio-io/frio/radius"
)

// FuzzRadclientReplies: whatever a server that does not know the secret sends, over streams and datagrams, no request counts as answered, and
// radclient ends.
func FuzzRadclientReplies(f *testing.F) {
	f.Add([]byte("noise"), false)
	f.Add(append([]byte{2, 1, 0, 20}, make([]byte, 16)...), true)
	f.Add(append([]byte{3, 1, 0, 22}, make([]byte, 18)...), true)
	f.Add(append([]byte{2, 1, 0, 38}, make([]byte, 60)...), false)
	f.Add([]byte{2, 1, 0xff, 0xff}, true)
	f.Fuzz(func(t *testing.T, reply []byte, stream bool) {
		if len(reply) == 0 || len(reply) > 2*radius.MaxSize {
			return
		}
		stack := "udp"
		if stream {
			stack = "tcp"
		}
		x := simulate(t, stack, bob, radclientFlags{count: 2, parallel: 2}).serve()
		x.home.change = func(int, radius.Packet, []byte) []byte { return reply }
		x.run(3, "Accepted      : 0\n\tRejected      : 0\n\tChallenged    : 0\n")
		if strings.Contains(x.out.String(), "Received") {
			t.Errorf("a reply shows:\n%s", &x.out)
		}
	})
}
