package transport

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/frio-io/frio"
)

// link is one connection of a Pool, the user of its Conn.
//
//	on its way -> up -> retires -> gone
type link struct {
	pool    *Pool
	conn    *Conn
	calls   []*Call // by identifier
	count   int     // of calls
	nextID  int
	uses    int
	up      bool
	retires bool // it takes no more, and goes when nothing is under way
	doubted bool // an answer on it was overdue
	over    bool
	proven  bool
	since   time.Time // when it began
	last    time.Time // when something was sent or came
	heard   time.Time // when something came
}

// dial makes the connection and starts to connect.
func (l *link) dial() error {
	p := l.pool
	c, err := newConn(p.lane, p.lane.ctx, p.peer.name)
	if err != nil {
		return err
	}
	one, err := p.peer.io.(frio.Copier).Copy(&c.ctx)
	if err != nil {
		c.ctx.Free()
		return err
	}
	l.conn = c
	c.user, c.io = l, one
	c.cfg = (&Config{Frame: p.peer.proto.Frame, MessageMax: p.peer.proto.MessageMax}).withDefaults()
	if p.lane.thread == nil {
		c.arrive(p.lane)
		return nil
	}
	if _, err := p.lane.thread.Add(one, &c.ctx, nil, c); err != nil {
		_ = one.Close() // nothing was written
		c.ctx.Free()
		l.conn = nil
		return err
	}
	return nil
}

// takes tells whether it takes one more request.
func (l *link) takes() bool {
	return l.up && !l.retires && l.count < l.pool.peer.limits.Requests && l.conn.IsUp() && l.conn.Broken() == nil && !l.conn.Full()
}

// send sends c, which takes an identifier here.
func (l *link) send(c *Call) error {
	p := l.pool
	id := l.nextID
	for l.calls[id] != nil {
		id = (id + 1) % len(l.calls)
	}
	room, err := l.conn.Reserve(p.peer.proto.MessageMax)
	if err != nil {
		return err
	}
	msg, err := c.owner.Encode(c, room, id)
	if err != nil {
		return err
	}
	if p.peer.datagram {
		if c.msg, err = p.lane.ctx.Alloc(len(msg)); err != nil {
			return err
		}
		copy(c.msg.Bytes(), msg)
	}
	l.nextID = (id + 1) % len(l.calls)
	l.calls[id], c.id, c.link = c, id, l
	l.count++
	l.uses++
	l.last = p.lane.loop.Now()
	c.since = l.last
	l.conn.Commit(nil, msg)
	p.peer.Counts.Requests.Add(1)
	if p.peer.limits.Uses > 0 && l.uses >= p.peer.limits.Uses {
		l.retires = true
		p.publish()
	}
	return nil
}

// release takes back the identifier of a Call that is over.
func (l *link) release(c *Call) {
	if l.calls[c.id] != c {
		return
	}
	l.calls[c.id] = nil
	l.count--
	if !l.over {
		l.pool.serve()
		l.leaveIdle()
	}
}

// retire has it take no more requests.
func (l *link) retire() {
	l.retires = true
	l.pool.publish()
	l.leaveIdle()
}

// leaveIdle closes it if it is not needed any more: the pool is drained when nothing waits.
func (l *link) leaveIdle() {
	if l.up && l.count == 0 && (l.retires || l.pool.closing && l.pool.first == nil) {
		l.close()
	}
}

// close ends it in order: nothing is under way.
func (l *link) close() {
	if l.over {
		return
	}
	l.over = true
	l.pool.gone(l, nil)
	l.shut()
	l.pool.refill()
}

func (l *link) shut() {
	if l.conn != nil {
		if err := l.conn.Close(); err != nil {
			l.pool.peer.Counts.Faults.Add(1)
		}
	}
}

// end ends it because of err: what is under way is lost.
func (l *link) end(err error) {
	if l.over {
		return
	}
	l.over = true
	p := l.pool
	reason := err
	if err == io.EOF && l.count == 0 && l.proven {
		reason = nil // the peer closed what was idle: nothing failed
	}
	p.gone(l, reason)
	l.shut()
	for _, c := range l.calls { // whom Lost tells may cancel others of these: then they are not there any more
		if c != nil {
			c.lost(err)
		}
	}
	p.refill()
}

// Up is called when the connection is open.
func (l *link) Up(c *Conn) {
	l.up = true
	l.last = l.pool.lane.loop.Now()
	l.pool.opening--
	l.pool.publish()
	l.pool.serve()
	l.pool.refill()
	l.leaveIdle()
}

// Message matches an answer.
func (l *link) Message(c *Conn, m *Message) {
	p := l.pool
	l.last = p.lane.loop.Now()
	l.heard = l.last
	id := p.peer.proto.ID(m.Data)
	if id < 0 || id >= len(l.calls) || l.calls[id] == nil {
		p.peer.Counts.Unmatched.Add(1)
		return
	}
	call := l.calls[id]
	if !call.owner.Answer(call, m) {
		p.peer.Counts.Rejected.Add(1)
		return
	}
	p.peer.Counts.Answers.Add(1)
	if !l.proven {
		l.proven = true
		p.proven()
	}
	if l.calls[id] == call {
		call.over()
	}
}

// Room serves what waits.
func (l *link) Room(*Conn) { l.pool.serve() }

// Fault is of one datagram. That nobody is there concerns all that is under way.
func (l *link) Fault(c *Conn, err error) {
	l.pool.peer.Counts.Faults.Add(1)
	refusal := refusalOf(err)
	if refusal == nil {
		return
	}
	// Whom Lost tells may cancel others of these, and start again on this socket: the peer's next word is about those.
	for id, call := range append([]*Call(nil), l.calls...) {
		if call != nil && l.calls[id] == call {
			call.lost(refusal)
		}
	}
}

// refusalOf is what is told of an error of datagrams that says that the peer is not there; nil of any other.
func refusalOf(err error) error {
	for _, errno := range []syscall.Errno{syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN} {
		if errors.Is(err, errno) {
			return fmt.Errorf("%w: %w", ErrRefused, errno)
		}
	}
	return nil
}

// End is called when the peer has ended the connection, or it is lost.
func (l *link) End(c *Conn, err error) {
	if errors.Is(err, net.ErrClosed) && l.over {
		return
	}
	l.end(err)
}

// Leave ends it: a connection of a Pool does not go to another thread.
func (l *link) Leave(*Conn) { l.end(net.ErrClosed) }

// Arrive is not called.
func (l *link) Arrive(*Conn) {}

// Drain is called when the program stops: it ends when nothing is under way, as the Pool's owner says.
func (l *link) Drain(*Conn) {
	if l.pool.OnDrain == nil {
		l.pool.Drain()
	} else if !l.pool.draining {
		l.pool.draining = true
		l.pool.OnDrain()
	}
}
