package haproxy_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/haproxy"
	"github.com/frio-io/frio/talloc"
)

// TestEverySplit: a header in two segments, cut anywhere, with data in the second one, and the answer to it.
func TestEverySplit(t *testing.T) {
	for name, header := range map[string]string{"v1": header1, "v2": header2} {
		for _, loop := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, loop %v", name, loop), func(t *testing.T) {
				b := newBench(t, "", "")
				for cut := range len(header) + 1 {
					raw, conn := b.pair(loop)
					b.Send(raw, []byte(header[:cut]))
					b.Spin(2)
					if cut < len(header) {
						b.silent(conn, fmt.Sprintf("after %d bytes", cut))
					}
					b.Send(raw, []byte(header[cut:]+"data"))
					b.Expect(conn, []byte("data"))
					b.shows(conn, raw)
					b.Send(conn, []byte("answer"))
					b.Expect(raw, []byte("answer"))
					conn.Close()
					raw.Close()
				}
				if n := b.counts().Headers.Load(); n != uint64(len(header)+1) {
					t.Errorf("%d headers counted, want %d", n, len(header)+1)
				}
			})
		}
	}
}

// TestByteByByte: no callback before the last byte of the header, and none for nothing behind it.
func TestByteByByte(t *testing.T) {
	for name, header := range map[string]string{"v1": header1, "v2": header2} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, "", "")
			raw, conn := b.pair(true)
			writes := 0
			conn.Wish(nil, func() {}, func() { writes++ })
			for i := range header {
				b.silent(conn, fmt.Sprintf("after %d bytes", i))
				b.Send(raw, []byte(header[i:i+1]))
				b.Spin(3)
				if conn.Reads > 0 || i < len(header)-1 && conn.Writes > 0 {
					t.Fatalf("%d read and %d write callbacks after %d bytes", conn.Reads, conn.Writes, i+1)
				}
			}
			b.shows(conn, raw)
			b.Until("the write callback", func() bool { return writes > 0 })
			conn.Wish(nil, func() {}, nil)
			b.Spin(5)
			if conn.Reads > 0 {
				t.Errorf("%d read callbacks for nothing", conn.Reads)
			}
			b.Send(raw, []byte("x"))
			b.Until("the read callback", func() bool { return conn.Reads > 3 }) // level-triggered
			b.Expect(conn, []byte("x"))
		})
	}
}

// TestTruncated: an end after every beginning of a header.
func TestTruncated(t *testing.T) {
	for name, header := range map[string]string{"v1": header1, "v2": header2} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, "", "")
			for n := range len(header) {
				raw, conn := b.pair(n%2 == 0)
				b.Send(raw, []byte(header[:n]))
				raw.CloseWrite()
				end := b.fails(conn)
				want := fmt.Sprintf("haproxy: end after %d bytes of the header: truncated", n)
				if !errors.Is(end, frio.ErrTruncated) || end.Error() != want {
					t.Fatalf("after %d bytes: %v, want %s", n, end, want)
				}
				conn.Close()
				raw.Close()
			}
			b.refused(haproxy.Truncated, uint64(len(header)))
		})
	}
}

