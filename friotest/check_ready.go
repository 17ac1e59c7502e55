package friotest

import (
	"github.com/frio-io/frio"
)

var readyChecks = []check{
	{name: "level-triggered", run: checkLevel},
	{name: "level-triggered after a part was read", needs: isStream, run: checkLevelPart},
	{name: "writable is level-triggered", run: checkLevelWrite},
	{name: "a wish is removed", run: checkWishRemoved},
	{name: "a wish is replaced", run: checkWishReplaced},
	{name: "a wish is made when data is there", run: checkWishLate},
	{name: "wishes change in callbacks", run: checkWishInside},
	{name: "attached without a wish", run: checkNoWish},
	{name: "no callback inside a call", run: checkNoReentry},
	{name: "read and write wishes are apart", run: checkWishesApart},
	{name: "listener without a wish", needs: hasChildren, run: checkListenerNoWish},
}

// checkLevel: a callback that does not read is called again, each turn, until the data is read.
func checkLevel(e *Env) {
	p := e.Pair(Options{Loop: true})
	calls := 0
	p.Server.Wish(nil, func() { calls++ }, nil)
	e.Spin(5)
	if calls > 0 {
		e.Errorf("%d callbacks with nothing to read", calls)
	}
	e.Send(p.Client, []byte("data"))
	e.Until("five callbacks", func() bool { return calls >= 5 })
	before, turns := calls, e.Loop.Stats().Turns
	for range 10 {
		e.Spin(1)
	}
	if n, t := calls-before, e.Loop.Stats().Turns-turns; uint64(n) != t {
		e.Errorf("%d callbacks in %d turns, want one each", n, t)
	}
	e.Expect(p.Server, []byte("data"))
	e.Spin(1) // an event that was under way
	before = calls
	e.Spin(10)
	if n := calls - before; n > 0 {
		e.Errorf("%d callbacks after everything was read", n)
	}
}

// checkLevelPart: a callback that reads one byte is called once for each, wherever the rest lies.
func checkLevelPart(e *Env) {
	const text = "every byte of this"
	p := e.Pair(Options{Loop: true})
	var got []byte
	p.Server.Wish(nil, func() {
		var one [1]byte
		n, err := p.Server.Read(one[:])
		if err != nil {
			e.Fatalf("Read after %q: %v", got, err)
		}
		got = append(got, one[:n]...)
	}, nil)
	e.Send(p.Client, []byte(text))
	e.Until("all bytes", func() bool { return len(got) == len(text) })
	e.Spin(5)
	if string(got) != text {
		e.Errorf("read %q", got)
	}
}

func checkLevelWrite(e *Env) {
	p := e.Pair(Options{Loop: true})
	calls := 0
	p.Client.Wish(nil, nil, func() { calls++ })
	e.Until("five write callbacks", func() bool { return calls >= 5 })
}

func checkWishRemoved(e *Env) {
	p := e.Pair(Options{Loop: true})
	calls := 0
	p.Server.Wish(nil, func() { calls++ }, nil)
	e.Send(p.Client, []byte("data"))
	e.Until("a callback", func() bool { return calls > 0 })
	p.Server.Wish(nil, nil, nil)
	calls = 0
	e.Spin(10)
	if calls > 0 {
		e.Errorf("%d callbacks after the wish was removed", calls)
	}
	p.Server.Wish(nil, func() { calls++ }, nil)
	e.Until("a callback for the same data", func() bool { return calls > 0 })
	p.Server.Leave()
	calls = 0
	e.Spin(10)
	if calls > 0 {
		e.Errorf("%d callbacks after it left the loop", calls)
	}
	e.Expect(p.Server, []byte("data"))
}

// checkWishReplaced: only the callback given last comes. Probe fails for the other.
func checkWishReplaced(e *Env) {
	p := e.Pair(Options{Loop: true})
	second := 0
	p.Server.Wish(nil, func() { e.Errorf("the callback that was replaced") }, nil)
	p.Server.Wish(nil, func() { second++ }, nil)
	e.Send(p.Client, []byte("data"))
	e.Until("the second callback", func() bool { return second > 0 })
}

// checkWishLate: data that lay there before the wish, or before the IO was in a loop at all, is announced.
func checkWishLate(e *Env) {
	p := e.Pair(Options{})
	e.Send(p.Client, []byte("data"))
	e.Spin(5)
	calls := 0
	p.Server.Wish(nil, func() { calls++ }, nil)
	e.Until("a callback", func() bool { return calls > 0 })
	e.Expect(p.Server, []byte("data"))
}

