package sim_test

import (
	"fmt"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
)

// streamScenarios are about TCP connections.
var streamScenarios = []scenario{
	{"refused", func(b *bench) {
		fd, a := b.bound(frio.Stream, lo4)
		b.close(fd)
		c := b.socket(sock.Inet4, frio.Stream)
		b.say("connect", b.k.Connect(c, a))
		b.sayReady("connect", c, both, true)
		b.say("connected", b.k.Connected(c))
		b.say("connected again", b.k.Connected(c))
		b.sayRecv("after", c)
		b.saySend("after", c, "x")
		b.say("connect again", b.k.Connect(c, a))
		b.say("connect a third time", b.k.Connect(c, a))
		b.ready(c, both, true)
		b.say("connect finds the failure", b.k.Connect(c, a))
	}},
	{"connect and half-close", func(b *bench) {
		_, c, s := b.pair()
		b.say("connect again", b.k.Connect(c, at(lo4, 1)))
		b.sayReady("idle", c, both, true)
		b.sayRecv("idle", s)
		n, err := b.k.Recv(s, nil)
		b.say(fmt.Sprint("idle, into nothing ", n), err)
		b.saySend("request", c, "request")
		b.say("close write", b.k.CloseWrite(c))
		b.say("close write twice", b.k.CloseWrite(c))
		b.saySend("after close write", c, "x")
		b.sayReady("server", s, event.Read, true)
		n, err = b.k.Recv(s, nil)
		b.say(fmt.Sprint("into nothing ", n), err)
		b.sayRecv("server", s)
		b.sayReady("server", s, both, true)
		b.sayRecv("server at the end", s)
		b.sayRecv("server at the end again", s)
		b.saySend("reply", s, "reply")
		b.sayReady("client", c, event.Read, true)
		b.sayRecv("client", c)
		b.sayReady("client has all", c, both, true)
		b.close(s)
		b.sayReady("both have ended", c, event.Read, true)
		b.sayReady("both have ended", c, both, true)
		b.sayRecv("client", c)
		b.saySend("client", c, "x")
		_, err = b.k.RemoteAddr(c)
		b.say("remote", err)
		b.say("close write", b.k.CloseWrite(c))
	}},
	{"reset by unread data", func(b *bench) {
		_, c, s := b.pair()
		b.saySend("server", s, "never read")
		b.ready(c, event.Read, true)
		b.saySend("client", c, "not read")
		b.ready(s, event.Read, true)
		b.close(s)
		b.sayReady("client", c, both, true)
		b.sayRecv("what came before", c)
		b.sayRecv("the reset", c)
		b.sayRecv("after the reset", c)
		b.saySend("after the reset", c, "x")
		b.sayReady("after", c, both, true)
		b.say("connected", b.k.Connected(c))
		_, err := b.k.RemoteAddr(c)
		b.say("remote", err)
		b.say("close write", b.k.CloseWrite(c))
	}},
	{"send finds the reset", func(b *bench) {
		_, c, s := b.pair()
		b.saySend("client", c, "not read")
		b.ready(s, event.Read, true)
		b.close(s)
		b.ready(c, both, true)
		b.saySend("first", c, "x")
		b.saySend("second", c, "x")
		b.sayRecv("then", c)
	}},
	{"send to a closed peer", func(b *bench) {
		_, c, s := b.pair()
		b.close(s)
		b.sayReady("fin", c, event.Read, true)
		b.saySend("first", c, "x")
		b.sayReady("rst", c, both, true)
		b.saySend("second", c, "x")
		b.saySend("third", c, "x")
		b.sayRecv("then", c)
	}},
	{"listener closes with a connection waiting", func(b *bench) {
		l, a := b.listener(8)
		c := b.socket(sock.Inet4, frio.Stream)
		b.say("connect", b.k.Connect(c, a))
		b.ready(c, event.Write, true)
		b.say("connected", b.k.Connected(c))
		b.close(l)
		b.sayReady("reset", c, both, true)
		b.sayRecv("reset", c)
	}},
	{"data before accept", func(b *bench) {
		l, a := b.listener(8)
		b.sayReady("nobody", l, both, false)
		_, _, err := b.k.Accept(l)
		b.say("accept nobody", err)
		c := b.socket(sock.Inet4, frio.Stream)
		b.say("connect", b.k.Connect(c, a))
		b.ready(c, event.Write, true)
		b.say("connect completes", b.k.Connect(c, a))
		b.say("connect again", b.k.Connect(c, a))
		b.saySend("early", c, "early")
		b.close(c)
		b.sayReady("listener", l, both, true)
		s, peer, err := b.k.Accept(l)
		b.say("accept", err)
		b.open = append(b.open, s)
		b.logf("peer %v", peer.AddrPort.Addr())
		b.ready(s, event.Read, true)
		b.sayRecv("server", s)
		b.sayRecv("server", s)
	}},
	{"backlog", func(b *bench) {
		_, a := b.listener(1)
		for i := range 3 {
			c := b.socket(sock.Inet4, frio.Stream)
			b.say(fmt.Sprint("connect ", i), b.k.Connect(c, a))
			b.say(fmt.Sprint("connected ", i), b.k.Connected(c))
		}
	}},
}