// TestWrongHeader: what a header may have wrong is told to both directions, announced, counted, and costs the connection.
func TestWrongHeader(t *testing.T) {
	for _, c := range []struct {
		send, want string
		why        haproxy.Refusal
	}{
		{"GET / HTTP/1.1\r\n\r\n", `haproxy: signature "GET / HTTP/1": neither version 1 nor version 2 (PROXY protocol, section 2)`, haproxy.NoHeader},
		{"\x00", `haproxy: signature "\x00": neither version 1 nor version 2 (PROXY protocol, section 2)`, haproxy.NoHeader},
		{"PROXY TCP4 198.51.100.7 192.0.2.1 70000 2083\r\nsecret", `haproxy: source port "70000": not a decimal number from 0 to 65535 without heading zeroes (PROXY protocol, section 2.1)`, haproxy.Malformed},
		{sign2 + "\x21\x11\x00\x03abc", `haproxy: length 3: below 12, the addresses of IPv4 (PROXY protocol, section 2.2)`, haproxy.Malformed},
		{sign2 + "\x21\x11\x00\x13" + header2[16:28] + "\x03\x00\x04sums", `haproxy: CRC32C 0x73756d73: not 0x9402524d, that of the header (PROXY protocol, section 2.2.3)`, haproxy.Checksum},
	} {
		for _, loop := range []bool{false, true} {
			b := newBench(t, "", "")
			raw, conn := b.pair(loop)
			if loop {
				conn.Wish(nil, func() {}, func() {})
			}
			b.Send(raw, []byte(c.send))
			if loop {
				b.Until("several callbacks of both", func() bool { return conn.Reads > 3 && conn.Writes > 3 })
			}
			if end := b.fails(conn); end.Error() != c.want {
				t.Errorf("%q: got\n%v, want\n%s", c.send, end, c.want)
			}
			reads, writes := conn.Reads, conn.Writes
			b.Spin(5)
			if conn.Reads != reads || conn.Writes != writes {
				t.Errorf("callbacks after the failure was returned")
			}
			b.refused(c.why, 1)
			b.ExpectEnd(raw)
			if !strings.Contains(conn.DebugText(), c.want) {
				t.Errorf("Debug does not tell:\n%s", conn.DebugText())
			}
			if n := b.counts().Headers.Load(); n != 0 {
				t.Errorf("%d headers counted", n)
			}
			conn.Close()
		}
	}
}

// TestFailureIsQuiet: a failure costs no callbacks without wishes, can be announced late, and not after the context is gone.
func TestFailureIsQuiet(t *testing.T) {
	b := newBench(t, "", "")
	raw, conn := b.pair(true)
	b.Send(raw, []byte("garbage"))
	b.Until("the failure", func() bool { return conn.State() == frio.StateFailed })
	before := b.Loop.Stats()
	b.Spin(10)
	if after := b.Loop.Stats(); after.Deferred-before.Deferred > 1 {
		t.Errorf("%d tasks for a failure that nobody asks for", after.Deferred-before.Deferred)
	}
	other := b.NewSide("other")
	b.Move(conn, other, func() {}, nil)
	b.Until("the failure on the other loop", func() bool { return conn.Reads > 2 })
	if conn.Ctx.Total().Buffers != 0 {
		t.Errorf("a failed connection holds a buffer")
	}
	if end := b.fails(conn); end == nil {
		t.Errorf("no failure")
	}

	raw, conn = b.pair(true)
	conn.Wish(nil, func() { conn.Close(); conn.Ctx.Free() }, func() { t.Errorf("write callback after Close in the read callback") })
	b.Send(raw, []byte("garbage"))
	b.Until("the callback", func() bool { return conn.Reads > 0 })
	b.Spin(5)
}

// TestHeaderIsReadable: its TLVs too, until Close; and no memory is held but for these.
func TestHeaderIsReadable(t *testing.T) {
	b := newBench(t, "", "")
	raw, conn := b.pair(true)
	header := conn.IO.(haproxy.Headerer)
	if h := header.Header(); h != nil {
		t.Errorf("a header before it came: %v", h)
	}
	b.silent(conn, "before the header")
	if n := conn.Ctx.Total().Buffers; n != 0 {
		t.Errorf("%d buffers of a silent peer", n)
	}
	b.Send(raw, []byte(header2))
	b.Until("the header", func() bool { return conn.State() == frio.StateOpen })
	h := header.Header()
	if h == nil || h.Version != 2 || h.Family != haproxy.INET || h.Source != netip.MustParseAddrPort("198.51.100.7:40112") {
		t.Fatalf("header %+v", h)
	}
	name, ok := h.TLVs.Get(2)
	rest, ok2 := h.TLVs.Get(0xee)
	if string(name) != "abc" || string(rest) != "rest" || !ok || !ok2 {
		t.Errorf("TLVs %q and %q", name, rest)
	}
	if n := conn.Ctx.Total().Buffers; n != 1 {
		t.Errorf("%d buffers for TLVs, want 1", n)
	}
	conn.Close()
	if h.TLVs != nil || conn.Ctx.Total().Buffers != 0 {
		t.Errorf("TLVs %q and %d buffers after Close", h.TLVs, conn.Ctx.Total().Buffers)
	}

	// One that is longer than the usual buffer.
	raw, conn = b.pair(true)
	long := strings.Repeat("v", 4096-16-12-3)
	b.Send(raw, []byte(sign2+"\x21\x11\x0f\xf0"+header2[16:28]+"\xe0\x0f\xe1"+long+"x"))
	b.Expect(conn, []byte("x"))
	if v, _ := conn.IO.(haproxy.Headerer).Header().TLVs.Get(0xe0); string(v) != long {
		t.Errorf("a TLV of %d bytes, want %d", len(v), len(long))
	}

	raw, conn = b.pair(true)
	b.Send(raw, []byte(header1))
	b.Until("the header", func() bool { return conn.State() == frio.StateOpen })
	if n := conn.Ctx.Total().Buffers; n != 0 {
		t.Errorf("%d buffers of an idle connection", n)
	}
	b.shows(conn, raw)
}

