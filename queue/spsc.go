package queue

import (
	"net"
	"sync/atomic"

	"github.com/frio-io/frio/talloc"
)

// SPSC is a queue from one sender to one receiver; they look at each other's line of the cache only when they meet.
type SPSC[T any] struct {
	slots []T
	mask  uint64
	_     [lineBytes]byte

	tail     atomic.Uint64 // the position sent next, and closedBit; the sender's but for that bit
	headSeen uint64        // the receiver's head when the sender looked last
	_        [lineBytes]byte

	head     atomic.Uint64 // the position received next; the receiver's
	tailSeen uint64        // the sender's tail when the receiver looked last
	_        [lineBytes]byte

	signal
}

var _ Queue[int] = (*SPSC[int])(nil)

// NewSPSC makes a queue as NewMPSC does.
func NewSPSC[T any](ctx *talloc.Context, depth int) (*SPSC[T], error) {
	checkDepth(depth)
	if err := ctx.Charge(sizeBytes[T](depth)); err != nil {
		return nil, err
	}
	q := &SPSC[T]{slots: make([]T, depth), mask: uint64(depth - 1)}
	q.idle.Store(true)
	ctx.OnFree(talloc.DestructorFunc(func() { q.Close() }))
	return q, nil
}

// Send is Queue's. Thread: the one sender.
func (q *SPSC[T]) Send(v T) (wake bool, err error) {
	pos, err := q.put(v)
	if err != nil {
		return false, err
	}
	return q.publish(pos)
}

// put fills the slot at the tail, which the receiver does not look at yet.
func (q *SPSC[T]) put(v T) (pos uint64, err error) {
	pos = q.tail.Load()
	if pos&closedBit != 0 {
		return 0, net.ErrClosed
	}
	if pos-q.headSeen == uint64(q.Cap()) {
		// The receiver moves head after it has emptied the slot: from here on it may be filled.
		if q.headSeen = q.head.Load(); pos-q.headSeen == uint64(q.Cap()) {
			return 0, q.full()
		}
	}
	q.slots[pos&q.mask] = v
	return pos, nil
}

// publish moves the tail, after the value: who sees the tail sees the value.
func (q *SPSC[T]) publish(pos uint64) (wake bool, err error) {
	// It fails when Close came between; the receiver never comes so far then.
	if !q.tail.CompareAndSwap(pos, pos+1) {
		var zero T
		q.slots[pos&q.mask] = zero
		return false, net.ErrClosed
	}
	return q.take(), nil
}

// Receive is Queue's.
func (q *SPSC[T]) Receive() (v T, err error) {
	head := q.head.Load()
	if head == q.tailSeen {
		if q.tailSeen = q.tail.Load() &^ closedBit; head == q.tailSeen {
			if err := q.rest(head); err != nil {
				return v, err
			}
		}
	}
	var zero T
	s := &q.slots[head&q.mask]
	v, *s = *s, zero
	q.head.Store(head + 1)
	return v, nil
}

// rest makes the receiver idle, and looks again, as MPSC's does.
func (q *SPSC[T]) rest(head uint64) error {
	q.idle.Store(true)
	tail := q.tail.Load()
	if q.tailSeen = tail &^ closedBit; q.tailSeen != head {
		return q.resume()
	}
	return empty(tail, head)
}

// Close is Queue's.
func (q *SPSC[T]) Close() (wake bool) {
	if q.tail.Or(closedBit)&closedBit != 0 {
		return false
	}
	return q.take()
}

// Len is Queue's.
func (q *SPSC[T]) Len() int {
	head := q.head.Load() // first: the tail is never behind it then
	return int(min(q.tail.Load()&^closedBit-head, uint64(q.Cap())))
}

// Cap is Queue's.
func (q *SPSC[T]) Cap() int { return len(q.slots) }

// Refused is Queue's.
func (q *SPSC[T]) Refused() uint64 { return q.refused.Load() }
