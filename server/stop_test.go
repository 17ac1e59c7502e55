package server

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
	"github.com/frio-io/frio/transport"
)

// drain does on a bench what a pool that stops does.
func (b *bench) drain() {
	for _, l := range b.all() {
		for _, p := range l.ports {
			p.Refuse()
		}
	}
	b.lane.Each(func(c *transport.Conn) { c.User().Drain(c) })
}

// Sessions that are to end do so when they have been quiet for a second, and not before.
func TestDrain(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	b := start(e, echoText(tcpListen("a", "127.0.0.1", 0), udpListen("b", "127.0.0.1", 0)))
	quiet, busy, stuck := b.dial(0), b.dial(0), b.dial(0)
	sent := fill(e, stuck)
	e.Send(quiet, []byte("before"))
	e.Expect(quiet, []byte("before"))
	b.drain()
	for i := range 8 {
		if n := b.sessions(); i == 1 && n != 3 {
			t.Errorf("%d sessions after half a second, want 3", n)
		}
		e.Pass(500 * time.Millisecond)
		e.Send(busy, []byte("still here"))
		e.Expect(busy, []byte("still here"))
	}
	if err := e.ExpectEnd(quiet); err != io.EOF {
		t.Errorf("the quiet session ended with %v", err)
	}
	if n := b.sessions(); n != 2 {
		t.Errorf("%d sessions, want the busy one and the one with bytes to deliver", n)
	}
	e.Pass(drainQuiet + 2*drainTick)
	if err := e.ExpectEnd(busy); err != io.EOF {
		t.Errorf("the busy session ended with %v", err)
	}
	if err := stuck.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := collect(e, stuck); !bytes.Equal(got, pattern(sent)) {
		t.Errorf("got %d bytes back, want the %d sent", len(got), sent)
	}
	b.sessionsEnd()
	b.finish()
}

// A session that was held up is not quiet at the moment when all that waited was sent: what its peer sends on is still to be read.
func TestDrainGoesOn(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	b := start(e, echoText(tcpListen("a", "127.0.0.1", 0)))
	c := b.dial(0)
	fill(e, c)
	b.drain()
	e.Pass(3 * drainQuiet)
	var s *session
	b.lane.Each(func(c *transport.Conn) { s = c.User().(*session) })
	if d := e.Loop.Now().Sub(s.moved); d > drainTick {
		t.Errorf("held up, it counts as quiet for %v", d) // and could end in the turn that sends the last of it, before more is read
	}
	buf := make([]byte, 100_000)
	e.Until("all that waited was sent", func() bool {
		if s.over {
			t.Fatal("it ended before")
		}
		_, _ = c.Read(buf)
		return s.peer.Unsent() == 0
	})
	if s.quiet(e.Loop.Now()) {
		t.Error("it counts as quiet")
	}
	b.finish()
}

// stuckClient has a session with more to deliver to it than the system takes, and reads none of it. Its goroutine ends when all was
// echoed, or the connection ends.
func stuckClient(t *testing.T, s *Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", bound(s, 0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := errors.Join(conn.(*net.TCPConn).SetReadBuffer(64<<10), conn.(*net.TCPConn).SetWriteBuffer(64<<10)); err != nil {
		t.Fatal(err)
	}
	go func() {
		if _, err := conn.Write(allPattern()); err == nil { // an error is one of reading
			_ = conn.(*net.TCPConn).CloseWrite()
		}
	}()
	for unsent := int64(0); unsent == 0; {
		var n atomic.Int64
		s.lanes.Do(time.Now().Add(time.Minute), func(at int) {
			s.lanes[at].Each(func(c *transport.Conn) { n.Add(int64(c.Unsent())) })
		})
		unsent = n.Load()
	}
	return conn
}

