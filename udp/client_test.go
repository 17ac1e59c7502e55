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
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

// home is a client, not connected.
func home(e *friotest.Env, lines string) *friotest.Probe {
	e.Helper()
	return e.ParseText(nil, "client", "home_server {\nprotocol = udp\nudp {\n"+lines+"\n}\n}\n")
}

// TestConnectResolves: the name is looked up off the loop; Connect, Read, Write or the loop carry it on.
func TestConnectResolves(t *testing.T) {
	for _, by := range []string{"Connect", "Read", "Write", "ReadPackets", "WritePackets", "loop"} {
		t.Run(by, func(t *testing.T) {
			onSim(t, func(e *friotest.Env) {
				l := opened(e, onLoopback, "")
				e.World().SetHost("slow.example", time.Second, []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil)
				c := home(e, fmt.Sprintf("ipaddr = slow.example\nport = %d", e.Local(l).Port()))
				writes := 0
				if by == "loop" {
					c.Wish(nil, nil, func() { writes++ })
				}
				buf := make([]byte, 8)
				step := func() (err error) {
					switch by {
					case "Connect":
						return c.Connect()
					case "Read":
						_, err = c.Read(buf)
					case "Write":
						_, err = c.Write([]byte("hello"))
					case "ReadPackets":
						_, err = c.ReadPackets(room(1, 8))
					case "WritePackets":
						_, err = c.WritePackets([]frio.Packet{{Data: []byte("hello")}})
					}
					return err
				}
				if err := c.Connect(); err != frio.ErrAgain {
					t.Fatalf("Connect: %v, want ErrAgain", err)
				}
				for range 9 {
					if err := step(); by != "loop" && err != frio.ErrAgain {
						t.Fatalf("%s on the way: %v, want ErrAgain", by, err)
					}
					if s := c.State(); s != frio.StateConnecting || writes > 0 {
						t.Fatalf("state %v, %d callbacks on the way", s, writes)
					}
					e.Pass(100 * time.Millisecond)
				}
				if text := c.DebugText(); !strings.Contains(text, "1 names to resolve") {
					t.Errorf("Debug does not tell what it waits for:\n%s", text)
				}
				e.Pass(200 * time.Millisecond)
				step()
				if s := c.State(); s != frio.StateOpen || by == "loop" && writes == 0 {
					t.Fatalf("state %v, %d callbacks when it is resolved", s, writes)
				}
				e.Send(c, []byte("hello"))
				e.Expect(l, []byte("hello"))
			})
		})
	}
}

func TestConnectFails(t *testing.T) {
	broken := errors.New("the name server is on fire")
	for _, c := range []struct {
		name  string
		lines string
		delay time.Duration
		err   error
		addrs []netip.Addr
		want  func(error) bool
		after time.Duration // at which it has failed
	}{
		{name: "no such name", err: broken, want: func(err error) bool { return errors.Is(err, broken) }},
		{name: "slow failure", err: broken, delay: 3 * time.Second, after: 3 * time.Second, want: func(err error) bool { return errors.Is(err, broken) }},
		{name: "never answers", delay: -1, after: 10 * time.Second, want: func(err error) bool { return errors.Is(err, frio.ErrTimeout) }},
		{name: "never answers, 2 s", lines: "connect_timeout = 2s", delay: -1, after: 2 * time.Second,
			want: func(err error) bool { return errors.Is(err, frio.ErrTimeout) }},
		{name: "no route", addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, want: func(err error) bool { return errors.Is(err, syscall.ENETUNREACH) }},
		{name: "retried", lines: "connect_retry = yes", err: broken, after: 10 * time.Second, want: func(err error) bool {
			return errors.Is(err, frio.ErrTimeout) && errors.Is(err, broken)
		}},
	} {
		for _, loop := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, loop %v", c.name, loop), func(t *testing.T) {
				onSim(t, func(e *friotest.Env) {
					e.World().SetHost("name.example", c.delay, c.addrs, c.err)
					if c.addrs != nil {
						for _, a := range c.addrs {
							e.Host().Reject(netip.PrefixFrom(a, a.BitLen()), syscall.ENETUNREACH)
						}
					}
					p := home(e, "ipaddr = name.example\nport = 7\n"+c.lines)
					reads, writes := 0, 0
					if loop {
						p.Wish(nil, func() { reads++ }, func() { writes++ })
					}
					start := e.Kernel.Now()
					err := p.Connect()
					for err == frio.ErrAgain && e.Kernel.Now().Sub(start) < time.Minute {
						e.Pass(10 * time.Millisecond)
						if !loop || p.State() == frio.StateFailed {
							err = p.Connect()
						}
					}
					if err == nil || !c.want(err) {
						t.Fatalf("Connect: %v", err)
					}
					if took := e.Kernel.Now().Sub(start); took < c.after || took > c.after+100*time.Millisecond {
						t.Errorf("it took %v, want %v", took, c.after)
					}
					if loop && c.after > 0 && (reads == 0 || writes == 0) {
						t.Errorf("%d read and %d write callbacks for the failure", reads, writes)
					}
					for range 2 {
						if _, again := p.Read(make([]byte, 8)); again == nil || again.Error() != err.Error() {
							t.Errorf("Read: %v, want %v", again, err)
						}
						if _, again := p.Write([]byte("x")); again == nil || again.Error() != err.Error() {
							t.Errorf("Write: %v, want %v", again, err)
						}
					}
					if s := p.State(); s != frio.StateFailed {
						t.Errorf("state %v", s)
					}
				})
			})
		}
	}
}

