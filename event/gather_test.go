package event

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/frio-io/frio/talloc"
)

const coalesce = time.Millisecond

// stream is a loop on a fake system with two descriptors. Of each wait that may last, step says after how long which of them gets
// ready; what a rest brings says rest.
type stream struct {
	l    *Loop
	sys  *fakeSystem
	p    *fakePoller
	fds  [2]FD
	got  int // events
	step time.Duration
	rest int
}

func newStream(t *testing.T, cfg Config) *stream {
	s := new(stream)
	s.l, s.sys, s.p = fakeLoop(t, cfg)
	for i := range s.fds {
		fd := i + 3
		attach(t, s.l, &s.fds[i], fd, Read, func(Ready) {
			s.got++
			delete(s.p.ready, fd)
		})
	}
	t.Cleanup(func() {
		for i := range s.fds {
			s.fds[i].Detach()
		}
	})
	s.p.onWait = func() {
		if s.p.waits[len(s.p.waits)-1] != 0 && len(s.p.ready) == 0 {
			s.sys.now = s.sys.now.Add(s.step)
			s.p.ready[3] = Read
		}
	}
	s.p.onRest = func() {
		for i := range s.rest {
			s.p.ready[i+3] = Read
		}
	}
	return s
}

// turns runs count turns and returns how many rests and events there were.
func (s *stream) turns(t *testing.T, count int) (rests, events int) {
	t.Helper()
	rests, events = len(s.p.rests), s.got
	for range count {
		turn(t, s.l, -1)
	}
	return len(s.p.rests) - rests, s.got - events
}

func TestCoalesce(t *testing.T) {
	for _, c := range []struct {
		name          string
		cfg           time.Duration
		step          time.Duration
		rest          int
		rests, events int // in 100 turns, after 100
	}{
		{"not asked for", 0, 50 * time.Microsecond, 2, 0, 100},
		{"events are rare", coalesce, coalesce, 2, 0, 100},
		{"a turn for two events", coalesce, 50 * time.Microsecond, 2, 100, 200},
		{"one event would only be late", coalesce, 50 * time.Microsecond, 1, 11, 100},
		{"nothing comes during a rest", coalesce, 50 * time.Microsecond, 0, 11, 89},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStream(t, Config{Coalesce: c.cfg})
			s.step, s.rest = c.step, c.rest
			s.turns(t, 100)
			rests, events := s.turns(t, 100)
			if rests != c.rests || events != c.events {
				t.Errorf("%d rests and %d events, want %d and %d", rests, events, c.rests, c.events)
			}
			for _, pause := range s.p.rests {
				if pause != c.cfg {
					t.Fatalf("a rest of %v", pause)
				}
			}
			if got := s.l.Stats().Rests; got != uint64(len(s.p.rests)) {
				t.Errorf("%d rests are counted, want %d", got, len(s.p.rests))
			}
		})
	}
}

// TestCoalesceTakesWhatIsThere: who has work to do does not rest.
func TestCoalesceTakesWhatIsThere(t *testing.T) {
	s := newStream(t, Config{Coalesce: coalesce})
	s.step, s.rest = 50*time.Microsecond, 2
	s.turns(t, busyWaits)
	for range 100 {
		s.p.ready[3] = Read
		if rests, events := s.turns(t, 1); rests != 0 || events != 1 {
			t.Fatalf("%d rests, %d events", rests, events)
		}
	}
	if rests, _ := s.turns(t, 1); rests != 1 {
		t.Error("with nothing to do it does not rest any more")
	}
}

// TestCoalesceTimer: no time-out is late because of a rest.
func TestCoalesceTimer(t *testing.T) {
	s := newStream(t, Config{Coalesce: coalesce})
	s.step, s.rest = 50*time.Microsecond, 2
	s.turns(t, busyWaits)
	expired := false
	timer := newTimer(func(time.Time) { expired = true })
	timer.Set(s.l, s.l.Now().Add(coalesce))
	s.p.onWait = nil
	if rests, _ := s.turns(t, 1); rests != 0 || !expired {
		t.Errorf("%d rests, expired: %t", rests, expired)
	}
}

// TestCoalescePost: the look before a rest takes the wake-up of a Post, which must not wait for the next event then.
func TestCoalescePost(t *testing.T) {
	s := newStream(t, Config{Coalesce: coalesce})
	s.step, s.rest = 50*time.Microsecond, 2
	s.turns(t, busyWaits)
	ran := false
	s.p.onWait = func() {
		if !ran {
			s.p.onWait = nil
			s.l.Post(func() { ran = true })
		}
	}
	if rests, _ := s.turns(t, 1); rests != 0 || !ran {
		t.Errorf("%d rests, ran: %t", rests, ran)
	}
	ran = false
	s.p.onRest = func() { s.l.Post(func() { ran = true }) }
	if rests, _ := s.turns(t, 1); rests != 1 || !ran {
		t.Errorf("posted during a rest: %d rests, ran: %t", rests, ran)
	}
}

// TestCoalesceStop: a loop that rests ends.
func TestCoalesceStop(t *testing.T) {
	s := newStream(t, Config{Coalesce: coalesce})
	s.step, s.rest = 50*time.Microsecond, 2
	s.turns(t, busyWaits)
	s.p.onRest = s.l.Stop
	if err := s.l.Run(); err != nil {
		t.Error(err)
	}
}

func TestCoalesceBounds(t *testing.T) {
	ctx := talloc.Root("test")
	defer ctx.Free()
	for _, d := range []time.Duration{-1, CoalesceMax + 1} {
		if _, err := New(ctx, newFake(), Config{Name: "l", Coalesce: d}); err == nil || !strings.Contains(err.Error(), "coalesce: "+d.String()+" is not between 0 and 10ms") {
			t.Errorf("%v: %v", d, err)
		}
	}
}

// TestPollerRest: what gets ready and who wakes the poller during a rest is there afterwards.
func TestPollerRest(t *testing.T) {
	p := newPoller(t)
	a, b := pair(t)
	defer closeAll(a, b)
	if err := p.Add(a, 7, Read); err != nil {
		t.Fatal(err)
	}
	unix.Write(b, []byte("x"))
	if err := p.Wake(); err != nil {
		t.Fatal(err)
	}
	p.Rest(time.Microsecond)
	if got := wait(t, p, 0); got[7] != Read {
		t.Errorf("after a rest: %v", got)
	}
	unix.Read(a, make([]byte, 1))
	if err := p.Wake(); err != nil {
		t.Fatal(err)
	}
	p.Rest(time.Microsecond)
	if got := wait(t, p, -1); len(got) != 0 { // it returns: it was woken
		t.Errorf("after a wake-up: %v", got)
	}
}

func TestRestDoesNotAllocate(t *testing.T) {
	l := newLoop(t, realSystem{}, Config{Coalesce: time.Microsecond})
	l.short = busyWaits
	before := l.Stats().Rests
	if n := testing.AllocsPerRun(100, func() {
		l.short = busyWaits
		turn(t, l, time.Second)
	}); n != 0 {
		t.Errorf("%v allocations a turn", n)
	}
	if got := l.Stats().Rests - before; got != 101 {
		t.Errorf("%d rests in 101 turns", got)
	}
}
