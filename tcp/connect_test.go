package tcp_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/sim"
)

func client(e *friotest.Env, lines string) *friotest.Probe {
	e.Helper()
	return e.ParseText(nil, "client", "home_server x {\nprotocol = tcp\ntcp {\n"+lines+"}\n}\n")
}

func addrs(list ...string) (out []netip.Addr) {
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// hole makes a host that nothing comes back from.
func hole(e *friotest.Env, list ...string) {
	e.Host().AddInterface("eth0", netip.MustParseAddr("198.51.100.200"))
	e.World().SetLink(e.Host(), e.World().Host("hole", addrs(list...)...), sim.Link{Loss: 1})
}

// result drives c in the loop until the attempt has ended.
func result(e *friotest.Env, c *friotest.Probe) (err error) {
	e.Helper()
	c.Wish(nil, nil, func() {})
	if err = c.Connect(); err != frio.ErrAgain {
		return err
	}
	e.Until("the attempt ends", func() bool { return c.State() != frio.StateConnecting })
	return c.Connect()
}

func TestConnectTriesAllAddressesInOrder(t *testing.T) {
	// RFC 8305: IPv6 first, families in turn, the next one as soon as one fails.
	e := friotest.NewEnv(t, true, 1)
	w := e.World()
	l := listen(e, anyPort, "")
	port := e.Port(l)
	w.SetHost("many.example", 50*time.Millisecond, addrs("127.0.0.1", "127.0.0.1", "::1", "2001:db8::9"), nil)
	c := client(e, fmt.Sprintf("ipaddr = many.example\nport = %d\n", port))
	if err := result(e, c); err != nil {
		t.Fatal(err)
	}
	if got := e.Remote(c); got != netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port) {
		t.Errorf("connected to %v", got)
	}
	if n := e.Host().Calls("Connect"); n != 2 {
		t.Errorf("%d attempts, want ::1 refused and then 127.0.0.1", n)
	}
}

func TestConnectPace(t *testing.T) {
	// A black hole does not hold up the next address for longer than 250 ms (RFC 8305, Section 5).
	e := friotest.NewEnv(t, true, 1)
	w := e.World()
	l := listen(e, anyPort, "")
	hole(e, "198.51.100.9")
	w.SetHost("slow.example", 0, addrs("198.51.100.9", "127.0.0.1"), nil)
	start := e.Kernel.Now()
	c := client(e, fmt.Sprintf("ipaddr = slow.example\nport = %d\n", e.Port(l)))
	if err := result(e, c); err != nil {
		t.Fatal(err)
	}
	took := e.Kernel.Now().Sub(start)
	if took < 250*time.Millisecond || took > 260*time.Millisecond {
		t.Errorf("connected after %v, want 250 ms", took)
	}
}

func TestConnectTimeoutIsForAllTogether(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	w := e.World()
	hole(e, "198.51.100.7", "198.51.100.8", "198.51.100.9")
	w.SetHost("dead.example", time.Second, addrs("198.51.100.7", "198.51.100.8", "198.51.100.9"), nil)
	for _, lines := range []string{"", "connect_timeout = 3s\n", "connect_timeout = 3s\nconnect_retry = yes\n"} {
		start := e.Kernel.Now()
		c := client(e, "ipaddr = dead.example\nport = 9\n"+lines)
		err := result(e, c)
		var limit *frio.TimeoutError
		if !errors.As(err, &limit) || limit.Limit != "connect_timeout" {
			t.Errorf("%q: %v, want connect_timeout", lines, err)
		}
		want := 10 * time.Second
		if lines != "" {
			want = 3 * time.Second
		}
		if took := e.Kernel.Now().Sub(start); took != want {
			t.Errorf("%q: given up after %v, want %v", lines, took, want)
		}
		if !strings.Contains(fmt.Sprint(err), "connect tcp dead.example:9") {
			t.Errorf("%v does not say what was tried", err)
		}
	}
}

func TestConnectRetryBacksOff(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	c := client(e, "ipaddr = 127.0.0.1\nport = 9\nconnect_retry = yes\n")
	if err := result(e, c); !errors.Is(err, syscall.ECONNREFUSED) || !errors.Is(err, frio.ErrTimeout) {
		t.Errorf("%v, want a time-out with the last refusal", err)
	}
	// 100 ms doubled up to 2 s: in 10 s about 9 rounds, fewer with no jitter.
	if n := e.Host().Calls("Connect"); n < 8 || n > 12 {
		t.Errorf("%d attempts in 10 s", n)
	}
}

func TestConnectRetryComesUp(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	l := e.ParseText(nil, "listen", "listen x {\nprotocol = tcp\ntcp {\nipaddr = 127.0.0.1\nport = 7007\n}\n}\n")
	c := client(e, "ipaddr = 127.0.0.1\nport = 7007\nconnect_retry = yes\n")
	c.Wish(nil, nil, func() {})
	if err := c.Connect(); err != frio.ErrAgain {
		t.Fatal(err)
	}
	e.Pass(500 * time.Millisecond)
	if c.State() != frio.StateConnecting {
		t.Fatalf("state %v", c.State())
	}
	if text := c.DebugText(); !strings.Contains(text, "connecting: round") || !strings.Contains(text, "refused") {
		t.Errorf("debug does not show the attempt:\n%s", text)
	}
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	e.Until("it is up", func() bool { return c.State() == frio.StateOpen })
}

