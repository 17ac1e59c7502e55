package transport

import (
	"bytes"
	"errors"
	"net"
	"testing"

	"github.com/frio-io/frio"
)

// All that a turn produces for a connection leaves in one call, up to 64 KiB.
func TestTurnLeavesInOneCall(t *testing.T) {
	onSim(t, func(b *bench) {
		r, user := framed(b, &service{})
		var want []byte
		calls := b.Host().Calls("Send")
		for i := range 60 {
			m := message(byte(i), 1000)
			want = append(want, m...)
			b.must(user.conn.Send(nil, m))
			if n := b.Host().Calls("Send") - calls; n != 0 {
				t.Fatalf("message %d was sent before the turn's end", i)
			}
		}
		b.Turn()
		if n := b.Host().Calls("Send") - calls; n != 1 {
			t.Errorf("%d calls for a turn, want 1", n)
		}
		if got := r.receive(len(want)); !bytes.Equal(got, want) {
			t.Error("something else came")
		}
		if st := user.conn.Stats(); st.Out != 60 || st.BytesOut != 60_000 || user.conn.Unsent() != 0 {
			t.Errorf("stats %+v, %d unsent", st, user.conn.Unsent())
		}
	})
}

// A layer gets one Write for each message, all of a turn between Cork and Uncork; the rest of one of which it took a part is no message.
func TestLayerGetsMessages(t *testing.T) {
	onSim(t, func(b *bench) {
		p := &pieces{}
		near, far := layered(b, p, Config{Frame: frame, MessageMax: 4096})
		for i := range 5 {
			b.must(near.conn.Send(nil, message(byte(i), 100+i)))
		}
		b.Until("they are back", func() bool { return len(near.got) == 5 })
		if len(p.writes) != 5 || p.writes[0] != 100 || p.writes[4] != 104 || p.uncorked != 1 || p.corked {
			t.Errorf("writes %v, uncorked %d times", p.writes, p.uncorked)
		}
		p.most, p.writes, far.got, near.got = 7, nil, nil, nil
		var want [][]byte
		for i := range 20 {
			want = append(want, message(byte(i), 50))
			b.must(near.conn.Send(nil, want[i]))
		}
		b.Until("they are back", func() bool { return len(near.got) == 20 })
		same(b, far.got, want)
		same(b, near.got, want)
		for i, n := range p.writes {
			if n != 50-7*(i%8) {
				t.Fatalf("write %d was offered %d bytes: %v", i, n, p.writes)
			}
		}
	})
}

// A peer that does not read is not read from: what is held for it is bounded, and nothing is lost when it goes on.
func TestBackPressure(t *testing.T) {
	onBoth(t, func(b *bench) {
		s := &service{cfg: Config{Frame: frame, MessageMax: 4096}, make: func() *recorder { return new(recorder).echo() }}
		r, user := framed(b, s)
		chunk := bytes.Repeat(message(1, 1024), 32)
		sent, idle := 0, 0
		for idle < 10 {
			n, err := b.Kernel.Send(r.fd, chunk[sent%len(chunk):])
			if idle++; err == nil {
				sent, idle = sent+n, 0
			}
			b.Turn()
		}
		if n := user.conn.Unsent(); n < outHigh-1024 || n > outHigh+2*4096 {
			t.Errorf("%d bytes are held", n)
		}
		if !user.conn.Full() || sent > 64<<20 {
			t.Errorf("full %v after %d bytes", user.conn.Full(), sent)
		}
		rooms, got := user.rooms, len(user.got)
		b.Spin(20)
		if user.rooms != rooms || len(user.got) != got {
			t.Error("it went on though nothing was read")
		}
		whole := sent / 1024 * 1024
		for have := 0; have < whole; {
			n := min(whole-have, len(chunk))
			if !bytes.Equal(r.receive(n), chunk[:n]) {
				t.Fatal("something else came back")
			}
			have += n
		}
		if user.rooms == 0 || user.conn.Full() {
			t.Errorf("Room came %d times, full %v", user.rooms, user.conn.Full())
		}
	})
}

