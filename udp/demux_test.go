package udp_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
)

// peers is many clients of one listener, and what their children got.
type peers struct {
	e        *friotest.Env
	l        *friotest.Probe
	clients  []*friotest.Probe
	children map[string]*friotest.Probe // by the peer's address
	got      map[string]int
	accepts  int
}

func newPeers(e *friotest.Env, l *friotest.Probe, count int) *peers {
	p := &peers{e: e, l: l, children: map[string]*friotest.Probe{}, got: map[string]int{}}
	for range count {
		p.clients = append(p.clients, clientOf(e, l, ""))
	}
	return p
}

// text is what client i sends as its nth datagram.
func (p *peers) text(i, n int) string { return fmt.Sprintf("%v #%d", p.e.Local(p.clients[i]), n) }

// serve accepts, and reads in callbacks; pause tells which peers' children do not read.
func (p *peers) serve(pause func(peer string) bool) {
	p.l.Wish(nil, func() {
		for {
			child, err := p.l.Accept(nil)
			if err == frio.ErrAgain {
				return
			}
			if err != nil {
				p.e.Fatalf("Accept: %v", err)
			}
			p.accepts++
			peer := p.e.Remote(child).String()
			if p.children[peer] != nil {
				p.e.Errorf("a second child of %s", peer)
			}
			p.children[peer] = child
			if pause != nil && pause(peer) {
				child.Wish(nil, nil, nil)
				continue
			}
			child.Wish(nil, func() { p.read(child, peer) }, nil)
		}
	}, nil)
}

func (p *peers) read(child *friotest.Probe, peer string) {
	var buf [64]byte
	for {
		n, err := child.Read(buf[:])
		if err == frio.ErrAgain {
			return
		}
		if want := fmt.Sprintf("%s #%d", peer, p.got[peer]); err != nil || string(buf[:n]) != want {
			p.e.Fatalf("the child of %s got %q, %v, want %q", peer, buf[:n], err, want)
		}
		p.got[peer]++
		if _, err := child.Write(buf[:n]); err != nil {
			p.e.Fatalf("Write: %v", err)
		}
	}
}

// TestManyPeersAtOnce: 64 peers appear in the same moment, each with several datagrams: every one reaches its own child, in order,
// and every answer its own peer.
func TestManyPeersAtOnce(t *testing.T) {
	const count, each = 64, 8
	both(t, func(e *friotest.Env) {
		l := opened(e, demuxed+"recv_buff = 4M\n", "")
		p := newPeers(e, l, count)
		p.serve(nil)
		for n := range each {
			for i, c := range p.clients {
				e.Send(c, []byte(p.text(i, n)))
			}
			if n == each/2 { // half of it before the listener is awake, half under way
				e.Turn()
			}
		}
		e.Until("all datagrams", func() bool {
			total := 0
			for _, n := range p.got {
				total += n
			}
			return total >= count*each
		})
		for i, c := range p.clients {
			for n := range each {
				e.Expect(c, []byte(p.text(i, n)))
			}
			e.Nothing(c)
		}
		if p.accepts != count || len(p.got) != count {
			e.Errorf("%d children of %d peers", p.accepts, count)
		}
		n := countsOf(l)
		if n.Inbox.Load()+n.Held.Load()+n.Full.Load() > 0 {
			e.Errorf("%d, %d and %d datagrams were dropped", n.Inbox.Load(), n.Held.Load(), n.Full.Load())
		}
	})
}

