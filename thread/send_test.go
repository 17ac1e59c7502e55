package thread_test

import (
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/thread"
)

// A thread that stalls does not stall the others: its mailbox fills to its bound, and says so to its senders.
func TestStalledThread(t *testing.T) {
	const depth = 16
	p := pool(t, thread.Config{Network: 3, Depth: depth})
	threads := p.Threads()
	stalled := threads[2]
	srv := serve(t, threads[0], stacks[0], "")
	release, in := make(chan struct{}), make(chan struct{})
	if err := stalled.Send(func() { close(in); <-release }); err != nil {
		t.Fatal(err)
	}
	wait(t, in, "the thread to stall")
	called := 0
	for i := range depth {
		if err := stalled.Send(func() { called++ }); err != nil {
			t.Fatalf("function %d of %d: %v", i+1, depth, err)
		}
	}
	for range 3 {
		if err := stalled.Send(func() { t.Error("a refused function was called") }); err != frio.ErrAgain {
			t.Errorf("Send to a full mailbox: %v", err)
		}
	}
	if err := srv.m.Move(stalled); err != frio.ErrAgain {
		t.Errorf("Move to a thread without room: %v", err)
	}
	if s := stalled.Stats(); s.Waiting != depth || s.Refused < 4 {
		t.Errorf("stalled: %+v", s)
	}
	// The others go on: children that cannot go there are served where there is room.
	var running sync.WaitGroup
	running.Add(60)
	for i := range 2 {
		srv.dial(threads[i], i*30, 30, 5_000, func(*client) { running.Done() })
	}
	done := make(chan struct{})
	go func() { running.Wait(); close(done) }()
	wait(t, done, "the clients while a thread is stalled")
	if n := stalled.Stats().Arrived; n != 0 {
		t.Errorf("%d members arrived at the stalled thread", n)
	}
	close(release)
	on(t, stalled, func() {})
	if called != depth {
		t.Errorf("%d functions called of %d", called, depth)
	}
	if err := srv.m.Move(stalled); err != nil {
		t.Errorf("Move when there is room again: %v", err)
	}
	srv.until("the listener has moved", func() bool { return stalled.Stats().Arrived == 1 })
}

