package friotest

import (
	"errors"
	"os"
	"strings"
	"time"

	"github.com/frio-io/frio"
)

func hasStreamLimits(t *Target) bool { return hasLimits(t) && isStream(t) }

var limitChecks = []check{
	{name: "max_connections", needs: hasStreamLimits, run: checkMaxConnections},
	{name: "a slot is free at once", needs: hasStreamLimits, run: checkSlotFree},
	{name: "idle_timeout", on: onSim, needs: hasLimits, run: checkIdle},
	{name: "idle_timeout without a loop", on: onSim, needs: hasStreamLimits, run: checkIdleBare},
	{name: "idle_timeout across a move", on: onSim, needs: func(t *Target) bool { return hasStreamLimits(t) && canMove(t) }, run: checkIdleMove},
	{name: "first_byte_timeout", on: onSim, needs: hasStreamLimits, run: checkFirstByte},
	{name: "time-outs run from the accept on", on: onSim, needs: hasStreamLimits, run: checkUnattended},
	{name: "lifetime", on: onSim, needs: hasStreamLimits, run: checkLifetime},
	{name: "write_timeout", on: onSim, needs: hasStreamLimits, run: checkWriteTimeout},
	{name: "never", on: onSim, needs: hasStreamLimits, run: checkNever},
	// A child of a peer that can end nothing may have an idle time-out of its own.
	{name: "no limit of time by default", on: onSim, needs: func(t *Target) bool { return isStream(t) || !t.Children }, run: checkNoDefault},
}

// checkMaxConnections: exactly so many; who comes later waits in the backlog, without callbacks, and is not lost.
func checkMaxConnections(e *Env) {
	const limit = 3
	l := e.Listener(Options{Limit: "max_connections = 3\n"})
	calls := 0
	l.Wish(nil, func() { calls++ }, nil)
	var clients []*Probe
	for range limit + 2 {
		clients = append(clients, e.Dial(l, Options{Loop: true}))
	}
	var children []*Probe
	for range limit {
		c := e.AcceptFrom(l, nil)
		c.Wish(nil, nil, nil)
		children = append(children, c)
	}
	e.Spin(3)
	for range 3 {
		if _, err := l.Accept(nil); err != frio.ErrAgain {
			e.Fatalf("Accept above max_connections: %v, want ErrAgain", err)
		}
	}
	e.noCalls("at max_connections", &calls)
	for len(children) < len(clients) {
		children[0].Close()
		e.Until("the callback when a slot is free", func() bool { return calls > 0 })
		c := e.AcceptFrom(l, nil)
		c.Wish(nil, nil, nil)
		children = append(children[1:], c)
		clients = clients[1:]
		if _, err := l.Accept(nil); err != frio.ErrAgain {
			e.Fatalf("Accept above max_connections: %v, want ErrAgain", err)
		}
		e.noCalls("at max_connections again", &calls)
		if len(clients) == limit {
			break
		}
	}
	for i, c := range clients {
		e.Until("the client is open", func() bool { return c.State() == frio.StateOpen })
		e.Send(c, []byte("client "+itoa(i)))
		e.Expect(children[i], []byte("client "+itoa(i)))
	}
}

// checkSlotFree: with one slot, the next Accept after Close, or after the context was freed, gives the next child.
func checkSlotFree(e *Env) {
	l := e.Listener(Options{Limit: "max_connections = 1\n"})
	l.Wish(nil, nil, nil)
	for i := range 6 {
		p := e.Join(l, Options{Loop: true})
		e.Send(p.Client, []byte("round "+itoa(i)))
		e.Expect(p.Server, []byte("round "+itoa(i)))
		switch i % 3 {
		case 0:
			p.Server.Close()
			p.Server.Close()
		case 1:
			p.Server.wish++
			p.Server.Ctx.Free()
		case 2:
			p.Server.Close()
			p.Server.Ctx.Free()
		}
		p.Client.Close()
	}
}

