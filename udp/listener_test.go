package udp_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
)

// TestWriteErrorsCostOneDatagram: in a batch exactly the one that failed is lost, whatever the reason, and the listener goes on.
func TestWriteErrorsCostOneDatagram(t *testing.T) {
	const batch, bad = 8, 3
	for _, errno := range []syscall.Errno{syscall.EPERM, syscall.EMSGSIZE, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EINVAL,
		syscall.ENOBUFS, syscall.ENOMEM, syscall.EACCES, syscall.EADDRNOTAVAIL, syscall.ENETDOWN, syscall.ECONNREFUSED} {
		t.Run(errno.Error(), func(t *testing.T) {
			onSim(t, func(e *friotest.Env) {
				l := opened(e, onLoopback, "")
				c := clientOf(e, l, "")
				packets := make([]frio.Packet, batch)
				for i := range packets {
					packets[i] = packetTo(e.Local(c), fmt.Sprint("reply ", i))
				}
				e.Host().Inject("SendPackets", bad+1, errno)
				if n, err := l.WritePackets(packets); n != bad || err != nil {
					t.Fatalf("WritePackets: %d, %v, want %d, nil", n, err, bad)
				}
				var lost *frio.PacketError
				n, err := l.WritePackets(packets[bad:])
				if n != 0 || !errors.As(err, &lost) || !errors.Is(err, errno) {
					t.Fatalf("WritePackets at the bad one: %d, %v", n, err)
				}
				if n, err := l.WritePackets(packets[bad+1:]); n != batch-bad-1 || err != nil {
					t.Fatalf("WritePackets behind the bad one: %d, %v", n, err)
				}
				for i := range packets {
					if i != bad {
						e.Expect(c, packets[i].Data)
					}
				}
				e.Nothing(c)
				if got := countsOf(l).Errors.Count(errno); got != 1 {
					t.Errorf("counted %d times", got)
				}
				if s := l.State(); s != frio.StateListening {
					t.Errorf("state %v", s)
				}
			})
		})
	}
}

// TestReplyToPortZero: what port 0 earns is lost, on either kernel, and nothing else.
func TestReplyToPortZero(t *testing.T) {
	both(t, func(e *friotest.Env) {
		l := opened(e, onLoopback, "")
		c := clientOf(e, l, "")
		for range 3 {
			packets := []frio.Packet{packetTo(netip.MustParseAddrPort("127.0.0.1:0"), "to port 0"), packetTo(e.Local(c), "reply")}
			n, err := l.WritePackets(packets)
			var lost *frio.PacketError
			if n != 0 || !errors.As(err, &lost) || !errors.Is(err, syscall.EINVAL) {
				e.Fatalf("WritePackets to port 0: %d, %v", n, err)
			}
			if n, err := l.WritePackets(packets[1:]); n != 1 || err != nil {
				e.Fatalf("WritePackets: %d, %v", n, err)
			}
			e.Expect(c, []byte("reply"))
		}
		if got := countsOf(l).Errors.Count(syscall.EINVAL); got != 3 {
			e.Errorf("counted %d times, want 3", got)
		}
	})
}

// TestReadErrorsAreSurvived: an error of the socket is told once, costs no datagram, and ends nothing.
func TestReadErrorsAreSurvived(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENOMEM, syscall.ENOBUFS, syscall.EPERM, syscall.EINVAL} {
		t.Run(errno.Error(), func(t *testing.T) {
			onSim(t, func(e *friotest.Env) {
				l := opened(e, onLoopback, "")
				c := clientOf(e, l, "")
				e.Send(c, []byte("one"))
				e.Host().Inject("RecvPackets", 1, errno)
				n, err := l.ReadPackets(room(4, 64))
				var told *frio.PacketError
				if n != 0 || !errors.As(err, &told) || !errors.Is(err, errno) {
					t.Fatalf("ReadPackets: %d, %v", n, err)
				}
				e.Expect(l, []byte("one"))

				d := opened(e, demuxed, "")
				c = clientOf(e, d, "")
				child := childOf(e, d, c)
				e.Send(c, []byte("two"))
				e.Host().Inject("RecvPackets", 1, errno)
				e.Expect(child, []byte("two"))
				if got := countsOf(d).Errors.Count(errno); got != 1 {
					t.Errorf("counted %d times", got)
				}
			})
		})
	}
}

