package sock_test

import (
	"bytes"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sock"
	"golang.org/x/sys/unix"
)

// train makes packets of these sizes, each with bytes of its own.
func train(to sock.Addr, sizes ...int) (packets []frio.Packet) {
	for i, n := range sizes {
		packets = append(packets, frio.Packet{Data: bytes.Repeat([]byte{byte('a' + i%26)}, n), Remote: to.AddrPort})
	}
	return packets
}

func same(n, size int) []int {
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = size
	}
	return sizes
}

// TestTrain: whatever way datagrams go, they arrive as they were, and those that can go as a train do.
func TestTrain(t *testing.T) {
	forFamilies(t, func(t *testing.T, f family) {
		for _, c := range []struct {
			name   string
			sizes  []int
			trains int // how many joined ones a GRO socket gets; the rest comes alone
		}{
			{"one", []int{100}, 0},
			{"two", []int{100, 100}, 1},
			{"shorter last", []int{100, 100, 40}, 1},
			{"shorter in the middle", []int{100, 40, 100, 40}, 2},
			{"two shorter ones", []int{100, 40, 40}, 1},
			{"longer later", []int{40, 100, 200}, 0},
			{"empty ones", []int{0, 0, 0}, 0},
			{"empty last", []int{100, 100, 0}, 1},
			{"sixty-four", same(64, 100), 1},
			{"a hundred", same(100, 100), 2},
			{"65,000 bytes", same(60, 1400), 2},
			{"bytes of one", same(8, 1), 1},
		} {
			t.Run(c.name, func(t *testing.T) {
				sock.ForgetTrains()
				alone, own := bound(t, f.family, frio.Datagram, f.addr(0))
				client, clientAddr := bound(t, f.family, frio.Datagram, f.addr(0))
				packets := train(own, c.sizes...)
				for sent := 0; sent < len(packets); {
					n, err := kernel.SendPackets(client, packets[sent:])
					must(t, err)
					sent += n
				}
				for i, p := range recvPackets(t, alone, len(packets), 2048) {
					if !bytes.Equal(p.Data, packets[i].Data) || p.Remote != clientAddr.AddrPort || p.Err != nil {
						t.Fatalf("%d: %d bytes of %d from %v, %v", i, len(p.Data), len(packets[i].Data), p.Remote, p.Err)
					}
				}
				noneLeft(t, alone)

				joined, own := bound(t, f.family, frio.Datagram, f.addr(0))
				set(t, joined, sock.GRO, sock.PacketInfo, sock.Timestamp, sock.RecvECN)
				packets = train(own, c.sizes...)
				if n, err := kernel.SendPackets(client, packets); n != len(packets) || err != nil {
					t.Fatal(n, err)
				}
				trains, at := 0, 0
				for at < len(packets) {
					await(t, joined, unix.POLLIN)
					p := frio.Packet{Data: make([]byte, 0, 65535)}
					segment, err := kernel.RecvTrain(joined, &p)
					must(t, err)
					if p.Err != nil || p.Remote != clientAddr.AddrPort || p.Local != own.AddrPort || p.Time == 0 {
						t.Fatalf("%v to %v at %d, %v", p.Remote, p.Local, p.Time, p.Err)
					}
					if segment > 0 {
						trains++
					} else {
						segment = max(len(p.Data), 1)
					}
					for first := true; first || len(p.Data) > 0; first = false {
						n := min(segment, len(p.Data))
						if !bytes.Equal(p.Data[:n], packets[at].Data) {
							t.Fatalf("%d: %d bytes of %d", at, n, len(packets[at].Data))
						}
						p.Data = p.Data[n:]
						at++
					}
				}
				if trains != c.trains {
					t.Errorf("%d trains, want %d", trains, c.trains)
				}
				noneLeft(t, joined)
			})
		}
	})
	if n := sock.ControlsCut(); n != 0 {
		t.Errorf("%d datagrams had more control messages than there was room for", n)
	}
}

