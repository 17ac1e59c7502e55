package queue

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/frio-io/frio/event"
)

// recorder is a Handler that keeps what it gets.
type recorder struct {
	got   []int
	ended int
	on    func(v int)
}

func (r *recorder) Message(v int) {
	r.got = append(r.got, v)
	if r.on != nil {
		r.on(v)
	}
}

func (r *recorder) Ended()           { r.ended++ }
func (r *recorder) Describe() string { return "recorder" }

func newReceiver(t testing.TB, l *event.Loop, depth, turnMax int) (*Receiver[int], *recorder) {
	t.Helper()
	q, err := NewMPSC[int](l.Context(), depth)
	if err != nil {
		t.Fatal(err)
	}
	h := &recorder{}
	return NewReceiver(l, q, h, turnMax), h
}

func mustSend(t testing.TB, r *Receiver[int], values ...int) {
	t.Helper()
	for _, v := range values {
		if err := r.Send(v); err != nil {
			t.Fatalf("send of %d: %v", v, err)
		}
	}
}

func TestReceiverOneWakePerBurst(t *testing.T) {
	l, sys := newLoop(t, event.Config{})
	r, h := newReceiver(t, l, 64, 0)
	for burst := range 3 {
		for i := range 64 {
			mustSend(t, r, i)
		}
		if err := r.Send(64); err != syscall.EAGAIN {
			t.Errorf("send to a full queue: %v", err)
		}
		want := uint64(burst + 1)
		turnLoop(t, l, -1)
		if got := sys.wakes.Load(); got != want || r.Wakes() != want {
			t.Errorf("%d wake-ups of the poller, %d counted, want %d", got, r.Wakes(), want)
		}
		if len(h.got) != 64 {
			t.Errorf("%d messages of 64 in one turn", len(h.got))
		}
		h.got = nil
	}
	turnLoop(t, l, 0)
	if len(h.got) != 0 || h.ended != 0 {
		t.Errorf("with nothing sent: %v, ended %d", h.got, h.ended)
	}
	if s := l.Stats(); s.Posted != 3 {
		t.Errorf("%d functions posted, want 3", s.Posted)
	}
}

// A message sent while the receiver works costs no wake-up and is handled in its turn.
func TestReceiverBusyIsNotWoken(t *testing.T) {
	l, sys := newLoop(t, event.Config{})
	r, h := newReceiver(t, l, 64, 0)
	h.on = func(v int) {
		if v < 10 {
			mustSend(t, r, v+1)
		}
	}
	mustSend(t, r, 0)
	turnLoop(t, l, -1)
	if want := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}; !slices.Equal(h.got, want) {
		t.Errorf("got %v, want %v", h.got, want)
	}
	if got := sys.wakes.Load(); got != 1 {
		t.Errorf("%d wake-ups, want 1", got)
	}
}

func TestReceiverIsFair(t *testing.T) {
	l, sys := newLoop(t, event.Config{})
	a, ha := newReceiver(t, l, 64, 10)
	b, hb := newReceiver(t, l, 64, 3)
	for i := range 25 {
		mustSend(t, a, i)
	}
	mustSend(t, b, 100, 101, 102)
	for turn, want := range []struct{ a, b int }{{10, 3}, {20, 3}, {25, 3}, {25, 3}} {
		turnLoop(t, l, 0)
		if len(ha.got) != want.a || len(hb.got) != want.b {
			t.Errorf("turn %d: %d and %d messages, want %d and %d", turn, len(ha.got), len(hb.got), want.a, want.b)
		}
	}
	if got := sys.wakes.Load(); got != 1 {
		t.Errorf("%d wake-ups by two receivers in one turn, want 1", got)
	}
	// A receiver that never comes to an end does not keep a turn from ending.
	a.handler.(*recorder).on = func(v int) { mustSend(t, a, v+1) }
	ha.got = nil
	mustSend(t, a, 0)
	turnLoop(t, l, -1)
	turnLoop(t, l, -1)
	if len(ha.got) != 20 {
		t.Errorf("%d messages in two turns, want 20", len(ha.got))
	}
	a.Recall(func(int) {})
}

