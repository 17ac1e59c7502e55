package queue

import (
	"net"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/frio-io/frio/event"
)

// wakePause is how soon a wake-up that the loop had no room for is tried again.
const wakePause = time.Millisecond

// Handler is told of the messages of a Receiver, on its loop's thread.
type Handler[T any] interface {
	// Message gets the next message, which belongs to the handler. It may call everything of the Receiver.
	Message(v T)
	// Ended is called once, when the queue is closed and Message has had all that was sent.
	Ended()
	Describe() string
}

// Receiver is the end of a queue that lies on a loop:
//
//	           Send finds the queue idle                    the posted function
//	idle ─────────────────────────────────> notified ──────────────────────────> busy ──┐ turnMax handled:
//	 ^            Loop.Post, once                                                 │ ^    │ again in the next turn
//	 └────────────────────────────────────────────────────────────────────────────┘ └────┘
//	                                nothing left
//
// Only a Send in state idle posts; so a burst costs one wake-up, and a busy receiver none.
type Receiver[T any] struct {
	loop    *event.Loop
	queue   Queue[T]
	handler Handler[T]
	turnMax int
	task    event.Task
	wake    func() // what is posted; made once, so that Send does not allocate
	ended   bool

	wakes atomic.Uint64
	retry *time.Timer
}

// NewReceiver makes the receiving end of queue on loop. In a turn it handles at most turnMax messages (0: TurnMax) and leaves
// the others for the next, so that descriptors and timers have their turn. Nobody else may call queue's Receive. Thread: the loop's.
func NewReceiver[T any](loop *event.Loop, queue Queue[T], handler Handler[T], turnMax int) *Receiver[T] {
	if turnMax <= 0 {
		turnMax = TurnMax
	}
	r := &Receiver[T]{loop: loop, queue: queue, handler: handler, turnMax: turnMax}
	r.task.Init((*turn[T])(r))
	r.wake = r.work
	r.retry = time.AfterFunc(time.Hour, r.rouse)
	r.retry.Stop()
	return r
}

// Send puts v into the queue and wakes the loop if need be. Nil: v is handled, or handed to Recall. EAGAIN: the queue is full; try
// again in a later turn, or drop and count. net.ErrClosed after Close or Recall. It does not allocate. Thread: any with
// MPSC, the one sender with SPSC.
func (r *Receiver[T]) Send(v T) error {
	wake, err := r.queue.Send(v)
	if wake {
		r.rouse()
	}
	return err
}

// Close ends sending; what was sent before is handled, then Handler.Ended is called. Twice is fine. Thread: any.
func (r *Receiver[T]) Close() {
	if r.queue.Close() {
		r.rouse()
	}
}

// Recall ends it at once: sending is closed, neither Message nor Ended is called any more, and back gets what was sent and not handled,
// in order. It must come before Loop.Close if the receiver may be busy. Where a sender has taken its place and not filled it, Recall gives way to it: a few
// instructions of that sender. Thread: the loop's, or who clears up after the loop has ended.
func (r *Receiver[T]) Recall(back func(v T)) {
	r.queue.Close()
	r.ended = true
	r.task.Cancel()
	r.retry.Stop()
	for {
		v, err := r.queue.Receive()
		switch err {
		case nil:
			back(v)
		case syscall.EAGAIN:
			runtime.Gosched()
		default:
			return
		}
	}
}

// Wakes counts how often the loop was woken for this receiver. Thread: any.
func (r *Receiver[T]) Wakes() uint64 { return r.wakes.Load() }

// Queue returns the queue, for its numbers. Thread: any.
func (r *Receiver[T]) Queue() Queue[T] { return r.queue }

// rouse has the loop call work. One caller at a time is told to.
func (r *Receiver[T]) rouse() {
	switch r.loop.Post(r.wake) {
	case nil:
	case syscall.EAGAIN:
		// Others have filled the loop's list. The queue counts as woken, and no Send would try again: so we do.
		r.retry.Reset(wakePause)
	default:
		// The loop is closed: what is in the queue is for Recall, and nothing more comes in.
		r.queue.Close()
	}
}

// work has the messages handled at the end of this turn.
func (r *Receiver[T]) work() {
	r.wakes.Add(1)
	if !r.ended {
		r.loop.Defer(&r.task)
	}
}

// turn is a Receiver as its task sees it.
type turn[T any] Receiver[T]

// RunTask handles the messages of one turn.
func (t *turn[T]) RunTask() {
	r := (*Receiver[T])(t)
	r.loop.Defer(&r.task) // first: a handler's panic does not end the receiver
	for range r.turnMax {
		v, err := r.queue.Receive()
		if err != nil {
			r.task.Cancel()
			if err == net.ErrClosed {
				r.ended = true
				r.handler.Ended()
			}
			return
		}
		r.handler.Message(v)
		// Recall, or the loop was closed.
		if !r.task.Pending() {
			return
		}
	}
}

// Describe names the handler.
func (t *turn[T]) Describe() string { return "receiver of " + t.handler.Describe() }
