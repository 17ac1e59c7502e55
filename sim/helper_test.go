package sim_test

import (
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/sock"
)

var (
	addrA = netip.MustParseAddr("192.0.2.1")
	addrB = netip.MustParseAddr("192.0.2.2")
)

// two makes a world of two hosts.
func two(seed uint64, opts sim.Options) (*sim.World, *sim.Kernel, *sim.Kernel) {
	w := sim.New(seed, opts)
	return w, w.Host("a", addrA), w.Host("b", addrB)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, what string, got, want error) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func open(t testing.TB, k *sim.Kernel, f sock.Family, kind frio.Kind) int {
	t.Helper()
	fd, err := k.Socket(f, kind)
	check(t, err)
	return fd
}

func listen(t testing.TB, k *sim.Kernel, addr string, backlog int) int {
	t.Helper()
	fd := open(t, k, sock.Inet4, frio.Stream)
	check(t, k.Bind(fd, sock.Addr{AddrPort: netip.MustParseAddrPort(addr)}))
	check(t, k.Listen(fd, backlog))
	return fd
}

func bindUDP(t testing.TB, k *sim.Kernel, addr string) int {
	t.Helper()
	a := netip.MustParseAddrPort(addr)
	f := sock.Inet4
	if a.Addr().Is6() {
		f = sock.Inet6
	}
	fd := open(t, k, f, frio.Datagram)
	check(t, k.Bind(fd, sock.Addr{AddrPort: a}))
	return fd
}

func dial(t testing.TB, k *sim.Kernel, addr string) int {
	t.Helper()
	fd := open(t, k, sock.Inet4, frio.Stream)
	wantErr(t, "connect", k.Connect(fd, sock.Addr{AddrPort: netip.MustParseAddrPort(addr)}), syscall.EAGAIN)
	return fd
}

// connection makes one from a to b, and gives both ends.
func connection(t testing.TB, w *sim.World, a, b *sim.Kernel) (client, server int) {
	t.Helper()
	l := listen(t, b, "192.0.2.2:0", 8)
	local, err := b.LocalAddr(l)
	check(t, err)
	client = dial(t, a, local.AddrPort.String())
	w.Advance(time.Second)
	check(t, a.Connected(client))
	server, _, err = b.Accept(l)
	check(t, err)
	check(t, b.Close(l))
	return client, server
}

func send(t testing.TB, k *sim.Kernel, fd int, text, to string) error {
	t.Helper()
	_, err := k.SendPackets(fd, []frio.Packet{{Data: []byte(text), Remote: netip.MustParseAddrPort(to)}})
	return err
}

// received returns all datagrams that wait at fd.
func received(t testing.TB, k *sim.Kernel, fd int) (packets []frio.Packet) {
	t.Helper()
	for {
		p := []frio.Packet{{Data: make([]byte, 0, 2048)}}
		_, err := k.RecvPackets(fd, p)
		if err == syscall.EAGAIN {
			return packets
		}
		check(t, err)
		packets = append(packets, p[0])
	}
}

func texts(packets []frio.Packet) (list []string) {
	for _, p := range packets {
		list = append(list, string(p.Data))
	}
	return list
}

func poller(t testing.TB, k *sim.Kernel) event.Poller {
	t.Helper()
	p, err := k.NewPoller()
	check(t, err)
	return p
}

func option(t testing.TB, k *sim.Kernel, fd int, o sock.Option) int {
	t.Helper()
	v, err := k.Option(fd, o)
	check(t, err)
	return v
}
