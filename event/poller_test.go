package event

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair returns two connected stream sockets, non-blocking, closed when the test ends unless the test did.
func pair(t testing.TB) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatalf("socketpair: %v", err)
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
	}
	return fds[0], fds[1]
}

func closeAll(fds ...int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

func newPoller(t testing.TB) Poller {
	t.Helper()
	p, err := NewPoller()
	if err != nil {
		t.Fatalf("new poller: %v", err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return p
}

// wait merges what one Wait reports, by id.
func wait(t testing.TB, p Poller, timeout time.Duration) map[uint64]Ready {
	t.Helper()
	var batch [16]Event
	count, err := p.Wait(batch[:], timeout)
	if err != nil {
		t.Fatalf("wait: %v", err)
	}
	got := map[uint64]Ready{}
	for _, e := range batch[:count] {
		got[e.ID] |= e.Ready
	}
	return got
}

func TestPollerReadiness(t *testing.T) {
	const id = 1<<63 | 7<<32 | 5 // all 64 bits are ours
	p := newPoller(t)
	a, b := pair(t)
	defer closeAll(a)
	expect := func(what string, want Ready) {
		t.Helper()
		got := wait(t, p, 0)
		if want == 0 && len(got) != 0 || want != 0 && (len(got) != 1 || got[id]&wishes != want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	expect("empty poller", 0)
	if err := p.Add(a, id, Read); err != nil {
		t.Fatal(err)
	}
	expect("nothing to read", 0)
	unix.Write(b, []byte("x"))
	expect("a byte", Read)
	expect("the byte is there still", Read)
	if err := p.Modify(a, id, Write); err != nil {
		t.Fatal(err)
	}
	expect("room", Write)
	if err := p.Modify(a, id, Read|Write); err != nil {
		t.Fatal(err)
	}
	expect("a byte and room", Read|Write)
	var buf [8]byte
	unix.Read(a, buf[:])
	expect("room only", Write)
	fill := make([]byte, 1<<20)
	for {
		if _, err := unix.Write(a, fill); err != nil {
			break
		}
	}
	expect("full", 0)
	if err := p.Remove(a, id); err != nil {
		t.Fatal(err)
	}
	unix.Write(b, []byte("x"))
	expect("removed", 0)
	if err := p.Add(a, id, Read); err != nil {
		t.Fatal(err)
	}
	expect("added again", Read)
	unix.Read(a, buf[:])
	unix.Shutdown(b, unix.SHUT_WR)
	expect("the peer ended its direction", Read)
	closeAll(b)
	if got := wait(t, p, 0); got[id]&(Read|Hangup) == 0 {
		t.Errorf("the peer is gone: %v", got)
	}
	if err := p.Remove(a, id); err != nil {
		t.Fatal(err)
	}
	expect("gone, and nobody wants to know", 0)
}

func TestPollerMisuse(t *testing.T) {
	p := newPoller(t)
	a, b := pair(t)
	defer closeAll(a, b)
	if err := p.Add(a, 1, Read); err != nil {
		t.Fatal(err)
	}
	if err := p.Add(a, 2, Read); err != syscall.EEXIST {
		t.Errorf("add twice: %v", err)
	}
	if err := p.Modify(b, 3, Read); err != syscall.ENOENT {
		t.Errorf("modify of an unknown one: %v", err)
	}
	if err := p.Remove(b, 3); err != syscall.ENOENT {
		t.Errorf("remove of an unknown one: %v", err)
	}
	if err := p.Add(-1, 4, Read); err != syscall.EBADF {
		t.Errorf("add of no descriptor: %v", err)
	}
	if err := p.Add(1<<20-1, 4, Read); err != syscall.EBADF {
		t.Errorf("add of a closed descriptor: %v", err)
	}
}

func TestPollerWake(t *testing.T) {
	p := newPoller(t)
	for range 3 {
		if err := p.Wake(); err != nil {
			t.Fatal(err)
		}
	}
	if got := wait(t, p, -1); len(got) != 0 {
		t.Errorf("a wake-up gives events: %v", got)
	}
	// It was used up: what comes next is the time-out.
	if got := wait(t, p, time.Millisecond); len(got) != 0 {
		t.Errorf("events: %v", got)
	}
	done := make(chan bool)
	go func() {
		p.Wake()
		close(done)
	}()
	wait(t, p, -1)
	<-done
}

func TestPollerWakeWithFullBatch(t *testing.T) {
	// As many descriptors as the batch has room for, and a wake-up: both are seen, and the wake-up once.
	p := newPoller(t)
	const count = 4
	for i := range count {
		a, b := pair(t)
		defer closeAll(a, b)
		if err := p.Add(a, uint64(i), Write); err != nil {
			t.Fatal(err)
		}
		defer p.Remove(a, uint64(i))
	}
	var batch [count]Event
	for _, wake := range []bool{true, false} {
		if wake {
			p.Wake()
		}
		got := map[uint64]bool{}
		for range 4 {
			n, err := p.Wait(batch[:], -1)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range batch[:n] {
				got[e.ID] = true
			}
		}
		if len(got) != count {
			t.Errorf("wake %v: events of %d descriptors, want %d", wake, len(got), count)
		}
	}
}

func TestPollerSmallBatchServesAll(t *testing.T) {
	p := newPoller(t)
	const count = 10
	for i := range count {
		a, b := pair(t)
		defer closeAll(a, b)
		if err := p.Add(a, uint64(i), Write); err != nil {
			t.Fatal(err)
		}
		defer p.Remove(a, uint64(i))
	}
	seen := map[uint64]int{}
	var batch [3]Event
	for range count {
		n, err := p.Wait(batch[:], 0)
		if err != nil {
			t.Fatal(err)
		}
		if n > len(batch) {
			t.Fatalf("%d events in a batch of %d", n, len(batch))
		}
		for _, e := range batch[:n] {
			seen[e.ID]++
		}
	}
	if len(seen) != count {
		t.Errorf("in %d waits for 3 of %d ready descriptors only these were seen: %v", count, count, seen)
	}
}

func TestPollerRoundsUp(t *testing.T) {
	p := newPoller(t)
	for _, d := range []time.Duration{time.Microsecond, 300 * time.Microsecond, 1500 * time.Microsecond} {
		start := time.Now()
		wait(t, p, d)
		if took := time.Since(start); took < d {
			t.Errorf("a wait of %v ended after %v", d, took)
		}
	}
}

func TestPollerDoesNotAllocate(t *testing.T) {
	p := newPoller(t)
	a, b := pair(t)
	defer closeAll(a, b)
	var batch [4]Event
	got := testing.AllocsPerRun(100, func() {
		p.Add(a, 1, Read)
		p.Modify(a, 1, Read|Write)
		p.Wake()
		if n, err := p.Wait(batch[:], 0); n != 1 || err != nil {
			t.Fatalf("wait: %d %v", n, err)
		}
		p.Remove(a, 1)
		p.Wait(batch[:], 0)
	})
	if got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func TestHangupNobodyWants(t *testing.T) {
	// A mask of 0 does not stop epoll from reporting HUP; leaving the poller does.
	l := newLoop(t, realSystem{}, Config{})
	a, b := pair(t)
	defer closeAll(a)
	var f FD
	events := 0
	attach(t, l, &f, a, Read, func(Ready) {
		events++
		f.Want(0)
	})
	closeAll(b)
	turn(t, l, -1)
	before := l.Stats()
	expired := false
	timer := newTimer(func(time.Time) { expired = true })
	timer.Set(l, l.Now().Add(20*time.Millisecond))
	for !expired {
		turn(t, l, -1)
	}
	if events != 1 {
		t.Errorf("%d events, want 1", events)
	}
	if n := l.Stats().Turns - before.Turns; n > 3 {
		t.Errorf("%d turns in 20 ms with nothing wanted: the loop spins", n)
	}
	f.Want(Write)
	turn(t, l, -1)
	if events != 2 {
		t.Errorf("%d events after it is wanted again, want 2", events)
	}
	f.Detach()
}

func TestDescriptorReusedInBatch(t *testing.T) {
	// Two sockets are ready together. Whoever is first closes the other and opens a third, which gets the same number and
	// the same slot: the event that was fetched for the second must not reach it.
	l := newLoop(t, realSystem{}, Config{})
	a1, b1 := pair(t)
	a2, b2 := pair(t)
	var one, two, three FD
	var got []string
	reopen := func(me, other *FD, fd, myFD int) {
		got = append(got, "first")
		other.Detach()
		closeAll(fd)
		c, err := unix.Dup(b1) // the lowest free number: fd
		if err != nil || c != fd {
			t.Fatalf("dup: %d %v, want %d: the test shows nothing", c, err, fd)
		}
		attach(t, l, &three, c, Read, func(Ready) { got = append(got, "third") })
		me.Want(0)
	}
	attach(t, l, &one, a1, Read, func(Ready) { reopen(&one, &two, a2, a1) })
	attach(t, l, &two, a2, Read, func(Ready) { reopen(&two, &one, a1, a2) })
	unix.Write(b1, []byte("x"))
	unix.Write(b2, []byte("x"))
	turn(t, l, -1)
	if !slices.Equal(got, []string{"first"}) || l.Stats().Stale != 1 {
		t.Errorf("events %v, stale %d", got, l.Stats().Stale)
	}
	fd := three.fd
	for _, f := range []*FD{&one, &two, &three} {
		f.Detach()
	}
	closeAll(b1, b2, fd)
	if one.fd != fd {
		closeAll(one.fd)
	}
	if two.fd != fd {
		closeAll(two.fd)
	}
}

func TestSocketMovesUnderLoad(t *testing.T) {
	// A socket leaves each of two loops in its own callback for the other, again and again; each byte comes once, in order.
	one := newLoop(t, realSystem{}, Config{Name: "one"})
	two := newLoop(t, realSystem{}, Config{Name: "two"})
	loops := []*Loop{one, two}
	a, b := pair(t)
	defer closeAll(a, b)
	const total = 1000
	var f FD
	on, read := 0, 0
	attach(t, loops[on], &f, a, Read, func(Ready) {
		var p [3]byte
		n, err := unix.Read(a, p[:])
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		for _, c := range p[:n] {
			if c != byte(read) {
				t.Fatalf("byte %d is %d", read, c)
			}
			read++
		}
		f.Detach()
		on = 1 - on
		post(t, loops[on], func() {
			if err := f.Attach(loops[on]); err != nil {
				t.Fatal(err)
			}
			if err := f.Want(Read); err != nil {
				t.Fatal(err)
			}
		})
	})
	for sent := 0; read < total; {
		if sent < total {
			if n, _ := unix.Write(b, []byte{byte(sent)}); n == 1 {
				sent++
			}
		}
		turn(t, one, 0)
		turn(t, two, 0)
	}
	f.Detach()
}
