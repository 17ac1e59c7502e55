package transport

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sim"
)

// The budgets hold over all lanes exactly: what one gives back another may take.
func TestBudgetsOverLanes(t *testing.T) {
	b := newBench(t, true, 3)
	h := b.newHome("tcp", 0)
	h.silent = true
	peer := b.peer("tcp", at(h.port), Limits{Connections: 3, Outstanding: 10, Requests: 2})
	counts := [3]int{}
	var list []*request
	for i, l := range b.lanes[:2] {
		got, err := start(peer.Pool(l), 4)
		b.must(err)
		counts[i] = len(got)
		list = append(list, got...)
		b.Spin(2)
	}
	// The first has two connections, the second one: the last budget. Two of its requests wait.
	if peer.Connections() != 3 || peer.Pool(b.lanes[0]).Up() != 2 || peer.Pool(b.lanes[1]).Up() != 1 {
		t.Errorf("%d connections", peer.Connections())
	}
	got, err := start(peer.Pool(b.lanes[2]), 1)
	if err != ErrNoConnection || len(got) > 0 || peer.Outstanding() != 8 {
		t.Errorf("the third lane: %v, %d under way", err, peer.Outstanding())
	}
	if index, ok := peer.Elsewhere(b.lanes[2], ErrNoConnection); !ok || index > 1 {
		t.Errorf("elsewhere: %d, %v", index, ok)
	}
	for _, r := range list[:2] {
		r.Cancel()
	}
	if index, ok := peer.Elsewhere(b.lanes[2], ErrNoConnection); !ok || index != 0 {
		t.Errorf("elsewhere: %d, %v; want the one with fewer requests", index, ok)
	}
	if index, ok := peer.Elsewhere(b.lanes[0], ErrNoConnection); !ok || index != 1 {
		t.Errorf("elsewhere: %d, %v; it is not the lane itself", index, ok)
	}
	more, err := start(peer.Pool(b.lanes[0]), 5)
	if err != ErrBusy || len(more) != 4 || peer.Outstanding() != 10 {
		t.Errorf("%d more, %v, %d under way of 10", len(more), err, peer.Outstanding())
	}
	list = append(list[2:], more...)
	h.silent = false
	b.Until("all are answered", func() bool { h.answer(); return peer.Outstanding() == 0 })
	b.over(list, 1, 0)
	peer.Pool(b.lanes[1]).close(net.ErrClosed)
	b.must(errorOf(start(peer.Pool(b.lanes[2]), 1)))
	b.Until("the third lane has a connection", func() bool { return peer.Pool(b.lanes[2]).Up() == 1 && peer.Outstanding() == 0 })
	if peer.Connections() != 3 {
		t.Errorf("%d connections", peer.Connections())
	}
}

func errorOf(_ []*request, err error) error { return err }

// A burst opens as many connections as it needs, and not more at a time than Connecting.
func TestConnecting(t *testing.T) {
	onSim(t, func(b *bench) {
		b.World().SetLink(b.Host(), b.Host(), sim.Link{DelayMin: 10 * time.Millisecond, DelayMax: 10 * time.Millisecond})
		h := b.newHome("tcp", 0)
		h.silent = true
		peer := b.peer("tcp", at(h.port), Limits{Requests: 10, Connecting: 2})
		pool := peer.Pool(b.lane)
		for _, step := range []struct{ more, connections int }{{1, 1}, {9, 1}, {1, 2}, {9, 2}, {30, 2}} {
			b.started(pool, step.more)
			if n := peer.Connections(); n != step.connections {
				t.Fatalf("after %d more: %d connections, want %d", step.more, n, step.connections)
			}
		}
		b.Until("all are sent", func() bool { return peer.Counts.Requests.Load() == 50 })
		if n := peer.Connections(); n != 5 {
			t.Errorf("%d connections for 50 requests, 10 each", n)
		}
	})
}

