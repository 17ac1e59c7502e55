package gateway

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/sim"
)

// twoLanes has a listen on each of two lanes, on ports 1812 and 1813, and home servers that may have one connection, if
// more says nothing else.
func twoLanes(t *testing.T, from, to, more string, homes int) *world {
	pre := &world{T: t}
	text := ""
	for i := range 2 {
		base := from
		if from == "tls+tcp" {
			base = "tcp"
		}
		text += fmt.Sprintf("listen l%d {\n\tprotocol = %s\n\t%s {\n\t\tipaddr = %s\n\t\tport = %d\n\t}\n}\n", i, from, base, gatewayAddr, 1812+i)
	}
	text += clientText
	if !strings.Contains(more, "limit") {
		more += "\tlimit {\n\t\tmax_connections = 1\n\t}\n"
	}
	for i := range homes {
		text += pre.homeOnText(i, to, acctHere(to)+more)
	}
	text += "home_server_pool all {\n"
	for i := range homes {
		text += fmt.Sprintf("\thome_server = h%d\n", i)
	}
	return newWorldOf(t, sim.New(1, sim.Options{}), 2, text+"}\nrealm DEFAULT {\n\tpool = all\n}\n")
}

// A thread that gets no connection hands the request to one that has.
func TestHandOver(t *testing.T) {
	for _, to := range []string{"tcp", "tls+tcp", "tls+udp"} {
		t.Run(to, func(t *testing.T) {
			w := twoLanes(t, "udp", to, "", 1)
			h := w.homeOn(0, to)
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			for id := range uint8(20) {
				req := build(id, func(b *radius.Builder) {
					b.AddString(radius.UserName, fmt.Sprint("user", id))
					b.AddString(radius.ProxyState, "mine")
				})
				nas.send(fmt.Sprint("192.0.2.1:", 1812+int(id)%2), req)
				p := w.reply(nas.receive(), req)
				if m := values(p, radius.ReplyMessage); string(m[0]) != fmt.Sprint("user", id) || len(values(p, radius.ProxyState)) != 1 {
					t.Errorf("%d: %q", id, m)
				}
			}
			if len(h.conns) != 1 || h.count != 20 {
				t.Errorf("%d connections, %d requests", len(h.conns), h.count)
			}
			w.idle()
		})
	}
}

// idle checks that nothing is left under way on any lane.
func (w *world) idle() {
	w.Helper()
	w.pass(10 * time.Second)
	for i, l := range w.gateway.branches {
		if l.active != 0 || l.table.Len() != 0 {
			w.Errorf("lane %d: %d under way, %d in the table", i, l.active, l.table.Len())
		}
	}
	for _, h := range w.gateway.Homes() {
		for _, p := range h.Ports {
			if n := p.Peer.Outstanding(); n != 0 {
				w.Errorf("home server %s, %s: %d under way", h.Name, p.Name, n)
			}
		}
	}
}

// A request that was handed over moves like any other: at once when the connection ends, and after response_window; copies are passed on where they
// help, and the answers of both are taken.
func TestHandOverMoves(t *testing.T) {
	for _, to := range []string{"tcp", "tls+udp"} {
		for _, dies := range []bool{true, false} {
			t.Run(fmt.Sprint(to, " ", dies), func(t *testing.T) {
				w := twoLanes(t, "udp", to, "", 2)
				h0, h1 := w.homeOn(0, to), w.homeOn(1, to)
				nas := w.udp(w.nas, "192.0.2.2:4000", nil)
				req := access(1, "bob", "hello")
				nas.send("192.0.2.1:1812", req)
				w.reply(nas.receive(), req)
				h0.silent = true
				req = access(2, "bob", "hello")
				nas.send("192.0.2.1:1813", req)
				w.until("it is there", func() bool { return h0.count == 2 })
				nas.send("192.0.2.1:1813", req)
				w.pass(time.Second)
				if want := map[string]int{"tcp": 2, "tls+udp": 3}[to]; h0.count != want {
					t.Errorf("with a copy the home server got %d", h0.count)
				}
				began := w.sim.Now()
				if dies {
					h0.die()
				}
				w.reply(nas.receive(), req)
				if d := w.sim.Now().Sub(began); dies && d > 100*time.Millisecond || d > 3*time.Second || h1.count != 1 {
					t.Errorf("answered after %v; the second home server got %d", d, h1.count)
				}
				nas.none(time.Second)
				h0.silent = false // so that no check is under way
				w.idle()
			})
		}
	}
}

