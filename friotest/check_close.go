package friotest

import (
	"errors"
	"io"
	"net"

	"github.com/frio-io/frio"
)

var closeChecks = []check{
	{name: "close before open and before connect", run: checkCloseFresh},
	{name: "close twice and use after close", run: checkClosed},
	{name: "close listening", run: checkCloseListening},
	{name: "close a parent", needs: hasChildren, run: checkCloseParent},
	{name: "close a parent from a child's callback", needs: hasChildren, run: checkCloseParentInside},
	{name: "close while connecting", run: checkCloseConnecting},
	{name: "close half-closed", needs: hasHalf, run: checkCloseHalf},
	{name: "close failed", needs: canReset, run: checkCloseFailed},
	{name: "close in its own read callback", run: checkCloseInRead},
	{name: "close in its own write callback", run: checkCloseInWrite},
	{name: "close in another's callback", run: checkCloseInOther},
	{name: "close of a listener in its callback", needs: hasChildren, run: checkCloseInAccept},
	{name: "close leaves a loop", run: checkCloseLeaves},
	{name: "free of the context aborts", run: checkFreeAborts},
	{name: "free of the context in a callback", run: checkFreeInside},
}

// closedEverywhere calls every operation of a closed IO. Probe checks the results.
func (e *Env) closedEverywhere(p *Probe) {
	e.Helper()
	var buf [8]byte
	for range 2 {
		p.Open()
		p.Connect()
		p.Read(buf[:])
		p.Write(buf[:])
		p.Accept(nil)
		if err := p.Event(e.Loop, func() {}, func() {}); !errors.Is(err, net.ErrClosed) {
			e.Errorf("%s: Event after Close: %v, want net.ErrClosed", p.Name, err)
		}
		if c, ok := p.IO.(frio.CloseWriter); ok {
			if err := c.CloseWrite(); !errors.Is(err, net.ErrClosed) {
				e.Errorf("%s: CloseWrite after Close: %v, want net.ErrClosed", p.Name, err)
			}
		}
		if q, ok := p.IO.(frio.PacketIO); ok {
			packets := []frio.Packet{{Data: buf[:0]}}
			if n, err := q.ReadPackets(packets); n != 0 || !errors.Is(err, net.ErrClosed) {
				e.Errorf("%s: ReadPackets after Close: %d, %v, want net.ErrClosed", p.Name, n, err)
			}
			packets[0].Data = buf[:]
			if n, err := q.WritePackets(packets); n != 0 || !errors.Is(err, net.ErrClosed) {
				e.Errorf("%s: WritePackets after Close: %d, %v, want net.ErrClosed", p.Name, n, err)
			}
		}
		p.Describe()
		p.DebugText()
		if err := p.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			e.Errorf("%s: Close of what is closed: %v", p.Name, err)
		}
	}
	e.Spin(3)
}

func checkCloseFresh(e *Env) {
	l := e.ParseListener(Options{})
	c := e.ParseText(nil, "client", e.homeText(Place{Addr: e.Place.Addr, Port: 7, File: e.Place.File}))
	l.Wish(nil, func() {}, nil)
	for _, p := range []*Probe{l, c} {
		if err := p.Close(); err != nil {
			e.Errorf("%s: Close: %v", p.Name, err)
		}
		e.closedEverywhere(p)
	}
}

func checkClosed(e *Env) {
	for _, loop := range []bool{false, true} {
		p := e.Pair(Options{Loop: loop})
		for _, one := range []*Probe{p.Client, p.Server, p.Listener} {
			already := one.closed // the listener, where it is the server's end itself
			if err := one.Close(); err != nil && !already {
				e.Errorf("%s: Close: %v", one.Name, err)
			}
			e.closedEverywhere(one)
		}
	}
}

// checkCloseListening: the place is free at once, and nobody gets in.
func checkCloseListening(e *Env) {
	l := e.Listener(Options{})
	l.Wish(nil, func() { e.Errorf("callback of a listener that nobody spoke to") }, nil)
	e.Spin(2)
	place := e.Place
	place.Port = e.Port(l)
	if err := l.Close(); err != nil {
		e.Errorf("Close: %v", err)
	}
	e.closedEverywhere(l)
	next := e.ParseText(nil, "next listener", e.listenText(place, ""))
	if err := next.Open(); err != nil {
		e.Errorf("Open where a listener was closed: %v", err)
	}
}

