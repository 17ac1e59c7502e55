package event

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

func TestSizes(t *testing.T) {
	// They are part of every IO.
	for name, n := range map[string][2]uintptr{
		"FD":    {unsafe.Sizeof(FD{}), 48},
		"Timer": {unsafe.Sizeof(Timer{}), 48},
		"Task":  {unsafe.Sizeof(Task{}), 40},
	} {
		if n[0] > n[1] {
			t.Errorf("%s is %d bytes, want at most %d", name, n[0], n[1])
		}
	}
}

func TestWant(t *testing.T) {
	cases := []struct {
		name   string
		wishes []Ready
		now    []string // poller calls before the turn
		later  []string // and by it
	}{
		{"add at once", []Ready{Read}, []string{"add 5 read"}, nil},
		{"nothing wanted", []Ready{0}, nil, nil},
		{"hangup is no wish", []Ready{Hangup}, nil, nil},
		{"change later", []Ready{Read, Read | Write}, []string{"add 5 read"}, []string{"modify 5 read+write"}},
		{"last change counts", []Ready{Read, Write, Read | Write, Write}, []string{"add 5 read"}, []string{"modify 5 write"}},
		{"changed back", []Ready{Read, Write, 0, Read}, []string{"add 5 read"}, nil},
		{"0 leaves the poller", []Ready{Read, 0}, []string{"add 5 read"}, []string{"remove 5"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			l, _, p := fakeLoop(t, Config{})
			var f FD
			f.Init(5, &owner{name: "io"})
			if err := f.Attach(l); err != nil {
				t.Fatal(err)
			}
			for _, w := range tc.wishes {
				if err := f.Want(w); err != nil {
					t.Fatal(err)
				}
				if f.Wanted() != w&wishes {
					t.Errorf("wanted %v after Want(%v)", f.Wanted(), w)
				}
			}
			if !slices.Equal(p.calls, tc.now) {
				t.Errorf("before the turn: %v, want %v", p.calls, tc.now)
			}
			p.calls = nil
			turn(t, l, 0)
			if !slices.Equal(p.calls, tc.later) {
				t.Errorf("by the turn: %v, want %v", p.calls, tc.later)
			}
			p.calls = nil
			turn(t, l, 0)
			if len(p.calls) > 0 {
				t.Errorf("by another turn: %v", p.calls)
			}
			f.Detach()
			f.Detach()
			if _, ok := p.ids[5]; ok || f.Loop() != nil || f.Wanted() != 0 {
				t.Error("not gone after Detach")
			}
			turn(t, l, 0)
		})
	}
}

func TestWantZeroAndBack(t *testing.T) {
	l, _, p := fakeLoop(t, Config{})
	var f FD
	events := 0
	attach(t, l, &f, 5, Read, func(Ready) { events++ })
	f.Want(0)
	turn(t, l, 0)
	p.ready[5] = Hangup
	turn(t, l, 0)
	if events != 0 {
		t.Error("an event that nobody wants")
	}
	p.calls = nil
	f.Want(Write)
	if !slices.Equal(p.calls, []string{"add 5 write"}) {
		t.Errorf("wish after none: %v", p.calls)
	}
	turn(t, l, 0)
	if events != 1 {
		t.Errorf("%d events, want 1", events)
	}
	f.Detach()
}

func TestWantAddFails(t *testing.T) {
	l, _, p := fakeLoop(t, Config{})
	var f FD
	f.Init(5, &owner{name: "io"})
	if err := f.Attach(l); err != nil {
		t.Fatal(err)
	}
	p.addError = syscall.ENOSPC
	if err := f.Want(Read); err != syscall.ENOSPC {
		t.Errorf("want: %v", err)
	}
	if f.Wanted() != 0 || f.Loop() != l {
		t.Errorf("after a failed Want: wanted %v, loop %v", f.Wanted(), f.Loop())
	}
	p.addError = nil
	p.calls = nil
	turn(t, l, 0)
	if len(p.calls) != 0 {
		t.Errorf("calls %v, want none", p.calls)
	}
	if err := f.Want(Read); err != nil {
		t.Errorf("second try: %v", err)
	}
	f.Detach()
}

