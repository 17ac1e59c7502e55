package sock_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sock"
	"golang.org/x/sys/unix"
)

func TestPackets(t *testing.T) {
	forFamilies(t, func(t *testing.T, f family) {
		server, own := bound(t, f.family, frio.Datagram, f.addr(0))
		client, clientAddr := bound(t, f.family, frio.Datagram, f.addr(0))
		var sent []frio.Packet
		for i := range 150 { // more than two system calls hold
			sent = append(sent, frio.Packet{Data: fmt.Appendf(nil, "datagram %d", i), Remote: own.AddrPort})
		}
		sent[3].Data = nil
		count, err := kernel.SendPackets(client, sent)
		if count != len(sent) || err != nil {
			t.Fatal(count, err)
		}
		for i, p := range recvPackets(t, server, len(sent), 64) {
			if !bytes.Equal(p.Data, sent[i].Data) || p.Remote != clientAddr.AddrPort || p.Err != nil {
				t.Errorf("%d: %q from %v, %v", i, p.Data, p.Remote, p.Err)
			}
			if p.Local.IsValid() || p.Ifindex != 0 || p.Time != 0 || p.ECN != 0 {
				t.Errorf("%d: what was not asked for: %+v", i, p)
			}
		}
		noneLeft(t, server)
		if n, err := kernel.RecvPackets(server, nil); n != 0 || err != nil {
			t.Error(n, err)
		}
		if n, err := kernel.SendPackets(server, nil); n != 0 || err != nil {
			t.Error(n, err)
		}
	})
}

// TestArrival: everything that can be known of a datagram at once, and the answer leaves from where it came to.
func TestArrival(t *testing.T) {
	for _, c := range []struct {
		family
		local string
	}{
		{families[0], "127.0.0.1"},
		{families[0], "127.0.0.2"},
		{families[1], "::1"},
	} {
		t.Run(c.local, func(t *testing.T) {
			server, own := bound(t, c.family.family, frio.Datagram, inet(c.any, 0))
			set(t, server, sock.PacketInfo, sock.Timestamp, sock.RecvECN)
			client := socket(t, c.family.family, frio.Datagram)
			to := inet(c.local, own.AddrPort.Port())
			must(t, kernel.Connect(client, to))
			if c.family.family == sock.Inet4 {
				must(t, unix.SetsockoptInt(client, unix.IPPROTO_IP, unix.IP_TOS, 2))
			} else {
				must(t, unix.SetsockoptInt(client, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, 2))
			}
			before := time.Now()
			if _, err := kernel.Send(client, []byte("question")); err != nil {
				t.Fatal(err)
			}
			p := recvPackets(t, server, 1, 64)[0]
			clientAddr, err := kernel.LocalAddr(client)
			must(t, err)
			if string(p.Data) != "question" || p.Remote != clientAddr.AddrPort || p.Local != to.AddrPort || p.ECN != 2 || p.Ifindex != 1 {
				t.Errorf("%+v", p)
			}
			// The two clocks are one, but for its coarse and its fine reading.
			if at := time.Unix(0, p.Time); at.Before(before.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
				t.Errorf("arrived %v, sent %v", at, before)
			}
			p.Data = []byte("answer")
			if n, err := kernel.SendPackets(server, []frio.Packet{p}); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			// Only what comes from the address that was asked reaches a connected client.
			await(t, client, unix.POLLIN)
			buf := make([]byte, 64)
			if n, err := kernel.Recv(client, buf); string(buf[:n]) != "answer" || err != nil {
				t.Errorf("%q, %v", buf[:n], err)
			}
			// The mark of congestion belongs to the question.
			if tos := p.ECN; tos != 2 {
				t.Error(tos)
			}
		})
	}
}

func TestTooLong(t *testing.T) {
	forFamilies(t, func(t *testing.T, f family) {
		server, own := bound(t, f.family, frio.Datagram, f.addr(0))
		set(t, server, sock.PacketInfo)
		client, clientAddr := bound(t, f.family, frio.Datagram, f.addr(0))
		var sent []frio.Packet
		for _, n := range []int{16, 17, 0, 1000, 5} {
			sent = append(sent, frio.Packet{Data: make([]byte, n), Remote: own.AddrPort})
		}
		if n, err := kernel.SendPackets(client, sent); n != len(sent) || err != nil {
			t.Fatal(n, err)
		}
		for i, p := range recvPackets(t, server, len(sent), 16) {
			if p.Remote != clientAddr.AddrPort || p.Local.Addr() != own.AddrPort.Addr() {
				t.Errorf("%d: from %v to %v", i, p.Remote, p.Local)
			}
			if want := len(sent[i].Data); want <= 16 {
				if len(p.Data) != want || p.Err != nil {
					t.Errorf("%d: %d bytes, %v", i, len(p.Data), p.Err)
				}
				continue
			}
			var e *frio.PacketError
			if len(p.Data) != 0 || !errors.As(p.Err, &e) || !errors.Is(p.Err, frio.ErrTooLong) || e.Op != "read" {
				t.Errorf("%d: %d bytes, %v", i, len(p.Data), p.Err)
			}
		}
		noneLeft(t, server)

		// One at a time.
		must(t, kernel.Connect(server, clientAddr))
		if n, err := kernel.SendPackets(client, sent[1:3]); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		await(t, server, unix.POLLIN)
		n, err := kernel.Recv(server, make([]byte, 16))
		if n != 0 || err != syscall.EMSGSIZE {
			t.Error(n, err)
		}
		if n, err := kernel.Recv(server, make([]byte, 16)); n != 0 || err != nil {
			t.Error("empty datagram:", n, err)
		}
	})
}

