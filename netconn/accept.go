package netconn

import (
	"errors"
	"net/netip"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/thread"
)

// turn does what has been asked for at the seat s.
func (l *listener) turn(s *seat) {
	l.mu.Lock()
	stale, closed, released := l.seat != s, l.closed, l.released
	if !stale {
		l.released = false
	}
	l.mu.Unlock()
	switch {
	case stale: // it has moved, or is gone
	case closed:
		l.shut()
	default:
		if released {
			l.release()
		}
		l.accept()
	}
}

// shut closes the IO and frees it. Thread: the listener's.
func (l *listener) shut() {
	if l.shutting {
		return
	}
	l.shutting = true
	l.clear()
	_ = l.io.Close() // a listener has nothing to send
	l.ctx.Free()
	l.vanish()
}

// wants tells whether one more connection may be taken.
func (l *listener) wants() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.closed && l.err == nil && len(l.ready) < l.waiting+aheadMax && l.held < heldMax
}

// accept takes the peers that there is room for. It is the read callback, too.
func (l *listener) accept() {
	for range acceptsMax {
		if !l.wants() {
			l.wish(false)
			return
		}
		err := l.acceptOne()
		switch {
		case err == nil:
		case err == frio.ErrAgain:
			l.wish(true)
			return
		case err == errNoMemory:
			l.wish(false)
			loop := l.member.Loop()
			l.timer.Set(loop, loop.Now().Add(restDelay))
			return
		default:
			l.fail(err)
			return
		}
	}
	l.wish(true)
}

// wish tells the loop whether somebody is waited for.
func (l *listener) wish(read bool) {
	if read == l.wishing {
		return
	}
	var callback func()
	if read {
		callback = l.accept
	}
	if err := l.io.Event(l.member.Loop(), callback, nil); err != nil {
		l.fail(err)
		return
	}
	l.wishing = read
}

// fail has an Accept tell err. The listener goes on.
func (l *listener) fail(err error) {
	if l.wishing {
		l.wishing = false
		_ = l.io.Event(l.member.Loop(), nil, nil) // Accept asks again
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
	l.some.Signal()
}

// errNoMemory is for a thread whose context is at its limit: no reason to stop listening.
var errNoMemory = errors.New("no memory for a connection")

// acceptOne takes one peer, and gives it to the pool; nil also if that did not take it.
func (l *listener) acceptOne() error {
	here := l.member.Thread()
	c := l.spare
	if c == nil {
		c = new(Conn)
		if err := c.own.Init(here.Root(), "connection"); err != nil {
			return errNoMemory
		}
		l.spare = c
	}
	one, err := l.io.Accept(&c.own)
	if err != nil {
		return err
	}
	l.spare = nil
	l.mu.Lock()
	l.held++
	l.mu.Unlock()
	c.init(one, &c.own, func() error { return up(one) }, func(err error) { l.risen(c, err) })
	if l.place(c, one, here) != nil {
		// The pool stops.
		drop(one, &c.own)
	}
	return nil
}

// place gives c to the pool. Datagram peers are bound to their listener, and streams to nobody: their listener goes before them.
func (l *listener) place(c *Conn, one frio.IO, here *thread.Thread) error {
	if one.Kind() == frio.Datagram {
		_, err := here.Add(one, &c.own, l.member, (*coreUser)(&c.c))
		return err
	}
	link := (*tether)(l)
	for layer := range frio.Stack(one) {
		if linked, ok := layer.(frio.Linked); ok {
			linked.SetLink(link)
		}
	}
	to := here
	if !here.Worker() {
		to = here.Pool().Place(peerOf(one))
	}
	m, err := here.Add(one, &c.own, nil, (*coreUser)(&c.c))
	if err == nil && to != here {
		_ = m.Move(to) // where there is no room for it, it stays
	}
	return err
}

func peerOf(one frio.IO) netip.AddrPort {
	if a, ok := one.(frio.Addresser); ok {
		return a.RemoteAddr()
	}
	return netip.AddrPort{}
}

// errLost is for an accepted connection that did not get through its handshake: the layer has counted why.
var errLost = errors.New("lost in its handshake")

// up tells whether an accepted IO has got through its handshake.
func up(one frio.IO) error {
	s, ok := one.(frio.Stater)
	if !ok {
		return nil
	}
	switch s.State() {
	case frio.StateOpen:
		return nil
	case frio.StateFailed, frio.StateClosed:
		return errLost
	}
	return frio.ErrAgain
}

// risen is told that c is up, or lost. Thread: that of c.
func (l *listener) risen(c *Conn, err error) {
	l.mu.Lock()
	if err == nil && !l.closed {
		l.ready = append(l.ready, c)
		l.some.Signal()
		l.mu.Unlock()
		c.c.done.soon()
		return
	}
	if l.held--; l.held == heldMax-1 {
		l.seat.kick()
	}
	l.mu.Unlock()
	if err == nil {
		c.c.leave()
	}
}

// tether is the Link of all layers of what was accepted: the listener is told of free places and touches nothing of it. Thread: any.
type tether listener

var _ frio.Link = (*tether)(nil)

// ChildClosed is told that a connection is gone. Nobody has it.
func (t *tether) ChildClosed(uint64) {}

// Release is told that a place is free.
func (t *tether) Release() {
	l := (*listener)(t)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.released = true
	l.seat.kick()
}

// release tells all layers of the listener that a place is free: which of them waits is its own matter.
func (l *listener) release() {
	shards := []frio.IO{l.io}
	if many, ok := l.io.(*together); ok {
		shards = many.shards
	}
	for _, shard := range shards {
		for layer := range frio.Stack(shard) {
			if link, ok := layer.(frio.Link); ok {
				link.Release()
			}
		}
	}
}