// TestMoveInHeader: the connection goes to another loop after every byte of its header.
func TestMoveInHeader(t *testing.T) {
	b := newBench(t, "", "header_timeout = 1h\n")
	sides := []*friotest.Side{b.NewSide("one"), b.NewSide("two")}
	raw, conn := b.pair(true)
	for i := range header2 {
		side := sides[i%2]
		b.Move(conn, side, func() {}, nil)
		b.Send(raw, []byte(header2[i:i+1]))
		b.Spin(3)
	}
	b.Send(raw, []byte("data"))
	b.Until("the callback on the last loop", func() bool { return conn.Reads > 0 })
	b.Expect(conn, []byte("data"))
	b.shows(conn, raw)
}

// TestSeveralSockets: each socket of a listen has the layer, with one set of rules and counts.
func TestSeveralSockets(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	l := e.ParseText(nil, "listener", `listen l {
protocol = haproxy+tcp
tcp {
ipaddr = *
ipv6addr = *
port = 2083
}
haproxy {
trusted {
allow = 127.0.0.1
allow = ::1
}
}
}
`)
	if got, want := l.Describe(), "haproxy+tcp 0.0.0.0:2083, haproxy+tcp [::]:2083"; got != want {
		t.Errorf("Describe %q, want %q", got, want)
	}
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	shards := l.IO.(frio.Sharder).Shards()
	for i, addr := range []string{"127.0.0.1", "::1"} {
		shard := e.Watch(shards[i], l.Ctx, "shard")
		shard.Wish(nil, nil, nil)
		c := e.ParseText(nil, "client", "home_server c {\nprotocol = haproxy+tcp\ntcp {\nipaddr = "+addr+"\nport = 2083\n}\n}\n")
		c.Wish(nil, nil, nil)
		if err := c.Connect(); err != nil && err != frio.ErrAgain {
			t.Fatal(err)
		}
		conn := e.AcceptFrom(shard, nil)
		e.Until("the client is up", func() bool { return c.State() == frio.StateOpen })
		e.Send(c, []byte(addr))
		e.Expect(conn, []byte(addr))
	}
	for _, s := range shards {
		if n := s.(*haproxy.Listener).Counts().Headers.Load(); n != 2 {
			t.Errorf("%d headers counted, want 2 of both sockets", n)
		}
	}
	children := 0
	l.IO.(frio.Parent).Children(func(frio.Handle) bool { children++; return true })
	if children != 2 {
		t.Errorf("%d children, want 2", children)
	}
	if err := l.Close(); err != nil || shards[1].(frio.Stater).State() != frio.StateClosed {
		t.Errorf("Close: %v", err)
	}
}

