package sock_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sock"
	"golang.org/x/sys/unix"
)

// TestOptions: what is set is read back, by us and, where one plain number stands for it, from the kernel.
func TestOptions(t *testing.T) {
	const tcp, udp = frio.Stream, frio.Datagram
	for _, c := range []struct {
		name         string
		option       sock.Option
		kind         frio.Kind
		values       []int
		level, name4 int
		name6        int // of IPPROTO_IPV6; 0: as IPv4
	}{
		{"ReuseAddr", sock.ReuseAddr, tcp, []int{1, 0}, unix.SOL_SOCKET, unix.SO_REUSEADDR, 0},
		{"ReusePort", sock.ReusePort, udp, []int{1, 0}, unix.SOL_SOCKET, unix.SO_REUSEPORT, 0},
		{"NoDelay", sock.NoDelay, tcp, []int{1, 0}, unix.IPPROTO_TCP, unix.TCP_NODELAY, 0},
		{"KeepAlive", sock.KeepAlive, tcp, []int{1, 0}, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0},
		{"KeepIdle", sock.KeepIdle, tcp, []int{77, 1}, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 0},
		{"KeepInterval", sock.KeepInterval, tcp, []int{33, 1}, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 0},
		{"KeepCount", sock.KeepCount, tcp, []int{5, 1}, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 0},
		{"PacketInfo", sock.PacketInfo, udp, []int{1, 0}, unix.IPPROTO_IP, unix.IP_PKTINFO, unix.IPV6_RECVPKTINFO},
		{"Timestamp", sock.Timestamp, udp, []int{1, 0}, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 0},
		{"RecvECN", sock.RecvECN, udp, []int{1, 0}, unix.IPPROTO_IP, unix.IP_RECVTOS, unix.IPV6_RECVTCLASS},
		{"GRO", sock.GRO, udp, []int{1, 0}, unix.IPPROTO_UDP, unix.UDP_GRO, 0},
		{"Broadcast", sock.Broadcast, udp, []int{1, 0}, unix.SOL_SOCKET, unix.SO_BROADCAST, 0},
		{"FreeBind", sock.FreeBind, tcp, []int{1, 0}, unix.IPPROTO_IP, unix.IP_FREEBIND, unix.IPV6_FREEBIND},
	} {
		forFamilies(t, func(t *testing.T, f family) {
			t.Run(c.name, func(t *testing.T) {
				fd := socket(t, f.family, c.kind)
				level, name := c.level, c.name4
				if f.family == sock.Inet6 && c.name6 != 0 {
					level, name = unix.IPPROTO_IPV6, c.name6
				}
				for _, value := range c.values {
					must(t, kernel.SetOption(fd, c.option, value))
					if got, err := kernel.Option(fd, c.option); got != value || err != nil {
						t.Errorf("%d became %d, %v", value, got, err)
					}
					if got, err := unix.GetsockoptInt(fd, level, name); got != value || err != nil {
						t.Errorf("%d became %d in the kernel, %v", value, got, err)
					}
				}
				want(t, "negative", kernel.SetOption(fd, c.option, -1), syscall.EINVAL)
				want(t, "more than 31 bits", kernel.SetOption(fd, c.option, 1<<31), syscall.EINVAL)
			})
		})
	}
}

// TestBuffers: what Option says is what a program may use: the kernel keeps the double.
func TestBuffers(t *testing.T) {
	for _, kind := range []frio.Kind{frio.Stream, frio.Datagram} {
		fd := socket(t, sock.Inet4, kind)
		for o, name := range map[sock.Option]int{sock.RecvBuff: unix.SO_RCVBUF, sock.SendBuff: unix.SO_SNDBUF} {
			must(t, kernel.SetOption(fd, o, 20_000))
			raw, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, name)
			must(t, err)
			if got, err := kernel.Option(fd, o); got != 20_000 || raw != 40_000 || err != nil {
				t.Errorf("%v %d: %d, in the kernel %d, %v", kind, o, got, raw, err)
			}
		}
		// More than the system allows is cut, and told so.
		text, err := os.ReadFile("/proc/sys/net/core/rmem_max")
		must(t, err)
		most, err := strconv.Atoi(strings.TrimSpace(string(text)))
		must(t, err)
		must(t, kernel.SetOption(fd, sock.RecvBuff, 1<<30))
		if got, err := kernel.Option(fd, sock.RecvBuff); got != most || err != nil {
			t.Errorf("%v: %d, %v, want %d", kind, got, err, most)
		}
	}
}

