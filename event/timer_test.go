package event

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestTimers(t *testing.T) {
	l, sys, _ := fakeLoop(t, Config{})
	start := sys.now
	var got []string
	named := func(name string) *Timer {
		return newTimer(func(now time.Time) { got = append(got, name+" "+now.Sub(start).String()) })
	}
	a, b, c, d := named("a"), named("b"), named("c"), named("d")
	a.Set(l, start.Add(3*time.Second))
	b.Set(l, start.Add(2*time.Second))
	c.Set(l, start.Add(2*time.Second))
	d.Set(l, start.Add(time.Second))
	if !a.When().Equal(start.Add(3 * time.Second)) {
		t.Errorf("when is %v", a.When())
	}
	d.Stop()
	d.Stop()
	if !d.When().IsZero() {
		t.Error("a stopped timer is armed")
	}
	for range 2 {
		turn(t, l, -1)
	}
	want := []string{"b 2s", "c 2s", "a 3s"}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if !a.When().IsZero() {
		t.Error("a timer that ran is armed")
	}
	// The zero time stops.
	a.Set(l, start.Add(time.Hour))
	a.Set(l, time.Time{})
	if !a.When().IsZero() || l.timers.any() != nil {
		t.Error("the zero time does not stop")
	}
}

func TestTimerMoved(t *testing.T) {
	at := func(s ...int) []time.Duration {
		var d []time.Duration
		for _, n := range s {
			d = append(d, time.Duration(n)*time.Second)
		}
		return d
	}
	cases := []struct {
		name string
		sets []time.Duration // of the timer; another is at 5 s, set first
		want string
	}{
		{"later", at(3, 7), "other moved"},
		{"later twice", at(1, 2, 7), "other moved"},
		{"earlier", at(7, 3), "moved other"},
		{"later and back", at(3, 9, 4), "moved other"},
		{"later and before", at(3, 9, 2), "moved other"},
		{"to the same", at(5, 5), "other moved"},
		{"later to the same", at(3, 5), "other moved"},
		{"earlier to the same", at(8, 5), "other moved"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			l, sys, p := fakeLoop(t, Config{})
			start := sys.now
			got := ""
			other := newTimer(func(time.Time) { got += "other " })
			other.Set(l, start.Add(5*time.Second))
			var ran time.Duration
			moved := newTimer(func(now time.Time) { got += "moved "; ran = now.Sub(start) })
			for _, d := range tc.sets {
				moved.Set(l, start.Add(d))
			}
			last := tc.sets[len(tc.sets)-1]
			if !moved.When().Equal(start.Add(last)) {
				t.Errorf("when is %v", moved.When())
			}
			for l.timers.any() != nil {
				turn(t, l, -1)
			}
			if got != tc.want+" " || ran != last {
				t.Errorf("%q at %v, want %q at %v", got, ran, tc.want, last)
			}
			if n := len(p.waits); n > 2 {
				t.Errorf("%d waits for two timers: %v", n, p.waits)
			}
		})
	}
}

func TestTimerOfSetOrder(t *testing.T) {
	// Of equal times the last Set counts, also if the heap kept an older entry.
	l, sys, _ := fakeLoop(t, Config{})
	at := sys.now.Add(time.Second)
	got := ""
	a := newTimer(func(time.Time) { got += "a" })
	b := newTimer(func(time.Time) { got += "b" })
	c := newTimer(func(time.Time) { got += "c" })
	a.Set(l, at)
	b.Set(l, at)
	c.Set(l, at)
	a.Set(l, at)
	turn(t, l, -1)
	if got != "bca" {
		t.Errorf("order %q, want bca", got)
	}
}

func TestTimerStopsAnother(t *testing.T) {
	// Those due together: the first stops, moves or sets the others anew.
	l, sys, _ := fakeLoop(t, Config{})
	start := sys.now
	got := ""
	var stopped, later, again, dead *Timer
	first := newTimer(func(now time.Time) {
		got += "first "
		stopped.Stop()
		later.Set(l, now.Add(time.Second))
		again.Set(l, now)
	})
	stopped = newTimer(func(time.Time) { got += "stopped " })
	later = newTimer(func(time.Time) { got += "later " })
	again = newTimer(func(time.Time) { got += "again " })
	dead = newTimer(func(time.Time) { got += "last " })
	for _, timer := range []*Timer{first, stopped, later, again, dead} {
		timer.Set(l, start)
	}
	turn(t, l, -1)
	if got != "first last " {
		t.Errorf("first turn: %q", got)
	}
	turn(t, l, -1)
	if got != "first last again " {
		t.Errorf("second turn: %q", got)
	}
	turn(t, l, -1)
	if got != "first last again later " || !sys.now.Equal(start.Add(time.Second)) {
		t.Errorf("third turn: %q at %v", got, sys.now)
	}
}

func TestShortTimeoutDoesNotSpin(t *testing.T) {
	for _, d := range []time.Duration{1, 300 * time.Microsecond, time.Millisecond, 1001 * time.Microsecond} {
		l, sys, p := fakeLoop(t, Config{})
		ran := 0
		newTimer(func(time.Time) { ran++ }).Set(l, sys.now.Add(d))
		for ran == 0 && len(p.waits) < 10 {
			turn(t, l, -1)
		}
		if len(p.waits) != 1 {
			t.Errorf("%d waits for a timer in %v, want 1", len(p.waits), d)
		}
	}
	for d, want := range map[time.Duration]int{
		-1: -1, 0: 0, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, time.Second: 1000, 1 << 62: 1<<31 - 1,
	} {
		if got := milliseconds(d); got != want {
			t.Errorf("%v is %d ms, want %d", d, got, want)
		}
	}
}