func TestModifyRefused(t *testing.T) {
	var told []error
	l, sys, p := fakeLoop(t, Config{OnError: func(err error) { told = append(told, err) }})
	start := sys.now
	var f, g FD
	attach(t, l, &f, 5, Read, nil)
	attach(t, l, &g, 6, Read, nil)
	f.Want(Write)
	p.moveError = syscall.ENOMEM
	turn(t, l, -1)
	turn(t, l, -1)
	if len(told) != 2 || !errors.Is(told[0], syscall.ENOMEM) || !strings.Contains(told[0].Error(), "modify descriptor 5 of io 5") {
		t.Errorf("told %v", told)
	}
	if waited := sys.now.Sub(start); waited != 2*retryPause {
		t.Errorf("waited %v for the next tries, want %v", waited, 2*retryPause)
	}
	f.Want(Read | Write)
	p.moveError = nil
	turn(t, l, time.Second)
	if p.wants[5] != Read|Write {
		t.Errorf("poller wants %v", p.wants[5])
	}
	if got := p.waits[len(p.waits)-1]; got != time.Second {
		t.Errorf("waits %v after success", got)
	}
	f.Detach()
	g.Detach()
}

func TestRemoveRefused(t *testing.T) {
	var told []error
	l, _, p := fakeLoop(t, Config{OnError: func(err error) { told = append(told, err) }})
	var f FD
	attach(t, l, &f, 5, Read, func(Ready) { t.Error("an event after Detach") })
	p.dropError = syscall.ENOMEM
	f.Detach()
	if len(told) != 1 || !errors.Is(told[0], syscall.ENOMEM) || !strings.Contains(told[0].Error(), "remove descriptor 5 of io 5") {
		t.Errorf("told %v", told)
	}
	p.ready[5] = Read
	turn(t, l, 0)
	if l.Stats().Stale != 1 {
		t.Errorf("%d stale, want 1", l.Stats().Stale)
	}
	attach(t, l, &f, 6, Read, nil)
	p.dropError = syscall.EBADF
	mustPanic(t, f.Detach, "descriptor 6 of io 6 was closed before Detach")
	f.Detach()
}

func TestClosedBeforeDetach(t *testing.T) {
	l, _, p := fakeLoop(t, Config{})
	var f FD
	attach(t, l, &f, 5, Read, nil)
	f.Want(Write)
	delete(p.ids, 5)
	mustPanic(t, func() { l.Turn(0) }, "descriptor 5 of io 5 was closed before Detach")
	f.armed, f.want = 0, 0
	f.Detach()
}

func TestMisuse(t *testing.T) {
	l, sys, _ := fakeLoop(t, Config{})
	var f FD
	mustPanic(t, func() { f.Attach(l) }, "Attach before Init")
	attach(t, l, &f, 5, 0, nil)
	mustPanic(t, func() { f.Attach(l) }, "Attach of a descriptor that is in a loop: io 5")
	mustPanic(t, func() { f.Init(6, nil) }, "Init of a descriptor in a loop: io 5")
	f.Detach()
	var timer Timer
	mustPanic(t, func() { timer.Set(l, sys.now) }, "Set of a timer before Init")
	timer.Init(&owner{name: "io 7"})
	timer.Set(l, sys.now)
	mustPanic(t, func() { timer.Init(nil) }, "Init of an armed timer: io 7")
	timer.Stop()
	var task Task
	mustPanic(t, func() { l.Defer(&task) }, "Defer of a task before Init")
	task.Init(&owner{name: "io 8"})
	l.Defer(&task)
	mustPanic(t, func() { task.Init(nil) }, "Init of a deferred task: io 8")
	task.Cancel()
	mustPanic(t, func() { l.Linger(5, &fakeCloser{name: "io 9"}, Hangup) }, "Linger without a wish: io 9")
	if err := f.Want(Read); err == nil {
		t.Error("Want without a loop succeeds")
	}
}

