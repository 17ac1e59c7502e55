package tls_test

import (
	"io"
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
