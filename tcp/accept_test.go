package tcp_test

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/sock"
)

// listen makes an open listener on side from the inside of `tcp { }` and `limit { }`.
func listen(e *friotest.Env, tcp, limit string) *friotest.Probe {
	e.Helper()
	l := e.ParseText(nil, "listen", fmt.Sprintf("listen x {\nprotocol = tcp\ntcp {\n%s}\nlimit {\n%s}\n}\n", tcp, limit))
	if err := l.Open(); err != nil {
		e.Fatal(err)
	}
	return l
}

const anyPort = "ipaddr = 127.0.0.1\nport = 0\n"

// connect makes a kernel's own client socket, connected to the listener, from source.
func connect(e *friotest.Env, l *friotest.Probe, source string) int {
	e.Helper()
	k := e.Kernel
	fd, err := k.Socket(sock.Inet4, frio.Stream)
	if err == nil && source != "" {
		err = k.Bind(fd, sock.Addr{AddrPort: netip.AddrPortFrom(netip.MustParseAddr(source), 0)})
	}
	if err == nil {
		err = k.Connect(fd, sock.Addr{AddrPort: e.Local(l)})
	}
	if err != nil && err != frio.ErrAgain {
		e.Fatal(err)
	}
	e.Until("the connection is up", func() bool { return k.Connected(fd) == nil })
	return fd
}

// acceptAll keeps what l accepts, turn by turn.
func acceptAll(e *friotest.Env, l *friotest.Probe, accepted *[]*friotest.Probe) {
	l.Wish(nil, func() {
		for {
			c, err := l.Accept(nil)
			if err == frio.ErrAgain {
				return
			}
			if err != nil {
				e.Errorf("accept: %v", err)
				return
			}
			*accepted = append(*accepted, c)
		}
	}, nil)
}

func TestAcceptOutOfDescriptors(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	l := listen(e, anyPort, "")
	var accepted []*friotest.Probe
	acceptAll(e, l, &accepted)
	var clients []int
	for range 3 {
		clients = append(clients, connect(e, l, ""))
	}
	e.Until("three are accepted", func() bool { return len(accepted) == 3 })

	// The client that comes takes the last descriptor.
	e.Host().SetDescriptorLimit(e.Host().Descriptors() + 1)
	clients = append(clients, connect(e, l, ""))
	e.Spin(2)
	before := e.Host().Calls("Accept")
	e.Pass(time.Second)
	if calls := e.Host().Calls("Accept") - before; calls == 0 || calls > 20 {
		t.Errorf("%d accept calls in a second without descriptors, want 1 to 20", calls)
	}
	if len(accepted) != 3 {
		t.Errorf("%d accepted without a descriptor", len(accepted))
	}
	e.Host().SetDescriptorLimit(1000)
	e.Pass(time.Second)
	if len(accepted) != 4 {
		t.Errorf("%d accepted when descriptors were free again, want 4", len(accepted))
	}
	for _, fd := range clients {
		e.Kernel.Close(fd)
	}
}

func TestAcceptSurvives(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ECONNABORTED, syscall.EPROTO, syscall.EINTR, syscall.ENETDOWN, syscall.EHOSTUNREACH,
		syscall.EPERM, syscall.ENOBUFS, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.ETIMEDOUT, syscall.EIO} {
		t.Run(errno.Error(), func(t *testing.T) {
			e := friotest.NewEnv(t, true, 1)
			l := listen(e, anyPort, "")
			var accepted []*friotest.Probe
			acceptAll(e, l, &accepted)
			e.Host().Inject("Accept", 1, errno)
			fd := connect(e, l, "")
			e.Pass(time.Second)
			if len(accepted) != 1 {
				t.Errorf("%d accepted after %v, want 1", len(accepted), errno)
			}
			if l.State() != frio.StateListening {
				t.Errorf("state %v", l.State())
			}
			e.Kernel.Close(fd)
		})
	}
}

func TestAcceptBatchLetsOthersRun(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	l := listen(e, anyPort, "")
	var clients []int
	for range 150 {
		clients = append(clients, connect(e, l, ""))
	}
	var accepted []*friotest.Probe
	acceptAll(e, l, &accepted)
	for last := 0; last < 150; last = len(accepted) {
		e.Turn()
		if n := len(accepted) - last; n > 64 || n == 0 {
			t.Fatalf("%d accepted in one turn", n)
		}
	}
	for _, fd := range clients {
		e.Kernel.Close(fd)
	}
}

