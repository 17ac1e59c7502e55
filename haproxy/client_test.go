package haproxy_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/sim"
)

// wire2 is version 2 from 198.51.100.7:40112 to 192.0.2.1:2083, without TLVs.
const wire2 = sign2 + "\x21\x11\x00\x0c" + "\xc6\x33\x64\x07" + "\xc0\x00\x02\x01" + "\x9c\xb0" + "\x08\x23"

// sender is a client haproxy+tcp, not connected, of a listener that speaks TCP only.
func sender(t *testing.T, lines string) (e *friotest.Env, l, c *friotest.Probe) {
	t.Helper()
	e = friotest.NewEnv(t, true, 1)
	l = e.ParseText(nil, "raw listener", fmt.Sprintf("listen l {\nprotocol = tcp\ntcp {\nipaddr = %v\nport = 0\n}\n}\n", e.Place.Addr))
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	l.Wish(nil, nil, nil)
	c = e.ParseText(nil, "client", fmt.Sprintf("home_server c {\nprotocol = haproxy+tcp\ntcp {\nipaddr = %v\nport = %d\n}\n%s}\n", e.Place.Addr, e.Port(l), lines))
	return e, l, c
}

// TestSent: what each configuration sends as the first bytes, with what is written behind it.
func TestSent(t *testing.T) {
	const both = "source = 198.51.100.7:40112\ndestination = 192.0.2.1:2083\n"
	const both6 = "source = [2001:db8::7]:40112\ndestination = [2001:db8::1]:2083\n"
	for _, c := range []struct{ name, lines, want string }{
		{"nothing said", "", local2},
		{"version 2", "haproxy {\nversion = 2\n}\n", local2},
		{"version 1", "haproxy {\nversion = 1\n}\n", "PROXY UNKNOWN\r\n"},
		{"version 2 with addresses", "haproxy {\n" + both + "}\n", wire2},
		{"version 1 with addresses", "haproxy {\nversion = 1\n" + both + "}\n", header1},
		{"version 1, IPv6", "haproxy {\nversion = 1\n" + both6 + "}\n", "PROXY TCP6 2001:db8::7 2001:db8::1 40112 2083\r\n"},
		{"mapped IPv4", "haproxy {\nsource = [::ffff:198.51.100.7]:40112\ndestination = 192.0.2.1:2083\n}\n", wire2},
	} {
		for _, loop := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, loop %v", c.name, loop), func(t *testing.T) {
				e, l, client := sender(t, c.lines)
				if loop {
					client.Wish(nil, func() {}, nil)
				}
				connect(e, client)
				server := e.AcceptFrom(l, nil)
				e.Expect(server, []byte(c.want))
				e.Send(client, []byte("data"))
				e.Expect(server, []byte("data"))
				e.Send(server, []byte("back"))
				e.Expect(client, []byte("back"))
				if a := e.Remote(client); a != e.Local(l) {
					t.Errorf("the client's peer is %v, want %v", a, e.Local(l))
				}
			})
		}
	}
}

func connect(e *friotest.Env, c *friotest.Probe) {
	e.Helper()
	e.Until("the connection", func() bool {
		err := c.Connect()
		if err != nil && err != frio.ErrAgain {
			e.Fatalf("Connect: %v", err)
		}
		return err == nil
	})
}

