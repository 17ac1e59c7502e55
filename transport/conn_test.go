package transport

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/talloc"
)

// A connection that its IO's own limit ends is lost, once, by that limit: also while nothing is read, or nothing ever came.
func TestLimitsOfTheIO(t *testing.T) {
	for _, paused := range []bool{false, true} {
		onSim(t, func(b *bench) {
			s := &service{cfg: Config{Frame: frame, MessageMax: 4096}}
			port := b.serve(strings.TrimSuffix(inet("listen", "tcp", "tcp", 0, ""), "}\n")+"limit {\nidle_timeout = 30\n}\n}\n", s)
			b.connect(at(port))
			b.Until("it is up", func() bool { return len(s.users) == 1 && s.users[0].ups == 1 })
			user := s.users[0]
			if paused {
				user.conn.Pause()
			}
			b.Pass(29 * time.Second)
			if len(user.ends) > 0 {
				t.Errorf("ends %v before the time", user.ends)
			}
			b.Pass(3 * time.Second)
			var limit *frio.TimeoutError
			if len(user.ends) != 1 || !errors.As(user.ends[0], &limit) || limit.Limit != "idle_timeout" || user.conn.IsUp() {
				t.Errorf("paused %v: ends %v", paused, user.ends)
			}
		})
	}
}

// A connection that cannot be had is told by End, without Up, and not before Dial has returned.
func TestDialFails(t *testing.T) {
	onBoth(t, func(b *bench) {
		p := b.ParseText(nil, "listener", inet("listen", "tcp", "tcp", 0, ""))
		b.must(p.Open())
		port := b.Port(p)
		b.must(p.Close())
		user := &recorder{}
		c := b.dial(inet("home_server", "tcp", "tcp", port, ""), Config{}, user)
		if len(user.ends) > 0 {
			t.Error("told inside Dial")
		}
		b.Until("the end", func() bool { return len(user.ends) > 0 })
		b.Spin(3)
		if user.ups != 0 || len(user.ends) != 1 || !errors.Is(user.ends[0], syscall.ECONNREFUSED) || c.Send(nil, []byte("x")) == nil {
			t.Errorf("%d ups, ends %v", user.ups, user.ends)
		}
	})
	onSim(t, func(b *bench) {
		want := errors.New("no")
		if _, err := Dial(b.lane, b.ctxs[0], "x", func(*talloc.Context) (frio.IO, error) { return nil, want }, Config{}, new(recorder)); err != want {
			t.Errorf("Dial: %v", err)
		}
	})
}

// A user may close the connection in every call that it gets; nothing more is told.
func TestCloseInside(t *testing.T) {
	shut := func(c *Conn) { _ = c.Close() }
	for _, user := range []*recorder{
		{up: shut},
		{message: func(c *Conn, _ *Message) { shut(c) }},
		{room: shut},
		{end: func(c *Conn, _ error) { shut(c) }},
	} {
		onSim(t, func(b *bench) {
			s := &service{cfg: Config{Frame: frame, MessageMax: 4096}, make: func() *recorder { return user }}
			r := b.connect(at(b.serve(inet("listen", "tcp", "tcp", 0, ""), s)))
			b.Until("it is up", func() bool { return user.ups == 1 })
			r.send(bytes.Join([][]byte{message(1, 10), message(2, 10)}, nil))
			b.Spin(2)
			if user.room != nil {
				b.must(user.conn.CloseWrite())
				b.Spin(2)
			}
			b.Kernel.CloseWrite(r.fd)
			b.Until("it is closed", func() bool { return s.gone == 1 })
			b.Spin(3)
			got := len(user.got)
			if user.up != nil && got > 0 || user.message != nil && got != 1 || user.end == nil && len(user.ends) > 0 || s.gone != 1 {
				t.Errorf("%d messages, ends %v, gone %d", got, user.ends, s.gone)
			}
		})
	}
}

