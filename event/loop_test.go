package event

import (
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio/talloc"
)

func TestTurnOrder(t *testing.T) {
	l, sys, p := fakeLoop(t, Config{})
	var got []string
	say := func(s string) { got = append(got, s) }
	start := sys.now

	var f FD
	attach(t, l, &f, 3, Read, func(Ready) {
		say("descriptor")
		if !l.Now().Equal(sys.now) || l.Now().Equal(start) {
			t.Error("the clock was not read after the wait")
		}
		f.Want(0)
	})
	if err := f.Want(Read | Write); err != nil {
		t.Fatal(err)
	}
	p.ready[3] = Read
	p.onWait = func() {
		say("wait")
		if p.wants[3] != Read|Write {
			t.Error("changes of wishes were not applied before the wait")
		}
		sys.now = sys.now.Add(time.Second)
		p.onWait = nil
	}
	task := newTask(func() { say("task") })
	timer := newTimer(func(now time.Time) {
		say("timer")
		if !now.Equal(l.Now()) {
			t.Error("the timer's time is not Now")
		}
	})
	l.Defer(task)
	timer.Set(l, sys.now)
	post(t, l, func() { say("posted") })

	turn(t, l, -1)
	want := []string{"wait", "descriptor", "posted", "timer", "task"}
	if !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	s := l.Stats()
	if s.Turns != 1 || s.Waits != 0 || s.Events != 1 || s.Posted != 1 || s.Timers != 1 || s.Deferred != 1 {
		t.Errorf("stats %+v", s)
	}
	f.Detach()
}

func TestTurnIsBounded(t *testing.T) {
	// Everything makes more of itself; a turn ends all the same, and the next one does not wait.
	l, sys, p := fakeLoop(t, Config{})
	var posts, timers, tasks int
	var again func()
	again = func() { posts++; post(t, l, again) }
	post(t, l, again)
	var timer, late *Timer
	timer = newTimer(func(now time.Time) { timers++; timer.Set(l, now.Add(-time.Hour)) })
	timer.Set(l, sys.now)
	lateRan := 0
	late = newTimer(func(time.Time) { lateRan++ })
	late.Set(l, sys.now)
	var task *Task
	task = newTask(func() { tasks++; l.Defer(task) })
	l.Defer(task)
	for i := 1; i <= 3; i++ {
		turn(t, l, -1)
		if posts != i || timers != i || tasks != i || lateRan != 1 {
			t.Fatalf("after turn %d: %d posted, %d timers, %d tasks, the other timer %d", i, posts, timers, tasks, lateRan)
		}
	}
	if !slices.Equal(p.waits, []time.Duration{0, 0, 0}) {
		t.Errorf("waits %v, want none of any length", p.waits)
	}
	timer.Stop()
	task.Cancel()
}

func TestBatchIsBounded(t *testing.T) {
	l, _, p := fakeLoop(t, Config{})
	const count = 600
	fds := make([]FD, count)
	ran := 0
	for i := range fds {
		attach(t, l, &fds[i], i, Read, func(Ready) { ran++; delete(p.ready, i) })
		p.ready[i] = Read
	}
	for _, want := range []int{256, 512, 600} {
		turn(t, l, 0)
		if ran != want {
			t.Errorf("%d events, want %d", ran, want)
		}
	}
	for i := range fds {
		fds[i].Detach()
	}
}

func TestNow(t *testing.T) {
	l, sys, _ := fakeLoop(t, Config{})
	if !l.Now().Equal(sys.now) {
		t.Error("before the first turn Now is not the system's")
	}
	var in []time.Time
	l.Defer(newTask(func() {
		in = append(in, l.Now())
		sys.now = sys.now.Add(time.Second)
		in = append(in, l.Now())
	}))
	turn(t, l, 0)
	if !in[0].Equal(in[1]) {
		t.Error("Now moves during a turn")
	}
	if !l.Now().Equal(sys.now) {
		t.Error("after a turn Now is not the system's")
	}
}