// A thread that cannot connect hands requests, those that wait for its connection with them, to one whose connection is up, and the home server is
// not taken for one that is not there. Later it has a connection of its own.
func TestHandOverOfThreadThatCannotConnect(t *testing.T) {
	for _, to := range []string{"tcp", "tls+tcp"} {
		t.Run(to, func(t *testing.T) {
			w := twoLanes(t, "udp", to, "\tlimit {\n\t\tmax_connections = 8\n\t}\n", 1)
			h := w.homeOn(0, to)
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			ask := func(id uint8, port int) {
				t.Helper()
				req := access(id, "bob", "hello")
				nas.send(fmt.Sprint("192.0.2.1:", port), req)
				if p := w.reply(nas.receive(), req); p.Code() != radius.AccessAccept {
					t.Errorf("%d: %v", id, p.Code())
				}
			}
			ask(1, 1812)
			w.host.Inject("Connect", 1, syscall.ECONNREFUSED)
			w.host.Inject("Connect", 2, syscall.ECONNREFUSED)
			for id := range uint8(5) {
				ask(2+id, 1813)
			}
			if len(h.conns) != 1 || w.logged("zombie") != 0 {
				t.Errorf("%d connections, zombie %d times", len(h.conns), w.logged("zombie"))
			}
			w.pass(time.Second)
			ask(7, 1813)
			if len(h.conns) != 2 || h.count != 7 {
				t.Errorf("later: %d connections, %d requests", len(h.conns), h.count)
			}
			// With nobody there, nobody is asked to take it.
			h.die()
			req := access(8, "bob", "hello")
			nas.send("192.0.2.1:1813", req)
			began := w.sim.Now()
			if p := w.reply(nas.receive(), req); p.Code() != radius.AccessReject || w.sim.Now().Sub(began) > holdMax+100*time.Millisecond {
				t.Errorf("%v after %v", p.Code(), w.sim.Now().Sub(began))
			}
			w.homeOn(0, to)
			w.idle()
		})
	}
}

// handOverWorld is a world in which c sent req over a stream to one thread, and the other has the only connection to h, over datagrams, which is
// silent. more is for the home server.
func handOverWorld(t *testing.T, more string) (w *world, h *home, c *peer, req []byte) {
	t.Helper()
	w = twoLanes(t, "tcp", "tls+udp", more, 1)
	h = w.homeOn(0, "tls+udp")
	w.dial("tcp").works("tcp", 1)
	h.silent = true
	c = w.dialText("home_server x {\n\tprotocol = tcp\n\ttcp {\n\t\tipaddr = 192.0.2.1\n\t\tport = 1813\n\t}\n}\n")
	req = access(2, "bob", "hello")
	c.send(req)
	return w, h, c, req
}

// From a stream to datagrams the thread that has the connection repeats what is lost.
func TestHandOverRetransmission(t *testing.T) {
	w, h, c, req := handOverWorld(t, "\tresponse_window = 30s\n")
	c.none(10 * time.Second)
	if h.count != 1+3 {
		t.Errorf("the home server got it %d times in 10 s", h.count-1)
	}
	h.send(h.accept(h.last()))
	w.reply(c.receive(), req)
	w.idle()
}

// From datagrams to datagrams only the client repeats, also where another thread makes the call: n copies in, n out.
func TestHandOverRepeatsNothing(t *testing.T) {
	w := twoLanes(t, "udp", "tls+udp", "\tresponse_window = 30s\n", 1)
	h := w.homeOn(0, "tls+udp")
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	req := access(1, "bob", "hello")
	nas.send("192.0.2.1:1812", req)
	w.reply(nas.receive(), req)
	h.silent = true
	req = access(2, "bob", "hello")
	for n := 1; n <= 3; n++ {
		nas.send("192.0.2.1:1813", req)
		nas.none(8 * time.Second)
		if h.count != 1+n {
			t.Fatalf("after %d copies the home server got %d", n, h.count-1)
		}
	}
	h.send(h.accept(h.last()))
	w.reply(nas.receive(), req)
	w.idle()
}

// A stream loses nothing: a copy that comes over one is not sent on, wherever the call is.
func TestHandOverCopyOverStream(t *testing.T) {
	w, h, c, req := handOverWorld(t, "")
	w.until("it is there", func() bool { return h.count == 2 })
	c.send(req)
	c.none(time.Second)
	if h.count != 2 {
		t.Errorf("with a copy the home server got %d", h.count)
	}
	h.send(h.accept(h.last()))
	w.reply(c.receive(), req)
	w.idle()
}

// The client is gone, or has asked for something else, when the answer comes back.
func TestHandOverSuperseded(t *testing.T) {
	w := twoLanes(t, "udp", "tcp", "", 1)
	h := w.homeOn(0, "tcp")
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	one := access(1, "one", "hello")
	nas.send("192.0.2.1:1812", one)
	w.reply(nas.receive(), one)
	h.silent = true
	build := func(first byte) []byte {
		b := radius.NewRequest(nil, radius.AccessRequest, 9, [16]byte{first})
		b.AddString(radius.UserName, fmt.Sprint("user", first))
		return seal(&b)
	}
	nas.send("192.0.2.1:1813", build(1))
	w.until("it is there", func() bool { return h.count == 2 })
	nas.send("192.0.2.1:1813", build(2))
	w.until("it is there", func() bool { return h.count == 3 })
	h.send(h.accept(h.seen[1]))
	h.send(h.accept(h.seen[2]))
	if p := w.reply(nas.receive(), build(2)); string(values(p, radius.ReplyMessage)[0]) != "user2" {
		t.Error("it is the other's answer")
	}
	nas.none(time.Second)
	w.idle()
}
