package sim_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/talloc"
)

// expirer arms itself again and again.
type expirer struct {
	loop  *event.Loop
	timer event.Timer
	every time.Duration
	count int
}

func newExpirer(l *event.Loop, every time.Duration) *expirer {
	e := &expirer{loop: l, every: every}
	e.timer.Init(e)
	e.timer.Set(l, l.Now().Add(every))
	return e
}

func (e *expirer) Expire(now time.Time) {
	e.count++
	e.timer.Set(e.loop, now.Add(e.every))
}

func (e *expirer) Describe() string { return "expirer" }

func newLoop(t *testing.T, k *sim.Kernel) *event.Loop {
	t.Helper()
	root := talloc.Root(k.Name())
	l, err := event.New(root, k, event.Config{Name: k.Name()})
	check(t, err)
	t.Cleanup(root.Free)
	return l
}

func TestHourOfTimeouts(t *testing.T) {
	w, k, _ := two(1, sim.Options{})
	l := newLoop(t, k)
	start := w.Now()
	e := newExpirer(l, 100*time.Millisecond)
	turns := 0
	for e.count < 36000 {
		check(t, l.Turn(-1))
		turns++
	}
	if passed := w.Now().Sub(start); passed != time.Hour {
		t.Errorf("an hour of time-outs took %v on the virtual clock", passed)
	}
	if turns > e.count+1 {
		t.Errorf("%d turns for %d time-outs", turns, e.count)
	}
	e.timer.Stop()
}

func TestRunTurnsLoopsInStep(t *testing.T) {
	w, a, b := two(1, sim.Options{})
	la, lb := newLoop(t, a), newLoop(t, b)
	start := w.Now()
	ea, eb := newExpirer(la, 3*time.Second), newExpirer(lb, 5*time.Second)
	check(t, w.Run(func() bool { return ea.count >= 10 }, la, lb))
	if passed := w.Now().Sub(start); passed != 30*time.Second {
		t.Errorf("passed %v", passed)
	}
	if eb.count != 5 && eb.count != 6 {
		t.Errorf("the other loop's timer came %d times", eb.count)
	}
	posted := false
	check(t, la.Post(func() { check(t, lb.Post(func() { posted = true })) }))
	check(t, w.Run(func() bool { return posted }, lb, la))
	if passed := w.Now().Sub(start); passed != 30*time.Second {
		t.Errorf("the clock went to %v for what was to be done at once", passed)
	}
	ea.timer.Stop()
	eb.timer.Stop()
	never := func() bool { return false }
	if err := w.Run(never, la, lb); !errors.Is(err, sim.ErrStuck) {
		t.Errorf("nothing left to do: %v", err)
	}
}

func TestWaitWithoutEnd(t *testing.T) {
	w, k, _ := two(1, sim.Options{})
	p := poller(t, k)
	var batch [4]event.Event
	_, err := p.Wait(batch[:], -1)
	wantErr(t, "nothing is scheduled", err, sim.ErrStuck)
	check(t, p.Wake())
	_, err = p.Wait(batch[:], -1)
	wantErr(t, "woken", err, nil)
	_, err = p.Wait(batch[:], -1)
	wantErr(t, "woken once", err, sim.ErrStuck)
	wantErr(t, "Run", w.Run(func() bool { return false }), sim.ErrStuck)
	start := w.Now()
	n, err := p.Wait(batch[:], time.Minute)
	if n != 0 || err != nil || w.Now().Sub(start) != time.Minute {
		t.Errorf("a wait of a minute: %d, %v, %v", n, err, w.Now().Sub(start))
	}
	check(t, p.Close())
	_, err = p.Wait(batch[:], 0)
	wantErr(t, "closed", err, syscall.EBADF)
}

func wantPanic(t *testing.T, text string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if got := fmt.Sprint(recover()); !strings.Contains(got, text) {
			t.Errorf("panic %q does not say %q", got, text)
		}
	}()
	f()
}

func TestSpins(t *testing.T) {
	w, k, _ := two(1, sim.Options{MaxTurns: 50})
	p := poller(t, k)
	var batch [4]event.Event
	for range 500 { // a clock that moves is no spin
		_, err := p.Wait(batch[:], 1)
		check(t, err)
	}
	wantPanic(t, "spins", func() {
		for {
			_, _ = p.Wait(batch[:], 0)
		}
	})
	w.Advance(1)
	wantPanic(t, "spins", func() {
		for {
			_, _, _ = k.Accept(99)
		}
	})
	w.Advance(1)
	if _, err := p.Wait(batch[:], 0); err != nil {
		t.Errorf("after a panic the world cannot be used: %v", err)
	}
}

