package tls_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/sock"
)

var hellos = flag.Int("hellos", 1_000_000, "spoofed first hellos of TestHelloFlood")

// firstHello is the first datagram of a client.
func firstHello(t *testing.T, e *friotest.Env, home string) []byte {
	t.Helper()
	u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	c := e.ParseText(nil, "first hello", fmt.Sprintf("home_server {\nprotocol = tls+udp\nudp {\nipaddr = 127.0.0.1\nport = %d\n}\n%s}\n",
		u.LocalAddr().(*net.UDPAddr).Port, home))
	c.Wish(nil, nil, nil)
	if err := c.Connect(); err != nil && err != frio.ErrAgain {
		t.Fatal(err)
	}
	buf := make([]byte, 2000)
	e.Turn()
	u.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := u.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	return buf[:n]
}

// TestHelloFlood: a million first hellos, each from an address of its own, leave no child and no memory, and who is connected goes on.
func TestHelloFlood(t *testing.T) {
	count := *hellos
	if raceEnabled {
		count = min(count, 20_000)
	}
	e := friotest.NewEnv(t, false, 1)
	listen, home := sections(t, "", "")
	l := e.ParseText(nil, "listener", "listen {\nprotocol = tls+udp\nudp {\nipaddr = 127.0.0.1\nport = 0\n}\n"+listen+"}\n")
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	l.Wish(nil, nil, nil)
	hello := firstHello(t, e, home)
	c := e.ParseText(nil, "client", fmt.Sprintf("home_server {\nprotocol = tls+udp\nudp {\nipaddr = 127.0.0.1\nport = %d\n}\n%s}\n", e.Port(l), home))
	c.Wish(nil, nil, nil)
	if err := c.Connect(); err != nil && err != frio.ErrAgain {
		t.Fatal(err)
	}
	s := e.AcceptFrom(l, nil)
	e.Until("both open", func() bool { return c.State() == frio.StateOpen && s.State() == frio.StateOpen })

	k := e.Kernel
	fd, err := k.Socket(sock.Inet4, frio.Datagram)
	if err == nil {
		err = k.Bind(fd, sock.Addr{AddrPort: netip.MustParseAddrPort("0.0.0.0:0")})
	}
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close(fd)
	packets := make([]frio.Packet, 50)
	for i := range packets {
		packets[i] = frio.Packet{Data: append([]byte(nil), hello...), Remote: e.Local(l)}
	}
	const randomAt = 13 + 12 + 2 // record and handshake header, version (RFC 6347, Section 4.2.1)
	held := e.Root.Total()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for sent := 0; sent < count; {
		for i := range packets {
			n := uint32(sent + i)
			binary.BigEndian.PutUint32(packets[i].Data[randomAt:], n)
			packets[i].Local = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(1 + n>>16&0x7f), byte(n >> 8), byte(n)}), 0)
		}
		for rest := packets; len(rest) > 0; {
			n, err := k.SendPackets(fd, rest)
			if err != nil && err != frio.ErrAgain {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		sent += len(packets)
		if err := e.Loop.Turn(0); err != nil {
			t.Fatal(err)
		}
		if sent%(count/20) == 0 {
			e.Send(c, []byte("still here"))
			e.Expect(s, []byte("still here"))
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if now := e.Root.Total(); now != held {
		t.Errorf("contexts hold %+v, before the flood %+v", now, held)
	}
	if more := int64(after.HeapAlloc) - int64(before.HeapAlloc); more > 1<<20 {
		t.Errorf("%d bytes kept after %d hellos", more, count)
	}
	children := 0
	l.IO.(frio.Parent).Children(func(frio.Handle) bool { children++; return true })
	if _, err := l.Accept(nil); err != frio.ErrAgain || children != 1 {
		t.Errorf("%d children, and accept says %v", children, err)
	}
	text := l.DebugText()
	var replied int
	if i := strings.Index(text, "gate: replied "); i < 0 {
		t.Errorf("no count of replies:\n%s", text)
	} else if fmt.Sscanf(text[i:], "gate: replied %d", &replied); replied < count*9/10 {
		t.Errorf("%d of %d hellos were answered; did the others arrive?\n%s", replied, count, text)
	}
}
