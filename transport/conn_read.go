package transport

import (
	"io"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/talloc"
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
		if !c.listens() || c.remaining {
			break
		}
		have := c.partLen
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
		if have > 0 {
			copy(room, c.part.Bytes())
			c.dropPart()
		}
		c.cut(room[:have+n])
	}
}

func (c *Conn) streamEnds(err error) {
	switch {
	case err == frio.ErrAgain:
	case err == io.EOF && c.partLen > 0:
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
	began := c.began
	c.began = time.Time{}
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
			c.keepPart(b, whole, began)
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

// keepPart keeps b until more comes, or until whole messages in it may be given. began is when its first message did, if it is one
// that was waited for before.
func (c *Conn) keepPart(b []byte, whole bool, began time.Time) {
	part, err := c.ctx.Alloc(len(b))
	if err != nil {
		c.fail(err)
		return
	}
	copy(part.Bytes(), b)
	c.part, c.partLen, c.remaining = part, len(b), whole
	if whole {
		c.lane.loop.Defer(&c.notice)
		return
	}
	if began.IsZero() {
		began = c.lane.loop.Now()
	}
	c.began = began
	c.arm()
}

func (c *Conn) dropPart() {
	c.part.Free()
	c.part, c.partLen, c.remaining = talloc.Buffer{}, 0, false
}

// cutPart goes on with what was kept.
func (c *Conn) cutPart() {
	l := c.lane
	room, err := c.lane.set.Reserve(c.partLen, readMessages)
	if err != nil {
		c.starve()
		return
	}
	copy(room, c.part.Bytes())
	c.dropPart()
	l.reading = true
	c.cut(room)
	l.reading = false
}