// TestConnectNext: an address without a route is passed over, and one that is there at a later round is found.
func TestConnectNext(t *testing.T) {
	onSim(t, func(e *friotest.Env) {
		l := opened(e, onLoopback, "")
		nowhere := netip.MustParseAddr("192.0.2.1")
		e.Host().Reject(netip.PrefixFrom(nowhere, 32), syscall.ENETUNREACH)
		e.World().SetHost("two.example", 0, []netip.Addr{nowhere, netip.MustParseAddr("127.0.0.1")}, nil)
		c := home(e, fmt.Sprintf("ipaddr = two.example\nport = %d", e.Local(l).Port()))
		e.Until("it is up", func() bool {
			err := c.Connect()
			if err != nil && err != frio.ErrAgain {
				e.Fatalf("Connect: %v", err)
			}
			return err == nil
		})
		e.Send(c, []byte("hello"))
		e.Expect(l, []byte("hello"))

		e.World().SetHost("later.example", 0, nil, errors.New("not yet"))
		late := home(e, fmt.Sprintf("ipaddr = later.example\nport = %d\nconnect_retry = yes", e.Local(l).Port()))
		late.Wish(nil, nil, nil)
		if err := late.Connect(); err != frio.ErrAgain {
			e.Fatalf("Connect: %v", err)
		}
		e.Pass(time.Second)
		e.World().SetHost("later.example", 0, []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil)
		e.Pass(4 * time.Second)
		if s := late.State(); s != frio.StateOpen {
			e.Errorf("state %v after the name is known", s)
		}
	})
}

// TestConnectEnds: whoever closes, frees or moves a client while its name is looked up hears no more of it.
func TestConnectEnds(t *testing.T) {
	for _, loop := range []bool{false, true} {
		onSim(t, func(e *friotest.Env) {
			other := e.NewSide("other")
			l := opened(e, onLoopback, "")
			e.World().SetHost("slow.example", time.Second, []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil)
			start := func() *friotest.Probe {
				e.Helper()
				c := home(e, fmt.Sprintf("ipaddr = slow.example\nport = %d", e.Local(l).Port()))
				if loop {
					c.Wish(nil, func() {}, func() {})
				}
				if err := c.Connect(); err != frio.ErrAgain {
					e.Fatalf("Connect: %v", err)
				}
				return c
			}
			posted := e.Loop.Stats().Posted
			closed, freed, moved := start(), start(), start()
			closed.Close()
			freed.IO.Event(nil, nil, nil)
			freed.Ctx.Free()
			writes := 0
			e.Pass(500 * time.Millisecond)
			e.Move(moved, other, nil, func() { writes++ })
			if writes > 0 {
				e.Errorf("%d callbacks on the way", writes)
			}
			e.Pass(time.Second)
			if writes == 0 || moved.State() != frio.StateOpen {
				e.Errorf("on the new loop: %d callbacks, state %v", writes, moved.State())
			}
			if n := e.Loop.Stats().Posted - posted; n > 0 {
				e.Errorf("%d results of look-ups reached the loop that nobody is in", n)
			}
			late := start()
			late.Leave()
			e.Move(late, other, nil, nil)
			e.World().SetHost("slow.example", -1, nil, nil)
			stuck := start()
			stuck.Leave()
			e.Move(stuck, other, nil, nil)
			e.Pass(11 * time.Second)
			if late.State() != frio.StateOpen || stuck.State() != frio.StateFailed {
				e.Errorf("after connect_timeout on the new loop: states %v and %v, want open and failed", late.State(), stuck.State())
			}
			e.Send(moved, []byte("moved"))
			e.Expect(l, []byte("moved"))
		})
	}
}

