package queue

import (
	"net"
	"runtime"
	"syscall"
	"testing"
	"weak"

	"github.com/frio-io/frio/talloc"
)

// wants are what a step must give.
func send(t *testing.T, q Queue[int], v int, wake bool, err error) {
	t.Helper()
	if w, e := q.Send(v); w != wake || e != err {
		t.Errorf("send of %d: wake %v, %v; want %v, %v", v, w, e, wake, err)
	}
}

func receive(t *testing.T, q Queue[int], v int, err error) {
	t.Helper()
	if got, e := q.Receive(); got != v || e != err {
		t.Errorf("received %d, %v; want %d, %v", got, e, v, err)
	}
}

func length(t *testing.T, q Queue[int], n int) {
	t.Helper()
	if got := q.Len(); got != n {
		t.Errorf("%d wait, want %d", got, n)
	}
}

func TestQueue(t *testing.T) {
	const again = syscall.EAGAIN
	for name, q := range kinds[int](t, 4) {
		t.Run(name, func(t *testing.T) {
			for lap := range 5 {
				base := 10 * lap
				length(t, q, 0)
				send(t, q, base+1, true, nil) // idle at first, and after each EAGAIN
				send(t, q, base+2, false, nil)
				send(t, q, base+3, false, nil)
				send(t, q, base+4, false, nil)
				send(t, q, base+5, false, again)
				length(t, q, 4)
				receive(t, q, base+1, nil)
				send(t, q, base+5, false, nil) // room for one, and the receiver is busy
				send(t, q, base+6, false, again)
				for i := 2; i <= 5; i++ {
					receive(t, q, base+i, nil)
				}
				length(t, q, 0)
				send(t, q, base+6, false, nil) // empty, but the receiver does not know
				receive(t, q, base+6, nil)
				receive(t, q, 0, again)
				receive(t, q, 0, again)
			}
			if got := q.Refused(); got != 10 {
				t.Errorf("%d refused, want 10", got)
			}
			if got := q.Cap(); got != 4 {
				t.Errorf("cap %d, want 4", got)
			}
		})
	}
}

func TestClose(t *testing.T) {
	for name, q := range kinds[int](t, 4) {
		t.Run("with messages, "+name, func(t *testing.T) {
			send(t, q, 1, true, nil)
			send(t, q, 2, false, nil)
			for range 2 {
				if q.Close() {
					t.Error("close wakes a receiver that was woken")
				}
			}
			send(t, q, 3, false, net.ErrClosed)
			length(t, q, 2)
			receive(t, q, 1, nil)
			receive(t, q, 2, nil)
			for range 2 {
				receive(t, q, 0, net.ErrClosed)
			}
			length(t, q, 0)
			if q.Refused() != 0 {
				t.Error("a closed queue counts as full")
			}
		})
	}
	for name, q := range kinds[int](t, 4) {
		t.Run("idle, "+name, func(t *testing.T) {
			receive(t, q, 0, syscall.EAGAIN)
			if !q.Close() {
				t.Error("close does not wake an idle receiver")
			}
			if q.Close() {
				t.Error("the second close wakes again")
			}
			receive(t, q, 0, net.ErrClosed)
		})
	}
}

// A sender that has claimed its position when Close comes is not lost, and the end is not told before it.
func TestCloseBetweenClaimAndPublish(t *testing.T) {
	q, err := NewMPSC[int](newRoot(t), 4)
	if err != nil {
		t.Fatal(err)
	}
	pos, err := q.claim()
	if err != nil {
		t.Fatal(err)
	}
	if !q.Close() {
		t.Error("close did not wake")
	}
	length(t, q, 1)
	receive(t, q, 0, syscall.EAGAIN)
	if !q.publish(pos, 7) {
		t.Error("the receiver found nothing and is not woken")
	}
	receive(t, q, 7, nil)
	receive(t, q, 0, net.ErrClosed)
}

// The same for the one sender, which learns of it: its message is not taken, and not kept.
func TestCloseBetweenPutAndPublish(t *testing.T) {
	q, err := NewSPSC[*int](newRoot(t), 4)
	if err != nil {
		t.Fatal(err)
	}
	pos, err := q.put(new(int))
	if err != nil {
		t.Fatal(err)
	}
	q.Close()
	if v, err := q.Receive(); v != nil || err != net.ErrClosed {
		t.Errorf("received %v, %v", v, err)
	}
	if wake, err := q.publish(pos); wake || err != net.ErrClosed {
		t.Errorf("publish after close: wake %v, %v", wake, err)
	}
	if v, err := q.Receive(); v != nil || err != net.ErrClosed {
		t.Errorf("received %v, %v after the end", v, err)
	}
	if q.slots[0] != nil {
		t.Error("the queue keeps what it refused")
	}
}

