//go:build !race

package gateway

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/transport"
)

// A relayed request and its answer allocate nothing, on real sockets.
func TestRelayAllocatesNothing(t *testing.T) {
	for _, base := range []string{"udp", "tcp"} {
		t.Run(base, func(t *testing.T) { relayAllocates(t, base) })
	}
}

func relayAllocates(t *testing.T, base string) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	port := echoHome(t, base)
	text := fmt.Sprintf("client nas {\n\tipaddr = 127.0.0.1\n\tsecret = testing123\n\tcleanup_delay = 1s\n}\nhome_server h0 {\n\tipaddr = 127.0.0.1\n\tproto = %s\n"+
		"\tport = %d\n\tacct_port = %[2]d\n\tsecret = testing123\n}\n", base, port) + poolText +
		"listen l {\n\tprotocol = " + base + "\n\t" + base + " {\n\t\tipaddr = 127.0.0.1\n\t\tport = 0\n\t}\n}\n"
	root, err := conf.ParseString("test.conf", text, conf.Options{})
	must(err)
	ctx := talloc.Root("test")
	loop, err := event.New(ctx, sock.System, event.Config{})
	must(err)
	lane, err := transport.NewLane(loop, ctx, 0)
	must(err)
	listens := root.TakeSections("listen")
	cfg, errs := ParseConfig(talloc.Root("configuration"), root, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	g, err := New(transport.Lanes{lane}, cfg, Options{})
	must(err)
	one, err := frio.ParseServer(ctx, listens[0])
	must(err)
	must(one.Open())
	l := g.NewListen("l", &ListenConfig{Proto: ProtoOf(base, base == "udp"), Server: new(ServerConfig)}, transport.Config{})
	must(transport.NewPort("l", nil, one, ctx, l).Join(lane))
	nas, err := net.Dial(base, one.(frio.Addresser).LocalAddr().String())
	must(err)
	defer nas.Close()
	defer ctx.Free()

	var buf [4096]byte
	id := uint8(0)
	relay := func() {
		id++
		b := radius.NewRequest(buf[:0], radius.AccessRequest, id, [16]byte{id, 1})
		b.AddString(radius.UserName, "bob")
		b.HidePassword(keys, password)
		req, err := b.Seal(keys)
		must(err)
		_, err = nas.Write(req)
		must(err)
		answers := l.Counts.Answers.Load()
		for l.Counts.Answers.Load() == answers {
			must(loop.Turn(time.Second))
		}
		n, err := nas.Read(buf[:])
		must(err)
		p, err := radius.Parse(buf[:n])
		must(err)
		if p.ID() != id || p.Code() != radius.AccessAccept {
			t.Fatalf("id %d, %v", p.ID(), p.Code())
		}
	}
	for range 600 {
		relay()
	}
	if n := testing.AllocsPerRun(1000, relay); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

var password = []byte(strings.Repeat("password", 2))

// echoHome answers with Access-Accept, and allocates nothing either. It returns its port.
func echoHome(t *testing.T, base string) (port int) {
	t.Helper()
	keys := keys.Clone()
	answer := func(req, room []byte) []byte {
		p, err := radius.Parse(req)
		if err != nil || keys.CheckRequest(p, true) != nil {
			return nil
		}
		b := radius.NewReply(room[:0], radius.AccessAccept, p)
		b.AddString(radius.ReplyMessage, "hello")
		msg, _ := b.Seal(keys)
		return msg
	}
	var in, out [4096]byte
	if base == "udp" {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		go func() {
			for {
				n, from, err := c.ReadFromUDPAddrPort(in[:])
				if err != nil {
					return
				}
				_, _ = c.WriteToUDPAddrPort(answer(in[:n], out[:]), from)
			}
		}()
		return c.LocalAddr().(*net.UDPAddr).Port
	}
	l, err := net.Listen(base, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		for {
			n, err := c.Read(in[:])
			if err != nil {
				return
			}
			_, _ = c.Write(answer(in[:n], out[:]))
		}
	}()
	t.Cleanup(func() { l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}
