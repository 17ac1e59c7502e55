package transport

import (
	"bytes"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/talloc"
)

// segments is a stream that gives its bytes in pieces of the sizes that a fuzzer chose, and then its end.
type segments struct {
	frio.IO
	rest  []byte
	sizes []byte
	next  int
}

func (s *segments) Read(p []byte) (int, error) {
	size := len(s.rest)
	if len(s.sizes) > 0 {
		size = int(s.sizes[s.next%len(s.sizes)])
		s.next++
	}
	if size == 0 && len(s.rest) > 0 {
		return 0, frio.ErrAgain
	}
	if len(s.rest) == 0 {
		return s.IO.Read(p)
	}
	n := copy(p[:min(size, len(p))], s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// cutWhole is what text holds: the messages, and whether the framing is lost behind them.
func cutWhole(text []byte, max int) (list [][]byte, lost bool) {
	for len(text) > 0 {
		n, err := frame(text)
		switch {
		case err != nil || n > max:
			return list, true
		case n == 0 || n > len(text):
			return list, false
		}
		list, text = append(list, text[:n]), text[n:]
	}
	return list, false
}

// Any bytes, cut in any way, give the messages that are in them, in order; what is no message ends the connection and nothing else.
func FuzzCut(f *testing.F) {
	three := bytes.Join([][]byte{message(1, 3), message(2, 10), message(3, 200)}, nil)
	f.Add(three, []byte{1}, uint8(0))
	f.Add(three, []byte{}, uint8(2))
	f.Add(three, []byte{0}, uint8(2))
	f.Add(three, []byte{0, 1, 0}, uint8(2))
	f.Add(three[:50], []byte{7, 0, 3}, uint8(1))
	f.Add(append(bytes.Repeat(message(4, 3), 600), 0, 1), []byte{255}, uint8(3))
	f.Add([]byte{0xff, 0xff, 1, 2, 3}, []byte{2}, uint8(0))
	f.Fuzz(func(t *testing.T, text, sizes []byte, pause uint8) {
		if len(text) > 1<<16 || len(sizes) > 64 || len(sizes) > 0 && len(bytes.Trim(sizes, "\x00")) == 0 {
			return // of sizes that are all 0 nothing ever comes
		}
		const max = 1000
		want, lost := cutWhole(text, max)
		b := newBench(t, true, 1)
		s := &service{cfg: Config{Frame: frame, MessageMax: max}}
		port := b.serve(inet("listen", "tcp", "tcp", 0, ""), s)
		client := b.ParseText(nil, "connecting", inet("home_server", "tcp", "tcp", at(port).Port(), ""))
		user := &recorder{}
		if pause > 0 {
			user.message = func(c *Conn, _ *Message) {
				if len(user.got)%int(pause) == 0 {
					c.Pause()
				}
			}
		}
		c, err := Dial(b.lane, client.Ctx, "connection", func(ctx *talloc.Context) (frio.IO, error) {
			one, err := client.IO.(frio.Copier).Copy(ctx)
			return &segments{IO: one, rest: text, sizes: sizes}, err
		}, Config{Frame: frame, MessageMax: max}, user)
		b.must(err)
		for turns := 0; len(user.got) < len(want) || lost && len(user.ends) == 0; turns++ {
			if turns > 2*len(text)*(len(sizes)+1)+1000 {
				t.Fatalf("%d messages of %d came, ends %v, lost %v", len(user.got), len(want), user.ends, lost)
			}
			c.Resume()
			c.readable() // what is in segments no descriptor announces
			b.Turn()
		}
		same(b, user.got, want)
		if lost != (len(user.ends) > 0) {
			t.Errorf("ends %v, lost %v", user.ends, lost)
		}
	})
}