// A message that comes after the receiver has found nothing and before it is idle wakes nobody: the receiver finds it by itself.
func TestRestLooksAgain(t *testing.T) {
	for name, q := range kinds[int](t, 4) {
		t.Run(name, func(t *testing.T) {
			rest := func() error {
				switch q := q.(type) {
				case *MPSC[int]:
					return q.rest(&q.slots[q.head&q.mask])
				case *SPSC[int]:
					return q.rest(q.head.Load())
				}
				panic("no such queue")
			}
			send(t, q, 1, true, nil)
			receive(t, q, 1, nil)
			send(t, q, 2, false, nil) // between the receiver's look and its rest
			if err := rest(); err != nil {
				t.Errorf("second look: %v", err)
			}
			send(t, q, 3, false, nil) // busy again
			receive(t, q, 2, nil)
			receive(t, q, 3, nil)
			receive(t, q, 0, syscall.EAGAIN)
			send(t, q, 4, true, nil)
		})
	}
}

// What waits behind a claimed position is announced by who fills it.
func TestWakeBehindClaim(t *testing.T) {
	q, err := NewMPSC[int](newRoot(t), 4)
	if err != nil {
		t.Fatal(err)
	}
	pos, _ := q.claim()
	send(t, q, 2, true, nil)
	receive(t, q, 0, syscall.EAGAIN)
	if !q.publish(pos, 1) {
		t.Error("not woken")
	}
	receive(t, q, 1, nil)
	receive(t, q, 2, nil)
	receive(t, q, 0, syscall.EAGAIN)
}

func TestFreeClosesQueue(t *testing.T) {
	ctx := talloc.Root("queue")
	mpsc, err := NewMPSC[int](ctx, 2)
	if err != nil {
		t.Fatal(err)
	}
	spsc, err := NewSPSC[int](ctx, 2)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := ctx.Size().Bytes, int64(2*16+2*8); got != want {
		t.Errorf("charged %d bytes, want %d", got, want)
	}
	ctx.Free()
	send(t, mpsc, 1, false, net.ErrClosed)
	send(t, spsc, 1, false, net.ErrClosed)
}

func TestQueueLimits(t *testing.T) {
	root := newRoot(t)
	for _, depth := range []int{-1, 0, 1, 3, 6, depthMax * 2} {
		for _, make := range []func(){
			func() { NewMPSC[int](root, depth) },
			func() { NewSPSC[int](root, depth) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("depth %d is taken", depth)
					}
				}()
				make()
			}()
		}
	}
	root.SetLimit(100, 0)
	if _, err := NewMPSC[int](root, 1024); err != talloc.ErrLimit {
		t.Errorf("mpsc over the limit: %v", err)
	}
	if _, err := NewSPSC[int](root, 1024); err != talloc.ErrLimit {
		t.Errorf("spsc over the limit: %v", err)
	}
	if root.Size().Bytes != 0 {
		t.Error("charged all the same")
	}
}

// What was received, or refused by Close, is not kept alive by the queue.
func TestQueueLetsGo(t *testing.T) {
	type big [64]*int
	for name, q := range kinds[*big](t, 4) {
		v := new(big)
		gone := weak.Make(v)
		q.Send(v)
		if got, err := q.Receive(); got != v || err != nil {
			t.Fatal(name, err)
		}
		v = nil
		runtime.GC()
		if gone.Value() != nil {
			t.Errorf("%s keeps what was received", name)
		}
		runtime.KeepAlive(q)
	}
}

func TestQueueDoesNotAllocate(t *testing.T) {
	for name, q := range kinds[[4]*int](t, 64) {
		got := testing.AllocsPerRun(100, func() {
			for range 70 { // 6 of them refused
				q.Send([4]*int{})
			}
			for range 70 {
				q.Receive()
			}
			q.Len()
		})
		if got != 0 {
			t.Errorf("%s allocates %v times", name, got)
		}
		if q.Refused() == 0 {
			t.Errorf("%s was never full", name)
		}
	}
}
