package friotest

import (
	"github.com/frio-io/frio"
)

var moveChecks = []check{
	{name: "leave and come back", run: checkLeave},
	{name: "leave twice and without a loop", run: checkLeaveTwice},
	{name: "into a loop while in another", needs: canMove, run: checkTwoLoops},
	{name: "accept into a detached context", needs: canMove, run: checkAcceptDetached},
	{name: "move to another loop", needs: canMove, run: checkMove},
	{name: "move inside its own callback", needs: canMove, run: checkMoveInside},
	{name: "move with data in flight", needs: func(t *Target) bool { return canMove(t) && isStream(t) }, run: checkMoveFlow},
	{name: "move with an end unseen", needs: func(t *Target) bool { return canMove(t) && isStream(t) }, run: checkMoveEnd},
	{name: "move while connecting", run: checkMoveConnecting},
	{name: "move a listener", run: checkMoveListener},
}

// Move takes p out of its loop, gives its context to the thread of side, and puts it into the loop there.
func (e *Env) Move(p *Probe, side *Side, read, write func()) {
	e.Helper()
	p.Leave()
	e.hand(p, side)
	p.Wish(side, read, write)
}

func (e *Env) hand(p *Probe, side *Side) {
	e.Helper()
	p.Ctx.Detach()
	if err := side.Root.Adopt(p.Ctx); err != nil {
		e.Fatalf("Adopt: %v", err)
	}
}

func checkLeave(e *Env) {
	p := e.Pair(Options{Loop: true})
	calls := 0
	p.Server.Wish(nil, func() { calls++ }, nil)
	p.Server.Leave()
	e.Send(p.Client, []byte("meanwhile"))
	e.noCalls("outside of a loop", &calls)
	p.Server.Wish(nil, func() { calls++ }, nil)
	e.Until("the data is announced on coming back", func() bool { return calls > 0 })
	e.Expect(p.Server, []byte("meanwhile"))
}

func checkLeaveTwice(e *Env) {
	p := e.Pair(Options{})
	for range 2 {
		p.Server.Leave()
		p.Client.Leave()
	}
	e.Send(p.Client, []byte("no loop"))
	e.Expect(p.Server, []byte("no loop"))
}

// checkTwoLoops: an IO is in one loop. Event with another one, without leaving, is refused or moves it; nobody is called on both.
func checkTwoLoops(e *Env) {
	p := e.Pair(Options{Loop: true})
	other := e.NewSide("other")
	first, second := 0, 0
	p.Server.Wish(nil, func() { first++ }, nil)
	refused := panics(func() {
		if err := p.Server.IO.Event(other.Loop, func() { second++ }, nil); err != nil {
			panic(err)
		}
	})
	e.Send(p.Client, []byte("data"))
	e.Until("a callback", func() bool { return first+second > 0 })
	e.Spin(5)
	if refused != nil && second > 0 || refused == nil && first > 0 {
		e.Errorf("%d callbacks on the first loop, %d on the second (refused: %v)", first, second, refused)
	}
	p.Server.IO.Event(nil, nil, nil)
	first, second = 0, 0
	e.Spin(5)
	if first+second > 0 {
		e.Errorf("%d and %d callbacks after it left", first, second)
	}
	e.Expect(p.Server, []byte("data"))
}

// checkAcceptDetached: a child in a context of nobody is taken in by another thread, and lives on its loop from the first byte.
func checkAcceptDetached(e *Env) {
	l := e.Listener(Options{})
	l.Wish(nil, nil, nil)
	other := e.NewSide("other")
	c := e.Dial(l, Options{Loop: true})
	e.greet(c)
	ctx := e.Context(nil, "travelling")
	ctx.Detach()
	var child frio.IO
	e.Until("a child to accept", func() (done bool) {
		var err error
		child, err = l.IO.Accept(ctx)
		if err != nil && err != frio.ErrAgain {
			e.Fatalf("Accept: %v", err)
		}
		return err == nil
	})
	server := e.Watch(child, ctx, "server")
	server.Leave() // of the listener's loop, where its deadlines are
	if err := other.Root.Adopt(ctx); err != nil {
		e.Fatalf("Adopt: %v", err)
	}
	server.Wish(other, nil, nil)
	e.Until("both sides are open", func() bool { return c.State() == frio.StateOpen && server.State() == frio.StateOpen })
	e.greeted(c, server)
	e.Send(c, []byte("hello"))
	e.Expect(server, []byte("hello"))
	e.Send(server, []byte("hello yourself"))
	e.Expect(c, []byte("hello yourself"))
}

// checkMove: the old loop never calls again, the new one announces what lies there, and everything works on.
func checkMove(e *Env) {
	p := e.Pair(Options{Loop: true})
	other := e.NewSide("other")
	p.Server.Wish(nil, func() { e.Errorf("callback on the old loop") }, nil)
	p.Server.Leave()
	e.Send(p.Client, []byte("on the way"))
	e.hand(p.Server, other)
	e.Spin(3)
	calls := 0
	p.Server.Wish(other, func() { calls++ }, nil)
	e.Until("the data on the new loop", func() bool { return calls > 0 })
	e.Expect(p.Server, []byte("on the way"))
	e.Send(p.Client, []byte("there"))
	e.Expect(p.Server, []byte("there"))
	e.Send(p.Server, []byte("and back"))
	e.Expect(p.Client, []byte("and back"))
	before := e.Loop.Stats().Events
	e.Send(p.Client, []byte("more"))
	e.Expect(p.Server, []byte("more"))
	e.Spin(5)
	if n := e.Loop.Stats().Events - before; n > 0 {
		e.Errorf("%d events on the old loop", n)
	}
	p.Server.Close()
	e.Until("the closing list of the new loop is empty", func() bool { p.Client.Close(); return other.Loop.Stats().Lingering == 0 })
}

