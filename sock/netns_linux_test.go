package sock_test

import (
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/sock"
	"golang.org/x/sys/unix"
)

// twoLinks has two pairs of linked interfaces, an alias on each, and nothing else. Addresses come when the links are up,
// and none by themselves: IPv6 loses datagrams while its routes follow a link or an address that comes up.
const twoLinks = `
ip link set lo up
for i in 1 2; do
	ip link add a$i type veth peer name b$i
	ip link set b$i addrgenmode none up
	ip link set a$i addrgenmode none up
done
for i in 1 2; do
	until ip link show a$i | grep -q "state UP"; do sleep 0.02; done
	ip address add 10.0.$i.1/24 dev a$i
	ip address add 10.0.$i.2/24 dev a$i
	ip address add 2001:db8:$i::1/64 dev a$i nodad
	ip address add 2001:db8:$i::2/64 dev a$i nodad
	ip address add fe80::$i/64 dev a$i nodad
done
`

func ifindex(t *testing.T, name string) uint32 {
	t.Helper()
	i, err := net.InterfaceByName(name)
	must(t, err)
	return uint32(i.Index)
}

// TestAnswersFromWhereItWasAsked: a wildcard server on a machine with several addresses and interfaces. The client is
// connected, so that an answer from another address does not reach it.
func TestAnswersFromWhereItWasAsked(t *testing.T) {
	if !friotest.InNamespace(t, twoLinks) {
		return
	}
	for _, c := range []struct {
		family
		from, to string
	}{
		{families[0], "127.0.0.1", "127.0.0.2"},
		{families[0], "127.0.0.1", "10.0.1.2"},
		{families[0], "10.0.1.1", "10.0.1.1"},
		{families[0], "10.0.1.1", "10.0.1.2"},
		{families[0], "10.0.1.1", "10.0.2.1"},
		{families[0], "10.0.2.2", "10.0.1.2"},
		{families[1], "::1", "::1"},
		{families[1], "::1", "2001:db8:1::2"},
		{families[1], "2001:db8:1::1", "2001:db8:1::2"},
		{families[1], "2001:db8:1::1", "2001:db8:2::1"},
		{families[1], "2001:db8:2::2", "2001:db8:1::2"},
	} {
		server, own := bound(t, c.family.family, frio.Datagram, inet(c.any, 0))
		set(t, server, sock.PacketInfo)
		client, from := bound(t, c.family.family, frio.Datagram, inet(c.from, 0))
		to := inet(c.to, own.AddrPort.Port())
		must(t, kernel.Connect(client, to))
		if _, err := kernel.Send(client, []byte("question")); err != nil {
			t.Fatalf("%s to %s: %v", c.from, c.to, err)
		}
		p := recvPackets(t, server, 1, 64)[0]
		if p.Remote != from.AddrPort || p.Local != to.AddrPort || p.Ifindex == 0 {
			t.Errorf("%s to %s: from %v to %v at %d", c.from, c.to, p.Remote, p.Local, p.Ifindex)
		}
		p.Data = []byte("answer")
		if n, err := kernel.SendPackets(server, []frio.Packet{p}); n != 1 || err != nil {
			t.Errorf("%s to %s at interface %d: %v", c.from, c.to, p.Ifindex, err)
			continue
		}
		fds := []unix.PollFd{{Fd: int32(client), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds, 2000); n != 1 || err != nil {
			t.Errorf("%s to %s at interface %d: no answer", c.from, c.to, p.Ifindex)
		}
	}
}

// TestInterfaceOfAnswer: what comes in at one end of a link goes out there, whatever the routes say.
func TestInterfaceOfAnswer(t *testing.T) {
	if !friotest.InNamespace(t, twoLinks) {
		return
	}
	// What leaves at a1 is seen at b1, by a socket that takes every frame there.
	sniff := func(name string) int {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		must(t, err)
		t.Cleanup(func() { unix.Close(fd) })
		const allNetworkOrder = 0x0300 // ETH_P_ALL
		must(t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: allNetworkOrder, Ifindex: int(ifindex(t, name))}))
		return fd
	}
	for _, c := range []struct{ local, remote, device, seen, other string }{
		{"10.0.1.1", "224.1.1.1", "a1", "b1", "b2"},
		{"10.0.2.1", "224.1.1.1", "a2", "b2", "b1"},
		{"2001:db8:2::1", "ff02::1234", "a2", "b2", "b1"},
		{"2001:db8:1::1", "ff02::1234", "a1", "b1", "b2"},
		{"", "ff02::1234", "a2", "b2", "b1"},
		{"", "224.1.1.1", "a1", "b1", "b2"},
	} {
		f := families[0]
		if strings.Contains(c.remote, ":") {
			f = families[1]
		}
		fd := socket(t, f.family, frio.Datagram)
		seen, other := sniff(c.seen), sniff(c.other)
		p := frio.Packet{Data: []byte("the text to look for"), Remote: inet(c.remote, 9).AddrPort, Ifindex: ifindex(t, c.device)}
		if c.local != "" {
			p.Local = inet(c.local, 0).AddrPort
		}
		if n, err := kernel.SendPackets(fd, []frio.Packet{p}); n != 1 || err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		if !sees(t, seen, p.Data, true) {
			t.Errorf("%+v: not seen", c)
		}
		if sees(t, other, p.Data, false) {
			t.Errorf("%+v: seen at the other", c)
		}
	}
}