// Start opens so many at first use, Min keeps so many, however idle; others go after CloseDelay, the last one stays.
func TestStartAndMin(t *testing.T) {
	for _, c := range []struct {
		limits           Limits
		first, idle, end int
	}{
		{Limits{}, 1, 1, 1},
		{Limits{Start: 6}, 6, 1, 1},
		{Limits{Start: 3, Min: 2}, 3, 2, 2},
		{Limits{Start: 3, Min: 2, IdleTimeout: time.Minute}, 3, 2, 2},
		{Limits{Start: 3, IdleTimeout: time.Minute}, 3, 1, 0},
		{Limits{Start: 3, IdleTimeout: time.Minute, CloseDelay: time.Hour}, 3, 3, 0},
		{Limits{Start: 3, Lifetime: time.Minute}, 3, 1, 0},
	} {
		onMethods(t, func(b *bench, method string) {
			h := b.newHome(method, 0)
			peer := b.peer(method, at(h.port), c.limits)
			r := b.started(peer.Pool(b.lane), 1)
			b.Until("it is answered", func() bool { return peer.Outstanding() == 0 })
			b.Spin(10)
			first := peer.Connections()
			b.Pass(40 * time.Second)
			idle := peer.Connections()
			b.Pass(30 * time.Second)
			if end := peer.Connections(); first != c.first || idle != c.idle || end != c.end {
				t.Errorf("%+v: %d connections, then %d, then %d; want %d, %d, %d", c.limits, first, idle, end, c.first, c.idle, c.end)
			}
			if method == "tcp" && h.connections() != peer.Connections() {
				t.Errorf("%d connections at the peer", h.connections())
			}
			b.over(r, 1, 0)
			again := b.started(peer.Pool(b.lane), 1)
			b.Until("it is answered", func() bool { return peer.Outstanding() == 0 })
			b.over(again, 1, 0)
		})
	}
}

// A connection that is older than Lifetime takes no more and ends with its last answer; what is under way on it is not disturbed.
func TestLifetimeAndUses(t *testing.T) {
	onMethods(t, func(b *bench, method string) {
		h := b.newHome(method, 0)
		h.silent = true
		peer := b.peer(method, at(h.port), Limits{Lifetime: 10 * time.Second})
		pool := peer.Pool(b.lane)
		old := b.started(pool, 3)
		b.Pass(12 * time.Second)
		young := b.started(pool, 1)
		b.Spin(5)
		if young[0].link.conn == old[0].link.conn || peer.Connections() != 2 {
			t.Errorf("%d connections", peer.Connections())
		}
		h.answer()
		b.Until("all are answered", func() bool { return peer.Outstanding() == 0 })
		b.over(append(old, young...), 1, 0)
		if peer.Connections() != 1 {
			t.Errorf("%d connections", peer.Connections())
		}
	})
	onMethods(t, func(b *bench, method string) {
		h := b.newHome(method, 0)
		peer := b.peer(method, at(h.port), Limits{Uses: 4})
		list := b.started(peer.Pool(b.lane), 10)
		b.Until("all are answered", func() bool { return peer.Outstanding() == 0 })
		b.Spin(3)
		b.over(list, 1, 0)
		if n := peer.Counts.Opened.Load(); n != 3 || peer.Connections() != 1 {
			t.Errorf("%d connections were opened for 10 requests, 4 each; %d are left", n, peer.Connections())
		}
	})
}

// With one connection only, what waits when its uses are over goes to the next one, at once.
func TestUsesOfTheOnlyConnection(t *testing.T) {
	onSim(t, func(b *bench) {
		h := b.newHome("tcp", 0)
		peer := b.peer("tcp", at(h.port), Limits{Connections: 1, Requests: 2, Uses: 4})
		list := b.started(peer.Pool(b.lane), 13)
		began := b.Kernel.Now()
		b.Until("all are answered", func() bool { return peer.Outstanding() == 0 })
		b.over(list, 1, 0)
		if took := b.Kernel.Now().Sub(began); took > 100*time.Millisecond || peer.Counts.Opened.Load() != 4 {
			t.Errorf("it took %v and %d connections", took, peer.Counts.Opened.Load())
		}
	})
}

// What comes while the last request of the only connection is under way waits for its place.
func TestUsesOverWhileUnderWay(t *testing.T) {
	onSim(t, func(b *bench) {
		h := b.newHome("tcp", 0)
		h.silent = true
		peer := b.peer("tcp", at(h.port), Limits{Connections: 1, Uses: 1})
		pool := peer.Pool(b.lane)
		list := b.started(pool, 1)
		b.Until("it is there", func() bool { return len(h.got) == 1 })
		list = append(list, b.started(pool, 3)...)
		h.silent = false
		h.answer()
		b.Until("all are answered", func() bool { return peer.Outstanding() == 0 })
		b.over(list, 1, 0)
		if n := peer.Counts.Opened.Load(); n != 4 {
			t.Errorf("%d connections for 4 requests", n)
		}
		// One in doubt is not waited for.
		h.silent = true
		list = b.started(pool, 1)
		b.Until("it is there", func() bool { return len(h.got) == 5 })
		list[0].Doubt()
		if _, err := start(pool, 1); err != ErrNoConnection {
			t.Errorf("Start gave %v", err)
		}
		list[0].Cancel()
	})
}

