package transport

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
)

const (
	// turnAccepts is how many peers one turn takes, so that those that are there go on being served.
	turnAccepts = 64
	// restDelay is how long a port is left alone after an error that nothing is known about: it neither spins nor ends.
	restDelay = time.Second
)

// Service is what a Port serves.
type Service interface {
	// Serve is told of each peer's connection, on its thread, before anything else, and returns its user. A listening socket that has no
	// connections, as of UDP, is one itself. The configuration's zero values are the defaults.
	Serve(c *Conn) (User, Config)
	// Fault tells that nobody could be accepted for a while. Thread: the Port's.
	Fault(p *Port, err error)
	// Gone says that a connection was closed. Thread: the connection's.
	Gone(c *Conn)
}

// Port is a listening IO, or one shard of it, on a lane.
//
//	made -Join-> accepting <-> resting
//	accepting, resting -Refuse-> refusing -> closed
type Port struct {
	name    string
	lanes   Lanes
	lane    *Lane
	io      frio.IO
	ctx     *talloc.Context
	service Service
	member  *thread.Member
	near    *Conn // of a socket without connections: itself
	spare   *Conn // whose context the next Accept uses
	timer   event.Timer
	refuses bool
	over    bool
	ended   atomic.Bool
	retires atomic.Bool  // its connections are to end in order
	quits   atomic.Bool  // nobody goes on with its socket then
	open    atomic.Int64 // connections
}

// NewPort makes a Port of a listening IO that is open, and to which ctx belongs. name is for debug output. lanes are those that what is
// accepted may go to: nil of a lane that was given a loop.
func NewPort(name string, lanes Lanes, one frio.IO, ctx *talloc.Context, service Service) *Port {
	p := &Port{name: name, lanes: lanes, io: one, ctx: ctx, service: service}
	p.timer.Init((*portTimer)(p))
	return p
}

// Join has the port served on a lane, which has its context. Thread: the lane's.
func (p *Port) Join(lane *Lane) error {
	if lane.thread == nil {
		p.lane = lane
		return p.serve()
	}
	var err error
	p.member, err = lane.thread.Add(p.io, p.ctx, nil, p)
	return err
}

// Describe is the name and the IO.
func (p *Port) Describe() string { return p.name + ": " + p.io.Describe() }

// IO returns the listening IO.
func (p *Port) IO() frio.IO { return p.io }

// Lane returns where it is served.
func (p *Port) Lane() *Lane { return p.lane }

// Context owns what it accepts.
func (p *Port) Context() *talloc.Context { return p.ctx }

// Near is the Conn of a socket without connections, nil of others and before the first datagram came.
func (p *Port) Near() *Conn { return p.near }

// serve has accept called while there is somebody to accept.
func (p *Port) serve() error {
	if err := p.io.Event(p.lane.loop, p.accept, nil); err != nil {
		return fmt.Errorf("serve %s: %w", p.io.Describe(), err)
	}
	return nil
}

// accept takes the peers that wait.
func (p *Port) accept() {
	for range turnAccepts {
		c, err := p.fresh()
		if err != nil {
			p.rest(err)
			return
		}
		child, err := p.io.Accept(&c.ctx)
		switch {
		case err == nil:
			p.spare = nil
			p.welcome(c, child)
		case err == frio.ErrAgain:
			return
		case errors.Is(err, errors.ErrUnsupported):
			p.alone()
			return
		default:
			p.rest(err)
			return
		}
		if p.over {
			return
		}
	}
}

// fresh returns the Conn that the next peer gets.
func (p *Port) fresh() (*Conn, error) {
	if p.spare == nil {
		ctx := p.ctx
		if p.member != nil {
			ctx = p.lane.thread.Root() // a connection does not go where its port goes
		}
		c, err := newConn(p.lane, ctx, "connection")
		if err != nil {
			return nil, err
		}
		p.spare = c
	}
	return p.spare, nil
}

func (p *Port) dropSpare() {
	if p.spare != nil {
		p.spare.ctx.Free()
		p.spare = nil
	}
}

