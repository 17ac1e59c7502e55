package thread_test

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/thread"
)

// max_connections is exact with a listener on each of four threads that share it, and children on all.
func TestLimitIsExact(t *testing.T) {
	const most = 20
	p := pool(t, thread.Config{Network: 4})
	limits := base.DefaultLimits()
	limits.MaxConnections = most
	slots, counts := base.NewSlots(limits), new(base.Counts)
	var servers []*server
	all := new(gauge)
	for i, th := range p.Threads() {
		srv := &server{t: t, all: all}
		on(t, th, func() {
			ctx, err := th.Root().New("listener")
			if err != nil {
				t.Fatal(err)
			}
			srv.ctx = ctx
			k := sock.KernelOf(ctx)
			addr := sock.Addr{AddrPort: netip.MustParseAddrPort(fmt.Sprintf("127.0.0.%d:0", i+1))}
			srv.io, err = base.NewListener(ctx, &base.Stream{Method: "tcp", Kernel: k, Setup: func(int, bool) error { return nil }}, base.Listening{
				Addr: addr, Slots: slots, Counts: counts,
				Open: func(*base.Inheritance) (int, error) {
					return base.OpenSocket(k, addr, frio.Stream, "", func(int) error { return nil }, func(fd int) error { return k.Listen(fd, 1024) })
				},
			})
			if err == nil {
				err = srv.io.Open()
			}
			if err != nil {
				t.Fatal(err)
			}
			srv.addr = srv.io.(frio.Addresser).LocalAddr()
			if srv.m, err = th.Add(srv.io, ctx, nil, srv); err != nil {
				t.Error(err)
			}
		})
		servers = append(servers, srv)
	}
	var addrs []netip.AddrPort
	for _, srv := range servers {
		addrs = append(addrs, srv.addr)
	}
	total := press(t, all, most, addrs)
	if full := counts.Full.Load(); full == 0 {
		t.Error("the limit was never met")
	}
	servers[0].until("all are closed", func() bool { return all.open.Load() == 0 })
	if counts.Accepted.Load() != uint64(total) {
		t.Errorf("%d accepted, want %d", counts.Accepted.Load(), total)
	}
}

// The same of a listen as it is configured: what its two sockets accept lives on four threads.
func TestConfiguredLimitIsExact(t *testing.T) {
	if l, err := net.Listen("tcp6", "[::1]:0"); err != nil {
		friotest.Skip(t, "no IPv6 on loopback: "+err.Error())
	} else {
		l.Close()
	}
	const most = 20
	p := pool(t, thread.Config{Network: 4})
	f := flockOf(t, p, stack{name: "tcp", listen: "tcp {\nipaddr = 127.0.0.1\nipv6addr = ::1\nport = 0\n}\n"}, fmt.Sprintf("max_connections = %d\n", most))
	if len(f.shards) != 2 {
		t.Fatalf("%d sockets, want 2", len(f.shards))
	}
	total := press(t, &f.all, most, []netip.AddrPort{f.shards[0].addr, f.shards[1].addr})
	var accepted int64
	for _, one := range f.shards {
		if n := one.total.Load(); n == 0 {
			t.Errorf("nobody came by %v", one.addr)
		}
		accepted += one.total.Load()
	}
	if accepted != int64(total) {
		t.Errorf("%d accepted, want %d", accepted, total)
	}
	f.shards[0].until("all are closed", func() bool { return f.all.open.Load() == 0 })
}

// press has more clients than the limit of most connect to addrs, each of which wants an answer and stays until it is sent away. Again and
// again it waits until as many as the limit allows are served, has some of them go, and others come. It returns how many there were.
func press(t *testing.T, all *gauge, most int, addrs []netip.AddrPort) (total int) {
	t.Helper()
	const waiting, rounds = 40, 60
	served := make(chan chan struct{}, most+waiting) // each served client, by what sends it away
	var running sync.WaitGroup
	come := func(count int) {
		for range count {
			addr := addrs[total%len(addrs)].String()
			total++
			running.Go(func() {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				_, _ = conn.Write([]byte("x")) // reading tells
				var b [1]byte
				if n, err := conn.Read(b[:]); n != 1 {
					t.Errorf("no answer: %v", err)
					return
				}
				leave := make(chan struct{})
				served <- leave
				<-leave
			})
		}
	}
	var stay []chan struct{}
	sent := 0 // away
	// fill waits until count more are served.
	fill := func(count int) {
		t.Helper()
		for range count {
			select {
			case leave := <-served:
				stay = append(stay, leave)
			case <-time.After(patience):
				t.Fatalf("%d are served with others waiting, the limit is %d", len(stay), most)
			}
		}
	}
	come(most + waiting)
	for round := range rounds {
		fill(most - len(stay))
		if n := all.open.Load(); n != int64(most) {
			t.Fatalf("round %d: %d are open while %d are served and others wait", round, n, most)
		}
		gone := 1 + round*7%most
		for _, leave := range stay[:gone] {
			close(leave)
		}
		stay, sent = stay[gone:], sent+gone
		come(gone)
	}
	// The rest is served one after the other.
	for range total - sent - len(stay) {
		close(stay[0])
		stay = stay[1:]
		fill(1)
	}
	for _, leave := range stay {
		close(leave)
	}
	done := make(chan struct{})
	go func() { running.Wait(); close(done) }()
	wait(t, done, "all to be answered")
	if peak := all.peak.Load(); peak != int64(most) {
		t.Errorf("%d were open at once, the limit is %d", peak, most)
	}
	return total
}