// TestSource: the address and the range of ports that a client leaves from.
func TestSource(t *testing.T) {
	both(t, func(e *friotest.Env) {
		l := opened(e, "ipaddr = *\nport = 0\n", "")
		to := fmt.Sprintf("ipaddr = 127.0.0.1\nport = %d\n", e.Local(l).Port())
		connect := func(lines string) (*friotest.Probe, error) {
			e.Helper()
			c := home(e, to+lines)
			return c, c.Connect()
		}
		c, err := connect("src_ipaddr = 127.0.0.3\n")
		if err != nil {
			e.Fatalf("Connect: %v", err)
		}
		e.Send(c, []byte("x"))
		if got := readAll(e, l, 1, 1, 8); got[0].Remote != e.Local(c) || got[0].Remote.Addr().String() != "127.0.0.3" {
			e.Errorf("it came from %v", got[0].Remote)
		}
		// Ports of the range are used up one by one; then there is none.
		const first, count = 23400, 4
		lines := fmt.Sprintf("src_port_start = %d\nsrc_port_end = %d\n", first, first+count-1)
		seen := map[uint16]bool{}
		for range count {
			c, err := connect(lines)
			if err != nil {
				e.Fatalf("Connect: %v", err)
			}
			port := e.Local(c).Port()
			if port < first || port >= first+count || seen[port] {
				e.Errorf("port %d, have %v", port, seen)
			}
			seen[port] = true
		}
		if _, err := connect(lines); !errors.Is(err, syscall.EADDRINUSE) {
			e.Errorf("Connect with all ports in use: %v, want EADDRINUSE", err)
		}
		if _, err := connect("src_ipaddr = 192.0.2.77\n"); !errors.Is(err, syscall.EADDRNOTAVAIL) {
			e.Errorf("Connect from an address that is not ours: %v, want EADDRNOTAVAIL", err)
		}
	})
}

// TestRefused: nobody listens; Read or Write tell, once for each datagram, and the client goes on when somebody does.
func TestRefused(t *testing.T) {
	both(t, func(e *friotest.Env) {
		l := opened(e, onLoopback, "")
		port := e.Local(l).Port()
		c := clientOf(e, l, "")
		l.Close()
		told := 0
		c.Wish(nil, func() {
			var lost *frio.PacketError
			_, err := c.Read(make([]byte, 8))
			switch {
			case errors.As(err, &lost) && errors.Is(err, syscall.ECONNREFUSED):
				told++
			case err != frio.ErrAgain:
				e.Fatalf("Read: %v", err)
			}
		}, nil)
		for i := range 3 {
			e.Send(c, []byte("anybody?"))
			e.Until("the refusal", func() bool { return told == i+1 })
		}
		e.Spin(3)
		if told != 3 || c.State() != frio.StateOpen {
			e.Errorf("told %d times of 3 datagrams, state %v", told, c.State())
		}
		c.Wish(nil, nil, nil)
		e.Send(c, []byte("anybody?"))
		e.Spin(3)
		_, err := c.Write([]byte("still nobody?"))
		var lost *frio.PacketError
		if !errors.As(err, &lost) || !errors.Is(err, syscall.ECONNREFUSED) {
			e.Errorf("Write: %v, want ECONNREFUSED", err)
		}
		// Without a wish the pending error does not wake the loop.
		e.Send(c, []byte("anybody?"))
		e.Spin(3)
		before := e.Loop.Stats().Events
		e.Spin(10)
		if n := e.Loop.Stats().Events - before; n > 1 {
			e.Errorf("%d events that nobody wants", n)
		}
		if got := countsOf(c).Errors.Count(syscall.ECONNREFUSED); got != 4 {
			e.Errorf("counted %d times, want 4", got)
		}
		again := opened(e, fmt.Sprintf("ipaddr = 127.0.0.1\nport = %d\n", port), "")
		c.Read(make([]byte, 8))
		e.Send(c, []byte("there you are"))
		e.Expect(again, []byte("there you are"))
	})
}