// TestLostSocket: only a mistake of this program ends a listener; then everything says so, and Close works.
func TestLostSocket(t *testing.T) {
	for _, lines := range []string{onLoopback, demuxed} {
		onSim(t, func(e *friotest.Env) {
			l := opened(e, lines, "")
			calls, reads, writes := 0, 0, 0
			l.Wish(nil, func() { calls++ }, nil)
			var child *friotest.Probe
			if lines == demuxed {
				child = childOf(e, l, clientOf(e, l, ""))
				child.Wish(nil, func() { reads++ }, func() { writes++ })
				calls = 0
			}
			e.Host().InjectAll("RecvPackets", syscall.EBADF)
			e.Send(clientOf(e, l, ""), []byte("x"))
			if child == nil {
				var buf [8]byte
				e.Until("the end", func() bool {
					_, err := l.Read(buf[:])
					return errors.Is(err, syscall.EBADF)
				})
			} else {
				e.Until("the announcements", func() bool { return calls > 0 && reads > 0 && writes > 0 })
				if _, err := l.Accept(nil); !errors.Is(err, syscall.EBADF) {
					e.Errorf("Accept: %v", err)
				}
				if err := e.ExpectEnd(child); !errors.Is(err, syscall.EBADF) {
					e.Errorf("the child's Read: %v", err)
				}
			}
			e.Spin(3)
			calls = 0
			e.Spin(5)
			if calls > 0 || l.State() != frio.StateFailed {
				e.Errorf("%d callbacks after the end was returned, state %v", calls, l.State())
			}
			e.Host().InjectAll("RecvPackets", 0)
		})
	}
}

// TestLongAndEmpty: a datagram longer than its buffer is dropped and counted; Read passes over empty ones, ReadPackets gives them.
func TestLongAndEmpty(t *testing.T) {
	both(t, func(e *friotest.Env) {
		l := opened(e, onLoopback, "")
		c := clientOf(e, l, "")
		send := func(texts ...string) {
			e.Helper()
			for _, s := range texts {
				packets := []frio.Packet{{Data: []byte(s)}}
				if n, err := c.WritePackets(packets); n != 1 || err != nil {
					e.Fatalf("WritePackets: %d, %v", n, err)
				}
			}
		}
		send("", "much longer than the buffer", "", "fits")
		got := readAll(e, l, 4, 4, 8)
		for i, want := range []string{"", "", "", "fits"} {
			if string(got[i].Data) != want || (got[i].Err != nil) != (i == 1) || got[i].Remote != e.Local(c) {
				e.Errorf("packet %d: %q, %v, %v", i, got[i].Data, got[i].Err, got[i].Remote)
			}
		}
		if !errors.Is(got[1].Err, frio.ErrTooLong) {
			e.Errorf("the long one: %v", got[1].Err)
		}
		send("", "", "text", "")
		e.Expect(l, []byte("text"))
		e.Nothing(l)
		n := countsOf(l)
		if n.TooLong.Load() != 1 || n.Empty.Load() != 3 || n.In.Load() != 8 {
			e.Errorf("counted %d too long, %d passed over, %d in, want 1, 3, 8", n.TooLong.Load(), n.Empty.Load(), n.In.Load())
		}
	})
}

