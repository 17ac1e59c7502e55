package transport

import (
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
)

// Key tells who sent a request, and by which identifier: a second one with the same Key is a duplicate, or takes the first one's
// place.
type Key struct {
	Via   uint64 // the socket or connection that it came by
	Peer  netip.AddrPort
	Local netip.AddrPort
	ID    uint16
}

// Exchange is a request that came, embedded in its owner: from Table.Add until it was not answered, or its answer is forgotten.
//
//	idle -Add-> under way -Keep-> answered -delay-> idle
//	under way, answered -Remove-> idle
type Exchange struct {
	key        Key
	hash       uint64
	chain      *Exchange // in its bucket
	prev, next *Exchange // in its slot, when it is answered
	table      *Table
	answer     talloc.Buffer
	until      time.Time // zero: not answered
	owner      Exchanger
}

// Exchanger owns an Exchange.
type Exchanger interface {
	// Forget says that the answer is forgotten: the Exchange is idle. It does not call the table.
	Forget(e *Exchange)
}

// Answered tells whether Keep was called.
func (e *Exchange) Answered() bool { return !e.until.IsZero() }

// Answer is what Keep was given, nil before. It is valid until the Exchange is idle.
func (e *Exchange) Answer() []byte { return e.answer.Bytes() }

// Owner is who was given with it to Add.
func (e *Exchange) Owner() Exchanger { return e.owner }

const (
	// sweepDelay is how long an answer is kept at most when its time is over: they are many, and nobody waits for it.
	sweepDelay = 500 * time.Millisecond
	// slotCount is how many times the slots tell apart: 64 s, more than most answers are kept. One that is kept longer is looked at once
	// in that time.
	slotCount = 128
)

// Table finds the Exchanges of a lane by their Key. It holds at most so many; an answered one makes room for a new one.
type Table struct {
	lane       *Lane
	seed       maphash.Seed
	buckets    []*Exchange // a power of two, at least as many as max
	count, max int
	began      time.Time
	slots      [slotCount]slot // of those that are answered, by when they are to be forgotten
	kept       int             // of slots
	swept      int             // the last sweep that was done
	timer      event.Timer
}

// slot is the answers that the same sweep forgets, the oldest first. Those of a later round may be among them.
type slot struct{ first, last *Exchange }

// NewTable makes a table of at most max Exchanges. Thread: any; all else is the lane's.
func NewTable(lane *Lane, max int) *Table {
	size := 1
	for size < max {
		size *= 2
	}
	t := &Table{lane: lane, seed: maphash.MakeSeed(), buckets: make([]*Exchange, size), max: max, began: lane.loop.System().Now()}
	t.timer.Init((*sweeper)(t))
	lane.OnEnd(t.timer.Stop)
	return t
}

// Len is how many it holds.
func (t *Table) Len() int { return t.count }

// Find returns the Exchange of k, nil if there is none.
func (t *Table) Find(k *Key) *Exchange {
	hash := maphash.Comparable(t.seed, *k)
	for e := t.buckets[hash&uint64(len(t.buckets)-1)]; e != nil; e = e.chain {
		if e.hash == hash && e.key == *k {
			if e.Answered() && !t.lane.loop.Now().Before(e.until) {
				t.forget(e)
				return nil
			}
			return e
		}
	}
	return nil
}

// Add puts e in for k, which must not be there. False: the table is full of requests that are not answered.
func (t *Table) Add(k *Key, e *Exchange, owner Exchanger) bool {
	if e.table != nil {
		panic("transport: Add of an exchange that is under way")
	}
	if t.count >= t.max {
		if t.kept == 0 {
			return false
		}
		t.forget(t.soonest())
	}
	e.key, e.hash, e.owner, e.table = *k, maphash.Comparable(t.seed, *k), owner, t
	e.until = time.Time{}
	at := &t.buckets[e.hash&uint64(len(t.buckets)-1)]
	e.chain, *at = *at, e
	t.count++
	return true
}

// Keep keeps a copy of the answer for duplicates that come within delay; with none the Exchange is idle at once, without a call of
// Forget, and Keep returns false. e must be under way.
func (t *Table) Keep(e *Exchange, answer []byte, delay time.Duration) bool {
	if e.table != t || e.Answered() {
		panic("transport: Keep of an exchange that is not under way")
	}
	if delay <= 0 {
		t.Remove(e)
		return false
	}
	memory, err := t.lane.ctx.Alloc(len(answer))
	if err != nil {
		t.Remove(e)
		return false
	}
	copy(memory.Bytes(), answer)
	e.answer = memory
	e.until = t.lane.loop.Now().Add(delay)
	at := t.slot(e)
	e.prev, e.next = at.last, nil
	if at.last != nil {
		at.last.next = e
	} else {
		at.first = e
	}
	at.last = e
	t.kept++
	if t.timer.When().IsZero() {
		t.swept = t.sweeps(t.lane.loop.Now())
		t.arm()
	}
	return true
}

// sweeps is how many sweeps there are until a time.
func (t *Table) sweeps(at time.Time) int { return int(at.Sub(t.began) / sweepDelay) }

// slot is where e is while it is answered: that of the first sweep after its time.
func (t *Table) slot(e *Exchange) *slot { return &t.slots[(t.sweeps(e.until)+1)%slotCount] }

// soonest is one of those whose time is over first; there must be one.
func (t *Table) soonest() *Exchange {
	for i := range slotCount {
		if e := t.slots[(t.swept+1+i)%slotCount].first; e != nil {
			return e
		}
	}
	panic("transport: an answer is in no slot")
}

// arm sets the timer to the next sweep.
func (t *Table) arm() {
	t.timer.Set(t.lane.loop, t.began.Add(time.Duration(t.swept+1)*sweepDelay))
}

// Remove makes e idle; Forget is not called.
func (t *Table) Remove(e *Exchange) {
	if e.table == nil {
		return
	}
	at := &t.buckets[e.hash&uint64(len(t.buckets)-1)]
	for *at != e {
		at = &(*at).chain
	}
	*at = e.chain
	t.count--
	if e.Answered() {
		at := t.slot(e)
		if e.prev != nil {
			e.prev.next = e.next
		} else {
			at.first = e.next
		}
		if e.next != nil {
			e.next.prev = e.prev
		} else {
			at.last = e.prev
		}
		t.kept--
	}
	e.answer.Free()
	e.chain, e.prev, e.next, e.table, e.answer, e.until = nil, nil, nil, nil, talloc.Buffer{}, time.Time{}
}

func (t *Table) forget(e *Exchange) {
	owner := e.owner
	t.Remove(e)
	owner.Forget(e)
}

// sweeper is the Table as its timer sees it.
type sweeper Table

func (s *sweeper) Describe() string { return "answers kept for duplicates" }

// Expire forgets the answers whose time is over.
func (s *sweeper) Expire(now time.Time) {
	t := (*Table)(s)
	last := t.sweeps(now)
	for n := max(t.swept+1, last-slotCount+1); n <= last; n++ {
		for e := t.slots[n%slotCount].first; e != nil; {
			next := e.next
			if !now.Before(e.until) {
				t.forget(e)
			}
			e = next
		}
	}
	t.swept = last
	if t.kept > 0 {
		t.arm()
	}
}
