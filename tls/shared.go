package tls

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

const (
	// stepsMax is how many handshakes go on in one turn of a loop. The step that answers a hello takes up to 3 ms (RSA), and
	// who is open already waits for it.
	stepsMax = 4
	// recheckBatch is how many open connections are checked again in one turn, at some 100 us each.
	recheckBatch = 16
	// batchMax is how many datagrams are sent in one call: what the kernel's batches carry.
	batchMax = 64
)

// shared is what a listener with its shards and children have in common, or what a client has. Thread: any.
type shared struct {
	set     *settings
	kernel  sock.Kernel
	kind    frio.Kind
	timeout time.Duration // handshake_timeout; 0: never
	limits  base.Limits   // of application bytes
	slots   *talloc.Budget
	counts  Counts
	bare    *share        // of those without a loop
	reloads atomic.Uint64 // of the settings
	users   atomic.Int32  // listeners or clients
	unwatch func()
	failure atomic.Pointer[error]       // of the last reload that failed
	told    atomic.Pointer[func(error)] // of those that nobody asked for: OnReload
	mu      sync.Mutex
	shares  map[*event.Loop]*share // guarded by mu
}

func newShared(set *settings, kernel sock.Kernel, kind frio.Kind, timeout time.Duration, limits base.Limits, handshakes int) *shared {
	h := &shared{set: set, kernel: kernel, kind: kind, timeout: timeout, limits: limits, slots: talloc.NewBudget(int64(handshakes)),
		shares: map[*event.Loop]*share{}}
	h.bare = &share{how: h}
	return h
}

// use and unuse count who has the settings; with the last one nobody is told of their reload any more.
func (h *shared) use() {
	if h.users.Add(1) == 1 {
		h.set.onFail(h.foundBad)
		h.unwatch = h.set.onReload(h.reloaded)
	}
}

func (h *shared) unuse() {
	if h.users.Add(-1) == 0 {
		h.unwatch()
	}
}

// foundBad is told of a reload by itself that failed.
func (h *shared) foundBad(err error) {
	h.reloadFailed(err)
	if f := h.told.Load(); f != nil {
		(*f)(err)
	}
}

// onReload has f told of those as well, instead of whoever was before.
func (h *shared) onReload(f func(error)) { h.told.Store(&f) }

// reloadFailed is told of files that have changed and are of no use. The ones read before stay.
func (h *shared) reloadFailed(err error) {
	h.counts.BadReloads.Add(1)
	h.failure.Store(&err)
}

// reload is frio.Reloader's.
func (h *shared) reload(as frio.IO) error {
	if as != nil {
		other := sharedOf(as)
		if other == nil || other.set.role != h.set.role || other.kind != h.kind {
			return errors.ErrUnsupported
		}
		h.set.become(other.set)
		return nil
	}
	err := h.set.reload()
	if err != nil {
		h.reloadFailed(err)
	}
	return err
}

// sharedOf is what an IO of this package has in common with others; nil of any other IO.
func sharedOf(one frio.IO) *shared {
	switch one := one.(type) {
	case *Listener:
		return one.how
	case *sharded:
		return one.how
	case *Conn:
		return one.share.how
	}
	return nil
}

// reloaded is told that certificates, CRLs or names have changed. What is in a loop is checked there; what is in none, when it is used next.
func (h *shared) reloaded() {
	h.reloads.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	for loop, l := range h.shares {
		// A loop that is closed or full has nobody, or sees it at the next use.
		_ = loop.Post(func() { h.recheck(loop, l) })
	}
}

func (h *shared) recheck(loop *event.Loop, l *share) {
	h.mu.Lock()
	alive := h.shares[loop] == l
	h.mu.Unlock()
	if alive {
		loop.Defer(&l.task)
	}
}

// share is the part of a shared that is in one loop. It belongs to that loop's thread.
type share struct {
	how   *shared
	loop  *event.Loop // nil: of those without; nothing else is used then
	count int         // users
	hand  connList    // in handshake, who began first in front
	open  connList    // the others, who was checked longest ago in front
	timer event.Timer // of the first in hand
	task  event.Task  // checks after a reload
	turn  uint64      // of the loop, in which steps were taken
	steps int

	batch   []frio.Packet // batchMax, of datagrams that are sent; empty between calls, nil until needed
	waiting int           // connections that are stalled
	serving *Conn         // the one of them whose turn it is
}