// TestDebug: a person sees the stack, the rules and what came of them.
func TestDebug(t *testing.T) {
	b := newBench(t, "networks {\nallow = 198.51.100.0/24\n}\nmax_connections_per_source = 7\n", "first_byte_timeout = 20s\n")
	raw, conn := b.pair(true)
	b.Send(raw, []byte(header2[:20]))
	b.Spin(3)
	if text := conn.DebugText(); !strings.Contains(text, "\tstate handshaking, 20 bytes of the header\n") || !strings.Contains(text, "next deadline in 9.") {
		t.Errorf("before the header:\n%s", text)
	}
	b.Send(raw, []byte(header2[20:]))
	b.Until("the header", func() bool { return conn.State() == frio.StateOpen })
	// The wishes are known while first_byte_timeout runs, and when nothing is left to do.
	nothing := func() {}
	wishes := func(when, on string) {
		t.Helper()
		for _, c := range []struct {
			read, write func()
			want        string
		}{
			{nothing, nil, "\twants read" + on + "\n"},
			{nothing, nothing, "\twants read write" + on + "\n"},
			{nil, nothing, "\twants write" + on + "\n"},
			{nil, nil, "\twants nothing" + on + "\n"},
		} {
			if err := conn.IO.Event(b.Loop, c.read, c.write); err != nil {
				t.Fatal(err)
			}
			if text := conn.DebugText(); !strings.Contains(text, c.want) {
				t.Errorf("%s: %q is not in\n%s", when, c.want, text)
			}
		}
	}
	wishes("before the first byte", "")
	b.Send(raw, []byte("x"))
	b.Until("the first byte", func() bool {
		n, _ := conn.Read(make([]byte, 8))
		return n > 0
	})
	wishes("plain", ", hands everything on")
	if err := conn.IO.Event(nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	if text := conn.DebugText(); !strings.Contains(text, "\tin no loop, wants nothing, hands everything on\n") {
		t.Errorf("in no loop:\n%s", text)
	}
	bad, _ := b.pair(true)
	b.Send(bad, []byte("garbage"))
	b.Spin(3)
	text := b.l.DebugText()
	for _, want := range []string{
		"haproxy+tcp 127.0.0.1:",
		"\tstate listening, trusted 127.0.0.1/32, networks allow 198.51.100.0/24 deny nobody, per source 7\n",
		"\theader_timeout 10s, first_byte_timeout 20s\n",
		"\theaders 1, without an address 0, without a header 1\n",
		"\thaproxy+tcp " + ends + "\n",
		"\t\tstate open, header: version 2, IPv4, TLV 0x02 of 3 bytes, TLV 0xee of 4 bytes, over tcp 127.0.0.1:",
		"\ttcp 127.0.0.1:",
		"\t\tstate listening",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// TestOverUnix: the header gives addresses to a connection that has none of its own.
func TestOverUnix(t *testing.T) {
	for _, sim := range []bool{true, false} {
		e := friotest.NewEnv(t, sim, 1)
		l := e.ParseText(nil, "listener", fmt.Sprintf("listen l {\nprotocol = haproxy+unix\nunix {\nfilename = %s\n}\nhaproxy {\ntrusted {\n}\n"+
			"networks {\nallow = 198.51.100.0/24\n}\n}\n}\n", e.Place.File))
		if err := l.Open(); err != nil {
			t.Fatal(err)
		}
		l.Wish(nil, nil, nil)
		for header, want := range map[string]string{
			header1: "haproxy+unix " + ends,
			header2: "haproxy+unix " + ends,
			local2:  "",
			sign2 + "\x21\x31\x00\xd8" + "/run/peer one" + strings.Repeat("\x00", 95) + strings.Repeat("\x00", 108): "",
		} {
			raw := e.ParseText(nil, "raw client", fmt.Sprintf("home_server c {\nprotocol = unix\nunix {\nfilename = %s\n}\n}\n", e.Place.File))
			if err := raw.Connect(); err != nil {
				t.Fatal(err)
			}
			conn := e.AcceptFrom(l, nil)
			e.Send(raw, []byte(header+"x"))
			if want == "" { // no address that networks could allow
				if end := e.ExpectEnd(conn); !errors.Is(end, frio.ErrDenied) {
					t.Errorf("%q: %v, want ErrDenied", header, end)
				}
				continue
			}
			e.Expect(conn, []byte("x"))
			if got := conn.Describe(); got != want {
				t.Errorf("%q: Describe %q, want %q", header, got, want)
			}
			if id := conn.IO.(frio.Peer).PeerIdentity(); id == nil || !id.HasCred {
				t.Errorf("identity %+v, want the socket's credentials", id)
			}
		}
	}
}

// TestUnixAddresses: the names of Unix sockets that a header gives are shown, and are no addresses.
func TestUnixAddresses(t *testing.T) {
	b := newBench(t, "", "")
	raw, conn := b.pair(true)
	path := func(s string) string { return s + strings.Repeat("\x00", 108-len(s)) }
	b.Send(raw, []byte(sign2+"\x21\x31\x00\xd8"+path("/run/peer\none")+path("\x00own")+"x"))
	b.Expect(conn, []byte("x"))
	if got, want := conn.Describe(), `haproxy+tcp @own <- "/run/peer\none"`; got != want {
		t.Errorf("Describe %q, want %q", got, want)
	}
	if l, r := b.Local(conn), b.Remote(conn); l.IsValid() || r.IsValid() {
		t.Errorf("addresses %v and %v", l, r)
	}
}

// TestMisuseInHeader: the rules of Event hold also before the header is through, and after it failed.
func TestMisuseInHeader(t *testing.T) {
	b := newBench(t, "", "")
	other := b.NewSide("other")
	raw, waits := b.pair(true)
	bad, failed := b.pair(true)
	b.Send(bad, []byte("garbage"))
	b.Until("the failure", func() bool { return failed.State() == frio.StateFailed })
	nothing := func() { t.Errorf("callback") }
	for _, conn := range []*friotest.Probe{waits, failed} {
		for what, f := range map[string]func(){
			"frio: callbacks without a loop: haproxy+tcp": func() { conn.IO.Event(nil, nothing, nil) },
			"frio: Event with a second loop":              func() { conn.IO.Event(other.Loop, nil, nil) },
		} {
			got := func() (got any) {
				defer func() { got = recover() }()
				f()
				return nil
			}()
			if !strings.HasPrefix(fmt.Sprint(got), what) {
				t.Errorf("%v: panic %v, want %s", conn.State(), got, what)
			}
		}
	}
	b.Send(raw, []byte(header1+"x"))
	b.Expect(waits, []byte("x"))
	b.shows(waits, raw)
}

// TestNoMemory: a context that is full costs the connection, and no connection comes through without the layer.
func TestNoMemory(t *testing.T) {
	b := newBench(t, "", "")
	for contexts := 1; contexts <= 2; contexts++ {
		_ = b.dial("")
		ctx := b.Context(nil, "full")
		ctx.SetLimit(0, contexts)
		for range contexts {
			if _, err := ctx.New("one"); err != nil {
				t.Fatal(err)
			}
		}
		if contexts == 2 {
			ctx.SetLimit(0, 3) // room for the layer, not for what is below it
		}
		before := ctx.Total()
		if c, err := b.l.IO.Accept(ctx); err != frio.ErrAgain {
			t.Errorf("Accept into a full context: %v, %v, want ErrAgain", c, err)
		}
		if after := ctx.Total(); after != before {
			t.Errorf("%+v in the context, %+v before", after, before)
		}
		ctx.Free()
		b.Pass(time.Second) // what is below rests for a while
	}
	raw, conn := b.pair(true)
	conn.Ctx.SetLimit(1, 0)
	b.Send(raw, []byte(header1))
	if end := b.fails(conn); !errors.Is(end, talloc.ErrLimit) {
		t.Errorf("%v, want talloc.ErrLimit", end)
	}
	b.refused(haproxy.Lost, 1)
	b.ExpectEnd(raw)
}

// TestLinkTakesOver: a child whose link was replaced is no longer its listener's.
func TestLinkTakesOver(t *testing.T) {
	b := newBench(t, "", "")
	raw, conn := b.pair(true)
	_, other := b.pair(true)
	b.Send(raw, []byte(header1))
	told := new(link)
	conn.IO.(frio.Linked).SetLink(told)
	n := 0
	b.l.IO.(frio.Parent).Children(func(h frio.Handle) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d children, want 1", n)
	}
	conn.Close()
	other.Close()
	if len(told.closed) != 1 || told.closed[0] != conn.IO.(frio.Identified).ID() {
		t.Errorf("told %v", told.closed)
	}
}

type link struct{ closed []uint64 }

func (l *link) ChildClosed(id uint64) { l.closed = append(l.closed, id) }
func (l *link) Release()              {}