// TestBadPacketInBatch: sending stops before the bad one, tells about it alone, and goes on behind it.
func TestBadPacketInBatch(t *testing.T) {
	forFamilies(t, func(t *testing.T, f family) {
		good := func(own sock.Addr) frio.Packet { return frio.Packet{Data: []byte("good"), Remote: own.AddrPort} }
		other := families[0]
		if f.family == sock.Inet4 {
			other = families[1]
		}
		long := make([]byte, 65536)
		for _, c := range []struct {
			name string
			bad  frio.Packet
			want []error
		}{
			{"port 0", frio.Packet{Data: []byte("bad"), Remote: f.addr(0).AddrPort}, []error{syscall.EINVAL}},
			{"other family", frio.Packet{Data: []byte("bad"), Remote: other.addr(9).AddrPort}, []error{syscall.EAFNOSUPPORT, syscall.ENETUNREACH}},
			{"too long", frio.Packet{Data: long, Remote: f.addr(9).AddrPort}, []error{syscall.EMSGSIZE}},
			{"no destination", frio.Packet{Data: []byte("bad")}, []error{syscall.EDESTADDRREQ}},
			{"zone", frio.Packet{Data: []byte("bad"), Remote: netip.MustParseAddrPort("[fe80::1%lo]:9")}, []error{syscall.EINVAL}},
			{"source of the other family", frio.Packet{Data: []byte("bad"), Remote: f.addr(9).AddrPort, Local: other.addr(0).AddrPort}, []error{syscall.EINVAL}},
			{"no such interface", frio.Packet{Data: []byte("bad"), Remote: f.elsewhere(9).AddrPort, Ifindex: 99999}, []error{syscall.ENODEV, syscall.EINVAL, syscall.ENETUNREACH, syscall.ENXIO}},
		} {
			for _, at := range []int{0, 1, 64, 70} {
				t.Run(fmt.Sprintf("%s at %d", c.name, at), func(t *testing.T) {
					server, own := bound(t, f.family, frio.Datagram, f.addr(0))
					client := socket(t, f.family, frio.Datagram)
					var packets []frio.Packet
					for range at {
						packets = append(packets, good(own))
					}
					packets = append(packets, c.bad, good(own), good(own))
					for done := 0; done < at; {
						n, err := kernel.SendPackets(client, packets[done:])
						if n == 0 || err != nil || done+n > at {
							t.Fatalf("after %d: %d, %v", done, n, err)
						}
						done += n
					}
					n, err := kernel.SendPackets(client, packets[at:])
					matches := false
					for _, want := range c.want {
						matches = matches || err == want
					}
					if n != 0 || !matches {
						t.Fatalf("the bad one: %d, %v, want %v", n, err, c.want)
					}
					if class := sock.Classify(sock.OpWriteDatagram, err); class != sock.ClassPacket {
						t.Errorf("%v is %v", err, class)
					}
					if n, err := kernel.SendPackets(client, packets[at+1:]); n != 2 || err != nil {
						t.Fatalf("behind it: %d, %v", n, err)
					}
					for _, p := range recvPackets(t, server, at+2, 64) {
						if string(p.Data) != "good" {
							t.Errorf("%q", p.Data)
						}
					}
					noneLeft(t, server)
				})
			}
		}
	})
}

// TestPendingError: what the network says to a connected socket costs no datagram, and comes once.
func TestPendingError(t *testing.T) {
	forFamilies(t, func(t *testing.T, f family) {
		// Bound and connected elsewhere, so that nothing is taken at that port, and nobody else gets it.
		gone, own := bound(t, f.family, frio.Datagram, f.addr(0))
		must(t, kernel.Connect(gone, f.addr(9)))
		for name, read := range map[string]func(fd int) error{
			"Recv":        func(fd int) error { _, err := kernel.Recv(fd, make([]byte, 8)); return err },
			"RecvPackets": func(fd int) error { _, err := kernel.RecvPackets(fd, make([]frio.Packet, 3)); return err },
			"RecvTrain":   func(fd int) error { _, err := kernel.RecvTrain(fd, &frio.Packet{}); return err },
			"Pending": func(fd int) error {
				e, err := kernel.Option(fd, sock.Pending)
				if err == nil && e != 0 {
					return syscall.Errno(e)
				}
				return err
			},
		} {
			client := socket(t, f.family, frio.Datagram)
			must(t, kernel.Connect(client, own))
			_, err := kernel.Send(client, []byte("x"))
			must(t, err)
			await(t, client, unix.POLLERR)
			want(t, name, read(client), syscall.ECONNREFUSED)
			_, err = kernel.Recv(client, make([]byte, 8))
			want(t, name+", then", err, syscall.EAGAIN)
		}
	})
}

func TestConnectedPackets(t *testing.T) {
	forFamilies(t, func(t *testing.T, f family) {
		server, own := bound(t, f.family, frio.Datagram, f.addr(0))
		client := socket(t, f.family, frio.Datagram)
		must(t, kernel.Connect(client, own))
		must(t, kernel.Connected(client))
		local, err := kernel.LocalAddr(client)
		must(t, err)
		packets := []frio.Packet{{Data: []byte("plain")}, {Data: []byte("from"), Local: local.AddrPort, Ifindex: 1}, {Data: []byte("by"), Ifindex: 1}}
		if n, err := kernel.SendPackets(client, packets); n != 3 || err != nil {
			t.Fatal(n, err)
		}
		for i, p := range recvPackets(t, server, 3, 64) {
			if string(p.Data) != string(packets[i].Data) || p.Remote != local.AddrPort {
				t.Errorf("%d: %q from %v", i, p.Data, p.Remote)
			}
		}
	})
}
