package event

import (
	"fmt"
	"net"
	"syscall"
	"time"
)

// Closer finishes a closed socket: flush, half-close, drain, close.
type Closer interface {
	// Step does what can be done now and returns what it waits for: Read or Write; 0 means finished (the descriptor is
	// closed); Hangup means that there is no going on: Abort is called next. The descriptor is not in the poller while Step runs.
	Step(now time.Time) Ready
	// Abort closes the descriptor now and returns how many bytes were not sent.
	Abort() (unsent int)
	Describe() string
}

// AbortError says that the closing list gave up a socket.
type AbortError struct {
	Closer string // what Describe said
	Reason string // "no end after 5s", "the peer is gone", "the loop stops"
	Unsent int    // bytes
}

// Error prints "close tcp 192.0.2.1:7 <- 192.0.2.2:40112: no end after 5s: 17 bytes unsent".
func (e *AbortError) Error() string {
	return fmt.Sprintf("close %s: %s: %d bytes unsent", e.Closer, e.Reason, e.Unsent)
}

// Linger puts c, which waits for want on fd, on the closing list, until it is finished or CloseTimeout has passed.
// fd must have left its loop. EAGAIN if the list is full, net.ErrClosed if the loop is closed, else the poller's error: c is the
// caller's still.
func (l *Loop) Linger(fd int, c Closer, want Ready) error {
	if want&wishes == 0 {
		panic("event: Linger without a wish: " + describe(c))
	}
	if l.closed {
		return net.ErrClosed
	}
	l.touch("linger")
	q := &l.closing
	if q.count >= l.cfg.MaxClosing {
		return syscall.EAGAIN
	}
	n := q.node()
	n.closer = c
	n.fd.Init(fd, n)
	err := n.fd.Attach(l)
	if err == nil {
		err = n.fd.Want(want)
	}
	if err != nil {
		n.fd.Detach()
		q.keep(n)
		return err
	}
	n.deadline = l.sys.Now().Add(l.cfg.CloseTimeout)
	q.add(n)
	return nil
}

// closing is the closing list. All have the same time-out, so the first to come is the first to expire.
type closing struct {
	loop        *Loop
	first, last *lingerer
	count       int
	free        *lingerer // nodes for use again, by next; at most MaxClosing
	timer       Timer     // of first
}

// lingerer is a place on the list.
type lingerer struct {
	list       *closing
	closer     Closer
	fd         FD
	deadline   time.Time
	prev, next *lingerer
}

func (q *closing) start(l *Loop) {
	q.loop = l
	q.timer.Init(q)
}

func (q *closing) node() *lingerer {
	n := q.free
	if n == nil {
		return &lingerer{list: q}
	}
	q.free, n.next = n.next, nil
	return n
}

func (q *closing) keep(n *lingerer) {
	*n = lingerer{list: q, next: q.free}
	q.free = n
}

func (q *closing) add(n *lingerer) {
	n.prev = q.last
	if n.prev != nil {
		n.prev.next = n
	} else {
		q.first = n
		q.timer.Set(q.loop, n.deadline)
	}
	q.last = n
	q.count++
}

// remove takes n off the list and out of the loop and returns whose it was.
func (q *closing) remove(n *lingerer) Closer {
	n.fd.Detach()
	if n.next != nil {
		n.next.prev = n.prev
	} else {
		q.last = n.prev
	}
	if n.prev != nil {
		n.prev.next = n.next
	} else if q.first = n.next; q.first != nil {
		q.timer.Set(q.loop, q.first.deadline)
	} else {
		q.timer.Stop()
	}
	q.count--
	c := n.closer
	q.keep(n)
	return c
}

// Ready is called by the loop. Step may close the descriptor, so it leaves the poller before.
func (n *lingerer) Ready(Ready) {
	n.fd.withdraw()
	q := n.list
	next := n.closer.Step(q.loop.Now())
	if q.loop.closed {
		return // Step closed the loop, and that aborted n
	}
	if next == 0 {
		q.remove(n)
		return
	}
	if next&wishes == 0 {
		q.abort(n, "the peer is gone")
		return
	}
	if err := n.fd.Want(next); err != nil {
		q.abort(n, err.Error())
	}
}

// Describe names the socket that is being closed.
func (n *lingerer) Describe() string { return describe(n.closer) }

// Expire gives up those whose time is over.
func (q *closing) Expire(now time.Time) {
	for q.first != nil && !now.Before(q.first.deadline) {
		q.abort(q.first, "no end after "+q.loop.cfg.CloseTimeout.String())
	}
}

// Describe names the list.
func (q *closing) Describe() string { return "closing list of loop " + q.loop.cfg.Name }

func (q *closing) abort(n *lingerer, reason string) {
	c := q.remove(n)
	unsent := c.Abort()
	q.loop.stats.Aborted++
	q.loop.stats.UnsentBytes += uint64(unsent)
	if q.loop.cfg.OnError != nil {
		q.loop.report(&AbortError{Closer: describe(c), Reason: reason, Unsent: unsent})
	}
}

func (q *closing) abortAll(reason string) {
	for q.first != nil {
		q.abort(q.first, reason)
	}
}
