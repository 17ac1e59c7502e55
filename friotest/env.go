package friotest

import (
	"bytes"
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

// Bounds of waiting. On the system's kernel the clock is an emergency exit only: what is waited for comes in a few turns.
const (
	systemWaitMax = 20 * time.Second
	simTurnsMax   = 20_000
	simTurnStep   = time.Millisecond // virtual
	sidesStep     = 10 * time.Millisecond
)

// Side is a thread of the test: a root context and a loop on it. All sides are turned by the test's own goroutine.
type Side struct {
	Root  *talloc.Context
	Loop  *event.Loop
	empty talloc.Sizes // what the root held when it was made
}

// Env is where one sub-test runs: a kernel, one Side or more, and everything that was made there. Finish closes it and
// fails the test for what is left. Thread: the test's goroutine.
type Env struct {
	testing.TB
	Target Target
	Kernel sock.Kernel
	Sim    bool
	Seed   uint64
	Place  Place // of the sub-test
	Side         // the first one

	sides    []*Side
	probes   []*Probe
	world    world
	inCall   int // operations on the stack
	fds      int // descriptors at the start
	finished bool
	errors   []error // what the loops' error hooks were told

	setupListen, setupHome string
}

// world is what friotest asks of a kernel beside its calls.
type world interface {
	kernel() sock.Kernel
	descriptors() int
	dir() string
	close()
}

// NewEnv makes an environment on the system's kernel, or with sim on a simulated one grown from seed. It ends with Finish, or
// with the test.
func NewEnv(t testing.TB, sim bool, seed uint64) *Env {
	t.Helper()
	k := onSystem
	if sim {
		k = onSim
	}
	e := newEnv(t, k, seed)
	t.Cleanup(func() {
		if !t.Failed() {
			e.Finish()
		}
	})
	return e
}

func newEnv(t testing.TB, k kernels, seed uint64) *Env {
	t.Helper()
	e := &Env{TB: t, Sim: k == onSim, Seed: seed}
	if e.Sim {
		e.world = newSimWorld(e, seed)
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("seed of the simulated world: %d", seed)
			}
		})
	} else {
		e.world = newSystemWorld(e)
	}
	e.Kernel = e.world.kernel()
	e.fds = e.world.descriptors()
	e.Place = Place{Addr: netip.MustParseAddr("127.0.0.1"), File: filepath.Join(e.world.dir(), "io.sock")}
	t.Cleanup(e.abandon)
	e.Side = *e.NewSide("main")
	e.sides[0] = &e.Side
	return e
}

// NewSide makes another thread: a root with a loop of its own.
func (e *Env) NewSide(name string) *Side { return e.NewSideConfig(event.Config{Name: name}) }

// NewSideConfig is NewSide with a configuration of the loop; an empty OnError is the environment's own.
func (e *Env) NewSideConfig(cfg event.Config) *Side {
	e.Helper()
	s := &Side{Root: talloc.Root(cfg.Name)}
	sock.SetKernel(s.Root, e.Kernel)
	if cfg.OnError == nil {
		cfg.OnError = func(err error) { e.errors = append(e.errors, err) }
	}
	loop, err := event.New(s.Root, e.Kernel, cfg)
	if err != nil {
		e.Fatalf("new loop: %v", err)
	}
	s.Loop = loop
	s.empty = s.Root.Total()
	e.sides = append(e.sides, s)
	return s
}

// Context makes a context on side, the first one if side is nil.
func (e *Env) Context(side *Side, name string) *talloc.Context {
	e.Helper()
	ctx, err := e.sideOr(side).Root.New(name)
	if err != nil {
		e.Fatalf("context %s: %v", name, err)
	}
	return ctx
}

func (e *Env) sideOr(side *Side) *Side {
	if side == nil {
		return &e.Side
	}
	return side
}

// Turn turns every loop once; each waits a moment if nothing is ready.
func (e *Env) Turn() { e.turn(simTurnStep) }

// Spin turns every loop count times: without waiting on the system's kernel, a virtual millisecond each on the simulated one.
// It is for what must not happen.
func (e *Env) Spin(count int) {
	for range count {
		if e.Sim {
			e.turn(simTurnStep)
		} else {
			e.turn(0)
		}
	}
}

