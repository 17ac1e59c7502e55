package transport

import (
	"errors"
	"net"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
)

// arrive begins the Conn, or goes on with it on another thread.
func (c *Conn) arrive(lane *Lane) {
	if c.over {
		return
	}
	c.live(lane)
	if !c.over && c.Retires() {
		c.drain()
	}
}

// live is arrive without a look at whether it is to go on at all.
func (c *Conn) live(lane *Lane) {
	c.lane = lane
	lane.add(c)
	if c.begun {
		c.attached, c.reads, c.writes = false, false, false
		lane.loop.Defer(&c.notice) // whatever there was to tell
		if m, ok := c.user.(Mover); ok {
			m.Arrive(c)
		}
		c.settle()
		return
	}
	c.begun = true
	c.begin(c.io)
	if c.port == nil {
		c.settle()
		c.connect()
		return
	}
	var cfg Config
	c.user, cfg = c.port.service.Serve(c)
	c.cfg = cfg.withDefaults()
	c.proceed()
}

// Dial makes a Conn of the connecting side, with its context below parent, and starts to connect. open makes the IO in that context. It is no
// member of a pool: who owns parent takes it along when that goes to another thread, by Leave and Arrive.
func Dial(lane *Lane, parent *talloc.Context, name string, open func(ctx *talloc.Context) (frio.IO, error), cfg Config, user User) (*Conn, error) {
	c, err := newConn(lane, parent, name)
	if err != nil {
		return nil, err
	}
	if c.io, err = open(&c.ctx); err != nil {
		c.ctx.Free()
		return nil, err
	}
	c.user, c.cfg = user, cfg.withDefaults()
	c.arrive(lane)
	return c, nil
}

// Leave takes a Conn that Dial made off its thread, before its context goes to another.
func (c *Conn) Leave() {
	if c.over || c.lane == nil {
		return
	}
	c.leave()
	_ = c.io.Event(nil, nil, nil) // a closed one is in no loop
}

// Arrive goes on with it on another thread.
func (c *Conn) Arrive(lane *Lane) { c.arrive(lane) }

// leave takes the Conn off its thread.
func (c *Conn) leave() {
	if !c.begun || c.over {
		return
	}
	if m, ok := c.user.(Mover); ok {
		m.Leave(c)
	}
	if c.over {
		return
	}
	if c.dirty {
		c.lane.Flush()
	}
	c.notice.Cancel()
	c.timer.Stop()
	c.starved = false
	c.lane.remove(c)
	c.lane = nil
}

// Attach, Detach and End make a Conn the user of its Member.
func (c *Conn) Attach(m *thread.Member) {
	c.member = m
	lane := c.lane
	if c.port != nil {
		lane = c.lanes.of(m.Thread())
	}
	c.arrive(lane)
}

// IsCut tells whether what User.End was given says that this side cut the connection: its port was closed, or the time of a pool that stops
// is over.
func IsCut(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, thread.ErrStopped)
}

// Detach takes it off its thread.
func (c *Conn) Detach(*thread.Member) { c.leave() }

// End ends it: in order and soon, for thread.ErrStopping.
func (c *Conn) End(m *thread.Member, reason error) {
	switch {
	case c.over:
	case !c.begun || c.lane == nil:
		// It was on its way when the pool stopped: its user has not been told of it, or is nowhere.
		c.over = true
		_ = c.io.Close() // the pool says what it cut
		c.gone()
		c.ctx.Free()
	case reason == thread.ErrStopping:
		c.stops = true
		c.drain()
	default:
		if reason == net.ErrClosed && stateOf(c.io) == frio.StateFailed {
			reason = c.ending() // what is below it closed because of that
		}
		c.end(reason)
		if !c.over {
			_ = c.Close() // the pool says what it cut
		}
	}
}
