package friotest

import (
	"errors"
	"syscall"

	"github.com/frio-io/frio"
)

var packetChecks = []check{
	{name: "boundaries", needs: isDatagram, run: checkBoundaries},
	{name: "sizes of datagrams", needs: isDatagram, run: checkSizes},
	{name: "a datagram longer than the buffer", needs: isDatagram, run: checkLongRead},
	{name: "a datagram that is too long to send", needs: func(t *Target) bool { return isDatagram(t) && t.TooLong > 0 }, run: checkLongWrite},
	{name: "nobody at the other end", needs: func(t *Target) bool { return isDatagram(t) && t.NoRefusal }, run: checkPortClosed},
	{name: "bad datagrams on a loop", needs: isDatagram, run: checkBadLoop},
	{name: "a paused child", needs: func(t *Target) bool { return isDatagram(t) && t.Children }, run: checkPausedChild},
	{name: "a peer comes back", needs: func(t *Target) bool { return isDatagram(t) && t.Children && !t.Handshake }, run: checkPeerAgain},
}

// packetError wants err to be the loss of one datagram, for one of the reasons given.
func (e *Env) packetError(p *Probe, op string, n int, err error, reasons ...error) {
	e.Helper()
	var lost *frio.PacketError
	if n != 0 || !errors.As(err, &lost) {
		e.Fatalf("%s: %s: %d, %v, want 0 and a *PacketError", p.Name, op, n, err)
	}
	for _, r := range reasons {
		if errors.Is(err, r) {
			return
		}
	}
	e.Errorf("%s: %s: %v, want one of %v", p.Name, op, err, reasons)
}

func checkBoundaries(e *Env) {
	p := e.Pair(Options{})
	for _, s := range []string{"one", "two", "three"} {
		e.Send(p.Client, []byte(s))
	}
	for _, s := range []string{"one", "two", "three"} {
		e.Expect(p.Server, []byte(s))
	}
	e.Nothing(p.Server)
}

func checkSizes(e *Env) {
	p := e.Pair(Options{Loop: true})
	top := e.Target.datagramMax()
	for _, n := range []int{1, 2, 100, 511, 512, top - 1, top} {
		b := make([]byte, n)
		Pattern{uint64(n)}.Fill(b, 0)
		e.Send(p.Client, b)
		e.Expect(p.Server, b)
		if e.answer(p, b) {
			e.Expect(p.Client, b)
		}
	}
}

// checkLongRead: it costs that datagram, says so, and the next one is whole. A buffer that fits exactly is not too short.
func checkLongRead(e *Env) {
	p := e.Pair(Options{})
	e.Send(p.Client, []byte("longer than eight"))
	e.Send(p.Client, []byte("fits"))
	e.Send(p.Client, []byte("8 bytes!"))
	var buf [8]byte
	var n int
	var err error
	e.Until("the long datagram", func() bool {
		n, err = p.Server.Read(buf[:])
		return err != frio.ErrAgain
	})
	e.packetError(p.Server, "Read", n, err, frio.ErrTooLong)
	e.Expect(p.Server, []byte("fits"))
	e.Until("the datagram that fits exactly", func() bool {
		n, err = p.Server.Read(buf[:])
		return err != frio.ErrAgain
	})
	if err != nil || string(buf[:n]) != "8 bytes!" {
		e.Errorf("read %q, %v", buf[:n], err)
	}
	e.stillOpen(p)
}

func (e *Env) stillOpen(p *Pair) {
	e.Helper()
	for _, one := range []*Probe{p.Client, p.Server, p.Listener} {
		if s := one.State(); s != frio.StateOpen && s != frio.StateListening {
			e.Errorf("%s: state %v, want open", one.Name, s)
		}
	}
	e.Send(p.Client, []byte("all is well"))
	e.Expect(p.Server, []byte("all is well"))
}

func checkLongWrite(e *Env) {
	p := e.Pair(Options{})
	for range 2 {
		n, err := p.Client.Write(make([]byte, e.Target.TooLong))
		e.packetError(p.Client, "Write", n, err, frio.ErrTooLong, syscall.EMSGSIZE)
		e.stillOpen(p)
	}
	e.Nothing(p.Server)
}

