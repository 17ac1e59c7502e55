package queue

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frio-io/frio/event"
)

// payload is as large as a Message and a word.
type payload struct {
	number uint64
	ack    chan struct{} // not nil: told when it has come
	last   bool
}

// rounds is in how many parts a comparison runs, one side and the other in turn, so that what else the machine does hits both.
const rounds = 16

// compare runs count messages on both sides in turn and reports ns per message and messages per second of ours, ns of the channel's,
// and the ratio of ours to it: below 1 ours is faster.
func compare(b *testing.B, burst int, ours, channel func(bursts int)) {
	b.ReportAllocs()
	ours(1)
	channel(1)
	var took [2]time.Duration
	count := 0
	b.ResetTimer()
	for left := (b.N + burst - 1) / burst; left > 0; {
		part := min(left, max(1, (b.N/burst+rounds-1)/rounds))
		left -= part
		count += part * burst
		begin := time.Now()
		ours(part)
		middle := time.Now()
		channel(part)
		took[0] += middle.Sub(begin)
		took[1] += time.Since(middle)
	}
	b.StopTimer()
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(count) }
	b.ReportMetric(per(took[0]), "ns/msg")
	b.ReportMetric(1e9/per(took[0]), "msg/s")
	b.ReportMetric(per(took[1]), "channel-ns/msg")
	b.ReportMetric(per(took[0])/per(took[1]), "ratio")
	b.ReportMetric(0, "ns/op") // both sides together: says nothing
}

// BenchmarkHop sends bursts from one goroutine to another; the next burst starts when the one before has arrived. The
// channel has the depth of the queue.
//
// goroutines: no loop; who finds nothing sleeps on a channel of one, and is woken when the queue says so.
// loops: two loops and a Receiver, against two goroutines and a channel, and against loops with a channel and a Post each message.
func BenchmarkHop(b *testing.B) {
	for _, c := range []struct {
		name  string
		burst int
	}{{"burst=1", 1}, {"burst=64", 64}} {
		b.Run("goroutines/mpsc/"+c.name, func(b *testing.B) {
			q, _ := NewMPSC[payload](newRoot(b), Depth)
			compareGoroutines(b, c.burst, q)
		})
		b.Run("goroutines/spsc/"+c.name, func(b *testing.B) {
			q, _ := NewSPSC[payload](newRoot(b), Depth)
			compareGoroutines(b, c.burst, q)
		})
		b.Run("loops/against=goroutines/"+c.name, func(b *testing.B) {
			p := newLoopPair(b, receiverWay)
			send, stop := channelHop()
			defer stop()
			compare(b, c.burst, func(bursts int) { p.run(bursts, c.burst) }, func(bursts int) { send(bursts, c.burst) })
		})
		b.Run("loops/against=post/"+c.name, func(b *testing.B) {
			p := newLoopPair(b, receiverWay)
			other := newLoopPair(b, channelAndPost)
			compare(b, c.burst, func(bursts int) { p.run(bursts, c.burst) }, func(bursts int) { other.run(bursts, c.burst) })
		})
	}
}

// BenchmarkStream keeps the receiver busy: senders wait for an answer only when two chunks are under way.
//
// goroutines: as in BenchmarkHop. loops: one goroutine to a Receiver, against a channel and a Post each message.
func BenchmarkStream(b *testing.B) {
	for _, c := range []struct {
		name    string
		senders int
		queue   Queue[payload]
	}{
		{"goroutines/spsc/senders=1", 1, kinds[payload](b, Depth)["spsc"]},
		{"goroutines/mpsc/senders=1", 1, kinds[payload](b, Depth)["mpsc"]},
		{"goroutines/mpsc/senders=4", 4, kinds[payload](b, Depth)["mpsc"]},
	} {
		b.Run(c.name, func(b *testing.B) {
			q, ch, wake := c.queue, make(chan payload, Depth), make(chan struct{}, 1)
			compare(b, 1, func(count int) {
				spread(count, c.senders, func(v payload) error {
					w, err := q.Send(v)
					if w {
						wake <- struct{}{}
					}
					return err
				})
				for left := count; left > 0; {
					v, err := q.Receive()
					if err != nil {
						<-wake
						continue
					}
					v.answer()
					left--
				}
			}, func(count int) {
				spread(count, c.senders, func(v payload) error {
					ch <- v
					return nil
				})
				for range count {
					(<-ch).answer()
				}
			})
		})
	}
	for _, senders := range []int{1, 4} {
		b.Run(fmt.Sprintf("loops/against=post/senders=%d", senders), func(b *testing.B) {
			ours, other := newSink(b, receiverWay), newSink(b, channelAndPost)
			run := func(s *sink) func(int) {
				return func(count int) {
					s.left.Store(int64(count))
					spread(count, senders, s.send)
					<-s.finished
				}
			}
			compare(b, 1, run(ours), run(other))
		})
	}
}

// chunk is how many messages a sender of a stream sends for one answer. Two are under way, so that the receiver is busy and four senders
// just fill the queue.
const chunk = Depth / 8

// spread has count messages sent by so many goroutines, which end when all of theirs have come.
func spread(count, senders int, send func(payload) error) {
	for s := range senders {
		mine := count / senders
		if s == 0 {
			mine += count % senders
		}
		go func() {
			ack := make(chan struct{}, 2)
			waits := 0
			for i := range mine {
				v := payload{number: uint64(i)}
				if i%chunk == chunk-1 {
					v.ack = ack
					waits++
				}
				for send(v) != nil {
					runtime.Gosched()
				}
				if v.ack != nil && waits == 2 {
					<-ack
					waits--
				}
			}
			for range waits {
				<-ack
			}
		}()
	}
}

