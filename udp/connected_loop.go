package udp

import (
	"net"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
)

// Event puts the child into a loop, any, changes its wishes, or takes it out.
func (c *Connected) Event(loop *event.Loop, read, write func()) error {
	c.ctx.Touch("event")
	if loop == nil && (read != nil || write != nil) {
		panic("frio: callbacks without a loop: " + c.Describe())
	}
	if c.mail.ordered() {
		c.finish()
	}
	return c.event(loop, read, write)
}

func (c *Connected) move(loop *event.Loop) error {
	if err := c.enter(loop); err != nil {
		return err
	}
	if loop != nil {
		c.mail.enter(loop, c.called)
		c.arm()
	}
	return nil
}

func (c *Connected) leave() {
	if c.loop != nil {
		c.mail.leave()
	}
	c.exit()
}

// called is what the mailbox has the loop call.
func (c *Connected) called() {
	switch {
	case c.closed:
	case c.mail.ordered():
		c.finish()
	default:
		c.tell()
	}
}

// holds tells whether there is something to read that the poller does not know of.
func (c *Connected) holds() bool { return c.inbox.count > 0 || c.train.pending() || c.mail.holds() }

// arm sets the one timer to the nearest deadline.
func (c *Connected) arm() {
	if c.loop != nil && c.err == nil {
		c.timer.Set(c.loop, c.times.Next())
	}
}

// expired ends the child if a limit of time has run out.
func (c *Connected) expired() bool {
	if c.err != nil {
		return true
	}
	limit := c.times.Expired(c.now())
	if limit == "" {
		return false
	}
	c.listener.counts.Timeouts.Add(1)
	c.fail(&frio.TimeoutError{Limit: limit})
	return true
}

// fail makes err the result of both directions. What remains is for the caller to see and close.
func (c *Connected) fail(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	c.life.Store(uint32(frio.StateFailed))
	c.release()
	c.tell()
}

// release gives back all that a child has: what is unread, the socket, the slot.
func (c *Connected) release() {
	if c.fd < 0 {
		return
	}
	c.timer.Stop()
	slot := c.slot
	if slot { // first: what goes back may need it
		c.slot = false
		c.listener.set.slots.Give(1)
	}
	c.reg.Detach()
	list := c.leftover()
	c.inbox.release()
	returned, dropped, ok := c.mail.shutInto(&c.listener.mail, list, c.record, c.fd)
	if ok {
		c.fd = -1 // the listener closes it
	}
	c.counts.Returned.Add(returned)
	c.counts.Unread.Add(dropped)
	c.listener.counts.add(&c.counts)
	c.shut()
	if slot && c.link != nil {
		c.link.Release()
	}
}

// leftover is what goes back to the listener: what is unread, in order, without what the mailbox has.
func (c *Connected) leftover() (list []letter) {
	if c.mail.ordered() { // the listener is closed
		return nil
	}
	// Connected to itself the socket gets nothing any more: the peer's datagrams go to the listener, so that none comes between the
	// last that is read here and close.
	self := sock.Addr{AddrPort: c.local}
	if scoped(c.local.Addr()) {
		self.Ifindex = c.ifindex
	}
	_ = c.kernel.Connect(c.fd, self) // without that, there is such a moment
	s := getSlab()
	defer putSlab(s)
	p := &s.incoming()[0]
	buf := p.Data
	for c.inbox.count > 0 {
		*p = frio.Packet{Data: buf, Remote: c.remote, Local: c.local}
		again := c.inbox.origin(0) == unread
		if !c.inbox.take(p) {
			continue // it fits: inboxes hold none that is longer
		}
		if again {
			c.counts.Unread.Add(1)
			continue
		}
		list = append(list, letterOf(p, unread))
	}
	p.Data = buf
	// More than a mailbox holds is not read: it is lost with the socket, as it would be in a full receive buffer.
	for range lettersMax {
		_, err := c.recv(s.packets[:1])
		switch {
		case err == frio.ErrAgain:
			return list
		case err != nil, p.Err != nil: // an error of what was sent: reading it has cleared it
		case c.mine(p):
			list = append(list, letterOf(p, unread))
		default:
			c.counts.Foreign.Add(1)
			list = append(list, letterOf(p, strayed))
		}
	}
	return list
}

// Close ends the child. What it has not read goes back to the listener.
func (c *Connected) Close() error {
	if c.closed {
		return nil
	}
	c.ctx.Touch("close")
	c.finish()
	return nil
}

// CloseTail is Close after sending tail, as one datagram, which is tried once.
func (c *Connected) CloseTail(tail []byte) error {
	if c.closed {
		return nil
	}
	c.ctx.Touch("close")
	var err error
	if len(tail) > 0 && c.err == nil && !c.mail.ordered() {
		if _, failed := c.Write(tail); failed != nil {
			err = &frio.UnsentError{Bytes: len(tail)}
		}
	}
	c.finish()
	return err
}

func (c *Connected) finish() {
	if c.closed {
		return
	}
	c.closed = true
	c.life.Store(uint32(frio.StateClosed))
	c.release()
	c.leave()
	c.err, c.readEnded, c.writeEnded = net.ErrClosed, true, true
	if link := c.link; link != nil {
		c.link = nil
		link.ChildClosed(c.id)
	}
}