// checkPortClosed: datagrams to where nobody is cost themselves at most; when somebody is there again they get through.
func checkPortClosed(e *Env) {
	for _, loop := range []bool{false, true} {
		l := e.Listener(Options{})
		place := e.Place
		place.Port = e.Port(l)
		c := e.ParseClient(l, Options{})
		l.Close()
		if loop {
			c.Wish(nil, nil, nil)
		}
		if err := c.Connect(); err != nil {
			e.Fatalf("Connect: %v", err)
		}
		var buf [64]byte
		lost := 0
		for range 5 {
			if n, err := c.Write([]byte("to nobody")); n == 0 && err != frio.ErrAgain {
				e.packetError(c, "Write", n, err, syscall.ECONNREFUSED)
				lost++
			}
			e.Spin(3)
			if n, err := c.Read(buf[:]); err != frio.ErrAgain {
				e.packetError(c, "Read", n, err, syscall.ECONNREFUSED)
				lost++
			}
		}
		if lost == 0 {
			e.Errorf("nothing told of five datagrams to nobody")
		}
		if s := c.State(); s != frio.StateOpen {
			e.Errorf("state %v after refused datagrams, want open", s)
		}
		again := e.ParseText(nil, "listener again", e.listenText(place, ""))
		if err := again.Open(); err != nil {
			e.Fatalf("Open: %v", err)
		}
		for range 3 { // a pending error may still cost one call
			c.Read(buf[:])
		}
		e.Until("the first datagram that gets through", func() bool {
			n, err := c.Write(greeting)
			return n > 0 && err == nil
		})
		server := again
		if e.Target.Children {
			server = e.AcceptFrom(again, nil)
		}
		e.Expect(server, greeting)
		c.Close()
		again.Close()
	}
}

// checkBadLoop: an error of one datagram comes out of Read in the callback, costs one call, and the wish stays.
func checkBadLoop(e *Env) {
	p := e.Pair(Options{Loop: true})
	long, good := 0, 0
	p.Server.Wish(nil, func() {
		var buf [8]byte
		n, err := p.Server.Read(buf[:])
		switch {
		case err == nil && string(buf[:n]) == "good":
			good++
		case errors.Is(err, frio.ErrTooLong):
			long++
		case err != frio.ErrAgain:
			e.Fatalf("Read: %q, %v", buf[:n], err)
		}
	}, nil)
	for range 10 {
		e.Send(p.Client, []byte("too long for the buffer"))
		e.Send(p.Client, []byte("good"))
	}
	e.Until("ten of each", func() bool { return long+good >= 20 })
	if long != 10 || good != 10 {
		e.Errorf("%d too long, %d good, want 10 each", long, good)
	}
	e.Spin(5)
}

// checkPausedChild: what a child that does not read cannot hold is dropped; the others do not notice.
func checkPausedChild(e *Env) {
	l := e.Listener(Options{})
	l.Wish(nil, nil, nil)
	paused, busy := e.Join(l, Options{Loop: true}), e.Join(l, Options{Loop: true})
	memory := e.Root.Total().Bytes
	for i := range 300 {
		e.Send(paused.Client, []byte("to the paused one"))
		e.Spin(1)
		ask := []byte("busy " + itoa(i))
		e.Send(busy.Client, ask)
		e.Expect(busy.Server, ask)
	}
	if grown := e.Root.Total().Bytes - memory; grown > 1<<20 {
		e.Errorf("the contexts grew by %d bytes", grown)
	}
	kept := 0
	var buf [64]byte
	for {
		n, err := paused.Server.Read(buf[:])
		if err == frio.ErrAgain {
			break
		}
		if err != nil || string(buf[:n]) != "to the paused one" {
			e.Fatalf("Read: %q, %v", buf[:n], err)
		}
		kept++
	}
	if kept == 0 || kept > 64 {
		e.Errorf("%d datagrams were kept for the paused child, want 1 to 64", kept)
	}
	e.Send(paused.Client, []byte("again"))
	e.Expect(paused.Server, []byte("again"))
}

// checkPeerAgain: after its child was closed, a peer's next datagram makes another child.
func checkPeerAgain(e *Env) {
	p := e.Pair(Options{Loop: true})
	p.Server.Close()
	e.Send(p.Client, greeting)
	next := e.AcceptFrom(p.Listener, nil)
	next.Wish(nil, nil, nil)
	e.Expect(next, greeting)
	e.Send(next, []byte("to the same client"))
	e.Expect(p.Client, []byte("to the same client"))
}
