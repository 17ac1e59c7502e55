package sim_test

import (
	"fmt"
	"net/netip"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
)

// callScenarios are about addresses, options and calls in the wrong state.
var callScenarios = []scenario{
	{"calls in the wrong state", func(b *bench) {
		for _, f := range []sock.Family{sock.Inet4, sock.Local} {
			s := b.socket(f, frio.Stream)
			b.sayRecv("fresh stream", s)
			b.saySend("fresh stream", s, "x")
			b.say("close write", b.k.CloseWrite(s))
			_, _, err := b.k.Accept(s)
			b.say("accept", err)
			_, err = b.k.RemoteAddr(s)
			b.say("remote", err)
			_, err = b.k.PeerCred(s)
			b.say("cred", err)
			b.say("connected", b.k.Connected(s))
			b.sayReady("fresh stream", s, both, false)
			d := b.socket(f, frio.Datagram)
			b.sayRecv("fresh datagram", d)
			b.saySend("fresh datagram", d, "x")
			b.say("close write", b.k.CloseWrite(d))
			b.say("listen", b.k.Listen(d, 1))
			_, _, err = b.k.Accept(d)
			b.say("accept", err)
			b.sayReady("fresh datagram", d, both, false)
		}
		l, _ := b.listener(1)
		b.sayRecv("listener", l)
		b.saySend("listener", l, "x")
		b.sayReady("listener", l, both, false)
		b.say("bind again", b.k.Bind(l, at(lo4, 0)))
		b.say("bad descriptor", b.k.Listen(1<<30, 1))
		b.say("listen on unbound local", b.k.Listen(b.socket(sock.Local, frio.Stream), 1))
		_, c, _ := b.pair()
		b.say("listen on a connection", b.k.Listen(c, 1))
	}},
	{"bind", func(b *bench) {
		for _, kind := range []frio.Kind{frio.Stream, frio.Datagram} {
			type opts struct{ addr, port bool }
			cases := []struct {
				name   string
				a, b   netip.Addr
				x, y   opts
				listen bool
			}{
				{"same", lo4, lo4, opts{}, opts{}, false},
				{"wildcard second", lo4, any4, opts{}, opts{}, false},
				{"wildcard first", any4, lo4, opts{}, opts{}, false},
				{"other address", lo4, netip.MustParseAddr("127.0.0.2"), opts{}, opts{}, false},
				{"both families", any4, any6, opts{}, opts{}, false},
				{"reuseaddr one", lo4, lo4, opts{addr: true}, opts{}, false},
				{"reuseaddr both", lo4, lo4, opts{addr: true}, opts{addr: true}, false},
				{"reuseaddr both, listening", lo4, lo4, opts{addr: true}, opts{addr: true}, true},
				{"reuseaddr wildcard, listening", any4, lo4, opts{addr: true}, opts{addr: true}, true},
				{"reuseport one", lo4, lo4, opts{port: true}, opts{}, false},
				{"reuseport both", lo4, lo4, opts{port: true}, opts{port: true}, true},
				{"reuseport, then probe", lo4, lo4, opts{port: true}, opts{addr: true}, false},
			}
			for _, c := range cases {
				set := func(fd int, o opts) {
					if o.addr {
						b.must(b.k.SetOption(fd, sock.ReuseAddr, 1))
					}
					if o.port {
						b.must(b.k.SetOption(fd, sock.ReusePort, 1))
					}
				}
				family := func(a netip.Addr) sock.Family {
					if a.Is4() {
						return sock.Inet4
					}
					return sock.Inet6
				}
				first := b.socket(family(c.a), kind)
				set(first, c.x)
				b.must(b.k.Bind(first, at(c.a, 0)))
				local, err := b.k.LocalAddr(first)
				b.must(err)
				if c.listen && kind == frio.Stream {
					b.must(b.k.Listen(first, 1))
				}
				second := b.socket(family(c.b), kind)
				set(second, c.y)
				b.say(fmt.Sprint(kind, " ", c.name), b.k.Bind(second, at(c.b, local.AddrPort.Port())))
				b.close(second)
				b.close(first)
			}
		}
		// Two that share an address may not both listen.
		one := b.socket(sock.Inet4, frio.Stream)
		b.must(b.k.SetOption(one, sock.ReuseAddr, 1))
		b.must(b.k.Bind(one, at(lo4, 0)))
		a, err := b.k.LocalAddr(one)
		b.must(err)
		two := b.socket(sock.Inet4, frio.Stream)
		b.must(b.k.SetOption(two, sock.ReuseAddr, 1))
		b.say("bind beside", b.k.Bind(two, a))
		b.say("first listens", b.k.Listen(one, 1))
		b.say("second listens", b.k.Listen(two, 1))
		b.say("not ours", b.k.Bind(b.socket(sock.Inet4, frio.Stream), at(netip.MustParseAddr("203.0.113.9"), 0)))
		b.say("not ours 6", b.k.Bind(b.socket(sock.Inet6, frio.Datagram), at(netip.MustParseAddr("2001:db8::9"), 0)))
		free := b.socket(sock.Inet4, frio.Datagram)
		b.must(b.k.SetOption(free, sock.FreeBind, 1))
		b.say("free bind", b.k.Bind(free, at(netip.MustParseAddr("203.0.113.9"), 0)))
		b.say("6 on 4", b.k.Bind(b.socket(sock.Inet4, frio.Stream), at(lo6, 0)))
		b.say("4 on 6", b.k.Bind(b.socket(sock.Inet6, frio.Stream), at(lo4, 0)))
		b.say("4 on 6 connect", b.k.Connect(b.socket(sock.Inet6, frio.Stream), at(lo4, 9)))
		b.say("6 on 4 connect", b.k.Connect(b.socket(sock.Inet4, frio.Stream), at(lo6, 9)))
		b.say("4 on 6 connect datagram", b.k.Connect(b.socket(sock.Inet6, frio.Datagram), at(lo4, 9)))
		b.say("6 on 4 connect datagram", b.k.Connect(b.socket(sock.Inet4, frio.Datagram), at(lo6, 9)))
		b.say("nothing", b.k.Bind(b.socket(sock.Inet4, frio.Stream), sock.Addr{}))
		b.say("link-local without scope", b.k.Bind(b.socket(sock.Inet6, frio.Stream), at(netip.MustParseAddr("fe80::1"), 0)))
	}},
	{"time-wait", func(b *bench) {
		l, c, s := b.pair()
		a, err := b.k.LocalAddr(l)
		b.must(err)
		b.close(s) // the server ends it: its port waits
		b.ready(c, event.Read, true)
		b.close(c)
		b.close(l)
		again := b.socket(sock.Inet4, frio.Stream)
		b.say("bind again", b.k.Bind(again, a))
		reuse := b.socket(sock.Inet4, frio.Stream)
		b.must(b.k.SetOption(reuse, sock.ReuseAddr, 1))
		b.say("bind with reuseaddr, to one that had none", b.k.Bind(reuse, a))
	}},
	{"options", func(b *bench) {
		sockets := []int{b.socket(sock.Inet4, frio.Stream), b.socket(sock.Inet6, frio.Stream), b.socket(sock.Inet4, frio.Datagram),
			b.socket(sock.Inet6, frio.Datagram), b.socket(sock.Local, frio.Stream), b.socket(sock.Local, frio.Datagram)}
		for i, fd := range sockets {
			for o := sock.ReuseAddr; o <= sock.Pending; o++ {
				if o != sock.RecvBuff && o != sock.SendBuff {
					v, err := b.k.Option(fd, o)
					b.say(fmt.Sprintf("socket %d option %d is %d", i, o, v), err)
				}
				if b.say(fmt.Sprintf("socket %d set %d", i, o), b.k.SetOption(fd, o, 7)) == nil && o != sock.RecvBuff && o != sock.SendBuff {
					v, err := b.k.Option(fd, o)
					b.say(fmt.Sprintf("now it is %d", v), err)
				}
			}
			b.say("negative", b.k.SetOption(fd, sock.ReuseAddr, -1))
			b.must(b.k.SetOption(fd, sock.SendBuff, 20000))
			v, err := b.k.Option(fd, sock.SendBuff)
			b.say(fmt.Sprint("send buffer ", v), err)
			b.must(b.k.SetOption(fd, sock.RecvBuff, 30000))
			v, err = b.k.Option(fd, sock.RecvBuff)
			b.say(fmt.Sprint("recv buffer ", v), err)
			for _, o := range []sock.Option{sock.RecvBuff, sock.SendBuff} {
				b.must(b.k.SetOption(fd, o, 1))
				v, err := b.k.Option(fd, o)
				b.say(fmt.Sprintf("least of %d: %d", o, v), err)
			}
			b.say("no such interface", b.k.BindDevice(fd, "nosuchif0"))
			b.say("no interface", b.k.BindDevice(fd, ""))
			b.say("steer", b.k.SteerPackets(fd, 0))
		}
		for _, v := range []int{0, 1, 32767, 32768} {
			b.say(fmt.Sprint("keep idle ", v), b.k.SetOption(sockets[0], sock.KeepIdle, v))
			b.say(fmt.Sprint("keep interval ", v), b.k.SetOption(sockets[0], sock.KeepInterval, v))
			b.say(fmt.Sprint("keep count ", v), b.k.SetOption(sockets[0], sock.KeepCount, v))
		}
	}},
	{"accepted sockets inherit", func(b *bench) {
		l := b.socket(sock.Inet4, frio.Stream)
		b.must(b.k.SetOption(l, sock.NoDelay, 1))
		b.must(b.k.SetOption(l, sock.KeepAlive, 1))
		b.must(b.k.SetOption(l, sock.KeepIdle, 33))
		b.must(b.k.SetOption(l, sock.RecvBuff, 10000))
		b.must(b.k.Bind(l, at(lo4, 0)))
		b.must(b.k.Listen(l, 4))
		a, err := b.k.LocalAddr(l)
		b.must(err)
		c := b.socket(sock.Inet4, frio.Stream)
		_ = b.k.Connect(c, a)
		b.ready(l, event.Read, true)
		s, _, err := b.k.Accept(l)
		b.must(err)
		b.open = append(b.open, s)
		for _, o := range []sock.Option{sock.NoDelay, sock.KeepAlive, sock.KeepIdle, sock.RecvBuff} {
			v, err := b.k.Option(s, o)
			b.say(fmt.Sprintf("option %d: %d", o, v), err)
		}
	}},
}