// sees tells whether a packet socket gets a frame with text; it waits for it if it should.
func sees(t *testing.T, fd int, text []byte, should bool) bool {
	frame := make([]byte, 2048)
	for {
		if should {
			await(t, fd, unix.POLLIN)
		}
		n, _, err := unix.Recvfrom(fd, frame, 0)
		if err != nil {
			return false
		}
		if strings.Contains(string(frame[:n]), string(text)) {
			return true
		}
	}
}

// TestLinkLocal: the scope travels in Ifindex, both ways, and a Zone stays empty.
func TestLinkLocal(t *testing.T) {
	if !friotest.InNamespace(t, twoLinks) {
		return
	}
	addr := inet("fe80::1", 0)
	fd := socket(t, sock.Inet6, frio.Datagram)
	want(t, "no scope", kernel.Bind(fd, addr), syscall.EINVAL)
	addr.Ifindex = ifindex(t, "a1")
	server, own := bound(t, sock.Inet6, frio.Datagram, addr)
	if own.Ifindex != addr.Ifindex || own.AddrPort.Addr().Zone() != "" {
		t.Fatalf("bound to %+v", own)
	}
	client, from := bound(t, sock.Inet6, frio.Datagram, addr)
	question := frio.Packet{Data: []byte("x"), Remote: own.AddrPort, Ifindex: own.Ifindex}
	var p frio.Packet
	for _, info := range []int{0, 1} { // the sender's address alone tells its scope
		must(t, kernel.SetOption(server, sock.PacketInfo, info))
		if n, err := kernel.SendPackets(client, []frio.Packet{question}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		p = recvPackets(t, server, 1, 64)[0]
		if p.Remote != from.AddrPort || p.Ifindex != addr.Ifindex || p.Local.IsValid() != (info == 1) {
			t.Errorf("PacketInfo %d: %+v", info, p)
		}
	}
	if n, err := kernel.SendPackets(server, []frio.Packet{p}); n != 1 || err != nil {
		t.Errorf("answer to %v at %d: %v", p.Remote, p.Ifindex, err)
	}
	recvPackets(t, client, 1, 64)
	// Streams too.
	l, own := listener(t, sock.Inet6, addr)
	stream := socket(t, sock.Inet6, frio.Stream)
	want(t, "no scope", kernel.Connect(stream, sock.Addr{AddrPort: own.AddrPort}), syscall.EINVAL)
	if err := kernel.Connect(stream, own); err != nil {
		want(t, "connect", err, syscall.EAGAIN)
	}
	_, peer := accept(t, l)
	if peer.Ifindex == 0 || peer.AddrPort.Addr().Zone() != "" {
		t.Errorf("peer %+v", peer)
	}
}

func TestBindDevice(t *testing.T) {
	if !friotest.InNamespace(t, twoLinks) {
		return
	}
	fd := socket(t, sock.Inet4, frio.Datagram)
	want(t, "none of that name", kernel.BindDevice(fd, "nowhere"), syscall.ENODEV)
	want(t, "empty", kernel.BindDevice(fd, ""), syscall.ENODEV)
	// The kernel cuts names at 15 bytes, and would take this one for the interface.
	want(t, "too long", kernel.BindDevice(fd, "a1\x00"+strings.Repeat("x", 20)), syscall.ENODEV)
	must(t, kernel.BindDevice(fd, "a1"))
	name, err := unix.GetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE)
	if name != "a1" || err != nil {
		t.Errorf("%q, %v", name, err)
	}
	// Two servers on one port, each at its interface.
	must(t, kernel.Bind(fd, inet("0.0.0.0", 5300)))
	other := socket(t, sock.Inet4, frio.Datagram)
	must(t, kernel.BindDevice(other, "a2"))
	must(t, kernel.Bind(other, inet("0.0.0.0", 5300)))
}

