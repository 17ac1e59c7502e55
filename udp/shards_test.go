package udp_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/udp"
)

// sharded is an open listen with several sockets, and each of them.
func sharded(e *friotest.Env, lines, limit string) (whole *friotest.Probe, shards []*friotest.Probe) {
	e.Helper()
	whole = parsed(e, lines, limit)
	if err := whole.Open(); err != nil {
		e.Fatalf("Open: %v", err)
	}
	for i, one := range whole.IO.(frio.Sharder).Shards() {
		shards = append(shards, e.Watch(one, one.(*udp.Listener).Context(), fmt.Sprint("shard ", i)))
	}
	return whole, shards
}

// acceptAll accepts what waits on shard, and closes each child after reading what it has. It notes the shard of each peer.
func acceptAll(e *friotest.Env, shard int, l *friotest.Probe, seen map[netip.AddrPort]int) (accepts int) {
	e.Helper()
	for {
		child, err := l.Accept(nil)
		if err == frio.ErrAgain {
			return accepts
		}
		if err != nil {
			e.Fatalf("Accept: %v", err)
		}
		accepts++
		peer := e.Remote(child)
		if before, ok := seen[peer]; ok && before != shard {
			e.Errorf("%v meets shard %d and then %d", peer, before, shard)
		}
		seen[peer] = shard
		e.Expect(child, []byte("hello"))
		child.Close()
	}
}

// TestShardsSteer: a peer always meets the same shard, also after its child was closed, and the peers spread over all.
func TestShardsSteer(t *testing.T) {
	for _, addr := range []string{"127.0.0.1", "::1"} {
		both(t, func(e *friotest.Env) {
			_, shards := sharded(e, "ipaddr = "+addr+"\nport = 0\nshards = 4\nchildren = demux\n", "")
			if len(shards) != 4 {
				e.Fatalf("%d shards", len(shards))
			}
			for i, s := range shards {
				s.Wish(nil, nil, nil)
				if e.Local(s) != e.Local(shards[0]) {
					e.Errorf("shard %d is at %v, the first at %v", i, e.Local(s), e.Local(shards[0]))
				}
				var text bytes.Buffer
				if s.Debug(&text); !strings.Contains(text.String(), fmt.Sprintf("shard %d of 4\n", i+1)) {
					e.Errorf("shard %d is not counted from 1:\n%s", i, text.String())
				}
			}
			var clients []*friotest.Probe
			for range 64 {
				clients = append(clients, clientOf(e, shards[0], ""))
			}
			seen := map[netip.AddrPort]int{}
			for range 3 {
				for _, c := range clients {
					e.Send(c, []byte("hello"))
				}
				accepts := 0
				e.Until("all children", func() bool {
					for i, s := range shards {
						accepts += acceptAll(e, i, s, seen)
					}
					return accepts >= len(clients)
				})
			}
			used := map[int]bool{}
			for _, i := range seen {
				used[i] = true
			}
			if len(seen) != len(clients) || len(used) != 4 {
				e.Errorf("%d peers on %d shards", len(seen), len(used))
			}
		})
	}
}

// TestShardsOfTwoAddresses: each address has its shards, and their limits are common.
func TestShardsOfTwoAddresses(t *testing.T) {
	both(t, func(e *friotest.Env) {
		whole, shards := sharded(e, "ipaddr = 127.0.0.1\nipv6addr = ::1\nport = 0\nshards = 2\nchildren = demux\n", "max_children = 3")
		if len(shards) != 4 {
			e.Fatalf("%d shards", len(shards))
		}
		a, b := e.Local(shards[0]), e.Local(shards[2])
		if e.Local(shards[1]) != a || e.Local(shards[3]) != b || !a.Addr().Is4() || !b.Addr().Is6() {
			e.Errorf("shards at %v and %v", a, b)
		}
		if d := whole.IO.Describe(); d != fmt.Sprintf("udp %v (2 shards), udp %v (2 shards)", a, b) {
			e.Errorf("Describe: %s", d)
		}
		for i := range 16 {
			e.Send(clientOf(e, shards[i%2*2], ""), []byte("hello"))
		}
		accepts, full := 0, uint64(0)
		e.Until("all are counted", func() bool {
			full = 0
			for _, s := range shards {
				if _, err := s.Accept(nil); err == nil {
					accepts++
				}
				full += countsOf(s).Full.Load()
			}
			return accepts+int(full) == 16
		})
		if accepts != 3 {
			e.Errorf("%d children, max_children is 3", accepts)
		}
		open := 0
		whole.IO.(frio.Parent).Children(func(frio.Handle) bool { open++; return true })
		if open != 3 {
			e.Errorf("the whole knows %d children", open)
		}
	})
}