func TestTurnWaits(t *testing.T) {
	cases := []struct {
		name    string
		prepare func(l *Loop, now time.Time)
		timeout time.Duration
		want    time.Duration
	}{
		{"nothing", func(*Loop, time.Time) {}, time.Minute, time.Minute},
		{"poll only", func(*Loop, time.Time) {}, 0, 0},
		{"timer", func(l *Loop, now time.Time) { newTimer(func(time.Time) {}).Set(l, now.Add(time.Second)) }, -1, time.Second},
		{"timer after the timeout", func(l *Loop, now time.Time) { newTimer(func(time.Time) {}).Set(l, now.Add(time.Second)) }, time.Millisecond, time.Millisecond},
		{"timer due", func(l *Loop, now time.Time) { newTimer(func(time.Time) {}).Set(l, now) }, -1, 0},
		{"timer long due", func(l *Loop, now time.Time) { newTimer(func(time.Time) {}).Set(l, now.Add(-time.Hour)) }, -1, 0},
		{"task", func(l *Loop, _ time.Time) { l.Defer(newTask(func() {})) }, -1, 0},
		{"posted", func(l *Loop, _ time.Time) { l.Post(func() {}) }, -1, 0},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			l, sys, p := fakeLoop(t, Config{})
			tc.prepare(l, sys.now)
			turn(t, l, tc.timeout)
			if !slices.Equal(p.waits, []time.Duration{tc.want}) {
				t.Errorf("waits %v, want %v", p.waits, tc.want)
			}
			if l.timers.any() != nil {
				l.timers.any().Stop()
			}
		})
	}
}

func TestTurnErrors(t *testing.T) {
	l, _, p := fakeLoop(t, Config{Name: "thread 1"})
	p.waitError = syscall.EBADF
	if err := l.Turn(0); !errors.Is(err, syscall.EBADF) || !strings.Contains(err.Error(), "wait of loop thread 1") {
		t.Errorf("turn: %v", err)
	}
	if err := l.Run(); !errors.Is(err, syscall.EBADF) {
		t.Errorf("run: %v", err)
	}
	p.waitError = nil
	l.Defer(newTask(func() { l.Turn(0) }))
	mustPanic(t, func() { l.Turn(0) }, "Turn inside a turn of loop thread 1", "a task")
	turn(t, l, 0)
}

func TestNew(t *testing.T) {
	sys := newFake()
	ctx := talloc.Root("small")
	ctx.SetLimit(1000, 0)
	if _, err := New(ctx, sys, Config{}); !errors.Is(err, talloc.ErrLimit) {
		t.Errorf("without room for the scratch buffer: %v", err)
	}
	ctx.SetLimit(0, 0)
	sys.newError = syscall.EMFILE
	if _, err := New(ctx, sys, Config{Name: "x"}); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("without a poller: %v", err)
	}
	if got := ctx.Total(); got != (talloc.Sizes{}) {
		t.Errorf("a failed New left %+v", got)
	}
	if len(sys.pollers) != 0 {
		t.Error("a failed New left a poller")
	}
}

func TestAccessors(t *testing.T) {
	sys := newFake()
	ctx := talloc.Root("root")
	l, err := New(ctx, sys, Config{Name: "thread 1"})
	if err != nil {
		t.Fatal(err)
	}
	if l.System() != System(sys) || l.Context() != ctx || l.Thread().Name() != "thread 1" || ctx.Thread() != l.Thread() {
		t.Error("system, context or thread is another")
	}
	if n := len(l.Scratch()); n != 65<<10 {
		t.Errorf("scratch is %d bytes", n)
	}
	ctx.Free()
	if err := l.Turn(0); err != net.ErrClosed {
		t.Errorf("turn after the context was freed: %v", err)
	}
	if got := sys.pollers[0].calls; !slices.Equal(got, []string{"close"}) {
		t.Errorf("poller: %v", got)
	}
}

func TestStop(t *testing.T) {
	l, sys, p := fakeLoop(t, Config{})
	turns := 0
	timer := newTimer(nil)
	timer.Init(&owner{name: "timer", expire: func(now time.Time) {
		if turns++; turns == 3 {
			l.Stop()
			l.Stop()
		}
		timer.Set(l, now.Add(time.Second))
	}})
	timer.Set(l, sys.now.Add(time.Second))
	if err := l.Run(); err != nil {
		t.Fatalf("run: %v", err)
	}
	if turns != 3 || l.Stats().Turns != 3 {
		t.Errorf("%d timers, %d turns, want 3", turns, l.Stats().Turns)
	}
	if p.wakes != 1 {
		t.Errorf("%d wake-ups by two Stops, want 1", p.wakes)
	}
	if err := l.Run(); err != nil || turns != 3 {
		t.Errorf("run after Stop: %v, %d timers", err, turns)
	}
	timer.Stop()
}

