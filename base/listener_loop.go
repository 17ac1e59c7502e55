package base

import (
	"fmt"
	"net"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
)

// wait has the loop tell when a slot comes free; false if one is free by now.
func (l *Listener) wait() bool {
	if l.waiter != nil {
		l.how.Slots.wait(l.waiter)
	}
	// One may have come free on another thread before that.
	if !l.how.Slots.full() {
		return false
	}
	l.full = l.waiter != nil
	l.rewish()
	return true
}

// newWaiter is who is told of free slots while the listener is in loop.
func (l *Listener) newWaiter(loop *event.Loop) *waiter {
	w := &waiter{loop: loop}
	w.tell = func() {
		if !w.over {
			l.full = false
			l.rewish()
		}
	}
	return w
}

// pause rests accept for a while: neither spinning nor giving up.
func (l *Listener) pause() {
	l.rest = l.now().Add(exhaustedDelay)
	if l.loop != nil {
		l.timer.Set(l.loop, l.rest)
	}
	l.rewish()
}

func (l *Listener) now() time.Time {
	if l.loop != nil {
		return l.loop.Now()
	}
	return l.cfg.Kernel.Now()
}

// Event puts the listener into a loop; read is called while a connection waits. There is nothing to write.
func (l *Listener) Event(loop *event.Loop, read, write func()) error {
	l.ctx.Touch("event")
	if loop == nil && (read != nil || write != nil) {
		panic("frio: callbacks without a loop: " + l.Describe())
	}
	sock.CheckLoop(l.cfg.Kernel, loop)
	if l.closed {
		return net.ErrClosed
	}
	if loop != l.loop {
		if loop != nil && l.loop != nil {
			panic("frio: Event with a second loop; Event(nil, nil, nil) leaves the first: " + l.Describe())
		}
		l.leave()
		l.loop = loop
		if loop != nil && l.fd >= 0 {
			if err := l.reg.Attach(loop); err != nil {
				l.loop = nil
				return fmt.Errorf("event %s: %w", l.Describe(), err)
			}
			l.waiter = l.newWaiter(loop)
			if !l.rest.IsZero() {
				l.timer.Set(loop, l.rest)
			}
		}
	}
	l.read = read
	return l.wish()
}

func (l *Listener) leave() {
	l.reg.Detach()
	l.timer.Stop()
	l.batch.Cancel()
	if l.waiter != nil {
		l.waiter.over = true
		l.how.Slots.forget(l.waiter)
	}
	l.loop, l.read, l.accepted, l.waiter, l.full = nil, nil, 0, nil, false
}

func (l *Listener) wish() error {
	if l.loop == nil || l.fd < 0 {
		return nil
	}
	var want event.Ready
	if l.read != nil && l.rest.IsZero() && !l.full {
		want = event.Read
	}
	return l.reg.Want(want)
}

func (l *Listener) rewish() {
	if err := l.wish(); err != nil && l.loop != nil {
		// The poller has no room now. It is asked again after a rest.
		l.rest = l.now().Add(exhaustedDelay)
		l.timer.Set(l.loop, l.rest)
	}
}

// Quit is frio.Quitter's.
func (l *Listener) Quit() {
	l.ctx.Touch("quit")
	if l.fd < 0 {
		return
	}
	l.reg.Detach()
	l.closeSocket()
}

func (l *Listener) closeSocket() {
	l.cfg.Kernel.Close(l.fd)
	l.fd = -1
	if l.how.Closed != nil {
		l.how.Closed()
	}
}

// Close stops listening and closes the children.
func (l *Listener) Close() error {
	if l.closed {
		return nil
	}
	l.ctx.Touch("close")
	l.closed = true
	l.leave()
	for l.children != nil {
		_ = l.children.Close()
	}
	l.away.Close()
	l.heir.Drop(l.cfg.Kernel)
	if l.fd >= 0 {
		l.closeSocket()
	}
	l.state = frio.StateClosed
	return nil
}