// A lane on which requests wait does not lose the place of a connection that ends to another lane; without them it does.
func TestPlaceIsKept(t *testing.T) {
	b := newBench(t, true, 2)
	h := b.newHome("tcp", 0)
	h.silent = true
	peer := b.peer("tcp", at(h.port), Limits{Connections: 1, Uses: 1})
	pool, other := peer.Pool(b.lanes[0]), peer.Pool(b.lanes[1])
	list := b.started(pool, 1)
	b.Until("it is there", func() bool { return len(h.got) == 1 })
	list = append(list, b.started(pool, 1)...)
	// What close does, with the other thread in between.
	l := pool.links[0]
	list[0].Call.link, l.calls[list[0].id], l.count, l.over = nil, nil, 0, true
	list[0].Cancel()
	pool.gone(l, nil)
	if _, err := start(other, 1); err != ErrNoConnection {
		t.Errorf("the other lane has taken it: %v", err)
	}
	l.shut()
	pool.refill()
	b.Until("the next is there", func() bool { return len(h.got) == 2 })
	h.answer()
	b.Until("it is answered", func() bool { return peer.Outstanding() == 0 })
	b.over(list[1:], 1, 0)
	b.Until("nobody needs it", func() bool { return peer.Connections() == 0 })
	h.silent = false
	list = b.started(other, 1)
	b.Until("the other lane's is answered", func() bool { return peer.Outstanding() == 0 })
	b.over(list, 1, 0)
}

// OpenDelay is how long all are busy before one more is opened, to the turn.
func TestOpenDelay(t *testing.T) {
	onMethods(t, func(b *bench, method string) {
		h := b.newHome(method, 0)
		h.silent = true
		peer := b.peer(method, at(h.port), Limits{Requests: 1, OpenDelay: 300 * time.Millisecond})
		pool := peer.Pool(b.lane)
		list := b.started(pool, 2)
		b.Pass(290 * time.Millisecond)
		if peer.Connections() != 1 || list[1].link != nil {
			t.Errorf("%d connections before the delay is over", peer.Connections())
		}
		b.Pass(20 * time.Millisecond)
		if peer.Connections() != 2 || list[1].link == nil {
			t.Errorf("%d connections after it", peer.Connections())
		}
	})
}

// A connection that dies loses each of its calls once; those that wait go on another one, which is tried at once.
func TestConnectionDies(t *testing.T) {
	for _, end := range []string{"reset", "end in order", "bad framing"} {
		t.Run(end, func(t *testing.T) {
			onSim(t, func(b *bench) {
				h := b.newHome("tcp", 0)
				h.silent = true
				peer := b.peer("tcp", at(h.port), Limits{Connections: 1, Requests: 20})
				pool := peer.Pool(b.lane)
				list := b.started(pool, 30)
				b.Until("they have come", func() bool { return len(h.got) == 20 })
				// The first one's owner cancels one and starts another in Lost: neither is lost again.
				var cancelled, late *request
				list[0].gone = func(*request, error) {
					cancelled, late = list[5], &request{tag: 99}
					cancelled.Cancel()
					if err := pool.Start(&late.Call, late); err != nil {
						t.Errorf("Start after a first failure: %v", err)
					}
				}
				c := h.users[0].conn
				switch end {
				case "reset":
					h.users[0].end = nil
					b.must(c.Close())
				case "end in order":
					b.must(c.CloseWrite())
				default:
					b.must(c.Send(nil, []byte{0, 1, 0, 0}))
				}
				b.Until("the others have come by another", func() bool { return len(h.got) == 31 })
				b.Spin(5)
				b.over([]*request{cancelled}, 0, 0)
				b.over(append(list[:5:5], list[6:20]...), 0, 1)
				if late.losts != nil || peer.Outstanding() != 11 {
					t.Errorf("%d under way, want the 10 that waited and the late one", peer.Outstanding())
				}
				if peer.Connections() != 1 || peer.Counts.Failed.Load() != 1 {
					t.Errorf("%d connections, %d failed", peer.Connections(), peer.Counts.Failed.Load())
				}
			})
		})
	}
}

// With a second connection what waits is not lost, and what its owners start again goes there.
func TestOneOfTwoConnectionsDies(t *testing.T) {
	onSim(t, func(b *bench) {
		h := b.newHome("tcp", 0)
		h.silent = true
		peer := b.peer("tcp", at(h.port), Limits{Connections: 2, Requests: 10})
		pool := peer.Pool(b.lane)
		list := b.started(pool, 25)
		b.Until("they have come", func() bool { return len(h.got) == 20 })
		for _, r := range list[:10] {
			r.gone = func(r *request, err error) {
				r.losts = nil
				b.must(pool.Start(&r.Call, r))
			}
		}
		victim := h.users[0].conn
		if list[0].link.conn.IO().(frio.Addresser).LocalAddr() != victim.RemoteAddr() {
			t.Fatal("the first connection carries the first requests")
		}
		h.silent = false
		h.held = h.held[10:]
		b.must(victim.Close())
		b.Spin(3)
		h.answer()
		b.Until("all are answered", func() bool { h.answer(); return peer.Outstanding() == 0 })
		b.over(list, 1, 0)
	})
}