// TestInboxOfAPausedChild: 64 datagrams are kept, in order, and the rest dropped and counted; other children go on.
func TestInboxOfAPausedChild(t *testing.T) {
	onSim(t, func(e *friotest.Env) {
		l := opened(e, demuxed, "")
		l.Wish(nil, nil, nil)
		slow, quick := clientOf(e, l, ""), clientOf(e, l, "")
		paused, busy := childOf(e, l, slow), childOf(e, l, quick)
		paused.Wish(nil, nil, nil)
		for i := range 100 {
			e.Send(slow, []byte(fmt.Sprint("slow ", i)))
			e.Send(quick, []byte(fmt.Sprint("quick ", i)))
			e.Until("the quick one's", func() bool { return e.Root.Total().Buffers > 0 })
			e.Turn()
			e.Expect(busy, []byte(fmt.Sprint("quick ", i)))
		}
		if got := countsOf(l).Inbox.Load(); got != 36 {
			e.Errorf("%d datagrams were dropped, want 36", got)
		}
		if text := l.DebugText(); !strings.Contains(text, "holds 64 datagrams") || !strings.Contains(text, "full inbox 36") {
			e.Errorf("Debug does not tell:\n%s", text)
		}
		calls := 0
		paused.Wish(nil, func() { calls++ }, nil)
		e.Until("what waits is announced", func() bool { return calls > 0 })
		for i := range 64 {
			e.Expect(paused, []byte(fmt.Sprint("slow ", i)))
		}
		e.Nothing(paused)
		if n := paused.Ctx.Total().Buffers; n > 0 {
			e.Errorf("an empty inbox has %d buffers", n)
		}
	})
}

// TestReadingStops: without a child and without a wish the listener leaves the socket alone; read = nil stops new children only.
func TestReadingStops(t *testing.T) {
	onSim(t, func(e *friotest.Env) {
		l := opened(e, demuxed, "")
		l.Wish(nil, nil, nil)
		c := clientOf(e, l, "")
		e.Send(c, []byte("first"))
		e.Spin(3)
		if n := e.Host().Calls("RecvPackets"); n > 0 {
			e.Errorf("%d reads of the socket, with no child and no wish", n)
		}
		child := e.AcceptFrom(l, nil)
		e.Expect(child, []byte("first"))
		calls := 0
		l.Wish(nil, func() { calls++ }, nil)
		l.Wish(nil, nil, nil)
		other := clientOf(e, l, "")
		e.Send(other, []byte("a new peer"))
		e.Send(c, []byte("second"))
		e.Spin(3)
		e.Expect(child, []byte("second"))
		if calls > 0 {
			e.Errorf("%d callbacks for a new child without the wish", calls)
		}
		l.Wish(nil, func() { calls++ }, nil)
		e.Spin(1)
		if calls != 1 {
			e.Errorf("%d callbacks for the child that waits, want 1", calls)
		}
		late := e.AcceptFrom(l, nil)
		e.Expect(late, []byte("a new peer"))
		l.Wish(nil, nil, nil)
		late.Close()
		child.Close()
		before := e.Host().Calls("RecvPackets")
		e.Send(c, []byte("third"))
		e.Spin(3)
		if n := e.Host().Calls("RecvPackets") - before; n > 0 {
			e.Errorf("%d reads of the socket after the last child went", n)
		}
	})
}

// TestMaxChildren: exactly so many; a slot is free at once on Close, on Free and on a time-out.
func TestMaxChildren(t *testing.T) {
	onSim(t, func(e *friotest.Env) {
		l := opened(e, demuxed, "max_children = 3\nidle_timeout = 30s\n")
		l.Wish(nil, func() {}, nil)
		fill := func() (children []*friotest.Probe) {
			e.Helper()
			var clients []*friotest.Probe
			for range 5 {
				c := clientOf(e, l, "")
				e.Send(c, []byte("hello"))
				clients = append(clients, c)
			}
			for range 3 {
				children = append(children, e.AcceptFrom(l, nil))
			}
			e.Spin(3)
			if _, err := l.Accept(nil); err != frio.ErrAgain {
				e.Fatalf("a fourth child: %v", err)
			}
			for _, c := range clients {
				c.Close()
			}
			return children
		}
		dropped := func(want uint64) {
			e.Helper()
			if got := countsOf(l).Full.Load(); got != want {
				e.Errorf("%d datagrams dropped at max_children, want %d", got, want)
			}
		}
		for _, child := range fill() {
			child.Close()
		}
		dropped(2)
		for _, child := range fill() {
			child.Ctx.Free()
		}
		dropped(4)
		failed := fill()
		dropped(6)
		e.Pass(31 * time.Second)
		for _, child := range failed {
			if s := child.State(); s != frio.StateFailed {
				e.Errorf("state %v after idle_timeout", s)
			}
		}
		fill()
		dropped(8)
	})
}

