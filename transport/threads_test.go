package transport

import (
	"sync"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/thread"
)

// Threads that share a peer keep its budgets, and each gets the answers to its own requests.
func TestPeerOverThreads(t *testing.T) {
	for _, method := range []string{"udp", "tcp"} {
		t.Run(method, func(t *testing.T) { peerOverThreads(t, method) })
	}
}

func peerOverThreads(t *testing.T, method string) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pool, err := thread.New(thread.Config{Network: 3, OnError: func(_ *thread.Thread, err error) { t.Error(err) }})
	must(err)
	lanes, err := NewLanes(pool)
	must(err)
	ctx, err := pool.Threads()[0].Root().New("home")
	must(err)
	parse := func(kind string, port uint16) frio.IO {
		root, err := conf.ParseString("test.conf", inet(kind, method, method, port, ""), conf.Options{})
		must(err)
		one, err := frio.Parse(ctx, root.TakeSections(kind)[0])
		must(err)
		return one
	}
	home := parse("listen", 0)
	must(home.Open())
	must(NewPort("home", lanes, home, ctx, &roaming{TB: t}).Join(lanes[0]))
	const connections, outstanding, each = 3, 20, 500
	peer := NewPeer("home", parse("home_server", home.(frio.Addresser).LocalAddr().Port()), proto,
		Limits{Connections: connections, Outstanding: outstanding}, len(lanes))
	pool.Start()
	var running sync.WaitGroup
	for _, lane := range lanes {
		running.Add(1)
		must(lane.Thread().Send(func() { (&worker{TB: t, pool: peer.Pool(lane), left: each, done: running.Done}).start() }))
	}
	ended := make(chan struct{})
	go func() { running.Wait(); close(ended) }()
	for watching := true; watching; {
		if n, m := peer.Connections(), peer.Outstanding(); n > connections || m > outstanding {
			t.Errorf("%d connections, %d requests", n, m)
		}
		select {
		case <-ended:
			watching = false
		case <-time.After(time.Millisecond):
		}
	}
	for _, lane := range lanes { // the last answers are counted after their owners were told
		through := make(chan struct{})
		must(lane.Thread().Send(func() { close(through) }))
		<-through
	}
	if n, m := peer.Counts.Answers.Load(), peer.Outstanding(); n != each*3 || m != 0 {
		t.Errorf("%d answers, %d requests under way", n, m)
	}
	if cut, err := pool.Stop(10 * time.Second); err != nil || !cut.None() {
		t.Errorf("Stop: %v, %v", cut, err)
	}
	if peer.Connections() != 0 {
		t.Errorf("%d connections at the end", peer.Connections())
	}
}

// worker keeps ten requests under way on one thread.
type worker struct {
	testing.TB
	pool  *Pool
	left  int // to be started
	under int
	done  func()
}

func (w *worker) start() {
	for w.left > 0 && w.under < 10 {
		r := &request{tag: byte(w.left)}
		r.done = func(*request) {
			w.under--
			w.start()
		}
		r.gone = func(_ *request, err error) { w.Errorf("lost by %v", err) }
		switch err := w.pool.Start(&r.Call, r); err {
		case nil:
			w.left--
			w.under++
		case ErrBusy: // others have all
			if w.under == 0 {
				if err := w.pool.lane.loop.Post(w.start); err != nil {
					w.Error(err)
				}
			}
			return
		default:
			w.Errorf("Start: %v", err)
			return
		}
	}
	if w.left == 0 && w.under == 0 {
		w.done()
	}
}
