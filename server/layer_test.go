package server

import (
	"fmt"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	_ "github.com/frio-io/frio/haproxy"
)

// A relay tells a target that speaks the PROXY protocol who its peer is, not who the relay is.
func TestRelayIntroducesThePeer(t *testing.T) {
	onBoth(t, func(t *testing.T, e *friotest.Env) {
		up := e.ParseText(nil, "upstream",
			"listen up {\nprotocol = haproxy+tcp\ntcp {\nipaddr = 127.0.0.1\nport = 0\n}\nhaproxy {\ntrusted {\nallow = 127/8\n}\n}\n}\n")
		if err := up.Open(); err != nil {
			t.Fatal(err)
		}
		up.Wish(nil, nil, nil)
		text := relayText("tcp", 1, tcpListen("a", "127.0.0.1", 0))
		home := fmt.Sprintf("home_server up {\nprotocol = haproxy+tcp\ntcp {\nipaddr = 127.0.0.1\nport = %d\n}\n}\n", e.Port(up))
		b := start(e, text[:len(text)-len(homeServer("up", "tcp", 1))]+home)
		for range 2 {
			p := relayed(b, up)
			e.Send(p.client, []byte("through the relay"))
			e.Expect(p.target, []byte("through the relay"))
			if got, want := e.Remote(p.target), e.Local(p.client); got != want {
				t.Errorf("the target sees %v, the peer is %v", got, want)
			}
			if _, socket := p.target.IO.(frio.SocketAddresser).SocketAddr(); socket == e.Local(p.client) {
				t.Errorf("the socket's peer is %v too", socket)
			}
			p.client.Close()
			p.target.Close()
			b.sessionsEnd()
		}
		b.finish()
	})
}