// TestChildTimeouts: traffic either way puts idle_timeout off; lifetime waits for a quiet moment; the peer may come back.
func TestChildTimeouts(t *testing.T) {
	timedOut := func(e *friotest.Env, child *friotest.Probe, limit string) {
		e.Helper()
		var timeout *frio.TimeoutError
		var buf [8]byte
		_, err := child.Read(buf[:])
		if !errors.As(err, &timeout) || timeout.Limit != limit {
			e.Errorf("Read: %v, want %s", err, limit)
		}
		if _, err := child.Write(buf[:]); !errors.Is(err, frio.ErrTimeout) {
			e.Errorf("Write: %v, want %s", err, limit)
		}
	}
	for _, loop := range []bool{true, false} {
		onSim(t, func(e *friotest.Env) {
			l := opened(e, demuxed, "idle_timeout = 10s\nlifetime = 60s\n")
			if loop {
				l.Wish(nil, nil, nil)
			}
			c := clientOf(e, l, "")
			child := childOf(e, l, c)
			reads, writes := 0, 0
			if loop {
				child.Wish(nil, func() { reads++ }, nil)
			}
			for i := range 3 {
				e.Pass(6 * time.Second)
				e.Send(child, []byte("down"))
				e.Expect(c, []byte("down"))
				e.Pass(6 * time.Second)
				e.Send(c, []byte("up"))
				e.Expect(child, []byte("up"))
				if s := child.State(); s != frio.StateOpen {
					e.Fatalf("state %v with traffic, round %d", s, i)
				}
			}
			e.Pass(9900 * time.Millisecond)
			if s := child.State(); s != frio.StateOpen {
				e.Fatalf("state %v before idle_timeout", s)
			}
			reads = 0
			e.Pass(time.Second)
			if loop {
				if reads == 0 {
					e.Errorf("the time-out was not announced")
				}
				child.Wish(nil, func() { reads++ }, func() { writes++ })
				e.Spin(2)
				if writes == 0 {
					e.Errorf("the time-out was not announced to the writer")
				}
			}
			timedOut(e, child, "idle_timeout")
			reads, writes = 0, 0
			e.Spin(3)
			if reads+writes > 0 {
				e.Errorf("%d callbacks after the time-out was returned", reads+writes)
			}

			// The old child need not be closed for that.
			next := childOf(e, l, c)
			for range 59 {
				e.Pass(time.Second)
				e.Send(c, []byte("up"))
				e.Expect(next, []byte("up"))
			}
			for range 40 { // 2 s without a quiet moment
				e.Pass(50 * time.Millisecond)
				e.Send(c, []byte("up"))
				e.Expect(next, []byte("up"))
			}
			e.Pass(time.Second)
			timedOut(e, next, "lifetime")
			if got := countsOf(l).Timeouts.Load(); got != 2 {
				e.Errorf("%d time-outs counted, want 2", got)
			}
		})
	}
}

// TestWaitingTimesOut: a child that nobody accepts ends by its limits, and its slot and memory are free.
func TestWaitingTimesOut(t *testing.T) {
	onSim(t, func(e *friotest.Env) {
		l := opened(e, demuxed, "idle_timeout = 10s\nmax_children = 1\n")
		l.Wish(nil, func() {}, nil)
		one, two := clientOf(e, l, ""), clientOf(e, l, "")
		e.Send(one, []byte("one"))
		e.Spin(2)
		if text := l.DebugText(); !strings.Contains(text, "waiting 1 with") {
			e.Errorf("Debug does not tell of who waits:\n%s", text)
		}
		e.Pass(11 * time.Second)
		if n := l.Ctx.Total().Buffers; n > 0 {
			e.Errorf("%d buffers of a child that timed out", n)
		}
		if text := l.DebugText(); !strings.Contains(text, "waiting 0 with 0 bytes") {
			e.Errorf("Debug does not tell that nobody waits any more:\n%s", text)
		}
		child := childOf(e, l, two)
		if got, want := e.Remote(child), e.Local(two); got != want {
			e.Errorf("the child of %v, want %v", got, want)
		}
	})
}