func TestShortTimeoutDoesNotSpinOnTheSystem(t *testing.T) {
	l := newLoop(t, realSystem{}, Config{})
	ran := 0
	var timer *Timer
	timer = newTimer(func(now time.Time) {
		if ran++; ran < 20 {
			timer.Set(l, now.Add(300*time.Microsecond))
		}
	})
	timer.Set(l, l.Now().Add(300*time.Microsecond))
	for ran < 20 && l.Stats().Turns < 1000 {
		turn(t, l, -1)
	}
	// One wait each; a clock tick between the two clocks may cost one more now and then, a spin costs hundreds.
	if n := l.Stats().Turns; n > 40 {
		t.Errorf("%d turns for 20 time-outs of 0.3 ms", n)
	}
}

func TestIdleTimeoutDoesNotWake(t *testing.T) {
	// An idle time-out that is pushed back by traffic does not end a wait of the loop.
	l, sys, p := fakeLoop(t, Config{})
	var f FD
	idle := newTimer(func(time.Time) { t.Error("expired") })
	attach(t, l, &f, 5, Read, func(Ready) { idle.Set(l, l.Now().Add(10*time.Second)) })
	idle.Set(l, sys.now.Add(10*time.Second))
	p.ready[5] = Read
	for range 100 {
		p.onWait = func() { sys.now = sys.now.Add(time.Second) }
		turn(t, l, -1)
	}
	if n := l.Stats().Waits; n != 100 {
		t.Errorf("%d waits in 100 turns", n)
	}
	for _, w := range p.waits {
		if w != 10*time.Second {
			t.Fatalf("waits %v: not the idle time-out", p.waits)
		}
	}
	idle.Stop()
	f.Detach()
}

// heapIsOrdered fails unless each entry is not before its parent and knows its place.
func heapIsOrdered(t *testing.T, q *timers) {
	t.Helper()
	for i := range q.heap {
		e := &q.heap[i]
		if i > 0 && e.before(&q.heap[(i-1)/4]) {
			t.Fatalf("entry %d is before its parent", i)
		}
		if int(e.timer.place) != i+1 || e.key > e.timer.due {
			t.Fatalf("entry %d: place %d, key %d, due %d", i, e.timer.place, e.key, e.timer.due)
		}
	}
}

func TestTimersAgainstSorting(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		l, sys, _ := fakeLoop(t, Config{})
		start := sys.now
		type mark struct{ due, seq int }
		const count = 200
		armed := map[int]mark{}
		var got []int
		list := make([]*Timer, count)
		for i := range list {
			list[i] = newTimer(func(now time.Time) {
				if want := start.Add(time.Duration(armed[i].due) * time.Second); now.Before(want) {
					t.Errorf("seed %d: timer %d ran %v early", seed, i, want.Sub(now))
				}
				got = append(got, i)
			})
		}
		for seq := range 2000 {
			i := r.IntN(count)
			if r.IntN(4) == 0 {
				list[i].Stop()
				delete(armed, i)
			} else {
				due := r.IntN(50)
				list[i].Set(l, start.Add(time.Duration(due)*time.Second))
				armed[i] = mark{due, seq}
			}
			if seq%100 == 0 {
				heapIsOrdered(t, &l.timers)
			}
		}
		var want []int
		for i := range armed {
			want = append(want, i)
		}
		slices.SortFunc(want, func(a, b int) int {
			if d := armed[a].due - armed[b].due; d != 0 {
				return d
			}
			return armed[a].seq - armed[b].seq
		})
		for l.timers.any() != nil {
			turn(t, l, -1)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: order %v, want %v", seed, got, want)
		}
	}
}

func TestMillionTimers(t *testing.T) {
	l, sys, p := fakeLoop(t, Config{})
	start := sys.now
	const count = manyTimers
	ran := 0
	o := &owner{name: "io", expire: func(time.Time) { ran++ }}
	list := make([]Timer, count)
	at := func(i, more int) time.Time {
		return start.Add(time.Duration(i%3600+more) * time.Second)
	}
	for i := range list {
		list[i].Init(o)
		list[i].Set(l, at(i, 1))
	}
	// Moving all to later, as traffic does with idle time-outs, does not touch the heap.
	before := slices.Clone(l.timers.heap)
	for round := range 3 {
		for i := range list {
			list[i].Set(l, at(i, 10+round))
		}
	}
	if !slices.Equal(l.timers.heap, before) {
		t.Error("moving timers to later moved entries of the heap")
	}
	for i := range list {
		if i%2 == 0 {
			list[i].Stop()
		}
	}
	if n := len(l.timers.heap); n != count/2 {
		t.Errorf("%d entries for %d timers: stopped ones are kept", n, count/2)
	}
	for l.timers.any() != nil {
		turn(t, l, -1)
	}
	if ran != count/2 {
		t.Errorf("%d ran, want %d", ran, count/2)
	}
	// i odd: i%3600 is odd, 1800 different seconds.
	if n := len(p.waits); n != 1800 {
		t.Errorf("%d waits, want one for each of 1800 different times", n)
	}
}
