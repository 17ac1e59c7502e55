package transport

import (
	"bytes"
	"testing"
	"time"

	"github.com/frio-io/frio/queue"
)

// taker takes the messages that it is given.
func taker(held *[]Held) *recorder {
	r := new(recorder)
	r.message = func(_ *Conn, m *Message) { *held = append(*held, m.Take()) }
	return r
}

// What is held fills the ring: then nothing is read, nothing spins and nothing is lost, and when it is done reading goes on.
func TestRingFullStream(t *testing.T) {
	onSim(t, func(b *bench) {
		var held []Held
		r, user := framed(b, &service{cfg: Config{Frame: frame, MessageMax: 4096}, make: func() *recorder { return taker(&held) }})
		const count = 3 * queue.Headers
		var want [][]byte
		for i := range count {
			want = append(want, message(byte(i), 20))
		}
		r.send(bytes.Join(want, nil))
		b.Pass(100 * time.Millisecond)
		if len(held) < queue.Headers/2 || len(held) > queue.Headers || len(user.got) != len(held) {
			t.Fatalf("%d messages are held, of %d", len(held), queue.Headers)
		}
		turns, got := b.Loop.Stats().Turns, len(held)
		b.Pass(time.Second)
		if n := b.Loop.Stats().Turns - turns; n > 250 || len(held) != got {
			t.Errorf("%d turns in a second while nothing can be read; %d messages more", n, len(held)-got)
		}
		for i := range held { // the newest first: the oldest keeps the whole ring
			if i < len(held)-1 {
				held[len(held)-1-i].Done()
			}
		}
		b.Pass(100 * time.Millisecond)
		if len(held) != got {
			t.Error("it went on beside the oldest")
		}
		last := held[0]
		if !bytes.Equal(last.Data(), want[0]) {
			t.Error("what is held has changed")
		}
		last.Done()
		held = nil
		b.Until("all came", func() bool {
			for _, h := range held {
				h.Done()
			}
			held = nil
			return len(user.got) == count
		})
		same(b, user.got, want)
	})
}

func TestRingFullDatagrams(t *testing.T) {
	onSim(t, func(b *bench) {
		var held []Held
		s := &service{cfg: Config{MessageMax: 4096}, make: func() *recorder { return taker(&held) }}
		port := b.serve(inet("listen", "udp", "udp", 0, ""), s)
		r := b.bound(port)
		sent := 0
		for sent < 2*queue.Headers && (len(held) == 0 || sent == len(held)) {
			for range 20 {
				r.send(message(byte(sent), 10))
				sent++
			}
			b.Spin(2)
		}
		turns := b.Loop.Stats().Turns
		b.Pass(time.Second)
		if n := b.Loop.Stats().Turns - turns; n > 250 || sent == len(held) {
			t.Errorf("%d turns in a second, %d of %d came", n, len(held), sent)
		}
		for _, h := range held {
			h.Done()
		}
		b.Until("the rest comes", func() bool { return len(held) == sent })
		for i, m := range s.users[0].got {
			if !bytes.Equal(m, message(byte(i), 10)) {
				t.Fatalf("datagram %d is %x", i, m)
			}
		}
	})
}

// Others read what was taken, and let go of it, on their own threads.
func TestDoneElsewhere(t *testing.T) {
	b := newBench(t, false, 1)
	const count = 5 * queue.Headers
	work := make(chan Held, count)
	sum := make(chan int)
	go func() {
		total := 0
		for range count {
			h := <-work
			total += int(h.Data()[2])
			h.Done()
		}
		sum <- total
	}()
	s := &service{cfg: Config{Frame: frame, MessageMax: 4096}}
	s.make = func() *recorder {
		r := new(recorder)
		r.message = func(_ *Conn, m *Message) { work <- m.Take() }
		return r
	}
	r, user := framed(b, s)
	want := 0
	for i := range count {
		r.send(message(byte(i), 20))
		want += int(byte(i))
	}
	b.Until("all came", func() bool { return len(user.got) == count })
	if got := <-sum; got != want {
		t.Errorf("they read %d, want %d", got, want)
	}
}
