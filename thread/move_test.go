package thread_test

import (
	"errors"
	"flag"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/thread"
)

// connectionsFlag is for long runs: ten thousand over TLS are half a minute of handshakes.
var connectionsFlag = flag.Int("connections", 0, "how many connections TestMoveUnderLoad has on each stack")

// underWay is how many connections of TestMoveUnderLoad there are at once, so that the last handshake does not wait for its
// turn longer than handshake_timeout.
const underWay = 400

// Connections that are placed over four threads and moved at random, both ends of them, in the middle of their handshake too, lose
// and repeat no byte.
func TestMoveUnderLoad(t *testing.T) {
	for _, s := range stacks {
		t.Run(s.name, func(t *testing.T) {
			count := connections
			if s.secure != nil {
				count /= 10
			}
			if *connectionsFlag > 0 {
				count = *connectionsFlag
			}
			p := pool(t, thread.Config{Network: 4})
			threads := p.Threads()
			srv := serve(t, threads[0], s, "max_connections = unlimited\n")
			srv.moves = 4
			var running sync.WaitGroup
			running.Add(count)
			places := make(chan struct{}, underWay)
			var clients []*thread.Member
			var mu sync.Mutex
			done, moved := make(chan struct{}), make(chan int)
			go func() {
				moved <- shuffle(t, p, 1, func() []*thread.Member {
					mu.Lock()
					defer mu.Unlock()
					srv.mu.Lock()
					defer srv.mu.Unlock()
					// The latest are those that are still there.
					return append(last(clients), last(srv.list)...)
				}, done)
			}()
			const batch = 50
			for first := 0; first < count; first += batch {
				n := min(batch, count-first)
				for range n {
					places <- struct{}{}
				}
				fresh := srv.dial(threads[first/batch%4], first, n, 8_000, func(*client) { running.Done(); <-places })
				mu.Lock()
				clients = append(clients, fresh...)
				mu.Unlock()
			}
			all := make(chan struct{})
			go func() { running.Wait(); close(all) }()
			wait(t, all, "all bytes to come back")
			close(done)
			asked := <-moved
			cut := stop(t, p)
			var arrived uint64
			for _, th := range threads {
				arrived += th.Stats().Arrived
			}
			t.Logf("%d connections, %d moves asked from outside, %d arrivals", count, asked, arrived)
			if int(arrived) < 2*count {
				t.Errorf("only %d arrivals of %d connections", arrived, count)
			}
			if srv.open.Load() != 0 || int(srv.total.Load()) != count {
				t.Errorf("%d open, %d accepted", srv.open.Load(), srv.total.Load())
			}
			if !cut.None() {
				t.Errorf("%v", cut)
			}
		})
	}
}

func last(list []*thread.Member) []*thread.Member {
	return append([]*thread.Member(nil), list[max(0, len(list)-underWay):]...)
}

// relocated is a member that only notes where it is.
type relocated struct {
	io       frio.IO
	on       atomic.Pointer[thread.Thread]
	attached atomic.Int32
	detached atomic.Int32
}

func (r *relocated) Attach(m *thread.Member)       { r.attached.Add(1); r.on.Store(m.Thread()) }
func (r *relocated) Detach(*thread.Member)         { r.detached.Add(1) }
func (r *relocated) End(m *thread.Member, _ error) { m.IO().Close(); m.Context().Free() }

