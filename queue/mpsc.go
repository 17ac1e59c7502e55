package queue

import (
	"net"
	"sync/atomic"

	"github.com/frio-io/frio/talloc"
)

// MPSC is a queue from many senders to one receiver. Messages of one sender are received in the order in which they were sent.
//
// A sender that the system stops between its two steps (a few instructions) holds up what others send behind it, until it goes
// on; no other thread waits for it meanwhile: the receiver finds the queue empty, and the sender wakes it.
type MPSC[T any] struct {
	slots []slot[T]
	mask  uint64
	_     [lineBytes]byte
	tail  atomic.Uint64 // the position that the next sender claims, and closedBit
	_     [lineBytes]byte
	head  uint64 // the position received next; the receiver's alone
	_     [lineBytes]byte
	signal
}

var _ Queue[int] = (*MPSC[int])(nil)

// slot has a place in each lap of the queue. turn says whose turn it is:
//
//	pos		free for the sender that claims position pos
//	pos + 1		filled, for the receiver
//	pos + depth	free for the next lap
type slot[T any] struct {
	turn  atomic.Uint64
	value T
}

// NewMPSC makes a queue of depth messages (a power of two from 2 to 1 Mi; others panic), charged to ctx; freeing ctx closes it and leaves
// what is in it. ErrLimit is ctx's. Thread: that of ctx.
func NewMPSC[T any](ctx *talloc.Context, depth int) (*MPSC[T], error) {
	checkDepth(depth)
	if err := ctx.Charge(sizeBytes[slot[T]](depth)); err != nil {
		return nil, err
	}
	q := &MPSC[T]{slots: make([]slot[T], depth), mask: uint64(depth - 1)}
	for i := range q.slots {
		q.slots[i].turn.Store(uint64(i))
	}
	q.idle.Store(true)
	ctx.OnFree(talloc.DestructorFunc(func() { q.Close() }))
	return q, nil
}

// Send is Queue's. Thread: any.
func (q *MPSC[T]) Send(v T) (wake bool, err error) {
	pos, err := q.claim()
	if err != nil {
		return false, err
	}
	return q.publish(pos, v), nil
}

// claim takes the position at the tail, unless its slot is still in use by the lap before or the queue is closed.
func (q *MPSC[T]) claim() (pos uint64, err error) {
	for {
		pos = q.tail.Load()
		if pos&closedBit != 0 {
			return 0, net.ErrClosed
		}
		turn := q.slots[pos&q.mask].turn.Load()
		switch {
		// A slot is not free before its turn has come, and its turn does not pass before it was claimed: so pos was the
		// tail when turn was read, and the queue was full.
		case turn < pos:
			return 0, q.full()
		// Close changes the tail too: who claims after it fails here, so that the last position is known to the receiver.
		case turn == pos && q.tail.CompareAndSwap(pos, pos+1):
			return pos, nil
		}
	}
}

// publish fills a claimed position.
func (q *MPSC[T]) publish(pos uint64, v T) (wake bool) {
	s := &q.slots[pos&q.mask]
	s.value = v
	s.turn.Store(pos + 1) // after value: who sees the turn sees the value
	return q.take()
}

// Receive is Queue's.
func (q *MPSC[T]) Receive() (v T, err error) {
	s := &q.slots[q.head&q.mask]
	if s.turn.Load() != q.head+1 {
		if err := q.rest(s); err != nil {
			return v, err
		}
	}
	var zero T
	v, s.value = s.value, zero             // the queue keeps nothing alive
	s.turn.Store(q.head + uint64(q.Cap())) // after value was taken: a sender that sees the turn may overwrite it
	q.head++
	return v, nil
}

// rest makes the receiver idle, and looks again: a sender that came before it could see that has woken nobody.
func (q *MPSC[T]) rest(s *slot[T]) error {
	q.idle.Store(true)
	if s.turn.Load() == q.head+1 {
		return q.resume()
	}
	// A claimed position that is not filled has moved the tail on: it is EAGAIN, and its sender wakes.
	return empty(q.tail.Load(), q.head)
}

// Close is Queue's.
func (q *MPSC[T]) Close() (wake bool) {
	if q.tail.Or(closedBit)&closedBit != 0 {
		return false
	}
	return q.take()
}

// Len is Queue's. It includes positions that are claimed and not filled yet.
func (q *MPSC[T]) Len() int {
	tail := q.tail.Load() &^ closedBit
	// The receiver does not publish its head, which would cost it a line of the cache for each message. All positions before it
	// have passed their turn and none behind: it is found by halving.
	low, high := tail-min(tail, uint64(q.Cap())), tail
	for low < high {
		middle := low + (high-low)/2
		if q.slots[middle&q.mask].turn.Load() > middle+1 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return int(tail - low)
}

// Cap is Queue's.
func (q *MPSC[T]) Cap() int { return len(q.slots) }

// Refused is Queue's.
func (q *MPSC[T]) Refused() uint64 { return q.refused.Load() }