// TestWriteErrors: what a network that does not take it says, for each class of trouble that can be had without a peer.
func TestWriteErrors(t *testing.T) {
	if !friotest.InNamespace(t, twoLinks+"ip link set a1 mtu 1400; ip link set b1 mtu 1400; ip route add prohibit 10.9.0.0/16; ip route add unreachable 10.8.0.0/16") {
		return
	}
	fd := socket(t, sock.Inet4, frio.Datagram)
	must(t, kernel.SetOption(fd, sock.DontFragment, 1))
	for _, c := range []struct {
		name string
		p    frio.Packet
		want syscall.Errno
	}{
		{"no route", frio.Packet{Remote: inet("203.0.113.1", 9).AddrPort}, syscall.ENETUNREACH},
		{"prohibited", frio.Packet{Remote: inet("10.9.0.1", 9).AddrPort}, syscall.EACCES},
		{"unreachable", frio.Packet{Remote: inet("10.8.0.1", 9).AddrPort}, syscall.EHOSTUNREACH},
		{"broadcast", frio.Packet{Remote: inet("10.0.1.255", 9).AddrPort}, syscall.EACCES},
		{"too long", frio.Packet{Remote: inet("10.0.1.9", 9).AddrPort, Data: make([]byte, 1400)}, syscall.EMSGSIZE},
		{"foreign source", frio.Packet{Remote: inet("10.0.1.9", 9).AddrPort, Local: inet("10.0.7.7", 9).AddrPort}, syscall.EINVAL},
		{"no such interface", frio.Packet{Remote: inet("10.0.1.9", 9).AddrPort, Ifindex: 4711}, syscall.ENODEV},
	} {
		n, err := kernel.SendPackets(fd, []frio.Packet{c.p})
		if n != 0 || sock.Classify(sock.OpWriteDatagram, err) != sock.ClassPacket {
			t.Errorf("%s: %d, %v", c.name, n, err)
		}
		if err != c.want && c.name != "foreign source" && c.name != "no such interface" {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	// Without DF the long one is cut into fragments.
	must(t, kernel.SetOption(fd, sock.DontFragment, 0))
	long := frio.Packet{Remote: inet("10.0.1.9", 9).AddrPort, Data: make([]byte, 3000)}
	if n, err := kernel.SendPackets(fd, []frio.Packet{long}); n != 1 || err != nil {
		t.Error(n, err)
	}
	// As a train it cannot be, but each by itself.
	sock.ForgetTrains()
	if n, err := kernel.SendPackets(fd, []frio.Packet{long, long, long}); n != 3 || err != nil {
		t.Error(n, err)
	}
}

// TestConnectOnItsWay: an address that nobody answers for.
func TestConnectOnItsWay(t *testing.T) {
	if !friotest.InNamespace(t, twoLinks) {
		return
	}
	for _, ip := range []string{"10.0.1.99", "2001:db8:1::99"} {
		f := sock.Inet4
		if strings.Contains(ip, ":") {
			f = sock.Inet6
		}
		fd := socket(t, f, frio.Stream)
		for range 3 { // EINPROGRESS, then EALREADY
			want(t, ip, kernel.Connect(fd, inet(ip, 9)), syscall.EAGAIN)
			want(t, ip, kernel.Connected(fd), syscall.EAGAIN)
		}
	}
	fd := socket(t, sock.Inet4, frio.Stream)
	want(t, "no route", kernel.Connect(fd, inet("203.0.113.1", 9)), syscall.ENETUNREACH)
}

// TestMulticast: an answer to a question to a group leaves from an address of the interface.
func TestMulticast(t *testing.T) {
	if !friotest.InNamespace(t, twoLinks+"ip route add 224.0.0.0/4 dev a1") {
		return
	}
	index := ifindex(t, "a1")
	for _, c := range []struct {
		family
		group, from string
		local       netip.Addr
	}{
		{families[0], "224.1.1.1", "10.0.1.2", netip.MustParseAddr("10.0.1.1")},
		{families[1], "ff02::1234", "2001:db8:1::2", netip.Addr{}},
	} {
		server, own := bound(t, c.family.family, frio.Datagram, inet(c.any, 0))
		set(t, server, sock.PacketInfo)
		if c.family.family == sock.Inet4 {
			must(t, unix.SetsockoptIPMreqn(server, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP,
				&unix.IPMreqn{Multiaddr: netip.MustParseAddr(c.group).As4(), Ifindex: int32(index)}))
		} else {
			must(t, unix.SetsockoptIPv6Mreq(server, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP,
				&unix.IPv6Mreq{Multiaddr: netip.MustParseAddr(c.group).As16(), Interface: index}))
		}
		client, from := bound(t, c.family.family, frio.Datagram, inet(c.from, 0))
		question := frio.Packet{Data: []byte("question"), Remote: inet(c.group, own.AddrPort.Port()).AddrPort, Ifindex: index}
		if n, err := kernel.SendPackets(client, []frio.Packet{question}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		p := recvPackets(t, server, 1, 64)[0]
		if p.Remote != from.AddrPort || p.Ifindex != index || p.Local.Addr() != c.local {
			t.Errorf("%s: from %v to %v at %d", c.group, p.Remote, p.Local, p.Ifindex)
		}
		if n, err := kernel.SendPackets(server, []frio.Packet{p}); n != 1 || err != nil {
			t.Errorf("%s: answer: %d, %v", c.group, n, err)
		}
		recvPackets(t, client, 1, 64)
	}
}
