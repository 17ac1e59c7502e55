package event

import (
	"fmt"
	"net"
	"syscall"
)

// Handler is told what a file descriptor is ready for.
type Handler interface {
	// Ready gets Read or Write, which is both wanted and ready: Read first, and then Write if it still is. A hangup makes ready for
	// everything that is wanted.
	Ready(r Ready)
	Describe() string
}

// FD is a file descriptor's place in a loop, embedded in its owner.
type FD struct {
	fd      int
	handler Handler
	loop    *Loop
	slot    uint32
	change  int32 // place in the loop's dirty list, from 1; 0: not in it
	want    Ready
	armed   Ready // what the poller knows; 0: it does not know the descriptor
}

// slot is an FD's number in its loop. The poller's id is the slot and its generation, so that an event for who had
// the slot before is known as stale.
type slot struct {
	fd         *FD
	generation uint32
	nextFree   int32 // -1: none
}

// Init gives the descriptor and who is told. The FD does not own the descriptor. Init of one that is in a loop panics.
func (f *FD) Init(fd int, h Handler) {
	if f.loop != nil {
		panic("event: Init of a descriptor in a loop: " + describe(f.handler))
	}
	f.fd, f.handler = fd, h
}

// Attach puts f into l, with no wish. It must not be in a loop: that panics. net.ErrClosed if l is closed.
func (f *FD) Attach(l *Loop) error {
	if f.loop != nil {
		panic("event: Attach of a descriptor that is in a loop: " + describe(f.handler))
	}
	if f.handler == nil {
		panic("event: Attach before Init")
	}
	if l.closed {
		return net.ErrClosed
	}
	l.touch("attach")
	if l.freeSlot < 0 {
		l.slots = append(l.slots, slot{nextFree: -1})
		l.freeSlot = int32(len(l.slots) - 1)
	}
	f.slot = uint32(l.freeSlot)
	s := &l.slots[f.slot]
	l.freeSlot = s.nextFree
	s.fd = f
	f.loop, f.want, f.armed = l, 0, 0
	l.attached++
	return nil
}

// Want sets the wishes; 0 leaves the poller (so that HUP cannot spin) but stays attached.
// Adding to the poller happens at once and its error is returned (then nothing changed); changes are applied before the loop waits.
// net.ErrClosed without a loop.
func (f *FD) Want(r Ready) error {
	l := f.loop
	if l == nil {
		return net.ErrClosed
	}
	l.touch("want")
	r &= wishes
	if f.armed == 0 && r != 0 {
		if err := l.poller.Add(f.fd, f.id(), r); err != nil {
			return err
		}
		f.armed = r
	}
	f.want = r
	if f.want != f.armed && f.change == 0 {
		l.dirty = append(l.dirty, f)
		f.change = int32(len(l.dirty))
	}
	return nil
}

// Wanted returns the wishes.
func (f *FD) Wanted() Ready { return f.want }

// Detach leaves the loop at once; it must come before the descriptor is closed. No event that was already
// fetched reaches the handler any more. Without a loop it does nothing.
func (f *FD) Detach() {
	l := f.loop
	if l == nil {
		return
	}
	l.touch("detach")
	f.withdraw()
	if f.change > 0 {
		l.dirty[f.change-1] = nil
		f.change = 0
	}
	s := &l.slots[f.slot]
	s.fd = nil
	s.generation++
	s.nextFree, l.freeSlot = l.freeSlot, int32(f.slot)
	l.attached--
	f.loop, f.want = nil, 0
}

// Loop returns the loop f is in, or nil.
func (f *FD) Loop() *Loop { return f.loop }

func (f *FD) id() uint64 {
	return uint64(f.loop.slots[f.slot].generation)<<32 | uint64(f.slot)
}

// withdraw takes f out of the poller.
func (f *FD) withdraw() {
	if f.armed == 0 {
		return
	}
	f.armed = 0
	if err := f.loop.poller.Remove(f.fd, f.id()); err != nil {
		f.mustBeOpen(err)
		f.loop.report(f.refusal("remove", err))
	}
}

// mustBeOpen panics if err says that the descriptor is not ours any more: its number may be somebody else's by now.
func (f *FD) mustBeOpen(err error) {
	if err == syscall.EBADF || err == syscall.ENOENT {
		panic(fmt.Sprintf("event: descriptor %d of %s was closed before Detach", f.fd, describe(f.handler)))
	}
}

func (f *FD) refusal(what string, err error) error {
	return fmt.Errorf("event: %s descriptor %d of %s: %w", what, f.fd, describe(f.handler), err)
}

// apply gives the poller the changes of wishes. refused tells that some are still to be made.
func (l *Loop) apply() (refused bool) {
	keep := l.dirty[:0]
	for _, f := range l.dirty {
		if f == nil {
			continue
		}
		f.change = 0
		switch {
		case f.want == f.armed:
		case f.want == 0:
			f.withdraw()
		default:
			err := l.poller.Modify(f.fd, f.id(), f.want)
			if err == nil {
				f.armed = f.want
				break
			}
			f.mustBeOpen(err)
			l.report(f.refusal("modify", err))
			keep = append(keep, f)
			f.change = int32(len(keep))
		}
	}
	clear(l.dirty[len(keep):])
	l.dirty = keep
	return len(keep) > 0
}

// dispatch hands out a batch of events.
func (l *Loop) dispatch(batch []Event) {
	for _, e := range batch {
		if l.registered(e) == nil {
			l.stats.Stale++
			continue
		}
		// One wish at a time: the first callback may close the descriptor, or give it to another thread.
		l.tell(e, Read)
		l.tell(e, Write)
	}
}

// registered returns the FD that e is for, nil if that has left since.
func (l *Loop) registered(e Event) *FD {
	s := &l.slots[uint32(e.ID)]
	if l.closed || s.generation != uint32(e.ID>>32) {
		return nil
	}
	return s.fd
}

// tell has the handler told of one wish that is ready, if it is still wanted.
func (l *Loop) tell(e Event, wish Ready) {
	f := l.registered(e)
	if f == nil || f.want&wish == 0 || e.Ready&(wish|Hangup) == 0 {
		return
	}
	l.stats.Events++
	l.running.fd(f.handler, wish)
	f.handler.Ready(wish)
}
