package event

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/frio-io/frio/talloc"
)

const coalesce = time.Millisecond

// traffic is a loop on a fake system, and messages that come to it.
type traffic struct {
	*testing.T
	l   *Loop
	sys *fakeSystem
	p   *fakePoller
	fd  FD
	due []time.Time // when the next messages come, in order
	// every is the time between two messages, whatever becomes of them; 0: they come when others have been answered
	every time.Duration
	delay time.Duration // from the answer to a message to the peer's next one, with every 0
	got   int
}

func newTraffic(t *testing.T, cfg time.Duration) *traffic {
	s := &traffic{T: t}
	s.l, s.sys, s.p = fakeLoop(t, Config{Coalesce: cfg})
	attach(t, s.l, &s.fd, 3, Read, func(Ready) { s.read() })
	t.Cleanup(s.fd.Detach)
	s.p.onWait = func() {
		if timeout := s.p.waits[len(s.p.waits)-1]; timeout != 0 && len(s.due) > 0 && s.sys.now.Before(s.due[0]) {
			s.sys.now = s.due[0]
		}
		s.arrive()
	}
	return s
}

// open has messages come all the time.
func (s *traffic) open(every time.Duration) {
	s.every, s.due = every, []time.Time{s.sys.now.Add(every)}
}

// closed has count peers send, each when it was answered, one step after the other.
func (s *traffic) closed(count int, delay, step time.Duration) {
	s.every, s.delay, s.due = 0, delay, nil
	for i := range count {
		s.due = append(s.due, s.sys.now.Add(delay+time.Duration(i)*step))
	}
}

// arrive says that there is something to read, if it has come.
func (s *traffic) arrive() {
	if len(s.due) > 0 && !s.due[0].After(s.sys.now) {
		s.p.ready[3] = Read
	}
}

func (s *traffic) read() {
	delete(s.p.ready, 3)
	count := 0
	for here := len(s.due); (s.every > 0 || count < here) && !s.due[0].After(s.sys.now); {
		next := s.sys.now.Add(s.delay)
		if s.every > 0 {
			next = s.due[0].Add(s.every)
		}
		s.due = append(s.due[1:], next)
		count++
	}
	s.got += count
	s.l.Came(count)
}

// run runs the loop for a time, and returns how much of it was rests, and how many messages came.
func (s *traffic) run(d time.Duration) (share float64, messages int) {
	s.Helper()
	rests, before, end := len(s.p.rests), s.got, s.sys.now.Add(d)
	for s.sys.now.Before(end) {
		turn(s, s.l, -1)
	}
	for _, pause := range s.p.rests[rests:] {
		if pause != s.l.cfg.Coalesce {
			s.Fatalf("a rest of %v", pause)
		}
	}
	return float64(len(s.p.rests)-rests) * float64(s.l.cfg.Coalesce) / float64(d), s.got - before
}

// A loop rests where messages come anyway and come together by it, else not.
func TestCoalesce(t *testing.T) {
	for _, c := range []struct {
		name        string
		cfg         time.Duration
		start       func(*traffic)
		least, most float64 // of the time
		messages    int     // in a second, at least
	}{
		{"not asked for", 0, func(s *traffic) { s.open(100 * time.Microsecond) }, 0, 0, 9999},
		{"four in a pause", coalesce, func(s *traffic) { s.open(250 * time.Microsecond) }, 0.9, 1, 3990},
		{"forty in a pause", coalesce, func(s *traffic) { s.open(25 * time.Microsecond) }, 0.9, 1, 39900},
		{"one in a pause", coalesce, func(s *traffic) { s.open(coalesce) }, 0, 0, 999},
		{"they are rare", coalesce, func(s *traffic) { s.open(20 * time.Millisecond) }, 0, 0, 49},
		{"a peer that waits for each answer", coalesce, func(s *traffic) { s.closed(1, 50*time.Microsecond, 0) }, 0, 0.2, 16000},
		{"eight of those", coalesce, func(s *traffic) { s.closed(8, 100*time.Microsecond, 12*time.Microsecond) }, 0, 0.2, 64000},
		{"eight whose answers take long elsewhere", coalesce, func(s *traffic) { s.closed(8, 3700*time.Microsecond, 460*time.Microsecond) }, 0, 1, 1990},
		{"many that come together anyway", coalesce, func(s *traffic) { s.closed(100, 500*time.Microsecond, 0) }, 0, 0, 190000},
		{"a hundred that come one by one", coalesce, func(s *traffic) { s.closed(100, 500*time.Microsecond, 5*time.Microsecond) }, 0, 0.2, 150000},
		{"as many as keep it busy", coalesce, func(s *traffic) { s.closed(200, 0, 0) }, 0, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newTraffic(t, c.cfg)
			c.start(s)
			if c.most == 0 && c.messages == 1 {
				for range 1000 {
					turn(t, s.l, -1)
				}
				if n := len(s.p.rests); n > 0 {
					t.Errorf("%d rests of a loop that always has work", n)
				}
				return
			}
			s.run(100 * time.Millisecond)
			share, messages := s.run(time.Second)
			if share < c.least || share > c.most || messages < c.messages {
				t.Errorf("%.3f of the time, want %v to %v; %d messages, want %d", share, c.least, c.most, messages, c.messages)
			}
			if got := s.l.Stats().Rests; got != uint64(len(s.p.rests)) {
				t.Errorf("%d rests are counted, want %d", got, len(s.p.rests))
			}
		})
	}
}

