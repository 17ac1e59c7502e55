package queue

import (
	"fmt"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
)

// stressEach is how many messages each sender of a stress test sends.
const stressEach = 20_000

// numbered is a message of a sender.
type numbered struct{ sender, number int }

// orderly is a Handler that checks the order for each sender.
type orderly struct {
	t     testing.TB
	loop  *event.Loop
	last  []int
	sum   int
	ended int
}

func (o *orderly) Message(v numbered) {
	if o.last[v.sender] != v.number-1 {
		o.t.Errorf("sender %d: %d after %d", v.sender, v.number, o.last[v.sender])
	}
	o.last[v.sender] = v.number
	o.sum += v.number
}

func (o *orderly) Ended() {
	o.ended++
	o.loop.Stop()
}

func (o *orderly) Describe() string { return "orderly" }

// idleCounter counts how often the receiver found nothing.
type idleCounter[T any] struct {
	Queue[T]
	count uint64
}

func (q *idleCounter[T]) Receive() (v T, err error) {
	v, err = q.Queue.Receive()
	if err == syscall.EAGAIN {
		q.count++
	}
	return v, err
}

// Many senders, one loop: nothing is lost or repeated, each sender's order is kept, and the loop is woken at most once for
// each time that it went idle.
func TestStressReceiver(t *testing.T) {
	for _, senders := range []int{1, 4} {
		for name, q := range kinds[numbered](t, 64) {
			if name == "spsc" && senders > 1 {
				continue
			}
			t.Run(fmt.Sprintf("%s/senders=%d", name, senders), func(t *testing.T) {
				l, sys := newLoop(t, event.Config{})
				o := &orderly{t: t, loop: l, last: make([]int, senders)}
				idle := &idleCounter[numbered]{Queue: q}
				r := NewReceiver(l, idle, o, 16)
				var wg sync.WaitGroup
				for s := range senders {
					wg.Go(func() {
						for i := 1; i <= stressEach; i++ {
							for r.Send(numbered{s, i}) == syscall.EAGAIN {
								runtime.Gosched()
							}
						}
					})
				}
				go func() {
					wg.Wait()
					r.Close()
				}()
				if err := l.Run(); err != nil {
					t.Fatal(err)
				}
				for s, last := range o.last {
					if last != stressEach {
						t.Errorf("sender %d: %d of %d", s, last, stressEach)
					}
				}
				if want := senders * stressEach * (stressEach + 1) / 2; o.sum != want || o.ended != 1 {
					t.Errorf("sum %d, want %d; ended %d", o.sum, want, o.ended)
				}
				// It begins idle, and is woken at most once for that and for each time that it found nothing.
				if got := r.Wakes(); got > idle.count+1 || got < 1 {
					t.Errorf("%d wake-ups of a receiver that found nothing %d times", got, idle.count)
				}
				if got := sys.wakes.Load(); got > r.Wakes()+1 { // Stop's
					t.Errorf("the poller was woken %d times, the receiver %d", got, r.Wakes())
				}
			})
		}
	}
}

// Close and Recall against senders: each message that Send took is handled or handed back, and none that it refused.
func TestStressRecall(t *testing.T) {
	const senders, rounds = 4, 200
	for round := range rounds {
		l, _ := newLoop(t, event.Config{})
		q, err := NewMPSC[numbered](l.Context(), 8)
		if err != nil {
			t.Fatal(err)
		}
		o := &orderly{t: t, loop: l, last: make([]int, senders)}
		r := NewReceiver(l, q, o, 2)
		var sent [senders]int
		var wg sync.WaitGroup
		for s := range senders {
			wg.Go(func() {
				for {
					switch r.Send(numbered{s, sent[s] + 1}) {
					case nil:
						sent[s]++
					case net.ErrClosed:
						return
					default:
						runtime.Gosched()
					}
				}
			})
		}
		for range round % 10 {
			turnLoop(t, l, -1)
		}
		r.Recall(o.Message)
		wg.Wait()
		for s := range senders {
			if o.last[s] != sent[s] {
				t.Fatalf("round %d, sender %d: %d taken, %d came out", round, s, sent[s], o.last[s])
			}
		}
		if o.ended != 0 {
			t.Errorf("ended %d times", o.ended)
		}
		l.Context().Free()
	}
}

// An originator fills a small ring; its peer reads, holds some back, copies some out and ends them out of order.
func TestStressSet(t *testing.T) {
	origin, peer := talloc.Root("originator"), talloc.Root("peer")
	defer peer.Free()
	defer origin.Free()
	s, err := NewSet[int](origin, 32, 4096)
	if err != nil {
		t.Fatal(err)
	}
	q, err := NewSPSC[Message[int]](peer, 32)
	if err != nil {
		t.Fatal(err)
	}
	size := func(i int) int { return i * 37 % 400 }
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; i < stressEach; {
			p, err := s.Reserve(512, 2)
			if err != nil {
				runtime.Gosched()
				continue
			}
			fill(p, byte(i))
			m := s.Commit(size(i))
			*m.Value() = i
			i++
			for {
				if _, err := q.Send(m); err == nil {
					break
				}
				runtime.Gosched()
			}
		}
		q.Close()
	})
	look := func(i int, data []byte) {
		if len(data) != size(i) {
			t.Errorf("message %d: %d bytes", i, len(data))
		}
		for _, b := range data {
			if b != byte(i) {
				t.Errorf("message %d: byte %02x", i, b)
				return
			}
		}
	}
	var late []Message[int]
	for want := 0; ; {
		m, err := q.Receive()
		if err == net.ErrClosed {
			if want != stressEach {
				t.Errorf("%d of %d came", want, stressEach)
			}
			break
		}
		if err != nil {
			for _, m := range late {
				look(*m.Value(), m.Data())
				m.Done()
			}
			late = late[:0]
			runtime.Gosched()
			continue
		}
		i := *m.Value()
		if i != want {
			t.Fatalf("message %d after %d", i, want-1)
		}
		want++
		look(i, m.Data())
		switch i % 7 {
		case 0, 3:
			late = append(late, m)
		default:
			m.Done()
		}
	}
	for _, m := range late {
		look(*m.Value(), m.Data())
		m.Done()
	}
	wg.Wait()
	holds(t, s, 0, 0)
}
