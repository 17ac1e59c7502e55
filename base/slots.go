package base

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
)

// Slots are the exact limits of one listen, shared by its shards and by its children on whatever threads. A slot that any
// child gives back may be what any shard waits for. Thread: any.
type Slots struct {
	total   *talloc.Budget
	sources *Sources
	waits   atomic.Int32 // len(waiting), so that who gives a slot back seldom needs the lock

	mu      sync.Mutex
	waiting []*waiter // guarded by mu; at most one for each shard
}

// NewSlots makes the slots that l asks for.
func NewSlots(l Limits) *Slots {
	return &Slots{total: talloc.NewBudget(int64(l.MaxConnections)), sources: NewSources(l.MaxConnectionsPerSource)}
}

// take takes a slot of max_connections.
func (s *Slots) take() bool { return s.total.Take(1) }

// full tells whether take would find none.
func (s *Slots) full() bool { return s.total.Max() > 0 && s.total.Used() >= s.total.Max() }

// give gives a slot back.
func (s *Slots) give() {
	s.total.Give(1)
	s.wake()
}

// giveChild gives back what a child from source held.
func (s *Slots) giveChild(source netip.Addr) {
	s.sources.Give(source)
	s.give()
}

// waiter is one stay of a listener in a loop: what was posted there and runs after the listener has left finds it over, without
// looking at the listener, which may belong to another thread by then.
type waiter struct {
	loop *event.Loop
	tell func() // posted to loop
	over bool   // the loop's thread
}

// wait has w told when a slot comes free. One that came free before is not told: ask full afterwards.
func (s *Slots) wait(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.waiting, w) {
		s.waiting = append(s.waiting, w)
		s.waits.Store(int32(len(s.waiting)))
	}
}

// forget takes w back.
func (s *Slots) forget(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.waiting, w); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
		s.waits.Store(int32(len(s.waiting)))
	}
}

// wake tells all who wait: which of them has somebody in its backlog nobody knows.
func (s *Slots) wake() {
	if s.waits.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = slices.DeleteFunc(s.waiting, func(w *waiter) bool {
		// A loop that can take no more is told with the next slot; one that is closed never.
		return w.loop.Post(w.tell) != syscall.EAGAIN
	})
	s.waits.Store(int32(len(s.waiting)))
}