// A peer that closes what is idle has not failed: the next request opens a connection at once.
func TestPeerClosesIdle(t *testing.T) {
	onSim(t, func(b *bench) {
		h := b.newHome("tcp", 0)
		peer := b.peer("tcp", at(h.port), Limits{})
		for range 3 {
			list := b.started(peer.Pool(b.lane), 1)
			b.Until("it is answered", func() bool { return peer.Outstanding() == 0 })
			b.over(list, 1, 0)
			b.must(h.users[len(h.users)-1].conn.CloseWrite())
			b.Until("it is closed", func() bool { return peer.Connections() == 0 })
		}
		if n := peer.Counts.Failed.Load(); n != 0 {
			t.Errorf("%d failures", n)
		}
	})
}

// refuses is an address where nobody listens.
func (b *bench) refuses(method string) *Peer {
	p := b.ParseText(nil, "listener", inet("listen", method, method, 0, ""))
	b.must(p.Open())
	to := p.IO.(frio.Addresser).LocalAddr()
	b.must(p.Close())
	return b.peer(method, to, Limits{})
}

// The system's word that nobody is there moves all that is under way, at once.
func TestRefused(t *testing.T) {
	onBoth(t, func(b *bench) {
		peer := b.refuses("udp")
		pool := peer.Pool(b.lane)
		list := b.started(pool, 20)
		for _, r := range list[:5] {
			r.Retransmit(Retransmission{Initial: time.Second})
		}
		var again *request
		list[0].gone = func(*request, error) {
			again = &request{tag: 50}
			b.must(pool.Start(&again.Call, again))
			list[7].Cancel()
		}
		b.Until("all are lost", func() bool { return peer.Outstanding() == 0 })
		b.over(append(list[:7:7], list[8:]...), 0, 1)
		b.over([]*request{list[7]}, 0, 0)
		b.over([]*request{again}, 0, 1)
		for _, r := range []*request{list[3], again} {
			if err := r.losts[0]; !errors.Is(err, ErrRefused) || !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("lost by %v", err)
			}
		}
	})
}

// Who is told that nobody is there is told what the system says of it. Other errors of a datagram move nothing.
func TestRefusedBecause(t *testing.T) {
	for _, c := range []struct {
		errno syscall.Errno
		lost  bool
	}{{syscall.EHOSTUNREACH, true}, {syscall.ENETUNREACH, true}, {syscall.EHOSTDOWN, true}, {syscall.ENOBUFS, false}} {
		onSim(t, func(b *bench) {
			peer := b.refuses("udp")
			b.Host().Inject("SendPackets", 1, c.errno)
			r := b.started(peer.Pool(b.lane), 1)[0]
			b.Spin(3)
			want := "[nobody is there: " + c.errno.Error() + "]"
			if got := fmt.Sprint(r.losts); (got == want) != c.lost || c.lost && !errors.Is(r.losts[0], c.errno) {
				t.Errorf("%v: lost by %s", c.errno, got)
			}
			r.Cancel()
		})
	}
}

// While a peer cannot be reached, each attempt after the first waits longer, from 100 ms to 800 ms, less up to a quarter; a connection that comes
// up changes nothing, an answer all.
func TestBackOff(t *testing.T) {
	onSim(t, func(b *bench) {
		h := b.newHome("tcp", 0)
		h.silent = true
		peer := b.peer("tcp", at(h.port), Limits{})
		pool := peer.Pool(b.lane)
		r := b.started(pool, 1)[0]
		// fail has the connection that r is on die, and returns how long no other is tried.
		fail := func() time.Duration {
			b.Until("it has come", func() bool { return len(h.held) == 1 })
			h.held = nil
			b.must(h.users[len(h.users)-1].conn.Close())
			b.Until("it is lost", func() bool { return len(r.losts) == 1 })
			began := b.Kernel.Now()
			b.Until("another is tried", func() bool {
				r = new(request)
				err := pool.Start(&r.Call, r)
				if err != nil && !errors.Is(err, ErrDown) {
					t.Fatal(err)
				}
				return err == nil
			})
			return b.Kernel.Now().Sub(began)
		}
		different := false
		for _, want := range []time.Duration{0, 100, 200, 400, 800, 800, 800} {
			want *= time.Millisecond
			got := fail()
			if got < want*3/4-2*time.Millisecond || got > want+5*time.Millisecond {
				t.Errorf("it waits %v, want %v less up to a quarter", got, want)
			}
			different = different || want > 0 && got < want*19/20
		}
		if !different {
			t.Error("no jitter")
		}
		b.Until("it is answered", func() bool { h.answer(); return r.answers == 1 })
		r = b.started(pool, 1)[0]
		for _, most := range []time.Duration{0, backoffMin} { // it begins anew
			if got := fail(); got > most+5*time.Millisecond {
				t.Errorf("after an answer it waits %v, want at most %v", got, most)
			}
		}
	})
}

