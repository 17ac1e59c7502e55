package transport

import (
	"errors"
	"net"
	"syscall"

	"github.com/frio-io/frio"
)

// Reserve returns an empty slice with room for a message of n bytes, to append to; it is the caller's until Commit, or until
// anything else is sent on this thread. ErrFull: a stream has all the output that it may. Any other error is that of a lost connection.
func (c *Conn) Reserve(n int) ([]byte, error) {
	switch {
	case c.over:
		return nil, net.ErrClosed
	case c.failed != nil:
		return nil, c.failed
	case c.broken != nil:
		return nil, c.broken
	case c.out.shut:
		return nil, syscall.EPIPE
	case c.datagram:
		if n > arenaBytes {
			return nil, frio.ErrTooLong
		}
		return c.lane.room(n), nil
	}
	o := &c.out
	if o.memory.IsZero() {
		return c.grow(max(n, outFirst))
	}
	if room := o.room(); cap(room) >= n {
		return room, nil
	}
	if o.waiting+n <= outHigh {
		return c.grow(max(o.waiting+n, min(2*o.waiting, outHigh, c.cfg.OutMax))) // it leaves with the rest of the turn, in one call
	}
	if !c.writes { // else the socket has just taken no more
		c.flush()
	}
	if c.failed != nil || c.broken != nil {
		return nil, errors.Join(c.failed, c.broken)
	}
	return c.grow(max(o.waiting+n, outFirst, min(2*o.waiting, c.cfg.OutMax)))
}

// grow makes the output's memory n bytes. ErrFull: it may not have so much; one message may always wait.
func (c *Conn) grow(n int) ([]byte, error) {
	if c.out.waiting > 0 && n > c.cfg.OutMax {
		return nil, ErrFull
	}
	if err := c.out.grow(&c.ctx, n); err != nil {
		return nil, err
	}
	return c.out.room(), nil
}

// Commit sends msg, which was appended to what Reserve returned, at the end of the turn; to is where a datagram goes, nil for a
// connection.
func (c *Conn) Commit(to *Addr, msg []byte) {
	switch {
	case c.over || c.failed != nil || c.broken != nil:
		return
	case c.datagram:
		c.post(to, msg)
	case len(msg) > cap(c.out.room()):
		panic("transport: Commit of more than Reserve gave: " + c.io.Describe())
	default:
		c.out.added(len(msg))
		c.went(1, 0)
	}
	c.lane.soil(c)
}

// Send is Reserve and Commit of a message that lies elsewhere. It does not keep msg.
func (c *Conn) Send(to *Addr, msg []byte) error {
	room, err := c.Reserve(len(msg))
	if err != nil {
		return err
	}
	c.Commit(to, append(room, msg...))
	return nil
}

// Full tells whether output waits above the high-water mark: who makes more of it should Pause what that comes from. Room is called
// when it does no more.
func (c *Conn) Full() bool { return c.out.pressed }

// Unsent is what waits to be sent of a stream, in bytes.
func (c *Conn) Unsent() int { return c.out.waiting }

// writable is called by the loop.
func (c *Conn) writable() {
	switch {
	case c.over:
	case !c.up && c.port == nil:
		c.connect()
	case !c.up:
		c.proceed()
	default:
		c.flush()
	}
}

// flush writes what waits to be sent of a stream, as far as it is taken.
func (c *Conn) flush() {
	if c.over || c.failed != nil || c.broken != nil || !c.up {
		return
	}
	if err := c.flushOut(); err != nil && err != frio.ErrAgain {
		c.breaks(err)
	}
	c.out.rests()
	if c.out.waiting == 0 && c.out.shut && !c.out.ended {
		c.out.ended = true
		c.lane.loop.Defer(&c.notice) // Room
		if c.broken == nil && c.failed == nil {
			if err := c.io.(frio.CloseWriter).CloseWrite(); err != nil {
				c.breaks(err)
			}
		}
	}
	if c.out.relieved() {
		c.lane.loop.Defer(&c.notice)
	}
	c.settle()
}

// breaks notes that nothing more can be written. What the peer sent before is still there to be read, and then the end.
func (c *Conn) breaks(err error) {
	if c.ended {
		c.fail(err)
		return
	}
	c.broken = err
	c.out.waiting, c.out.rest = 0, 0
}

// Broken is why nothing can be written to a connection that can still be read; nil if it can.
func (c *Conn) Broken() error { return c.broken }

func (c *Conn) flushOut() error {
	if c.out.waiting == 0 {
		return nil
	}
	cork, ok := c.io.(frio.Corker)
	if !c.layered || !ok || c.cfg.Frame == nil {
		return c.writeAll(c.out.waiting)
	}
	// A layer puts each Write into a record of its own. Some RADIUS servers take no second packet out of one.
	cork.Cork()
	err := c.writeMessages()
	if e := cork.Uncork(); err == nil {
		err = e
	}
	return err
}

func (c *Conn) writeMessages() error {
	for c.out.waiting > 0 {
		n := c.out.rest
		if n == 0 {
			b := c.out.bytes()
			var err error
			if n, err = c.cfg.Frame(b); err != nil || n <= 0 || n > len(b) {
				return errFraming
			}
		}
		if err := c.writeAll(n); err != nil {
			return err
		}
	}
	return nil
}

// errFraming is of a user that sent what is no message.
var errFraming = errors.New("what was sent is not a whole message")

// writeAll writes the next n bytes. ErrAgain while some are left.
func (c *Conn) writeAll(n int) error {
	for n > 0 {
		c.out.rest = n
		took, err := c.io.Write(c.out.bytes()[:n])
		if err != nil {
			return err
		}
		c.went(0, took)
		c.out.took(took)
		n -= took
	}
	c.out.rest = 0
	return nil
}