// TestNetworks: who is denied is not seen, gets no child, and does not reach the gate; the longest prefix decides.
func TestNetworks(t *testing.T) {
	const rules = "networks {\nallow = 127.0.0.0/8\ndeny = 127.0.1.0/24\nallow = 127.0.1.7\n}\n"
	from := func(e *friotest.Env, l *friotest.Probe, addr string) *friotest.Probe {
		e.Helper()
		return clientOf(e, l, "src_ipaddr = "+addr)
	}
	both(t, func(e *friotest.Env) {
		l := opened(e, onLoopback+rules, "")
		good, bad, better := from(e, l, "127.0.0.5"), from(e, l, "127.0.1.5"), from(e, l, "127.0.1.7")
		for range 3 {
			e.Send(bad, []byte("denied"))
			e.Send(good, []byte("good"))
			e.Send(bad, []byte("denied and longer"))
			e.Send(better, []byte("better"))
		}
		e.Spin(3)
		// What is denied leaves no gap, and no buffer is lost or there twice.
		packets := room(64, 8)
		n, err := l.ReadPackets(packets)
		if n != 6 || err != nil {
			e.Fatalf("ReadPackets: %d, %v, want 6, nil", n, err)
		}
		for i, q := range packets[:n] {
			want := []string{"good", "better"}[i%2]
			if string(q.Data) != want || q.Err != nil {
				e.Errorf("packet %d: %q, %v", i, q.Data, q.Err)
			}
		}
		buffers := map[*byte]bool{}
		for i := range packets {
			buffers[&packets[i].Data[:8][0]] = true
		}
		if len(buffers) != len(packets) {
			e.Errorf("%d buffers in %d packets", len(buffers), len(packets))
		}
		if n := countsOf(l).Denied.Load(); n != 6 {
			e.Errorf("%d denied, want 6", n)
		}
		e.Send(bad, []byte("denied"))
		e.Spin(3)
		e.Nothing(l)

		asked := 0
		d := parsed(e, onLoopback+rules, "")
		if err := d.IO.(frio.Gated).SetGate(func(*frio.Packet, []byte) ([]byte, frio.Verdict) {
			asked++
			return nil, frio.GateChild
		}); err != nil {
			e.Fatalf("SetGate: %v", err)
		}
		if err := d.Open(); err != nil {
			e.Fatalf("Open: %v", err)
		}
		bad, better = from(e, d, "127.0.1.5"), from(e, d, "127.0.1.7")
		e.Send(bad, []byte("denied"))
		e.Spin(3)
		if _, err := d.Accept(nil); err != frio.ErrAgain {
			e.Errorf("Accept after a denied datagram: %v", err)
		}
		childOf(e, d, better)
		if asked != 1 {
			e.Errorf("the gate was asked %d times, want once", asked)
		}
	})
}

// TestSecondSocket: a port is ours alone, unless both sides say otherwise; the two families do not get in each other's way.
func TestSecondSocket(t *testing.T) {
	both(t, func(e *friotest.Env) {
		first := opened(e, "ipaddr = *\nport = 0\n", "")
		port := e.Local(first).Port()
		same := func(more string) error {
			e.Helper()
			other := parsed(e, fmt.Sprintf("port = %d\n%s", port, more), "")
			err := other.Open()
			if err != nil && !strings.Contains(err.Error(), fmt.Sprint(port)) {
				e.Errorf("%v does not say where", err)
			}
			return err
		}
		for _, more := range []string{"ipaddr = *", "ipaddr = *\nreuse_port = yes", "ipaddr = 127.0.0.1"} {
			if err := same(more); !errors.Is(err, syscall.EADDRINUSE) {
				e.Errorf("a second socket with %q: %v, want EADDRINUSE", more, err)
			}
		}
		if err := same("ipv6addr = *"); err != nil {
			e.Errorf(":: beside 0.0.0.0: %v", err)
		}
		shared := opened(e, "ipaddr = *\nport = 0\nreuse_port = yes", "")
		port = e.Local(shared).Port()
		if err := same("ipaddr = *"); !errors.Is(err, syscall.EADDRINUSE) {
			e.Errorf("a second socket that does not share: %v, want EADDRINUSE", err)
		}
		if err := same("ipaddr = *\nreuse_port = yes"); err != nil {
			e.Errorf("a second socket that shares: %v", err)
		}
	})
}

