package thread

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/queue"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

// retryDelay is how soon a thread that is to be empty looks again for one that has room for its members.
const retryDelay = time.Millisecond

// Thread is a goroutine that runs one event.Loop on a context of its own. It is never locked to a thread of the system.
type Thread struct {
	pool   *Pool
	name   string
	index  int
	worker bool
	root   *talloc.Context
	loop   *event.Loop
	mail   *queue.Receiver[message]
	room   *talloc.Budget // places in the mailbox: taken before sending, so that what has a place is never refused
	retry  event.Timer
	first  *Member       // those that live here
	ended  chan struct{} // closed when the goroutine has ended
	err    error         // what ended it; written before ended is closed
	once   sync.Once     // clear

	load    atomic.Int64 // members that live here, or are on their way
	leaving atomic.Bool  // nothing is placed here any more
	stats   stats

	mu     sync.Mutex
	news   *Member // guarded by mu: the first of those that have been told something
	last   *Member // guarded by mu
	orders order   // guarded by mu
	roused bool    // guarded by mu: a message without contents is on its way
}

// message is what a mailbox carries: a function, or a member that arrives. One without contents says that there is news, of which
// one at most is on its way.
type message struct {
	run    func()
	member *Member
}

// order is what the pool asks of a thread; each once.
type order uint8

const (
	orderLeave order = 1 << iota // give your members to the others, and end
	orderDrain                   // tell the members to end in order
	orderCut                     // end the members that are left, then the loop
	orderAbort                   // give up what is being closed
)

type stats struct {
	arrived, left, sent, refused, told atomic.Uint64
}

// Stats are the numbers of a thread.
type Stats struct {
	Members       int    // that live here, or are on their way
	Arrived, Left uint64 // members that came from, and went to, another thread
	Sent          uint64 // functions and members put into the mailbox
	Refused       uint64 // not put there, because it was full
	Told          uint64 // members that had signals to look at: closed children, close now, Move
	Waiting       int    // in the mailbox
	Wakes         uint64 // of the loop, because of the mailbox
}

func newThread(p *Pool, name string, worker bool) (*Thread, error) {
	t := &Thread{pool: p, name: name, index: len(p.all), worker: worker, root: talloc.Root(name), ended: make(chan struct{})}
	sock.SetKernel(t.root, p.cfg.Kernel)
	loop, err := event.New(t.root, p.cfg.Kernel, event.Config{
		Name: name, CloseTimeout: p.cfg.CloseTimeout, MaxClosing: p.cfg.MaxClosing, Coalesce: p.cfg.Coalesce, OnError: t.report,
	})
	if err == nil {
		t.loop = loop
		// Twice the depth: the message without contents has a place of its own.
		var mail *queue.MPSC[message]
		if mail, err = queue.NewMPSC[message](t.root, 2*p.cfg.Depth); err == nil {
			t.mail = queue.NewReceiver[message](loop, mail, (*mailbox)(t), 0)
		}
	}
	if err != nil {
		t.root.Free()
		return nil, fmt.Errorf("thread %s: %w", name, err)
	}
	t.room = talloc.NewBudget(int64(p.cfg.Depth))
	t.retry.Init((*retrier)(t))
	return t, nil
}

func (t *Thread) run() {
	err := t.loop.Run()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		t.err = fmt.Errorf("thread %s: %w", t.name, err)
	}
	if t.err != nil && t.pool.cfg.OnError != nil {
		t.pool.cfg.OnError(t, t.err)
	}
	close(t.ended)
}

// clear frees what the thread had, after it has ended.
func (t *Thread) clear() {
	t.once.Do(func() {
		t.mail.Recall(t.recalled)
		t.root.Free()
	})
}

// Name is "network 1" or "worker 1". Thread: any.
func (t *Thread) Name() string { return t.name }

// Worker tells whether it is for an application's slow work: no IO is placed on it. Thread: any.
func (t *Thread) Worker() bool { return t.worker }

// Pool returns the pool. Thread: any.
func (t *Thread) Pool() *Pool { return t.pool }

// Loop returns the loop, of which only Post may be called from elsewhere. Thread: any.
func (t *Thread) Loop() *event.Loop { return t.loop }

// Root is the context of all that the thread has. It is to be used on this thread, and before Start. Thread: any.
func (t *Thread) Root() *talloc.Context { return t.root }

// Send has the thread call f. What one sender sends is called in that order. ErrAgain if Config.Depth functions and members
// wait already; net.ErrClosed if the thread ends. Nil means that f will be called, unless Stop counts it. Thread: any.
func (t *Thread) Send(f func()) error {
	if err := t.reserve(); err != nil {
		return err
	}
	return t.post(message{run: f})
}

