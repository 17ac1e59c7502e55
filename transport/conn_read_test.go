package transport

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/frio-io/frio"
)

const framedTimeout = 10 * time.Second

// framed serves a stream of messages, and connects to it.
func framed(b *bench, s *service) (*raw, *recorder) {
	b.Helper()
	if s.cfg.Frame == nil {
		s.cfg = Config{Frame: frame, MessageMax: 4096, Timeout: framedTimeout}
	}
	r := b.connect(at(b.serve(inet("listen", "tcp", "tcp", 0, ""), s)))
	b.Until("it is up", func() bool { return len(s.users) == 1 && s.users[0].ups == 1 })
	return r, s.users[0]
}

func same(b *bench, got, want [][]byte) {
	b.Helper()
	if len(got) != len(want) {
		b.Fatalf("%d messages, want %d", len(got), len(want))
	}
	for i := range got {
		if !bytes.Equal(got[i], want[i]) {
			b.Errorf("message %d is %d bytes %x, want %d", i, len(got[i]), got[i][:2], len(want[i]))
		}
	}
}

func TestFrameOneByteAtATime(t *testing.T) {
	onBoth(t, func(b *bench) {
		r, user := framed(b, &service{})
		want := [][]byte{message(1, 3), message(2, 40), message(3, 2)}
		for _, c := range bytes.Join(want, nil) {
			r.send([]byte{c})
			b.Turn()
		}
		b.Until("all came", func() bool { return len(user.got) == len(want) })
		same(b, user.got, want)
		if len(user.ends)+len(user.faults) > 0 {
			t.Errorf("told of %v, %v", user.ends, user.faults)
		}
	})
}

func TestFrameEverySplit(t *testing.T) {
	onSim(t, func(b *bench) {
		r, user := framed(b, &service{})
		want := [][]byte{message(1, 5), message(2, 3), message(3, 9)}
		text := bytes.Join(want, nil)
		for i := 1; i < len(text); i++ {
			user.got = nil
			r.send(text[:i])
			b.Spin(2)
			r.send(text[i:])
			b.Until("all came", func() bool { return len(user.got) == len(want) })
			same(b, user.got, want)
		}
		if c := user.conn; c.in.n != 0 || !c.in.memory.IsZero() {
			t.Errorf("%d bytes are kept", c.in.n)
		}
	})
}

// More messages in one read than a turn gives are given in the next turns, in order, and a message's part behind them waits.
func TestMoreMessagesThanARead(t *testing.T) {
	onBoth(t, func(b *bench) {
		r, user := framed(b, &service{})
		var want [][]byte
		for i := range 3*readMessages + 7 {
			want = append(want, message(byte(i), 4))
		}
		last := message(9, 30)
		r.send(append(bytes.Join(want, nil), last[:20]...))
		b.Until("all came", func() bool { return len(user.got) == len(want) })
		b.Spin(3)
		same(b, user.got, want)
		r.send(last[20:])
		b.Until("the last came", func() bool { return len(user.got) > len(want) })
		same(b, user.got, append(want, last))
	})
}

func TestBadFraming(t *testing.T) {
	endless := func(b []byte) (int, error) { return 0, nil }
	for _, c := range []struct {
		name         string
		frame        Framer
		before, sent []byte
		want         error
	}{
		{"too short", frame, message(1, 10), []byte{0, 1}, errLength},
		{"too long", frame, message(1, 10), []byte{0x10, 1}, frio.ErrTooLong},
		{"never tells", endless, nil, make([]byte, 100_000), frio.ErrTooLong},
		{"says less than nothing", func([]byte) (int, error) { return -1, nil }, nil, make([]byte, 100_000), frio.ErrTooLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			onSim(t, func(b *bench) {
				s := &service{cfg: Config{Frame: c.frame, MessageMax: 4096}}
				s.make = func() *recorder {
					return &recorder{end: func(c *Conn, _ error) { c.Close() }}
				}
				r, user := framed(b, s)
				r.send(append(c.before, c.sent...))
				b.Until("the end", func() bool { return len(user.ends) > 0 })
				b.Spin(3)
				if len(user.ends) != 1 || !errors.Is(user.ends[0], c.want) {
					t.Errorf("ends: %v, want one: %v", user.ends, c.want)
				}
				if want := min(1, len(c.before)); len(user.got) != want {
					t.Errorf("%d messages came, %d before the bad one", len(user.got), want)
				}
				if s.gone != 1 {
					t.Errorf("Gone was called %d times", s.gone)
				}
			})
		})
	}
}

// The longest message passes, also one of 64 KiB that comes in pieces.
func TestLongestMessage(t *testing.T) {
	onBoth(t, func(b *bench) {
		r, user := framed(b, &service{cfg: Config{Frame: frame}})
		want := message(1, 0xffff)
		r.send(want)
		b.Until("it came", func() bool { return len(user.got) == 1 })
		same(b, user.got, [][]byte{want})
	})
}

// A message that has begun has message_timeout; the peer that sends byte by byte gets no more, and one between messages any time.
func TestMessageTimeout(t *testing.T) {
	onSim(t, func(b *bench) {
		r, user := framed(b, &service{})
		b.Pass(time.Hour)
		r.send(message(1, 10))
		b.Pass(time.Hour)
		m := message(2, 100)
		for i := range 9 {
			r.send(m[i : i+1])
			b.Pass(time.Second)
		}
		if len(user.ends) > 0 || len(user.got) != 1 {
			t.Fatalf("%d messages, ends %v after 9 s", len(user.got), user.ends)
		}
		b.Pass(1100 * time.Millisecond)
		var limit *frio.TimeoutError
		if len(user.ends) != 1 || !errors.As(user.ends[0], &limit) || limit.Limit != "message_timeout" {
			t.Errorf("ends: %v", user.ends)
		}
	})
}