// welcome gives an accepted IO to its Conn, which lives here or where the pool places it.
func (p *Port) welcome(c *Conn, child frio.IO) {
	c.port, c.io, c.lanes = p, child, p.lanes
	p.open.Add(1)
	if p.member == nil {
		c.arrive(p.lane)
		return
	}
	if _, err := p.lane.thread.Add(child, &c.ctx, p.member, c); err != nil {
		_ = child.Close() // the pool stops; nothing was written
		p.open.Add(-1)
		c.ctx.Free()
	}
}

// alone makes the socket its own only connection: it tells its datagrams' senders apart by nothing.
func (p *Port) alone() {
	p.dropSpare()
	c, err := newConn(p.lane, p.ctx, "datagrams")
	if err != nil {
		p.rest(err)
		return
	}
	c.port, c.io, p.near = p, p.io, c
	c.arrive(p.lane)
	c.readable()
}

// rest leaves the port alone for a while. A listener does not end because of an error.
func (p *Port) rest(err error) {
	if errors.Is(err, net.ErrClosed) || p.over {
		return
	}
	p.service.Fault(p, err)
	if p.refuses || p.over {
		return
	}
	if err := p.io.Event(p.lane.loop, nil, nil); !errors.Is(err, net.ErrClosed) {
		p.timer.Set(p.lane.loop, p.lane.loop.Now().Add(restDelay))
	}
}

// portTimer is the port as its timer sees it.
type portTimer Port

func (t *portTimer) Expire(time.Time) {
	p := (*Port)(t)
	if p.near != nil || p.refuses || p.over {
		return
	}
	if err := p.serve(); err != nil {
		p.rest(err)
	}
}

func (t *portTimer) Describe() string { return t.io.Describe() }

// Refuse has the port take nobody any more; a socket without connections reads nothing any more, and still answers.
func (p *Port) Refuse() {
	if p.refuses || p.over {
		return
	}
	p.refuses = true
	p.timer.Stop()
	p.dropSpare()
	if c := p.near; c != nil {
		if c.listens() {
			c.readable() // what has come is answered
		}
		if !c.over {
			c.Pause()
			c.user.Drain(c)
		}
		return
	}
	if err := p.io.Event(p.lane.loop, nil, nil); err != nil {
		p.service.Fault(p, err)
	}
}

// Close ends the port. Its context is not freed.
func (p *Port) Close() error {
	if p.over {
		return nil
	}
	p.over = true
	p.timer.Stop()
	p.dropSpare()
	if p.near != nil {
		return p.near.Close()
	}
	err := p.io.Close()
	if p.member == nil && p.lane != nil {
		// It has closed its children, which no callback tells. A pool does.
		p.lane.Each(func(c *Conn) {
			if c.port == p && stateOf(c.io) == frio.StateClosed {
				c.fail(net.ErrClosed)
			}
		})
	}
	return err
}

// Attach has the port served by the thread that it lives on.
func (p *Port) Attach(m *thread.Member) {
	p.member, p.lane = m, p.lanes.of(m.Thread())
	if p.near != nil {
		p.near.arrive(p.lane)
		return
	}
	if p.refuses {
		return
	}
	if err := p.serve(); err != nil {
		p.rest(err)
	}
}

// Detach stops what runs on the thread that the port leaves.
func (p *Port) Detach(*thread.Member) {
	p.timer.Stop()
	p.dropSpare()
	if p.near != nil {
		p.near.leave()
	}
}

// End closes the port; for thread.ErrStopping it only takes nobody any more, so that what is under way can end.
func (p *Port) End(m *thread.Member, reason error) {
	if reason == thread.ErrStopping {
		p.Refuse()
		return
	}
	if err := p.Close(); err != nil {
		p.service.Fault(p, err)
	}
	p.ctx.Free()
	p.ended.Store(true)
}

// Ended tells whether a port that a pool has is closed. Thread: any.
func (p *Port) Ended() bool { return p.ended.Load() }
