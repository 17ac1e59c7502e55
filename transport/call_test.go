package transport

import (
	"errors"
	"testing"
	"time"
)

func TestCall(t *testing.T) {
	onMethods(t, func(b *bench, method string) {
		h := b.newHome(method, 0)
		peer := b.peer(method, at(h.port), Limits{})
		pool := peer.Pool(b.lane)
		r := b.started(pool, 1)[0]
		if !r.Active() || r.IsDatagram() != (method == "udp") || peer.Outstanding() != 1 || peer.Connections() != 1 {
			t.Errorf("active %v, %d under way", r.Active(), peer.Outstanding())
		}
		b.Until("it is answered", func() bool { return r.answers == 1 })
		b.over([]*request{r}, 1, 0)
		if c := &peer.Counts; c.Requests.Load() != 1 || c.Answers.Load() != 1 || c.Opened.Load() != 1 || c.Failed.Load() != 0 || peer.Outstanding() != 0 {
			t.Errorf("requests %d, answers %d", c.Requests.Load(), c.Answers.Load())
		}
		for range 3 { // the same Call, again and again, on the same connection
			b.must(pool.Start(&r.Call, r))
			b.Until("it is answered", func() bool { return !r.Active() })
		}
		if h.connections() != 1 || r.answers != 4 {
			t.Errorf("%d connections, %d answers", h.connections(), r.answers)
		}
	})
}

// An identifier is not used again while it is under way; more than 256 requests open one more connection.
func TestIdentifiers(t *testing.T) {
	onMethods(t, func(b *bench, method string) {
		h := b.newHome(method, 0)
		h.silent = true
		peer := b.peer(method, at(h.port), Limits{})
		pool := peer.Pool(b.lane)
		list := b.many(pool, 600)
		b.Until("all have come", func() bool { return len(h.got) == 600 })
		used := map[*Conn]map[int]bool{}
		for _, r := range list {
			if used[r.link.conn] == nil {
				used[r.link.conn] = map[int]bool{}
			}
			if id := r.ids[0]; used[r.link.conn][id] || len(r.ids) != 1 {
				t.Fatalf("identifier %d twice", id)
			}
			used[r.link.conn][r.ids[0]] = true
		}
		if len(used) != 3 || peer.Connections() != 3 || pool.Up() != 3 {
			t.Errorf("%d connections carry 600 requests, want 3", len(used))
		}
		// Those that are free again are used, not those under way.
		for _, r := range list[:300] {
			r.Cancel()
		}
		more := b.many(pool, 300)
		b.Until("all have come", func() bool { return len(h.got) == 900 })
		if peer.Connections() != 3 {
			t.Errorf("%d connections", peer.Connections())
		}
		for _, f := range h.held {
			f()
			b.Turn() // a socket has room for so many datagrams only
		}
		b.Until("all are answered", func() bool { return peer.Outstanding() == 0 })
		b.Spin(3)
		b.over(list[300:], 1, 0)
		b.over(more, 1, 0)
		b.over(list[:300], 0, 0)
		if n := peer.Counts.Unmatched.Load() + peer.Counts.Rejected.Load(); n != 300 {
			t.Errorf("%d answers to nothing, want 300", n)
		}
	})
}

// An answer that its owner does not take is counted, and the call goes on.
func TestAnswerNotTaken(t *testing.T) {
	onMethods(t, func(b *bench, method string) {
		h := b.newHome(method, 0)
		peer := b.peer(method, at(h.port), Limits{})
		r := &request{refuse: true}
		b.must(peer.Pool(b.lane).Start(&r.Call, r))
		b.Until("an answer came", func() bool { return peer.Counts.Rejected.Load() == 1 })
		if !r.Active() || r.answers != 0 || peer.Outstanding() != 1 {
			t.Error("the call ended")
		}
		r.refuse = false
		c := h.seen[0].conn
		for _, m := range [][]byte{{0, 4, byte(r.ids[0] + 1), 0}, {0, 3, 0}, {0, 4, byte(r.ids[0]), r.tag}} {
			var to *Addr
			if method == "udp" {
				to = &h.seen[0].addrs[0]
			}
			b.must(c.Send(to, m))
		}
		b.Until("it is answered", func() bool { return r.answers == 1 })
		if n := peer.Counts.Unmatched.Load(); n != 2 {
			t.Errorf("%d unmatched answers, want 2", n)
		}
	})
}

