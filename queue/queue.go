package queue

import (
	"fmt"
	"math/bits"
	"net"
	"reflect"
	"sync/atomic"
	"syscall"
)

const (
	// TurnMax is how many messages a Receiver handles in a turn, unless told otherwise: as many as a turn handles events.
	TurnMax = 256
	// Depth is the usual depth of a queue: four turns of its receiver, which may so be late by three.
	Depth = 4 * TurnMax
	// depthMax bounds the depth: 1 Mi messages of 64 bytes are 64 MiB.
	depthMax = 1 << 20

	// lineBytes keeps apart what different threads write: two lines of 64 bytes, which amd64 fetches in pairs and which are
	// one line on some arm64.
	lineBytes = 128

	// closedBit in the tail of a queue says that no position is given out any more. 63 bits of positions last for 290 years
	// of a message each nanosecond.
	closedBit = 1 << 63
)

// Queue is what MPSC and SPSC have in common. Nothing in it blocks or allocates.
type Queue[T any] interface {
	// Send puts v last; with that v belongs to the receiver. wake tells that the receiver has found the queue empty and that
	// no other sender was told: the caller has to wake it. Errors: EAGAIN if the queue is full, net.ErrClosed after Close; v stays
	// the caller's then. Thread: any with MPSC, the one sender with SPSC.
	Send(v T) (wake bool, err error)

	// Receive takes the oldest message. EAGAIN if there is none: from then on the receiver counts as idle, and the next Send, which
	// may be there already, has it woken. net.ErrClosed after Close when nothing is left. Thread: the one receiver.
	Receive() (v T, err error)

	// Close ends sending: what was sent before is still received, and a Send that comes later, or at the same time and loses,
	// gives net.ErrClosed. wake is as with Send. Twice is fine. Thread: any.
	Close() (wake bool)

	// Len is how many messages wait. Thread: any; while others send and receive it is a number from the recent past.
	Len() int
	// Cap is the depth. Thread: any.
	Cap() int
	// Refused counts the Sends that found the queue full. Thread: any.
	Refused() uint64
}

// signal is what the receiver of a queue tells its senders, and they each other:
//
//	         Receive finds nothing
//	awake ──────────────────────────> idle
//	  ^                                │ Send or Close: that one caller wakes the receiver
//	  └────────────────────────────────┘
//
// A queue begins idle. While the receiver is awake senders only read this, so that the line stays in the caches of all.
type signal struct {
	idle    atomic.Bool
	_       [lineBytes]byte
	refused atomic.Uint64
}

// take tells whether the caller has to wake the receiver. The message has been made visible before. All of sync/atomic is
// in one order for all threads, so either the receiver, which sets idle before it looks again, sees the message, or we see idle.
func (s *signal) take() (wake bool) {
	return s.idle.Load() && s.idle.CompareAndSwap(true, false)
}

// resume takes idle back after the receiver has looked again and found something. EAGAIN if a sender was faster: that one
// is about to wake the receiver, which so gets one wake-up each time that it went idle.
func (s *signal) resume() error {
	if s.idle.CompareAndSwap(true, false) {
		return nil
	}
	return syscall.EAGAIN
}

// full counts a refused Send.
func (s *signal) full() error {
	s.refused.Add(1)
	return syscall.EAGAIN
}

// empty is Receive's error at position head.
func empty(tail, head uint64) error {
	if tail == head|closedBit {
		return net.ErrClosed
	}
	return syscall.EAGAIN
}

// checkDepth panics if depth is not a power of two between 2 and depthMax.
func checkDepth(depth int) {
	if depth < 2 || depth > depthMax || bits.OnesCount(uint(depth)) != 1 {
		panic(fmt.Sprintf("queue: depth %d is not a power of two between 2 and %d", depth, depthMax))
	}
}

// sizeBytes is the size of count values of type T.
func sizeBytes[T any](count int) int64 { return int64(count) * int64(reflect.TypeFor[T]().Size()) }
