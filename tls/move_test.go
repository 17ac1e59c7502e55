package tls_test

import (
	ctls "crypto/tls"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/tls"
)

// TestMoveInHandshake: both ends move to another loop after each step of their handshake, coroutine and all, and in the middle of data.
func TestMoveInHandshake(t *testing.T) {
	for _, version := range versions {
		e := friotest.NewEnv(t, true, 1)
		sides := []*friotest.Side{&e.Side, e.NewSide("second"), e.NewSide("third")}
		listen, home := sections(t, "require_client_cert = yes\n"+version, version)
		l := e.ParseText(nil, "listener", "listen {\nprotocol = tls+tcp\n"+tcpText(e, 0)+listen+"}\n")
		if err := l.Open(); err != nil {
			t.Fatal(err)
		}
		l.Wish(nil, nil, nil)
		c := e.ParseText(nil, "client", "home_server {\nprotocol = tls+tcp\n"+tcpText(e, e.Port(l))+home+"}\n")
		c.Wish(nil, nil, nil)
		c.Connect()
		s := e.AcceptFrom(l, nil)
		moves := 0
		text := []byte("in the middle of data")
		move := func() {
			for i, p := range []*friotest.Probe{c, s} {
				e.Move(p, sides[(moves+i)%3], nil, nil)
			}
			moves++
		}
		for c.State() != frio.StateOpen || s.State() != frio.StateOpen {
			if moves > 1000 {
				t.Fatal("no end of the handshake")
			}
			move()
			e.Turn()
		}
		if moves < 2 { // after the hello, and after its answer
			t.Errorf("open after %d moves", moves)
		}
		for range 20 {
			e.Send(c, text)
			e.Send(s, text)
			move()
			e.Expect(s, text)
			move()
			e.Expect(c, text)
		}
	}
}

// TestAbortInHandshake: a connection that is closed or freed at each step of its handshake leaves nothing: TestMain would find its
// coroutine.
func TestAbortInHandshake(t *testing.T) {
	for steps := range 8 {
		for _, free := range []bool{false, true} {
			p := newPiped(t, "")
			for range steps {
				p.client.Connect()
				p.server.Read(make([]byte, 1))
			}
			if !free {
				p.client.Close()
				p.server.Close()
				p.listener.Close()
			}
			p.free()
		}
	}
}

// TestShards: a listen with two sockets is one IO with two listeners, which share keys and limits.
func TestShards(t *testing.T) {
	for _, stack := range []string{"tls+tcp", "tls+udp"} {
		e := friotest.NewEnv(t, true, 1)
		listen, home := sections(t, "", "")
		base := stack[len("tls+"):]
		whole := e.ParseText(nil, "listener", "listen {\nprotocol = "+stack+"\n"+base+" {\nipaddr = *\nipv6addr = *\nport = 2083\n}\n"+listen+"}\n")
		if err := whole.Open(); err != nil {
			t.Fatal(err)
		}
		if _, err := whole.IO.Read(make([]byte, 1)); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Read of the whole: %v", err)
		}
		ctx := e.Context(nil, "children")
		shards := whole.IO.(frio.Sharder).Shards()
		if len(shards) != 2 {
			t.Fatalf("%d shards", len(shards))
		}
		for i, addr := range []string{"127.0.0.1", "::1"} {
			if err := shards[i].Event(e.Loop, func() {}, nil); err != nil {
				t.Fatal(err)
			}
			c := e.ParseText(nil, "client", "home_server {\nprotocol = "+stack+"\n"+base+" {\nipaddr = "+addr+"\nport = 2083\n}\n"+home+"}\n")
			c.Wish(nil, nil, nil)
			c.Connect()
			var child frio.IO
			e.Until("a child", func() bool {
				var err error
				child, err = shards[i].Accept(ctx)
				return err == nil
			})
			e.Until("open", func() bool { return c.State() == frio.StateOpen && state(child) == frio.StateOpen })
			e.Send(c, []byte("hello"))
			buf := make([]byte, 10)
			e.Until("data", func() bool {
				n, err := child.Read(buf)
				return err == nil && string(buf[:n]) == "hello"
			})
			child.Close()
		}
		if n := shards[0].(*tls.Listener).Counts().Handshakes.Load(); n != 2 {
			t.Errorf("%d handshakes counted for both", n)
		}
		whole.Close()
		ctx.Free()
	}
}

// TestIdentity: after the handshake each side knows the other's certificate.
func TestIdentity(t *testing.T) {
	for _, stack := range []string{"tls+tcp", "tls+udp"} {
		e := friotest.NewEnv(t, true, 1)
		c, s := joined(e, stack)
		for _, one := range []struct {
			p    *friotest.Probe
			name string
		}{{c, "server.example.org"}, {s, "client.example.org"}} {
			id := one.p.IO.(frio.Peer).PeerIdentity()
			cert, ok := id.Certificate.(*tls.Certificate)
			if !ok || cert.State.PeerCertificates[0].Subject.CommonName != one.name {
				t.Errorf("%s: %s: the peer is %+v, want %s", stack, one.p.Name, id, one.name)
			}
		}
		state, ok := c.IO.(*tls.Conn).ConnectionState()
		if want := map[string]uint16{"tls+tcp": ctls.VersionTLS13, "tls+udp": ctls.VersionTLS12}[stack]; !ok || state.Version != want && stack == "tls+tcp" {
			t.Errorf("version %x, want %x", state.Version, want)
		}
	}
}