func TestReadyIsWhatIsWanted(t *testing.T) {
	both := []Ready{Read, Write}
	cases := []struct {
		want, ready Ready
		got         []Ready
	}{
		{Read, Read, []Ready{Read}},
		{Read | Write, Read, []Ready{Read}},
		{Read | Write, Read | Write, both},
		{Read, Hangup, []Ready{Read}},
		{Write, Hangup, []Ready{Write}},
		{Read | Write, Hangup, both},
		{Read | Write, Read | Hangup, both},
		{Write, Read | Hangup, []Ready{Write}},
	}
	for _, tc := range cases {
		l, _, p := fakeLoop(t, Config{})
		var got []Ready
		var f FD
		attach(t, l, &f, 5, tc.want, func(r Ready) { got = append(got, r) })
		p.ready[5] = tc.ready
		turn(t, l, 0)
		turn(t, l, 0)
		if !slices.Equal(got, slices.Concat(tc.got, tc.got)) {
			t.Errorf("wanted %v, ready for %v: handler got %v, want %v each turn", tc.want, tc.ready, got, tc.got)
		}
		f.Detach()
	}
}

func TestEventsOfABatch(t *testing.T) {
	// Descriptors 5 and 6 are ready together; the handler of 5 changes what 6 is.
	cases := []struct {
		name   string
		change func(l *Loop, p *fakePoller, six, other *FD)
		six    []Ready // what reaches the handler of 6 in that batch
		other  int     // events of who has the number after it
		stale  uint64
	}{
		{"nothing", func(*Loop, *fakePoller, *FD, *FD) {}, []Ready{Read, Write}, 0, 0},
		{"detach", func(_ *Loop, _ *fakePoller, six, _ *FD) { six.Detach() }, nil, 0, 1},
		{"wish taken back", func(_ *Loop, _ *fakePoller, six, _ *FD) { six.Want(0) }, nil, 0, 0},
		{"one wish taken back", func(_ *Loop, _ *fakePoller, six, _ *FD) { six.Want(Write) }, []Ready{Write}, 0, 0},
		{"number used again, same slot", func(l *Loop, _ *fakePoller, six, other *FD) {
			six.Detach()
			other.Attach(l)
			other.Want(Read | Write)
		}, nil, 0, 1},
		{"out and in again", func(l *Loop, _ *fakePoller, six, _ *FD) {
			six.Detach()
			six.Attach(l)
			six.Want(Read)
		}, nil, 0, 1},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			l, _, p := fakeLoop(t, Config{})
			var five, six, other FD
			var got []Ready
			others := 0
			done := false
			attach(t, l, &five, 5, Read, func(Ready) {
				if !done {
					done = true
					tc.change(l, p, &six, &other)
				}
			})
			attach(t, l, &six, 6, Read|Write, func(r Ready) { got = append(got, r) })
			other.Init(6, &owner{name: "other", ready: func(Ready) { others++ }})
			p.ready[5], p.ready[6] = Read, Read|Write
			turn(t, l, 0)
			if !slices.Equal(got, tc.six) || others != tc.other {
				t.Errorf("events: %v, of the other %d; want %v and %d", got, others, tc.six, tc.other)
			}
			if s := l.Stats().Stale; s != tc.stale {
				t.Errorf("%d stale, want %d", s, tc.stale)
			}
			if other.Loop() != nil {
				turn(t, l, 0)
				if others != 2 {
					t.Errorf("the other got %d events in the next turn, want read and write", others)
				}
			}
			five.Detach()
			six.Detach()
			other.Detach()
		})
	}
}