// Who sends without looking gets ErrFull at OutMax, and what was taken before arrives.
func TestOutputIsBounded(t *testing.T) {
	onSim(t, func(b *bench) {
		const max = 200_000
		r, user := framed(b, &service{cfg: Config{Frame: frame, MessageMax: 4096, OutMax: max}})
		m := message(3, 4000)
		var err error
		taken := 0
		for turns := 0; turns < 2000 && err == nil; turns++ {
			if err = user.conn.Send(nil, m); err == nil {
				taken++
			}
			if turns%10 == 0 {
				b.Turn()
			}
		}
		if err != ErrFull {
			t.Fatalf("%v after %d messages", err, taken)
		}
		if n := user.conn.Unsent(); n > max || n < max-2*len(m) {
			t.Errorf("%d bytes wait, of %d", n, max)
		}
		for range taken {
			if !bytes.Equal(r.receive(len(m)), m) {
				t.Fatal("something else came")
			}
		}
		b.Until("Room", func() bool { return user.rooms > 0 })
		b.must(user.conn.Send(nil, m))
		r.receive(len(m))
		if user.rooms != 1 {
			t.Errorf("Room came %d times", user.rooms)
		}
	})
}

// A connection that takes nothing any more still gives what came; then it is lost, once.
func TestBrokenWriting(t *testing.T) {
	onSim(t, func(b *bench) {
		p := &pieces{}
		near, far := layered(b, p, Config{Frame: frame, MessageMax: 4096})
		p.broken = &frio.PacketError{Op: "write", Err: frio.ErrReset}
		b.must(near.conn.Send(nil, message(1, 10)))
		b.Spin(2)
		if near.conn.Broken() == nil || near.conn.Unsent() != 0 || near.conn.Send(nil, message(1, 10)) == nil {
			t.Errorf("broken: %v, %d bytes unsent", near.conn.Broken(), near.conn.Unsent())
		}
		b.must(far.conn.Send(nil, message(2, 10)))
		b.must(far.conn.Send(nil, message(3, 10)))
		b.must(far.conn.CloseWrite())
		b.Until("the end", func() bool { return len(near.ends) > 0 })
		b.Spin(3)
		if len(near.got) != 2 || len(near.ends) != 1 || !errors.Is(near.ends[0], frio.ErrReset) {
			t.Errorf("%d messages, ends %v", len(near.got), near.ends)
		}
	})
}

// What was sent before Close is delivered; where nobody can, Close says how much is lost.
func TestCloseWithTail(t *testing.T) {
	onBoth(t, func(b *bench) {
		r, user := framed(b, &service{cfg: Config{Frame: frame, MessageMax: 4096}})
		var want []byte
		for i := range 200 {
			m := message(byte(i), 4000)
			want = append(want, m...)
			b.must(user.conn.Send(nil, m))
		}
		if user.conn.Unsent() == 0 {
			t.Error("nothing waits: the test shows nothing")
		}
		b.must(user.conn.Close())
		b.must(user.conn.Close())
		if got := r.receive(len(want)); !bytes.Equal(got, want) {
			t.Error("something else came")
		}
		if err := user.conn.Send(nil, want); err != net.ErrClosed {
			t.Errorf("Send after Close: %v", err)
		}
		user.conn.Commit(nil, nil)
	})
	onSim(t, func(b *bench) {
		near, _ := layered(b, &pieces{}, Config{Frame: frame, MessageMax: 4096})
		b.must(near.conn.Send(nil, message(1, 100)))
		var unsent *frio.UnsentError
		if err := near.conn.Close(); !errors.As(err, &unsent) || unsent.Bytes != 100 {
			t.Errorf("Close: %v", err)
		}
	})
}

// What is sent while the connection is on its way leaves when it is up, and the end behind it, or alone.
func TestSendBeforeUp(t *testing.T) {
	onBoth(t, func(b *bench) {
		for _, count := range []int{0, 1, 300} {
			s := &service{cfg: Config{Frame: frame, MessageMax: 4096}}
			port := b.serve(inet("listen", "tcp", "tcp", 0, ""), s)
			near := new(recorder)
			c := b.dial(inet("home_server", "tcp", "tcp", at(port).Port(), ""), Config{Frame: frame, MessageMax: 4096}, near)
			for i := range count {
				b.must(c.Send(nil, message(byte(i), 1000)))
			}
			b.must(c.CloseWrite())
			b.Until("all came", func() bool { return len(s.users) == 1 && len(s.users[0].ends) == 1 })
			if n := len(s.users[0].got); n != count {
				t.Errorf("%d messages, want %d", n, count)
			}
		}
	})
}

func TestCommitBeyondReserve(t *testing.T) {
	onSim(t, func(b *bench) {
		_, user := framed(b, &service{})
		room, err := user.conn.Reserve(10)
		b.must(err)
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		user.conn.Commit(nil, append(room, make([]byte, outHigh)...))
	})
}
