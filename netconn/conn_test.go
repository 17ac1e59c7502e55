package netconn_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/netconn"
)

var streams = []string{"tcp", "unix", "tls+tcp", "tls+unix", "haproxy+tcp", "tls+haproxy+tcp"}

// each runs f with the two ends of a connection of every stream stack.
func each(t *testing.T, f func(t *testing.T, near, far *netconn.Conn)) {
	for _, name := range streams {
		t.Run(name, func(t *testing.T) {
			near, far := pair(t, startPool(t, 2), newStack(t, name, ""))
			f(t, near, far)
		})
	}
}

func TestHalfClose(t *testing.T) {
	each(t, func(t *testing.T, near, far *netconn.Conn) {
		must(near.Write([]byte("the question")))
		if err := near.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(far); string(b) != "the question" || err != nil {
			t.Fatalf("%q, %v", b, err)
		}
		if n, err := far.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("the end did not repeat: %d, %v", n, err)
		}
		if _, err := near.Write([]byte("more")); err == nil {
			t.Error("Write after CloseWrite took something")
		}
		must(far.Write([]byte("the answer")))
		far.Close()
		if b, err := io.ReadAll(near); string(b) != "the answer" || err != nil {
			t.Fatalf("%q, %v", b, err)
		}
	})
}

func TestCloseEndsAllCalls(t *testing.T) {
	each(t, func(t *testing.T, near, far *netconn.Conn) {
		var calls sync.WaitGroup
		for range 4 {
			calls.Go(func() {
				if _, err := near.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Read: %v", err)
				}
			})
			calls.Go(func() {
				var err error
				for err == nil {
					_, err = near.Write(make([]byte, 1<<20)) // nobody reads it
				}
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("Write: %v", err)
				}
			})
		}
		var oneByte [1]byte
		must(far.Read(oneByte[:])) // at least one Write is under way
		// Whether Close was the first to be called does not matter, but all end.
		var unsent *frio.UnsentError
		if err := near.Close(); err != nil && !errors.As(err, &unsent) {
			t.Errorf("Close: %v", err)
		}
		soon(t, "calls after Close", calls.Wait)
		if err := near.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close: %v", err)
		}
		if err := near.SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("SetDeadline after Close: %v", err)
		}
		if err := near.CloseWrite(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("CloseWrite after Close: %v", err)
		}
	})
}

// TestSlowReader: what is written to a peer that does not read stays with who writes.
func TestSlowReader(t *testing.T) {
	const size, boundMax = 64 << 20, 16 << 20 // the kernel's buffers on both sides are 10 MB at most, and TLS's here 64 KiB
	each(t, func(t *testing.T, near, far *netconn.Conn) {
		var before, after runtime.MemStats
		data := make([]byte, size)
		runtime.ReadMemStats(&before)
		near.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		n, err := near.Write(data)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, os.ErrDeadlineExceeded) || n > boundMax {
			t.Fatalf("%d bytes were taken: %v", n, err)
		}
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
			t.Errorf("the heap has grown by %d bytes", grown)
		}
		// Nothing is lost, and it goes on.
		near.SetWriteDeadline(time.Time{})
		go func() {
			near.Write([]byte("the end"))
			near.CloseWrite()
		}()
		got := must(io.ReadAll(far))
		if len(got) != n+7 || !bytes.HasSuffix(got, []byte("\x00the end")) {
			t.Errorf("%d bytes came, of %d", len(got), n+7)
		}
	})
}

func TestResetIsNoEnd(t *testing.T) {
	p, s := startPool(t, 1), newStack(t, "tcp", "")
	l := listen(t, p, s)
	raw := must(net.Dial("tcp", l.Addr().String()))
	far := accept(t, l)
	raw.(*net.TCPConn).SetLinger(0)
	raw.Close()
	_, err := far.Read(make([]byte, 1))
	var op *net.OpError
	if !errors.Is(err, frio.ErrReset) || !errors.As(err, &op) || op.Op != "read" || op.Net != "tcp" {
		t.Errorf("%v", err)
	}
}

// TestTruncatedIsNoEnd: a FIN without close_notify, which a relay below TLS makes.
func TestTruncatedIsNoEnd(t *testing.T) {
	p, s := startPool(t, 1), newStack(t, "tls+tcp", "")
	l := listen(t, p, s)
	between := must(net.Listen("tcp", "127.0.0.1:0"))
	defer between.Close()
	cut := make(chan bool)
	go func() {
		near := must(between.Accept())
		far := must(net.Dial("tcp", l.Addr().String()))
		go io.Copy(near, far)
		go io.Copy(far, near)
		<-cut
		far.(*net.TCPConn).CloseWrite()
		<-cut
		near.Close()
		far.Close()
	}()
	mem, one := clientOf(t, s, between.Addr())
	near, err := netconn.Dial(t.Context(), p.Threads()[0], mem, one)
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far := accept(t, l)
	cut <- true
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, frio.ErrTruncated) {
		t.Errorf("%v", err)
	}
	cut <- true
}

