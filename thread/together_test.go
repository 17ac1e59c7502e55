package thread_test

import (
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/frio-io/frio/thread"
)

// togetherFlag is for a long run, about a minute over each stack on two cores:
//
//	go test ./thread -run TestMoveTogether -together 10000 -v
var togetherFlag = flag.Int("together", 0, "how many connections TestMoveTogether has open at once on each stack")

// crowdEnv has the test binary be the clients of TestMoveTogether: each end of so many connections needs a process's descriptors.
const crowdEnv = "FRIO_TEST_CROWD"

// crowdOrder is what it holds.
type crowdOrder struct {
	Name, Client string // of the stack
	Addr         netip.AddrPort
	Count, Size  int
}

// TestMoveTogether: connections that are all open at once, on four threads, are moved at random while each of them echoes, and lose
// and repeat no byte. Every client sends a part when it has connected and, when all have, they send the rest together.
func TestMoveTogether(t *testing.T) {
	for _, s := range stacks {
		t.Run(s.name, func(t *testing.T) {
			count := connections / 20
			if *togetherFlag > 0 {
				count = *togetherFlag
			}
			p := pool(t, thread.Config{Network: 4})
			srv := serve(t, p.Threads()[0], s, "max_connections = unlimited\n")
			peak := new(gauge)
			on(t, p.Threads()[0], func() { srv.all, srv.moves = peak, 1 })
			done, moved := make(chan struct{}), make(chan int)
			go func() {
				moved <- shuffle(t, p, 2, func() []*thread.Member {
					srv.mu.Lock()
					defer srv.mu.Unlock()
					return append([]*thread.Member(nil), srv.list...)
				}, done)
			}()
			order, err := json.Marshal(crowdOrder{srv.stack.name, srv.stack.client, srv.addr, count, 2_000})
			if err != nil {
				t.Fatal(err)
			}
			clients := exec.Command(os.Args[0], "-test.run=^TestCrowd$", "-test.v", "-test.timeout=30m")
			clients.Env = append(os.Environ(), crowdEnv+"="+string(order))
			out, err := clients.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "--- PASS: TestCrowd") {
				t.Errorf("the clients: %v\n%s", err, out)
			}
			close(done)
			asked := <-moved
			srv.until("the children are closed", func() bool { return srv.open.Load() == 0 })
			if cut := stop(t, p); !cut.None() {
				t.Errorf("%v", cut)
			}
			var arrived uint64
			for _, th := range p.Threads() {
				arrived += th.Stats().Arrived
			}
			t.Logf("figure: %s: %d connections, %d at once, %d moves asked, %d arrivals", s.name, srv.total.Load(), peak.peak.Load(), asked, arrived)
			if int(peak.peak.Load()) != count || int(srv.total.Load()) != count || int(arrived) < 2*count {
				t.Errorf("%d at once, %d in all, want %d; %d arrivals", peak.peak.Load(), srv.total.Load(), count, arrived)
			}
		})
	}
}

// TestCrowd is the clients of TestMoveTogether, in a process of their own.
func TestCrowd(t *testing.T) {
	text := os.Getenv(crowdEnv)
	if text == "" {
		return // it is nobody's order
	}
	var order crowdOrder
	if err := json.Unmarshal([]byte(text), &order); err != nil {
		t.Fatal(err)
	}
	p := pool(t, thread.Config{Network: 2})
	var first sync.WaitGroup
	srv := &server{t: t, stack: stack{name: order.Name, client: order.Client}, addr: order.Addr, stays: &first}
	handshakes := underWay
	if checked {
		handshakes /= 10
	}
	places := make(chan struct{}, handshakes)
	var gone sync.WaitGroup
	gone.Add(order.Count)
	srv.onStay = func() { <-places }
	const batch = 20
	for from := 0; from < order.Count; from += batch {
		n := min(batch, order.Count-from)
		for range n {
			places <- struct{}{}
		}
		first.Add(n)
		srv.dial(p.Threads()[from/batch%2], from, n, order.Size, func(*client) { gone.Done() })
	}
	all := make(chan struct{})
	go func() { first.Wait(); close(all) }()
	wait(t, all, "all clients to have had an answer")
	srv.onStay = nil
	clients := srv.clients
	first.Add(order.Count)
	for _, th := range p.Threads() {
		on(t, th, func() {
			for _, c := range clients {
				if c.m.Thread() == th {
					c.more(order.Size)
				}
			}
		})
	}
	again := make(chan struct{})
	go func() { first.Wait(); close(again) }()
	wait(t, again, "all clients to have had the rest")
	for _, c := range clients {
		srv.quit(c.m)
	}
	gone.Wait()
}
