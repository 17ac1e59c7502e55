package tls_test

import (
	ctls "crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/tls"
)

// recorder is a net.Conn that keeps what is written, and ends.
type recorder struct {
	net.Conn
	sent []byte
}

func (r *recorder) Write(p []byte) (int, error)     { r.sent = append(r.sent, p...); return len(p), nil }
func (r *recorder) Read([]byte) (int, error)        { return 0, io.EOF }
func (r *recorder) SetDeadline(time.Time) error     { return nil }
func (r *recorder) SetReadDeadline(time.Time) error { return nil }

// hello is a client's first flight.
func hello(t testing.TB) []byte {
	t.Helper()
	r := new(recorder)
	if err := ctls.Client(r, &ctls.Config{ServerName: "server.example.org"}).Handshake(); err == nil {
		t.Fatal("a handshake with nobody")
	}
	return r.sent
}

func tcpText(e *friotest.Env, port uint16) string {
	return fmt.Sprintf("tcp {\nipaddr = %v\nport = %d\n}\n", e.Place.Addr, port)
}

// listener opens a tls+tcp listener, attached to the loop.
func listener(e *friotest.Env, more, limit string) *friotest.Probe {
	e.Helper()
	listen, _ := sections(e.TB, more, "")
	l := e.ParseText(nil, "listener", "listen {\nprotocol = tls+tcp\n"+tcpText(e, 0)+listen+"limit {\n"+limit+"}\n}\n")
	if err := l.Open(); err != nil {
		e.Fatal(err)
	}
	l.Wish(nil, nil, nil)
	return l
}

// client connects stack, tls+tcp or tcp, to l.
func client(e *friotest.Env, l *friotest.Probe, stack, more string) *friotest.Probe {
	e.Helper()
	home := ""
	if strings.HasPrefix(stack, "tls") {
		_, home = sections(e.TB, "", more)
	}
	c := e.ParseText(nil, "client", "home_server {\nprotocol = "+stack+"\n"+tcpText(e, e.Port(l))+home+"}\n")
	c.Wish(nil, nil, nil)
	if err := c.Connect(); err != nil && err != frio.ErrAgain {
		e.Fatal(err)
	}
	return c
}

func opened(e *friotest.Env, list ...*friotest.Probe) {
	e.Helper()
	e.Until("all are open", func() bool {
		for _, p := range list {
			if p.State() != frio.StateOpen {
				return false
			}
		}
		return true
	})
}

// TestAbuse: whoever connects and does not finish a handshake is gone, with a reason at our end, by an alert where it is at fault,
// else by handshake_timeout; and with him goes what he held.
func TestAbuse(t *testing.T) {
	const silent = 0
	whole := hello(t)
	long := append([]byte{22, 3, 1, 0x50, 1}, make([]byte, 2000)...)
	for _, c := range []struct {
		name  string
		send  []byte
		alert byte // 0: none, the time-out ends it
		cause tls.Cause
	}{
		{"silent", nil, silent, tls.CauseTimeout},
		{"one byte of a hello", whole[:1], silent, tls.CauseTimeout},
		{"a header", whole[:5], silent, tls.CauseTimeout},
		{"half a hello", whole[:len(whole)/2], silent, tls.CauseTimeout},
		{"a hello and no more", whole, silent, tls.CauseTimeout},
		{"plain text", []byte("GET / HTTP/1.1\r\n\r\n"), 10, tls.CausePlainText},
		{"one letter", []byte("G"), 10, tls.CausePlainText},
		{"SSL 2", []byte{0x80, 0x2e, 1, 3, 0}, 10, tls.CausePlainText},
		{"no version of TLS", []byte{22, 4, 1}, 10, tls.CausePlainText},
		{"a record that is too long", long, 22, tls.CauseInvalid},
		{"garbage in a record", append([]byte{22, 3, 1, 0, 100}, make([]byte, 100)...), 10, tls.CauseInvalid},
		{"a hello that is cut", append([]byte{22, 3, 1, 0, 6, 1, 0, 0, 2, 3, 3}, whole...), 50, tls.CauseInvalid},
		{"an alert first", []byte{21, 3, 1, 0, 2, 2, 40}, silent + 255, tls.CauseRefused},
		{"another message first", []byte{22, 3, 1, 0, 4, 20, 0, 0, 0}, 10, tls.CauseInvalid},
		{"application data first", []byte{23, 3, 1, 0, 4, 24, 0, 0, 0}, 10, tls.CausePlainText},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := friotest.NewEnv(t, true, 1)
			l := listener(e, "", "max_connections = 1\nhandshake_timeout = 7s\n")
			raw := client(e, l, "tcp", "")
			child := e.AcceptFrom(l, nil)
			calls := 0
			child.Wish(nil, func() { calls++ }, nil)
			opened(e, raw)
			if len(c.send) > 0 {
				e.Send(raw, c.send)
			}
			e.Pass(6900 * time.Millisecond)
			if over := child.State() == frio.StateFailed; over != (c.alert != silent) {
				t.Fatalf("after 6.9 s failed is %v", over)
			}
			e.Pass(200 * time.Millisecond)
			if calls == 0 {
				t.Errorf("nobody was told of the end")
			}
			_, err := child.Read(make([]byte, 10))
			var failed *tls.HandshakeError
			if !errors.As(err, &failed) || failed.Cause != c.cause {
				t.Fatalf("Read: %v, want the cause %v", err, c.cause)
			}
			if c.alert == silent && !errors.Is(err, frio.ErrTimeout) {
				t.Errorf("%v is no time-out", err)
			}
			counts := l.IO.(*tls.Listener).Counts()
			if n := counts.Failed(c.cause); n != 1 || counts.Handshakes.Load() != 0 {
				t.Errorf("%d failures counted for %v, %d handshakes", n, c.cause, counts.Handshakes.Load())
			}
			got := make([]byte, 4096)
			n, err := raw.Read(got)
			switch {
			case c.alert == silent || c.alert == 255:
			case err != nil || n < 7 || got[0] != 21 || got[5] != 2 || got[6] != c.alert:
				t.Errorf("the peer got % x, %v, want the alert %d", got[:n], err, c.alert)
			}
			// The place is free for somebody else.
			next := client(e, l, "tls+tcp", "")
			other := e.AcceptFrom(l, nil)
			other.Wish(nil, nil, nil)
			opened(e, next, other)
		})
	}
}

