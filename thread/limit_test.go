package thread_test

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/thread"
)

// max_connections is exact with a listener on each of four threads that share it, and children on all.
func TestLimitIsExact(t *testing.T) {
	const most, clients, rounds = 20, 60, 30
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
				Open: func() (int, error) {
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
	// There are more clients than the limit allows; each wants an answer, again and again.
	var running sync.WaitGroup
	for c := range clients {
		running.Go(func() {
			for r := range rounds {
				conn, err := net.Dial("tcp", servers[(c+r)%4].addr.String())
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = conn.Write([]byte("x")) // reading tells
				var b [1]byte
				if n, err := conn.Read(b[:]); n != 1 {
					t.Errorf("no answer: %v", err)
				}
				conn.Close()
			}
		})
	}
	done := make(chan struct{})
	go func() { running.Wait(); close(done) }()
	wait(t, done, "all to be answered")
	if peak := all.peak.Load(); peak > most || peak < most/2 {
		t.Errorf("%d were open at once, the limit is %d", peak, most)
	}
	if full := counts.Full.Load(); full == 0 {
		t.Error("the limit was never met")
	}
	servers[0].until("all are closed", func() bool { return all.open.Load() == 0 })
	if want := uint64(clients * rounds); counts.Accepted.Load() != want {
		t.Errorf("%d accepted, want %d", counts.Accepted.Load(), want)
	}
}