// A member moves to where the last Move says, once for each that was done, and the places that were taken for others are given back.
func TestMove(t *testing.T) {
	p := pool(t, thread.Config{Network: 3, Depth: 4})
	threads := p.Threads()
	user := new(relocated)
	var m *thread.Member
	on(t, threads[0], func() {
		ctx, err := threads[0].Root().New("client")
		if err != nil {
			t.Error(err)
			return
		}
		user.io = parse(t, ctx, "home_server", "protocol = tcp\ntcp {\nipaddr = 127.0.0.1\nport = 9\n}\n")
		if m, err = threads[0].Add(user.io, ctx, nil, user); err != nil {
			t.Error(err)
		}
		if user.attached.Load() != 1 || user.on.Load() != threads[0] {
			t.Error("Attach was not called by Add")
		}
		// Inside one callback: only the last counts.
		for i := range 40 {
			if err := m.Move(threads[1+i%2]); err != nil {
				t.Errorf("Move %d: %v", i, err)
			}
		}
		if user.detached.Load() != 0 {
			t.Error("Move did not wait for the callback's end")
		}
	})
	srv := &server{t: t}
	srv.until("it has moved", func() bool { return user.on.Load() == threads[2] })
	if user.attached.Load() != 2 || user.detached.Load() != 1 {
		t.Errorf("Attach %d, Detach %d", user.attached.Load(), user.detached.Load())
	}
	for _, th := range threads {
		srv.until("nothing waits for "+th.Name(), func() bool { return th.Stats().Waiting == 0 })
	}
	other := pool(t, thread.Config{Network: 1})
	if err := m.Move(other.Threads()[0]); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Move to another pool: %v", err)
	}
	m.End(net.ErrClosed)
	srv.until("it is over", func() bool { return p.Members() == 0 })
	if err := m.Move(threads[0]); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Move of what is over: %v", err)
	}
	if n := threads[0].Stats().Waiting; n != 0 {
		t.Errorf("%d places are taken", n)
	}
}

// leaver is a member that is told to end while it leaves its thread.
type leaver struct {
	relocated
	ended atomic.Int32
}

func (u *leaver) Detach(m *thread.Member) {
	u.relocated.Detach(m)
	m.End(errQuit)
}

func (u *leaver) End(m *thread.Member, reason error) {
	u.ended.Add(1)
	u.relocated.End(m, reason)
}

// What a member is told while it leaves is not lost, though the thread that it left looks at it only when it has arrived.
func TestEndWhileItLeaves(t *testing.T) {
	p := pool(t, thread.Config{Network: 2})
	threads := p.Threads()
	user := new(leaver)
	var m *thread.Member
	on(t, threads[0], func() {
		ctx, err := threads[0].Root().New("client")
		if err != nil {
			t.Error(err)
			return
		}
		user.io = parse(t, ctx, "home_server", "protocol = tcp\ntcp {\nipaddr = 127.0.0.1\nport = 9\n}\n")
		if m, err = threads[0].Add(user.io, ctx, nil, user); err != nil {
			t.Error(err)
		}
	})
	srv := &server{t: t}
	release, ready := make(chan struct{}), make(chan struct{})
	if err := threads[0].Send(func() { close(ready); <-release }); err != nil {
		t.Fatal(err)
	}
	wait(t, ready, "the thread to stall")
	if err := m.Move(threads[1]); err != nil {
		t.Fatal(err)
	}
	// Between the leaving and the next look of the first thread.
	if err := threads[0].Send(func() {
		srv.until("it has arrived", func() bool { return user.on.Load() == threads[1] })
		on(t, threads[1], func() {})
	}); err != nil {
		t.Fatal(err)
	}
	close(release)
	srv.until("it is over", func() bool { return p.Members() == 0 })
	if n := user.ended.Load(); n != 1 {
		t.Errorf("it was told to end %d times", n)
	}
}

func TestPlaceByPeer(t *testing.T) {
	p := pool(t, thread.Config{Network: 4, Placement: thread.ByPeer})
	used, first := map[*thread.Thread]int{}, map[string]*thread.Thread{}
	for i := range 200 {
		peer := addrPort(i)
		th := p.Place(peer)
		used[th]++
		first[peer.Addr().String()] = th
		for port := range 5 {
			if got := p.Place(addrPortOf(peer.Addr(), uint16(port+1))); got != th {
				t.Errorf("%v: another port is on another thread", peer)
			}
		}
	}
	for _, th := range p.Threads() {
		if n := used[th]; n < 20 || n > 90 {
			t.Errorf("%s has %d of 200 peers", th.Name(), n)
		}
	}
	gone := p.Threads()[1]
	if err := p.Remove(gone, patience); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		peer := addrPort(i)
		before, after := first[peer.Addr().String()], p.Place(peer)
		if after == gone || before != gone && before != after {
			t.Errorf("%v went from %s to %s, because %s is gone", peer, before.Name(), after.Name(), gone.Name())
		}
	}
}
