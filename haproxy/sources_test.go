package haproxy_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/haproxy"
)

// TestUntrusted: a peer outside of trusted is closed, and not one byte of it is read.
func TestUntrusted(t *testing.T) {
	b := newBench(t, "", "")
	raw := b.dial("127.0.0.2")
	b.Send(raw, []byte(header1))
	b.Spin(3)
	before := b.Host().Calls("Recv")
	if c, err := b.l.Accept(nil); err != frio.ErrAgain {
		t.Fatalf("Accept of an untrusted peer: %v, %v", c, err)
	}
	b.Spin(3)
	if n := b.Host().Calls("Recv") - before; n != 0 {
		t.Errorf("%d reads from an untrusted peer", n)
	}
	b.refused(haproxy.Untrusted, 1)
	b.ExpectEnd(raw)
	// Between others it costs these nothing.
	_ = b.dial("127.0.0.2")
	good := b.dial("")
	_ = b.dial("127.0.0.3")
	conn := b.AcceptFrom(b.l, nil)
	b.Send(good, []byte(header1+"x"))
	b.Expect(conn, []byte("x"))
	if _, err := b.l.Accept(nil); err != frio.ErrAgain {
		t.Errorf("Accept: %v", err)
	}
	b.refused(haproxy.Untrusted, 3)
}

// TestNetworks: the real address decides, and the upper sees no byte of one that is denied.
func TestNetworks(t *testing.T) {
	b := newBench(t, "networks {\nallow = 198.51.100.0/24\ndeny = 198.51.100.8\n}\n", "")
	for _, c := range []struct {
		header, denied string
	}{
		{header1, ""},
		{"PROXY TCP6 ::ffff:198.51.100.7 ::ffff:192.0.2.1 40112 2083\r\n", ""},
		{"PROXY TCP4 198.51.100.8 192.0.2.1 40112 2083\r\n", "198.51.100.8"},
		{"PROXY TCP4 203.0.113.1 192.0.2.1 40112 2083\r\n", "203.0.113.1"},
		{"PROXY TCP6 2001:db8::7 2001:db8::1 1 2\r\n", "2001:db8::7"},
		{"PROXY UNKNOWN\r\n", "127.0.0.1"}, // the socket's
		{local2, "127.0.0.1"},
	} {
		raw, conn := b.pair(true)
		conn.Wish(nil, func() {}, nil)
		b.Send(raw, []byte(c.header+"data"))
		if c.denied == "" {
			b.Expect(conn, []byte("data"))
			if got := b.Remote(conn).String(); got != "198.51.100.7:40112" {
				t.Errorf("%q: remote address %s", c.header, got)
			}
			continue
		}
		end := b.fails(conn)
		if want := "haproxy: source address " + c.denied + ": not allowed by networks: denied"; !errors.Is(end, frio.ErrDenied) || end.Error() != want {
			t.Errorf("%q: %v, want %s", c.header, end, want)
		}
		b.ExpectEnd(raw)
	}
	b.refused(haproxy.Denied, 5)
}

// TestPerSource: exactly so many of one real address, whatever became of the others.
func TestPerSource(t *testing.T) {
	b := newBench(t, "max_connections_per_source = 2\n", "")
	open := func(source string) (raw, conn *friotest.Probe) {
		raw, conn = b.pair(true)
		b.Send(raw, []byte("PROXY TCP4 "+source+" 192.0.2.1 1 2\r\nx"))
		b.Until("the header", func() bool { return conn.State() != frio.StateHandshaking })
		return raw, conn
	}
	_, first := open("198.51.100.7")
	_, second := open("198.51.100.7")
	_, other := open("198.51.100.8")
	for _, c := range []*friotest.Probe{first, second, other} {
		b.Expect(c, []byte("x"))
	}
	for i, free := range []func(){func() { first.Close() }, func() { second.Ctx.Free() }} {
		_, third := open("198.51.100.7")
		end := b.fails(third)
		if want := "haproxy: source address 198.51.100.7: above max_connections_per_source: denied"; !errors.Is(end, frio.ErrDenied) || end.Error() != want {
			t.Errorf("%v, want %s", end, want)
		}
		third.Close()
		b.refused(haproxy.PerSource, uint64(i+1))
		free()
		_, again := open("198.51.100.7")
		b.Expect(again, []byte("x"))
	}
}

// TestPerSourceOfFailed: one that failed after its header holds no place, though it is not closed yet.
func TestPerSourceOfFailed(t *testing.T) {
	b := newBench(t, "max_connections_per_source = 1\n", "first_byte_timeout = 5s\n")
	raw, failed := b.pair(true)
	b.Send(raw, []byte(header1))
	b.Pass(6 * time.Second)
	b.late(failed, "first_byte_timeout")
	raw, conn := b.pair(true)
	b.Send(raw, []byte(header1+"x"))
	b.Expect(conn, []byte("x"))
}

// TestNoAddress: LOCAL, UNKNOWN and UNSPEC keep the socket's addresses.
func TestNoAddress(t *testing.T) {
	b := newBench(t, "", "")
	for _, header := range []string{local2, "PROXY UNKNOWN\r\n", "PROXY UNKNOWN ::1 ::2 1 2\r\n", sign2 + "\x21\x00\x00\x00",
		sign2 + "\x20\x11\x00\x0c" + header2[16:28]} {
		raw, conn := b.pair(true)
		b.Send(raw, []byte(header+"x"))
		b.Expect(conn, []byte("x"))
		if l, r := b.Local(conn), b.Remote(conn); l != b.Remote(raw) || r != b.Local(raw) {
			t.Errorf("%q: %v <- %v, want %v <- %v", header, l, r, b.Remote(raw), b.Local(raw))
		}
		if got, want := conn.Describe(), fmt.Sprintf("haproxy+tcp %v <- %v", b.Remote(raw), b.Local(raw)); got != want {
			t.Errorf("%q: Describe %q, want %q", header, got, want)
		}
		if h := conn.IO.(haproxy.Headerer).Header(); h == nil || h.Family != haproxy.Unspec {
			t.Errorf("%q: header %v", header, h)
		}
	}
	if n := b.counts().Local.Load(); n != 5 {
		t.Errorf("%d connections without an address counted, want 5", n)
	}
}