// Connections that fail together count as one failure for the time until the next attempt.
func TestManyFailAtOnce(t *testing.T) {
	onSim(t, func(b *bench) {
		h := b.newHome("tcp", 0)
		h.silent = true
		peer := b.peer("tcp", at(h.port), Limits{Start: 4})
		pool := peer.Pool(b.lane)
		list := b.started(pool, 1)
		b.Until("all are up", func() bool { return pool.Up() == 4 && len(h.got) == 1 })
		for _, r := range h.users {
			b.must(r.conn.Close())
		}
		b.Until("all are gone", func() bool { return peer.Connections() == 0 })
		b.over(list, 0, 1)
		b.Pass(101 * time.Millisecond)
		b.started(pool, 1)
	})
}

// Drain lets what is under way and what waits end, and closes what is idle; nothing new begins.
func TestDrain(t *testing.T) {
	onMethods(t, func(b *bench, method string) {
		h := b.newHome(method, 0)
		h.silent = true
		peer := b.peer(method, at(h.port), Limits{Connections: 2, Requests: 3, Start: 2})
		pool := peer.Pool(b.lane)
		list := b.started(pool, 10)
		b.Until("they have come", func() bool { return len(h.got) == 6 })
		pool.Drain()
		pool.Drain()
		if _, err := start(pool, 1); err != ErrDown {
			t.Errorf("Start while it drains: %v", err)
		}
		b.Spin(3)
		if peer.Connections() != 2 {
			t.Errorf("%d connections", peer.Connections())
		}
		b.Until("all are answered", func() bool { h.answer(); return peer.Outstanding() == 0 })
		b.over(list, 1, 0)
		b.Spin(3)
		if peer.Connections() != 0 || peer.Counts.Opened.Load() != 2 {
			t.Errorf("%d connections, %d opened", peer.Connections(), peer.Counts.Opened.Load())
		}
	})
}

// Close loses what is under way and what waits, each once, by its reason.
func TestPoolClose(t *testing.T) {
	onMethods(t, func(b *bench, method string) {
		h := b.newHome(method, 0)
		h.silent = true
		peer := b.peer(method, at(h.port), Limits{Connections: 2, Requests: 3})
		pool := peer.Pool(b.lane)
		list := b.started(pool, 10)
		for _, r := range list {
			r.gone = func(*request, error) {
				if _, err := start(pool, 1); err != ErrDown {
					t.Errorf("Start while it closes: %v", err)
				}
			}
		}
		b.Until("they have come", func() bool { return len(h.got) == 6 })
		pool.close(io.ErrClosedPipe)
		b.over(list, 0, 1)
		for _, r := range list {
			if r.losts[0] != io.ErrClosedPipe {
				t.Errorf("lost by %v", r.losts)
			}
		}
		if peer.Connections() != 0 {
			t.Errorf("%d connections", peer.Connections())
		}
	})
}

// With no connection and nothing that waits a Pool has no timer: a loop that ends would find it left.
func TestNoTimerOfNothing(t *testing.T) {
	onSim(t, func(b *bench) {
		peer := b.refuses("tcp")
		pool := peer.Pool(b.lane)
		for _, end := range []func(*request){
			func(r *request) { b.Until("it is lost", func() bool { return len(r.losts) > 0 }) },
			func(r *request) {
				b.Until("it is lost, or gives up", func() bool { r.GiveUp(); return !r.Active() && peer.Connections() == 0 })
			},
		} {
			list, err := start(pool, 1)
			if err == nil {
				end(list[0])
			}
			b.Until("the attempt ends", func() bool { return peer.Connections() == 0 })
			if at := pool.timer.When(); !at.IsZero() {
				t.Errorf("the timer is set to %v", at)
			}
			b.Pass(5 * time.Second)
		}
	})
}