// answer is the receiver's part.
func (v payload) answer() {
	if v.ack != nil {
		v.ack <- struct{}{}
	}
}

// sink is a loop that counts what it gets.
type sink struct {
	send     func(payload) error
	left     atomic.Int64
	finished chan struct{}
}

func newSink(b *testing.B, way func(*event.Loop, Handler[payload]) func(payload) error) *sink {
	s := &sink{finished: make(chan struct{}, 1)}
	l, _ := newLoop(b, event.Config{})
	s.send = way(l, s)
	runLoops(b, l)
	return s
}

func (s *sink) Message(v payload) {
	v.answer()
	if s.left.Add(-1) == 0 {
		s.finished <- struct{}{}
	}
}
func (s *sink) Ended()           {}
func (s *sink) Describe() string { return "sink" }

// BenchmarkSet makes, reads and ends a message of 200 bytes on one thread.
func BenchmarkSet(b *testing.B) {
	s, err := NewSet[int](newRoot(b), Headers, RingBytes)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(200)
	for b.Loop() {
		if _, err := s.Reserve(4096, 1); err != nil {
			b.Fatal(err)
		}
		m := s.Commit(200)
		*m.Value() = len(m.Data())
		m.Done()
	}
}

// compareGoroutines runs q between two goroutines that sleep when there is nothing, against a channel.
func compareGoroutines(b *testing.B, burst int, q Queue[payload]) {
	wake, arrived := make(chan struct{}, 1), make(chan struct{}, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range wake {
			for {
				v, err := q.Receive()
				if err != nil {
					break
				}
				if v.last {
					arrived <- struct{}{}
				}
			}
		}
	}()
	send, stop := channelHop()
	compare(b, burst, func(bursts int) {
		for range bursts {
			for i := range burst {
				w, err := q.Send(payload{number: uint64(i), last: i == burst-1})
				if err != nil {
					b.Error(err)
				}
				if w {
					wake <- struct{}{}
				}
			}
			<-arrived
		}
	}, func(bursts int) { send(bursts, burst) })
	stop()
	close(wake)
	<-ended
}

// channelHop starts a goroutine that receives from a channel, and returns how to send to it.
func channelHop() (send func(bursts, burst int), stop func()) {
	ch, arrived := make(chan payload, Depth), make(chan struct{}, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for v := range ch {
			if v.last {
				arrived <- struct{}{}
			}
		}
	}()
	send = func(bursts, burst int) {
		for range bursts {
			for i := range burst {
				ch <- payload{number: uint64(i), last: i == burst-1}
			}
			<-arrived
		}
	}
	return send, func() {
		close(ch)
		<-ended
	}
}

// loopPair is two loops on goroutines of their own. The first sends bursts, the second answers the last of each.
type loopPair struct {
	first, second *event.Loop
	bursts, burst int
	there, back   func(payload) error
	finished      chan struct{}
	failed        atomic.Uint64
}

// newLoopPair makes a pair whose messages go by what way makes: the function that sends to a handler on a loop.
func newLoopPair(b *testing.B, way func(*event.Loop, Handler[payload]) func(payload) error) *loopPair {
	b.Helper()
	p := &loopPair{finished: make(chan struct{}, 1)}
	p.first, _ = newLoop(b, event.Config{Name: "first"})
	p.second, _ = newLoop(b, event.Config{Name: "second"})
	p.there, p.back = way(p.second, (*pairSecond)(p)), way(p.first, (*pairFirst)(p))
	b.Cleanup(func() {
		if n := p.failed.Load(); n != 0 {
			b.Errorf("%d sends failed", n)
		}
	})
	runLoops(b, p.first, p.second)
	return p
}

// runLoops runs each loop on a goroutine until the end of b.
func runLoops(b *testing.B, loops ...*event.Loop) {
	ended := make(chan error, len(loops))
	for _, l := range loops {
		go func() { ended <- l.Run() }()
	}
	b.Cleanup(func() {
		for _, l := range loops {
			l.Stop()
		}
		for range loops {
			if err := <-ended; err != nil {
				b.Error(err)
			}
		}
	})
}

func (p *loopPair) run(bursts, burst int) {
	p.first.Post(func() {
		p.bursts, p.burst = bursts, burst
		p.sendBurst()
	})
	<-p.finished
}

func (p *loopPair) sendBurst() {
	for i := range p.burst {
		if p.there(payload{number: uint64(i), last: i == p.burst-1}) != nil {
			p.failed.Add(1)
		}
	}
}

type pairSecond loopPair

func (p *pairSecond) Message(v payload) {
	if v.last && p.back(v) != nil {
		p.failed.Add(1)
	}
}
func (p *pairSecond) Ended()           {}
func (p *pairSecond) Describe() string { return "second" }

type pairFirst loopPair

func (p *pairFirst) Message(payload) {
	if p.bursts--; p.bursts > 0 {
		(*loopPair)(p).sendBurst()
		return
	}
	p.finished <- struct{}{}
}
func (p *pairFirst) Ended()           {}
func (p *pairFirst) Describe() string { return "first" }

// receiverWay is this package's.
func receiverWay(l *event.Loop, h Handler[payload]) func(payload) error {
	q, err := NewMPSC[payload](l.Context(), Depth)
	if err != nil {
		panic(err)
	}
	return NewReceiver(l, q, h, 0).Send
}

// channelAndPost is what one would write without this package: a channel, and the loop told of each message.
func channelAndPost(l *event.Loop, h Handler[payload]) func(payload) error {
	ch := make(chan payload, Depth)
	take := func() {
		select {
		case v := <-ch:
			h.Message(v)
		default:
		}
	}
	return func(v payload) error {
		ch <- v
		return l.Post(take)
	}
}
