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
		t.Run(base, func(t *testing.T) {
			r := newRealRelay(t, base, "", 1)
			nas := r.nas(r.lanes[0])
			if n := r.allocates(nas, 1000); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

// Nor does one that is handed over, because its lane may have no connection, or because it cannot connect.
func TestHandOverAllocatesNothing(t *testing.T) {
	for name, limit := range map[string]string{"none left": "\tlimit {\n\t\tmax_connections = 1\n\t}\n", "refused": ""} {
		t.Run(name, func(t *testing.T) {
			r := newRealRelay(t, "tcp", limit, 2)
			r.relay(r.nas(r.lanes[0])) // its lane has the one connection that is accepted
			if n := r.allocates(r.nas(r.lanes[1]), 200); n != 0 {
				t.Errorf("%v allocations", n)
			}
			port := r.gateway.homes["h0"].ports[0]
			if n := port.peer.Pool(r.lanes[1]).Up(); n != 0 || port.life() != alive {
				t.Errorf("the second lane has %d connections; the home server is %v", n, port.life())
			}
		})
	}
}

// Nor does a datagram of nobody who is a client.
func TestUnknownClientAllocatesNothing(t *testing.T) {
	r := newRealRelay(t, "udp", "", 1)
	nas := r.nas(r.lanes[0])
	r.relay(nas)
	stranger, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)}, nas.RemoteAddr().(*net.UDPAddr))
	r.must(err)
	defer stranger.Close()
	req := access(1, "bob", "hello")
	count := &r.listen.Counts.UnknownClient
	one := func() {
		_, err := stranger.Write(req)
		r.must(err)
		for before := count.Load(); count.Load() == before; {
			r.must(r.lanes[0].Loop().Turn(time.Second))
		}
	}
	one() // with the line of the log
	if n := testing.AllocsPerRun(500, one); n != 0 {
		t.Errorf("%v allocations", n)
	}
	r.relay(nas)
}

// realRelay is a gateway on lanes of one thread, with a home server on another.
type realRelay struct {
	testing.TB
	base    string
	lanes   transport.Lanes
	gateway *Gateway
	listen  *Listen
	listens *conf.Section
	buf     [radius.MaxSize]byte
	id      uint8
}

func newRealRelay(t *testing.T, base, limit string, lanes int) *realRelay {
	t.Helper()
	r := &realRelay{TB: t, base: base}
	port := echoHome(t, base)
	text := fmt.Sprintf("client nas {\n\tipaddr = 127.0.0.1\n\tsecret = testing123\n\tcleanup_delay = 1s\n}\nhome_server h0 {\n\tipaddr = 127.0.0.1\n\tproto = %s\n"+
		"\tport = %d\n\tacct_port = %[2]d\n\tsecret = testing123\n%s}\n", base, port, limit) + poolText +
		"listen l {\n\tprotocol = " + base + "\n\t" + base + " {\n\t\tipaddr = 127.0.0.1\n\t\tport = 0\n\t}\n}\n"
	root, err := conf.ParseString("test.conf", text, conf.Options{})
	r.must(err)
	for i := range lanes {
		ctx := talloc.Root("test")
		loop, err := event.New(ctx, sock.System, event.Config{})
		r.must(err)
		lane, err := transport.NewLane(loop, ctx, i)
		r.must(err)
		r.lanes = append(r.lanes, lane)
		t.Cleanup(ctx.Free)
	}
	r.listens = root.TakeSections("listen")[0]
	cfg, errs := ParseConfig(talloc.Root("configuration"), root, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	r.gateway, err = New(r.lanes, cfg, Options{})
	r.must(err)
	r.listen = r.gateway.NewListen("l", &ListenConfig{Proto: ProtoOf(base, base == "udp"), Server: new(ServerConfig)}, transport.Config{})
	return r
}

func (r *realRelay) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// nas is a client of a listen on lane.
func (r *realRelay) nas(lane *transport.Lane) net.Conn {
	r.Helper()
	one, err := frio.ParseServer(lane.Context(), r.listens)
	r.must(err)
	r.must(one.Open())
	r.must(transport.NewPort("l", nil, one, lane.Context(), r.listen).Join(lane))
	nas, err := net.Dial(r.base, one.(frio.Addresser).LocalAddr().String())
	r.must(err)
	r.Cleanup(func() { nas.Close() })
	return nas
}

// relay sends a request and waits for the answer.
func (r *realRelay) relay(nas net.Conn) {
	r.id++
	b := radius.NewRequest(r.buf[:0], radius.AccessRequest, r.id, [16]byte{r.id, 1})
	b.AddString(radius.UserName, "bob")
	b.HidePassword(keys, password)
	req, err := b.Seal(keys)
	r.must(err)
	_, err = nas.Write(req)
	r.must(err)
	wait := time.Second
	if len(r.lanes) > 1 {
		wait = 100 * time.Microsecond
	}
	answers := r.listen.Counts.Answers.Load()
	for r.listen.Counts.Answers.Load() == answers {
		for _, l := range r.lanes {
			r.must(l.Loop().Turn(wait))
		}
	}
	n, err := nas.Read(r.buf[:])
	r.must(err)
	p, err := radius.Parse(r.buf[:n])
	r.must(err)
	if p.ID() != r.id || p.Code() != radius.AccessAccept {
		r.Fatalf("id %d, %v", p.ID(), p.Code())
	}
}

// allocates is how much a request allocates, of so many once all is warm.
func (r *realRelay) allocates(nas net.Conn, count int) float64 {
	r.Helper()
	for range count/2 + 100 {
		r.relay(nas)
	}
	return testing.AllocsPerRun(count, func() { r.relay(nas) })
}

var password = []byte(strings.Repeat("password", 2))

// echoHome answers with Access-Accept, and allocates nothing either; over tcp it takes one connection. It returns its port.
func echoHome(t *testing.T, base string) (port int) {
	t.Helper()
	keys := radius.NewKeys([]byte(secret))
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
		l.Close() // who comes later is refused
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
