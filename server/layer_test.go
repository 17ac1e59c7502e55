package server

import (
	"fmt"
	"strings"
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

// A peer that does not get through the layers is named in the log with its reason, not more often than once a second.
func TestRefusedPeersAreLogged(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	b := start(e, "server s {\nnamespace = echo\nlisten h {\nprotocol = haproxy+tcp\ntcp {\nipaddr = 127.0.0.1\nport = 7007\n}\n"+
		"haproxy {\ntrusted {\nallow = 127/8\n}\n}\n}\n}\n")
	for range 5 {
		c := e.ParseText(nil, "client", homeServer("plain", "tcp", 7007))
		c.Wish(nil, nil, nil)
		if err := c.Connect(); err != nil && err != frio.ErrAgain {
			t.Fatal(err)
		}
		e.Until("the client is connected", func() bool { return e.Step(c) })
		e.Send(c, []byte("GET / HTTP/1.0\r\n\r\n"))
		e.ExpectEnd(c)
		c.Close()
	}
	b.sessionsEnd()
	log := b.log.String()
	if n := strings.Count(log, "msg=refused"); n != 1 || !strings.Contains(log, "haproxy") {
		t.Errorf("%d lines about refused peers within a second, want 1:\n%s", n, log)
	}
	b.finish()
}
