package sock_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sock"
	"golang.org/x/sys/unix"
)

// waitMax ends a test that waits for what does not come, in milliseconds.
const waitMax = 10_000

var kernel = sock.System

// family is what the tests of both families differ in.
type family struct {
	name     string
	family   sock.Family
	loopback string
	any      string
}

var families = []family{
	{"inet4", sock.Inet4, "127.0.0.1", "0.0.0.0"},
	{"inet6", sock.Inet6, "::1", "::"},
}

func forFamilies(t *testing.T, test func(t *testing.T, f family)) {
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) { test(t, f) })
	}
}

func (f family) addr(port uint16) sock.Addr { return inet(f.loopback, port) }

func inet(ip string, port uint16) sock.Addr {
	return sock.Addr{AddrPort: netip.AddrPortFrom(netip.MustParseAddr(ip), port)}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t testing.TB, what string, got, want error) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

func socket(t testing.TB, f sock.Family, k frio.Kind) int {
	t.Helper()
	fd, err := kernel.Socket(f, k)
	must(t, err)
	closeLater(t, fd)
	return fd
}

// opened holds what closeLater will close: a number that closeNow gave back may be somebody else's by then.
var opened = map[int]bool{}

func closeLater(t testing.TB, fd int) {
	opened[fd] = true
	t.Cleanup(func() {
		if opened[fd] {
			closeNow(t, fd)
		}
	})
}

func closeNow(t testing.TB, fd int) {
	t.Helper()
	delete(opened, fd)
	must(t, kernel.Close(fd))
}

// bound returns a socket and the address it was given.
func bound(t testing.TB, f sock.Family, k frio.Kind, a sock.Addr) (int, sock.Addr) {
	t.Helper()
	fd := socket(t, f, k)
	must(t, kernel.Bind(fd, a))
	own, err := kernel.LocalAddr(fd)
	must(t, err)
	return fd, own
}

func listener(t testing.TB, f sock.Family, a sock.Addr) (int, sock.Addr) {
	t.Helper()
	fd, own := bound(t, f, frio.Stream, a)
	must(t, kernel.Listen(fd, 0))
	return fd, own
}

// await waits until fd is ready for events.
func await(t testing.TB, fd int, events int16) {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
	for {
		count, err := unix.Poll(fds, waitMax)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || count == 0 {
			t.Fatalf("waiting for descriptor %d: %d ready, %v", fd, count, err)
		}
		return
	}
}

func accept(t testing.TB, fd int) (int, sock.Addr) {
	t.Helper()
	await(t, fd, unix.POLLIN)
	child, peer, err := kernel.Accept(fd)
	must(t, err)
	closeLater(t, child)
	return child, peer
}

// connected returns both ends of a stream.
func connected(t testing.TB, f sock.Family, a sock.Addr) (client, server int) {
	t.Helper()
	l, own := listener(t, f, a)
	client = socket(t, f, frio.Stream)
	if err := kernel.Connect(client, own); err != nil {
		want(t, "connect", err, syscall.EAGAIN)
		await(t, client, unix.POLLOUT)
		must(t, kernel.Connected(client))
	}
	server, _ = accept(t, l)
	return client, server
}

// recvPackets waits for datagrams and reads some.
func recvPackets(t testing.TB, fd, count, size int) []frio.Packet {
	t.Helper()
	packets := make([]frio.Packet, count)
	for i := range packets {
		packets[i].Data = make([]byte, 0, size)
	}
	got := 0
	for got < count {
		await(t, fd, unix.POLLIN)
		n, err := kernel.RecvPackets(fd, packets[got:])
		must(t, err)
		got += n
	}
	return packets
}

func set(t testing.TB, fd int, options ...sock.Option) {
	t.Helper()
	for _, o := range options {
		if err := kernel.SetOption(fd, o, 1); err != nil {
			t.Fatalf("option %d: %v", o, err)
		}
	}
}

// noneLeft checks that nothing is waiting at fd.
func noneLeft(t testing.TB, fd int) {
	t.Helper()
	packets := []frio.Packet{{Data: make([]byte, 0, 2048)}}
	if n, err := kernel.RecvPackets(fd, packets); n != 0 || err != syscall.EAGAIN {
		t.Fatalf("more than expected: %d, %v, %q from %v", n, err, packets[0].Data, packets[0].Remote)
	}
}

// socketPath is a path short enough for a socket.
func socketPath(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sock")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// elsewhere is an address of another machine (RFC 5737, RFC 3849).
func (f family) elsewhere(port uint16) sock.Addr {
	if f.family == sock.Inet4 {
		return inet("192.0.2.1", port)
	}
	return inet("2001:db8::1", port)
}