// TestSetAddrs: a relay's addresses replace what the configuration says, as long as the header is not on its way.
func TestSetAddrs(t *testing.T) {
	source, destination := netip.MustParseAddrPort("198.51.100.7:40112"), netip.MustParseAddrPort("192.0.2.1:2083")
	e, l, c := sender(t, "")
	s := c.IO.(frio.AddrSetter)
	for _, wrong := range [][2]netip.AddrPort{
		{source, {}}, {{}, destination}, {source, netip.MustParseAddrPort("[2001:db8::1]:1")},
		{netip.MustParseAddrPort("[fe80::1%eth0]:1"), netip.MustParseAddrPort("[fe80::2]:1")},
	} {
		if err := s.SetAddrs(wrong[0], wrong[1]); err == nil {
			t.Errorf("SetAddrs(%v, %v) succeeded", wrong[0], wrong[1])
		}
	}
	if err := s.SetAddrs(source, destination); err != nil {
		t.Errorf("SetAddrs: %v", err)
	}
	if text := c.DebugText(); !strings.Contains(text, "to send: version 2, IPv4 "+ends) {
		t.Errorf("Debug does not tell what will be sent:\n%s", text)
	}
	connect(e, c)
	if err := s.SetAddrs(source, destination); err == nil {
		t.Errorf("SetAddrs after the header")
	}
	server := e.AcceptFrom(l, nil)
	server.Wish(nil, nil, nil)
	e.Expect(server, []byte(wire2))
	c.Close()
	if err := s.SetAddrs(source, destination); !errors.Is(err, net.ErrClosed) {
		t.Errorf("SetAddrs after Close: %v, want net.ErrClosed", err)
	}

	e, l, c = sender(t, "haproxy {\nsource = 198.51.100.7:40112\ndestination = 192.0.2.1:2083\n}\n")
	if err := c.IO.(frio.AddrSetter).SetAddrs(netip.AddrPort{}, netip.AddrPort{}); err != nil {
		t.Errorf("SetAddrs of nobody: %v", err)
	}
	connect(e, c)
	e.Expect(e.AcceptFrom(l, nil), []byte(local2))

	b := newBench(t, "", "")
	_, conn := b.pair(true)
	if err := conn.IO.(frio.AddrSetter).SetAddrs(source, destination); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("SetAddrs of an accepted connection: %v, want ErrUnsupported", err)
	}
}

// TestSentInPieces: the kernel takes the header in whatever pieces, with ErrAgain between: it arrives once and whole, before all data.
func TestSentInPieces(t *testing.T) {
	for seed := uint64(1); seed <= 30; seed++ {
		for _, version := range []string{"1", "2"} {
			e := friotest.NewEnv(t, true, seed)
			b := listenOn(e, "haproxy {\ntrusted {\nallow = 127.0.0.1\n}\n}\n")
			e.Host().SetFaults(sim.Faults{Again: 0.5, Partial: 1, Shuffle: 0.5})
			c := e.ParseText(nil, "client", fmt.Sprintf("home_server c {\nprotocol = haproxy+tcp\ntcp {\nipaddr = %v\nport = %d\n}\nhaproxy {\nversion = %s\n"+
				"source = 198.51.100.7:40112\ndestination = 192.0.2.1:2083\n}\n}\n", e.Place.Addr, e.Port(b.l), version))
			if seed%2 == 0 {
				c.Wish(nil, nil, nil)
			}
			connect(e, c)
			conn := e.AcceptFrom(b.l, nil)
			e.Send(c, []byte("data"))
			e.Expect(conn, []byte("data"))
			b.shows(conn, c)
			c.CloseWrite()
			if end := e.ExpectEnd(conn); end != io.EOF {
				t.Errorf("seed %d: %v, want io.EOF", seed, end)
			}
			e.Host().SetFaults(sim.Faults{})
		}
	}
}

// TestCloseInHeader: nothing goes out in place of a header that did not get through.
func TestCloseInHeader(t *testing.T) {
	e, l, c := sender(t, "")
	if err := c.IO.(frio.Lingerer).CloseTail([]byte("tail")); err == nil {
		t.Errorf("CloseTail before the header took the tail")
	} else if u := new(frio.UnsentError); !errors.As(err, &u) || u.Bytes != 4 {
		t.Errorf("CloseTail before the header: %v, want 4 bytes unsent", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	e.Spin(5)
	if _, err := l.Accept(nil); err != frio.ErrAgain {
		t.Errorf("Accept: %v", err)
	}

	b := newBench(t, "", "")
	raw, conn := b.pair(true)
	b.Send(raw, []byte(header1[:10]))
	b.Spin(3)
	if err := conn.IO.(frio.Lingerer).CloseTail([]byte("tail")); err == nil {
		t.Errorf("CloseTail before the header took the tail")
	}
	conn.Close()
	if end := b.ExpectEnd(raw); end != io.EOF {
		t.Errorf("the peer's Read: %v, want io.EOF", end)
	}
}