func TestDontFragment(t *testing.T) {
	forFamilies(t, func(t *testing.T, f family) {
		fd := socket(t, f.family, frio.Datagram)
		level, name := unix.IPPROTO_IP, unix.IP_MTU_DISCOVER
		if f.family == sock.Inet6 {
			level, name = unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER
		}
		for value, mode := range []int{unix.IP_PMTUDISC_DONT, unix.IP_PMTUDISC_DO} {
			must(t, kernel.SetOption(fd, sock.DontFragment, value))
			raw, err := unix.GetsockoptInt(fd, level, name)
			must(t, err)
			if got, err := kernel.Option(fd, sock.DontFragment); got != value || raw != mode || err != nil {
				t.Errorf("%d became %d, in the kernel %d, %v", value, got, raw, err)
			}
			if f.family == sock.Inet6 {
				if raw, err := unix.GetsockoptInt(fd, level, unix.IPV6_DONTFRAG); raw != value || err != nil {
					t.Errorf("%d became %d for this machine's own fragments, %v", value, raw, err)
				}
			}
		}
	})
}

func TestOptionsThatAreMissing(t *testing.T) {
	local, tcp := socket(t, sock.Local, frio.Datagram), socket(t, sock.Inet4, frio.Stream)
	for _, c := range []struct {
		fd     int
		option sock.Option
	}{
		{local, sock.PacketInfo}, {local, sock.RecvECN}, {local, sock.DontFragment}, {local, sock.FreeBind}, {local, sock.NoDelay},
		{local, sock.KeepIdle}, {tcp, sock.GRO}, {tcp, 0}, {tcp, 200},
	} {
		if err := kernel.SetOption(c.fd, c.option, 1); err != syscall.ENOPROTOOPT && err != syscall.EOPNOTSUPP {
			t.Errorf("setting %d of %d: %v", c.option, c.fd, err)
		}
		if _, err := kernel.Option(c.fd, c.option); err != syscall.ENOPROTOOPT && err != syscall.EOPNOTSUPP {
			t.Errorf("reading %d of %d: %v", c.option, c.fd, err)
		}
	}
	for _, o := range []sock.Option{sock.Unsent, sock.Pending} {
		want(t, "setting what is read only", kernel.SetOption(tcp, o, 1), syscall.EINVAL)
	}
	_, err := kernel.Option(-1, sock.RecvDropped)
	want(t, "no descriptor", err, syscall.EBADF)
}

// TestDropped: every datagram is either read or counted as dropped.
func TestDropped(t *testing.T) {
	server, own := bound(t, sock.Inet4, frio.Datagram, inet("127.0.0.1", 0))
	must(t, kernel.SetOption(server, sock.RecvDropped, 1))
	if n, err := kernel.Option(server, sock.RecvDropped); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	must(t, kernel.SetOption(server, sock.RecvBuff, 4096))
	client := socket(t, sock.Inet4, frio.Datagram)
	const sent = 200
	for range sent {
		if _, err := kernel.SendPackets(client, []frio.Packet{{Data: make([]byte, 100), Remote: own.AddrPort}}); err != nil {
			t.Fatal(err)
		}
	}
	dropped, err := kernel.Option(server, sock.RecvDropped)
	if dropped == 0 || err != nil {
		t.Errorf("%d dropped, %v", dropped, err)
	}
	recvPackets(t, server, sent-dropped, 200)
	noneLeft(t, server)
}

