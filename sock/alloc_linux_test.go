package sock_test

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sock"
	"golang.org/x/sys/unix"
)

// TestDoesNotAllocate: every call on the path of data, on sockets that are warm.
func TestDoesNotAllocate(t *testing.T) {
	check := func(name string, f func()) {
		t.Helper()
		if n := testing.AllocsPerRun(200, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	fail := func(n int, err error) {
		if n <= 0 || err != nil {
			t.Fatal(n, err)
		}
	}
	client, server := connected(t, sock.Inet4, inet("127.0.0.1", 0))
	buf := make([]byte, 64)
	check("stream", func() {
		fail(kernel.Send(client, buf[:30]))
		fail(kernel.Recv(server, buf))
		for {
			if _, err := kernel.Recv(server, buf); err != nil {
				break
			}
		}
	})
	check("options and addresses", func() {
		if err := kernel.SetOption(client, sock.NoDelay, 1); err != nil {
			t.Fatal(err)
		}
		if _, err := kernel.Option(client, sock.Unsent); err != nil {
			t.Fatal(err)
		}
		if _, err := kernel.RemoteAddr(client); err != nil {
			t.Fatal(err)
		}
		if err := kernel.Connected(client); err != nil {
			t.Fatal(err)
		}
	})
	for _, f := range families {
		packets := make([]frio.Packet, 64)
		for i := range packets {
			packets[i].Data = make([]byte, 64)
		}
		send := func(fd int, to netip.AddrPort, size func(i int) int) {
			for i := range packets {
				packets[i].Remote, packets[i].Data = to, packets[i].Data[:size(i)]
			}
			if n, err := kernel.SendPackets(fd, packets); n != len(packets) || err != nil {
				t.Fatal(n, err)
			}
		}
		a, aAddr := bound(t, f.family, frio.Datagram, f.addr(0))
		set(t, a, sock.PacketInfo, sock.Timestamp, sock.RecvECN)
		for name, size := range map[string]func(i int) int{
			"datagrams one by one": func(i int) int { return 20 + i%3 },
			"datagrams as trains":  func(i int) int { return 20 },
			"too long":             func(i int) int { return 64 - i%2 },
		} {
			check(f.name+" "+name, func() {
				send(a, aAddr.AddrPort, size)
				for i := range packets {
					packets[i].Data = packets[i].Data[:0:64]
					if name == "too long" {
						packets[i].Data = packets[i].Data[:0:60]
					}
				}
				for got := 0; got < len(packets); {
					n, err := kernel.RecvPackets(a, packets[got:])
					fail(n, err)
					got += n
				}
				for i := range packets {
					packets[i] = frio.Packet{Data: packets[i].Data[:0:cap(packets[i].Data)]}
					if cap(packets[i].Data) < 64 {
						packets[i].Data = lent[i][:]
					}
				}
			})
		}
		joined, joinedAddr := bound(t, f.family, frio.Datagram, f.addr(0))
		set(t, joined, sock.GRO, sock.PacketInfo)
		long := frio.Packet{Data: make([]byte, 0, 65535)}
		check(f.name+" GRO", func() {
			send(a, joinedAddr.AddrPort, func(int) int { return 30 })
			if n, err := kernel.RecvTrain(joined, &long); n != 30 || err != nil || len(long.Data) != 64*30 {
				t.Fatal(n, err, len(long.Data))
			}
		})
		answer := []frio.Packet{{Data: buf, Remote: aAddr.AddrPort, Local: aAddr.AddrPort, Ifindex: 1}, {Data: buf, Remote: aAddr.AddrPort, Local: f.elsewhere(0).AddrPort, Ifindex: 1}}
		check(f.name+" answers with a source", func() {
			if n, err := kernel.SendPackets(a, answer[:1]); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			if _, err := kernel.SendPackets(a, answer[1:]); err == nil {
				t.Fatal("sent from an address of another machine")
			}
			fail(kernel.RecvPackets(a, packets))
		})
		bad := []frio.Packet{{Data: buf, Remote: f.addr(0).AddrPort}}
		check(f.name+" port 0", func() {
			_, err := kernel.SendPackets(a, bad)
			if sock.PacketError(sock.OpWriteDatagram, netip.AddrPort{}, err) == nil {
				t.Fatal("sent")
			}
		})
		check(f.name+" nothing there", func() {
			if _, err := kernel.RecvPackets(a, packets); err != syscall.EAGAIN {
				t.Fatal(err)
			}
		})
	}

	local, localAddr := bound(t, sock.Local, frio.Datagram, sock.Addr{Path: socketPath(t)})
	check("local datagrams", func() {
		fail(kernel.SendTo(local, buf[:5], localAddr))
		if n, from, err := kernel.RecvFrom(local, buf); n != 5 || from != localAddr || err != nil {
			t.Fatal(n, from, err)
		}
	})
	for _, f := range families {
		l, own := listener(t, f.family, f.addr(0))
		check(f.name+" accept", func() {
			fd, err := kernel.Socket(f.family, frio.Stream)
			fail(fd, err)
			if err := kernel.Connect(fd, own); err != nil && err != syscall.EAGAIN {
				t.Fatal(err)
			}
			pollfd[0] = unix.PollFd{Fd: int32(l), Events: unix.POLLIN}
			for n := 0; n == 0; {
				n, _ = unix.Poll(pollfd[:], waitMax)
			}
			child, _, err := kernel.Accept(l)
			fail(child, err)
			if kernel.Close(child) != nil || kernel.Close(fd) != nil {
				t.Fatal("close")
			}
		})
	}
}

// What the tests above lend, made once.
var (
	lent   [64][64]byte
	pollfd [1]unix.PollFd
)