// An IO without batches, whose peers have no addresses, is read and answered one datagram at a time.
func TestUnixDatagrams(t *testing.T) {
	onBoth(t, func(b *bench) {
		s := &service{cfg: Config{MessageMax: 4096}, make: func() *recorder { return new(recorder).echo() }}
		text := "listen x {\nprotocol = unix\nunix {\ntype = datagram\nfilename = " + b.Place.File + "\n}\n}\n"
		b.serve(text, s)
		near := new(recorder)
		c := b.dial("home_server x {\nprotocol = unix\nunix {\ntype = datagram\nfilename = "+b.Place.File+"\n}\n}\n", Config{}, near)
		b.Until("it is up", func() bool { return near.ups == 1 })
		var want [][]byte
		for i := range 5 {
			want = append(want, message(byte(i), 100))
			b.must(c.Send(nil, want[i]))
		}
		b.Until("they came", func() bool { return len(s.users) == 1 && len(s.users[0].got) == len(want) })
		same(b, s.users[0].got, want)
	})
}

// What a connection has when its thread changes goes with it: messages that wait, output that waits, what there is to tell.
func TestLeaveAndArrive(t *testing.T) {
	b := newBench(t, true, 2)
	s := &service{cfg: Config{Frame: frame, MessageMax: 4096}}
	port := b.serve(inet("listen", "tcp", "tcp", 0, ""), s)
	p := b.ParseText(nil, "connecting", inet("home_server", "tcp", "tcp", at(port).Port(), ""))
	near := &recorder{}
	near.message = func(c *Conn, _ *Message) {
		if len(near.got) == 3 {
			c.Pause()
		}
	}
	c, err := Dial(b.lane, p.Ctx, "connection", p.IO.(frio.Copier).Copy, Config{Frame: frame, MessageMax: 4096}, near)
	b.must(err)
	b.Until("both are up", func() bool { return near.ups == 1 && len(s.users) == 1 && s.users[0].ups == 1 })
	far := s.users[0]
	var want, sent [][]byte
	for i := range 10 {
		want = append(want, message(byte(i), 50))
		b.must(far.conn.Send(nil, want[i]))
	}
	b.Until("it is paused", func() bool { return len(near.got) == 3 })
	far.conn.Pause()
	for i := range 100 {
		sent = append(sent, message(byte(i), 4000))
		b.must(c.Send(nil, sent[i]))
	}
	c.Resume()
	// Before anything of this happens the connection goes; and back, and again.
	at := p.Ctx
	for i := range 5 {
		c.Leave()
		at.Detach()
		side := b.lanes[(i+1)%2]
		b.must(side.Context().Adopt(at))
		c.Arrive(side)
		if i == 2 {
			b.Turn()
		}
	}
	if c.Lane() != b.lanes[1] {
		t.Error("it is not where it went")
	}
	far.conn.Resume()
	b.Until("all came", func() bool { return len(near.got) == len(want) && len(far.got) == len(sent) })
	same(b, near.got, want)
	same(b, far.got, sent)
	b.Until("Room", func() bool { return near.rooms > 0 })
	if near.rooms != 1 || len(near.ends)+len(far.ends) > 0 {
		t.Errorf("Room came %d times, ends %v, %v", near.rooms, near.ends, far.ends)
	}
	_ = c.Close()
	b.Spin(3)
}

func TestDebug(t *testing.T) {
	onSim(t, func(b *bench) {
		h := b.newHome("tcp", 0)
		h.silent = true
		peer := b.peer("tcp", at(h.port), Limits{Connections: 1, Requests: 2})
		list := b.started(peer.Pool(b.lane), 3)
		b.Until("they have come", func() bool { return len(h.got) == 2 })
		var text bytes.Buffer
		peer.Pool(b.lane).Debug(&text)
		h.users[0].conn.Pause()
		h.users[0].conn.Debug(&text)
		for _, part := range []string{"1 connections, 0 on their way, 3 requests under way, 1 waiting", "2 under way, 2 carried", "in 2 messages, 8 bytes", "paused"} {
			if !strings.Contains(text.String(), part) {
				t.Errorf("no %q in\n%s", part, text.String())
			}
		}
		peer.Pool(b.lane).close(net.ErrClosed)
		b.over(list, 0, 1)
	})
}
