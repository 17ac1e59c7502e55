package queue

import (
	"fmt"
	"math/bits"
	"sync/atomic"
	"syscall"

	"github.com/frio-io/frio/talloc"
)

const (
	// Headers is the usual number of messages of a Set: as many as a queue of the usual depth takes.
	Headers = Depth
	// messageBytes is what a message has room for on average: a RADIUS packet (RFC 2865, Section 3) and most others are not larger.
	messageBytes = 4096
	// RingBytes is the usual size of a ring, 4 MiB: Headers messages of messageBytes. It holds 64 reservations of the largest datagram.
	RingBytes = Headers * messageBytes
	// ringBytesMax bounds a ring: depthMax messages of the smallest useful size, 1 KiB.
	ringBytesMax = depthMax << 10
)

// Set is the memory of messages that one thread, the originator, makes and others read: a slab of headers and a ring of data.
//
//	      head                 tail              reserved
//	        │                    │                   │
//	┌───────┬──────┬──────┬──────┬───────────────────┬───────┐
//	│ free  │ held │ done │ held │ Read goes in here │ free  │
//	└───────┴──────┴──────┴──────┴───────────────────┴───────┘
//
// The originator reserves the most that may come, reads into it, and commits what came: nothing is copied. It sends the
// Message to another thread, which reads it and calls Done; the originator takes the memory back in the order of the
// messages. So one that is held long keeps all behind it, up to the whole ring: such a one is copied out, and done.
// Both are of fixed size: with one of them used up Reserve gives EAGAIN.
//
// H is what a header carries besides the data, of the user's choice. All methods but those of Message belong to the originator.
type Set[H any] struct {
	ctx     *talloc.Context
	headers []header[H]
	ring    []byte

	// Messages and bytes are counted since the beginning; their places are the remainders.
	oldest, next uint64 // message: held longest, made next
	head, tail   uint64 // byte: of the oldest message, behind the newest

	reserved, reservedEnd uint64 // what is left of the reservation
	left                  int    // headers of the reservation
}

// header is what a message is known by. Its state tells also of which message: after Done a handle does not fit any more, whatever
// the header is used for by then.
//
//	2 n + 1		message n is held; its data and value are the holder's
//	2 n + 2		message n is done; all of it is the originator's
type header[H any] struct {
	state atomic.Uint64
	begin uint64 // of its data, counted as head and tail are; the originator's
	data  []byte
	value H
}

// Message is a handle on a message. It goes by value, through a queue as well; who has it last calls Done, once.
// Thread: the holder's. Sending it gives it away.
type Message[H any] struct {
	h      *header[H]
	number uint64
}

// NewSet makes a set of so many headers and so many bytes (powers of two: usually Headers and RingBytes; others panic), charged to ctx.
// It lives as long as ctx; messages that others hold when ctx is freed stay valid until they let go. ErrLimit is ctx's.
// Thread: that of ctx, which is the originator.
func NewSet[H any](ctx *talloc.Context, headers, ringBytes int) (*Set[H], error) {
	checkDepth(headers)
	if ringBytes < 1 || ringBytes > ringBytesMax || bits.OnesCount(uint(ringBytes)) != 1 {
		panic(fmt.Sprintf("queue: ring of %d bytes: not a power of two up to %d", ringBytes, ringBytesMax))
	}
	// The ring is charged, not a talloc.Buffer: other threads read it, and it must not come back into use while one of them does.
	if err := ctx.Charge(sizeBytes[header[H]](headers) + int64(ringBytes)); err != nil {
		return nil, err
	}
	return &Set[H]{ctx: ctx, headers: make([]header[H], headers), ring: make([]byte, ringBytes)}, nil
}