// Where rests only slow the peers down they are tried ever more seldom; and when that is over, soon enough.
func TestCoalesceTriesSeldom(t *testing.T) {
	s := newTraffic(t, coalesce)
	s.closed(2, 50*time.Microsecond, 20*time.Microsecond)
	var shares []float64
	for range 4 {
		share, _ := s.run(5 * time.Second)
		shares = append(shares, share)
	}
	if shares[0] == 0 || shares[3] > 0.01 || !slices.IsSortedFunc(shares, func(a, b float64) int { return int(1000 * (b - a)) }) {
		t.Errorf("shares of the time: %v", shares)
	}
	s.open(250 * time.Microsecond)
	s.run(termMax)
	if share, _ := s.run(time.Second); share < 0.9 {
		t.Errorf("%.3f of the time when messages come anyway", share)
	}
	s.closed(8, 100*time.Microsecond, 12*time.Microsecond) // which is slowed down from the start
	s.run(termMax)
	if share, n := s.run(time.Second); share > 0.2 || n < 64000 {
		t.Errorf("%.3f of the time when peers wait for answers, %d messages", share, n)
	}
	s.closed(1, 30*time.Millisecond, 0)
	s.run(time.Second)
	if share, _ := s.run(time.Second); share > 0 {
		t.Errorf("%.3f of the time when they are rare", share)
	}
}

// resting is a loop that rests: messages come, and none is there.
func resting(t *testing.T) *traffic {
	t.Helper()
	s := newTraffic(t, coalesce)
	s.open(250 * time.Microsecond)
	s.run(100 * time.Millisecond)
	if !s.l.gather.resting {
		t.Fatal("it does not rest")
	}
	return s
}

// restsOf runs a turn and returns the rests in it.
func (s *traffic) restsOf() int {
	before := len(s.p.rests)
	turn(s, s.l, -1)
	return len(s.p.rests) - before
}

// TestCoalesceTakesWhatIsThere: who has work to do does not rest.
func TestCoalesceTakesWhatIsThere(t *testing.T) {
	s := resting(t)
	for range 10 {
		before := s.got
		s.due[0] = s.sys.now
		if n := s.restsOf(); n != 0 || s.got == before {
			t.Fatalf("%d rests, %d messages", n, s.got-before)
		}
	}
	if n := s.restsOf(); n != 1 {
		t.Errorf("%d rests with nothing to do", n)
	}
}

// TestCoalesceTimer: no time-out is late because of a rest.
func TestCoalesceTimer(t *testing.T) {
	s := resting(t)
	expired := false
	timer := newTimer(func(time.Time) { expired = true })
	timer.Set(s.l, s.l.Now().Add(coalesce))
	s.p.onWait = nil
	if n := s.restsOf(); n != 0 || !expired {
		t.Errorf("%d rests, expired: %t", n, expired)
	}
}

// TestCoalescePost: the look before a rest takes the wake-up of a Post, which must not wait for the next event then.
func TestCoalescePost(t *testing.T) {
	s := resting(t)
	ran := false
	s.p.onWait = func() {
		if !ran {
			s.p.onWait = nil
			s.l.Post(func() { ran = true })
		}
	}
	if n := s.restsOf(); n != 0 || !ran {
		t.Errorf("%d rests, ran: %t", n, ran)
	}
	ran = false
	s.p.onRest = func() { s.l.Post(func() { ran = true }) }
	if n := s.restsOf(); n != 1 || !ran {
		t.Errorf("posted during a rest: %d rests, ran: %t", n, ran)
	}
}

// TestCoalesceStop: a loop that rests ends.
func TestCoalesceStop(t *testing.T) {
	s := resting(t)
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
	l.gather.resting = true
	before := l.Stats().Rests
	if n := testing.AllocsPerRun(100, func() {
		l.gather.resting = true
		turn(t, l, time.Second)
	}); n != 0 {
		t.Errorf("%v allocations a turn", n)
	}
	if got := l.Stats().Rests - before; got < 95 { // where one is looked at it may not come
		t.Errorf("%d rests in 101 turns", got)
	}
}
