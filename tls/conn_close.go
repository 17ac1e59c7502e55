package tls

import (
	"net"

	"github.com/frio-io/frio"
)

// fail makes err the result of both directions. What is below goes at once, with the alert that is due; what remains is for
// the caller to see and close.
func (c *Conn) fail(err error) {
	if c.over || c.state == frio.StateFailed {
		return
	}
	s := c.session()
	hand := c.state == frio.StateHandshaking
	c.share.remove(c, hand)
	c.state, c.told = frio.StateFailed, 0
	if s.readErr == nil {
		s.readErr = err
	}
	if s.writeErr == nil {
		s.writeErr = err
	}
	_ = c.closeLower() // that the peer did not get all is in err
	s.timer.Stop()
	c.drop()
	if hand {
		c.how().counts.failed[c.how().set.handshakeError(err).Cause].Add(1)
		c.freeSlot()
	}
	c.tell()
}

// closeLower closes what is below, after what is sealed and unsent and what the engine has to say last. The error is an
// *frio.UnsentError only if it is application data that cannot be sent.
func (c *Conn) closeLower() error {
	s := c.s
	if s == nil || c.datagram() {
		if s != nil && s.eng != nil {
			for _, d := range s.eng.Out() {
				_, _ = c.lower.Write(d) // an alert is tried once: nobody waits for it
			}
		}
		return c.lower.Close()
	}
	data := s.out.len() + s.out.sent
	if s.eng != nil && !s.shut {
		for _, b := range s.eng.Out() {
			if s.out.add(&c.ctx, b) != nil {
				break // no memory for an alert: the end below tells as well
			}
		}
	}
	if s.out.len() == 0 {
		return c.lower.Close()
	}
	said := s.out.len() + s.out.sent - data
	err := c.closeTail(s.out.bytes())
	if unsent, ok := err.(*frio.UnsentError); ok {
		lost := s.out.lost(unsent.Bytes) - said
		if lost <= 0 {
			return nil
		}
		return &frio.UnsentError{Bytes: lost}
	}
	return err
}

// closeTail closes what is below, after tail.
func (c *Conn) closeTail(tail []byte) error {
	if l, ok := c.lower.(frio.Lingerer); ok {
		return l.CloseTail(tail)
	}
	for len(tail) > 0 {
		n, err := c.lower.Write(tail)
		if err != nil {
			break
		}
		tail = tail[n:]
	}
	err := c.lower.Close()
	if err == nil && len(tail) > 0 {
		err = &frio.UnsentError{Bytes: len(tail)}
	}
	return err
}

// drop frees what only a living connection needs.
func (c *Conn) drop() {
	c.dropTail()
	if s := c.s; s != nil {
		s.in.release()
		s.out.release()
		c.unstall()
		if s.eng != nil {
			s.eng.Abort()
		}
		if s.waker != nil {
			s.waker.set(nil)
			s.waker = nil
		}
	}
}

// Close ends the connection: close_notify, after what was written.
func (c *Conn) Close() error { return c.CloseTail(nil) }

// CloseTail is Close after sending tail, sealed.
func (c *Conn) CloseTail(tail []byte) error {
	if c.over {
		return nil
	}
	c.ctx.Touch("close")
	var err error
	if c.state != frio.StateFailed {
		unsent := len(tail)
		if c.state == frio.StateOpen {
			unsent = c.sealTail(tail)
		}
		err = c.closeLower()
		if err == nil && unsent > 0 {
			err = &frio.UnsentError{Bytes: unsent}
		}
	}
	c.gone()
	return err
}

// sealTail seals what is to be sent last, and close_notify; it returns how much of tail could not be.
func (c *Conn) sealTail(tail []byte) (unsent int) {
	s := c.s
	if s.writeErr != nil {
		return len(tail)
	}
	for len(tail) > 0 && !s.shut {
		piece := tail[:min(len(tail), dtlsMax)]
		dst, err := s.out.reserve(&c.ctx, len(piece)*10/9+256)
		if err != nil {
			return len(tail)
		}
		sealed, n, err := s.eng.Seal(dst, piece)
		if err != nil || s.out.took(&c.ctx, sealed) != nil {
			return len(tail)
		}
		tail = tail[n:]
		if c.datagram() {
			c.flushAll()
			s.out.release()
		}
	}
	if !s.shut {
		s.eng.CloseNotify()
	}
	if c.datagram() {
		c.flushAll()
	}
	return len(tail)
}

// gone makes the connection closed for its caller.
func (c *Conn) gone() {
	c.leaveShare()
	hand := c.slot
	c.over, c.state = true, frio.StateClosed
	c.read, c.write = nil, nil
	c.drop()
	link := c.upLink()
	if hand {
		c.freeSlot()
	}
	if s := c.s; s != nil {
		s.readErr, s.writeErr = net.ErrClosed, net.ErrClosed
		s.readEnded, s.writeEnded = true, true
		s.link = nil
	}
	if c.role == frio.Client {
		c.how().unuse()
	}
	if l := c.listener(); l != nil {
		l.remove(c)
	}
	c.link = nil
	if link != nil {
		link.ChildClosed(c.id)
	}
}

// abort is what freeing the context of an open connection does: no close_notify, no flush. What is below is in the same
// context, and frees itself.
func (c *Conn) abort() {
	if !c.over && c.lower != nil {
		c.gone()
	}
}

// freeSlot gives back the place that max_handshakes counts, on whatever thread.
func (c *Conn) freeSlot() {
	if !c.slot {
		return
	}
	c.slot = false
	c.how().slots.Give(1)
	if link := c.upLink(); link != nil {
		link.Release()
	}
}
