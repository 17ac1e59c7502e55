package udp

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/frio-io/frio"
)

// datagrams is how many the storms send in all:
//
//	go test ./udp -run TestStorm -udp.datagrams 10000000 -timeout 2h
var datagrams = flag.Int("udp.datagrams", 40_000, "how many datagrams each of the storms sends")

const stormPeers = 64

// stormEach is how many one peer sends: by default less in builds that check threads, which take longer.
func stormEach() int {
	if !flagGiven("udp.datagrams") && checkedBuild {
		return *datagrams / 8 / stormPeers
	}
	return *datagrams / stormPeers
}

func flagGiven(name string) (given bool) {
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	return given
}

// TestStorm: 64 peers at the same time, whose children come and go under load, on several threads: every datagram reaches its own peer's
// child, in order, and comes back. What the kernel dropped is counted apart.
func TestStorm(t *testing.T) {
	for _, c := range []struct {
		addr, lines string
		shards      int
		more        int // lanes for children
		close       int
	}{
		{"ipaddr = 127.0.0.1", "children = demux", 2, 0, 0},
		{"ipaddr = *", "children = connected", 1, 0, 50},
		{"ipaddr = *", "children = connected", 1, 1, 50},
		{"ipaddr = 127.0.0.1", "children = connected", 1, 1, 50},
		{"ipaddr = 127.0.0.1", "children = connected", 1, 1, 0},
		{"ipaddr = 127.0.0.1", "children = connected\ngro = yes", 1, 1, 50},
		{"ipaddr = *", "children = connected", 2, 1, 50},
		{"ipv6addr = ::1", "children = connected", 1, 1, 50},
	} {
		t.Run(fmt.Sprintf("%s,%s,shards=%d,more=%d,close=%d", c.addr, c.lines, c.shards, c.more, c.close), func(t *testing.T) {
			s := newStage(t, fmt.Sprintf("%s\n%s\nshards = %d\n", c.addr, c.lines, c.shards), c.more, func(s *stage) {
				s.close = c.close
				var turn atomic.Int64
				if c.more > 0 {
					s.place = func(frio.IO, *lane) *lane { return s.lanes[int(turn.Add(1))%len(s.lanes)] }
				}
			})
			each := stormEach()
			lost := s.storm(stormPeers, each, 2)
			var foreign, returned, inbox uint64
			drops := s.finish()
			for _, l := range s.list {
				n := &l.counts
				foreign += n.Foreign.Load()
				returned += n.Returned.Load()
				inbox += n.Inbox.Load() + n.Held.Load() + n.Full.Load() + n.Unread.Load()
			}
			t.Logf("figure: %d datagrams: %d children, %d closed; %d in others' sockets, %d given back, %d out of order; the kernel dropped %d",
				stormPeers*each, s.children.Load(), s.closed.Load(), foreign, returned, s.out.Load(), drops)
			if lost > drops {
				t.Errorf("%d datagrams are lost, of which the kernel dropped %d", lost, drops)
			}
			if s.wrong.Load() > 0 || inbox > 0 {
				t.Errorf("%d datagrams were given to another's child, %d dropped", s.wrong.Load(), inbox)
			}
			// Only a datagram that was in another's socket may be met by the next one of its peer, and few of these are.
			if s.out.Load() > drops+int64(foreign) {
				t.Errorf("%d datagrams were out of order", s.out.Load())
			}
			if want := int64(stormPeers); s.children.Load() < want || c.close > 0 && s.children.Load() < want*int64(each/c.close) {
				t.Errorf("%d children", s.children.Load())
			}
		})
	}
}

// TestStormOfMoves: shards go from thread to thread with all their children, and connected children by themselves, under load.
func TestStormOfMoves(t *testing.T) {
	for _, children := range []string{"demux", "connected"} {
		t.Run(children, func(t *testing.T) {
			shards := 2
			if children == "connected" {
				shards = 1
			}
			s := newStage(t, fmt.Sprintf("ipaddr = *\nshards = %d\nchildren = %s\n", shards, children), 2-shards, nil)
			stop, stopped := make(chan struct{}), make(chan struct{})
			moves := 0
			go func() {
				defer close(stopped)
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					moves++
					if children == "demux" {
						s.moveShard(i % 2)
					} else {
						s.moveChildren(s.lanes[i%2], s.lanes[(i+1)%2])
					}
				}
			}()
			lost := s.storm(stormPeers, stormEach(), 2)
			close(stop)
			<-stopped
			drops := s.finish()
			t.Logf("%d moves; the kernel dropped %d", moves, drops)
			if lost > drops || s.wrong.Load() > 0 || s.out.Load() > drops || moves == 0 {
				t.Errorf("%d lost, %d given to another's child, %d out of order; %d moves", lost, s.wrong.Load(), s.out.Load(), moves)
			}
			if n := s.children.Load(); n != stormPeers {
				t.Errorf("%d children of %d peers", n, stormPeers)
			}
		})
	}
}

// moveShard takes shard i to the lane where it is not, with its children.
func (s *stage) moveShard(i int) {
	l, from := s.list[i], s.at[i]
	to := s.lanes[0]
	if from == to {
		to = s.lanes[1]
	}
	var moved []*resident
	from.do(func() {
		if err := l.Event(nil, nil, nil); err != nil {
			s.e.Errorf("Event(nil): %v", err)
		}
		l.Context().Detach()
		s.mu.Lock()
		for _, r := range s.homes {
			if r.io.(*Child).listener == l {
				r.ctx.Detach()
				moved = append(moved, r)
			}
		}
		s.mu.Unlock()
	})
	to.do(func() {
		for _, r := range moved {
			s.mu.Lock()
			r.home = to
			s.mu.Unlock()
			if err := to.Root.Adopt(r.ctx); err != nil {
				s.e.Errorf("Adopt: %v", err)
			}
		}
		s.settle(l, to)
	})
	s.at[i] = to
}

// moveChildren takes a few of the children on from to the other lane.
func (s *stage) moveChildren(from, to *lane) {
	from.do(func() {
		s.mu.Lock()
		var some []*resident
		for _, r := range s.homes {
			if r.home == from && rand.IntN(4) == 0 {
				some = append(some, r)
			}
		}
		s.mu.Unlock()
		for _, r := range some {
			s.move(r, to)
		}
	})
	to.do(func() {}) // they are there
}