// TestPlainServer: a client that meets a server without TLS says so.
func TestPlainServer(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	l := e.ParseText(nil, "listener", "listen {\nprotocol = tcp\n"+tcpText(e, 0)+"}\n")
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	l.Wish(nil, nil, nil)
	c := client(e, l, "tls+tcp", "")
	server := e.AcceptFrom(l, nil)
	server.Wish(nil, nil, nil)
	e.Send(server, []byte("220 mail.example.org ESMTP\r\n"))
	end := e.ExpectEnd(c)
	var failed *tls.HandshakeError
	if !errors.As(end, &failed) || failed.Cause != tls.CausePlainText {
		t.Errorf("Read: %v, want plain text as the cause", end)
	}
}

// TestMaxHandshakes: no more than that are under way; who waits is taken when one ends, in either way.
func TestMaxHandshakes(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	l := listener(e, "", "max_handshakes = 3\nhandshake_timeout = 5s\n")
	calls := 0
	l.Wish(nil, func() { calls++ }, nil)
	for range 5 {
		client(e, l, "tcp", "")
	}
	good := client(e, l, "tls+tcp", "")
	var children []*friotest.Probe
	for range 3 {
		children = append(children, e.AcceptFrom(l, nil))
	}
	e.Spin(3)
	if _, err := l.Accept(nil); err != frio.ErrAgain {
		t.Fatalf("Accept above max_handshakes: %v, want ErrAgain", err)
	}
	calls = 0
	e.Spin(20)
	if calls > 0 {
		t.Errorf("%d callbacks at max_handshakes", calls)
	}
	e.Pass(5100 * time.Millisecond)
	if calls == 0 {
		t.Fatalf("no callback when handshakes have ended")
	}
	for range 3 {
		c := e.AcceptFrom(l, nil)
		c.Wish(nil, nil, nil)
		children = append(children, c)
	}
	opened(e, good, children[5])
	// An open connection holds no place.
	more := client(e, l, "tls+tcp", "")
	c := e.AcceptFrom(l, nil)
	c.Wish(nil, nil, nil)
	opened(e, more, c)
	for _, c := range children {
		c.Close()
	}
}

// TestHelloStorm: 500 hellos at once are answered a few a turn, and an open connection goes on being served meanwhile.
func TestHelloStorm(t *testing.T) {
	const many, stepsMax = 500, 4
	e := friotest.NewEnv(t, true, 1)
	l := listener(e, "", "")
	c := client(e, l, "tls+tcp", "")
	server := e.AcceptFrom(l, nil)
	server.Wish(nil, func() {
		var buf [64]byte
		if n, err := server.Read(buf[:]); err == nil {
			server.Write(buf[:n])
		}
	}, nil)
	opened(e, c, server)
	first := hello(t)
	var raws []*friotest.Probe
	for range many {
		raws = append(raws, client(e, l, "tcp", ""))
		child := e.AcceptFrom(l, nil)
		child.Wish(nil, nil, nil)
	}
	opened(e, raws...)
	for _, raw := range raws {
		raw.IO.Write(first) // without a turn between them
	}
	turns, echoes, waiting, slowest := 0, 0, 0, 0
	e.Send(c, []byte("ping"))
	got := make([]bool, many)
	answered := func() (n int) {
		var buf [4096]byte
		for i, raw := range raws {
			if !got[i] {
				n, _ := raw.IO.Read(buf[:])
				got[i] = n > 0
			}
			if got[i] {
				n++
			}
		}
		return n
	}
	for before := 0; before < many; turns++ {
		if turns > 2*many {
			t.Fatalf("%d of %d hellos answered after %d turns", before, many, turns)
		}
		if err := e.Loop.Turn(time.Millisecond); err != nil {
			t.Fatal(err)
		}
		now := answered()
		if now-before > stepsMax {
			t.Fatalf("%d hellos answered in one turn, want at most %d", now-before, stepsMax)
		}
		before = now
		waiting++
		var buf [64]byte
		if n, err := c.Read(buf[:]); err == nil && n > 0 {
			echoes++
			slowest, waiting = max(slowest, waiting), 0
			c.Write([]byte("ping"))
		}
	}
	if echoes < 20 || slowest > 5 {
		t.Errorf("%d echoes in %d turns, the slowest took %d turns", echoes, turns, slowest)
	}
}
