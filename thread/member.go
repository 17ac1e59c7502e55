package thread

import (
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
)

// Reasons of User.End.
var (
	// ErrStopping asks for an end in order: the pool stops, and waits for a while. A listener accepts nobody from then on.
	ErrStopping = errors.New("the pool stops")
	// ErrStopped says that the time for that is over.
	ErrStopped = errors.New("the pool has stopped")
)

// User is what an application gives with an IO: it is told where the IO lives. All calls are on the thread where it lives then.
type User interface {
	// Attach is called on the thread that the IO lives on from then on: by Add where it stays, else on the new thread, and after each
	// move. The IO is in the thread's loop, without wishes; the user says them with Event, and sets its timers.
	Attach(m *Member)
	// Detach is called before the IO leaves its thread. The user stops its timers, and takes out of the loop what else it has in the context.
	Detach(m *Member)
	// End is called when the IO is to end. The user closes it and frees the context, at once or, for ErrStopping only, soon; an IO
	// that is open after another reason is closed by the pool. The reasons: net.ErrClosed, its parent was closed; ErrStopping;
	// ErrStopped; what Member.End was given; else the error of a thread that could not take it.
	End(m *Member, reason error)
}

// Member is an IO that a pool looks after, from Add until its context is freed. It is the pool's own: it may outlive the IO.
//
//	here -Move-> on the way -> here ... -> over
type Member struct {
	pool     *Pool
	io       frio.IO
	ctx      *talloc.Context
	user     User
	parent   *Member // whose child it is; nil: nobody's
	peer     netip.AddrPort
	links    []link
	tied     bool // it lives on its parent's descriptor, and moves with it only
	listener bool

	// The thread's where it lives.
	prev, next *Member   // in its list
	with       []*Member // tied children, on the way with their parent
	asked      bool      // User.End was called with ErrStopping
	ending     bool      // User.End was called with another reason

	mu       sync.Mutex
	at       *Thread // guarded by mu: where it lives, or goes
	here     bool    // guarded by mu: it has arrived
	over     bool    // guarded by mu
	queued   bool    // guarded by mu: it is in the news of at
	end      error   // guarded by mu: it is to end
	to       *Thread // guarded by mu: where it is to move, with a place in the mailbox there
	told     *link   // guarded by mu: what children have said
	lastTold *link   // guarded by mu
	nextNews *Member // of who holds the news that it is in
}

// IO returns the IO. Thread: the member's, as all of the IO.
func (m *Member) IO() frio.IO { return m.io }

// Context returns the context that moves with the IO. Thread: the member's.
func (m *Member) Context() *talloc.Context { return m.ctx }

// Loop returns the loop of the member's thread. Thread: the member's.
func (m *Member) Loop() *event.Loop { return m.Thread().loop }

// Thread returns where the member lives, or is going to. Thread: any; elsewhere than on its own it may have gone on meanwhile.
func (m *Member) Thread() *Thread {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at
}

// Add gives io, which was made on this thread, and ctx, which owns its memory and that of all that moves with it, to the pool. parent
// is the listener's member if io is an accepted child: then the pool places it, and it may be on another thread when Add returns; nothing of it
// may be touched after Add but by user. A child that lives on its parent's descriptor (frio.Tied), and an IO without a parent, stays here. The
// member is over when ctx is freed. Add must not be called inside a callback of io. Error: net.ErrClosed if the pool stops; io is the caller's
// still. Thread: this, or any before Start.
func (t *Thread) Add(io frio.IO, ctx *talloc.Context, parent *Member, user User) (*Member, error) {
	ctx.Touch("add")
	p := t.pool
	if p.stopping.Load() {
		return nil, net.ErrClosed
	}
	_, listener := io.(frio.Parent)
	m := &Member{pool: p, io: io, ctx: ctx, user: user, parent: parent, listener: listener, at: t, here: true, tied: isTied(io, parent)}
	ctx.OnFree(m)
	nameContext(ctx, io)
	t.add(m)
	p.joined(m)
	to := t
	if parent != nil {
		m.peer = peerOf(io)
		m.link()
		if !m.tied && !t.worker {
			to = p.find(m.peer, t, false) // before m counts here: it is no load that it should flee from
		}
	}
	t.load.Add(1)
	if to != t {
		t.hand(m, to)
		return m, nil
	}
	t.settle(m)
	return m, nil
}

// isTied tells whether a child lives on its parent's descriptor. A datagram child that does not say is taken for one.
func isTied(io frio.IO, parent *Member) bool {
	if parent == nil {
		return false
	}
	for one := range frio.Stack(io) {
		if tied, ok := one.(frio.Tied); ok {
			return tied.Tied()
		}
	}
	return io.Kind() == frio.Datagram
}

// settle has the user go on with m, which lives on t.
func (t *Thread) settle(m *Member) {
	if !m.tied {
		// Deadlines and handshakes go on, whatever the user wishes.
		if err := m.io.Event(t.loop, nil, nil); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, errors.ErrUnsupported) {
			m.finish(err)
			return
		}
	}
	m.user.Attach(m)
	switch {
	case t.pool.cutting.Load():
		m.finish(ErrStopped) // t may have been told to cut before m was here
	case t.pool.stopping.Load():
		m.drain()
	}
}

// drain asks m once to end in order.
func (m *Member) drain() {
	if !m.asked && !m.ending && !m.isOver() {
		m.asked = true
		m.user.End(m, ErrStopping)
	}
}

func (m *Member) isOver() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.over
}

// Destroy is called when the context is freed: the member is over.
func (m *Member) Destroy() {
	m.mu.Lock()
	t, here, to := m.at, m.here, m.to
	m.over, m.to, m.told, m.lastTold = true, nil, nil, nil
	m.mu.Unlock()
	if to != nil {
		to.room.Give(1)
	}
	if here {
		t.remove(m)
	}
	t.load.Add(-1)
	m.pool.left(m)
}

// finish ends m now.
func (m *Member) finish(reason error) {
	if m.ending || m.isOver() {
		return
	}
	m.ending = true
	if m.pool.cutting.Load() && !m.listener {
		m.pool.cut.member(m.io.Describe())
	}
	m.user.End(m, reason)
	if !m.isOver() {
		// An error of Close means that bytes were not sent. Who cut it, or closed its parent, has accepted that.
		_ = m.io.Close()
	}
}

// End has User.End called with reason on the member's thread, soon; the first reason counts. Thread: any.
func (m *Member) End(reason error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.end == nil {
		m.end = reason
	}
	m.announceLocked()
}

// announceLocked has the member's thread look at it. One that is on the way is looked at when it arrives.
func (m *Member) announceLocked() {
	if m.here && !m.queued && !m.over {
		m.queued = true
		m.at.push(m)
	}
}

// look sees to what m has been told.
func (m *Member) look(t *Thread) {
	m.mu.Lock()
	m.queued = false
	if m.at != t || !m.here || m.over {
		// It has left. What it was told while it stood in the news here was not announced where it arrived.
		m.againLocked()
		m.mu.Unlock()
		return
	}
	told, end, to := m.told, m.end, m.to
	m.told, m.lastTold, m.to = nil, nil, nil
	m.mu.Unlock()
	m.hear(told)
	switch {
	case end != nil:
		if to != nil {
			to.room.Give(1)
		}
		m.finish(end)
	case to != nil:
		t.hand(m, to)
	}
}