// timedOut wants p's Read to end with the time-out of limit.
func (e *Env) timedOut(p *Probe, limit string) {
	e.Helper()
	var buf [64]byte
	_, end := p.Read(buf[:])
	var timeout *frio.TimeoutError
	if !errors.Is(end, frio.ErrTimeout) || !errors.Is(end, os.ErrDeadlineExceeded) || !errors.As(end, &timeout) || timeout.Limit != limit {
		e.Fatalf("%s: Read: %v, want the time-out of %s", p.Name, end, limit)
	}
	if !strings.Contains(end.Error(), limit) {
		e.Errorf("%v does not name %s", end, limit)
	}
	if s := p.State(); s != frio.StateFailed {
		e.Errorf("%s: state %v after %v, want failed", p.Name, s, end)
	}
	if _, err := p.Write([]byte("x")); !errors.Is(err, frio.ErrTimeout) {
		e.Errorf("%s: Write after a time-out: %v, want ErrTimeout", p.Name, err)
	}
}

func (e *Env) alive(p *Probe, when string) {
	e.Helper()
	if s := p.State(); s != frio.StateOpen {
		e.Fatalf("%s: state %v %s", p.Name, s, when)
	}
}

// checkIdle: traffic either way puts it off; then the read callback comes and Read tells; the slot is free after Close.
func checkIdle(e *Env) {
	limit := "idle_timeout = 30s\n"
	if e.Target.Kind == frio.Stream {
		limit += "max_connections = 1\n"
	}
	p := e.Pair(Options{Loop: true, Limit: limit})
	e.Pass(20 * time.Second)
	e.Send(p.Client, []byte("up"))
	e.Expect(p.Server, []byte("up"))
	e.Pass(20 * time.Second)
	e.alive(p.Server, "20 s after bytes from the peer")
	e.Send(p.Server, []byte("down"))
	e.Expect(p.Client, []byte("down"))
	e.Pass(29 * time.Second)
	e.alive(p.Server, "29 s after bytes to the peer")
	calls := 0
	p.Server.Wish(nil, func() { calls++ }, nil)
	e.Pass(900 * time.Millisecond)
	if calls > 0 {
		e.Errorf("%d callbacks before the time is up", calls)
	}
	e.Pass(200 * time.Millisecond)
	e.onePerTurn("the time-out", &calls)
	e.timedOut(p.Server, "idle_timeout")
	e.noCalls("the time-out was read", &calls)
	p.Server.Close()
	if e.Target.Kind == frio.Stream {
		e.ExpectEnd(p.Client)
		p.Client.Close()
		next := e.Join(p.Listener, Options{Loop: true})
		e.Send(next.Client, []byte("next"))
		e.Expect(next.Server, []byte("next"))
	}
}

// checkIdleBare: without a loop the deadline is checked by each call.
func checkIdleBare(e *Env) {
	p := e.Pair(Options{Limit: "idle_timeout = 30s\n"})
	e.Pass(29 * time.Second)
	e.Nothing(p.Server)
	e.Pass(2 * time.Second)
	e.timedOut(p.Server, "idle_timeout")
}

// checkIdleMove: deadlines are absolute: neither a move nor a change of wishes, nor being without one, puts them off.
func checkIdleMove(e *Env) {
	p := e.Pair(Options{Loop: true, Limit: "idle_timeout = 30s\n"})
	other := e.NewSide("other")
	e.Pass(10 * time.Second)
	p.Server.Wish(nil, func() {}, nil)
	p.Server.Wish(nil, nil, nil)
	e.Pass(10 * time.Second)
	e.Move(p.Server, other, nil, nil)
	e.Pass(9 * time.Second)
	e.alive(p.Server, "before its deadline")
	e.Pass(2 * time.Second)
	if s := p.Server.State(); s != frio.StateFailed {
		e.Errorf("state %v after its deadline, attached without a wish, want failed", s)
	}
	e.timedOut(p.Server, "idle_timeout")
}

// checkFirstByte: from the accept on, and not after the first byte.
func checkFirstByte(e *Env) {
	l := e.Listener(Options{Limit: "first_byte_timeout = 5s\n"})
	l.Wish(nil, nil, nil)
	silent, speaker := e.Join(l, Options{Loop: true}), e.Join(l, Options{Loop: true})
	calls := 0
	silent.Server.Wish(nil, func() { calls++ }, nil)
	e.Pass(4 * time.Second)
	e.Send(speaker.Client, []byte("x"))
	e.Expect(speaker.Server, []byte("x"))
	e.alive(silent.Server, "before first_byte_timeout")
	e.Pass(1100 * time.Millisecond)
	e.onePerTurn("the time-out", &calls)
	e.timedOut(silent.Server, "first_byte_timeout")
	e.Pass(time.Hour)
	e.alive(speaker.Server, "an hour after its first byte")
}

