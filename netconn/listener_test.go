package netconn_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/frio-io/frio/netconn"
)

// echo sends everything back on each connection of l, until l is closed.
func echo(t testing.TB, l net.Listener) {
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				_, _ = io.Copy(c, c)
				c.Close()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		soon(t, "the echo's connections", all.Wait)
	})
}

// ask sends text and wants it back.
func ask(t testing.TB, c net.Conn, text string) {
	t.Helper()
	b := make([]byte, len(text))
	_, err := c.Write([]byte(text))
	if err == nil {
		_, err = io.ReadFull(c, b)
	}
	if err != nil || string(b) != text {
		t.Errorf("%q, %v", b, err)
	}
}

func TestListenerClosedWhileAcceptWaits(t *testing.T) {
	for _, name := range append(streams, "udp", "tls+udp") {
		t.Run(name, func(t *testing.T) {
			p, s := startPool(t, 2), newStack(t, name, "")
			l := listen(t, p, s)
			var calls sync.WaitGroup
			begun := make(chan bool)
			for range 3 {
				calls.Go(func() {
					begun <- true
					if c, err := l.Accept(); c != nil || !errors.Is(err, net.ErrClosed) {
						t.Errorf("%v, %v", c, err)
					}
				})
				<-begun
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			soon(t, "Accept after Close", calls.Wait)
			if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Accept: %v", err)
			}
			if err := l.Close(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("second Close: %v", err)
			}
		})
	}
}

// TestConnectionsOutliveTheirListener, as in package net; and who was not accepted is closed.
func TestConnectionsOutliveTheirListener(t *testing.T) {
	for _, name := range streams {
		t.Run(name, func(t *testing.T) {
			p, s := startPool(t, 2), newStack(t, name, "")
			l := listen(t, p, s)
			var near, far []*netconn.Conn
			for range 8 {
				near = append(near, dial(t, p, s, l))
				far = append(far, accept(t, l))
			}
			late := dial(t, p, s, l)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			for i := range near {
				must(far[i].Write([]byte("still here")))
				b := make([]byte, 10)
				if _, err := io.ReadFull(near[i], b); err != nil || string(b) != "still here" {
					t.Errorf("%q, %v", b, err)
				}
			}
			if n, err := late.Read(make([]byte, 1)); err == nil || n > 0 {
				t.Error("a connection that nobody accepted goes on")
			}
		})
	}
}

// TestPortIsFreeAfterClose: Close has closed the socket when it returns.
func TestPortIsFreeAfterClose(t *testing.T) {
	p, s := startPool(t, 1), newStack(t, "tcp", "")
	l := listen(t, p, s)
	l.Close()
	if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
		c.Close()
		t.Error("somebody listens still")
	}
	s.listen = strings.Replace(s.listen, "port = 0", fmt.Sprintf("port = %d", l.Addr().(*net.TCPAddr).Port), 1)
	listen(t, p, s)
}

// TestSilentPeersAreNotAccepted: who does not come through a handshake is never seen, and holds up nobody.
func TestSilentPeersAreNotAccepted(t *testing.T) {
	p, s := startPool(t, 2), newStack(t, "tls+tcp", "")
	l := listen(t, p, s)
	for i := range 100 {
		raw := must(net.Dial("tcp", l.Addr().String()))
		defer raw.Close()
		if i%2 == 0 {
			must(raw.Write([]byte("GET / HTTP/1.0\r\n\r\n")))
		}
	}
	near := dial(t, p, s, l)
	far := accept(t, l)
	if near.LocalAddr().String() != far.RemoteAddr().String() {
		t.Errorf("accepted %v, not %v", far.RemoteAddr(), near.LocalAddr())
	}
}

// TestFullListenerGoesOn: whoever waits for a place of the IO's own limits gets it when one comes free.
func TestFullListenerGoesOn(t *testing.T) {
	for _, c := range []struct{ name, limit string }{
		{"tcp", "limit {\nmax_connections = 2\n}\n"},
		{"tls+tcp", "limit {\nmax_connections = 2\n}\n"},
		{"tls+tcp", "limit {\nmax_handshakes = 1\n}\n"},
		{"tls+unix", "limit {\nmax_handshakes = 1\n}\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, s := startPool(t, 2), newStack(t, c.name, c.limit)
			l := listen(t, p, s)
			echo(t, l)
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for range 20 {
						near := dial(t, p, s, l)
						ask(t, near, "hello")
						near.Close()
					}
				})
			}
			soon(t, "connections of a listener with few places", all.Wait)
		})
	}
}

// TestFewAreTakenAhead: while nobody accepts, the kernel keeps who waits.
func TestFewAreTakenAhead(t *testing.T) {
	p, s := startPool(t, 1), newStack(t, "tcp", "")
	mem, one := parse(t, "listen", s.listen)
	l := must(netconn.Listen(p.Threads()[0], mem, one))
	defer l.Close()
	for range 100 {
		raw := must(net.Dial("tcp", l.Addr().String()))
		defer raw.Close()
	}
	taken := make(chan string)
	look := func() {
		var b strings.Builder
		one.Debug(&b)
		taken <- b.String()
	}
	// In the turn after this the listener has been told of all of them.
	for range 3 {
		if err := p.Threads()[0].Send(look); err != nil {
			t.Fatal(err)
		}
		if text := <-taken; !strings.Contains(text, "accepted 0,") && !strings.Contains(text, "accepted 16,") {
			t.Errorf("%s", text)
		}
	}
	for range 100 {
		accept(t, l)
	}
}

