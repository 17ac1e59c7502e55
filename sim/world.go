package sim

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/frio-io/frio/event"
)

// ErrStuck is what a Wait without end, or Run, returns when nothing is scheduled: on a real system it would hang.
var ErrStuck = errors.New("sim: stuck: nothing is scheduled and the wait has no end")

// callsPerTurn bounds the calls that a world answers without its clock moving, as a multiple of MaxTurns: a callback that
// retries a call for ever never comes to Wait.
const callsPerTurn = 100

// Options of a World; the zero value is the default of each.
type Options struct {
	Start    time.Time // of the clock; default 2025-01-01 00:00 UTC
	Link     Link      // between hosts; a Link without any delay gets 1 ms (SetLink can make one without)
	Loopback Link      // inside a host; default at once and without fault
	Faults   Faults    // of the calls on every host
	MaxTurns int       // Waits without the clock moving before a panic with "spins"; default 100,000
	Trace    int       // lines that Trace returns at most; default 256
}

// World is hosts, the links between them and one clock. Thread: any, one at a time inside.
type World struct {
	mu      sync.Mutex
	opts    Options
	rng     random
	now     time.Duration // since opts.Start
	agenda  agenda
	hosts   []*Kernel
	byAddr  map[netip.Addr]*Kernel // never ranged over
	paths   map[[2]int]*path       // never ranged over
	names   map[string]*name       // never ranged over
	blocked []rejection
	hook    func(*Datagram) Action
	carried int // datagrams offered to hook

	notify  []*lookup // whose result came, to be told with mu released
	running bool      // Run turns the loops: Wait does not move the clock
	asked   asked
	turns   int // Waits since the clock moved
	calls   int // calls since the clock moved
	trace   trace
}

// asked is what the Waits of one turn of a loop were like.
type asked struct {
	waits, events int
	woken         bool
	timeout       time.Duration
}

// New makes an empty world. All that is random in it comes from seed.
func New(seed uint64, opts Options) *World {
	if opts.Start.IsZero() {
		opts.Start = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if opts.Link.DelayMin == 0 && opts.Link.DelayMax == 0 {
		opts.Link.DelayMin, opts.Link.DelayMax = time.Millisecond, time.Millisecond
	}
	if opts.MaxTurns == 0 {
		opts.MaxTurns = 100_000
	}
	if opts.Trace == 0 {
		opts.Trace = 256
	}
	w := &World{
		opts:   opts,
		rng:    random(seed),
		byAddr: map[netip.Addr]*Kernel{},
		paths:  map[[2]int]*path{},
		names:  map[string]*name{},
	}
	w.trace.init(opts.Trace)
	return w
}

// Now is the time on the virtual clock. Thread: any.
func (w *World) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock()
}

func (w *World) clock() time.Time { return w.opts.Start.Add(w.now) }

// Advance moves the clock by d and lets happen what falls into that time. It is for tests that make calls without a loop.
func (w *World) Advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	end := w.now + max(d, 0)
	for {
		w.settleLocked()
		at, ok := w.agenda.next()
		if !ok || at > end {
			break
		}
		w.moveLocked(at)
	}
	w.moveLocked(end)
}

// Run turns loops, one after the other and without waiting, until until is true, and moves the clock when all are idle: to
// what comes first, an event of the network or a loop's next deadline. Without loops it only moves the clock. It returns
// ErrStuck when nothing can happen any more, and the error of a loop's Turn.
func (w *World) Run(until func() bool, loops ...*event.Loop) error {
	w.setRunning(true)
	defer w.setRunning(false)
	for !until() {
		idle := true
		first := time.Duration(-1)
		for _, l := range loops {
			a, err := w.turnLoop(l)
			if err != nil {
				return err
			}
			if a.waits == 0 || a.events > 0 || a.woken || a.timeout == 0 {
				idle = false
			} else if a.timeout > 0 && (first < 0 || a.timeout < first) {
				first = a.timeout
			}
		}
		if !idle {
			continue
		}
		if err := w.moveIdle(first); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) setRunning(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if on && w.running {
		panic("sim: World.Run inside World.Run")
	}
	w.running = on
}

func (w *World) turnLoop(l *event.Loop) (asked, error) {
	w.mu.Lock()
	w.asked = asked{timeout: -1}
	w.mu.Unlock()
	if err := l.Turn(-1); err != nil {
		return asked{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asked.waits == 0 {
		w.countTurn()
	}
	return w.asked, nil
}

// moveIdle moves the clock to the next event, or by first (negative: no loop has a deadline).
func (w *World) moveIdle(first time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, ok := w.agenda.next()
	switch {
	case first >= 0 && (!ok || at > w.now+first):
		at = w.now + first
	case !ok:
		return ErrStuck
	}
	w.moveLocked(at)
	w.settleLocked()
	return nil
}

// moveLocked sets the clock; at is never past the next event.
func (w *World) moveLocked(at time.Duration) {
	if at > w.now {
		w.now = at
		w.turns, w.calls = 0, 0
	}
}

// settleLocked runs what is due and tells those whose look-up came, until nothing is due any more. It releases mu for the latter.
func (w *World) settleLocked() {
	for {
		if f := w.agenda.due(w.now); f != nil {
			f()
			continue
		}
		if len(w.notify) == 0 {
			return
		}
		l := w.notify[0]
		w.notify = w.notify[1:]
		if f := l.notify; f != nil && !l.told {
			l.told = true
			w.unlocked(f)
		}
	}
}

// unlocked calls f without mu; a panic of f leaves mu as the callers expect it.
func (w *World) unlocked(f func()) {
	w.mu.Unlock()
	defer w.mu.Lock()
	f()
}

func (w *World) after(d time.Duration, f func()) *appointment { return w.agenda.add(w.now+d, f) }

// countTurn and countCall find the world that is busy without getting anywhere.
func (w *World) countTurn() {
	w.turns++
	if w.turns > w.opts.MaxTurns {
		panic(fmt.Sprintf("sim: spins: %d waits while the clock stood at %v; last:\n%s", w.turns, w.now, w.trace.tail(20)))
	}
}

func (w *World) countCall() {
	w.calls++
	if w.calls > w.opts.MaxTurns*callsPerTurn {
		panic(fmt.Sprintf("sim: spins: %d calls while the clock stood at %v; last:\n%s", w.calls, w.now, w.trace.tail(20)))
	}
}

// rejection is an errno for all that goes to a prefix.
type rejection struct {
	prefix netip.Prefix
	err    syscall.Errno
}

func rejected(list []rejection, to netip.Addr) syscall.Errno {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].prefix.Contains(to) {
			return list[i].err
		}
	}
	return 0
}

// Unreachable has a router answer what goes to prefix with an ICMP message that means err (EHOSTUNREACH, ENETUNREACH,
// ECONNREFUSED ...): it comes back after the links' delay, to connecting and connected sockets. 0 ends it.
func (w *World) Unreachable(prefix netip.Prefix, err syscall.Errno) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.blocked = append(w.blocked, rejection{prefix, err})
}

// random is splitmix64: small, fast, the same on every machine and Go version.
type random uint64

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number in [0, n).
func (r *random) below(n int) int { return int(r.next() % uint64(n)) }

// roll is true with probability p. It draws only when the outcome is open, so that a fault that is off changes no run.
func (r *random) roll(p float64) bool {
	return p > 0 && (p >= 1 || float64(r.next()>>11)/(1<<53) < p)
}