// TestShardsAreExclusive: nobody gets a port that is taken, however many sockets are on it.
func TestShardsAreExclusive(t *testing.T) {
	for _, first := range []string{"shards = 2\n", "children = connected\n", "shards = 2\nchildren = connected\n", ""} {
		for _, second := range []string{"shards = 2\n", "children = connected\n", ""} {
			both(t, func(e *friotest.Env) {
				l := parsed(e, onLoopback+first, "")
				if err := l.Open(); err != nil {
					e.Fatalf("Open: %v", err)
				}
				io := l.IO
				if s, ok := io.(frio.Sharder); ok {
					io = s.Shards()[0]
				}
				port := io.(frio.Addresser).LocalAddr().Port()
				other := parsed(e, fmt.Sprintf("ipaddr = 127.0.0.1\nport = %d\n%s", port, second), "")
				if err := other.Open(); !errors.Is(err, syscall.EADDRINUSE) {
					e.Errorf("Open of a port that is taken: %v", err)
				}
			})
		}
	}
}

// TestStrangerGetsNothing: a socket that joins the port, as one of the same user may, gets no datagram.
func TestStrangerGetsNothing(t *testing.T) {
	for _, lines := range []string{"shards = 2\nchildren = demux\n", "children = connected\n", "shards = 2\nchildren = connected\n"} {
		both(t, func(e *friotest.Env) {
			l := parsed(e, onLoopback+lines, "")
			if err := l.Open(); err != nil {
				e.Fatalf("Open: %v", err)
			}
			shards := []frio.IO{l.IO}
			if s, ok := l.IO.(frio.Sharder); ok {
				shards = s.Shards()
			}
			to := shards[0].(frio.Addresser).LocalAddr()
			stranger, err := e.Kernel.Socket(sock.Inet4, frio.Datagram)
			if err == nil {
				err = e.Kernel.SetOption(stranger, sock.ReusePort, 1)
			}
			if err == nil {
				err = e.Kernel.Bind(stranger, sock.Addr{AddrPort: to})
			}
			if err != nil {
				e.Fatalf("the stranger: %v", err)
			}
			defer e.Kernel.Close(stranger)
			for range 64 {
				c := e.ParseText(nil, "client", fmt.Sprintf("home_server {\nprotocol = udp\nudp {\nipaddr = %v\nport = %d\n}\n}\n", to.Addr(), to.Port()))
				if err := c.Connect(); err != nil {
					e.Fatalf("Connect: %v", err)
				}
				e.Send(c, []byte("for the owner"))
			}
			accepts := 0
			e.Until("all children", func() bool {
				for _, s := range shards {
					ctx := e.Context(nil, "child")
					if child, err := s.Accept(ctx); err == nil {
						accepts++
						e.Watch(child, ctx, "child")
					} else {
						ctx.Free()
					}
				}
				return accepts == 64
			})
			if n, err := e.Kernel.RecvPackets(stranger, room(1, 64)); err != syscall.EAGAIN {
				e.Errorf("the stranger got %d datagrams, %v", n, err)
			}
		})
	}
}

// TestGateOfShards: a gate of the whole is asked on every shard.
func TestGateOfShards(t *testing.T) {
	both(t, func(e *friotest.Env) {
		whole := parsed(e, onLoopback+"shards = 4\n", "")
		asked := map[netip.AddrPort]bool{}
		if err := whole.IO.(frio.Gated).SetGate(func(p *frio.Packet, scratch []byte) ([]byte, frio.Verdict) {
			asked[p.Remote] = true
			return append(scratch[:0], "who?"...), frio.GateReply
		}); err != nil {
			e.Fatalf("SetGate: %v", err)
		}
		if err := whole.Open(); err != nil {
			e.Fatalf("Open: %v", err)
		}
		var first *friotest.Probe
		for i, one := range whole.IO.(frio.Sharder).Shards() {
			p := e.Watch(one, one.(*udp.Listener).Context(), fmt.Sprint("shard ", i))
			p.Wish(nil, func() { e.Errorf("a child") }, nil)
			first = p
		}
		for range 32 {
			c := clientOf(e, first, "")
			e.Send(c, []byte("hello"))
			e.Expect(c, []byte("who?"))
		}
		if len(asked) != 32 {
			e.Errorf("the gate was asked of %d peers", len(asked))
		}
		if text := whole.DebugText(); !strings.Contains(text, "shard 3 of 4") || !strings.Contains(text, "children demux with a gate") {
			e.Errorf("Debug:\n%s", text)
		}
	})
}

// TestShardsOpenFails: when the system cannot steer, nothing is left open.
func TestShardsOpenFails(t *testing.T) {
	onSim(t, func(e *friotest.Env) {
		for _, call := range []string{"SteerPackets", "Bind", "SetOption", "Socket"} {
			l := parsed(e, onLoopback+"shards = 3\n", "")
			e.Host().Inject(call, 1, syscall.EOPNOTSUPP)
			before := e.Host().Descriptors()
			if err := l.Open(); !errors.Is(err, syscall.EOPNOTSUPP) {
				e.Errorf("%s fails: %v", call, err)
			}
			if after := e.Host().Descriptors(); after != before {
				e.Errorf("%s fails: %d descriptors, before %d", call, after, before)
			}
		}
	})
}
