package tls_test

import (
	"errors"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/tls"
)

// moving is a listener of DTLS that goes from loop to loop, with its children.
type moving struct {
	*friotest.Env
	sides    []*friotest.Side
	at       int
	listener *friotest.Probe
	contexts []*talloc.Context // of the children
}

func newMoving(t *testing.T, limit string) *moving {
	e := friotest.NewEnv(t, true, 1)
	m := &moving{Env: e, sides: []*friotest.Side{&e.Side, e.NewSide("second"), e.NewSide("third")}}
	m.listener = datagramListener(e, "require_client_cert = yes\n", limit)
	t.Cleanup(func() {
		for _, ctx := range m.contexts {
			ctx.Free()
		}
	})
	return m
}

// accept takes a child where the listener is.
func (m *moving) accept() (frio.IO, error) {
	ctx := m.Context(m.sides[m.at], "child")
	child, err := m.listener.IO.Accept(ctx)
	if err != nil {
		ctx.Free()
		return nil, err
	}
	m.contexts = append(m.contexts, ctx)
	return child, nil
}

// move takes the listener to the next loop. The children are not asked: they go along.
func (m *moving) move() {
	m.Helper()
	if err := m.listener.IO.Event(nil, nil, nil); err != nil {
		m.Fatal(err)
	}
	m.at = (m.at + 1) % len(m.sides)
	side := m.sides[m.at]
	for _, ctx := range append([]*talloc.Context{m.listener.Ctx}, m.contexts...) {
		ctx.Detach()
		if err := side.Root.Adopt(ctx); err != nil {
			m.Fatal(err)
		}
	}
	if err := m.listener.IO.Event(side.Loop, func() {}, nil); err != nil {
		m.Fatal(err)
	}
}

// dial is a client with the certificate that the listener asks for.
func (m *moving) dial() *friotest.Probe {
	m.Helper()
	_, home := sections(m.TB, "", "check_cert_name = no\n")
	listen := m.listener.IO.(frio.Addresser).LocalAddr()
	c := m.ParseText(nil, "client", "home_server {\nprotocol = tls+udp\nudp {\nipaddr = 127.0.0.1\nport = "+itoa(listen.Port())+"\n}\n"+home+"}\n")
	c.Wish(nil, nil, nil)
	if err := c.Connect(); err != nil && err != frio.ErrAgain {
		m.Fatal(err)
	}
	return c
}

// TestMoveDatagramsInHandshake: a listener of DTLS goes to another loop after each turn, and so after each flight of the handshake, and
// in the middle of data; its children come along with their wishes.
func TestMoveDatagramsInHandshake(t *testing.T) {
	m := newMoving(t, "")
	c := m.dial()
	var child frio.IO
	var got []byte
	states := map[frio.State]int{}
	for moves := 0; c.State() != frio.StateOpen || child == nil || state(child) != frio.StateOpen; moves++ {
		if moves > 1000 {
			t.Fatal("no end of the handshake")
		}
		if child == nil {
			if child, _ = m.accept(); child != nil {
				if err := child.Event(m.sides[m.at].Loop, func() {
					var buf [100]byte
					for {
						n, err := child.Read(buf[:])
						if err != nil {
							return
						}
						got = append(got, buf[:n]...)
					}
				}, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		m.move()
		if child != nil {
			states[state(child)]++
		}
		m.Turn()
	}
	if states[frio.StateHandshaking] < 2 { // before its first flight, and after it
		t.Errorf("moved in the states %v", states)
	}
	for range 20 {
		got = nil
		m.Send(c, []byte("to the child"))
		m.move()
		m.Until("it comes where the child is", func() bool { return string(got) == "to the child" })
		if n, err := child.Write([]byte("from it")); n != 7 || err != nil {
			t.Fatal(n, err)
		}
		m.move()
		m.Expect(c, []byte("from it"))
	}
	// On its own a child goes nowhere.
	other := m.sides[(m.at+1)%3]
	if err := child.Event(other.Loop, nil, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Event of a child with another loop: %v", err)
	}
	child.Close()
}

// TestMoveKeepsDeadlines: the time of a handshake goes on where the listener goes.
func TestMoveKeepsDeadlines(t *testing.T) {
	m := newMoving(t, "handshake_timeout = 5s\n")
	c := m.dial()
	var child frio.IO
	m.Until("a child", func() bool { child, _ = m.accept(); return child != nil })
	c.IO.(frio.Layer).Lower().Close() // it says no more
	told := 0
	if err := child.Event(m.sides[m.at].Loop, func() { told++ }, nil); err != nil {
		t.Fatal(err)
	}
	for range 49 {
		m.move()
		m.Pass(100 * time.Millisecond)
	}
	if state(child) != frio.StateHandshaking {
		t.Fatalf("after 4.9 s it is %v", state(child))
	}
	m.move()
	m.Pass(200 * time.Millisecond)
	var failed *tls.HandshakeError
	if _, err := child.Read(make([]byte, 1)); !errors.As(err, &failed) || failed.Cause != tls.CauseTimeout || told == 0 {
		t.Errorf("after 5.1 s: %v, told %d times", err, told)
	}
	child.Close()
}
