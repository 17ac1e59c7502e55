package friotest

import (
	"errors"
	"io"

	"github.com/frio-io/frio"
)

var endReadyChecks = []check{
	{name: "an end is announced each turn until it is read", needs: isStream, run: checkEndAnnounced},
	{name: "an end after data is announced", needs: isStream, run: checkEndAfterData},
	{name: "a seen end cannot be revived", needs: isStream, run: checkEndGone},
	{name: "writing is announced after a seen end", needs: hasHalf, run: checkEndOtherWish},
	{name: "a reset is announced to both wishes", needs: canReset, run: checkResetAnnounced},
	{name: "an end that came before the wish", needs: isStream, run: checkEndBeforeWish},
	{name: "a failed connect is announced", needs: canRefuse, run: checkRefusalAnnounced},
}

// onePerTurn turns the loop and wants exactly one callback in each turn.
func (e *Env) onePerTurn(what string, calls *int) {
	e.Helper()
	e.Until(what, func() bool { return *calls > 0 })
	for i := range 10 {
		before, turns := *calls, e.Loop.Stats().Turns
		e.Spin(1)
		if n, t := *calls-before, e.Loop.Stats().Turns-turns; n != 1 || t != 1 {
			e.Fatalf("%s: %d callbacks in turn %d (%d turns), want 1", what, n, i, t)
		}
	}
}

func (e *Env) noCalls(what string, calls *int) {
	e.Helper()
	*calls = 0
	e.Spin(10)
	if *calls > 0 {
		e.Errorf("%s: %d callbacks, want none", what, *calls)
	}
}

func checkEndAnnounced(e *Env) {
	p := e.Pair(Options{Loop: true})
	calls := 0
	p.Server.Wish(nil, func() { calls++ }, nil)
	p.Client.Close()
	e.onePerTurn("an end that nobody reads", &calls)
	if end := e.ExpectEnd(p.Server); end != io.EOF {
		e.Fatalf("Read: %v, want io.EOF", end)
	}
	e.noCalls("the end was read", &calls)
}

// checkEndAfterData: reading the data does not count as reading the end, in whatever pieces.
func checkEndAfterData(e *Env) {
	p := e.Pair(Options{Loop: true})
	e.Send(p.Client, []byte("tail"))
	p.Client.Close()
	calls := 0
	p.Server.Wish(nil, func() { calls++ }, nil)
	e.onePerTurn("data and an end", &calls)
	e.Expect(p.Server, []byte("ta"))
	e.onePerTurn("a part and an end", &calls)
	e.Expect(p.Server, []byte("il"))
	calls = 0
	e.onePerTurn("an end after all data", &calls)
	if end := e.ExpectEnd(p.Server); end != io.EOF {
		e.Fatalf("Read: %v, want io.EOF", end)
	}
	e.noCalls("the end was read", &calls)
}

// checkEndGone: once returned, Event does not bring that direction's callback back, on this loop or another.
func checkEndGone(e *Env) {
	p := e.Pair(Options{Loop: true})
	calls := 0
	read := func() { calls++ }
	p.Server.Wish(nil, read, nil)
	p.Client.Close()
	if end := e.ExpectEnd(p.Server); end != io.EOF {
		e.Fatalf("Read: %v, want io.EOF", end)
	}
	e.noCalls("the end was read", &calls)
	p.Server.Wish(nil, read, nil)
	e.noCalls("the wish was made again", &calls)
	p.Server.Leave()
	p.Server.Wish(nil, read, nil)
	e.noCalls("it left and came back", &calls)
	before := e.Loop.Stats().Events
	e.Spin(20)
	if n := e.Loop.Stats().Events - before; n > 1 {
		e.Errorf("%d events of an end that was read", n)
	}
}

func checkEndOtherWish(e *Env) {
	p := e.Pair(Options{Loop: true})
	p.Client.CloseWrite()
	if end := e.ExpectEnd(p.Server); end != io.EOF {
		e.Fatalf("Read: %v, want io.EOF", end)
	}
	reads, writes := 0, 0
	p.Server.Wish(nil, func() { reads++ }, func() { writes++ })
	e.Until("the write callback", func() bool { return writes > 0 })
	e.Spin(5)
	if reads > 0 {
		e.Errorf("%d read callbacks after the end was read", reads)
	}
}

// checkResetAnnounced: each direction is told until it has returned the error, and only that one is quiet then.
func checkResetAnnounced(e *Env) {
	p := e.Pair(Options{Loop: true})
	reads, writes := 0, 0
	p.Server.Wish(nil, func() { reads++ }, nil)
	e.Reset(p.Client, p.Server)
	e.onePerTurn("a reset that nobody reads", &reads)
	p.Server.Wish(nil, func() { reads++ }, func() { writes++ })
	writes = 0
	e.onePerTurn("a reset, to the writer", &writes)
	if end := e.ExpectEnd(p.Server); !errors.Is(end, frio.ErrReset) {
		e.Fatalf("Read: %v, want ErrReset", end)
	}
	e.noCalls("the reset was read", &reads)
	if _, err := p.Server.Write([]byte("x")); err == nil || err == frio.ErrAgain {
		e.Fatalf("Write after a reset: %v", err)
	}
	e.noCalls("the reset was returned by Write", &writes)
	p.Server.Wish(nil, func() { reads++ }, func() { writes++ })
	e.noCalls("the wishes were made again", &reads)
	e.noCalls("the wishes were made again", &writes)
}

// checkEndBeforeWish: an end that lay there while nobody wanted it is announced when somebody does.
func checkEndBeforeWish(e *Env) {
	for _, loop := range []bool{false, true} {
		p := e.Pair(Options{Loop: loop})
		p.Client.Close()
		e.Spin(5)
		calls := 0
		p.Server.Wish(nil, func() { calls++ }, nil)
		e.onePerTurn("an end that was there already", &calls)
		p.Server.Wish(nil, nil, nil)
		e.noCalls("the wish was taken back", &calls)
		p.Server.Wish(nil, func() { calls++ }, nil)
		e.onePerTurn("an end and a wish again", &calls)
		if end := e.ExpectEnd(p.Server); end != io.EOF {
			e.Errorf("Read: %v, want io.EOF", end)
		}
		p.Server.Close()
		p.Listener.Close()
	}
}

// checkRefusalAnnounced: a connect that fails on the loop is told to whoever waits.
func checkRefusalAnnounced(e *Env) {
	c := e.nobody(Options{})
	calls := 0
	c.Wish(nil, func() { calls++ }, nil)
	if err := c.Connect(); err != frio.ErrAgain && err != nil {
		return // it failed at once: there was nothing to wait for
	}
	e.onePerTurn("a failed connect", &calls)
	end := e.ExpectEnd(c)
	if end == io.EOF {
		e.Errorf("Read of a failed connect: io.EOF")
	}
	e.noCalls("the failure was read", &calls)
	if s := c.State(); s != frio.StateFailed {
		e.Errorf("state %v after a failed connect, want failed", s)
	}
}

// nobody is a client of a place where nobody listens any more.
func (e *Env) nobody(o Options) *Probe {
	e.Helper()
	l := e.Listener(o)
	c := e.ParseClient(l, o)
	l.Close()
	return c
}