func TestConnectNameFails(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	e.World().SetHost("six.example", 0, addrs("2001:db8::1"), nil)
	var dns *net.DNSError
	if err := result(e, client(e, "ipaddr = nobody.example\nport = 9\n")); !errors.As(err, &dns) || !dns.IsNotFound {
		t.Errorf("unknown name: %v", err)
	}
	if err := result(e, client(e, "ipv4addr = six.example\nport = 9\n")); err == nil || !strings.Contains(err.Error(), "no address of the right family") {
		t.Errorf("wrong family: %v", err)
	}
}

func TestConnectNameEndsAfterClose(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	e.World().SetHost("late.example", 5*time.Second, addrs("127.0.0.1"), nil)
	c := client(e, "ipaddr = late.example\nport = 9\n")
	c.Wish(nil, func() { t.Error("read callback") }, func() { t.Error("write callback") })
	if err := c.Connect(); err != frio.ErrAgain {
		t.Fatal(err)
	}
	e.Pass(time.Second)
	c.Close()
	c.Ctx.Free()
	e.Pass(10 * time.Second)
	if n := e.Host().Calls("Connect"); n != 0 {
		t.Errorf("%d attempts after Close", n)
	}
}

func TestConnectMovesOnTheWay(t *testing.T) {
	// While the name is looked up, and while an attempt is under way.
	for _, wait := range []time.Duration{time.Millisecond, 150 * time.Millisecond} {
		e := friotest.NewEnv(t, true, 1)
		w := e.World()
		l := listen(e, anyPort, "")
		hole(e, "198.51.100.9")
		w.SetHost("moving.example", 100*time.Millisecond, addrs("198.51.100.9", "127.0.0.1"), nil)
		c := client(e, fmt.Sprintf("ipaddr = moving.example\nport = %d\n", e.Port(l)))
		other := e.NewSide("other")
		c.Wish(nil, nil, func() { t.Error("callback on the old loop") })
		if err := c.Connect(); err != frio.ErrAgain {
			t.Fatal(err)
		}
		e.Pass(wait)
		c.Leave()
		e.Pass(10 * time.Millisecond)
		up := 0
		e.Move(c, other, nil, func() { up++ })
		e.Until("it is up on the other loop", func() bool { return up > 0 })
		if c.State() != frio.StateOpen {
			t.Errorf("state %v", c.State())
		}
		c.Wish(other, nil, nil)
	}
}

func TestConnectWithoutLoop(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	e.World().SetHost("bare.example", 100*time.Millisecond, addrs("2001:db8::9", "127.0.0.1"), nil)
	l := listen(e, anyPort, "")
	c := client(e, fmt.Sprintf("ipaddr = bare.example\nport = %d\n", e.Port(l)))
	if err := c.Connect(); err != frio.ErrAgain {
		t.Fatalf("connect: %v", err)
	}
	e.Pass(time.Second)
	// Nothing moves between calls.
	if n := e.Host().Calls("Connect"); n != 0 {
		t.Errorf("%d attempts between calls", n)
	}
	e.Until("Connect, asked again and again, is done", func() bool {
		err := c.Connect()
		if err != nil && err != frio.ErrAgain {
			t.Fatal(err)
		}
		return err == nil
	})
}

func TestConnectSource(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	e.Host().AddInterface("lo", netip.MustParseAddr("127.0.0.5"))
	l := listen(e, anyPort, "")
	seen := map[uint16]bool{}
	for range 4 {
		c := client(e, fmt.Sprintf("ipaddr = 127.0.0.1\nport = %d\nsrc_ipaddr = 127.0.0.5\nsrc_port_start = 40000\nsrc_port_end = 40003\n", e.Port(l)))
		if err := result(e, c); err != nil {
			t.Fatal(err)
		}
		from := e.Local(c)
		if from.Addr().String() != "127.0.0.5" || from.Port() < 40000 || from.Port() > 40003 || seen[from.Port()] {
			t.Errorf("from %v", from)
		}
		seen[from.Port()] = true
	}
	c := client(e, fmt.Sprintf("ipaddr = 127.0.0.1\nport = %d\nsrc_ipaddr = 127.0.0.5\nsrc_port_start = 40000\nsrc_port_end = 40003\n", e.Port(l)))
	if err := result(e, c); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("with all four taken: %v", err)
	}
	c = client(e, fmt.Sprintf("ipaddr = 127.0.0.1\nport = %d\nsrc_ipaddr = 192.0.2.77\n", e.Port(l)))
	if err := result(e, c); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("from an address that is not ours: %v", err)
	}
}

func TestConnectUnreachable(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EACCES, syscall.EPERM} {
		e := friotest.NewEnv(t, true, 1)
		e.Host().Inject("Connect", 1, errno)
		if err := result(e, client(e, "ipaddr = 127.0.0.1\nport = 9\n")); !errors.Is(err, errno) {
			t.Errorf("%v: %v", errno, err)
		}
	}
}