// What one sender sends is called in its order, with nothing lost, whoever else sends.
func TestOrderPerSender(t *testing.T) {
	const senders, each = 8, 2_000
	p := pool(t, thread.Config{Network: 1, Depth: 64})
	th := p.Threads()[0]
	var last [senders]int
	var sending sync.WaitGroup
	for s := range senders {
		sending.Go(func() {
			for i := 1; i <= each; i++ {
				f := func() {
					if last[s] != i-1 {
						t.Errorf("sender %d: %d came after %d", s, i, last[s])
					}
					last[s] = i
				}
				for th.Send(f) != nil {
					on(t, th, func() {})
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { sending.Wait(); close(done) }()
	wait(t, done, "the senders")
	on(t, th, func() {
		for s, n := range last {
			if n != each {
				t.Errorf("sender %d: %d of %d", s, n, each)
			}
		}
	})
}

func TestSendDoesNotAllocate(t *testing.T) {
	if checked {
		t.Log("the guard's own checks are not counted")
	}
	p := pool(t, thread.Config{Network: 1})
	th := p.Threads()[0]
	done := make(chan struct{})
	f := func() { done <- struct{}{} }
	if n := testing.AllocsPerRun(200, func() {
		if err := th.Send(f); err != nil {
			t.Fatal(err)
		}
		<-done
	}); n != 0 {
		t.Errorf("%v allocations for each Send", n)
	}
}

func TestWorkers(t *testing.T) {
	p := pool(t, thread.Config{Network: 2, Workers: 2})
	srv := serve(t, p.Threads()[0], stacks[0], "")
	if len(p.Workers()) != 2 || len(p.Threads()) != 2 {
		t.Fatalf("%d workers, %d network threads", len(p.Workers()), len(p.Threads()))
	}
	w := p.Workers()[1]
	if !w.Worker() || w.Name() != "worker 2" || p.Threads()[1].Name() != "network 2" {
		t.Errorf("%s, %s", w.Name(), p.Threads()[1].Name())
	}
	answer := make(chan int, 1)
	if err := w.Send(func() { answer <- 42 }); err != nil {
		t.Fatal(err)
	}
	if got := <-answer; got != 42 {
		t.Errorf("the worker says %d", got)
	}
	if err := srv.m.Move(w); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Move to a worker: %v", err)
	}
	if err := p.Remove(w, time.Second); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Remove of a worker: %v", err)
	}
	for range 100 {
		if th := p.Place(srv.addr); th.Worker() {
			t.Errorf("placed on %s", th.Name())
		}
	}
}

func TestConfig(t *testing.T) {
	for name, cfg := range map[string]thread.Config{
		"negative": {Network: -1}, "too many": {Network: 257}, "workers": {Network: 1, Workers: -1}, "too many workers": {Network: 1, Workers: 257},
	} {
		if p, err := thread.New(cfg); err == nil {
			t.Errorf("%s: no error", name)
			p.Stop(0)
		}
	}
	p, err := thread.New(thread.Config{Network: 2})
	if err != nil {
		t.Fatal(err)
	}
	called := false
	if err := p.Threads()[0].Send(func() { called = true }); err != nil {
		t.Errorf("Send before Start: %v", err)
	}
	cut, err := p.Stop(time.Second)
	if err != nil || called || cut.Functions != 1 || cut.None() {
		t.Errorf("Stop before Start: %v, %v, called %v", cut, err, called)
	}
	if _, err := p.Stop(time.Second); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second Stop: %v", err)
	}
	if err := p.Threads()[0].Send(func() {}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Send after Stop: %v", err)
	}
}

// Stop waits for who ends in time, and says what it cut.
func TestStopCuts(t *testing.T) {
	p := pool(t, thread.Config{Network: 2, OnError: func(*thread.Thread, error) {}})
	srv := serve(t, p.Threads()[0], stacks[0], "")
	srv.stays = new(sync.WaitGroup)
	srv.stays.Add(10)
	srv.stubborn = true
	srv.dial(p.Threads()[1], 0, 10, 500, nil)
	srv.stays.Wait()
	cut, err := p.Stop(50 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	// The clients end when they are asked; of the children those that see it in time.
	if cut.Members == 0 && srv.ends.Load() > 10 || cut.Members > 10 || p.Members() != 0 || srv.open.Load() != 0 {
		t.Errorf("%v; %d children told, %d open, %d members", cut, srv.ends.Load(), srv.open.Load(), p.Members())
	}
	if len(cut.Stuck) > 0 {
		t.Errorf("%v", cut)
	}
}

// A member that ignores ErrStopping is ended when the time is over, and is in the Cut by its name.
func TestStopHard(t *testing.T) {
	p := pool(t, thread.Config{Network: 2, OnError: func(*thread.Thread, error) {}})
	srv := serve(t, p.Threads()[0], stacks[0], "")
	srv.stubborn = true
	conn, err := net.Dial("tcp", srv.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	srv.until("it is accepted", func() bool { return p.Members() == 2 })
	arrived(t, p.Threads()[0], p.Threads()[1])
	cut, err := p.Stop(20 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if cut.Members != 1 || len(cut.Names) == 0 || !strings.Contains(cut.String(), conn.LocalAddr().String()) {
		t.Errorf("%v", cut)
	}
	if srv.open.Load() != 0 || srv.ends.Load() != 2 {
		t.Errorf("%d open, told %d times", srv.open.Load(), srv.ends.Load())
	}
	var b [1]byte
	if n, err := conn.Read(b[:]); err == nil {
		t.Errorf("the client reads %d bytes", n)
	}
}

// A callback that does not return is reported; nothing of its thread is freed.
func TestStopStuck(t *testing.T) {
	p, err := thread.New(thread.Config{Network: 2})
	if err != nil {
		t.Fatal(err)
	}
	p.Start()
	release, in := make(chan struct{}), make(chan struct{})
	th := p.Threads()[1]
	if err := th.Send(func() { close(in); <-release }); err != nil {
		t.Fatal(err)
	}
	<-in
	cut, err := p.Stop(time.Millisecond)
	if err != nil || len(cut.Stuck) != 1 || cut.Stuck[0] != th.Name() || cut.None() {
		t.Errorf("%v, %v", cut, err)
	}
	close(release)
	th.Wait()
}
