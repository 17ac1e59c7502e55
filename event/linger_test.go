package event

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio/talloc"
)

// fakeCloser answers Step with the given wishes, one a call.
type fakeCloser struct {
	name   string
	steps  []Ready
	unsent int
	log    []string
	step   func()
}

func (c *fakeCloser) Step(time.Time) Ready {
	c.log = append(c.log, "step")
	if c.step != nil {
		c.step()
	}
	r := c.steps[0]
	c.steps = c.steps[1:]
	return r
}

func (c *fakeCloser) Abort() int {
	c.log = append(c.log, "abort")
	return c.unsent
}

func (c *fakeCloser) Describe() string { return c.name }

func linger(t testing.TB, l *Loop, fd int, c *fakeCloser, want Ready) {
	t.Helper()
	if err := l.Linger(fd, c, want); err != nil {
		t.Fatalf("linger: %v", err)
	}
}

func TestLinger(t *testing.T) {
	l, _, p := fakeLoop(t, Config{OnError: func(err error) { t.Errorf("told: %v", err) }})
	c := &fakeCloser{name: "c", steps: []Ready{Write, Read, 0}}
	c.step = func() {
		if _, ok := p.ids[5]; ok {
			t.Error("the descriptor is in the poller while Step may close it")
		}
	}
	linger(t, l, 5, c, Write)
	if l.Stats().Lingering != 1 {
		t.Errorf("lingering %d", l.Stats().Lingering)
	}
	turn(t, l, 0)
	if len(c.log) != 0 {
		t.Error("a step though nothing is ready")
	}
	p.ready[5] = Write
	turn(t, l, 0)
	turn(t, l, 0)
	turn(t, l, 0) // waits for Read by now
	if !slices.Equal(c.log, []string{"step", "step"}) || p.wants[5] != Read {
		t.Errorf("steps %v, wants %v", c.log, p.wants[5])
	}
	p.ready[5] = Read
	turn(t, l, 0)
	turn(t, l, 0)
	if !slices.Equal(c.log, []string{"step", "step", "step"}) {
		t.Errorf("log %v", c.log)
	}
	if s := l.Stats(); s.Lingering != 0 || s.Aborted != 0 || l.attached != 0 || l.timers.any() != nil {
		t.Errorf("after the end: %+v, %d attached", s, l.attached)
	}
}

func TestLingerTimeout(t *testing.T) {
	var told []error
	l, sys, p := fakeLoop(t, Config{CloseTimeout: 2 * time.Second, OnError: func(err error) { told = append(told, err) }})
	start := sys.now
	a := &fakeCloser{name: "tcp a", unsent: 17}
	b := &fakeCloser{name: "tcp b", unsent: 4, steps: []Ready{Write}}
	linger(t, l, 5, a, Write)
	sys.now = start.Add(time.Second)
	linger(t, l, 6, b, Write)
	p.ready[6] = Write
	turn(t, l, 0) // progress does not prolong it
	delete(p.ready, 6)
	turn(t, l, -1)
	if !slices.Equal(a.log, []string{"abort"}) || !slices.Equal(b.log, []string{"step"}) || !sys.now.Equal(start.Add(2*time.Second)) {
		t.Errorf("after 2 s: a %v, b %v, at %v", a.log, b.log, sys.now)
	}
	turn(t, l, -1)
	if !slices.Equal(b.log, []string{"step", "abort"}) || !sys.now.Equal(start.Add(3*time.Second)) {
		t.Errorf("after 3 s: b %v, at %v", b.log, sys.now)
	}
	if s := l.Stats(); s.Aborted != 2 || s.UnsentBytes != 21 || s.Lingering != 0 {
		t.Errorf("stats %+v", s)
	}
	var abort *AbortError
	if len(told) != 2 || !errors.As(told[0], &abort) || abort.Closer != "tcp a" || abort.Unsent != 17 {
		t.Fatalf("told %v", told)
	}
	if got := told[0].Error(); got != "close tcp a: no end after 2s: 17 bytes unsent" {
		t.Errorf("text %q", got)
	}
	if len(p.ids) != 0 || l.timers.any() != nil {
		t.Error("a descriptor or the timer is left")
	}
}

func TestLingerPeerGone(t *testing.T) {
	var told []error
	l, _, p := fakeLoop(t, Config{OnError: func(err error) { told = append(told, err) }})
	c := &fakeCloser{name: "c", steps: []Ready{Hangup}, unsent: 3}
	linger(t, l, 5, c, Write)
	p.ready[5] = Hangup
	turn(t, l, 0)
	if !slices.Equal(c.log, []string{"step", "abort"}) {
		t.Errorf("log %v", c.log)
	}
	if len(told) != 1 || told[0].Error() != "close c: the peer is gone: 3 bytes unsent" || l.Stats().UnsentBytes != 3 {
		t.Errorf("told %v, stats %+v", told, l.Stats())
	}
}

func TestLingerBound(t *testing.T) {
	l, _, p := fakeLoop(t, Config{MaxClosing: 2})
	var list []*fakeCloser
	for i := range 3 {
		c := &fakeCloser{name: "c", steps: []Ready{0}}
		list = append(list, c)
		err := l.Linger(i, c, Read)
		if want := map[bool]error{true: nil, false: syscall.EAGAIN}[i < 2]; err != want {
			t.Errorf("socket %d of 2: %v, want %v", i+1, err, want)
		}
	}
	p.ready[0] = Read
	turn(t, l, 0)
	linger(t, l, 2, list[2], Read)
	p.ready[1], p.ready[2] = Read, Read
	turn(t, l, 0)
	for i, c := range list {
		if !slices.Equal(c.log, []string{"step"}) {
			t.Errorf("socket %d: %v", i+1, c.log)
		}
	}
	p.addError = syscall.ENOSPC
	if err := l.Linger(7, &fakeCloser{}, Read); err != syscall.ENOSPC {
		t.Errorf("a poller without room: %v", err)
	}
	if l.Stats().Lingering != 0 || l.attached != 0 {
		t.Error("a refused socket is on the list")
	}
	p.addError = nil
}

