package event

import (
	"slices"
	"sync"
	"syscall"
	"testing"
)

func TestDefer(t *testing.T) {
	l, _, p := fakeLoop(t, Config{})
	var got []string
	say := func(s string) func() { return func() { got = append(got, s) } }
	a, b, c := newTask(say("a")), newTask(say("b")), newTask(say("c"))
	l.Defer(a)
	l.Defer(b)
	l.Defer(a) // once
	l.Defer(c)
	b.Cancel()
	b.Cancel()
	if !a.Pending() || b.Pending() {
		t.Error("pending is wrong")
	}
	turn(t, l, -1)
	if !slices.Equal(got, []string{"a", "c"}) || a.Pending() {
		t.Errorf("ran %v, a pending %v", got, a.Pending())
	}
	got = nil
	turn(t, l, 0)
	if len(got) != 0 {
		t.Errorf("ran again: %v", got)
	}
	// One task cancels another of the same turn and defers a third for the next.
	p.waits = nil
	next := newTask(say("next"))
	first := newTask(func() {
		got = append(got, "first")
		b.Cancel()
		l.Defer(next)
		l.Defer(c)
	})
	l.Defer(first)
	l.Defer(b)
	l.Defer(c)
	turn(t, l, -1)
	if !slices.Equal(got, []string{"first", "c"}) {
		t.Errorf("ran %v", got)
	}
	turn(t, l, -1)
	if !slices.Equal(got, []string{"first", "c", "next"}) {
		t.Errorf("ran %v", got)
	}
	if p.waits[0] != 0 || p.waits[1] != 0 {
		t.Errorf("waits %v with tasks deferred", p.waits)
	}
}

func TestTaskDefersItselfWhileRunning(t *testing.T) {
	l, _, _ := fakeLoop(t, Config{})
	runs := 0
	var task *Task
	task = newTask(func() {
		if task.Pending() {
			t.Error("a running task is pending")
		}
		if runs++; runs < 3 {
			l.Defer(task)
		}
	})
	l.Defer(task)
	for i := 1; i <= 4; i++ {
		turn(t, l, 0)
		if want := min(i, 3); runs != want {
			t.Errorf("turn %d: %d runs, want %d", i, runs, want)
		}
	}
}

func TestPost(t *testing.T) {
	l, _, p := fakeLoop(t, Config{MaxPosted: 3})
	var got []int
	for i := range 3 {
		post(t, l, func() { got = append(got, i) })
	}
	if err := l.Post(func() { t.Error("ran") }); err != syscall.EAGAIN {
		t.Errorf("fourth of three: %v", err)
	}
	if p.wakes != 1 {
		t.Errorf("%d wake-ups by three Posts in one turn, want 1", p.wakes)
	}
	turn(t, l, -1)
	if !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("ran %v", got)
	}
	post(t, l, func() {})
	if p.wakes != 2 {
		t.Errorf("%d wake-ups, want a second one after the queue was empty", p.wakes)
	}
	turn(t, l, -1)
}

func TestPostFromManyGoroutines(t *testing.T) {
	const goroutines, each = 8, 2000
	l := newLoop(t, realSystem{}, Config{MaxPosted: 64})
	last := [goroutines]int{}
	left := goroutines * each
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := 1; i <= each; i++ {
				room := make(chan bool, 1)
				f := func() {
					if last[g] != i-1 {
						t.Errorf("goroutine %d: %d after %d", g, i, last[g])
					}
					last[g] = i
					left--
					room <- true
				}
				// At most 4 of each wait: 32 of the 64 that there is room for.
				if err := l.Post(f); err != nil {
					t.Errorf("post: %v", err)
				}
				if i%4 == 0 {
					<-room
				}
			}
		})
	}
	for left > 0 {
		turn(t, l, -1)
	}
	wg.Wait()
	if s := l.Stats(); s.Posted != goroutines*each {
		t.Errorf("%d ran", s.Posted)
	}
}