func TestReceiverClose(t *testing.T) {
	l, _ := newLoop(t, event.Config{})
	r, h := newReceiver(t, l, 64, 2)
	mustSend(t, r, 1, 2, 3)
	r.Close()
	r.Close()
	if err := r.Send(4); err != net.ErrClosed {
		t.Errorf("send after close: %v", err)
	}
	turnLoop(t, l, -1)
	if h.ended != 0 || len(h.got) != 2 {
		t.Errorf("after a turn of two: %v, ended %d", h.got, h.ended)
	}
	turnLoop(t, l, -1)
	if want := []int{1, 2, 3}; !slices.Equal(h.got, want) || h.ended != 1 {
		t.Errorf("got %v, ended %d; want %v, once", h.got, h.ended, want)
	}
	turnLoop(t, l, 0)
	r.Recall(func(v int) { t.Errorf("%d handed back", v) })
	if h.ended != 1 {
		t.Errorf("ended %d times", h.ended)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestReceiverCloseWakesIdle(t *testing.T) {
	l, sys := newLoop(t, event.Config{})
	r, h := newReceiver(t, l, 2, 0)
	r.Close()
	if sys.wakes.Load() != 1 {
		t.Error("close of an idle receiver does not wake it")
	}
	turnLoop(t, l, -1)
	if h.ended != 1 || len(h.got) != 0 {
		t.Errorf("ended %d times, got %v", h.ended, h.got)
	}
}

func TestReceiverRecall(t *testing.T) {
	cases := []struct {
		name      string
		got, back []int
		run       func(r *Receiver[int], h *recorder, l *event.Loop, back func(int))
	}{
		{"before the first turn", nil, []int{1, 2, 3}, func(r *Receiver[int], h *recorder, l *event.Loop, back func(int)) {
			r.Recall(back)
		}},
		{"between turns", []int{1, 2}, []int{3}, func(r *Receiver[int], h *recorder, l *event.Loop, back func(int)) {
			turnLoop(t, l, -1)
			r.Recall(back)
		}},
		{"in Message", []int{1}, []int{2, 3}, func(r *Receiver[int], h *recorder, l *event.Loop, back func(int)) {
			h.on = func(int) { r.Recall(back) }
			turnLoop(t, l, -1)
		}},
		{"after the loop", nil, []int{1, 2, 3}, func(r *Receiver[int], h *recorder, l *event.Loop, back func(int)) {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			r.Recall(back)
		}},
		{"twice", nil, []int{1, 2, 3}, func(r *Receiver[int], h *recorder, l *event.Loop, back func(int)) {
			r.Recall(back)
			r.Recall(back)
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			l, _ := newLoop(t, event.Config{})
			r, h := newReceiver(t, l, 64, 2)
			mustSend(t, r, 1, 2, 3)
			var back []int
			c.run(r, h, l, func(v int) { back = append(back, v) })
			l.Turn(0)
			l.Turn(0)
			if !slices.Equal(h.got, c.got) || !slices.Equal(back, c.back) || h.ended != 0 {
				t.Errorf("handled %v, handed back %v, ended %d; want %v, %v, 0", h.got, back, h.ended, c.got, c.back)
			}
			if err := r.Send(4); err != net.ErrClosed {
				t.Errorf("send afterwards: %v", err)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A loop that is closed under its receiver: nothing is lost without a word.
func TestReceiverOfClosedLoop(t *testing.T) {
	l, _ := newLoop(t, event.Config{})
	r, h := newReceiver(t, l, 64, 0)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	mustSend(t, r, 1)
	if err := r.Send(2); err != net.ErrClosed {
		t.Errorf("second send: %v", err)
	}
	var back []int
	r.Recall(func(v int) { back = append(back, v) })
	if !slices.Equal(back, []int{1}) || len(h.got) != 0 {
		t.Errorf("handed back %v, handled %v", back, h.got)
	}
}

// The loop's list of posted functions is full: the wake-up is tried again, without another Send.
func TestReceiverWakeIsNotLost(t *testing.T) {
	l, _ := newLoop(t, event.Config{MaxPosted: 1})
	r, h := newReceiver(t, l, 64, 0)
	if err := l.Post(func() {}); err != nil {
		t.Fatal(err)
	}
	mustSend(t, r, 1)
	for len(h.got) == 0 {
		turnLoop(t, l, -1)
	}
	if r.Wakes() != 1 {
		t.Errorf("%d wake-ups, want 1", r.Wakes())
	}
}

func TestReceiverSurvivesPanic(t *testing.T) {
	l, _ := newLoop(t, event.Config{})
	r, h := newReceiver(t, l, 64, 0)
	h.on = func(v int) {
		if v == 1 {
			panic("bad message")
		}
	}
	mustSend(t, r, 1, 2)
	func() {
		defer func() {
			if text := fmt.Sprint(recover()); !strings.Contains(text, "receiver of recorder") || !strings.Contains(text, "bad message") {
				t.Errorf("panic %q does not name the receiver", text)
			}
		}()
		l.Turn(-1)
	}()
	turnLoop(t, l, -1)
	if !slices.Equal(h.got, []int{1, 2}) {
		t.Errorf("got %v", h.got)
	}
}

// counter is a Handler that counts.
type counter struct{ count, sum int }

func (c *counter) Message(v int)    { c.count++; c.sum += v }
func (c *counter) Ended()           {}
func (c *counter) Describe() string { return "counter" }

func TestReceiverDoesNotAllocate(t *testing.T) {
	for name, q := range kinds[int](t, 64) {
		l, _ := newLoop(t, event.Config{})
		h := &counter{}
		r := NewReceiver(l, q, h, 48) // two turns a burst
		step := func() {
			for i := range 64 {
				if err := r.Send(i); err != nil {
					t.Fatal(err)
				}
			}
			turnLoop(t, l, -1)
			turnLoop(t, l, -1)
		}
		step()
		step()
		if got := testing.AllocsPerRun(100, step); got != 0 {
			t.Errorf("%s: a burst allocates %v times", name, got)
		}
		if h.count != 103*64 {
			t.Errorf("%s: %d messages", name, h.count)
		}
	}
}