func TestMaxConnectionsIsExact(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	l := listen(e, anyPort, "max_connections = 3\n")
	var accepted []*friotest.Probe
	acceptAll(e, l, &accepted)
	var clients []int
	for range 5 {
		clients = append(clients, connect(e, l, ""))
	}
	e.Pass(time.Second)
	if len(accepted) != 3 {
		t.Fatalf("%d accepted, want 3", len(accepted))
	}
	// At the limit nobody looks: the peers wait in the backlog, and the loop sleeps.
	before, waits := e.Host().Calls("Accept"), e.Loop.Stats().Waits
	e.Pass(10 * time.Second)
	if calls := e.Host().Calls("Accept") - before; calls > 0 {
		t.Errorf("%d accept calls at the limit", calls)
	}
	if n := e.Loop.Stats().Waits - waits; n > 3 {
		t.Errorf("the loop waited %d times in 10 s of nothing", n)
	}
	accepted[1].Close()
	e.Pass(time.Millisecond)
	if len(accepted) != 4 {
		t.Errorf("%d accepted after one slot came free, want 4", len(accepted))
	}
	open := 0
	l.IO.(frio.Parent).Children(func(h frio.Handle) bool { open++; return true })
	if open != 3 {
		t.Errorf("%d children, want 3", open)
	}
	for _, fd := range clients {
		e.Kernel.Close(fd)
	}
}

func TestLimitPerSource(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	e.Host().AddInterface("lo", netip.MustParseAddr("127.0.0.2"))
	l := listen(e, anyPort, "max_connections_per_source = 2\n")
	var accepted []*friotest.Probe
	acceptAll(e, l, &accepted)
	one, two, three := connect(e, l, "127.0.0.1"), connect(e, l, "127.0.0.1"), connect(e, l, "127.0.0.1")
	other := connect(e, l, "127.0.0.2")
	e.Pass(time.Second)
	if len(accepted) != 3 {
		t.Fatalf("%d accepted, want two of one source and one of another", len(accepted))
	}
	// The one too many is closed at once, not kept waiting.
	if n, err := e.Kernel.Recv(three, make([]byte, 1)); n != 0 || err == frio.ErrAgain {
		t.Errorf("the third of a source: %d, %v, want an end", n, err)
	}
	if n, err := e.Kernel.Recv(two, make([]byte, 1)); err != frio.ErrAgain {
		t.Errorf("the second of a source: %d, %v", n, err)
	}
	accepted[0].Close()
	again := connect(e, l, "127.0.0.1")
	e.Pass(time.Second)
	if len(accepted) != 4 {
		t.Errorf("%d accepted after a slot of the source came free, want 4", len(accepted))
	}
	for _, fd := range []int{one, two, three, other, again} {
		e.Kernel.Close(fd)
	}
}

func TestNetworksAreAskedFirst(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	e.Host().AddInterface("lo", netip.MustParseAddr("127.0.0.2"))
	l := listen(e, anyPort+"networks {\nallow = 127/8\ndeny = 127.0.0.2\n}\n", "max_connections = 1\n")
	var accepted []*friotest.Probe
	acceptAll(e, l, &accepted)
	var denied []int
	for range 5 {
		denied = append(denied, connect(e, l, "127.0.0.2"))
	}
	e.Pass(time.Second)
	if len(accepted) != 0 {
		t.Fatalf("%d accepted from a denied network", len(accepted))
	}
	for _, fd := range denied {
		if n, err := e.Kernel.Recv(fd, make([]byte, 1)); n != 0 || err == frio.ErrAgain {
			t.Errorf("a denied peer: %d, %v, want an end", n, err)
		}
		e.Kernel.Close(fd)
	}
	// They cost no slot.
	fd := connect(e, l, "127.0.0.1")
	e.Pass(time.Second)
	if len(accepted) != 1 {
		t.Errorf("%d accepted, want 1", len(accepted))
	}
	e.Kernel.Close(fd)
}

func TestContextAtItsLimitDoesNotStopListening(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	l := listen(e, anyPort, "")
	small := e.Context(nil, "small")
	small.SetLimit(0, 1)
	fd, second := connect(e, l, ""), connect(e, l, "")
	calls := 0
	var first frio.IO
	l.Wish(nil, func() {
		calls++
		c, err := l.IO.Accept(small)
		if c != nil {
			first = c
		} else if !errors.Is(err, frio.ErrAgain) {
			t.Errorf("accept: %v", err)
		}
	}, nil)
	e.Pass(time.Second)
	if first == nil || calls > 20 {
		t.Fatalf("first %v, %d calls in a second", first, calls)
	}
	if n, err := e.Kernel.Recv(second, make([]byte, 1)); n != 0 || err == frio.ErrAgain {
		t.Errorf("the peer that did not fit: %d, %v", n, err)
	}
	small.Free()
	e.Kernel.Close(fd)
	e.Kernel.Close(second)
}

func TestResetBeforeAcceptIsNoError(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	l := listen(e, anyPort, "")
	fd := connect(e, l, "")
	if err := e.Host().Abort(fd); err != nil {
		t.Fatal(err)
	}
	e.Turn()
	c, err := l.Accept(nil)
	if err == frio.ErrAgain {
		return // the kernel has dropped it
	}
	if err != nil {
		t.Fatal(err)
	}
	// The peer's address is that of accept: the socket has none any more.
	if !e.Remote(c).IsValid() {
		t.Error("no peer address")
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, frio.ErrReset) || errors.Is(err, io.EOF) {
		t.Errorf("read: %v, want ErrReset", err)
	}
}
