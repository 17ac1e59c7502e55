package netconn_test

import (
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/netconn"
	"github.com/frio-io/frio/thread"
)

func listenPacket(t testing.TB, p *thread.Pool, text string) net.PacketConn {
	t.Helper()
	mem, one := parse(t, "listen", text)
	c, err := netconn.ListenPacket(p.Threads()[0], mem, one)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestPacketConn(t *testing.T) {
	p := startPool(t, 1)
	one, two := listenPacket(t, p, newStack(t, "udp", "").listen), listenPacket(t, p, newStack(t, "udp", "").listen)
	b := make([]byte, 100)
	for _, text := range []string{"a datagram", "", "another"} {
		if n, err := one.WriteTo([]byte(text), two.LocalAddr()); n != len(text) || err != nil {
			t.Fatalf("%q: %d, %v", text, n, err)
		}
		n, from, err := two.ReadFrom(b)
		if err != nil || string(b[:n]) != text || from.String() != one.LocalAddr().String() {
			t.Fatalf("%q from %v, %v; want %q", b[:n], from, err, text)
		}
		if n, err := two.WriteTo(b[:n], from); n != len(text) || err != nil {
			t.Fatalf("answer: %d, %v", n, err)
		}
		if n, from, err = one.ReadFrom(b); err != nil || string(b[:n]) != text || from.String() != two.LocalAddr().String() {
			t.Fatalf("answer: %q from %v, %v", b[:n], from, err)
		}
	}
}

// TestPacketErrorsCostOneDatagram, and name it.
func TestPacketErrorsCostOneDatagram(t *testing.T) {
	p := startPool(t, 1)
	c := listenPacket(t, p, newStack(t, "udp", "").listen)
	var bad *frio.PacketError
	if _, err := c.WriteTo(make([]byte, 70_000), c.LocalAddr()); !errors.As(err, &bad) {
		t.Errorf("too long to send: %v", err)
	}
	must(c.WriteTo(make([]byte, 1000), c.LocalAddr()))
	must(c.WriteTo([]byte("fits"), c.LocalAddr()))
	b := make([]byte, 100)
	if _, _, err := c.ReadFrom(b); !errors.Is(err, frio.ErrTooLong) {
		t.Errorf("too long to read: %v", err)
	}
	if n, _, err := c.ReadFrom(b); err != nil || string(b[:n]) != "fits" {
		t.Errorf("%q, %v", b[:n], err)
	}
	for _, wrong := range []net.Addr{nil, &net.UnixAddr{Name: "/x"}, &net.UDPAddr{IP: net.ParseIP("fe80::1"), Port: 1, Zone: "nosuch0"}} {
		if _, err := c.WriteTo(b, wrong); err == nil {
			t.Errorf("sent to %v", wrong)
		}
	}
}

func TestPacketConnDeadlineAndClose(t *testing.T) {
	p := startPool(t, 1)
	c := listenPacket(t, p, newStack(t, "udp", "").listen)
	read := func() error {
		_, _, err := c.ReadFrom(make([]byte, 1))
		return err
	}
	c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	for range 2 {
		if err := read(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v", err)
		}
	}
	c.SetDeadline(time.Time{})
	var calls sync.WaitGroup
	for range 3 {
		calls.Go(func() {
			if err := read(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%v", err)
			}
		})
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	soon(t, "calls after Close", calls.Wait)
}

// TestAnswerLeavesFromTheAddressThatWasAsked, where the socket listens on all.
func TestAnswerLeavesFromTheAddressThatWasAsked(t *testing.T) {
	p := startPool(t, 1)
	c := listenPacket(t, p, strings.Replace(newStack(t, "udp", "").listen, "127.0.0.1", "*", 1))
	port := c.LocalAddr().(*net.UDPAddr).Port
	client := must(net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2), Port: port}))
	defer client.Close()
	must(client.Write([]byte("question")))
	b := make([]byte, 100)
	n, from, err := c.ReadFrom(b)
	if err != nil {
		t.Fatal(err)
	}
	must(c.WriteTo(b[:n], from))
	client.SetReadDeadline(time.Now().Add(patience))
	if n, err := client.Read(b); err != nil || string(b[:n]) != "question" { // a connected socket takes it from 127.0.0.2 only
		t.Errorf("%q, %v", b[:n], err)
	}
}

func TestListenPacketOfWhatHasNoAddresses(t *testing.T) {
	p := startPool(t, 1)
	for _, name := range []string{"tcp", "tls+udp"} {
		mem, one := parse(t, "listen", newStack(t, name, "").listen)
		if c, err := netconn.ListenPacket(p.Threads()[0], mem, one); c != nil || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v, %v", name, c, err)
		}
		if !mem.Freed() {
			t.Errorf("%s: its memory is not freed", name)
		}
	}
}

// TestDatagramConns: peers of a datagram listener are connections, which keep the boundaries of messages.
func TestDatagramConns(t *testing.T) {
	for _, name := range []string{"udp", "tls+udp"} {
		t.Run(name, func(t *testing.T) {
			p, s := startPool(t, 2), newStack(t, name, "")
			l := listen(t, p, s)
			near := dial(t, p, s, l)
			must(near.Write([]byte("one")))
			must(near.Write([]byte("two and more")))
			far := accept(t, l)
			b := make([]byte, 100)
			for _, want := range []string{"one", "two and more"} {
				if n, err := far.Read(b); err != nil || string(b[:n]) != want {
					t.Errorf("%q, %v, want %q", b[:n], err, want)
				}
			}
			must(far.Write([]byte("answer")))
			if n, err := near.Read(b); err != nil || string(b[:n]) != "answer" {
				t.Errorf("%q, %v", b[:n], err)
			}
			if err := near.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("CloseWrite: %v", err)
			}
			if near.LocalAddr().String() != far.RemoteAddr().String() || far.RemoteAddr().Network() != "udp" {
				t.Errorf("%v, %v", near.LocalAddr(), far.RemoteAddr())
			}
			// They share the listener's port, and end with it.
			ended := make(chan error, 1)
			go func() { _, err := far.Read(b); ended <- err }()
			l.Close()
			soon(t, "a peer of a closed listener", func() {
				if err := <-ended; !errors.Is(err, net.ErrClosed) {
					t.Errorf("%v", err)
				}
			})
		})
	}
}