// checkCloseParent: a parent closes its children, and neither calls back.
func checkCloseParent(e *Env) {
	p := e.Pair(Options{Loop: true})
	other := e.Join(p.Listener, Options{Loop: true})
	for _, c := range []*Probe{p.Server, other.Server} {
		c.Wish(nil, func() { e.Errorf("read callback of a child whose parent is closed") }, nil)
	}
	e.Send(p.Client, []byte("unread"))
	p.Listener.Close()
	for _, c := range []*Probe{p.Server, other.Server} {
		if s := c.State(); s != frio.StateClosed {
			e.Errorf("a child is %v after its parent's Close", s)
		}
		var buf [8]byte
		if _, err := c.Read(buf[:]); !errors.Is(err, net.ErrClosed) {
			e.Errorf("a child's Read after its parent's Close: %v", err)
		}
		c.Gone()
	}
	e.Spin(10)
	e.closedEverywhere(p.Server)
	e.closedEverywhere(p.Listener)
}

func checkCloseParentInside(e *Env) {
	p := e.Pair(Options{Loop: true})
	other := e.Join(p.Listener, Options{Loop: true})
	closed := 0
	down := func() {
		if closed++; closed > 1 {
			e.Errorf("callback after the parent was closed")
			return
		}
		p.Listener.Close()
	}
	p.Server.Wish(nil, down, nil)
	other.Server.Wish(nil, down, nil)
	// Both are ready in the same turn: one closes the other under it.
	e.Send(p.Client, []byte("a"))
	e.Send(other.Client, []byte("b"))
	e.Until("a callback", func() bool { return closed > 0 })
	p.Server.Gone()
	other.Server.Gone()
	e.Spin(10)
}

func checkCloseConnecting(e *Env) {
	l := e.Listener(Options{})
	for _, loop := range []bool{false, true} {
		c := e.ParseClient(l, Options{})
		if loop {
			c.Wish(nil, func() {}, func() {})
		}
		if err := c.Connect(); err != nil && err != frio.ErrAgain {
			e.Fatalf("Connect: %v", err)
		}
		if err := c.Close(); err != nil {
			e.Errorf("Close while connecting: %v", err)
		}
		e.closedEverywhere(c)
	}
}

func checkCloseHalf(e *Env) {
	for _, who := range []string{"ender", "other"} {
		p := e.Pair(Options{Loop: true})
		p.Client.CloseWrite()
		if end := e.ExpectEnd(p.Server); !errors.Is(end, io.EOF) {
			e.Fatalf("Read: %v, want io.EOF", end)
		}
		one := p.Client
		if who == "other" {
			one = p.Server
		}
		if err := one.Close(); err != nil {
			e.Errorf("%s: Close half-closed: %v", who, err)
		}
		e.closedEverywhere(one)
		p.Listener.Close()
		p.Server.Gone()
	}
}

func checkCloseFailed(e *Env) {
	p := e.Pair(Options{Loop: true})
	e.Reset(p.Client, p.Server)
	if end := e.ExpectEnd(p.Server); !errors.Is(end, frio.ErrReset) {
		e.Fatalf("Read: %v, want ErrReset", end)
	}
	if s := p.Server.State(); s != frio.StateFailed {
		e.Errorf("state %v after a reset, want failed", s)
	}
	p.Server.Close()
	e.closedEverywhere(p.Server)
}

// checkCloseInRead: Close in the read callback, with more to read and a write wish: nothing comes afterwards.
func checkCloseInRead(e *Env) {
	for _, drain := range []bool{false, true} {
		p := e.Pair(Options{Loop: true})
		calls := 0
		p.Server.Wish(nil, func() {
			calls++
			if drain {
				var buf [3]byte
				p.Server.Read(buf[:])
			}
			p.Server.Close()
		}, nil)
		e.Send(p.Client, []byte("more than three bytes"))
		e.Until("the read callback", func() bool { return calls > 0 })
		e.Spin(10)
		if calls != 1 {
			e.Errorf("%d callbacks, want 1", calls)
		}
		e.closedEverywhere(p.Server)
		p.Listener.Close()
	}
}