func (e *Env) turn(wait time.Duration) {
	e.turnWith(func() time.Duration { return wait })
}

// turnWith turns every loop once, each waiting for as long as wait says then.
func (e *Env) turnWith(wait func() time.Duration) {
	before := e.Kernel.Now()
	for _, s := range e.sides {
		if err := s.Loop.Turn(wait()); err != nil {
			e.Fatalf("turn: %v", err)
		}
	}
	if e.Sim && e.Kernel.Now().Equal(before) {
		// A turn with something to do does not wait, but it takes its time.
		e.World().Advance(min(simTurnStep, wait()))
	}
}

// Until turns the loops until done; it fails the test if that does not come.
func (e *Env) Until(what string, done func() bool) {
	e.Helper()
	if !e.within(done) {
		e.dump()
		e.Fatalf("waited in vain: %s", what)
	}
}

func (e *Env) within(done func() bool) bool {
	end := time.Now().Add(systemWaitMax)
	for turns := 0; !done(); turns++ {
		if turns > simTurnsMax && e.Sim || !e.Sim && time.Now().After(end) {
			return false
		}
		e.Turn()
		e.stepHandshakes()
	}
	return true
}

// Pass lets d of virtual time pass, turning the loops. Simulated kernel only.
func (e *Env) Pass(d time.Duration) {
	e.Helper()
	if !e.Sim {
		e.Fatalf("Pass on the system's clock")
	}
	end := e.Kernel.Now().Add(d)
	left := func() time.Duration { return max(0, end.Sub(e.Kernel.Now())) }
	for left() > 0 {
		if len(e.sides) == 1 {
			e.turnWith(left)
		} else { // while one loop waits the others are late
			e.turnWith(func() time.Duration { return min(left(), sidesStep) })
		}
	}
	e.turn(0) // for whoever waited first
}

// dump logs everything that is known, for a test that failed.
func (e *Env) dump() {
	for _, p := range e.probes {
		if !p.Ctx.Freed() {
			e.Logf("%s:\n%s", p.Name, p.DebugText())
		}
	}
	for _, s := range e.sides {
		e.Logf("loop: %+v", s.Loop.Stats())
	}
}

// Finish closes what is open, and fails the test for contexts, memory, timers and descriptors that are left.
func (e *Env) Finish() {
	e.Helper()
	if e.finished {
		return
	}
	e.finished = true
	for i := len(e.probes) - 1; i >= 0; i-- {
		if p := e.probes[i]; !p.closed && !p.Ctx.Freed() {
			p.Close() // what could not be sent is no matter here
		}
	}
	e.Until("the closing lists are empty", func() bool {
		for _, s := range e.sides {
			if s.Loop.Stats().Lingering > 0 {
				return false
			}
		}
		return true
	})
	e.Spin(2)
	for i := len(e.probes) - 1; i >= 0; i-- {
		if p := e.probes[i]; !p.Ctx.Freed() {
			p.Ctx.Free()
		}
	}
	for i, s := range e.sides {
		if left := s.Root.Total(); left != s.empty {
			e.Errorf("contexts left on side %d: %+v, at the start %+v\n%s", i, left, s.empty, report(s.Root))
		}
		if err := s.Loop.Close(); err != nil {
			e.Errorf("close of loop %d: %v", i, err)
		}
		s.Root.Free()
	}
	if n := e.world.descriptors(); n != e.fds {
		e.Errorf("%d descriptors at the end, %d at the start%s", n, e.fds, e.descriptorList())
	}
	e.world.close()
}

// abandon frees everything there is, without a check: what a failed test left.
func (e *Env) abandon() {
	if e.finished {
		return
	}
	e.finished = true
	for _, s := range e.sides {
		if what := panics(func() { s.Loop.Close(); s.Root.Free() }); what != nil {
			e.Logf("after the failure: %v", what)
		}
	}
	e.world.close()
}

func (e *Env) descriptorList() (list string) {
	if !e.Sim {
		for fd, name := range descriptors() {
			list += fmt.Sprintf("\n%d: %s", fd, name)
		}
	}
	return list
}

func report(ctx *talloc.Context) string {
	var b bytes.Buffer
	ctx.Report(&b)
	return b.String()
}
