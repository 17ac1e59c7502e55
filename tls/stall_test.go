package tls_test

import (
	"io"
	"strings"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
)

// TestEndBehindAStalledHandshake: clients whose last handshake step, data, close_notify and FIN all wait when more of them want a step than
// a turn has. The FIN must not overtake what is held.
func TestEndBehindAStalledHandshake(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	l := listener(e, "", "")
	var servers []*friotest.Probe
	l.Wish(nil, func() {
		for {
			s, err := l.Accept(nil)
			if err != nil {
				return
			}
			s.Wish(nil, nil, nil)
			servers = append(servers, s)
		}
	}, nil)
	side := e.NewSide("clients")
	var clients []*friotest.Probe
	_, home := sections(t, "", "")
	const many = 20
	for range many {
		c := e.ParseText(side, "client", "home_server {\nprotocol = tls+tcp\n"+tcpText(e, e.Port(l))+home+"}\n")
		c.Wish(side, nil, nil)
		if err := c.Connect(); err != nil && err != frio.ErrAgain {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	turn := func(s *friotest.Side) {
		if err := s.Loop.Turn(0); err != nil {
			t.Fatal(err)
		}
	}
	// All hellos are answered; the clients are open and say everything before the server looks again.
	for range 4 * many {
		turn(&e.Side)
	}
	for range 4 * many {
		turn(side)
	}
	for i, c := range clients {
		if c.State() != frio.StateOpen {
			t.Fatalf("client %d is %v", i, c.State())
		}
		e.Send(c, []byte("the last word"))
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	for range many {
		turn(side)
	}
	for range 4 * many {
		turn(&e.Side)
	}
	for i, s := range servers {
		e.Expect(s, []byte("the last word"))
		if end := e.ExpectEnd(s); end != io.EOF {
			t.Errorf("server %d ends with %v, want EOF", i, end)
		}
	}
	if len(servers) != many {
		t.Errorf("%d accepted", len(servers))
	}
}

// TestSlowPeersDoNotStarve: peers of whom each sends a byte of its hello in each turn take no step before others who wait.
func TestSlowPeersDoNotStarve(t *testing.T) {
	const many = 12 // three times the steps of a turn
	e := friotest.NewEnv(t, true, 1)
	l := listener(e, "", "")
	var raws, children []*friotest.Probe
	for range many {
		raws = append(raws, client(e, l, "tcp", ""))
		child := e.AcceptFrom(l, nil)
		child.Wish(nil, nil, nil)
		children = append(children, child)
	}
	opened(e, raws...)
	for _, r := range raws {
		e.Send(r, []byte{22, 3, 1, 0, 6, 1, 0, 0xf0, 0, 3, 3}) // of 60 KiB
	}
	e.Spin(many)
	c := client(e, l, "tls+tcp", "")
	var server *friotest.Probe
	for turns := 0; c.State() != frio.StateOpen || server == nil || server.State() != frio.StateOpen; turns++ {
		if turns > 5*many {
			t.Fatalf("after %d turns the client is %v", turns, c.State())
		}
		for _, r := range raws {
			r.IO.Write([]byte{22, 3, 1, 0, 1, 7})
		}
		e.Turn()
		if server == nil {
			if s, err := l.Accept(nil); err == nil {
				server = s
				server.Wish(nil, nil, nil)
			}
		}
	}
	// Who waits and goes leaves its place to the others.
	waits := 0
	for _, child := range children {
		if strings.Contains(child.DebugText(), "waits for its turn") {
			waits++
			child.Close()
		}
	}
	if waits == 0 {
		t.Error("nobody waits")
	}
	more := client(e, l, "tls+tcp", "")
	s := e.AcceptFrom(l, nil)
	s.Wish(nil, nil, nil)
	opened(e, more, s)
}

// TestStalledLeavesItsLoop: a handshake that waits for its turn goes on where there are no turns, and in another loop.
func TestStalledLeavesItsLoop(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	l := listener(e, "", "")
	var clients, servers []*friotest.Probe
	for range 12 {
		c := client(e, l, "tls+tcp", "")
		clients = append(clients, c)
		s := e.AcceptFrom(l, nil)
		servers = append(servers, s)
	}
	opened := func(p *friotest.Probe) bool { return p.State() == frio.StateOpen }
	e.Until("hellos", func() bool {
		for _, c := range clients {
			if c.State() != frio.StateHandshaking {
				return false
			}
		}
		return true
	})
	e.Spin(5)
	for _, s := range servers {
		s.Wish(nil, nil, nil)
	}
	var waiting []*friotest.Probe
	e.Until("two wait", func() bool {
		waiting = nil
		for _, s := range servers {
			if strings.Contains(s.DebugText(), "waits for its turn") {
				waiting = append(waiting, s)
			}
		}
		return len(waiting) >= 2
	})
	bare, moved := waiting[0], waiting[1]
	bare.Leave()
	e.Move(moved, e.NewSide("second"), nil, nil)
	e.Until("all are open", func() bool {
		if !opened(bare) {
			bare.Read(make([]byte, 10))
		}
		for i := range servers {
			if !opened(servers[i]) || !opened(clients[i]) {
				return false
			}
		}
		return true
	})
}