func TestFreeBind(t *testing.T) {
	for _, ip := range []string{"192.0.2.77", "2001:db8::77"} {
		f := sock.Inet4
		if strings.Contains(ip, ":") {
			f = sock.Inet6
		}
		fd := socket(t, f, frio.Datagram)
		want(t, ip, kernel.Bind(fd, inet(ip, 0)), syscall.EADDRNOTAVAIL)
		set(t, fd, sock.FreeBind)
		must(t, kernel.Bind(fd, inet(ip, 0)))
	}
}

func TestReusePort(t *testing.T) {
	one, own := bound(t, sock.Inet4, frio.Datagram, inet("127.0.0.1", 0))
	_ = one
	two := socket(t, sock.Inet4, frio.Datagram)
	want(t, "the same port", kernel.Bind(two, own), syscall.EADDRINUSE)
	set(t, two, sock.ReusePort)
	want(t, "the same port, when only one shares", kernel.Bind(two, own), syscall.EADDRINUSE)
}

// TestSteer: a peer always meets the same socket, the one that Steered tells, and peers spread over all of them.
func TestSteer(t *testing.T) {
	for _, c := range []struct {
		family
		from func(i int) string
	}{
		{families[0], func(i int) string { return fmt.Sprintf("127.0.%d.%d", i/7, 1+i%7) }},
		{families[1], func(int) string { return "::1" }},
	} {
		for _, shards := range []int{1, 2, 3, 4} {
			t.Run(fmt.Sprintf("%s, %d shards", c.name, shards), func(t *testing.T) {
				fds, own := []int{}, inet(c.any, 0)
				for range shards {
					fd := socket(t, c.family.family, frio.Datagram)
					set(t, fd, sock.ReusePort)
					must(t, kernel.Bind(fd, own))
					addr, err := kernel.LocalAddr(fd)
					must(t, err)
					own = addr
					fds = append(fds, fd)
				}
				must(t, kernel.SteerPackets(fds[0], shards))
				const peers, rounds = 192, 3
				to := inet(c.loopback, own.AddrPort.Port()).AddrPort
				met, steered := map[byte][]int{}, make([]int, peers)
				perShard := make([]int, shards)
				packets := make([]frio.Packet, 8)
				for i := range packets {
					packets[i].Data = make([]byte, 0, 8)
				}
				for i := range peers {
					client, from := bound(t, c.family.family, frio.Datagram, inet(c.from(i), 0))
					steered[i] = kernel.Steered(from.AddrPort, shards)
					if c.family.family == sock.Inet4 && i%2 == 0 { // a longer header: the port is further behind
						must(t, unix.SetsockoptString(client, unix.IPPROTO_IP, unix.IP_OPTIONS, "\x01\x01\x01\x00"))
					}
					for range rounds {
						if n, err := kernel.SendPackets(client, []frio.Packet{{Data: []byte{byte(i)}, Remote: to}}); n != 1 || err != nil {
							t.Fatal(n, err)
						}
					}
					closeNow(t, client)
					for shard, fd := range fds {
						n, err := kernel.RecvPackets(fd, packets)
						if err != syscall.EAGAIN {
							must(t, err)
						}
						for _, p := range packets[:n] {
							met[p.Data[0]] = append(met[p.Data[0]], shard)
							perShard[shard]++
						}
					}
				}
				for peer := range byte(peers) {
					got := met[peer]
					if len(got) != rounds || got[0] != got[rounds-1] || got[0] != steered[peer] {
						t.Errorf("peer %d met the shards %v, Steered is %d", peer, got, steered[peer])
					}
				}
				for shard, n := range perShard {
					if least := peers * rounds / shards / 3; n < least {
						t.Errorf("shard %d of %d got %d datagrams, fewer than %d", shard, shards, n, least)
					}
				}
			})
		}
	}
}

func TestSteerRefuses(t *testing.T) {
	fd := socket(t, sock.Inet4, frio.Datagram)
	for _, count := range []int{0, -1, 1 << 16} {
		want(t, "count", kernel.SteerPackets(fd, count), syscall.EINVAL)
	}
	want(t, "no group", kernel.SteerPackets(fd, 2), syscall.EINVAL)
	want(t, "Local", kernel.SteerPackets(socket(t, sock.Local, frio.Datagram), 2), syscall.EOPNOTSUPP)
}