// TestTrainOfTwoPeers: a train has one destination and one source.
func TestTrainOfTwoPeers(t *testing.T) {
	sock.ForgetTrains()
	one, oneAddr := bound(t, sock.Inet4, frio.Datagram, inet("0.0.0.0", 0))
	two, twoAddr := bound(t, sock.Inet4, frio.Datagram, inet("127.0.0.1", 0))
	client, _ := bound(t, sock.Inet4, frio.Datagram, inet("0.0.0.0", 0))
	a, b := train(inet("127.0.0.1", oneAddr.AddrPort.Port()), 50)[0], train(twoAddr, 50)[0]
	from2 := a
	from2.Local = inet("127.0.0.2", 0).AddrPort
	packets := []frio.Packet{a, a, from2, from2, b, a}
	if n, err := kernel.SendPackets(client, packets); n != len(packets) || err != nil {
		t.Fatal(n, err)
	}
	for i, p := range recvPackets(t, one, 5, 64) {
		ip := "127.0.0.1"
		if i == 2 || i == 3 {
			ip = "127.0.0.2"
		}
		if len(p.Data) != 50 || p.Remote.Addr().String() != ip {
			t.Errorf("%d: %d bytes from %v", i, len(p.Data), p.Remote)
		}
	}
	recvPackets(t, two, 1, 64)
	noneLeft(t, two)
}

// TestTrainAsPacket: on a socket with GRO, RecvPackets must not pass a train as one datagram.
func TestTrainAsPacket(t *testing.T) {
	sock.ForgetTrains()
	server, own := bound(t, sock.Inet4, frio.Datagram, inet("127.0.0.1", 0))
	set(t, server, sock.GRO)
	client := socket(t, sock.Inet4, frio.Datagram)
	if n, err := kernel.SendPackets(client, train(own, 50, 50, 50)); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	p := recvPackets(t, server, 1, 1000)[0]
	if len(p.Data) != 0 || !errors.Is(p.Err, frio.ErrTooLong) {
		t.Errorf("%q, %v", p.Data, p.Err)
	}
	if n, err := kernel.SendPackets(client, train(own, 50, 50, 50)); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	await(t, server, unix.POLLIN)
	p = frio.Packet{Data: make([]byte, 0, 100)}
	if segment, err := kernel.RecvTrain(server, &p); segment != 0 || err != nil || len(p.Data) != 0 || !errors.Is(p.Err, frio.ErrTooLong) {
		t.Errorf("a train longer than its buffer: %d, %q, %v, %v", segment, p.Data, p.Err, err)
	}
}

// TestTrainConnected: the socket is asked what it is, once. A Local one would join the datagrams.
func TestTrainConnected(t *testing.T) {
	sock.ForgetTrains()
	server, own := bound(t, sock.Inet4, frio.Datagram, inet("127.0.0.1", 0))
	set(t, server, sock.GRO)
	set(t, server, sock.PacketInfo)
	client := socket(t, sock.Inet4, frio.Datagram)
	must(t, kernel.Connect(client, own))
	packets := train(sock.Addr{}, 50, 50, 50)
	check := func() {
		t.Helper()
		if n, err := kernel.SendPackets(client, packets); n != 3 || err != nil {
			t.Error(n, err)
			return
		}
		await(t, server, unix.POLLIN)
		p := frio.Packet{Data: make([]byte, 0, 1000)}
		if segment, err := kernel.RecvTrain(server, &p); segment != 50 || err != nil || len(p.Data) != 150 || p.Local != own.AddrPort {
			t.Errorf("%d, %d bytes to %v, %v", segment, len(p.Data), p.Local, err)
		}
	}
	check()
	filtered(t, []blocked{
		{unix.SYS_GETSOCKOPT, 1, unix.IPPROTO_UDP, syscall.ENOPROTOOPT},
		{unix.SYS_GETSOCKNAME, -1, 0, syscall.ENOBUFS},
	}, check)
}

// TestLearned: what is known of a descriptor is not believed of the next one of that number.
func TestLearned(t *testing.T) {
	for range 3 {
		fd, own := bound(t, sock.Inet4, frio.Datagram, inet("127.0.0.1", 0))
		set(t, fd, sock.PacketInfo)
		for range 2 {
			if n, err := kernel.SendPackets(fd, train(own, 50, 50)); n != 2 || err != nil {
				t.Fatal(n, err)
			}
			for _, p := range recvPackets(t, fd, 2, 64) {
				if p.Local != own.AddrPort {
					t.Errorf("a datagram to %v says %v", own.AddrPort, p.Local)
				}
			}
		}
		closeNow(t, fd)
		local := socket(t, sock.Local, frio.Datagram)
		if local != fd {
			t.Fatalf("descriptor %d, not %d again", local, fd)
		}
		must(t, kernel.Bind(local, sock.Addr{}))
		name, err := kernel.LocalAddr(local)
		must(t, err)
		must(t, kernel.Connect(local, name))
		if n, err := kernel.SendPackets(local, train(sock.Addr{}, 50, 50)); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		buf := make([]byte, 200)
		for range 2 {
			if n, err := kernel.Recv(local, buf); n != 50 || err != nil {
				t.Errorf("%d bytes, %v", n, err)
			}
		}
		closeNow(t, local)
	}
}

