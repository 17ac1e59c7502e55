package server

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio/radius/gateway"
	"github.com/frio-io/frio/talloc"
)

// impatient starts a gateway that waits for nothing when it stops, and has it ask a home server that does not answer.
func impatient(t *testing.T, network string) (r *reloadable, text string) {
	t.Helper()
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	text = gatewayText(homeOf(t, "b", arrived, release))
	t.Cleanup(func() { close(release) })
	root := talloc.Root("test")
	s, err := LoadString(root, "test.conf", text, Options{Logger: slog.New(slog.DiscardHandler), Drain: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(func(error) {}); err != nil { // it tells what it cuts
		t.Fatal(err)
	}
	r = &reloadable{T: t, Server: s, file: filepath.Join(t.TempDir(), "test.conf")}
	number := map[string]int{"tcp": 0, "udp": 1}[network]
	conn := r.dial(network, bound(s, number))
	asked := make(chan error, 1)
	go func() { asked <- ask(conn, 1) }()
	<-arrived
	t.Cleanup(func() {
		if _, err := s.Shutdown(); err != nil {
			t.Error(err)
		}
		conn.Close()
		if <-asked == nil {
			t.Error("it was answered")
		}
		root.Free()
	})
	return r, text
}

// over fails unless the one request ended once, in one of the ways given, and nothing of it is left.
func (r *reloadable) over(listens []*listen, ways ...gateway.Outcome) {
	r.Helper()
	for _, l := range listens {
		if n := l.radius.listen.Counts.Pending.Load(); n != 0 {
			r.Errorf("%d requests of %s are under way", n, l.name)
		}
		if n := l.radius.listen.Counts.Lost.Load(); n != 0 {
			r.Errorf("%d connections of %s count as lost that were cut", n, l.name)
		}
	}
	client := r.gateway.Clients()[0]
	all, good := uint64(0), uint64(0)
	for o := range gateway.OutcomeCount {
		all += client.Outcomes[o].Load()
	}
	for _, o := range ways {
		good += client.Outcomes[o].Load()
	}
	if all != 1 || good != 1 {
		r.Errorf("%d requests ended, %d as they should, want 1", all, good)
	}
	for _, h := range r.gateway.Homes() {
		if n := h.Ports[0].Peer.Outstanding(); n != 0 {
			r.Errorf("the home server has %d requests", n)
		}
	}
}

// What the time of a stop is not enough for is given up and counted once.
func TestRadiusStopsHard(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			r, _ := impatient(t, network)
			list := r.all()
			if cut, err := r.Shutdown(); err != nil || len(cut.Stuck) > 0 || cut.Functions > 0 {
				t.Errorf("Shutdown: %v, %v", cut, err)
			}
			r.over(list, gateway.OutcomeGone, gateway.OutcomeNoAnswer)
			for _, h := range r.gateway.Homes() {
				if n := h.Ports[0].Peer.Connections(); n != 0 {
					t.Errorf("the home server has %d connections", n)
				}
			}
		})
	}
}

// So is what a listen has under way that a reload cannot wait for.
func TestReloadRadiusHard(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			r, text := impatient(t, network)
			list := r.all()
			r.must(r.load(strings.Replace(text, "listen "+network, "listen other", 1)))
			r.over(list, gateway.OutcomeGone)
		})
	}
}