func TestAddresses(t *testing.T) {
	p := startPool(t, 2)
	for _, name := range []string{"tcp", "tls+tcp"} {
		s := newStack(t, name, "")
		near, far := pair(t, p, s)
		if near.LocalAddr().String() != far.RemoteAddr().String() || near.RemoteAddr().String() != far.LocalAddr().String() {
			t.Errorf("%s: %v %v, %v %v", name, near.LocalAddr(), near.RemoteAddr(), far.LocalAddr(), far.RemoteAddr())
		}
		if _, ok := far.RemoteAddr().(*net.TCPAddr); !ok {
			t.Errorf("%s: %T", name, far.RemoteAddr())
		}
	}
	for _, name := range []string{"unix", "tls+unix"} {
		s := newStack(t, name, "")
		l := listen(t, p, s)
		near := dial(t, p, s, l)
		far := accept(t, l)
		if l.Addr().Network() != "unix" || l.Addr().String() != near.RemoteAddr().String() || far.LocalAddr().String() != l.Addr().String() || l.Addr().String() == "" {
			t.Errorf("%s: %v, %v, %v", name, l.Addr(), near.RemoteAddr(), far.LocalAddr())
		}
		if id := far.PeerIdentity(); id == nil || !id.HasCred || int(id.UID) != os.Getuid() {
			t.Errorf("%s: the peer is %v", name, id)
		}
	}
}

// TestProxyAddresses: Accept returns a connection when its PROXY header has come, so the addresses are the real ones from the start.
func TestProxyAddresses(t *testing.T) {
	p, s := startPool(t, 2), newStack(t, "haproxy+tcp", "")
	l := listen(t, p, s)
	silent := must(net.Dial("tcp", l.Addr().String()))
	defer silent.Close()
	raw := must(net.Dial("tcp", l.Addr().String()))
	defer raw.Close()
	must(raw.Write([]byte("PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\nhello")))
	far := accept(t, l)
	if far.RemoteAddr().String() != "192.0.2.7:4711" || far.LocalAddr().String() != "198.51.100.1:443" {
		t.Errorf("%v, %v", far.RemoteAddr(), far.LocalAddr())
	}
	local, remote := far.SocketAddr()
	if local.String() != l.Addr().String() || remote.String() != raw.LocalAddr().String() {
		t.Errorf("of the socket: %v, %v", local, remote)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(far, b); string(b) != "hello" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

func TestDialFails(t *testing.T) {
	p := startPool(t, 1)
	closed := must(net.Listen("tcp", "127.0.0.1:0"))
	closed.Close()
	silent := must(net.Listen("tcp", "127.0.0.1:0"))
	defer silent.Close()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	late, done := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer done()
	for _, c := range []struct {
		name, stack string
		ctx         context.Context
		to          net.Addr
		is          error
	}{
		{"nobody there", "tcp", t.Context(), closed.Addr(), nil},
		{"cancelled before", "tls+tcp", over, silent.Addr(), context.Canceled},
		{"in the handshake", "tls+tcp", late, silent.Addr(), context.DeadlineExceeded},
	} {
		mem, one := clientOf(t, newStack(t, c.stack, ""), c.to)
		conn, err := netconn.Dial(c.ctx, p.Threads()[0], mem, one)
		var op *net.OpError
		if conn != nil || !errors.As(err, &op) || op.Op != "dial" || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v, %v", c.name, conn, err)
		}
		if !mem.Freed() {
			t.Errorf("%s: its memory is not freed", c.name)
		}
	}
}

// TestPoolStops: who has a connection of a pool that has stopped is told, also in a call.
func TestPoolStops(t *testing.T) {
	p, s := startPool(t, 2), newStack(t, "tls+tcp", "")
	l := listen(t, p, s)
	near := dial(t, p, s, l)
	far := accept(t, l)
	ended := make(chan error, 3)
	go func() { _, err := near.Read(make([]byte, 1)); ended <- err }()
	go func() { _, err := far.Read(make([]byte, 1)); ended <- err }()
	go func() { _, err := l.Accept(); ended <- err }()
	cut, err := p.Stop(100 * time.Millisecond) // open connections are their owners' to close: it waits for them
	if err != nil || cut.Members != 2 {
		t.Errorf("%v, %v", cut, err)
	}
	soon(t, "calls of a pool that has stopped", func() {
		for range 3 {
			// Of the two ends of a connection the one that is ended later may see the end of the other.
			if err := <-ended; !errors.Is(err, net.ErrClosed) && err != io.EOF {
				t.Errorf("%v", err)
			}
		}
		if err := near.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("Close: %v", err)
		}
		l.Close()
	})
	mem, one := clientOf(t, s, l.Addr())
	if _, err := netconn.Dial(t.Context(), p.Threads()[0], mem, one); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Dial: %v", err)
	}
	mem, one = parse(t, "listen", s.listen)
	if _, err := netconn.Listen(p.Threads()[0], mem, one); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Listen: %v", err)
	}
}