// While we do not read, the peer can do nothing about its message: its time begins again.
func TestMessageTimeoutPaused(t *testing.T) {
	onSim(t, func(b *bench) {
		r, user := framed(b, &service{})
		m := message(2, 100)
		r.send(m[:50])
		b.Pass(5 * time.Second)
		user.conn.Pause()
		b.Pass(time.Minute)
		user.conn.Resume()
		b.Pass(9 * time.Second)
		if len(user.ends) > 0 {
			t.Fatalf("ends: %v", user.ends)
		}
		r.send(m[50:])
		b.Until("it came", func() bool { return len(user.got) == 1 })
		b.Pass(time.Minute)
		r.send(m[:1])
		b.Pass(9900 * time.Millisecond)
		if len(user.ends) > 0 {
			t.Errorf("ends: %v", user.ends)
		}
		b.Pass(time.Second)
		if len(user.ends) != 1 {
			t.Errorf("ends: %v", user.ends)
		}
	})
}

// Pause in the middle of a read keeps the rest, and nothing is given until Resume, however much comes.
func TestPause(t *testing.T) {
	onBoth(t, func(b *bench) {
		s := &service{}
		s.make = func() *recorder {
			r := &recorder{}
			r.message = func(c *Conn, m *Message) {
				if len(r.got)%3 == 0 {
					c.Pause()
				}
			}
			return r
		}
		r, user := framed(b, s)
		var want [][]byte
		for i := range 10 {
			want = append(want, message(byte(i), 20))
		}
		r.send(bytes.Join(want, nil))
		for _, count := range []int{3, 6, 9, 10} {
			b.Until("some came", func() bool { return len(user.got) >= count })
			events := b.Loop.Stats().Events
			b.Spin(5)
			if len(user.got) != count {
				t.Fatalf("%d messages, want %d", len(user.got), count)
			}
			if n := b.Loop.Stats().Events - events; n > 1 {
				t.Errorf("%d events while it is paused", n)
			}
			user.conn.Resume()
		}
		same(b, user.got, want)
	})
}

func TestEndOfStream(t *testing.T) {
	onBoth(t, func(b *bench) {
		for _, c := range []struct {
			sent []byte
			got  int
			want error
		}{
			{nil, 0, io.EOF},
			{message(1, 10), 1, io.EOF},
			{message(1, 10)[:4], 0, io.ErrUnexpectedEOF},
			{append(message(1, 10), 0), 1, io.ErrUnexpectedEOF},
		} {
			s := &service{}
			r, user := framed(b, s)
			r.send(c.sent)
			b.must(b.Kernel.CloseWrite(r.fd))
			b.Until("the end", func() bool { return len(user.ends) > 0 })
			b.Spin(3)
			if len(user.ends) != 1 || user.ends[0] != c.want || len(user.got) != c.got {
				t.Errorf("%d bytes and the end give %d messages, ends %v; want %d, %v", len(c.sent), len(user.got), user.ends, c.got, c.want)
			}
			user.conn.Close()
			r.close()
		}
	})
}

// After the peer's end everything can still be sent, and after ours everything can still come.
func TestHalfClose(t *testing.T) {
	onBoth(t, func(b *bench) {
		s := &service{}
		r, user := framed(b, s)
		b.must(user.conn.CloseWrite())
		b.Until("Room tells that all was sent", func() bool { return user.rooms == 1 })
		if end := r.ended(); end != io.EOF {
			t.Errorf("the peer sees %v", end)
		}
		if err := user.conn.Send(nil, message(1, 10)); err == nil {
			t.Error("Send after CloseWrite")
		}
		r.send(message(1, 10))
		b.Until("it came", func() bool { return len(user.got) == 1 })
		b.must(b.Kernel.CloseWrite(r.fd))
		b.Until("the end", func() bool { return len(user.ends) == 1 })

		r, user = framed(b, &service{})
		b.must(b.Kernel.CloseWrite(r.fd))
		b.Until("the end", func() bool { return len(user.ends) == 1 })
		answer := message(7, 3000)
		for range 100 {
			b.must(user.conn.Send(nil, answer))
		}
		b.must(user.conn.CloseWrite())
		r.receive(100 * len(answer))
		if end := r.ended(); end != io.EOF || len(user.ends) != 1 {
			t.Errorf("the peer sees %v, the user %v", end, user.ends)
		}
	})
}

// Messages that wait in us and the end of our writing do not keep each other from being told.
func TestRoomWhileMessagesWait(t *testing.T) {
	onSim(t, func(b *bench) {
		r, user := framed(b, &service{})
		var want [][]byte
		for i := range 2*readMessages + 1 {
			want = append(want, message(byte(i), 3))
		}
		b.Kernel.Send(r.fd, bytes.Join(want, nil))
		b.must(user.conn.CloseWrite())
		b.Until("all came", func() bool { return len(user.got) == len(want) })
		b.Spin(3)
		if user.rooms != 1 {
			t.Errorf("Room was called %d times, want 1", user.rooms)
		}
	})
}