// early is a Kernel on which a stranger's datagram arrives between bind and connect.
type early struct {
	sock.Kernel
	stranger int
}

func (k *early) Connect(fd int, a sock.Addr) error {
	local, err := k.LocalAddr(fd)
	if err == nil && local.AddrPort.Port() != 0 {
		k.SendPackets(k.stranger, []frio.Packet{packetTo(local.AddrPort, "not of your peer")})
	}
	return k.Kernel.Connect(fd, a)
}

// TestForeignDatagrams: what came to the socket before it was connected is not taken for the peer's.
func TestForeignDatagrams(t *testing.T) {
	both(t, func(e *friotest.Env) {
		l := opened(e, onLoopback, "")
		k := &early{Kernel: e.Kernel}
		var err error
		if k.stranger, err = k.Socket(sock.Inet4, frio.Datagram); err != nil {
			e.Fatalf("Socket: %v", err)
		}
		root := talloc.Root("early")
		sock.SetKernel(root, k)
		for i, batch := range []bool{false, true} {
			file, err := conf.ParseString("t", fmt.Sprintf("home_server {\nprotocol = udp\nudp {\nipaddr = 127.0.0.1\nport = %d\nsrc_ipaddr = 127.0.0.1\nsrc_port = %d\n}\n}",
				e.Local(l).Port(), 23450+i), conf.Options{})
			if err != nil {
				e.Fatalf("%v", err)
			}
			c, err := frio.Parse(root, file.Sections("home_server")[0])
			if err != nil {
				e.Fatalf("%v", err)
			}
			if err := c.Connect(); err != nil {
				e.Fatalf("Connect: %v", err)
			}
			local := c.(frio.Addresser).LocalAddr()
			if n, err := l.WritePackets([]frio.Packet{packetTo(local, "of your peer")}); n != 1 || err != nil {
				e.Fatalf("WritePackets: %d, %v", n, err)
			}
			got := ""
			e.Until("the peer's datagram", func() bool {
				if batch {
					packets := room(4, 64)
					n, err := c.(frio.PacketIO).ReadPackets(packets)
					if n > 1 || err != nil && err != frio.ErrAgain {
						e.Fatalf("ReadPackets: %d, %v", n, err)
					}
					got = string(packets[0].Data)
					return n == 1
				}
				buf := make([]byte, 64)
				n, err := c.Read(buf)
				if err != nil && err != frio.ErrAgain {
					e.Fatalf("Read: %v", err)
				}
				got = string(buf[:n])
				return n > 0
			})
			if got != "of your peer" {
				e.Errorf("read %q", got)
			}
			var text strings.Builder
			c.Debug(&text)
			if !strings.Contains(text.String(), "foreign peers: 1") {
				e.Errorf("the stranger's datagram was not counted:\n%s", text.String())
			}
			c.Close()
		}
		root.Free()
		k.Close(k.stranger)
	})
}

// TestClientWrites: to the peer only, whatever a Packet names.
func TestClientWrites(t *testing.T) {
	both(t, func(e *friotest.Env) {
		l, other := opened(e, onLoopback, ""), opened(e, onLoopback, "")
		c := clientOf(e, l, "")
		packets := []frio.Packet{packetTo(e.Remote(c), "named"), {Data: []byte("not named")}, packetTo(e.Local(other), "astray")}
		if n, err := c.WritePackets(packets); n != 2 || err != nil {
			e.Errorf("WritePackets: %d, %v, want 2, nil", n, err)
		}
		var lost *frio.PacketError
		if n, err := c.WritePackets(packets[2:]); n != 0 || !errors.As(err, &lost) || !errors.Is(err, syscall.EISCONN) {
			e.Errorf("WritePackets to somebody else: %d, %v, want EISCONN", n, err)
		}
		e.Expect(l, []byte("named"))
		e.Expect(l, []byte("not named"))
		e.Nothing(l)
		e.Nothing(other)
	})
}
