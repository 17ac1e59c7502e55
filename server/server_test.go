package server

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/transport"
)

// bench is the listens of a server on an environment's first loop, with their log: what sessions do is seen turn by turn there, on
// either kernel. How a Server runs and ends on its threads is tested with Start and Shutdown.
type bench struct {
	*friotest.Env
	*Server
	lane *transport.Lane
	log  bytes.Buffer
}

// onBoth runs a test on the system's kernel and on the simulated one.
func onBoth(t *testing.T, run func(*testing.T, *friotest.Env)) {
	t.Run("system", func(t *testing.T) { run(t, friotest.NewEnv(t, false, 1)) })
	t.Run("sim", func(t *testing.T) { run(t, friotest.NewEnv(t, true, 1)) })
}

func start(e *friotest.Env, text string) *bench {
	e.Helper()
	b := &bench{Env: e}
	logger := slog.New(slog.NewTextHandler(&b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if b.Server, err = LoadString(e.Root, "test.conf", text, Options{Logger: logger}); err != nil {
		e.Fatal(err)
	}
	if b.lane, err = transport.NewLane(e.Loop, e.Root, 0); err != nil {
		e.Fatal(err)
	}
	e.Cleanup(b.close)
	for _, l := range b.all() {
		if err := l.io.Open(); err != nil {
			e.Fatal(err)
		}
		for i, one := range l.shards() {
			if err := l.port(i, nil, one, l.ctx).Join(b.lane); err != nil {
				e.Fatal(err)
			}
		}
	}
	return b
}

// close ends the sessions and closes the listens.
func (b *bench) close() {
	if b.closed {
		return
	}
	b.lane.Each(func(c *transport.Conn) {
		if s, ok := c.User().(*session); ok {
			s.end(nil)
		}
	})
	for _, l := range b.all() {
		for _, p := range l.ports {
			if err := p.Close(); err != nil {
				b.Errorf("close %s: %v", p.IO().Describe(), err)
			}
		}
		if err := l.io.Close(); err != nil {
			b.Errorf("close %s: %v", l.io.Describe(), err)
		}
	}
	_, _ = b.Shutdown() // it has no threads
	b.lane.Context().Free()
}

// finish closes the server and what the test opened, and looks for what is left.
func (b *bench) finish() {
	b.Helper()
	b.close()
	b.Env.Finish()
}

// sessions is how many sessions are under way.
func (s *Server) sessions() (count int) {
	for _, l := range s.all() {
		count += int(l.counts.Open.Load())
		if l.radius != nil && l.radius.listen != nil {
			count += int(l.radius.listen.Counts.Open.Load())
		}
	}
	return count
}

func (b *bench) listenAt(i int) *listen { return b.all()[i] }

// port is the one that listen i really has.
func (b *bench) port(i int) int {
	return int(b.listenAt(i).shards()[0].(frio.Addresser).LocalAddr().Port())
}

// dial connects a client to listen i, and makes it known to the loop.
func (b *bench) dial(i int) *friotest.Probe {
	b.Helper()
	stack, _, _ := strings.Cut(b.listenAt(i).io.Describe(), " ")
	c := b.ParseText(nil, "client", homeServer("client", stack, b.port(i)))
	c.Wish(nil, nil, nil)
	if err := c.Connect(); err != nil && err != frio.ErrAgain {
		b.Fatalf("connect: %v", err)
	}
	b.Until("the client is connected", func() bool { return b.Step(c) })
	return c
}

// upstream is a listener of the test's own, for relays.
func upstream(e *friotest.Env, method string) *friotest.Probe {
	e.Helper()
	up := e.ParseText(nil, "upstream", inetListen(method, "up", "127.0.0.1", 0))
	if err := up.Open(); err != nil {
		e.Fatal(err)
	}
	up.Wish(nil, nil, nil)
	return up
}

func (b *bench) sessionsEnd() {
	b.Helper()
	b.Until("no session is left", func() bool { return b.sessions() == 0 })
}

// steady fails unless the sessions hold no buffers.
func (b *bench) steady() {
	b.Helper()
	if n := b.ctx.Total().Buffers; n != 0 {
		b.Errorf("%d buffers are held", n)
	}
}

func TestEchoStream(t *testing.T) {
	onBoth(t, func(t *testing.T, e *friotest.Env) {
		b := start(e, echoText(tcpListen("a", "127.0.0.1", 0)))
		c := b.dial(0)
		for _, text := range []string{"a", "hello\n", strings.Repeat("0123456789abcdef", 20_000)} {
			e.Send(c, []byte(text))
			e.Expect(c, []byte(text))
			b.steady()
		}
		e.Send(c, []byte("the tail"))
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		e.Expect(c, []byte("the tail"))
		if err := e.ExpectEnd(c); err != io.EOF {
			t.Errorf("the end is %v, want EOF", err)
		}
		b.sessionsEnd()
		n := &b.listenAt(0).counts
		want := uint64(1 + 6 + 320_000 + 8)
		if in, out := n.BytesIn.Load(), n.BytesOut.Load(); in != want || out != want || n.Sessions.Load() != 1 {
			t.Errorf("counted %d in, %d out, %d sessions; want %d each way, 1", in, out, n.Sessions.Load(), want)
		}
		for _, line := range []string{"msg=accept", "msg=close", "reason=end", "listen=one.a", "out=320015"} {
			if !strings.Contains(b.log.String(), line) {
				t.Errorf("the log has no %s:\n%s", line, b.log.String())
			}
		}
		b.finish()
	})
}

// A client that does not read is not read from, and costs one buffer.
func TestEchoBackPressure(t *testing.T) {
	onBoth(t, func(t *testing.T, e *friotest.Env) {
		b := start(e, echoText(tcpListen("a", "127.0.0.1", 0)))
		c := b.dial(0)
		sent := fill(e, c)
		if total := b.ctx.Total(); total.Buffers > 1 || total.Bytes > 128<<10 {
			t.Errorf("a peer that does not read costs %d buffers, %d bytes", total.Buffers, total.Bytes)
		}
		turns, reads := e.Loop.Stats().Events, b.listenAt(0).counts.BytesIn.Load()
		e.Spin(10)
		if n := e.Loop.Stats().Events - turns; n > 2 {
			t.Errorf("%d events while nothing can be done", n)
		}
		if n := b.listenAt(0).counts.BytesIn.Load(); n != reads {
			t.Errorf("read %d bytes that cannot be sent", n-reads)
		}
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got := collect(e, c); !bytes.Equal(got, pattern(sent)) {
			t.Errorf("got %d bytes back, want the %d sent", len(got), sent)
		}
		b.sessionsEnd()
		b.steady()
		b.finish()
	})
}

// pattern is n bytes, at most 16 MiB, that show a loss or a repeat. They are not to be changed.
func pattern(n int) []byte { return allPattern()[:n] }

var allPattern = sync.OnceValue(func() []byte {
	p := make([]byte, 16<<20)
	for i := range p {
		p[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return p
})

// fill writes until nothing is taken for 200 turns, and returns how much was.
func fill(e *friotest.Env, c *friotest.Probe) (sent int) {
	e.Helper()
	all := allPattern()
	for stuck := 0; stuck < 200 && sent < len(all); {
		n, err := c.Write(all[sent:min(sent+100_000, len(all))])
		if err != nil && err != frio.ErrAgain {
			e.Fatal(err)
		}
		sent += n
		if stuck++; n > 0 {
			stuck = 0
		}
		e.Spin(1)
	}
	if sent == len(all) {
		e.Fatal("no back-pressure in 16 MiB")
	}
	return sent
}

// collect reads to the end, which must be in order.
func collect(e *friotest.Env, c *friotest.Probe) (got []byte) {
	e.Helper()
	buf := make([]byte, 100_000)
	e.Until("the end", func() bool {
		n, err := c.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil && err != frio.ErrAgain && err != io.EOF {
			e.Fatalf("after %d bytes: %v", len(got), err)
		}
		return err == io.EOF
	})
	return got
}

func TestDiscard(t *testing.T) {
	onBoth(t, func(t *testing.T, e *friotest.Env) {
		b := start(e, serverText("discard", tcpListen("a", "127.0.0.1", 0), udpListen("b", "127.0.0.1", 0)))
		c, d := b.dial(0), b.dial(1)
		e.Send(c, pattern(1_000_000))
		e.Send(d, []byte("a datagram"))
		n := &b.listenAt(0).counts
		e.Until("all is read", func() bool {
			return n.BytesIn.Load() == 1_000_000 && b.listenAt(1).counts.In.Load() == 1
		})
		e.Nothing(c)
		e.Nothing(d)
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if err := e.ExpectEnd(c); err != io.EOF {
			t.Errorf("the end is %v, want EOF", err)
		}
		b.finish()
	})
}

// A session that has much to read does not keep the loop for itself.
func TestTurnIsShared(t *testing.T) {
	e := friotest.NewEnv(t, false, 1)
	b := start(e, serverText("discard", tcpListen("a", "127.0.0.1", 0)))
	c := b.dial(0)
	n, most := &b.listenAt(0).counts, uint64(0)
	for sent := 0; sent < 8<<20; {
		k, err := c.Write(pattern(8<<20 - sent))
		if err != nil && err != frio.ErrAgain {
			t.Fatal(err)
		}
		sent += k
		before := n.BytesIn.Load()
		e.Spin(1)
		most = max(most, n.BytesIn.Load()-before)
	}
	if limit := uint64(8 * 64 << 10); most > limit || most == 0 {
		t.Errorf("%d bytes in a turn, want at most %d", most, limit)
	}
	b.finish()
}

func TestSessionsThousand(t *testing.T) {
	e := friotest.NewEnv(t, true, 7)
	b := start(e, echoText(tcpListen("a", "127.0.0.1", 0)))
	var clients []*friotest.Probe
	for range 1000 {
		clients = append(clients, b.dial(0))
	}
	for i, c := range clients {
		e.Send(c, fmt.Appendf(nil, "client %d", i))
	}
	for i, c := range clients {
		e.Expect(c, fmt.Appendf(nil, "client %d", i))
	}
	if n := b.sessions(); n != 1000 {
		t.Errorf("%d sessions", n)
	}
	b.steady()
	for i, c := range clients {
		if i%2 == 0 {
			c.Close()
		} else if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	b.sessionsEnd()
	b.finish()
}

// Nothing on the way of an echo allocates.
func TestEchoAllocs(t *testing.T) {
	for _, tt := range []struct{ name, listen string }{
		{"tcp", tcpListen("a", "127.0.0.1", 0)},
		{"udp", udpListen("a", "127.0.0.1", 0)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := friotest.NewEnv(t, false, 1)
			b := start(e, echoText(tt.listen))
			c := b.dial(0).IO
			p, buf := []byte("0123456789abcdef"), make([]byte, 64)
			round := func() {
				if _, err := c.Write(p); err != nil {
					t.Fatal(err)
				}
				for {
					if err := e.Loop.Turn(time.Second); err != nil {
						t.Fatal(err)
					}
					if _, err := c.Read(buf); err == nil {
						return
					}
				}
			}
			round()
			if n := testing.AllocsPerRun(200, round); n > 0 {
				t.Errorf("%v allocations for an echo", n)
			}
			b.finish()
		})
	}
}

// What peers cause is logged once a second, with the count of what was left out.
func TestWarner(t *testing.T) {
	var out bytes.Buffer
	log, now := slog.New(slog.NewTextHandler(&out, nil)), time.Unix(1, 0)
	var w warner
	for range 10 {
		w.warn(log, now, "accept")
	}
	now = now.Add(warnInterval)
	w.warn(log, now, "accept")
	if got := strings.Count(out.String(), "msg=accept"); got != 2 || !strings.Contains(out.String(), "left_out=9") {
		t.Errorf("%d lines:\n%s", got, out.String())
	}
}
