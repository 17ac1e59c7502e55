package thread

import (
	"errors"
	"net"
)

// Move has the member go to another thread, soon: the IO leaves its loop outside of its callbacks, in whatever state it is, with all that
// is in it, and User.Attach is called over there. A Move before the last was done takes its place. ErrAgain if the mailbox of to is full;
// errors.ErrUnsupported for a worker, another pool's thread, and a child that lives on its parent's descriptor: it moves with its
// parent. net.ErrClosed if to ends, or the member is over. Thread: any.
func (m *Member) Move(to *Thread) error {
	if m.tied || to.worker || to.pool != m.pool {
		return errors.ErrUnsupported
	}
	if err := to.reserve(); err != nil {
		return err
	}
	m.mu.Lock()
	before := m.to
	over := m.over
	if over {
		before = to
	} else {
		m.to = to
		m.announceLocked()
	}
	m.mu.Unlock()
	if before != nil {
		before.room.Give(1)
	}
	if over {
		return net.ErrClosed
	}
	return nil
}

// hand gives m, which lives on t, to another thread, in whose mailbox it has a place.
func (t *Thread) hand(m *Member, to *Thread) {
	switch {
	case m.isOver():
		to.room.Give(1)
		return
	case to == t:
		to.room.Give(1)
		return
	}
	if m.listener {
		for _, child := range t.list() {
			if child.parent == m && child.tied {
				child.user.Detach(child)
				if !child.isOver() {
					m.with = append(m.with, child)
				}
			}
		}
	}
	m.user.Detach(m)
	if m.isOver() {
		to.room.Give(1)
		m.with = nil
		return
	}
	// A closed one goes without being in a loop.
	if err := m.io.Event(nil, nil, nil); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, errors.ErrUnsupported) {
		to.room.Give(1)
		t.stay(m, err)
		return
	}
	for _, child := range m.with {
		t.give(child, to)
	}
	t.give(m, to)
	if to.post(message{member: m}) != nil {
		// The thread has ended: only Stop does that to one that has places taken, and it clears up.
		m.abandon()
	}
}

// stay goes on with m, which could not leave.
func (t *Thread) stay(m *Member, err error) {
	t.report(err)
	with := m.with
	m.with = nil
	t.settle(m)
	for _, child := range with {
		t.settle(child)
	}
}

// give makes m nobody's until it arrives.
func (t *Thread) give(m *Member, to *Thread) {
	t.remove(m)
	t.load.Add(-1)
	to.load.Add(1)
	t.stats.left.Add(1)
	m.ctx.Detach()
	m.mu.Lock()
	m.at, m.here = to, false
	m.mu.Unlock()
}

// arrive takes in what another thread has given.
func (t *Thread) arrive(m *Member) {
	with := m.with
	m.with = nil
	if !t.take(m) {
		for _, child := range with {
			child.abandon()
		}
		return
	}
	for _, child := range with {
		t.take(child)
	}
	t.settle(m)
	for _, child := range with {
		if !child.isOver() {
			t.settle(child)
		}
	}
	for _, one := range append(with, m) {
		one.catchUp()
	}
}

// take makes m live on t.
func (t *Thread) take(m *Member) bool {
	if err := t.root.Adopt(m.ctx); err != nil {
		t.report(err)
		m.abandon()
		return false
	}
	t.stats.arrived.Add(1)
	m.mu.Lock()
	m.here = true
	m.mu.Unlock()
	t.add(m)
	return true
}

// catchUp has m look at what it was told on the way.
func (m *Member) catchUp() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.againLocked()
}

// againLocked announces what m was told and has not heard.
func (m *Member) againLocked() {
	if m.end != nil || m.to != nil || m.told != nil {
		m.announceLocked()
	}
}

// abandon ends what no thread can take: nobody has it, so whoever is here may.
func (m *Member) abandon() {
	with := m.with
	m.with = nil
	m.finish(net.ErrClosed)
	if !m.isOver() {
		m.ctx.Free()
	}
	for _, child := range with {
		child.abandon()
	}
}