func TestLingerLeavesInAnyOrder(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}} {
		l, sys, p := fakeLoop(t, Config{CloseTimeout: time.Second})
		start := sys.now
		var list []*fakeCloser
		for i := range 3 {
			c := &fakeCloser{name: "c", steps: []Ready{0}}
			list = append(list, c)
			linger(t, l, i, c, Read)
			sys.now = sys.now.Add(100 * time.Millisecond)
		}
		for k, i := range order {
			p.ready[i] = Read
			turn(t, l, 0)
			if !slices.Equal(list[i].log, []string{"step"}) || l.Stats().Lingering != 2-k {
				t.Errorf("order %v: %d: log %v, %d left", order, i, list[i].log, l.Stats().Lingering)
			}
			if first := l.closing.first; first != nil && !l.closing.timer.When().Equal(first.deadline) {
				t.Errorf("order %v: after %d the timer is at %v", order, i, l.closing.timer.When().Sub(start))
			}
		}
	}
}

func TestStopWaitsForClosing(t *testing.T) {
	l, sys, p := fakeLoop(t, Config{OnError: func(err error) { t.Errorf("told: %v", err) }})
	c := &fakeCloser{name: "c", steps: []Ready{0}}
	linger(t, l, 5, c, Read)
	l.Stop()
	newTimer(func(time.Time) { p.ready[5] = Read }).Set(l, sys.now.Add(time.Second))
	if err := l.Run(); err != nil {
		t.Fatal(err)
	}
	// Stop's wake-up ends one wait, the timer the next, and then the socket is ready.
	if !slices.Equal(c.log, []string{"step"}) || l.Stats().Turns != 3 {
		t.Errorf("log %v after %d turns", c.log, l.Stats().Turns)
	}
}

func TestStopAbortsClosingAfterItsLimit(t *testing.T) {
	var told []error
	l, sys, p := fakeLoop(t, Config{CloseTimeout: time.Second, OnError: func(err error) { told = append(told, err) }})
	start := sys.now
	// One that always makes a little progress and a loop that is always busy: the limit counts all the same, also for
	// a socket that came late.
	var task *Task
	late := &fakeCloser{name: "late", unsent: 1}
	task = newTask(func() {
		sys.now = sys.now.Add(100 * time.Millisecond)
		if sys.now.Sub(start) == 500*time.Millisecond {
			if err := l.Linger(6, late, Write); err != nil {
				t.Errorf("linger: %v", err)
			}
		}
		l.Defer(task)
	})
	l.Defer(task)
	slow := &fakeCloser{name: "slow", unsent: 9, steps: slices.Repeat([]Ready{Write}, 100)}
	linger(t, l, 5, slow, Write)
	p.ready[5] = Write
	l.Stop()
	if err := l.Run(); err != nil {
		t.Fatal(err)
	}
	if took := sys.now.Sub(start); took > 1100*time.Millisecond {
		t.Errorf("stopping took %v, want about 1 s", took)
	}
	if slow.log[len(slow.log)-1] != "abort" || !slices.Equal(late.log, []string{"abort"}) || len(told) != 2 {
		t.Errorf("slow %v, late %v, told %v", slow.log, late.log, told)
	}
	if got := fmt.Sprint(told); !strings.Contains(got, "close late: the loop stops: 1 bytes unsent") {
		t.Errorf("told %v", told)
	}
	task.Cancel()
}

func TestFreeAbortsClosing(t *testing.T) {
	var told []error
	ctx := talloc.Root("root")
	l, err := New(ctx, newFake(), Config{OnError: func(err error) { told = append(told, err) }})
	if err != nil {
		t.Fatal(err)
	}
	c := &fakeCloser{name: "c", unsent: 5}
	linger(t, l, 5, c, Write)
	ctx.Free()
	if !slices.Equal(c.log, []string{"abort"}) || len(told) != 1 {
		t.Errorf("log %v, told %v", c.log, told)
	}
	if err := l.Linger(6, c, Write); err != net.ErrClosed {
		t.Errorf("linger on a closed loop: %v", err)
	}
}

func TestStepClosesLoop(t *testing.T) {
	ctx := talloc.Root("root")
	sys := newFake()
	l, err := New(ctx, sys, Config{})
	if err != nil {
		t.Fatal(err)
	}
	c := &fakeCloser{name: "c", steps: []Ready{Read}}
	c.step = ctx.Free
	linger(t, l, 5, c, Write)
	sys.pollers[0].ready[5] = Write
	turn(t, l, 0)
	if !slices.Equal(c.log, []string{"step", "abort"}) {
		t.Errorf("log %v", c.log)
	}
}

func TestPanicInStep(t *testing.T) {
	l, _, p := fakeLoop(t, Config{})
	c := &fakeCloser{name: "tcp 7", step: func() { panic("oh") }}
	linger(t, l, 5, c, Write)
	p.ready[5] = Write
	mustPanic(t, func() { l.Turn(0) }, "panic in write event of tcp 7: oh")
}