// Cancel in every state: idle, waiting, sent, with an answer on its way. Nothing is told, and all is given back.
func TestCancel(t *testing.T) {
	onMethods(t, func(b *bench, method string) {
		h := b.newHome(method, 0)
		peer := b.peer(method, at(h.port), Limits{Connections: 1, Requests: 2})
		pool := peer.Pool(b.lane)
		list := b.started(pool, 5)
		new(request).Cancel()
		list[1].Cancel()
		list[4].Cancel()
		list[3].Cancel()
		b.Until("the rest is answered", func() bool { return peer.Outstanding() == 0 })
		b.Spin(5)
		b.over([]*request{list[0], list[2]}, 1, 0)
		b.over([]*request{list[1], list[3], list[4]}, 0, 0)

		h.silent = true
		r := b.started(pool, 1)[0]
		r.Retransmit(Retransmission{Initial: time.Second, Count: 2})
		b.Until("it was sent", func() bool { return len(h.held) == 1 })
		r.Cancel()
		r.Cancel()
		h.answer()
		b.Pass(10 * time.Second)
		b.over([]*request{r}, 0, 0)
		if r.Again() {
			t.Error("an idle call was sent again")
		}
	})
}

// What owners do inside Answer and Lost: start others, themselves again, cancel others.
func TestOwnersActInside(t *testing.T) {
	onMethods(t, func(b *bench, method string) {
		h := b.newHome(method, 0)
		peer := b.peer(method, at(h.port), Limits{})
		pool := peer.Pool(b.lane)
		second, other := &request{tag: 2}, &request{tag: 3}
		first := &request{tag: 1}
		first.done = func(r *request) {
			b.must(pool.Start(&second.Call, second))
			other.Cancel()
		}
		b.must(pool.Start(&first.Call, first))
		b.must(pool.Start(&other.Call, other))
		b.Until("the second is answered", func() bool { return second.answers == 1 })
		b.over([]*request{first, second}, 1, 0)
		b.over([]*request{other}, 0, 0)

		// The same call, cancelled and started in its own Answer, is another one.
		first.done = func(r *request) {
			r.done = nil
			r.Cancel()
			b.must(pool.Start(&r.Call, r))
		}
		b.must(pool.Start(&first.Call, first))
		b.Until("it is answered again", func() bool { return first.answers == 3 })
		b.over([]*request{first}, 3, 0)
	})
}

// An error of Encode is Start's, or, of a call that waited, Lost's. Nothing was sent, and nothing is used up.
func TestEncodeFails(t *testing.T) {
	onMethods(t, func(b *bench, method string) {
		h := b.newHome(method, 0)
		peer := b.peer(method, at(h.port), Limits{Connections: 1, Requests: 1})
		pool := peer.Pool(b.lane)
		r := &request{fails: true}
		if err := pool.Start(&r.Call, r); err != errEncode || r.losts != nil || r.Active() {
			t.Errorf("Start: %v, lost by %v", err, r.losts)
		}
		good := b.started(pool, 1)
		b.must(pool.Start(&r.Call, r))
		more := b.started(pool, 2)
		b.Until("the others are answered", func() bool { return peer.Outstanding() == 0 })
		b.over(append(good, more...), 1, 0)
		if len(r.losts) != 1 || r.losts[0] != errEncode || len(h.got) != 3 || peer.Counts.Requests.Load() != 3 {
			t.Errorf("lost by %v, %d came", r.losts, len(h.got))
		}
	})
}

// Datagrams are sent again by the times given, with the same bytes, and given up; a stream only waits.
func TestRetransmit(t *testing.T) {
	onMethods(t, func(b *bench, method string) {
		h := b.newHome(method, 0)
		h.silent = true
		peer := b.peer(method, at(h.port), Limits{})
		r := b.started(peer.Pool(b.lane), 1)[0]
		r.Retransmit(Retransmission{Initial: time.Second, Max: 2 * time.Second, Count: 4})
		r.Retransmit(Retransmission{Initial: time.Second, Max: 2 * time.Second, Count: 4})
		began := b.Kernel.Now()
		b.Until("it is lost", func() bool { return len(r.losts) > 0 })
		if took := b.Kernel.Now().Sub(began); took < 6300*time.Millisecond || took > 7710*time.Millisecond {
			t.Errorf("given up after %v, want 7 s and a tenth", took)
		}
		want := map[string]int{"udp": 4, "tcp": 1}[method]
		if len(h.got) != want || int(peer.Counts.Resent.Load()) != want-1 || !errors.Is(r.losts[0], ErrNoAnswer) {
			t.Errorf("sent %d times, %d again, lost by %v", len(h.got), peer.Counts.Resent.Load(), r.losts)
		}
		for _, m := range h.got {
			if string(m) != string(h.got[0]) {
				t.Errorf("sent %x and %x", m, h.got[0])
			}
		}
		h.answer()
		b.Spin(5)
		b.over([]*request{r}, 0, 1)
		// A socket stays, and counts what comes late. A connection on which nothing came is not used any more.
		late, conns := want, 1
		if method == "tcp" {
			late, conns = 0, 0
		}
		if n := int(peer.Counts.Unmatched.Load()); n != late || peer.Connections() != conns {
			t.Errorf("%d late answers are counted, want %d; %d connections", n, late, peer.Connections())
		}
	})
}