func TestStopFromAnotherGoroutine(t *testing.T) {
	l := newLoop(t, realSystem{}, Config{})
	done := make(chan error)
	started := make(chan bool)
	post(t, l, func() { close(started) })
	go func() { done <- l.Run() }()
	<-started
	l.Stop()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestCloseNamesWhatIsLeft(t *testing.T) {
	sys := newFake()
	var told []error
	ctx := talloc.Root("root")
	l, err := New(ctx, sys, Config{Name: "thread 1", OnError: func(err error) { told = append(told, err) }})
	if err != nil {
		t.Fatal(err)
	}
	never := func() { t.Error("a callback after Close") }
	var f FD
	attach(t, l, &f, 3, Read, func(Ready) { never() })
	timer := newTimer(func(time.Time) { never() })
	timer.Set(l, sys.now)
	task := newTask(never)
	l.Defer(task)
	post(t, l, never)
	err = l.Close()
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"loop thread 1 closed with 3 left", "descriptor of io 3", "timer of a timer", "task of a task"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
	if err := l.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if got := sys.pollers[0].calls; !slices.Equal(got, []string{"add 3 read", "remove 3", "close"}) {
		t.Errorf("poller: %v", got)
	}
	if f.Loop() != nil || task.Pending() || !timer.When().IsZero() {
		t.Error("something believes to be in the loop still")
	}
	// Nothing of this does anything, nor panics.
	f.Detach()
	timer.Set(l, sys.now)
	l.Defer(task)
	timer.Stop()
	task.Cancel()
	l.Stop()
	if err := f.Want(Read); err != net.ErrClosed {
		t.Errorf("want: %v", err)
	}
	if err := f.Attach(l); err != net.ErrClosed {
		t.Errorf("attach: %v", err)
	}
	if err := l.Post(never); err != net.ErrClosed {
		t.Errorf("post: %v", err)
	}
	if err := l.Linger(4, nil, Read); err != net.ErrClosed {
		t.Errorf("linger: %v", err)
	}
	if err := l.Run(); err != net.ErrClosed {
		t.Errorf("run: %v", err)
	}
	if !timer.When().IsZero() || task.Pending() {
		t.Error("a closed loop took a timer or a task")
	}
	if ctx.Thread() != nil {
		t.Error("the context is owned still")
	}
	ctx.Free()
	if len(told) != 0 {
		t.Errorf("told %v: Close returned it already", told)
	}
}

func TestFreeTellsWhatIsLeft(t *testing.T) {
	var told []error
	ctx := talloc.Root("root")
	l, err := New(ctx, newFake(), Config{OnError: func(err error) { told = append(told, err) }})
	if err != nil {
		t.Fatal(err)
	}
	var f FD
	attach(t, l, &f, 3, Read, nil)
	ctx.Free()
	if len(told) != 1 || !strings.Contains(told[0].Error(), "descriptor of io 3") {
		t.Errorf("told %v", told)
	}
}

func TestFreeInCallback(t *testing.T) {
	// Whatever frees the loop's context, nothing runs after it.
	kinds := []string{"descriptor", "posted", "timer", "task"}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			sys := newFake()
			ctx := talloc.Root("root")
			l, err := New(ctx, sys, Config{})
			if err != nil {
				t.Fatal(err)
			}
			ran := 0
			free := func() {
				if ran++; ran == 1 {
					ctx.Free()
				}
			}
			var fds [2]FD
			for i := range fds {
				if kind == "descriptor" {
					attach(t, l, &fds[i], 3+i, Read, func(Ready) { free() })
					sys.pollers[0].ready[3+i] = Read
				}
				if kind == "posted" {
					post(t, l, free)
				}
				if kind == "timer" {
					newTimer(func(time.Time) { free() }).Set(l, sys.now)
				}
				if kind == "task" {
					l.Defer(newTask(free))
				}
			}
			if err := l.Turn(0); err != nil {
				t.Errorf("turn: %v", err)
			}
			if ran != 1 {
				t.Errorf("%d callbacks ran, want 1", ran)
			}
			if err := l.Turn(0); err != net.ErrClosed {
				t.Errorf("turn of a closed loop: %v", err)
			}
		})
	}
}

