package event

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/frio-io/frio/talloc"
)

const (
	// batchMax is how many events a turn takes from the poller: enough that the wait's cost is shared by many, few
	// enough that timers are not late by more than 256 callbacks.
	batchMax = 256
	// scratchBytes is the largest read (64 KiB, a datagram's or GRO train's bound) and room for a record's head and tail.
	scratchBytes = 64<<10 + 1<<10
	// retryPause is how soon a change of wishes that the poller refused is tried again.
	retryPause = 100 * time.Millisecond
	// leftMax bounds the names in Close's error.
	leftMax = 4
)

// Config of a Loop; the zero value is the default of each.
type Config struct {
	Name         string        // for panics and reports; default "loop"
	MaxClosing   int           // sockets on the closing list, default 1024
	CloseTimeout time.Duration // default 5 s
	MaxPosted    int           // functions waiting from Post, default 65536
	// Coalesce, at most CoalesceMax, is how long a busy loop lets messages come together before it looks for them again: a turn for several
	// costs less than one for each, and each may be that much later. What is a message says Came. Default 0: it looks at once.
	Coalesce time.Duration
	// OnError is told, on the loop's thread, what the closing list gave up (an *AbortError) and what the poller
	// refused; nil: counted only. It must not close the loop.
	OnError func(error)
}

// Loop is an event list run by one goroutine.
type Loop struct {
	ctx    *talloc.Context
	sys    System
	cfg    Config
	poller Poller
	thread *talloc.Thread

	epoch    time.Time // timers count from here
	now      time.Time // of the present turn
	turning  bool
	handling bool // now is the present turn's
	closed   bool // also guarded by mu, for Post
	running  running
	batch    [batchMax]Event
	gather   gather
	stats    Stats

	slots     []slot
	freeSlot  int32 // head of the list of free slots, -1: none
	attached  int
	dirty     []*FD // wishes to be applied; nil: detached since
	timers    timers
	tasks     Task // ring: deferred
	taskBatch Task // ring: those of this turn
	closing   closing
	scratch   talloc.Buffer
	lent      bool // scratch, in this turn

	current []func() // posted, being run
	done    int      // how many of current have been

	mu      sync.Mutex
	posted  []func()
	stopped bool
}

// New makes a loop on sys, whose memory belongs to ctx; freeing ctx closes it. It makes a talloc.Thread and gives it ctx's root
// (Own). Errors are ErrLimit of ctx and the poller's.
func New(ctx *talloc.Context, sys System, cfg Config) (*Loop, error) {
	ctx.Touch("new loop")
	if cfg.Name == "" {
		cfg.Name = "loop"
	}
	if cfg.MaxClosing <= 0 {
		cfg.MaxClosing = 1024
	}
	if cfg.CloseTimeout <= 0 {
		cfg.CloseTimeout = 5 * time.Second
	}
	if cfg.MaxPosted <= 0 {
		cfg.MaxPosted = 65536
	}
	if cfg.Coalesce < 0 || cfg.Coalesce > CoalesceMax {
		return nil, fmt.Errorf("event: loop %s: coalesce: %v is not between 0 and %v", cfg.Name, cfg.Coalesce, CoalesceMax)
	}
	scratch, err := ctx.Alloc(scratchBytes)
	if err != nil {
		return nil, err
	}
	poller, err := sys.NewPoller()
	if err != nil {
		scratch.Free()
		return nil, fmt.Errorf("event: poller of loop %s: %w", cfg.Name, err)
	}
	l := &Loop{
		ctx: ctx, sys: sys, cfg: cfg, poller: poller, scratch: scratch,
		thread: talloc.NewThread(cfg.Name), epoch: sys.Now(), freeSlot: -1,
	}
	l.tasks.ring()
	l.taskBatch.ring()
	l.closing.start(l)
	ctx.Own(l.thread)
	ctx.OnFree((*loopEnd)(l))
	return l, nil
}

// loopEnd closes a loop whose context is freed.
type loopEnd Loop

func (e *loopEnd) Destroy() {
	l := (*Loop)(e)
	if err := l.Close(); err != nil {
		l.report(err)
	}
}

// Run turns until Stop; then it goes on until the closing list is empty, at most CloseTimeout, and aborts what
// is left on it. What is posted or deferred by then and has not run does not run any more. It returns the poller's error,
// and net.ErrClosed if the loop is closed.
func (l *Loop) Run() error {
	l.thread.Enter()
	defer l.thread.Leave()
	for !l.stopping() {
		if err := l.Turn(-1); err != nil {
			return err
		}
	}
	end := l.sys.Now().Add(l.cfg.CloseTimeout)
	for l.closing.count > 0 {
		left := end.Sub(l.sys.Now())
		if left <= 0 {
			break
		}
		if err := l.Turn(left); err != nil {
			return err
		}
	}
	l.closing.abortAll("the loop stops")
	return nil
}

// Turn runs one turn and waits at most timeout (negative: for ever) if there is nothing to do. Errors as Run; those of
// callbacks are panics.
func (l *Loop) Turn(timeout time.Duration) error {
	if l.closed {
		return net.ErrClosed
	}
	if l.turning {
		panic("event: Turn inside a turn of loop " + l.cfg.Name)
	}
	l.thread.Enter()
	l.turning = true
	defer l.endTurn()
	l.stats.Turns++

	refused := l.apply()
	timeout = l.patience(timeout)
	if refused && (timeout < 0 || timeout > retryPause) {
		timeout = retryPause
	}
	if timeout != 0 {
		l.stats.Waits++
	}
	count, err := l.wait(timeout)
	if err != nil {
		return fmt.Errorf("event: wait of loop %s: %w", l.cfg.Name, err)
	}
	l.now, l.handling = l.sys.Now(), true
	l.dispatch(l.batch[:count])
	l.runPosted()
	l.runTimers()
	l.runTasks()
	return nil
}

