package friotest

import (
	"github.com/frio-io/frio"
)

var childChecks = []check{
	{name: "accept many", needs: hasChildren, run: checkAcceptMany},
	{name: "accept by callback", needs: hasChildren, run: checkAcceptLoop},
	{name: "parent knows its children", needs: hasChildren, run: checkParent},
	{name: "a child tells its link", needs: hasChildren, run: checkLink},
}

// checkAcceptMany: every child is the peer of one client, and no bytes go to another.
func checkAcceptMany(e *Env) {
	const many = 20
	l := e.Listener(Options{})
	var pairs [many]*Pair
	for i := range pairs {
		pairs[i] = e.Join(l, Options{})
	}
	for i, p := range pairs {
		e.Send(p.Client, []byte("from client "+itoa(i)))
		e.Send(p.Server, []byte("to client "+itoa(i)))
	}
	for i, p := range pairs {
		e.Expect(p.Server, []byte("from client "+itoa(i)))
		e.Expect(p.Client, []byte("to client "+itoa(i)))
		e.Nothing(p.Server)
		e.Nothing(p.Client)
	}
	for i, p := range pairs {
		if i%2 == 0 {
			p.Server.Close()
		}
	}
	for i, p := range pairs {
		if i%2 == 1 {
			e.Send(p.Client, []byte("again"))
			e.Expect(p.Server, []byte("again"))
		}
	}
}

// checkAcceptLoop: the listener's read callback says that there are children; one that takes a single child is called again.
func checkAcceptLoop(e *Env) {
	const many = 5
	l := e.Listener(Options{})
	var children []*Probe
	l.Wish(nil, func() {
		c, err := l.Accept(nil)
		if err == nil {
			children = append(children, c)
		} else if err != frio.ErrAgain {
			e.Fatalf("Accept: %v", err)
		}
	}, nil)
	var clients []*Probe
	for range many {
		c := e.Dial(l, Options{Loop: true})
		e.greet(c)
		clients = append(clients, c)
	}
	e.Until("all children", func() bool { return len(children) == many })
	e.Spin(5)
	if len(children) != many {
		e.Errorf("%d children of %d clients", len(children), many)
	}
	for _, c := range children {
		c.Wish(nil, nil, nil)
	}
	for _, c := range clients {
		e.Until("the clients are open", func() bool { return c.State() == frio.StateOpen })
	}
}

// checkParent: Children lists what was accepted and is open, stops when told to, and each has a number of its own.
func checkParent(e *Env) {
	l := e.Listener(Options{})
	parent, ok := l.IO.(frio.Parent)
	if !ok {
		e.Fatalf("a listener with children is no Parent")
	}
	count := func() (n int) {
		seen := map[uint64]bool{}
		parent.Children(func(h frio.Handle) bool {
			if seen[h.ID] {
				e.Errorf("child %d twice", h.ID)
			}
			seen[h.ID] = true
			if h.Name == "" || h.State != frio.StateOpen {
				e.Errorf("handle of an open child: %+v", h)
			}
			n++
			return true
		})
		return n
	}
	if n := count(); n != 0 {
		e.Errorf("%d children of a listener that accepted nobody", n)
	}
	a, b := e.Join(l, Options{}), e.Join(l, Options{})
	if n := count(); n != 2 {
		e.Errorf("%d children, want 2", n)
	}
	visits := 0
	parent.Children(func(frio.Handle) bool { visits++; return false })
	if visits != 1 {
		e.Errorf("%d visits after the first said no", visits)
	}
	known := map[uint64]bool{}
	parent.Children(func(h frio.Handle) bool { known[h.ID] = true; return true })
	for _, c := range []*Probe{a.Server, b.Server} {
		if id, ok := c.IO.(frio.Identified); ok && !known[id.ID()] {
			e.Errorf("the parent does not know child %d", id.ID())
		}
	}
	a.Server.Close()
	if n := count(); n != 1 {
		e.Errorf("%d children after one closed, want 1", n)
	}
	b.Server.Ctx.Free()
	if n := count(); n != 0 {
		e.Errorf("%d children after the context of the last was freed, want 0", n)
	}
	l.Close()
}

// link records what a child tells.
type link struct {
	closed   []uint64
	released int
}

func (l *link) ChildClosed(id uint64) { l.closed = append(l.closed, id) }
func (l *link) Release()              { l.released++ }

// checkLink: a child tells whoever was put in its parent's place that it is gone, exactly once, however it went.
func checkLink(e *Env) {
	ways := map[string]func(*Pair){
		"Close": func(p *Pair) { p.Server.Close(); p.Server.Close() },
		"Free":  func(p *Pair) { p.Server.Ctx.Free() },
		"Close, then Free": func(p *Pair) {
			p.Server.Close()
			p.Server.Ctx.Free()
		},
		"Close of the peer": func(p *Pair) {
			p.Client.Close()
			e.Spin(5)
			p.Server.Close()
		},
	}
	l := e.Listener(Options{})
	l.Wish(nil, nil, nil)
	for how, gone := range ways {
		p := e.Join(l, Options{Loop: true})
		linked, ok := p.Server.IO.(frio.Linked)
		if !ok {
			e.Fatalf("a child is not Linked")
		}
		id := p.Server.IO.(frio.Identified).ID()
		told := new(link)
		linked.SetLink(told)
		e.Send(p.Client, []byte("alive"))
		e.Expect(p.Server, []byte("alive"))
		if len(told.closed)+told.released > 0 {
			e.Errorf("%s: told %+v while the child is open", how, told)
		}
		gone(p)
		e.Spin(3)
		if len(told.closed) != 1 || told.closed[0] != id || told.released > 1 {
			e.Errorf("%s: told %+v, want child %d closed once", how, told, id)
		}
	}
}