// TestTrainRefused: a train that is longer than the path takes goes datagram by datagram.
func TestTrainRefused(t *testing.T) {
	server, own := bound(t, sock.Inet4, frio.Datagram, inet("127.0.0.1", 0))
	client := socket(t, sock.Inet4, frio.Datagram)
	// UDP_SEGMENT cannot do what has to be fragmented: here 65,000 bytes hold at most one such.
	// A kernel without the option is stood in for by a filter.
	for name, c := range map[string]struct {
		block   []blocked
		pausing bool
	}{
		"kernel without":    {[]blocked{{unix.SYS_GETSOCKOPT, 1, unix.IPPROTO_UDP, syscall.ENOPROTOOPT}}, false},
		"no such socket":    {[]blocked{{unix.SYS_GETSOCKOPT, 1, unix.IPPROTO_UDP, syscall.EOPNOTSUPP}}, false},
		"first call: EIO":   {[]blocked{{unix.SYS_SENDMMSG, 2, 1, syscall.EIO}}, true},
		"first call: inval": {[]blocked{{unix.SYS_SENDMMSG, 2, 1, syscall.EINVAL}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			pausing := sock.ForgetTrains()
			var n int
			var err error
			filtered(t, c.block, func() { n, err = kernel.SendPackets(client, train(own, 50, 50, 50)) })
			if n != 3 || err != nil {
				t.Fatal(n, err)
			}
			for i, p := range recvPackets(t, server, 3, 64) {
				if len(p.Data) != 50 || p.Data[0] != byte('a'+i) {
					t.Errorf("%q", p.Data)
				}
			}
			if got := pausing(); got != c.pausing {
				t.Errorf("pausing %v", got)
			}
		})
	}
	sock.ForgetTrains()
}

// TestTrainKeepsErrors: what a train fails with for a reason of its own is told, not tried again.
func TestTrainKeepsErrors(t *testing.T) {
	sock.ForgetTrains()
	server, own := bound(t, sock.Inet4, frio.Datagram, inet("127.0.0.1", 0))
	client := socket(t, sock.Inet4, frio.Datagram)
	for _, e := range []syscall.Errno{syscall.EAGAIN, syscall.EPERM, syscall.ECONNREFUSED, syscall.ENETUNREACH} {
		var n int
		var err error
		filtered(t, []blocked{{unix.SYS_SENDMMSG, 2, 1, e}}, func() { n, err = kernel.SendPackets(client, train(own, 50, 50, 50)) })
		if n != 0 || err != e {
			t.Errorf("%v: %d, %v", e, n, err)
		}
		noneLeft(t, server)
	}
}

// TestTrainEndsAtBadPacket: a datagram behind a train is lost alone.
func TestTrainEndsAtBadPacket(t *testing.T) {
	sock.ForgetTrains()
	server, own := bound(t, sock.Inet4, frio.Datagram, inet("127.0.0.1", 0))
	client := socket(t, sock.Inet4, frio.Datagram)
	bad := train(inet("127.0.0.1", 0), 50, 50)
	packets := append(append(train(own, 50, 50, 20), bad...), train(own, 60, 60)...)
	if n, err := kernel.SendPackets(client, packets); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	for range bad {
		if n, err := kernel.SendPackets(client, packets[3:]); n != 0 || err != syscall.EINVAL {
			t.Fatal(n, err)
		}
		packets = append(packets[:3:3], packets[4:]...)
	}
	if n, err := kernel.SendPackets(client, packets[3:]); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	got := ""
	for _, p := range recvPackets(t, server, 5, 64) {
		got += fmt.Sprint(len(p.Data), " ")
	}
	if got != "50 50 20 60 60 " {
		t.Error(got)
	}
	noneLeft(t, server)
}
