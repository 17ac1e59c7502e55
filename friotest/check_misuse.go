package friotest

import (
	"fmt"

	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

var misuseChecks = []check{
	{name: "callbacks without a loop panic", run: checkNoLoopPanic},
	{name: "a loop of another kernel panics", run: checkOtherKernel},
	{name: "a freed context panics", run: checkFreedPanic},
	{name: "accept into a freed context panics", needs: hasChildren, run: checkAcceptFreed},
	// In builds that do not check threads there is nothing to provoke.
	{name: "another thread's turn panics", needs: func(*Target) bool { return checkedBuild }, run: checkWrongThread},
}

// mustPanic fails the test unless f panics with something to read.
func (e *Env) mustPanic(what string, f func()) {
	e.Helper()
	got := panics(f)
	if got == nil {
		e.Errorf("%s: no panic", what)
	} else if len(fmt.Sprint(got)) < 10 {
		e.Errorf("%s: the panic does not name the rule: %v", what, got)
	}
}

func checkNoLoopPanic(e *Env) {
	p := e.Pair(Options{})
	nothing := func() { e.Errorf("callback without a loop") }
	for _, one := range []*Probe{p.Listener, p.Client, p.Server} {
		e.mustPanic(one.Name+", read callback", func() { one.IO.Event(nil, nothing, nil) })
		e.mustPanic(one.Name+", write callback", func() { one.IO.Event(nil, nil, nothing) })
	}
	e.Send(p.Client, []byte("unharmed"))
	e.Expect(p.Server, []byte("unharmed"))
}

func checkOtherKernel(e *Env) {
	p := e.Pair(Options{})
	kernel := sim.New(99, sim.Options{}).Host("elsewhere")
	root := talloc.Root("elsewhere")
	sock.SetKernel(root, kernel)
	loop, err := event.New(root, kernel, event.Config{Name: "elsewhere"})
	if err != nil {
		e.Fatalf("new loop: %v", err)
	}
	for _, one := range []*Probe{p.Listener, p.Client, p.Server} {
		e.mustPanic(one.Name, func() { one.IO.Event(loop, nil, nil) })
	}
	if err := loop.Close(); err != nil {
		e.Errorf("close of the loop: %v", err)
	}
	root.Free()
	e.Send(p.Client, []byte("unharmed"))
	e.Expect(p.Server, []byte("unharmed"))
}

func checkFreedPanic(e *Env) {
	p := e.Pair(Options{})
	l := p.Listener
	for _, one := range []*Probe{p.Client, p.Server} {
		if one == l {
			continue
		}
		one.Ctx.Free()
		var buf [8]byte
		e.mustPanic(one.Name+", Read", func() { one.IO.Read(buf[:]) })
		e.mustPanic(one.Name+", Write", func() { one.IO.Write(buf[:]) })
		e.mustPanic(one.Name+", Event", func() { one.IO.Event(e.Loop, func() {}, nil) })
	}
	l.Ctx.Free()
	e.mustPanic("listener, Open", func() { l.IO.Open() })
	e.mustPanic("listener, Event", func() { l.IO.Event(e.Loop, func() {}, nil) })
}

func checkAcceptFreed(e *Env) {
	l := e.Listener(Options{})
	c := e.Dial(l, Options{})
	e.greet(c)
	e.Spin(5)
	ctx := e.Context(nil, "freed")
	ctx.Free()
	e.mustPanic("Accept", func() { l.IO.Accept(ctx) })
}

// checkWrongThread: an IO of one thread, used in the turn of another.
func checkWrongThread(e *Env) {
	p := e.Pair(Options{Loop: true})
	other := e.NewSide("other")
	ran := false
	err := other.Loop.Post(func() {
		ran = true
		var buf [8]byte
		for _, one := range []*Probe{p.Client, p.Server} {
			e.mustPanic(one.Name+", Read", func() { one.IO.Read(buf[:]) })
			e.mustPanic(one.Name+", Write", func() { one.IO.Write(buf[:]) })
			e.mustPanic(one.Name+", Event", func() { one.IO.Event(e.Loop, func() {}, nil) })
			e.mustPanic(one.Name+", Close", func() { one.IO.Close() })
		}
	})
	if err != nil {
		e.Fatalf("Post: %v", err)
	}
	e.Until("the other thread's turn", func() bool { return ran })
	e.Send(p.Client, []byte("unharmed"))
	e.Expect(p.Server, []byte("unharmed"))
}