func TestSlotsAreUsedAgain(t *testing.T) {
	l, _, p := fakeLoop(t, Config{})
	var fds [3]FD
	ids := map[uint64]bool{}
	for round := range 10 {
		for i := range fds {
			attach(t, l, &fds[i], i, Read, nil)
			id := p.ids[i]
			if ids[id] {
				t.Errorf("round %d: id %#x was used before", round, id)
			}
			ids[id] = true
		}
		for i := range fds {
			fds[i].Detach()
		}
	}
	if len(l.slots) != len(fds) || l.attached != 0 {
		t.Errorf("%d slots, %d attached", len(l.slots), l.attached)
	}
}

func TestMove(t *testing.T) {
	// An IO leaves in its own callback, with descriptor, timer and task, and enters another loop by a message to it.
	one, sys, p1 := fakeLoop(t, Config{Name: "one"})
	two := newLoop(t, sys, Config{Name: "two"})
	p2 := sys.pollers[1]
	var f FD
	var on []string
	timer := newTimer(func(time.Time) { on = append(on, "timer") })
	task := newTask(func() { on = append(on, "task") })
	enter := func() {
		if err := f.Attach(two); err != nil {
			t.Fatal(err)
		}
		if err := f.Want(Read | Write); err != nil {
			t.Fatal(err)
		}
		timer.Set(two, sys.now)
		two.Defer(task)
	}
	attach(t, one, &f, 5, Read, func(Ready) {
		on = append(on, f.Loop().cfg.Name)
		if f.Loop() == one {
			f.Detach()
			timer.Stop()
			task.Cancel()
			post(t, two, enter)
		}
	})
	timer.Set(one, sys.now)
	one.Defer(task)
	p1.ready[5], p2.ready[5] = Read, Read
	turn(t, one, 0)
	turn(t, one, 0)
	if !slices.Equal(on, []string{"one"}) || f.Loop() != nil {
		t.Errorf("on the first loop: %v", on)
	}
	on = nil
	turn(t, two, -1)
	turn(t, two, -1)
	if !slices.Equal(on, []string{"timer", "task", "two"}) {
		t.Errorf("on the second loop: %v", on)
	}
	if _, ok := p1.ids[5]; ok || p2.wants[5] != Read|Write || f.Loop() != two {
		t.Error("the descriptor is in the wrong poller")
	}
	f.Detach()
}

func TestSetAndDeferOnAnotherLoopLeaveTheFirst(t *testing.T) {
	one, sys, _ := fakeLoop(t, Config{Name: "one"})
	two := newLoop(t, sys, Config{Name: "two"})
	ran := ""
	timer := newTimer(func(time.Time) { ran += "timer " })
	task := newTask(func() { ran += "task " })
	for _, l := range []*Loop{one, two} {
		timer.Set(l, sys.now)
		l.Defer(task)
	}
	turn(t, one, 0)
	if ran != "" {
		t.Errorf("the first loop ran %s", ran)
	}
	turn(t, two, 0)
	if ran != "timer task " {
		t.Errorf("the second loop ran %s", ran)
	}
}

// The first of two callbacks may close the descriptor, or give it to another thread: then the second is not called.
func TestOneWishAtATime(t *testing.T) {
	for name, leave := range map[string]func(*FD){
		"detach":          func(f *FD) { f.Detach() },
		"wish taken back": func(f *FD) { f.Want(Read) },
	} {
		l, _, p := fakeLoop(t, Config{})
		var f FD
		var got []Ready
		attach(t, l, &f, 5, Read|Write, func(r Ready) {
			got = append(got, r)
			leave(&f)
		})
		p.ready[5] = Read | Write
		turn(t, l, 0)
		if !slices.Equal(got, []Ready{Read}) {
			t.Errorf("%s in the read callback: handler got %v, want read only", name, got)
		}
		f.Detach()
	}
}
