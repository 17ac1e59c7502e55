package transport

import (
	"errors"
	"time"

	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
)

// Caller owns a Call. It is told on the thread of the Call.
type Caller interface {
	// Encode appends the request to dst, which has room for the longest message, with identifier id. An error ends the Call: Start returns it, or
	// Lost tells it.
	Encode(c *Call, dst []byte, id int) ([]byte, error)
	// Answer gives a message with the Call's identifier, whose data is lent. True: it is the answer, and the Call is over. False: it is not,
	// which is counted, and the Call goes on.
	Answer(c *Call, m *Message) bool
	// Lost says that the Call is over without an answer: its connection died, or could not be opened, or nobody is there (it wraps ErrRefused).
	Lost(c *Call, err error)
	Describe() string
}

// Call is one request under way to a Peer, embedded in its owner.
//
//	idle -Start-> waiting for a connection -> sent -> idle
type Call struct {
	pool  *Pool
	link  *link // nil: waiting, or idle
	owner Caller
	id    int
	msg   talloc.Buffer // of datagrams: what was sent, to send it again
	since time.Time     // when it was sent, or began to wait

	waiting    bool
	prev, next *Call // in the list of those that wait

	timer event.Timer
	again Retransmitter
}

// Active tells whether it is under way.
func (c *Call) Active() bool { return c.pool != nil }

// IsDatagram tells whether it goes by datagrams.
func (c *Call) IsDatagram() bool { return c.pool != nil && c.pool.peer.datagram }

// Again sends the same datagram once more. Of a stream, and of one that waits, it does nothing. It tells whether it was sent.
func (c *Call) Again() bool {
	if c.link == nil || c.msg.IsZero() || !c.link.conn.IsUp() {
		return false
	}
	if c.link.conn.Send(nil, c.msg.Bytes()) != nil {
		return false
	}
	c.pool.peer.Counts.Resent.Add(1)
	return true
}

// Retransmit has the Call send itself again by the times of RFC 5080, Section 2.2.1, until it is over; at their end it gives up, and Lost tells
// ErrNoAnswer. Of a stream it only waits for that end.
func (c *Call) Retransmit(times Retransmission) {
	if c.pool == nil {
		panic("transport: Retransmit of a call that is not under way")
	}
	loop := c.pool.lane.loop
	c.again = times.Begin(loop.Now())
	c.timer.Stop()
	c.timer.Init((*callTimer)(c))
	c.timer.Set(loop, c.again.Next(c.pool.random()))
}

// callTimer is the Call as its timer sees it.
type callTimer Call

func (t *callTimer) Expire(now time.Time) {
	c := (*Call)(t)
	at := c.again.Next(c.pool.random())
	if at.IsZero() {
		owner := c.owner
		c.GiveUp()
		owner.Lost(c, ErrNoAnswer)
		return
	}
	c.Again()
	c.timer.Set(c.pool.lane.loop, at)
}

func (t *callTimer) Describe() string { return t.owner.Describe() }

// Cancel ends the Call; nothing more is told. An idle one may be cancelled.
func (c *Call) Cancel() {
	if c.pool != nil {
		c.over()
	}
}

// Doubt says that the answer is overdue. A connection on which nothing has come since the Call was sent takes no more: its peer may have
// forgotten it without a word. The Call goes on.
func (c *Call) Doubt() {
	l := c.link
	if l == nil || !l.heard.Before(c.since) || !l.pool.peer.stateful {
		return
	}
	l.doubted = true
	l.retire()
}

// Doubted tells whether Doubt was right to say so: nothing has come on the Call's connection since.
func (c *Call) Doubted() bool { return c.link != nil && c.link.doubted && c.link.heard.Before(c.since) }

// errOverdue ends a connection that was not up in the time that a Call had.
var errOverdue = errors.New("the connection took too long")

// GiveUp is Doubt and Cancel. If the Call has waited for a connection, the one that has been on its way the longest ends: another attempt
// may be luckier.
func (c *Call) GiveUp() {
	p, waited, since := c.pool, c.waiting, c.since
	c.Doubt()
	c.Cancel()
	if !waited {
		return
	}
	for _, l := range p.links {
		if !l.up && !l.since.After(since) {
			l.end(errOverdue)
			return
		}
	}
}

// over makes the Call idle and gives back what it had.
func (c *Call) over() {
	p, l := c.pool, c.link
	c.timer.Stop()
	c.msg.Free()
	if c.waiting {
		p.unwait(c)
	}
	c.pool, c.link, c.msg = nil, nil, talloc.Buffer{}
	p.peer.outstanding.Give(1)
	p.busy.Add(-1)
	if l != nil {
		l.release(c)
	}
}

// lost ends the Call and tells its owner.
func (c *Call) lost(err error) {
	owner := c.owner
	c.over()
	owner.Lost(c, err)
}
