package transport

import (
	"io"
	"time"

	"github.com/frio-io/frio"
)

// readable is called by the loop.
func (c *Conn) readable() {
	l := c.lane
	switch {
	case c.over || l.reading:
		return // level-triggered: what a user who is being told of a message has asked for comes in the next turn
	case !c.up:
		c.proceed()
		return
	}
	l.reading = true
	if c.datagram {
		c.readDatagrams()
	} else {
		c.readStream()
	}
	l.reading = false
	c.settle()
}

// deliver lends m to the user. It lies in the lane meanwhile: nothing is allocated for it.
func (c *Conn) deliver(m Message) {
	l := c.lane
	l.loop.Came(1)
	l.message = m
	l.message.Data, l.message.Time = m.m.Data(), l.loop.Now()
	c.user.Message(c, &l.message)
	if !l.message.taken {
		m.m.Done()
	}
}

// readStream gives the messages that have come to the user.
func (c *Conn) readStream() {
	most := chunkMax
	if c.cfg.Frame != nil {
		most = readMax
	}
	for range turnReads {
		if !c.listens() || c.in.whole {
			break
		}
		have := c.in.n
		room, err := c.lane.set.Reserve(have+most, readMessages)
		if err != nil {
			c.starve()
			return
		}
		n, err := c.io.Read(room[have:])
		if err != nil {
			c.streamEnds(err)
			break
		}
		c.came(0, n)
		c.in.give(room)
		c.cut(room[:have+n])
	}
}

func (c *Conn) streamEnds(err error) {
	switch {
	case err == frio.ErrAgain:
	case err == io.EOF && c.in.n > 0:
		c.fail(io.ErrUnexpectedEOF)
	case err == io.EOF && c.broken != nil:
		c.fail(c.broken) // neither direction is left
	case err == io.EOF:
		c.end(io.EOF)
	default:
		c.fail(err)
	}
}

// cut makes messages of what lies at the beginning of the reservation, and keeps the rest.
func (c *Conn) cut(b []byte) {
	began := c.in.began
	c.in.began = time.Time{}
	for count := 0; len(b) > 0; count++ {
		n := len(b)
		if c.cfg.Frame != nil {
			var err error
			if n, err = c.cfg.Frame(b); err == nil && (n > c.cfg.MessageMax || n <= 0 && len(b) >= c.cfg.MessageMax) {
				err = frio.ErrTooLong
			}
			if err != nil {
				c.fail(err)
				return
			}
		}
		whole := n > 0 && n <= len(b)
		if !whole || count == readMessages || c.paused {
			c.keep(b, whole, began)
			return
		}
		began = time.Time{}
		c.came(1, 0)
		c.deliver(Message{m: c.lane.set.Commit(n)})
		if c.over || c.failed != nil {
			return
		}
		b = b[n:]
	}
}

// keep keeps b until more comes, or until whole messages in it may be given. began is when its first message did, if it is one
// that was waited for before.
func (c *Conn) keep(b []byte, whole bool, began time.Time) {
	if err := c.in.keep(&c.ctx, b, whole); err != nil {
		c.fail(err)
		return
	}
	if whole {
		c.lane.loop.Defer(&c.notice)
		return
	}
	if began.IsZero() {
		began = c.lane.loop.Now()
	}
	c.in.began = began
	c.arm()
}

// cutInput goes on with what was kept.
func (c *Conn) cutInput() {
	l := c.lane
	room, err := c.lane.set.Reserve(c.in.n, readMessages)
	if err != nil {
		c.starve()
		return
	}
	c.in.give(room)
	l.reading = true
	c.cut(room)
	l.reading = false
}