// TestHandshakesAreBounded: who is silent takes one of the places of those that Accept has not returned, and no more than all of these.
func TestHandshakesAreBounded(t *testing.T) {
	const held, more = 1024, 50
	p, s := startPool(t, 1), newStack(t, "haproxy+tcp", "limit {\nmax_connections = unlimited\nheader_timeout = never\n}\n")
	mem, one := parse(t, "listen", s.listen)
	l := must(netconn.Listen(p.Threads()[0], mem, one))
	defer l.Close()
	var silent []net.Conn
	for range held + more {
		raw := must(net.Dial("tcp", l.Addr().String()))
		defer raw.Close()
		silent = append(silent, raw)
	}
	taken := make(chan bool)
	// look tells whether so many were taken in all.
	look := func(count int) bool {
		t.Helper()
		err := p.Threads()[0].Send(func() {
			var b strings.Builder
			one.Debug(&b)
			taken <- strings.Contains(b.String(), fmt.Sprintf("accepted %d,", count))
		})
		if err != nil {
			t.Fatal(err)
		}
		return <-taken
	}
	soon(t, "all places to be taken", func() {
		for !look(held) {
			runtime.Gosched()
		}
	})
	for range 3 { // turns
		if !look(held) {
			t.Fatal("more were taken")
		}
	}
	silent[0].Close()
	soon(t, "a place that came free to be taken", func() {
		for !look(held + 1) {
			runtime.Gosched()
		}
	})
}

// TestThreadWithoutMemoryRests: it neither spins nor stops listening.
func TestThreadWithoutMemoryRests(t *testing.T) {
	p, s := startPool(t, 1), newStack(t, "tcp", "")
	l := listen(t, p, s)
	th := p.Threads()[0]
	on := func(f func()) {
		t.Helper()
		done := make(chan bool)
		if err := th.Send(func() { f(); close(done) }); err != nil {
			t.Fatal(err)
		}
		<-done
	}
	// Room for the socket of one connection, whose own context is made ahead, and none for the next.
	on(func() { th.Root().SetLimit(0, th.Root().Total().Contexts+1) })
	first := must(net.Dial("tcp", l.Addr().String()))
	defer first.Close()
	accept(t, l)
	var before, after uint64
	on(func() { before = th.Loop().Stats().Events })
	raw := must(net.Dial("tcp", l.Addr().String()))
	defer raw.Close()
	for range 20 {
		on(func() { after = th.Loop().Stats().Events })
	}
	if after != before {
		t.Errorf("it was called %d times", after-before)
	}
	on(func() { th.Root().SetLimit(0, 0) })
	accept(t, l)
}

// TestThreadIsRemoved: listeners, connections and calls under way go on elsewhere.
func TestThreadIsRemoved(t *testing.T) {
	for _, name := range []string{"tcp", "tls+tcp", "udp", "tls+udp"} {
		t.Run(name, func(t *testing.T) {
			p, s := startPool(t, 3), newStack(t, name, "")
			l := listen(t, p, s)
			echo(t, l)
			var near []*netconn.Conn
			for range 6 {
				near = append(near, dial(t, p, s, l))
				ask(t, near[len(near)-1], "before")
			}
			for len(p.Threads()) > 1 {
				var calls sync.WaitGroup
				for i, c := range near {
					calls.Go(func() {
						for range 20 {
							ask(t, c, fmt.Sprintf("connection %d", i))
						}
					})
				}
				if err := p.Remove(p.Threads()[0], patience); err != nil {
					t.Fatal(err)
				}
				soon(t, "calls of connections that move", calls.Wait)
			}
			last := dial(t, p, s, l)
			ask(t, last, "after")
			for _, c := range append(near, last) {
				c.Close()
			}
		})
	}
}

// TestManySockets: a listen for both families is one listener.
func TestManySockets(t *testing.T) {
	p, s := startPool(t, 2), newStack(t, "tls+tcp", "")
	s.listen = strings.Replace(s.listen, "ipaddr = 127.0.0.1\n", "ipaddr = 127.0.0.1\nipv6addr = ::1\n", 1)
	mem, one := parse(t, "listen", s.listen)
	l, err := netconn.Listen(p.Threads()[0], mem, one)
	if err != nil {
		t.Fatal(err) // no IPv6 on loopback
	}
	echo(t, l)
	ask(t, dial(t, p, s, l), "over IPv4")
	if err := p.Remove(p.Threads()[0], patience); err != nil {
		t.Fatal(err)
	}
	ask(t, dial(t, p, s, l), "elsewhere")
}

func TestListenFails(t *testing.T) {
	p := startPool(t, 1)
	taken := must(net.Listen("tcp", "127.0.0.1:0"))
	defer taken.Close()
	port := fmt.Sprintf("port = %d", taken.Addr().(*net.TCPAddr).Port)
	for _, c := range []struct{ name, text string }{
		{"a port that is taken", strings.Replace(newStack(t, "tls+tcp", "").listen, "port = 0", port, 1)},
		{"datagrams on several sockets", strings.Replace(newStack(t, "udp", "").listen, "port = 0", "port = 0\nshards = 2", 1)},
	} {
		mem, one := parse(t, "listen", c.text)
		l, err := netconn.Listen(p.Threads()[0], mem, one)
		var op *net.OpError
		if l != nil || !errors.As(err, &op) || op.Op != "listen" {
			t.Errorf("%s: %v, %v", c.name, l, err)
		}
		if !mem.Freed() {
			t.Errorf("%s: its memory is not freed", c.name)
		}
	}
}