func checkCloseInWrite(e *Env) {
	p := e.Pair(Options{Loop: true})
	calls := 0
	read := func() { e.Errorf("read callback after Close in the write callback") }
	p.Client.Wish(nil, read, func() {
		calls++
		p.Client.Close()
	})
	e.Until("the write callback", func() bool { return calls > 0 })
	e.Spin(10)
	if calls != 1 {
		e.Errorf("%d callbacks, want 1", calls)
	}
	e.closedEverywhere(p.Client)
}

// checkCloseInOther: two IOs are ready in one turn; the first to be called closes the other, which is not called any more.
func checkCloseInOther(e *Env) {
	l := e.Listener(Options{})
	l.Wish(nil, nil, nil)
	a, b := e.Join(l, Options{Loop: true}), e.Join(l, Options{Loop: true})
	calls := 0
	a.Client.Wish(nil, nil, func() { calls++; b.Client.Close(); a.Client.Close() })
	b.Client.Wish(nil, nil, func() { calls++; a.Client.Close(); b.Client.Close() })
	e.Until("a write callback", func() bool { return calls > 0 })
	e.Spin(5)
	if calls != 1 {
		e.Errorf("%d callbacks, want 1", calls)
	}
}

func checkCloseInAccept(e *Env) {
	l := e.Listener(Options{})
	calls := 0
	l.Wish(nil, func() { calls++; l.Close() }, nil)
	c := e.Dial(l, Options{Loop: true})
	e.greet(c)
	e.Until("the listener's callback", func() bool { return calls > 0 })
	e.Spin(10)
	if calls != 1 {
		e.Errorf("%d callbacks, want 1", calls)
	}
	e.closedEverywhere(l)
}

// checkCloseLeaves: what is closed is not in the loop any more: the loop's context holds nothing of it, and nothing wakes it.
func checkCloseLeaves(e *Env) {
	before := e.Loop.Context().Total()
	p := e.Pair(Options{Loop: true})
	p.Client.Wish(nil, func() {}, nil)
	p.Server.Wish(nil, func() {}, nil)
	for _, one := range []*Probe{p.Client, p.Server, p.Listener} {
		one.Close()
	}
	e.Until("the closing list is empty", func() bool { return e.Loop.Stats().Lingering == 0 })
	e.Spin(3)
	for _, one := range []*Probe{p.Client, p.Server, p.Listener} {
		if !one.Ctx.Freed() {
			one.Ctx.Free()
		}
	}
	if after := e.Loop.Context().Total(); after != before {
		e.Errorf("the loop's context holds %+v, before %+v", after, before)
	}
	stats := e.Loop.Stats()
	e.Spin(10)
	if n := e.Loop.Stats().Events - stats.Events; n > 0 {
		e.Errorf("%d events with everything closed", n)
	}
	if n := e.Loop.Stats().Timers - stats.Timers; n > 0 {
		e.Errorf("%d timers with everything closed", n)
	}
}

// checkFreeAborts: freeing the context of an open IO closes it: no descriptor, no callback, no closing list.
func checkFreeAborts(e *Env) {
	before := e.world.descriptors()
	p := e.Pair(Options{Loop: true})
	for _, one := range []*Probe{p.Client, p.Server} {
		one.Wish(nil, func() {}, nil)
	}
	aborted := 0
	for _, one := range []*Probe{p.Client, p.Server, p.Listener} {
		if one.Ctx.Freed() {
			continue
		}
		one.wish++ // no callback of it is right from here on
		one.Ctx.Free()
		aborted++
	}
	if n := e.Loop.Stats().Lingering; n > 0 {
		e.Errorf("%d aborted sockets on the closing list", n)
	}
	if after := e.world.descriptors(); after != before {
		e.Errorf("%d descriptors after %d IOs were freed, %d before", after, aborted, before)
	}
	e.Spin(5)
}

func checkFreeInside(e *Env) {
	p := e.Pair(Options{Loop: true})
	calls := 0
	p.Client.Wish(nil, nil, func() {
		calls++
		p.Client.wish++
		p.Client.Ctx.Free()
	})
	e.Until("the write callback", func() bool { return calls > 0 })
	e.Spin(5)
	if calls != 1 {
		e.Errorf("%d callbacks, want 1", calls)
	}
}