// TestDebugOfConnections: each layer is indented under the one above it, and says its state, what was agreed, who the peer is, what it holds
// and what it waits for; no key is in it.
func TestDebugOfConnections(t *testing.T) {
	for stack, want := range map[string][]string{
		"tls+tcp": {"tls+tcp 127.0.0.1:", "\tstate open, in 5 bytes, out 0 bytes\n", "\tTLS 1.3, TLS_AES_128_GCM_SHA256, X25519MLKEM768\n",
			"\tserver name \"server.example.org\", protocol \"radius/1.1\"\n", "\tpeer \"CN=client.example.org\" (\"client.example.org 127.0.0.1\"), issued by \"CN=test CA\", until 2200-01-01\n",
			"\twants read, asks below for nothing\n", "\tholds a record to be read\n", "\ttcp 127.0.0.1:", "\t\tstate open"},
		"tls+udp": {"tls+udp 127.0.0.1:", "\tstate open, in 5 bytes, out 0 bytes\n", "\tDTLS 1.2, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\n",
			"\tserver name \"server.example.org\", protocol \"radius/1.1\"\n", "\tpeer \"CN=client.example.org\" (\"client.example.org 127.0.0.1\"), issued by \"CN=test CA\", until 2200-01-01\n",
			"\twants read, asks below for ", "\tholds a record to be read\n", "\trecords in 3, out ", ", mtu 1200\n", "\tudp 127.0.0.1:"},
	} {
		e := friotest.NewEnv(t, true, 1)
		c, s := joinedWith(e, stack, "alpn = radius/1.1\n")
		e.Send(c, []byte("first"))
		e.Expect(s, []byte("first"))
		s.Wish(nil, func() {}, nil)
		e.Send(c, []byte("not read so far"))
		e.Until("it is held", func() bool { return strings.Contains(s.DebugText(), "holds a record") })
		text := s.DebugText()
		rest := text
		for _, line := range want {
			_, after, ok := strings.Cut(rest, line)
			if !ok {
				t.Errorf("%s: no %q after what stands before it:\n%s", stack, line, text)
				break
			}
			rest = after
		}
		e.Expect(s, []byte("not read so far"))
	}
}

// joined is a client and the child of it, open.
func joined(e *friotest.Env, stack string) (c, s *friotest.Probe) {
	e.Helper()
	return joinedWith(e, stack, "")
}

// joinedWith is joined with more in both sections.
func joinedWith(e *friotest.Env, stack, more string) (c, s *friotest.Probe) {
	e.Helper()
	listen, home := sections(e.TB, "require_client_cert = yes\n"+more, more)
	text := func(port uint16) string {
		return stack[len("tls+"):] + " {\nipaddr = " + e.Place.Addr.String() + "\nport = " + itoa(port) + "\n}\n"
	}
	l := e.ParseText(nil, "listener", "listen {\nprotocol = "+stack+"\n"+text(0)+listen+"}\n")
	if err := l.Open(); err != nil {
		e.Fatal(err)
	}
	l.Wish(nil, func() {}, nil)
	c = e.ParseText(nil, "client", "home_server {\nprotocol = "+stack+"\n"+text(e.Port(l))+home+"}\n")
	c.Wish(nil, nil, nil)
	c.Connect()
	s = e.AcceptFrom(l, nil)
	s.Wish(nil, nil, nil)
	opened(e, c, s)
	return c, s
}

// TestReplaced: a peer that comes back with a new association from the same address takes the place of its old one, which ends
// with ErrReset, once it has proven its address. Nobody else can end it.
func TestReplaced(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	listen, home := sections(t, "", "")
	l := e.ParseText(nil, "listener", "listen {\nprotocol = tls+udp\nudp {\nipaddr = 127.0.0.1\nport = 2083\n}\n"+listen+"}\n")
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	var children []*friotest.Probe
	l.Wish(nil, func() {
		if c, err := l.Accept(nil); err == nil {
			c.Wish(nil, nil, nil)
			children = append(children, c)
		}
	}, nil)
	connect := func() *friotest.Probe {
		c := e.ParseText(nil, "client", "home_server {\nprotocol = tls+udp\nudp {\nipaddr = 127.0.0.1\nport = 2083\nsrc_ipaddr = 127.0.0.1\nsrc_port = 4000\n}\n"+home+"}\n")
		c.Wish(nil, nil, nil)
		c.Connect()
		return c
	}
	first := connect()
	e.Until("the first", func() bool { return len(children) == 1 && first.State() == frio.StateOpen })
	e.Send(first, []byte("first"))
	e.Expect(children[0], []byte("first"))
	first.IO.(frio.Layer).Lower().Close() // gone without a word
	second := connect()
	e.Until("the second", func() bool { return len(children) == 2 && second.State() == frio.StateOpen })
	if end := e.ExpectEnd(children[0]); !errors.Is(end, frio.ErrReset) {
		t.Errorf("the old association ended with %v, want ErrReset", end)
	}
	e.Send(second, []byte("second"))
	e.Expect(children[1], []byte("second"))
}

// TestCloseNotifyOnIdle: a limit of time ends a connection in order.
func TestCloseNotifyOnIdle(t *testing.T) {
	for _, limit := range []string{"idle_timeout", "lifetime"} {
		e := friotest.NewEnv(t, true, 1)
		l := listener(e, "", limit+" = 30s\n")
		c := client(e, l, "tls+tcp", "")
		s := e.AcceptFrom(l, nil)
		s.Wish(nil, nil, nil)
		opened(e, c, s)
		e.Pass(31 * time.Second)
		if end := e.ExpectEnd(s); !errors.Is(end, frio.ErrTimeout) {
			t.Errorf("%s: Read: %v", limit, end)
		}
		if end := e.ExpectEnd(c); end != io.EOF {
			t.Errorf("%s: the peer's Read: %v, want io.EOF", limit, end)
		}
	}
}

func itoa(n uint16) string {
	return netip.AddrPortFrom(netip.IPv4Unspecified(), n).String()[len("0.0.0.0:"):]
}