// A stopping server ends the sessions that are quiet, and waits for those with bytes to deliver.
func TestShutdownDelivers(t *testing.T) {
	root := talloc.Root("test")
	defer root.Free()
	s, err := LoadString(root, "test.conf", spreadConf, Options{Drain: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	quiet, err := net.Dial("tcp", bound(s, 0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { quiet.Close() })
	var one [1]byte
	_, _ = quiet.Write(one[:]) // an error is one of reading
	if _, err := quiet.Read(one[:]); err != nil {
		t.Fatal(err)
	}
	busy := stuckClient(t, s)
	type result struct {
		cut *thread.Cut
		err error
	}
	ended := make(chan result, 1)
	go func() {
		cut, err := s.Shutdown()
		ended <- result{cut, err}
	}()
	if n, err := quiet.Read(one[:]); err != io.EOF {
		t.Errorf("the quiet session ended with %d bytes, %v", n, err)
	}
	quiet.Close()
	select {
	case r := <-ended:
		t.Errorf("it did not wait: %v, %v", r.cut, r.err)
	default:
	}
	if got, err := io.ReadAll(busy); err != nil || !bytes.Equal(got, allPattern()) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	if r := <-ended; r.err != nil || !r.cut.None() {
		t.Errorf("Shutdown: %v, %v", r.cut, r.err)
	}
}

// What Options.Drain is not enough for is cut, and the log says so.
func TestShutdownCuts(t *testing.T) {
	log := new(lines)
	root := talloc.Root("test")
	defer root.Free()
	s, err := LoadString(root, "test.conf", spreadConf, Options{Drain: time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(func(error) {}); err != nil { // it tells what it cuts
		t.Fatal(err)
	}
	stuckClient(t, s)
	cut, err := s.Shutdown()
	if err != nil || cut.Members != 1 || len(cut.Stuck) > 0 {
		t.Errorf("Shutdown: %v, %v, want one member cut", cut, err)
	}
	if list := log.of("close"); len(list) != 1 || strings.Contains(list[0], "reason=end ") {
		t.Errorf("the log does not say that a session was cut: %v", list)
	}
}

// A session that is cut is no fault of its peer: neither lost, nor refused while it was on its way.
func TestShutdownCutIsNoFault(t *testing.T) {
	udp := udpListen("a", "127.0.0.1", 0)
	for _, tt := range []struct {
		name, network, listen string
		says                  bool
	}{
		{"tcp", "tcp", tcpListen("a", "127.0.0.1", 0), true},
		{"demux", "udp", strings.Replace(udp, "port = 0", "port = 0\nchildren = demux", 1), true},
		{"connected", "udp", strings.Replace(udp, "port = 0", "port = 0\nchildren = connected", 1), true},
		{"handshake", "tcp", "listen a {\nprotocol = haproxy+tcp\ntcp {\nipaddr = 127.0.0.1\nport = 0\n}\nhaproxy {\ntrusted {\nallow = 127/8\n}\n}\n}\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := new(lines)
			root := talloc.Root("test")
			defer root.Free()
			s, err := LoadString(root, "test.conf", echoText(tt.listen), Options{Drain: time.Millisecond,
				Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Start(func(error) {}); err != nil { // it tells what it cuts
				t.Fatal(err)
			}
			conn, err := net.Dial(tt.network, bound(s, 0))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if tt.says {
				_, _ = conn.Write([]byte("x")) // an error is one of reading
				if _, err := conn.Read(make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
			}
			for s.sessions() == 0 {
				runtime.Gosched()
			}
			counts := &s.all()[0].counts
			if cut, err := s.Shutdown(); err != nil || cut.Members != 1 {
				t.Errorf("Shutdown: %v, %v, want one member cut", cut, err)
			}
			if list := log.of("close"); len(list) != 1 || !strings.Contains(list[0], `reason="cut with its listen"`) {
				t.Errorf("the log does not say that a session was cut: %v", list)
			}
			if list := log.of("refused"); len(list) > 0 {
				t.Errorf("the log has %v", list)
			}
			for f := range faultCount {
				if n := counts.Faults[f].Load(); n != 0 {
					t.Errorf("%d faults of kind %v", n, f)
				}
			}
		})
	}
}
