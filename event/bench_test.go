package event

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// turnOfAll returns a function that runs one turn with everything in it: two events, a posted function, a task, a
// time-out, time-outs moved to later and stopped, and changed wishes.
func turnOfAll(t testing.TB, l *Loop) (step, end func()) {
	a, b := pair(t)
	var f, g FD
	message := []byte("x")
	var p [8]byte
	idle := newTimer(func(time.Time) { t.Error("idle") })
	short := newTimer(func(time.Time) {})
	stopped := newTimer(func(time.Time) { t.Error("stopped") })
	task := newTask(func() { stopped.Stop() })
	attach(t, l, &f, a, Read, func(Ready) {
		unix.Read(a, p[:])
		idle.Set(l, l.Now().Add(time.Hour))
		short.Set(l, l.Now())
		stopped.Set(l, l.Now().Add(time.Minute))
		l.Defer(task)
		g.Want(Write)
	})
	attach(t, l, &g, b, Write, func(Ready) {
		unix.Write(b, message)
		g.Want(Read)
	})
	posted := func() { l.Scratch()[0]++ }
	before := l.Stats()
	turns := uint64(0)
	step = func() {
		if err := l.Post(posted); err != nil {
			t.Fatal(err)
		}
		turn(t, l, -1)
		turns++
	}
	end = func() {
		s := l.Stats()
		if s.Posted-before.Posted != turns || s.Events-before.Events < turns/2 || s.Timers-before.Timers < turns/3 || s.Deferred-before.Deferred < turns/3 {
			t.Errorf("a turn does less than it should: %d turns, %+v", turns, s)
		}
		idle.Stop()
		f.Detach()
		g.Detach()
		closeAll(a, b)
	}
	return step, end
}

func TestTurnDoesNotAllocate(t *testing.T) {
	l := newLoop(t, realSystem{}, Config{})
	step, end := turnOfAll(t, l)
	defer end()
	for range 10 {
		step()
	}
	if got := testing.AllocsPerRun(1000, step); got != 0 {
		t.Errorf("a turn allocates %v times", got)
	}
}

func TestLingerDoesNotAllocate(t *testing.T) {
	l := newLoop(t, realSystem{}, Config{})
	a, b := pair(t)
	defer closeAll(a, b)
	c := &fakeCloser{name: "c", log: make([]string, 0, 8)}
	steps := []Ready{0}
	got := testing.AllocsPerRun(100, func() {
		c.steps, c.log = steps, c.log[:0]
		if err := l.Linger(a, c, Write); err != nil {
			t.Fatal(err)
		}
		turn(t, l, -1)
	})
	if got != 0 || l.Stats().Lingering != 0 {
		t.Errorf("%v allocations, %d lingering", got, l.Stats().Lingering)
	}
}

func TestAttachDoesNotAllocate(t *testing.T) {
	l := newLoop(t, realSystem{}, Config{})
	a, b := pair(t)
	defer closeAll(a, b)
	var f FD
	f.Init(a, &owner{name: "io"})
	got := testing.AllocsPerRun(100, func() {
		f.Attach(l)
		f.Want(Read)
		f.Want(Read | Write)
		f.Detach()
	})
	if got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkTurn(b *testing.B) {
	l := newLoop(b, realSystem{}, Config{})
	step, end := turnOfAll(b, l)
	defer end()
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}

func BenchmarkTimerMillion(b *testing.B) {
	const count = 1_000_000
	l, sys, _ := fakeLoop(b, Config{})
	o := &owner{name: "io", expire: func(time.Time) {}}
	list := make([]Timer, count)
	at := func(i, more int) time.Time { return sys.now.Add(time.Duration(i*7919%3600+more) * time.Second) }
	for i := range list {
		list[i].Init(o)
		list[i].Set(l, at(i, 1))
	}
	b.Run("later", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			list[i%count].Set(l, at(i%count, 10+i%100))
		}
	})
	b.Run("stop-and-add", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			list[i%count].Stop()
			list[i%count].Set(l, at(i%count, 1))
		}
	})
	for i := range list {
		list[i].Stop()
	}
}

func BenchmarkPost(b *testing.B) {
	l := newLoop(b, realSystem{}, Config{})
	f := func() {}
	b.ReportAllocs()
	for b.Loop() {
		for range 64 {
			l.Post(f)
		}
		turn(b, l, -1)
	}
}