// TestTwoFamilies: an IPv4 and an IPv6 line are two sockets and one IO.
func TestTwoFamilies(t *testing.T) {
	onSim(t, func(e *friotest.Env) {
		both := opened(e, "ipaddr = *\nipv6addr = *\nport = 1812\nchildren = demux", "max_children = 1")
		shards := both.IO.(frio.Sharder).Shards()
		if len(shards) != 2 {
			e.Fatalf("%d sockets", len(shards))
		}
		ctx := e.Context(nil, "children")
		defer ctx.Free()
		accept := func(i int) (frio.IO, error) { return shards[i].Accept(ctx) }
		var clients []*friotest.Probe
		for _, to := range []string{"127.0.0.1", "::1"} {
			c := e.ParseText(nil, "client", "home_server {\nprotocol = udp\nudp {\nipaddr = "+to+"\nport = 1812\n}\n}\n")
			if err := c.Connect(); err != nil {
				e.Fatalf("Connect: %v", err)
			}
			clients = append(clients, c)
		}
		// max_children is for both together: one peer at a time.
		for i, c := range clients {
			e.Send(c, []byte("hello"))
			child, err := accept(i)
			if err != nil {
				e.Fatalf("Accept: %v", err)
			}
			if got, want := child.(frio.Addresser).LocalAddr(), e.Remote(c); got != want {
				e.Errorf("the child is at %v, want %v", got, want)
			}
			e.Send(clients[1-i], []byte("one too many"))
			if _, err := accept(1 - i); err != frio.ErrAgain {
				e.Errorf("Accept above max_children: %v", err)
			}
			if err := child.Close(); err != nil {
				e.Errorf("Close: %v", err)
			}
		}
		both.Close()
	})
}

func TestBuffersGranted(t *testing.T) {
	both(t, func(e *friotest.Env) {
		l := opened(e, onLoopback+"recv_buff = 32K\nsend_buff = 16K\n", "")
		c := clientOf(e, l, "recv_buff = 16K\nsend_buff = 32K\n")
		for p, want := range map[*friotest.Probe]string{l: "recv_buff 32768, send_buff 16384", c: "recv_buff 16384, send_buff 32768"} {
			if text := p.DebugText(); !strings.Contains(text, want) {
				e.Errorf("Debug does not tell %q:\n%s", want, text)
			}
		}
	})
	onSim(t, func(e *friotest.Env) {
		e.Host().SetBufferMax(20_000)
		l := opened(e, onLoopback+"recv_buff = 1M\n", "")
		if text := l.DebugText(); !strings.Contains(text, "of 1048576 asked for") {
			e.Errorf("Debug does not tell that less was granted:\n%s", text)
		}
	})
}

func TestDropsOfTheKernelShow(t *testing.T) {
	onSim(t, func(e *friotest.Env) {
		l := opened(e, onLoopback+"recv_buff = 2K\n", "")
		c := clientOf(e, l, "")
		for range 20 {
			e.Send(c, make([]byte, 500))
		}
		e.Spin(3)
		if text := l.DebugText(); !strings.Contains(text, "dropped by the kernel: ") {
			e.Errorf("Debug does not tell of what the kernel dropped:\n%s", text)
		}
	})
}

func TestInterface(t *testing.T) {
	onSim(t, func(e *friotest.Env) {
		l := parsed(e, onLoopback+"interface = nowhere0\n", "")
		if err := l.Open(); !errors.Is(err, syscall.ENODEV) || !strings.Contains(err.Error(), "nowhere0") {
			e.Errorf("Open: %v, want ENODEV of nowhere0", err)
		}
		if n := e.Host().Descriptors(); n > 0 {
			e.Errorf("%d descriptors after a failed Open", n)
		}
		// It is bound to the interface before it is bound to the address: what comes in elsewhere is not for it.
		lo := opened(e, "ipaddr = *\nport = 4000\ninterface = lo\n", "")
		eth := opened(e, "ipaddr = *\nport = 4000\ninterface = eth0\n", "")
		to := e.ParseText(nil, "client", "home_server {\nprotocol = udp\nudp {\nipaddr = 127.0.0.1\nport = 4000\n}\n}\n")
		if err := to.Connect(); err != nil {
			e.Fatalf("Connect: %v", err)
		}
		e.Send(to, []byte("on lo"))
		e.Expect(lo, []byte("on lo"))
		e.Nothing(eth)
	})
}

