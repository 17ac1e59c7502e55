package thread_test

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
	"github.com/frio-io/frio/udp"
)

const shardsLines = "udp {\nipaddr = 127.0.0.1\nport = 0\nshards = 4\nchildren = %s\n}\n"

// flock is a listen with four sockets, each of them a server on a thread of its own, and what they have in common.
type flock struct {
	members thread.Shards
	shards  []*server
	all     gauge
}

// flockOf opens a listen of s and spreads it over p.
func flockOf(t *testing.T, p *thread.Pool, s stack, limit string) *flock {
	t.Helper()
	if s.secure != nil {
		listen, client := s.secure(t)
		s.listen, s.client = s.listen+listen, s.client+client
	}
	root := talloc.Root("test")
	t.Cleanup(root.Free)
	ctx, err := root.New("listen")
	if err != nil {
		t.Fatal(err)
	}
	whole := parse(t, ctx, "listen", fmt.Sprintf("protocol = %s\n%slimit {\n%s}\n", s.name, s.listen, limit))
	if err := whole.Open(); err != nil {
		t.Fatal(err)
	}
	f := new(flock)
	f.members, err = p.Spread(whole, ctx, 1, func(i int, io frio.IO, ctx *talloc.Context) thread.User {
		one := &server{t: t, stack: s, io: io, ctx: ctx, addr: io.(frio.Addresser).LocalAddr(), all: &f.all}
		f.shards = append(f.shards, one)
		return one
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range f.members {
		f.shards[i].m = m
		if want := p.Threads()[(i+1)%len(p.Threads())]; m.Thread() != want {
			t.Errorf("shard %d is on %s, want %s", i, m.Thread().Name(), want.Name())
		}
	}
	return f
}

var shardStacks = []stack{
	{name: "udp", listen: fmt.Sprintf(shardsLines, "demux"), client: "udp {\nipaddr = 127.0.0.1\nport = %d\n}\n"},
	{name: "udp", listen: fmt.Sprintf(shardsLines, "connected"), client: "udp {\nipaddr = 127.0.0.1\nport = %d\n}\n"},
	{name: "tls+udp", listen: fmt.Sprintf(shardsLines, "demux"), client: "udp {\nipaddr = 127.0.0.1\nport = %d\n}\n", secure: secure},
}

func steering(t *testing.T) {
	if !sock.CanSteer(sock.System) {
		friotest.Skip(t, "this system cannot keep a peer to one of several sockets")
	}
}

// TestShards: the sockets of a listen live on four threads and go from one to another with all their children, through layers too, while
// these answer: no datagram is lost or repeated. Then the whole is closed, each socket on its own thread: everybody is told
// once, and nothing is left.
func TestShards(t *testing.T) {
	steering(t)
	for i, s := range shardStacks {
		t.Run(fmt.Sprint(i, s.name), func(t *testing.T) {
			const count = 64
			p := pool(t, thread.Config{Network: 4})
			f := flockOf(t, p, s, fmt.Sprintf("max_children = %d\n", count))
			first := f.shards[0]
			var asked, gone sync.WaitGroup
			asked.Add(count)
			gone.Add(count)
			clients := &server{t: t, stack: first.stack, addr: first.addr, stays: &asked}
			stop, moved := make(chan struct{}), make(chan int)
			go func() {
				moved <- shuffle(t, p, uint64(i), func() []*thread.Member { return f.members }, stop)
			}()
			var list []*thread.Member
			for i, th := range p.Threads() {
				list = append(list, clients.dial(th, i*count/4, count/4, 20_000, func(*client) { gone.Done() })...)
			}
			done := make(chan struct{})
			go func() { asked.Wait(); close(done) }()
			wait(t, done, "all bytes to come back")
			close(stop)
			moves := <-moved
			var total int64
			for i, one := range f.shards {
				if one.total.Load() == 0 {
					t.Errorf("shard %d has no child", i)
				}
				total += one.total.Load()
			}
			if total != count || f.all.open.Load() != count || moves == 0 {
				t.Errorf("%d children, %d open, of %d peers; %d moves", total, f.all.open.Load(), count, moves)
			}
			f.members.End(errQuit)
			first.until("all children are closed", func() bool { return f.all.open.Load() == 0 })
			for _, m := range list {
				m.End(errQuit)
			}
			gone.Wait()
			first.until("nobody is left", func() bool { return p.Members() == 0 })
			var ends int64
			for _, one := range f.shards {
				ends += one.ends.Load()
			}
			if ends != count {
				t.Errorf("%d children were told to end, want %d", ends, count)
			}
			if cut := stopNow(t, p); !cut.None() {
				t.Errorf("%v", cut)
			}
			var arrived uint64
			for _, th := range p.Threads() {
				arrived += th.Stats().Arrived
			}
			t.Logf("%d moves asked, %d arrivals", moves, arrived)
		})
	}
}

// TestMaxChildrenIsExact: with a shard on each of four threads, and children that end and begin.
func TestMaxChildrenIsExact(t *testing.T) {
	steering(t)
	for i, s := range shardStacks[:2] {
		t.Run(fmt.Sprint(i, s.name), func(t *testing.T) {
			const most, peers = 10, 60
			p := pool(t, thread.Config{Network: 4})
			f := flockOf(t, p, s, fmt.Sprintf("max_children = %d\n", most))
			first := f.shards[0]
			var conns []net.Conn
			for range peers {
				conn, err := net.Dial("udp", first.addr.String())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				conns = append(conns, conn)
			}
			known := map[*thread.Member]bool{}
			for round := range 20 {
				var fresh []*thread.Member
				for i := 0; f.all.open.Load() < most || len(fresh) < most; i++ {
					// Who has a child is answered, who has none is not: all ask.
					if _, err := conns[i%peers].Write([]byte("x")); err != nil {
						t.Fatal(err)
					}
					if i > 1_000_000 {
						t.Fatalf("round %d: %d children, want %d", round, f.all.open.Load(), most)
					}
					fresh = fresh[:0]
					for _, one := range f.shards {
						one.mu.Lock()
						for _, m := range one.list {
							if !known[m] {
								fresh = append(fresh, m)
							}
						}
						one.mu.Unlock()
					}
				}
				for _, m := range fresh {
					known[m] = true
					m.End(errQuit)
				}
				first.until("they were told", func() bool {
					var ends int64
					for _, one := range f.shards {
						ends += one.ends.Load()
					}
					return int(ends) == len(known)
				})
			}
			if peak := f.all.peak.Load(); peak != most {
				t.Errorf("%d children at once, max_children is %d", peak, most)
			}
			var full uint64
			for _, one := range f.shards {
				full += one.io.(*udp.Listener).Counts().Full.Load()
			}
			if full == 0 {
				t.Error("the limit was never met")
			}
			f.members.End(errQuit)
			first.until("nobody is left", func() bool { return p.Members() == 0 })
		})
	}
}

func stopNow(t *testing.T, p *thread.Pool) *thread.Cut {
	t.Helper()
	cut, err := p.Stop(10 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return cut
}

// TestSpreadFails: when a shard finds no thread the others are closed as well, and nothing is left open.
func TestSpreadFails(t *testing.T) {
	steering(t)
	p := pool(t, thread.Config{Network: 2, Depth: 2})
	root := talloc.Root("test")
	defer root.Free()
	ctx, err := root.New("listen")
	if err != nil {
		t.Fatal(err)
	}
	whole := parse(t, ctx, "listen", "protocol = udp\n"+shardStacks[0].listen)
	if err := whole.Open(); err != nil {
		t.Fatal(err)
	}
	// The second thread stands still with a full mailbox.
	release := make(chan struct{})
	stalled := make(chan struct{})
	slow := p.Threads()[1]
	if err := slow.Send(func() { close(stalled); <-release }); err != nil {
		t.Fatal(err)
	}
	<-stalled
	for slow.Send(func() {}) == nil {
	}
	users := 0
	_, err = p.Spread(whole, ctx, 0, func(i int, io frio.IO, ctx *talloc.Context) thread.User {
		users++
		return &server{t: t, io: io, ctx: ctx}
	})
	if !errors.Is(err, frio.ErrAgain) || users != 2 {
		t.Errorf("Spread: %v, with %d users", err, users)
	}
	close(release)
	(&server{t: t}).until("nobody is left", func() bool { return p.Members() == 0 })
	// The port is free again: nobody has kept a socket of it.
	addr := whole.(frio.Sharder).Shards()[3].(frio.Addresser).LocalAddr()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
