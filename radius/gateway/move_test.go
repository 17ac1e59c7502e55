package gateway

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
	"github.com/frio-io/frio/transport"
)

// A connection of a client, and a socket for datagrams, that go to another thread are served there. What was under way is rejected, or counted as gone.
func TestMove(t *testing.T) {
	for _, base := range []string{"tcp", "udp"} {
		t.Run(base, func(t *testing.T) { moves(t, base) })
	}
}

func moves(t *testing.T, base string) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	hole, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}) // a home server that says nothing
	must(err)
	defer hole.Close()
	root, err := conf.ParseString("test.conf", fmt.Sprintf("client nas {\n\tipaddr = 127.0.0.1\n\tsecret = testing123\n\tproto = %s\n}\n"+
		"home_server h0 {\n\tipaddr = 127.0.0.1\n\tport = %d\n\tsecret = testing123\n\tresponse_window = 60s\n}\n", base, hole.LocalAddr().(*net.UDPAddr).Port)+poolText+
		"listen l {\n\tprotocol = "+base+"\n\t"+base+" {\n\t\tipaddr = 127.0.0.1\n\t\tport = 0\n\t}\n}\n", conf.Options{})
	must(err)
	listen := root.TakeSections("listen")[0]
	cfg, errs := ParseConfig(talloc.Root("configuration"), root, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	pool, err := thread.New(thread.Config{Network: 3})
	must(err)
	all, err := transport.NewLanes(pool)
	must(err)
	lanes := slices.Clone(all) // nil where the thread was removed
	g, err := New(all, cfg, Options{})
	must(err)
	pool.Start()
	l := g.NewListen("l", &ListenConfig{Proto: ProtoOf(base, base == "udp"), Server: new(ServerConfig)}, transport.Config{})
	// on does f on the thread of a lane, and waits.
	on := func(lane *transport.Lane, f func()) {
		t.Helper()
		done := make(chan struct{})
		must(lane.Thread().Send(func() { f(); close(done) }))
		<-done
	}
	var addr net.Addr
	on(lanes[0], func() {
		ctx, err := lanes[0].Thread().Root().New("listen")
		must(err)
		one, err := frio.ParseServer(ctx, listen)
		must(err)
		must(one.Open())
		addr = net.TCPAddrFromAddrPort(one.(frio.Addresser).LocalAddr())
		must(transport.NewPort("l", all, one, ctx, l).Join(lanes[0]))
	})
	nas, err := net.Dial(base, addr.String())
	must(err)
	var buf [radius.MaxSize]byte
	id := uint8(0)
	ask := func(code radius.Code, answered bool) {
		t.Helper()
		id++
		b := radius.NewRequest(buf[:0], code, id, [16]byte{id})
		b.AddString(radius.UserName, "bob")
		_, err := nas.Write(seal(&b))
		must(err)
		if !answered {
			return
		}
		must(nas.SetReadDeadline(time.Now().Add(10 * time.Second)))
		for found := false; !found; { // that before may be rejected, as its thread ends
			n, err := nas.Read(buf[:])
			must(err)
			for b := buf[:n]; len(b) > 0; {
				size, err := radius.Frame(b)
				must(err)
				found = found || b[1] == id
				b = b[size:]
			}
		}
	}
	for left := 3; left > 1; left-- {
		ask(radius.AccessRequest, false)
		ask(radius.StatusServer, true)
		at := -1
		for i, lane := range lanes {
			if lane == nil {
				continue
			}
			on(lane, func() {
				lane.Each(func(c *transport.Conn) {
					if s, ok := c.User().(*source); ok {
						if at = i; s.branch != g.branches[i] || s.count != 1 {
							t.Errorf("with %d threads: it is of another lane, with %d under way", left, s.count)
						}
					}
				})
			})
		}
		must(pool.Remove(lanes[at].Thread(), 10*time.Second))
		lanes[at] = nil
	}
	ask(radius.StatusServer, true)
	ended := uint64(0)
	for _, o := range []Outcome{OutcomeGone, OutcomeNoHome, OutcomeNoAnswer} {
		ended += g.Clients()[0].Outcomes[o].Load()
	}
	if ended != 2 {
		t.Errorf("%d of 2 that were under way are counted", ended)
	}
	must(nas.Close())
	if cut, err := pool.Stop(5 * time.Second); err != nil || !cut.None() {
		t.Errorf("stop: %v, %v", cut, err)
	}
	for i, lane := range g.branches {
		if lane.active != 0 {
			t.Errorf("lane %d: %d under way", i, lane.active)
		}
	}
}