func TestPanicNamesOwner(t *testing.T) {
	cause := errors.New("cause")
	cases := []struct {
		name        string
		prepare     func(l *Loop, p *fakePoller, now time.Time)
		what, owner string
	}{
		{"read", func(l *Loop, p *fakePoller, _ time.Time) {
			attach(t, l, new(FD), 3, Read, func(Ready) { panic(cause) })
			p.ready[3] = Read
		}, "read event", "io 3"},
		{"read and write", func(l *Loop, p *fakePoller, _ time.Time) {
			attach(t, l, new(FD), 3, Read|Write, func(Ready) { panic(cause) })
			p.ready[3] = Read | Write
		}, "read event", "io 3"},
		{"timer", func(l *Loop, _ *fakePoller, now time.Time) {
			newTimer(func(time.Time) { panic(cause) }).Set(l, now)
		}, "timer", "a timer"},
		{"task", func(l *Loop, _ *fakePoller, _ time.Time) {
			l.Defer(newTask(func() { panic(cause) }))
		}, "task", "a task"},
		{"posted", func(l *Loop, _ *fakePoller, _ time.Time) {
			l.Post(panicCause(cause))
		}, "posted function", "panicCause"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			l, sys, p := fakeLoop(t, Config{})
			tc.prepare(l, p, sys.now)
			value := caught(func() { l.Turn(0) })
			got, ok := value.(*Panic)
			if !ok {
				t.Fatalf("panic with %T %v", value, value)
			}
			if got.What != tc.what || !strings.Contains(got.Owner, tc.owner) || got.Value != cause || !errors.Is(got, cause) {
				t.Errorf("panic %+v", got)
			}
			if !strings.Contains(got.Error(), "event: panic in "+tc.what+" of ") || !strings.HasSuffix(got.Error(), ": cause") {
				t.Errorf("text %q", got.Error())
			}
			if !strings.Contains(string(got.Stack), "loop_test.go") {
				t.Errorf("the stack does not show the callback:\n%s", got.Stack)
			}
			// The loop can go on.
			ran := false
			l.Defer(newTask(func() { ran = true }))
			delete(p.ready, 3)
			turn(t, l, 0)
			if !ran {
				t.Error("no task runs after a panic")
			}
			for i := range l.slots {
				if l.slots[i].fd != nil {
					l.slots[i].fd.Detach()
				}
			}
		})
	}
}

func panicCause(err error) func() { return func() { panic(err) } }

func TestPanicLosesNothing(t *testing.T) {
	l, sys, _ := fakeLoop(t, Config{})
	var got []string
	for _, name := range []string{"1", "2", "3"} {
		run := func(kind string) {
			got = append(got, kind+name)
			if name == "1" {
				panic(name)
			}
		}
		post(t, l, func() { run("p") })
		newTimer(func(time.Time) { run("t") }).Set(l, sys.now)
		l.Defer(newTask(func() { run("d") }))
	}
	for range 3 {
		mustPanic(t, func() { l.Turn(-1) }, ": 1")
	}
	turn(t, l, -1)
	want := []string{"p1", "p2", "p3", "t1", "t2", "t3", "d1", "d2", "d3"}
	if !slices.Equal(got, want) {
		t.Errorf("ran %v, want %v", got, want)
	}
}

type mute struct{}

func (mute) RunTask()         { panic("first") }
func (mute) Describe() string { panic("second") }

func TestPanicOfDescribe(t *testing.T) {
	l, _, _ := fakeLoop(t, Config{})
	var task Task
	task.Init(mute{})
	l.Defer(&task)
	mustPanic(t, func() { l.Turn(0) }, "panic in task of event.mute, whose Describe panics: second: first")
}

func TestScratchIsSharedByTurns(t *testing.T) {
	l, _, _ := fakeLoop(t, Config{})
	var first, second []byte
	l.Defer(newTask(func() { first = l.Scratch() }))
	turn(t, l, 0)
	l.Defer(newTask(func() { second = l.Scratch() }))
	turn(t, l, 0)
	if &first[0] != &second[0] || len(first) != len(second) {
		t.Error("two turns got different buffers")
	}
}
