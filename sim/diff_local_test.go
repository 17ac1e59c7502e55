package sim_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
)

// localScenarios are about Unix sockets.
var localScenarios = []scenario{
	{"local stream", func(b *bench) {
		_, c, s, path := b.localPair()
		local, err := b.k.LocalAddr(s)
		b.say(fmt.Sprint("server's name is the listener's ", local.Path == path), err)
		remote, err := b.k.RemoteAddr(s)
		b.say(fmt.Sprintf("server's peer %q", remote.Path), err)
		remote, err = b.k.RemoteAddr(c)
		b.say(fmt.Sprint("client's peer ", remote.Path == path), err)
		cred, err := b.k.PeerCred(s)
		b.say(fmt.Sprint("cred ", cred.UID, " ", cred.GID), err)
		b.say("connected", b.k.Connected(c))
		b.say("connect again", b.k.Connect(c, sock.Addr{Path: path}))
		b.sayReady("idle", c, both, true)
		b.saySend("client", c, "request")
		b.say("close write", b.k.CloseWrite(c))
		b.saySend("client", c, "x")
		b.sayReady("server", s, both, true)
		b.sayRecv("server", s)
		b.sayRecv("server at the end", s)
		b.sayReady("server at the end", s, both, true)
		b.saySend("server", s, "reply")
		b.close(s)
		b.sayReady("client", c, event.Write, true)
		b.sayRecv("client", c)
		b.sayRecv("client at the end", c)
		b.saySend("client", c, "x")
		_, err = b.k.RemoteAddr(c)
		b.say("remote", err)
		b.say("close write", b.k.CloseWrite(c))
	}},
	{"local stream with unread data", func(b *bench) {
		_, c, s, _ := b.localPair()
		b.saySend("client", c, "never read")
		b.saySend("server", s, "reply")
		b.close(s)
		b.sayReady("client", c, both, true)
		b.saySend("client", c, "x")
		b.sayRecv("client", c)
		b.sayRecv("client", c)
		b.sayRecv("client", c)
	}},
	{"local listener closes", func(b *bench) {
		l, _, _, path := b.localPair()
		c := b.socket(sock.Local, frio.Stream)
		b.say("connect", b.k.Connect(c, sock.Addr{Path: path}))
		b.saySend("client", c, "x")
		b.sayReady("listener", l, both, true)
		b.close(l)
		b.sayReady("client", c, both, true)
		b.sayRecv("client", c)
		b.sayRecv("client", c)
		late := b.socket(sock.Local, frio.Stream)
		b.say("stale", b.k.Connect(late, sock.Addr{Path: path}))
		b.say("taken", b.k.Bind(late, sock.Addr{Path: path}))
		f, err := b.k.Lstat(path)
		b.say(fmt.Sprint("file is a socket ", f.Socket), err)
		wrong := f
		wrong.Inode++
		b.say("unlink another", b.k.Unlink(path, wrong))
		b.say("set another", b.k.SetFile(path, wrong, -1, -1, 0o600))
		b.say("unlink", b.k.Unlink(path, f))
		b.say("unlink again", b.k.Unlink(path, f))
		b.say("set gone", b.k.SetFile(path, f, -1, -1, 0o600))
		b.say("gone", b.k.Connect(late, sock.Addr{Path: path}))
		_, err = b.k.Lstat(path)
		b.say("lstat", err)
		b.say("bind", b.k.Bind(late, sock.Addr{Path: path}))
		b.say("bind again", b.k.Bind(late, sock.Addr{Path: path}))
		b.say("not listening", b.k.Connect(b.socket(sock.Local, frio.Stream), sock.Addr{Path: path}))
		b.say("other kind", b.k.Connect(b.socket(sock.Local, frio.Datagram), sock.Addr{Path: path}))
		b.say("no name", b.k.Bind(b.socket(sock.Local, frio.Stream), sock.Addr{}))
		b.say("long name", b.k.Bind(b.socket(sock.Local, frio.Stream), sock.Addr{Path: "/" + strings.Repeat("x", 107)}))
		b.say("long abstract name", b.k.Bind(b.socket(sock.Local, frio.Stream), sock.Addr{Path: "@" + strings.Repeat("x", 108)}))
	}},
	{"file modes", func(b *bench) {
		for _, mode := range []uint32{0o777, 0o660, 0o600, 0o666} {
			path := filepath.Join(b.dir, fmt.Sprint("m", mode))
			fd := b.socket(sock.Local, frio.Stream)
			b.say("mode", b.k.SetMode(fd, mode))
			b.say("bind", b.k.Bind(fd, sock.Addr{Path: path}))
			f, err := b.k.Lstat(path)
			b.say(fmt.Sprintf("%o became %o", mode, f.Mode), err)
			b.say("set", b.k.SetFile(path, f, -1, -1, 0o620))
			f, err = b.k.Lstat(path)
			b.say(fmt.Sprintf("set to %o", f.Mode), err)
			b.must(b.k.SetMode(fd, 0o111))
			f, err = b.k.Lstat(path)
			b.say(fmt.Sprintf("too late: %o", f.Mode), err)
		}
	}},
	{"abstract names", func(b *bench) {
		name := fmt.Sprintf("@frio-%d", os.Getpid())
		l := b.socket(sock.Local, frio.Stream)
		b.say("nobody", b.k.Connect(b.socket(sock.Local, frio.Stream), sock.Addr{Path: name}))
		b.say("bind", b.k.Bind(l, sock.Addr{Path: name}))
		b.say("taken", b.k.Bind(b.socket(sock.Local, frio.Stream), sock.Addr{Path: name}))
		b.must(b.k.Listen(l, 4))
		c := b.socket(sock.Local, frio.Stream)
		b.say("connect", b.k.Connect(c, sock.Addr{Path: name}))
		remote, err := b.k.RemoteAddr(c)
		b.say(fmt.Sprint("peer ", remote.Path == name), err)
		b.close(l)
		own := b.socket(sock.Local, frio.Datagram)
		b.say("any name", b.k.Bind(own, sock.Addr{}))
		local, err := b.k.LocalAddr(own)
		b.say(fmt.Sprintf("%q... of %d", local.Path[:1], len(local.Path)), err)
		b.say("any name again", b.k.Bind(own, sock.Addr{}))
		again, err := b.k.LocalAddr(own)
		b.say(fmt.Sprint("it keeps its name ", again == local), err)
		b.say("a name on top", b.k.Bind(own, sock.Addr{Path: name + "x"}))
		b.say("free again", b.k.Bind(b.socket(sock.Local, frio.Stream), sock.Addr{Path: name}))
	}},
	{"local backlog", func(b *bench) {
		path := filepath.Join(b.dir, "s")
		l := b.socket(sock.Local, frio.Stream)
		b.must(b.k.Bind(l, sock.Addr{Path: path}))
		b.must(b.k.Listen(l, 1))
		var last int
		for i := range 4 {
			last = b.socket(sock.Local, frio.Stream)
			b.say(fmt.Sprint("connect ", i), b.k.Connect(last, sock.Addr{Path: path}))
		}
		s, _, err := b.k.Accept(l)
		b.say("accept", err)
		b.open = append(b.open, s)
		b.say("room again", b.k.Connect(last, sock.Addr{Path: path}))
	}},
	{"local datagrams", func(b *bench) {
		path, own := filepath.Join(b.dir, "d"), filepath.Join(b.dir, "c")
		r := b.socket(sock.Local, frio.Datagram)
		b.must(b.k.Bind(r, sock.Addr{Path: path}))
		c := b.socket(sock.Local, frio.Datagram)
		to := sock.Addr{Path: path}
		sendTo := func(what string, fd int, size int, to sock.Addr) {
			n, err := b.k.SendTo(fd, make([]byte, size), to)
			b.say(fmt.Sprint(what, " send to ", n), err)
		}
		recvFrom := func(what string, fd int) {
			var p [64]byte
			n, from, err := b.k.RecvFrom(fd, p[:])
			b.say(fmt.Sprintf("%s %d bytes from %q", what, n, filepath.Base(from.Path)), err)
		}
		sendTo("unnamed", c, 3, to)
		b.sayReady("receiver", r, both, true)
		recvFrom("unnamed", r)
		b.must(b.k.Bind(c, sock.Addr{Path: own}))
		sendTo("named", c, 4, to)
		recvFrom("named", r)
		recvFrom("nothing", r)
		sendTo("long", c, 65, to)
		recvFrom("long", r)
		sendTo("nobody", c, 1, sock.Addr{Path: path + "x"})
		sendTo("no name", c, 1, sock.Addr{})
		b.say("connect", b.k.Connect(c, to))
		b.saySend("connected", c, "hello")
		b.sayRecv("connected", r)
		n, err := b.k.SendPackets(c, []frio.Packet{{Data: []byte("a")}, {Data: []byte("b")}})
		b.say(fmt.Sprint("batch ", n), err)
		p := []frio.Packet{{Data: make([]byte, 0, 8)}, {Data: make([]byte, 0, 8)}, {Data: make([]byte, 0, 8)}}
		n, err = b.k.RecvPackets(r, p)
		b.say(fmt.Sprintf("batch %d %q %q %v", n, p[0].Data, p[1].Data, p[0].Remote.IsValid()), err)
		b.say("receiver connects elsewhere", b.k.Connect(r, to))
		b.saySend("not for us", c, "x")
		b.close(r)
		b.sayReady("peer closed", c, both, true)
		b.saySend("peer closed", c, "x")
		b.saySend("and again", c, "x")
		sendTo("stale", c, 1, to)
	}},
	{"local datagram queue", func(b *bench) {
		path := filepath.Join(b.dir, "d")
		r := b.socket(sock.Local, frio.Datagram)
		b.must(b.k.Bind(r, sock.Addr{Path: path}))
		c, u := b.socket(sock.Local, frio.Datagram), b.socket(sock.Local, frio.Datagram)
		b.must(b.k.Connect(c, sock.Addr{Path: path}))
		for {
			if _, err := b.k.Send(c, []byte("x")); err != nil {
				b.say("full", err)
				break
			}
		}
		b.sayReady("connected", c, both, false)
		_, err := b.k.SendTo(u, []byte("x"), sock.Addr{Path: path})
		b.say("unconnected", err)
		b.sayReady("unconnected", u, both, false)
		b.sayRecv("one", r)
		b.sayReady("room", c, both, true)
		b.saySend("room", c, "x")
		b.saySend("no room", c, "x")
	}},
}