// TestExceedMTU: by default a long datagram leaves in fragments; with `exceed_mtu = no` it is refused.
func TestExceedMTU(t *testing.T) {
	for _, yes := range []bool{true, false} {
		onSim(t, func(e *friotest.Env) {
			e.World().Host("far", netip.MustParseAddr("192.0.2.2"))
			e.Host().AddInterface("eth1", netip.MustParseAddr("192.0.2.1"))
			e.Host().SetMTU(1500)
			lines := "ipaddr = 192.0.2.1\nport = 0\n"
			if !yes {
				lines += "exceed_mtu = no\n"
			}
			l := opened(e, lines, "")
			n, err := l.WritePackets([]frio.Packet{{Data: make([]byte, 2000), Remote: netip.MustParseAddrPort("192.0.2.2:9")}})
			if yes && (n != 1 || err != nil) {
				e.Errorf("exceed_mtu: %d, %v", n, err)
			}
			if !yes && !errors.Is(err, syscall.EMSGSIZE) {
				e.Errorf("exceed_mtu = no: %d, %v, want EMSGSIZE", n, err)
			}
		})
	}
}

// TestArrival: time, address and interface of a datagram are all there at once.
func TestArrival(t *testing.T) {
	both(t, func(e *friotest.Env) {
		l := opened(e, "ipaddr = *\nport = 0\n", "")
		port := e.Local(l).Port()
		start := e.Kernel.Now().Add(-time.Second)
		for _, to := range []string{"127.0.0.1", "127.0.0.77"} {
			c := e.ParseText(nil, "client", fmt.Sprintf("home_server {\nprotocol = udp\nudp {\nipaddr = %s\nport = %d\n}\n}\n", to, port))
			if err := c.Connect(); err != nil {
				e.Fatalf("Connect: %v", err)
			}
			e.Send(c, []byte("ask"))
			got := readAll(e, l, 1, 4, 64)
			q := &got[0]
			if q.Local != netip.AddrPortFrom(netip.MustParseAddr(to), port) || q.Ifindex == 0 || q.Remote != e.Local(c) {
				e.Errorf("asked %s: %+v", to, q)
			}
			if at := time.Unix(0, q.Time); at.Before(start) || at.After(e.Kernel.Now().Add(time.Second)) {
				e.Errorf("it arrived at %v", at)
			}
			// The reply is made of the request's Packet. The client's socket takes it only from the address that it asked.
			q.Data = []byte("reply")
			if n, err := l.WritePackets(got); n != 1 || err != nil {
				e.Fatalf("WritePackets: %d, %v", n, err)
			}
			e.Expect(c, []byte("reply"))
		}
	})
}

// TestUnconnected: what an unconnected socket cannot do.
func TestUnconnected(t *testing.T) {
	both(t, func(e *friotest.Env) {
		l := opened(e, onLoopback, "")
		if _, err := l.Write([]byte("to whom?")); !errors.Is(err, errors.ErrUnsupported) {
			e.Errorf("Write: %v, want ErrUnsupported", err)
		}
		if err := l.IO.(frio.Gated).SetGate(nil); err == nil {
			e.Errorf("SetGate of an open socket succeeded")
		}
		d := opened(e, demuxed, "")
		if _, err := d.ReadPackets(room(1, 64)); !errors.Is(err, errors.ErrUnsupported) {
			e.Errorf("ReadPackets of a listener with children: %v, want ErrUnsupported", err)
		}
		if _, err := d.WritePackets([]frio.Packet{packetTo(e.Local(l), "x")}); !errors.Is(err, errors.ErrUnsupported) {
			e.Errorf("WritePackets of a listener with children: %v, want ErrUnsupported", err)
		}
		fresh := parsed(e, onLoopback, "")
		if _, err := fresh.ReadPackets(room(1, 64)); err == nil || err == frio.ErrAgain {
			e.Errorf("ReadPackets before Open: %v", err)
		}
		if n, err := fresh.IO.Read(make([]byte, 8)); n != 0 || err == nil || err == frio.ErrAgain {
			e.Errorf("Read before Open: %d, %v", n, err)
		}
	})
}