// checkMoveInside: an IO leaves the loop in its read callback, with data unread, and goes on elsewhere.
func checkMoveInside(e *Env) {
	p := e.Pair(Options{Loop: true})
	other := e.NewSide("other")
	left, calls := 0, 0
	p.Server.Wish(nil, func() {
		left++
		var buf [4]byte
		if e.Target.Kind == frio.Stream {
			if n, err := p.Server.Read(buf[:]); err != nil || string(buf[:n]) != "some" {
				e.Errorf("Read: %q, %v", buf[:n], err)
			}
		}
		p.Server.Leave()
		// The context is given away by its own thread, and taken by the other one.
		p.Server.Ctx.Detach()
	}, nil)
	e.Send(p.Client, []byte("some data"))
	e.Until("the callback on the old loop", func() bool { return left > 0 })
	if err := other.Root.Adopt(p.Server.Ctx); err != nil {
		e.Fatalf("Adopt: %v", err)
	}
	e.Spin(5)
	p.Server.Wish(other, func() { calls++ }, nil)
	e.Until("the rest on the new loop", func() bool { return calls > 0 })
	rest := "some data"
	if e.Target.Kind == frio.Stream {
		rest = " data"
	}
	e.Expect(p.Server, []byte(rest))
	if left != 1 {
		e.Errorf("%d callbacks on the old loop, want 1", left)
	}
}

// checkMoveFlow: both ends of a busy stream move to and fro, and no byte is lost or repeated.
func checkMoveFlow(e *Env) {
	const size = 300_000
	p := e.Pair(Options{Loop: true, Base: e.Target.Buffers})
	sides := []*Side{&e.Side, e.NewSide("second"), e.NewSide("third")}
	up, down := e.flow(p.Client, size, 1), e.flow(p.Server, size, 2)
	up.sink, down.sink = down.sink, up.sink
	up.start(nil)
	down.start(nil)
	turn := 0
	e.Until("all bytes both ways", func() bool {
		turn++
		if turn%5 == 0 {
			f := []*flow{up, down}[turn/5%2]
			f.p.Leave()
			f.side = sides[turn/10%3]
			e.hand(f.p, f.side)
			f.wish()
		}
		return up.complete() && down.complete()
	})
	if turn < 10 {
		e.Errorf("%d turns: nothing moved", turn)
	}
}

func checkMoveEnd(e *Env) {
	p := e.Pair(Options{Loop: true})
	other := e.NewSide("other")
	calls := 0
	p.Server.Wish(nil, func() { calls++ }, nil)
	p.Client.Close()
	e.onePerTurn("an end", &calls)
	p.Server.Leave()
	e.hand(p.Server, other)
	calls = 0
	p.Server.Wish(other, func() { calls++ }, nil)
	e.onePerTurn("an end that was announced on the old loop", &calls)
	e.ExpectEnd(p.Server)
	e.noCalls("the end was read", &calls)
}

// checkMoveConnecting: a client moves before it is up, to another loop and out of any, and comes up all the same.
func checkMoveConnecting(e *Env) {
	l := e.Listener(Options{})
	l.Wish(nil, nil, nil)
	other := e.NewSide("other")
	c := e.ParseClient(l, Options{})
	c.Wish(nil, nil, func() { e.Errorf("write callback on the loop that it left") })
	if err := c.Connect(); err != nil && err != frio.ErrAgain {
		e.Fatalf("Connect: %v", err)
	}
	calls := 0
	e.Move(c, other, nil, func() { calls++ })
	var server *Probe
	if e.Target.Children && (e.Target.Kind == frio.Stream || e.Target.Handshake) {
		server = e.AcceptFrom(l, nil)
		server.Wish(nil, nil, nil)
	}
	e.Until("the write callback on the new loop", func() bool { return calls > 0 })
	e.Until("it is open", func() bool { return c.State() == frio.StateOpen })
	if err := c.Connect(); err != nil {
		e.Errorf("Connect of what is open: %v", err)
	}
	e.Send(c, []byte("moved"))
	if server == nil && e.Target.Children {
		server = e.AcceptFrom(l, nil)
	} else if server == nil {
		server = l
	}
	e.Expect(server, []byte("moved"))
}

// checkMoveListener: what waits at a listener is announced on its next loop.
func checkMoveListener(e *Env) {
	l := e.Listener(Options{})
	other := e.NewSide("other")
	l.Wish(nil, func() {}, nil)
	c := e.Dial(l, Options{Loop: true})
	e.greet(c)
	calls := 0
	e.Move(l, other, func() { calls++ }, nil)
	e.Until("the callback on the new loop", func() bool { return calls > 0 })
	server := l
	if e.Target.Children {
		server = e.AcceptFrom(l, other)
		server.Wish(other, nil, nil)
	}
	e.Until("the client is open", func() bool { return c.State() == frio.StateOpen })
	e.greeted(c, server)
	e.Send(c, []byte("data"))
	e.Expect(server, []byte("data"))
}

// panics returns what f panics with, nil if it does not.
func panics(f func()) (what any) {
	defer func() { what = recover() }()
	f()
	return nil
}