// checkWishInside: a callback that takes its wish back is not called again; one that asks for another gets that.
func checkWishInside(e *Env) {
	p := e.Pair(Options{Loop: true})
	first, second, writes := 0, 0, 0
	p.Server.Wish(nil, func() {
		first++
		p.Server.Wish(nil, nil, nil)
	}, nil)
	e.Send(p.Client, []byte("data"))
	e.Until("the first callback", func() bool { return first > 0 })
	e.Spin(10)
	if first != 1 {
		e.Errorf("%d callbacks after it took its wish back, want 1", first)
	}
	p.Server.Wish(nil, func() {
		p.Server.Wish(nil, func() {
			second++
			p.Server.Wish(nil, nil, nil)
		}, nil)
	}, nil)
	e.Until("the callback made in a callback", func() bool { return second > 0 })
	p.Client.Wish(nil, nil, func() {
		writes++
		p.Client.Wish(nil, nil, nil)
	})
	e.Until("the write callback", func() bool { return writes > 0 })
	e.Spin(10)
	if second != 1 || writes != 1 {
		e.Errorf("%d read and %d write callbacks, want 1 each", second, writes)
	}
}

// checkNoWish: with nobody who wants them, data, an end and a hang-up cause no callback, and do not wake the loop over and over.
func checkNoWish(e *Env) {
	p := e.Pair(Options{Loop: true})
	calls := func() int { return p.Server.Reads + p.Server.Writes }
	check := func(what string) {
		e.Helper()
		e.Spin(5)
		before := e.Loop.Stats()
		e.Spin(20)
		after := e.Loop.Stats()
		if n := after.Events - before.Events; n > 1 {
			e.Errorf("%s: %d events in %d turns", what, n, after.Turns-before.Turns)
		}
		if n := after.Deferred - before.Deferred; n > 1 {
			e.Errorf("%s: %d tasks in %d turns", what, n, after.Turns-before.Turns)
		}
		if calls() > 0 {
			e.Errorf("%s: %d callbacks without a wish", what, calls())
		}
	}
	check("idle")
	e.Send(p.Client, []byte("data"))
	check("data")
	p.Client.Close()
	e.Until("the client is gone", func() bool { return e.Loop.Stats().Lingering == 0 || e.Target.Kind == frio.Stream })
	check("peer closed")
	e.Expect(p.Server, []byte("data"))
	if e.Target.Kind == frio.Stream {
		e.ExpectEnd(p.Server)
		check("end seen")
		if e.Target.HalfClose {
			p.Server.CloseWrite()
			check("ended both ways")
		}
	}
}

// checkNoReentry: operations that make a callback due do not make it inside. Probe counts.
func checkNoReentry(e *Env) {
	p := e.Pair(Options{Loop: true})
	e.Send(p.Client, []byte("first"))
	e.Spin(5)
	reads, writes := 0, 0
	p.Server.Wish(nil, func() { reads++ }, nil) // data is there
	p.Client.Wish(nil, func() {}, func() { writes++ })
	e.Send(p.Client, []byte("second"))
	e.Until("callbacks", func() bool { return reads > 0 && writes > 0 })
}

// checkWishesApart: a read wish alone gives no write callback, and the other way round.
func checkWishesApart(e *Env) {
	p := e.Pair(Options{Loop: true})
	p.Client.Wish(nil, func() { e.Errorf("read callback with nothing sent") }, nil)
	e.Spin(10)
	if p.Client.Writes > 0 {
		e.Errorf("%d write callbacks without the wish", p.Client.Writes)
	}
	e.Send(p.Client, []byte("data"))
	e.Spin(5)
	if e.Target.Children {
		p.Server.Wish(nil, nil, func() {})
		e.Until("a write callback", func() bool { return p.Server.Writes > 0 })
		if p.Server.Reads > 0 {
			e.Errorf("%d read callbacks without the wish", p.Server.Reads)
		}
	}
}

func checkListenerNoWish(e *Env) {
	l := e.Listener(Options{})
	l.Wish(nil, nil, nil)
	c := e.Dial(l, Options{})
	e.greet(c)
	e.Spin(5)
	before := e.Loop.Stats().Events
	e.Spin(20)
	if n := e.Loop.Stats().Events - before; n > 1 {
		e.Errorf("%d events of a listener that nobody listens to", n)
	}
	calls := 0
	l.Wish(nil, func() { calls++ }, nil)
	e.Until("the child is announced to a late wish", func() bool { return calls > 0 })
	e.AcceptFrom(l, nil)
	e.Spin(2)
	calls = 0
	e.Spin(10)
	if calls > 0 {
		e.Errorf("%d callbacks with every child accepted", calls)
	}
}