// endTurn is deferred by Turn.
func (l *Loop) endTurn() {
	l.turning, l.handling = false, false
	value := recover()
	if l.lent && !l.closed {
		spoilScratch(l.scratch)
	}
	l.lent = false
	l.thread.Leave()
	if value != nil {
		panic(l.running.wrap(value))
	}
	l.running = running{}
}

// patience is how long the turn may wait.
func (l *Loop) patience(timeout time.Duration) time.Duration {
	if timeout == 0 || l.tasks.next != &l.tasks || l.taskBatch.next != &l.taskBatch || l.postedWaits() || len(l.timers.due) > 0 {
		return 0
	}
	key, ok := l.timers.nearest()
	if !ok {
		return timeout
	}
	left := max(0, time.Duration(key)-l.sys.Now().Sub(l.epoch))
	if timeout < 0 {
		return left
	}
	return min(timeout, left)
}

// Stop ends Run after the present turn and after the closing list is empty, or CloseTimeout. It cannot be taken back.
// Thread: any.
func (l *Loop) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stopped && !l.closed {
		l.stopped = true
		l.wakeLocked()
	}
}

func (l *Loop) stopping() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopped
}

// wakeLocked ends the poller's wait. A poller that cannot be woken has lost its descriptor: there is no going on.
func (l *Loop) wakeLocked() {
	if err := l.poller.Wake(); err != nil {
		panic("event: wake of loop " + l.cfg.Name + ": " + err.Error())
	}
}

// Close releases the poller; what is still on the closing list is aborted. IOs must have left before: for descriptors, timers and
// tasks that are left it returns an error that names them, and takes them out. Afterwards Attach, Post, Linger and Turn
// give net.ErrClosed; Set and Defer do nothing. Twice is fine.
func (l *Loop) Close() error {
	if l.closed {
		return nil
	}
	l.touch("close")
	l.closing.abortAll("the loop is closed")
	left := l.takeOut()
	l.mu.Lock()
	l.closed = true
	l.posted = nil
	l.mu.Unlock()
	l.current, l.done = nil, 0
	err := l.poller.Close()
	if !l.turning {
		l.scratch.Free()
	}
	if l.ctx.Thread() == l.thread {
		l.ctx.Own(nil)
	}
	if err != nil {
		err = fmt.Errorf("event: close of loop %s: %w", l.cfg.Name, err)
	}
	return errors.Join(left, err)
}

// takeOut empties the loop and names what was in it.
func (l *Loop) takeOut() error {
	var names []string
	count := 0
	left := func(kind string, owner describer) {
		if count++; count <= leftMax {
			names = append(names, kind+" of "+describe(owner))
		}
	}
	for i := range l.slots {
		if f := l.slots[i].fd; f != nil {
			left("descriptor", f.handler)
			f.Detach()
		}
	}
	for t := l.timers.any(); t != nil; t = l.timers.any() {
		left("timer", t.expirer)
		t.Stop()
	}
	for _, ring := range []*Task{&l.taskBatch, &l.tasks} {
		for ring.next != ring {
			left("task", ring.next.runner)
			ring.next.Cancel()
		}
	}
	if count == 0 {
		return nil
	}
	more := ""
	if count > leftMax {
		more = ", ..."
	}
	return fmt.Errorf("event: loop %s closed with %d left in it: %s%s", l.cfg.Name, count, strings.Join(names, ", "), more)
}

// Now is the time at which the present turn began to handle its events. Outside of a turn it is the system's.
func (l *Loop) Now() time.Time {
	if l.handling {
		return l.now
	}
	return l.sys.Now()
}

// System returns what it runs on.
func (l *Loop) System() System { return l.sys }

// Context returns the loop's context.
func (l *Loop) Context() *talloc.Context { return l.ctx }

// Thread returns the token of the loop's thread.
func (l *Loop) Thread() *talloc.Thread { return l.thread }

// Scratch is a buffer of 64 KiB + 1 KiB for the duration of a callback; whoever runs may use it, nobody keeps it.
func (l *Loop) Scratch() []byte {
	l.lent = true
	return l.scratch.Bytes()
}

// Stats counts since New. Thread: the loop's.
type Stats struct {
	Turns                            uint64
	Waits                            uint64 // turns that were ready to sleep
	Rests                            uint64 // of those, turns that let events come together
	Events, Posted, Timers, Deferred uint64 // callbacks
	Stale                            uint64 // events for a descriptor that left in the same batch
	Lingering                        int
	Aborted, UnsentBytes             uint64 // given up by the closing list
}

// Stats returns the counts.
func (l *Loop) Stats() Stats {
	s := l.stats
	s.Lingering = l.closing.count
	return s
}

// touch finds callers on a wrong thread. A closed loop has none.
func (l *Loop) touch(what string) {
	if !l.closed {
		l.ctx.Touch(what)
	}
}

func (l *Loop) report(err error) {
	if l.cfg.OnError != nil {
		l.cfg.OnError(err)
	}
}