// enter returns the share of loop, which the caller leaves by leave.
func (h *shared) enter(loop *event.Loop) *share {
	if loop == nil {
		return h.bare
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.shares[loop]
	if l == nil {
		l = &share{how: h, loop: loop}
		l.timer.Init((*shareTimer)(l))
		l.task.Init((*shareTask)(l))
		h.shares[loop] = l
	}
	l.count++
	return l
}

func (l *share) leave() {
	if l.loop == nil {
		return
	}
	l.how.mu.Lock()
	defer l.how.mu.Unlock()
	if l.count--; l.count == 0 {
		l.timer.Stop()
		l.task.Cancel()
		delete(l.how.shares, l.loop)
	}
}

type (
	shareTimer share
	shareTask  share
)

func (l *shareTimer) Expire(now time.Time) { (*share)(l).expire(now) }
func (l *shareTimer) Describe() string     { return "handshake_timeout of tls" }

func (l *shareTask) RunTask()         { (*share)(l).recheck() }
func (l *shareTask) Describe() string { return "recheck of tls after a reload" }

func (l *share) now() time.Time {
	if l.loop != nil {
		return l.loop.Now()
	}
	return l.how.kernel.Now()
}

// add puts c, whose share it is, into the list of its state.
func (l *share) add(c *Conn) {
	if l.loop == nil {
		return
	}
	c.listed = true
	if c.state != frio.StateHandshaking {
		l.open.insert(c, l.open.last)
		return
	}
	after := l.hand.last
	for after != nil && after.since > c.since {
		after = after.sharePrev
	}
	l.hand.insert(c, after)
	l.arm()
}

// remove takes c out. hand says in which of the lists it is.
func (l *share) remove(c *Conn, hand bool) {
	if !c.listed {
		return
	}
	c.listed = false
	if hand {
		l.hand.remove(c)
		l.arm()
	} else {
		l.open.remove(c)
	}
}

// deadline is when c's handshake must be over; zero: never.
func (l *share) deadline(c *Conn) time.Time {
	if l.how.timeout == 0 {
		return time.Time{}
	}
	return time.Unix(0, c.since).Add(l.how.timeout)
}

func (l *share) arm() {
	var at time.Time
	if first := l.hand.first; first != nil {
		at = l.deadline(first)
	}
	l.timer.Set(l.loop, at)
}

// expire ends the handshakes whose time is over.
func (l *share) expire(now time.Time) {
	for c := l.hand.first; c != nil && !now.Before(l.deadline(c)); c = l.hand.first {
		c.late()
	}
	l.arm()
}

// step takes one of this turn's handshake steps for c; false: they are used up, or others wait, whose tasks run in the order in which they
// have come. Otherwise a few peers who send a byte for each turn would take all steps before anybody who waits. Without a loop the
// caller drives, and takes what it wants.
func (l *share) step(c *Conn) bool {
	if l.loop == nil {
		return true
	}
	if l.waiting > 0 && l.serving != c {
		return false
	}
	if turn := l.loop.Stats().Turns; turn != l.turn {
		l.turn, l.steps = turn, 0
	}
	if l.steps == stepsMax {
		return false
	}
	l.steps++
	return true
}

// recheck checks open connections again, some in each turn.
func (l *share) recheck() {
	now := l.how.reloads.Load()
	for range recheckBatch {
		c := l.open.first
		if c == nil || c.s.checked == uint32(now) {
			return
		}
		l.open.remove(c)
		l.open.insert(c, l.open.last)
		c.recheck()
	}
	l.loop.Defer(&l.task)
}

// connList is a list through shareNext and sharePrev.
type connList struct{ first, last *Conn }

func (q *connList) insert(c, after *Conn) {
	c.sharePrev = after
	if after != nil {
		c.shareNext, after.shareNext = after.shareNext, c
	} else {
		c.shareNext, q.first = q.first, c
	}
	if c.shareNext != nil {
		c.shareNext.sharePrev = c
	} else {
		q.last = c
	}
}

func (q *connList) remove(c *Conn) {
	if c.sharePrev != nil {
		c.sharePrev.shareNext = c.shareNext
	} else {
		q.first = c.shareNext
	}
	if c.shareNext != nil {
		c.shareNext.sharePrev = c.sharePrev
	} else {
		q.last = c.sharePrev
	}
	c.shareNext, c.sharePrev = nil, nil
}

// peerKey is by which the gate finds the child of a datagram.
type peerKey struct {
	remote netip.AddrPort
	local  netip.Addr
}
