package transport

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"
)

// Where accepting fails the port rests for a second, says so, and goes on; it never ends.
func TestAcceptErrors(t *testing.T) {
	onSim(t, func(b *bench) {
		s := &service{cfg: Config{Frame: frame, MessageMax: 4096}}
		port := b.serve(inet("listen", "tcp", "tcp", 0, ""), s)
		b.Host().InjectAll("Accept", syscall.EINVAL)
		r := b.connect(at(port))
		b.Spin(5)
		calls := b.Host().Calls("Accept")
		b.Pass(10 * time.Second)
		if n := b.Host().Calls("Accept") - calls; n < 8 || n > 12 || len(s.faults) < 9 || len(s.faults) > 13 {
			t.Errorf("%d calls of accept in ten seconds, %d faults", n, len(s.faults))
		}
		b.Host().InjectAll("Accept", 0)
		faults := len(s.faults)
		b.Until("it is accepted", func() bool { return len(s.users) == 1 && s.users[0].ups == 1 })
		r.send(message(1, 10))
		b.Until("it is served", func() bool { return len(s.users[0].got) == 1 })
		if len(s.faults) > faults+1 {
			t.Errorf("%d faults more", len(s.faults)-faults)
		}
	})
}

// What was made for the next peer is freed with the port, and a port that closed in the callback of its fault stays closed.
func TestPortClosesInside(t *testing.T) {
	onSim(t, func(b *bench) {
		s := &service{cfg: Config{Frame: frame, MessageMax: 4096}}
		port := b.serve(inet("listen", "tcp", "tcp", 0, ""), s)
		s.make = func() *recorder {
			b.must(port.Close())
			return new(recorder)
		}
		b.connect(at(port))
		b.Until("the peer is served", func() bool { return len(s.users) == 1 })
		b.Pass(5 * time.Second)
		if port.spare != nil || len(s.faults) > 0 {
			t.Errorf("a spare context is left, or faults: %v", s.faults)
		}
	})
}

// Closing a port without a pool ends the connections that it accepted: each is told.
func TestPortClosesItsConnections(t *testing.T) {
	onSim(t, func(b *bench) {
		s := &service{cfg: Config{Frame: frame, MessageMax: 4096}}
		s.make = func() *recorder {
			return &recorder{end: func(c *Conn, err error) { _ = c.Close() }}
		}
		port := b.serve(inet("listen", "tcp", "tcp", 0, ""), s)
		for range 3 {
			b.connect(at(port))
		}
		b.Until("they are up", func() bool { return len(s.users) == 3 && s.users[2].ups == 1 })
		b.must(port.Close())
		b.must(port.Close())
		b.Spin(3)
		for i, u := range s.users {
			if len(u.ends) != 1 || !errors.Is(u.ends[0], net.ErrClosed) {
				t.Errorf("connection %d: ends %v", i, u.ends)
			}
		}
		if s.gone != 3 {
			t.Errorf("Gone came %d times", s.gone)
		}
	})
}

// A port that refuses accepts nobody, and its connections go on; a socket without connections answers what has come, and reads no more.
func TestRefuse(t *testing.T) {
	onSim(t, func(b *bench) {
		s := &service{cfg: Config{Frame: frame, MessageMax: 4096}, make: func() *recorder { return new(recorder).echo() }}
		port := b.serve(inet("listen", "tcp", "tcp", 0, ""), s)
		r := b.connect(at(port))
		b.Until("it is up", func() bool { return len(s.users) == 1 && s.users[0].ups == 1 })
		port.Refuse()
		port.Refuse()
		b.connect(at(port))
		b.Pass(5 * time.Second)
		if len(s.users) != 1 || port.spare != nil {
			t.Errorf("%d peers are served", len(s.users))
		}
		r.send(message(1, 10))
		r.receive(10)
	})
	onSim(t, func(b *bench) {
		port, user := udpEcho(b, Config{MessageMax: 4096})
		r := b.bound(port)
		for i := range 10 {
			r.send(message(byte(i), 20))
		}
		port.Refuse()
		b.Spin(2)
		if got := r.datagrams(); len(got) != 10 || user.drains != 1 {
			t.Errorf("%d answers to what had come, Drain came %d times", len(got), user.drains)
		}
		r.send(message(1, 20))
		b.Spin(5)
		if len(user.got) != 10 {
			t.Errorf("%d datagrams were read", len(user.got))
		}
	})
	// Inside the callback of a message as well.
	onSim(t, func(b *bench) {
		port, user := udpEcho(b, Config{MessageMax: 4096})
		user.message = func(*Conn, *Message) { port.Refuse() }
		r := b.bound(port)
		for i := range 10 {
			r.send(message(byte(i), 20))
		}
		b.Spin(5)
		if len(user.got) != 10 {
			t.Errorf("%d datagrams came", len(user.got))
		}
	})
}