// Reserve returns n bytes in one piece to read into, and promises count headers: so many Commits may follow. It replaces an
// earlier reservation, and one that is not used costs nothing. The bytes are the caller's until they are committed or the next Reserve;
// their content is undefined. EAGAIN if there is no room: it comes when messages are done. More than the whole set has panics.
func (s *Set[H]) Reserve(n, count int) ([]byte, error) {
	s.ctx.Touch("reserve")
	if n < 0 || n > len(s.ring) || count < 1 || count > len(s.headers) {
		panic(fmt.Sprintf("queue: reserve of %d bytes and %d headers in a set of %d and %d", n, count, len(s.ring), len(s.headers)))
	}
	s.reserved, s.reservedEnd, s.left = 0, 0, 0
	s.reclaim()
	size := uint64(len(s.ring))
	at := s.tail
	switch {
	case s.oldest == s.next:
		// Nothing is held: the beginning of the ring, again and again, is what the caches have.
		at = roundUp(at, size)
		s.head, s.tail = at, at
	case at%size+uint64(n) > size:
		at = roundUp(at, size) // in one piece: the end of the ring is left out
	}
	if int(s.next-s.oldest)+count > len(s.headers) || at+uint64(n)-s.head > size {
		return nil, syscall.EAGAIN
	}
	s.reserved, s.reservedEnd, s.left = at, at+uint64(n), count
	return s.piece(n), nil
}

// Skip leaves out the next n bytes of the reservation: the rest of a buffer in a batch, or what is no message. They are in
// use until the messages before them are done. More than the reservation has panics.
func (s *Set[H]) Skip(n int) {
	s.mustReserve(n, "skip")
	s.reserved += uint64(n)
}

// Commit makes a message of the next n bytes of the reservation, which goes on behind them; its value is zero, and the
// caller's to set before it sends the message. More bytes or more messages than were reserved panic.
func (s *Set[H]) Commit(n int) Message[H] {
	s.mustReserve(n, "commit")
	if s.left == 0 {
		panic("queue: commit of more messages than were reserved")
	}
	s.left--
	m := Message[H]{h: s.header(s.next), number: s.next}
	m.h.begin, m.h.data = s.reserved, s.piece(n)
	if s.oldest == s.next {
		s.head = s.reserved
	}
	s.reserved += uint64(n)
	s.tail = s.reserved
	s.next++
	m.h.state.Store(m.held()) // others get m by a queue or the like, which orders what was written before
	return m
}

// piece is the first n bytes of the reservation.
func (s *Set[H]) piece(n int) []byte {
	at := int(s.reserved % uint64(len(s.ring)))
	return s.ring[at : at+n : at+n]
}

func (s *Set[H]) mustReserve(n int, what string) {
	if n < 0 || uint64(n) > s.reservedEnd-s.reserved {
		panic(fmt.Sprintf("queue: %s of %d bytes, %d are reserved", what, n, s.reservedEnd-s.reserved))
	}
}

// reclaim takes back what is done, up to the first message that is held.
func (s *Set[H]) reclaim() {
	var zero H
	for s.oldest != s.next {
		h := s.header(s.oldest)
		if h.state.Load() != 2*s.oldest+2 { // seen before the memory is used: the holder has finished with it
			return
		}
		spoil(h.data)
		h.data, h.value = nil, zero
		s.oldest++
		// What was left out between the two goes with the earlier.
		s.head = s.tail
		if s.oldest != s.next {
			s.head = s.header(s.oldest).begin
		}
	}
}

func (s *Set[H]) header(number uint64) *header[H] { return &s.headers[number%uint64(len(s.headers))] }

// Data is the message's bytes, valid until Done. It panics after that.
func (m Message[H]) Data() []byte {
	m.mustHold("data")
	return m.h.data
}

// Value is what the header carries, valid as Data is.
func (m Message[H]) Value() *H {
	m.mustHold("value")
	return &m.h.value
}

// Done gives the message back to its originator. Twice panics. It does not block or allocate.
func (m Message[H]) Done() {
	// After the last access to data and value: the originator that sees it may overwrite them.
	if !m.h.state.CompareAndSwap(m.held(), m.held()+1) {
		panic("queue: a message is done twice")
	}
}

func (m Message[H]) held() uint64 { return 2*m.number + 1 }

func (m Message[H]) mustHold(what string) {
	if m.h.state.Load() != m.held() {
		panic("queue: " + what + " of a message that is done")
	}
}

// roundUp returns the first multiple of size that is not below n.
func roundUp(n, size uint64) uint64 { return (n + size - 1) / size * size }
