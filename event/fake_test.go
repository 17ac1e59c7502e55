package event

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio/talloc"
)

// fakeSystem is a clock that only waiting moves, and pollers whose descriptors are ready when the test says so.
type fakeSystem struct {
	now      time.Time
	pollers  []*fakePoller
	newError error
}

func newFake() *fakeSystem {
	return &fakeSystem{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

func (s *fakeSystem) Now() time.Time { return s.now }

func (s *fakeSystem) NewPoller() (Poller, error) {
	if s.newError != nil {
		return nil, s.newError
	}
	p := &fakePoller{sys: s, ids: map[int]uint64{}, wants: map[int]Ready{}, ready: map[int]Ready{}}
	s.pollers = append(s.pollers, p)
	return p, nil
}

func (s *fakeSystem) Lookup(string, func()) Lookup { panic("no look-ups here") }

// fakePoller keeps level-triggered readiness by descriptor and reports it in the order of the numbers.
type fakePoller struct {
	sys        *fakeSystem
	ids        map[int]uint64
	wants      map[int]Ready
	ready      map[int]Ready
	calls      []string // add, modify, remove, close
	waits      []time.Duration
	wakes      int
	woken      bool
	onWait     func()
	rests      []time.Duration
	onRest     func()
	addError   error
	moveError  error // of Modify
	dropError  error // of Remove
	waitError  error
	deadlocked bool
}

func (p *fakePoller) call(format string, args ...any) {
	p.calls = append(p.calls, fmt.Sprintf(format, args...))
}

func (p *fakePoller) Add(fd int, id uint64, want Ready) error {
	p.call("add %d %v", fd, want)
	if p.addError != nil {
		return p.addError
	}
	if _, ok := p.ids[fd]; ok {
		return syscall.EEXIST
	}
	p.ids[fd], p.wants[fd] = id, want
	return nil
}

func (p *fakePoller) Modify(fd int, id uint64, want Ready) error {
	p.call("modify %d %v", fd, want)
	if p.moveError != nil {
		return p.moveError
	}
	if got, ok := p.ids[fd]; !ok || got != id || want == 0 {
		return syscall.ENOENT
	}
	p.wants[fd] = want
	return nil
}

func (p *fakePoller) Remove(fd int, id uint64) error {
	p.call("remove %d", fd)
	if p.dropError != nil {
		return p.dropError
	}
	if got, ok := p.ids[fd]; !ok || got != id {
		return syscall.ENOENT
	}
	delete(p.ids, fd)
	delete(p.wants, fd)
	return nil
}

func (p *fakePoller) Wait(batch []Event, timeout time.Duration) (count int, err error) {
	p.waits = append(p.waits, timeout)
	if p.onWait != nil {
		p.onWait()
	}
	if p.waitError != nil {
		return 0, p.waitError
	}
	var fds []int
	for fd := range p.ids {
		if p.ready[fd]&(p.wants[fd]|Hangup) != 0 {
			fds = append(fds, fd)
		}
	}
	slices.Sort(fds)
	for _, fd := range fds {
		if count < len(batch) {
			batch[count] = Event{p.ids[fd], p.ready[fd] & (p.wants[fd] | Hangup)}
			count++
		}
	}
	if count == 0 && !p.woken {
		if timeout < 0 {
			p.deadlocked = true
			return 0, syscall.EDEADLK
		}
		p.sys.now = p.sys.now.Add(time.Duration(milliseconds(timeout)) * time.Millisecond)
	}
	p.woken = false
	return count, nil
}

func (p *fakePoller) Rest(pause time.Duration) {
	p.rests = append(p.rests, pause)
	p.sys.now = p.sys.now.Add(pause)
	if p.onRest != nil {
		p.onRest()
	}
}

func (p *fakePoller) Wake() error {
	p.wakes++
	p.woken = true
	return nil
}

func (p *fakePoller) Close() error {
	p.call("close")
	return nil
}

// fakeLoop returns a loop on a fake system, closed when the test ends.
func fakeLoop(t testing.TB, cfg Config) (*Loop, *fakeSystem, *fakePoller) {
	t.Helper()
	sys := newFake()
	l := newLoop(t, sys, cfg)
	return l, sys, sys.pollers[0]
}

func newLoop(t testing.TB, sys System, cfg Config) *Loop {
	t.Helper()
	ctx := talloc.Root("test")
	l, err := New(ctx, sys, cfg)
	if err != nil {
		t.Fatalf("new loop: %v", err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if !ctx.Freed() {
			ctx.Free()
		}
	})
	return l
}

func turn(t testing.TB, l *Loop, timeout time.Duration) {
	t.Helper()
	if err := l.Turn(timeout); err != nil {
		t.Fatalf("turn: %v", err)
	}
}

// owner is a Handler, Expirer and Runner made of functions.
type owner struct {
	name   string
	ready  func(Ready)
	expire func(time.Time)
	run    func()
}

func (o *owner) Ready(r Ready)        { o.ready(r) }
func (o *owner) Expire(now time.Time) { o.expire(now) }
func (o *owner) RunTask()             { o.run() }
func (o *owner) Describe() string     { return o.name }

func attach(t testing.TB, l *Loop, f *FD, fd int, want Ready, ready func(Ready)) {
	t.Helper()
	f.Init(fd, &owner{name: fmt.Sprintf("io %d", fd), ready: ready})
	if err := f.Attach(l); err != nil {
		t.Fatalf("attach: %v", err)
	}
	if err := f.Want(want); err != nil {
		t.Fatalf("want: %v", err)
	}
}

func newTask(f func()) *Task {
	t := new(Task)
	t.Init(&owner{name: "a task", run: f})
	return t
}

func newTimer(f func(now time.Time)) *Timer {
	t := new(Timer)
	t.Init(&owner{name: "a timer", expire: f})
	return t
}

func post(t testing.TB, l *Loop, f func()) {
	t.Helper()
	if err := l.Post(f); err != nil {
		t.Fatalf("post: %v", err)
	}
}

// caught returns what f panics with, nil if it does not.
func caught(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}

func mustPanic(t testing.TB, f func(), parts ...string) {
	t.Helper()
	v := caught(f)
	if v == nil {
		t.Errorf("no panic, want one with %q", parts)
		return
	}
	for _, p := range parts {
		if !strings.Contains(fmt.Sprint(v), p) {
			t.Errorf("panic %q lacks %q", v, p)
		}
	}
}

// realSystem is the machine.
type realSystem struct{}

func (realSystem) Now() time.Time                           { return time.Now() }
func (realSystem) NewPoller() (Poller, error)               { return NewPoller() }
func (realSystem) Lookup(host string, notify func()) Lookup { return NewLookup(host, notify) }

var (
	_ System = (*fakeSystem)(nil)
	_ System = realSystem{}
)
