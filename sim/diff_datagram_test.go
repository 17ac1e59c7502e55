package sim_test

import (
	"bytes"
	"fmt"
	"net/netip"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
)

// datagramScenarios are about UDP.
var datagramScenarios = []scenario{
	{"datagrams", func(b *bench) {
		r, to := b.bound(frio.Datagram, lo4)
		s, from := b.bound(frio.Datagram, lo4)
		b.sayReady("empty", r, both, true)
		send := func(what string, p frio.Packet) {
			n, err := b.k.SendPackets(s, []frio.Packet{p})
			b.say(fmt.Sprintf("%s: sent %d", what, n), err)
		}
		recv := func(what string, size int) {
			p := []frio.Packet{{Data: make([]byte, 0, size)}}
			b.ready(r, event.Read, true)
			n, err := b.k.RecvPackets(r, p)
			b.say(fmt.Sprintf("%s: received %d %q too long %v from sender %v", what, n, p[0].Data, p[0].Err != nil, p[0].Remote == from.AddrPort), err)
		}
		send("plain", frio.Packet{Data: []byte("plain"), Remote: to.AddrPort})
		recv("plain", 64)
		send("empty", frio.Packet{Remote: to.AddrPort})
		recv("empty", 64)
		send("long", frio.Packet{Data: []byte("0123456789"), Remote: to.AddrPort})
		recv("long", 4)
		send("port 0", frio.Packet{Data: []byte("x"), Remote: netip.AddrPortFrom(lo4, 0)})
		send("no peer", frio.Packet{Data: []byte("x")})
		send("too long", frio.Packet{Data: make([]byte, 65508), Remote: to.AddrPort})
		send("longest", frio.Packet{Data: bytes.Repeat([]byte("x"), 65507), Remote: to.AddrPort})
		big := []frio.Packet{{Data: make([]byte, 0, 65536)}}
		n, err := b.k.RecvPackets(r, big)
		b.say(fmt.Sprint("longest ", n, len(big[0].Data)), err)
		send("other family", frio.Packet{Data: []byte("x"), Remote: netip.AddrPortFrom(lo6, 9)})
		send("broadcast", frio.Packet{Data: []byte("x"), Remote: netip.MustParseAddrPort("255.255.255.255:9")})
		send("from a foreign address", frio.Packet{Data: []byte("x"), Remote: to.AddrPort, Local: netip.MustParseAddrPort("203.0.113.9:0")})
		send("nobody there", frio.Packet{Data: []byte("x"), Remote: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), to.AddrPort.Port())})
		b.sayReady("an unconnected socket does not hear of it", s, both, true)
		send("wildcard", frio.Packet{Data: []byte("to any"), Remote: netip.AddrPortFrom(any4, to.AddrPort.Port())})
		recv("wildcard", 64)
		var buf [4]byte
		send("long", frio.Packet{Data: []byte("0123456789"), Remote: to.AddrPort})
		b.ready(r, event.Read, true)
		n, err = b.k.Recv(r, buf[:])
		b.say(fmt.Sprint("recv of a long one ", n), err)
		b.must(b.k.SetOption(s, sock.DontFragment, 1))
		send("exactly the MTU", frio.Packet{Data: make([]byte, 65507), Remote: to.AddrPort})
		batch := []frio.Packet{{Data: []byte("a"), Remote: to.AddrPort}, {Data: []byte("b"), Remote: netip.AddrPortFrom(lo4, 0)}, {Data: []byte("c"), Remote: to.AddrPort}}
		n, err = b.k.SendPackets(s, batch)
		b.say(fmt.Sprint("batch ", n), err)
		n, err = b.k.SendPackets(s, batch[1:])
		b.say(fmt.Sprint("batch from the bad one ", n), err)
		b.say("close write", b.k.CloseWrite(s))
	}},
	{"datagrams 6", func(b *bench) {
		r, to := b.bound(frio.Datagram, lo6)
		s := b.socket(sock.Inet6, frio.Datagram)
		send := func(what string, p frio.Packet) {
			n, err := b.k.SendPackets(s, []frio.Packet{p})
			b.say(fmt.Sprintf("%s: sent %d", what, n), err)
		}
		send("plain", frio.Packet{Data: []byte("plain"), Remote: to.AddrPort})
		b.sayReady("plain", r, event.Read, true)
		b.sayRecv("plain", r)
		send("port 0", frio.Packet{Data: []byte("x"), Remote: netip.AddrPortFrom(lo6, 0)})
		send("IPv4", frio.Packet{Data: []byte("x"), Remote: netip.AddrPortFrom(lo4, 9)})
		send("too long", frio.Packet{Data: make([]byte, 65528), Remote: to.AddrPort})
		send("foreign source", frio.Packet{Data: []byte("x"), Remote: to.AddrPort, Local: netip.MustParseAddrPort("[2001:db8::9]:0")})
		send("bad interface", frio.Packet{Data: []byte("x"), Remote: to.AddrPort, Ifindex: 99999})
		s = b.socket(sock.Inet4, frio.Datagram)
		send("bad interface 4", frio.Packet{Data: []byte("x"), Remote: netip.AddrPortFrom(lo4, 9), Ifindex: 99999})
	}},
	{"packet info", func(b *bench) {
		for _, a := range []string{"127.0.0.1", "127.0.0.5", "::1"} {
			addr := netip.MustParseAddr(a)
			wild := any4
			if addr.Is6() {
				wild = any6
			}
			r, local := b.bound(frio.Datagram, wild)
			s := b.socket(map[bool]sock.Family{true: sock.Inet4, false: sock.Inet6}[addr.Is4()], frio.Datagram)
			to := netip.AddrPortFrom(addr, local.AddrPort.Port())
			send := func() frio.Packet {
				n, err := b.k.SendPackets(s, []frio.Packet{{Data: []byte("x"), Remote: to}})
				b.say(fmt.Sprint("sent ", n), err)
				p := []frio.Packet{{Data: make([]byte, 0, 8)}}
				b.ready(r, event.Read, true)
				n, err = b.k.RecvPackets(r, p)
				b.say(fmt.Sprint("received ", n), err)
				return p[0]
			}
			p := send()
			b.logf("%s without: local %v, interface %d, time %v, from %v", a, p.Local.IsValid(), p.Ifindex, p.Time != 0, p.Remote.Addr())
			for _, o := range []sock.Option{sock.PacketInfo, sock.Timestamp, sock.RecvECN} {
				b.must(b.k.SetOption(r, o, 1))
			}
			p = send()
			b.logf("%s with: local %v, its port is ours %v, interface %d, time %v, ECN %d", a, p.Local.Addr(), p.Local.Port() == local.AddrPort.Port(), p.Ifindex, p.Time != 0, p.ECN)
			p.Data = []byte("reply")
			n, err := b.k.SendPackets(r, []frio.Packet{p})
			b.say(fmt.Sprint("reply ", n), err)
			q := []frio.Packet{{Data: make([]byte, 0, 8)}}
			b.ready(s, event.Read, true)
			n, err = b.k.RecvPackets(s, q)
			b.say(fmt.Sprintf("reply %d from where it was sent: %v", n, q[0].Remote == to), err)
		}
	}},
	{"connected datagrams", func(b *bench) {
		peer, peerAddr := b.bound(frio.Datagram, lo4)
		other, otherAddr := b.bound(frio.Datagram, lo4)
		c, a := b.bound(frio.Datagram, any4)
		send := func(fd int, text string) {
			_, err := b.k.SendPackets(fd, []frio.Packet{{Data: []byte(text), Remote: netip.AddrPortFrom(lo4, a.AddrPort.Port())}})
			b.must(err)
		}
		send(other, "before")
		b.ready(c, event.Read, true)
		b.say("connect", b.k.Connect(c, peerAddr))
		local, err := b.k.LocalAddr(c)
		b.say(fmt.Sprint("local ", local.AddrPort.Addr()), err)
		b.say("connected", b.k.Connected(c))
		send(other, "filtered")
		send(peer, "kept")
		b.sayRecv("was there already", c)
		b.ready(c, event.Read, true)
		b.sayRecv("of the peer", c)
		b.sayRecv("of another", c)
		b.saySend("to the peer", c, "hello")
		b.ready(peer, event.Read, true)
		b.sayRecv("peer", peer)
		n, err := b.k.SendPackets(c, []frio.Packet{{Data: []byte("aside"), Remote: otherAddr.AddrPort}})
		b.say(fmt.Sprint("to another ", n), err)
		b.close(peer)
		b.saySend("nobody", c, "x")
		b.sayReady("refused", c, both, true)
		b.saySend("refused", c, "x")
		b.sayRecv("refused again", c)
		b.saySend("refused", c, "x")
		b.ready(c, event.Read, true)
		p := []frio.Packet{{Data: make([]byte, 0, 8)}}
		n, err = b.k.RecvPackets(c, p)
		b.say(fmt.Sprint("refused, batch ", n), err)
		n, err = b.k.RecvPackets(c, p)
		b.say(fmt.Sprint("told once ", n), err)
		b.saySend("refused", c, "x")
		b.ready(c, event.Read, true)
		v, err := b.k.Option(c, sock.Pending)
		b.say(fmt.Sprint("pending ", v), err)
		v, err = b.k.Option(c, sock.Pending)
		b.say(fmt.Sprint("pending ", v), err)
		b.say("another peer", b.k.Connect(c, otherAddr))
		remote, err := b.k.RemoteAddr(c)
		b.say(fmt.Sprint("remote is it ", remote.AddrPort == otherAddr.AddrPort), err)
		b.say("close write", b.k.CloseWrite(c))
		b.saySend("closed", c, "x")
	}},
	{"who gets a datagram", func(b *bench) {
		wild, a := b.bound(frio.Datagram, any4)
		exact := b.socket(sock.Inet4, frio.Datagram)
		b.must(b.k.SetOption(exact, sock.ReuseAddr, 1))
		b.say("without both", b.k.Bind(exact, at(lo4, a.AddrPort.Port())))
		b.close(wild)
		wild = b.socket(sock.Inet4, frio.Datagram)
		b.must(b.k.SetOption(wild, sock.ReuseAddr, 1))
		b.must(b.k.Bind(wild, a))
		b.say("with both", b.k.Bind(exact, at(lo4, a.AddrPort.Port())))
		s, sa := b.bound(frio.Datagram, lo4)
		conn := b.socket(sock.Inet4, frio.Datagram)
		b.must(b.k.SetOption(conn, sock.ReuseAddr, 1))
		b.must(b.k.Bind(conn, at(lo4, a.AddrPort.Port())))
		b.must(b.k.Connect(conn, sa))
		third, _ := b.bound(frio.Datagram, lo4)
		young := third // nothing is sent to it
		who := func(from int, to netip.Addr) {
			_, err := b.k.SendPackets(from, []frio.Packet{{Data: []byte("x"), Remote: netip.AddrPortFrom(to, a.AddrPort.Port())}})
			b.must(err)
			for name, fd := range []int{wild, exact, conn, young} {
				if b.ready(fd, event.Read, false) != 0 {
					b.logf("socket %d got it", name)
					b.sayRecv("it", fd)
				}
			}
		}
		who(s, lo4)
		who(third, lo4)
		young = b.socket(sock.Inet4, frio.Datagram)
		b.must(b.k.SetOption(young, sock.ReuseAddr, 1))
		b.must(b.k.Bind(young, at(lo4, a.AddrPort.Port())))
		who(s, lo4)
		who(third, lo4)
		who(third, netip.MustParseAddr("127.0.0.3"))
	}},
}
