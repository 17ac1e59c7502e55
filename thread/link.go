package thread

import (
	"net"

	"github.com/frio-io/frio"
)

// link stands between one layer of a child and the same layer of its parent, as long as both are there. It is the child's Link, and
// the parent's only knowledge of the child (frio.Remote).
type link struct {
	child *Member
	up    frio.Link // that layer of the parent
	id    uint64    // the child's number there

	// Guarded by the mu of the child's parent:
	severed bool // the parent has closed: nothing is for it any more
	closed  bool // to be told: ChildClosed
	free    bool // to be told: Release
	listed  bool // it is in told of the parent
	next    *link
}

var _ frio.Remote = (*link)(nil)

// link puts links between all layers of m and those of its parent. Thread: that of both.
func (m *Member) link() {
	depth := 0
	m.eachLayer(func(frio.Linked, frio.Link) { depth++ })
	m.links = make([]link, 0, depth)
	m.eachLayer(func(layer frio.Linked, up frio.Link) {
		m.links = append(m.links, link{child: m, up: up})
		l := &m.links[len(m.links)-1]
		if numbered, ok := layer.(frio.Identified); ok {
			l.id = numbered.ID()
		}
		layer.SetLink(l)
	})
}

// eachLayer visits the layers that tell a parent when they are gone, with that layer of the parent.
func (m *Member) eachLayer(visit func(layer frio.Linked, up frio.Link)) {
	io, parent := m.io, m.parent.io
	for {
		layer, linked := io.(frio.Linked)
		if up, ok := parent.(frio.Link); ok && linked {
			visit(layer, up)
		}
		a, stands := io.(frio.Layer)
		b, on := parent.(frio.Layer)
		if !stands || !on {
			return
		}
		io, parent = a.Lower(), b.Lower()
	}
}

// ChildClosed is called by the child, on its thread, once.
func (l *link) ChildClosed(uint64) {
	l.tell(true)
	// A parent closes tied children itself: their users learn it here. One that has closed its IO frees it, and hears nothing.
	if l.child.tied {
		l.child.End(net.ErrClosed)
	}
}

// Release is called by the child, on its thread.
func (l *link) Release() { l.tell(false) }

// tell has the parent told, on its thread. Where that is this one it is told at once.
func (l *link) tell(closed bool) {
	here, p := l.child.Thread(), l.child.parent
	p.mu.Lock()
	if l.severed || p.over {
		p.mu.Unlock()
		return
	}
	if p.here && p.at == here {
		p.mu.Unlock()
		l.pass(closed, !closed)
		return
	}
	l.closed, l.free = l.closed || closed, l.free || !closed
	if !l.listed {
		l.listed = true
		if p.lastTold == nil {
			p.told = l
		} else {
			p.lastTold.next = l
		}
		p.lastTold = l
	}
	p.announceLocked()
	p.mu.Unlock()
}

// pass tells the parent. Thread: the parent's.
func (l *link) pass(closed, free bool) {
	if free {
		l.up.Release()
	}
	if closed {
		l.up.ChildClosed(l.id)
	}
}

// hear passes on what children have said. Thread: the parent's.
func (m *Member) hear(l *link) {
	for l != nil {
		m.mu.Lock()
		next, closed, free, severed := l.next, l.closed, l.free, l.severed || m.over
		l.next, l.closed, l.free, l.listed = nil, false, false, false
		m.mu.Unlock()
		if !severed {
			l.pass(closed, free)
		}
		l = next
	}
}

// ID is the child's number at its parent.
func (l *link) ID() uint64 { return l.id }

// CloseNow is called by the parent when it closes.
func (l *link) CloseNow() {
	m, p := l.child, l.child.parent
	p.mu.Lock()
	for i := range m.links {
		m.links[i].severed = true
	}
	p.mu.Unlock()
	m.End(net.ErrClosed)
}

// Handle is called by the parent.
func (l *link) Handle() frio.Handle {
	m := l.child
	name := " <- " + m.peer.String()
	if !m.peer.IsValid() {
		name = " <- (unnamed)"
	}
	if parent, ok := l.up.(interface{ Describe() string }); ok {
		name = parent.Describe() + name
	}
	h := frio.Handle{ID: l.id, Name: name, State: frio.StateOpen}
	if t := m.Thread(); t != m.parent.Thread() {
		h.Thread = t.name
	}
	return h
}