// reserve takes a place in the mailbox.
func (t *Thread) reserve() error {
	if t.leaving.Load() {
		return net.ErrClosed
	}
	if !t.room.Take(1) {
		t.stats.refused.Add(1)
		return frio.ErrAgain
	}
	// A thread ends when it could take all places: whoever has one, and sees that it is not leaving, is waited for.
	if t.leaving.Load() {
		t.room.Give(1)
		return net.ErrClosed
	}
	return nil
}

// post sends by a place that was taken before.
func (t *Thread) post(m message) error {
	t.stats.sent.Add(1)
	err := t.mail.Send(m)
	if err == frio.ErrAgain {
		panic("thread: the mailbox of " + t.name + " has no room for what has a place in it")
	}
	return err
}

// order asks the thread for something.
func (t *Thread) order(o order) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.orders |= o
	t.rouseLocked()
}

// push puts m, of which it is not there yet, into the news.
func (t *Thread) push(m *Member) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		t.news = m
	} else {
		t.last.nextNews = m
	}
	t.last = m
	t.rouseLocked()
}

func (t *Thread) rouseLocked() {
	if !t.roused {
		t.roused = true
		// An error means that the thread has ended: who clears up looks at everything.
		_ = t.mail.Send(message{})
	}
}

// Stats returns the numbers. Thread: any.
func (t *Thread) Stats() Stats {
	s := &t.stats
	return Stats{
		Members: int(t.load.Load()), Arrived: s.arrived.Load(), Left: s.left.Load(), Sent: s.sent.Load(), Refused: s.refused.Load(),
		Told: s.told.Load(), Waiting: int(t.room.Used()), Wakes: t.mail.Wakes(),
	}
}

func (t *Thread) report(err error) {
	var gone *event.AbortError
	if t.pool.stopping.Load() && errors.As(err, &gone) {
		t.pool.cut.aborted(gone)
	}
	if t.pool.cfg.OnError != nil {
		t.pool.cfg.OnError(t, err)
	}
}

// mailbox is the Thread as its receiver sees it.
type mailbox Thread

func (b *mailbox) Message(msg message) {
	t := (*Thread)(b)
	if msg.run == nil && msg.member == nil {
		t.look()
		return
	}
	t.room.Give(1)
	if msg.member != nil {
		t.arrive(msg.member)
	} else {
		msg.run()
	}
	if t.leaving.Load() {
		t.empty()
	}
}

func (b *mailbox) Ended()           {}
func (b *mailbox) Describe() string { return "mailbox of " + b.name }

// look sees to what members and the thread itself have been told.
func (t *Thread) look() {
	t.mu.Lock()
	m, orders := t.news, t.orders
	t.news, t.last, t.orders, t.roused = nil, nil, 0, false
	t.mu.Unlock()
	for m != nil {
		next := m.nextNews
		m.nextNews = nil
		t.stats.told.Add(1)
		m.look(t)
		m = next
	}
	t.obey(orders)
}

func (t *Thread) obey(orders order) {
	if orders&orderDrain != 0 {
		t.endAll((*Member).drain)
	}
	if orders&orderCut != 0 {
		t.endAll(func(m *Member) { m.finish(ErrStopped) })
		t.loop.Stop()
	}
	if orders&orderAbort != 0 {
		_ = t.loop.Close() // what it names was closed, or is cut: nobody runs any more
		return
	}
	if orders&orderLeave != 0 {
		t.empty()
	}
}

// retrier is the Thread as its timer sees it.
type retrier Thread

func (r *retrier) Expire(time.Time) { (*Thread)(r).empty() }
func (r *retrier) Describe() string { return r.name }

// empty gives the members of a leaving thread to the others, and ends it when nobody is left and nobody is on the way.
func (t *Thread) empty() {
	for _, m := range t.list() {
		if m.Thread() != t || m.tied {
			continue // it went, or goes, with its parent
		}
		to := t.pool.find(m.peer, t, true)
		if to == nil {
			t.retry.Set(t.loop, t.loop.Now().Add(retryDelay))
			return
		}
		t.hand(m, to)
	}
	if t.first == nil && t.room.Take(t.room.Max()) {
		t.loop.Stop()
	}
}

// list returns the members that live here: what is called for one of them may end others.
func (t *Thread) list() []*Member {
	var list []*Member
	for m := t.first; m != nil; m = m.next {
		list = append(list, m)
	}
	return list
}

func (t *Thread) add(m *Member) {
	m.prev, m.next = nil, t.first
	if m.next != nil {
		m.next.prev = m
	}
	t.first = m
}

func (t *Thread) remove(m *Member) {
	if m.prev != nil {
		m.prev.next = m.next
	} else {
		t.first = m.next
	}
	if m.next != nil {
		m.next.prev = m.prev
	}
	m.next, m.prev = nil, nil
}