// TestTurnIsBounded: a flood does not keep the loop from other work.
func TestTurnIsBounded(t *testing.T) {
	onSim(t, func(e *friotest.Env) {
		l := opened(e, demuxed+"recv_buff = 200K\n", "")
		l.Wish(nil, func() {}, nil)
		c := clientOf(e, l, "")
		for range 600 {
			e.Send(c, []byte("x"))
		}
		before := countsOf(l).In.Load()
		e.Turn()
		if n := countsOf(l).In.Load() - before; n != 64 {
			e.Errorf("%d datagrams were read in one turn, want 64", n)
		}
		e.Spin(9)
		if n := countsOf(l).In.Load() - before; n != 600 {
			e.Errorf("%d datagrams were read, want 600", n)
		}
	})
}

// TestAcceptWithoutMemory: a context that is full costs time, not the child, and does not spin.
func TestAcceptWithoutMemory(t *testing.T) {
	onSim(t, func(e *friotest.Env) {
		l := opened(e, demuxed, "")
		calls := 0
		l.Wish(nil, func() { calls++ }, nil)
		c := clientOf(e, l, "")
		e.Send(c, []byte("patience"))
		full := e.Context(nil, "full")
		for _, limit := range []struct {
			bytes    int64
			contexts int
		}{{64, 0}, {0, 1}} {
			full.SetLimit(limit.bytes, limit.contexts)
			if limit.contexts == 1 {
				if _, err := full.New("the one"); err != nil {
					e.Fatalf("New: %v", err)
				}
			}
			e.Until("the callback", func() bool { return calls > 0 })
			before := full.Total()
			if child, err := l.IO.Accept(full); err != frio.ErrAgain {
				e.Fatalf("Accept into a full context: %v, %v", child, err)
			}
			if after := full.Total(); after != before {
				e.Errorf("a failed Accept left %+v, before %+v", after, before)
			}
			calls = 0
			e.Pass(90 * time.Millisecond)
			if calls > 0 {
				e.Errorf("%d callbacks while it rests", calls)
			}
			e.Pass(20 * time.Millisecond)
		}
		full.Free()
		child := e.AcceptFrom(l, nil)
		e.Expect(child, []byte("patience"))
		if got := countsOf(l).NoMemory.Load(); got != 2 {
			e.Errorf("counted %d times, want 2", got)
		}
	})
}

// TestBurst: what one peer sends at once, more than an inbox holds, reaches a child that reads what it is told of, from the first on.
func TestBurst(t *testing.T) {
	both(t, func(e *friotest.Env) {
		l := opened(e, demuxed+"recv_buff = 1M\n", "")
		var child *friotest.Probe
		var got []string
		read := func() {
			for {
				packets := room(16, 16)
				n, err := child.ReadPackets(packets)
				if err != nil {
					return
				}
				for _, p := range packets[:n] {
					got = append(got, string(p.Data))
				}
			}
		}
		l.Wish(nil, func() {
			if one, err := l.Accept(nil); err == nil {
				child = one
				child.Wish(nil, read, nil)
			}
		}, nil)
		c := clientOf(e, l, "")
		const burst = 300
		for round := range 3 {
			got = nil
			if round == 2 {
				child.Wish(nil, nil, nil)
			}
			for i := range burst {
				e.Send(c, []byte(fmt.Sprint(i)))
				if round == 2 && i == 32 { // what waited for a child that did not read
					e.Spin(2)
					child.Wish(nil, read, nil)
				}
			}
			e.Until("the burst", func() bool { return len(got) == burst })
			for i, one := range got {
				if one != fmt.Sprint(i) {
					e.Fatalf("round %d: read %q, want %d", round, one, i)
				}
			}
		}
	})
}