func TestLookup(t *testing.T) {
	w, k, _ := two(1, sim.Options{})
	broken := errors.New("server failure")
	w.SetHost("slow.example", 2*time.Second, []netip.Addr{addrA, addrB}, nil)
	w.SetHost("broken.example", time.Second, nil, broken)
	w.SetHost("never.example", -1, nil, nil)
	p := poller(t, k)
	var batch [4]event.Event
	start := w.Now()
	told := 0
	l := k.Lookup("slow.example", func() { told++; check(t, p.Wake()) })
	_, err := l.Result()
	wantErr(t, "on its way", err, syscall.EAGAIN)
	_, err = p.Wait(batch[:], time.Minute)
	check(t, err)
	addrs, err := l.Result()
	if err != nil || len(addrs) != 2 || addrs[1] != addrB || told != 1 || w.Now().Sub(start) != 2*time.Second {
		t.Errorf("got %v, %v after %v, told %d times", addrs, err, w.Now().Sub(start), told)
	}
	l.SetNotify(func() { told++ })
	if told != 2 {
		t.Error("a new notify was not called at once")
	}
	cancelled := k.Lookup("slow.example", func() { t.Error("told though it was cancelled") })
	cancelled.Cancel()
	fails, unknown, literal := k.Lookup("broken.example", nil), k.Lookup("unknown.example", nil), k.Lookup("2001:db8::1", nil)
	never := k.Lookup("never.example", func() { t.Error("a look-up that never ends has ended") })
	local := k.Lookup("localhost", nil)
	w.Advance(time.Hour)
	_, err = cancelled.Result()
	wantErr(t, "cancelled", err, net.ErrClosed)
	_, err = fails.Result()
	wantErr(t, "broken", err, broken)
	var dns *net.DNSError
	if _, err = unknown.Result(); !errors.As(err, &dns) || !dns.IsNotFound {
		t.Errorf("unknown: %v", err)
	}
	if addrs, err := literal.Result(); err != nil || addrs[0] != netip.MustParseAddr("2001:db8::1") {
		t.Errorf("literal: %v, %v", addrs, err)
	}
	if addrs, err := local.Result(); err != nil || addrs[0] != lo4 {
		t.Errorf("localhost: %v, %v", addrs, err)
	}
	_, err = never.Result()
	wantErr(t, "never", err, syscall.EAGAIN)
}

// TestNotifyOnce: a notify that was replaced while its look-up's result was about to be told is not called twice.
func TestNotifyOnce(t *testing.T) {
	w, k, _ := two(1, sim.Options{})
	w.SetHost("x.example", time.Second, []netip.Addr{addrA}, nil)
	told := 0
	var second event.Lookup
	k.Lookup("x.example", func() { second.SetNotify(func() { told++ }) })
	second = k.Lookup("x.example", func() { t.Error("the notify that was replaced") })
	w.Advance(time.Minute)
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}

// TestClockStandsForWhatIsCancelled: the time-out of a connect that came up is no event.
func TestClockStandsForWhatIsCancelled(t *testing.T) {
	w, a, b := two(1, link(ms))
	listen(t, b, "192.0.2.2:7", 8)
	dial(t, a, "192.0.2.2:7")
	start := w.Now()
	p := poller(t, a)
	_, err := p.Wait(make([]event.Event, 1), -1)
	wantErr(t, "wait", err, sim.ErrStuck)
	if d := w.Now().Sub(start); d != 3*ms {
		t.Errorf("the clock went on by %v, the handshake takes 3ms", d)
	}
}

func TestTrace(t *testing.T) {
	w, k, _ := two(1, sim.Options{Trace: 2})
	_, _, _ = k.Accept(77)
	_ = k.Listen(77, 5)
	_ = k.Close(77)
	lines := w.Trace()
	if len(lines) != 2 || !strings.Contains(lines[0], "a Listen fd=77") || !strings.Contains(lines[1], "bad file descriptor") {
		t.Errorf("trace %q", lines)
	}
}

func TestAddressTakenPanics(t *testing.T) {
	w, _, _ := two(1, sim.Options{})
	wantPanic(t, "is an address of a already", func() { w.Host("c", addrA) })
}

// TestSeveralGoroutines is for the race detector: a World may be used from everywhere.
func TestSeveralGoroutines(t *testing.T) {
	w, a, b := two(1, sim.Options{Link: sim.Link{DelayMax: time.Millisecond}})
	var all sync.WaitGroup
	for i := range 8 {
		k := []*sim.Kernel{a, b}[i%2]
		all.Go(func() {
			p := poller(t, k)
			fd := bindUDP(t, k, "0.0.0.0:0")
			check(t, p.Add(fd, 1, event.Read))
			var batch [4]event.Event
			for range 200 {
				check(t, send(t, k, fd, "x", "192.0.2.2:9"))
				_, _ = p.Wait(batch[:], time.Millisecond)
				_ = w.Hash()
				_ = k.Lookup("unknown.example", func() { _ = p.Wake() })
			}
			check(t, k.Close(fd))
			check(t, p.Close())
		})
	}
	all.Wait()
	if a.Descriptors()+b.Descriptors() != 0 {
		t.Error("descriptors are left")
	}
}

// TestRest: a poller that rests lets the time pass, with all that happens in it.
func TestRest(t *testing.T) {
	w, a, b := two(1, sim.Options{})
	p := poller(t, b)
	fd := bindUDP(t, b, "192.0.2.2:53")
	check(t, p.Add(fd, 1, event.Read))
	from := bindUDP(t, a, "192.0.2.1:99")
	check(t, send(t, a, from, "x", "192.0.2.2:53"))
	start := w.Now()
	p.Rest(time.Second)
	if passed := w.Now().Sub(start); passed != time.Second {
		t.Errorf("a rest of a second took %v", passed)
	}
	if n, _ := p.Wait(make([]event.Event, 1), 0); n != 1 {
		t.Errorf("%d events after it, want that of the datagram", n)
	}
}