// checkUnattended: a child that nobody put into a loop times out on its listener's, and reading it late tells.
func checkUnattended(e *Env) {
	l := e.Listener(Options{Limit: "first_byte_timeout = 5s\n"})
	l.Wish(nil, nil, nil)
	c := e.Dial(l, Options{Loop: true})
	child := e.AcceptFrom(l, nil)
	e.Pass(4 * time.Second)
	if s := child.State(); s == frio.StateFailed {
		e.Errorf("failed before its time")
	}
	e.Pass(2 * time.Second)
	if s := child.State(); s != frio.StateFailed {
		e.Errorf("state %v after first_byte_timeout, want failed", s)
	}
	e.timedOut(child, "first_byte_timeout")
	child.Close()
	e.ExpectEnd(c)
}

// checkLifetime: not in the middle of traffic, soon after it; the peer sees an end in order.
func checkLifetime(e *Env) {
	p := e.Pair(Options{Loop: true, Limit: "lifetime = 60s\n"})
	got := 0
	p.Server.Wish(nil, func() {
		var buf [64]byte
		if n, err := p.Server.Read(buf[:]); err == nil {
			got += n
		}
	}, nil)
	e.Pass(59 * time.Second)
	e.alive(p.Server, "before its lifetime is over")
	sent := 0
	for range 200 { // 2 s of traffic
		e.Send(p.Client, []byte("x"))
		sent++
		e.Pass(10 * time.Millisecond)
	}
	e.alive(p.Server, "with traffic at the end of its lifetime")
	if got != sent {
		e.Errorf("%d of %d bytes", got, sent)
	}
	e.Pass(5 * time.Second)
	e.timedOut(p.Server, "lifetime")
	p.Server.Close()
	e.ExpectEnd(p.Client)
}

// checkWriteTimeout: output waits and none of it is taken. A peer that reads slowly is no reason.
func checkWriteTimeout(e *Env) {
	p := e.Pair(Options{Loop: true, Limit: "write_timeout = 10s\n", Base: e.Target.Buffers})
	e.Pass(time.Minute)
	e.alive(p.Server, "with nothing to write")
	e.fill(p.Server, 1)
	source := Source{Pattern: Pattern{1}, Size: 1 << 40}
	p.Server.Wish(nil, nil, func() {
		for source.Put(p.Server) == nil {
		}
	})
	for range 10 {
		e.Pass(5 * time.Second)
		e.alive(p.Server, "with a slow reader")
		buf := make([]byte, 256<<10)
		for taken := 0; taken < len(buf); {
			n, err := p.Client.Read(buf[taken:])
			if err != nil {
				break
			}
			taken += n
		}
	}
	e.Pass(9 * time.Second)
	e.alive(p.Server, "9 s after the peer read")
	e.Pass(3 * time.Second)
	e.timedOut(p.Server, "write_timeout")
}

func checkNever(e *Env) {
	p := e.Pair(Options{Loop: true, Limit: "idle_timeout = never\nlifetime = never\nfirst_byte_timeout = never\nwrite_timeout = never\n"})
	e.fill(p.Server, 1)
	e.Pass(100 * time.Hour)
	e.alive(p.Server, "with every limit never")
	e.Send(p.Client, []byte("still here"))
	e.Expect(p.Server, []byte("still here"))
}

// checkNoDefault: what no key bounds stays, and does not wake the loop meanwhile.
func checkNoDefault(e *Env) {
	p := e.Pair(Options{Loop: true})
	before := e.Loop.Stats()
	e.Pass(100 * time.Hour)
	if n := e.Loop.Stats().Timers - before.Timers; n > 2 {
		e.Errorf("%d timers in 100 idle hours", n)
	}
	e.Send(p.Client, []byte("still here"))
	e.Expect(p.Server, []byte("still here"))
}
