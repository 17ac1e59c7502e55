package udp

import (
	"errors"
	"net"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
)

// Event changes the wishes of the child. loop is the listener's, or nil; a listener that is in none comes along, without wishes.
func (c *Child) Event(loop *event.Loop, read, write func()) error {
	c.ctx.Touch("event")
	if loop == nil && (read != nil || write != nil) {
		panic("frio: callbacks without a loop: " + c.Describe())
	}
	l := c.listener
	sock.CheckLoop(l.kernel, loop)
	switch {
	case c.closed:
		return net.ErrClosed
	case loop != nil && l.loop == nil:
		if err := l.Event(loop, nil, nil); err != nil {
			return err
		}
	case loop != nil && loop != l.loop:
		return errors.ErrUnsupported
	}
	l.behind = l.behind || c.read == nil && read != nil && c.inbox.count > 0
	c.read, c.write, c.out = read, write, loop == nil
	if c.out {
		c.timer.Stop()
		c.notice.Cancel()
	}
	c.arm()
	c.wish()
	return nil
}

// wish tells the listener and the loop what the child waits for.
func (c *Child) wish() {
	l := c.listener
	if writer := c.write != nil && c.err == nil; writer != c.writer {
		c.writer = writer
		if writer {
			l.writers.add(c, inWriters)
		} else {
			l.writers.remove(c, inWriters)
		}
		l.rewish()
	}
	if loop := c.loop(); loop != nil && c.announces() {
		loop.Defer(&c.notice)
	}
}

// announces tells whether there is something to be told that is not the socket's being writable.
func (c *Child) announces() bool {
	return c.read != nil && !c.readEnded && (c.inbox.count > 0 || c.err != nil) ||
		c.write != nil && !c.writeEnded && c.err != nil
}

// announce is called once a turn while announces.
func (c *Child) announce() {
	if c.read != nil && !c.readEnded && (c.inbox.count > 0 || c.err != nil) {
		c.read()
	}
	if c.loop() != nil && c.write != nil && !c.writeEnded && c.err != nil {
		c.write()
	}
	if loop := c.loop(); loop != nil && c.announces() {
		loop.Defer(&c.notice)
	}
}

// arm sets the one timer to the nearest deadline.
func (c *Child) arm() {
	if loop := c.loop(); loop != nil && c.err == nil {
		c.timer.Set(loop, c.times.Next())
	}
}

// expired ends the child if a limit of time has run out.
func (c *Child) expired() bool {
	if c.err != nil {
		return true
	}
	limit := c.times.Expired(c.listener.now())
	if limit == "" {
		return false
	}
	c.listener.counts.Timeouts.Add(1)
	c.fail(&frio.TimeoutError{Limit: limit})
	return true
}

// fail makes err the result of both directions. The slot is free at once, and the peer may have another child; what remains is for
// the caller to see and close. One that nobody has accepted is gone.
func (c *Child) fail(err error) {
	if !c.accepted {
		c.end()
		return
	}
	if c.err != nil {
		return
	}
	c.err, c.state = err, frio.StateFailed
	c.release()
	c.wish()
}

// release gives back all that a child has of the listener.
func (c *Child) release() {
	l := c.listener
	c.timer.Stop()
	if !c.accepted {
		l.held -= c.inbox.held()
	}
	c.inbox.release()
	l.disclaim(c)
	if c.slot {
		c.slot = false
		l.set.slots.Give(1)
		if c.link != nil {
			c.link.Release()
		}
	}
}

// Close ends the child. The next datagram of its peer makes another one.
func (c *Child) Close() error {
	if c.closed {
		return nil
	}
	c.ctx.Touch("close")
	c.end()
	return nil
}

// CloseTail is Close after sending tail, as one datagram. It is tried once: the socket is not the child's, so nothing can wait for it.
func (c *Child) CloseTail(tail []byte) error {
	if c.closed {
		return nil
	}
	c.ctx.Touch("close")
	var err error
	if len(tail) > 0 && c.err == nil {
		if _, failed := c.Write(tail); failed != nil {
			err = &frio.UnsentError{Bytes: len(tail)}
		}
	}
	c.end()
	return err
}

func (c *Child) end() {
	if c.closed {
		return
	}
	c.closed, c.state = true, frio.StateClosed
	c.release()
	c.notice.Cancel()
	c.err, c.readEnded, c.writeEnded = net.ErrClosed, true, true
	c.read, c.write = nil, nil
	l := c.listener
	if c.accepted {
		l.children.remove(c, inParent)
		l.count--
	} else {
		l.waiting.remove(c, inParent)
	}
	if c.writer {
		c.writer = false
		l.writers.remove(c, inWriters)
	}
	l.rewish()
	if link := c.link; link != nil {
		c.link = nil
		link.ChildClosed(c.id)
	}
}
