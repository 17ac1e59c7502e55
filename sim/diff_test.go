package sim_test

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
)

var (
	lo4  = netip.MustParseAddr("127.0.0.1")
	lo6  = netip.IPv6Loopback()
	any4 = netip.IPv4Unspecified()
	any6 = netip.IPv6Unspecified()
)

// bench runs one scenario on one kernel and writes down what the calls say.
type bench struct {
	t     *testing.T
	k     sock.Kernel
	dir   string // for socket files
	lines []string
	open  []int
}

func (b *bench) logf(format string, args ...any) {
	b.lines = append(b.lines, fmt.Sprintf(format, args...))
}

// say writes the result of a call down.
func (b *bench) say(what string, err error) error {
	if err == nil {
		b.logf("%s: ok", what)
	} else if e, ok := err.(syscall.Errno); ok {
		b.logf("%s: %d %v", what, int(e), e)
	} else {
		b.logf("%s: %v", what, err)
	}
	return err
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatalf("%T: %v\nafter:\n%s", b.k, err, strings.Join(b.lines, "\n"))
	}
}

func (b *bench) socket(f sock.Family, kind frio.Kind) int {
	b.t.Helper()
	fd, err := b.k.Socket(f, kind)
	b.must(err)
	b.open = append(b.open, fd)
	return fd
}

func (b *bench) close(fd int) {
	b.t.Helper()
	b.must(b.k.Close(fd))
	for i, o := range b.open {
		if o == fd {
			b.open = append(b.open[:i], b.open[i+1:]...)
			return
		}
	}
}

func at(a netip.Addr, port uint16) sock.Addr { return sock.Addr{AddrPort: netip.AddrPortFrom(a, port)} }

// bound returns a socket bound to an address, and the address with its port.
func (b *bench) bound(kind frio.Kind, a netip.Addr) (int, sock.Addr) {
	b.t.Helper()
	f := sock.Inet4
	if a.Is6() {
		f = sock.Inet6
	}
	fd := b.socket(f, kind)
	b.must(b.k.Bind(fd, at(a, 0)))
	local, err := b.k.LocalAddr(fd)
	b.must(err)
	return fd, local
}

func (b *bench) listener(backlog int) (int, sock.Addr) {
	b.t.Helper()
	fd, a := b.bound(frio.Stream, lo4)
	b.must(b.k.Listen(fd, backlog))
	return fd, a
}

// ready returns what a fresh poller says of fd; it waits for the real kernel a little if it is to be something.
func (b *bench) ready(fd int, want event.Ready, wait bool) event.Ready {
	b.t.Helper()
	p, err := b.k.NewPoller()
	b.must(err)
	defer p.Close()
	b.must(p.Add(fd, 1, want))
	timeout := time.Duration(0)
	if wait {
		timeout = 5 * time.Second
	}
	var batch [4]event.Event
	n, err := p.Wait(batch[:], timeout)
	b.must(err)
	var r event.Ready
	for _, e := range batch[:n] {
		r |= e.Ready
	}
	return r
}

func (b *bench) sayReady(what string, fd int, want event.Ready, wait bool) {
	b.t.Helper()
	b.logf("%s: ready for %v", what, b.ready(fd, want, wait))
}

const both = event.Read | event.Write

func (b *bench) pair() (listener, client, server int) {
	b.t.Helper()
	listener, a := b.listener(8)
	client = b.socket(sock.Inet4, frio.Stream)
	if err := b.k.Connect(client, a); err != nil && err != syscall.EAGAIN {
		b.must(err)
	}
	b.ready(client, event.Write, true)
	b.must(b.k.Connected(client))
	b.ready(listener, event.Read, true)
	server, _, err := b.k.Accept(listener)
	b.must(err)
	b.open = append(b.open, server)
	return listener, client, server
}

func (b *bench) localPair() (listener, client, server int, path string) {
	b.t.Helper()
	path = filepath.Join(b.dir, "s")
	listener = b.socket(sock.Local, frio.Stream)
	b.must(b.k.Bind(listener, sock.Addr{Path: path}))
	b.must(b.k.Listen(listener, 8))
	client = b.socket(sock.Local, frio.Stream)
	b.must(b.k.Connect(client, sock.Addr{Path: path}))
	server, _, err := b.k.Accept(listener)
	b.must(err)
	b.open = append(b.open, server)
	return listener, client, server, path
}

func (b *bench) sayRecv(what string, fd int) {
	var p [64]byte
	n, err := b.k.Recv(fd, p[:])
	b.say(fmt.Sprintf("%s recv %q", what, p[:n]), err)
}

func (b *bench) saySend(what string, fd int, text string) {
	n, err := b.k.Send(fd, []byte(text))
	b.say(fmt.Sprintf("%s send %d", what, n), err)
}

// scenario runs on both kernels and says what the calls do.
type scenario struct {
	name string
	run  func(b *bench)
}

func runScenario(t *testing.T, k sock.Kernel, run func(b *bench)) []string {
	b := &bench{t: t, k: k, dir: t.TempDir()}
	defer func() {
		for _, fd := range b.open {
			k.Close(fd)
		}
	}()
	run(b)
	return b.lines
}
