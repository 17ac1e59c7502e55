package gateway

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
)

// The only home server is restarted: what is under way, and what comes meanwhile, is answered. A client over datagrams sends each again, as the
// standard has it; where the home server is on a connection nobody needs that.
func TestHoldRestart(t *testing.T) {
	for _, stack := range []string{"udp", "tcp", "tls+tcp"} {
		t.Run(stack, func(t *testing.T) {
			pre := &world{T: t}
			w := newWorld(t, udpListen+pre.homeOnText(0, stack, acctHere(stack))+poolText)
			h := w.homeOn(0, stack)
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			send := func(id uint8) { nas.send("192.0.2.1:1812", access(id, fmt.Sprint("user", id), "hello")) }
			h.silent = true
			for id := range uint8(5) {
				send(id)
			}
			w.until("they are there", func() bool { return h.count == 5 })
			h.die()
			w.pass(50 * time.Millisecond)
			for id := range uint8(5) {
				if stack == "udp" {
					send(id) // by which it is found out
				}
				send(5 + id)
			}
			w.pass(400 * time.Millisecond)
			if n := len(nas.got); n != 0 {
				t.Fatalf("%d answers while it is away", n)
			}
			h = w.homeOn(0, stack)
			if stack == "udp" {
				w.pass(400 * time.Millisecond)
				if h.count != 0 {
					t.Errorf("it got %d packets that no client sent again", h.count)
				}
				for id := range uint8(10) {
					send(id)
				}
			}
			for range 10 {
				data := nas.receive()
				if p := w.reply(data, access(data[1], fmt.Sprint("user", data[1]), "hello")); p.Code() != radius.AccessAccept {
					t.Errorf("request %d: %v", data[1], p.Code())
				}
			}
			if h.count != 10 {
				t.Errorf("it got %d, back again", h.count)
			}
			w.idle()
		})
	}
}

// Who has been away for longer than a moment keeps nobody waiting.
func TestHoldIsShort(t *testing.T) {
	for _, stack := range []string{"udp", "tcp"} {
		t.Run(stack, func(t *testing.T) {
			pre := &world{T: t}
			w := newWorld(t, udpListen+pre.homeOnText(0, stack, acctHere(stack)+"\tstatus_check = none\n")+poolText)
			w.homeOn(0, stack).die()
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			ask := func(id uint8) time.Duration {
				t.Helper()
				began := w.sim.Now()
				req := access(id, "bob", "hello")
				nas.send("192.0.2.1:1812", req)
				if p := w.reply(nas.receive(), req); p.Code() != radius.AccessReject {
					t.Errorf("request %d: %v", id, p.Code())
				}
				return w.sim.Now().Sub(began)
			}
			if d := ask(1); d < holdMax || d > holdMax+10*time.Millisecond {
				t.Errorf("the first was answered after %v, want %v", d, holdMax)
			}
			for id := range uint8(10) {
				if d := ask(2 + id); d > 10*time.Millisecond {
					t.Errorf("one that came later was answered after %v", d)
				}
			}
			w.idle()
		})
	}
}

// With somebody else to ask nobody waits.
func TestHoldWithAnother(t *testing.T) {
	pre := &world{T: t}
	w := newWorld(t, udpListen+pre.homeOnText(0, "tcp", acctHere("tcp"))+pre.homeOnText(1, "tcp", acctHere("tcp"))+poolTwo)
	w.homeOn(0, "tcp").die()
	w.homeOn(1, "tcp")
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	began := w.sim.Now()
	req := access(1, "bob", "hello")
	nas.send("192.0.2.1:1812", req)
	if p := w.reply(nas.receive(), req); p.Code() != radius.AccessAccept || w.sim.Now().Sub(began) > 50*time.Millisecond {
		t.Errorf("%v after %v", p.Code(), w.sim.Now().Sub(began))
	}
}

// A home server that closes the connection with each answer answers all that were sent together.
func TestHoldCloses(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "\tproto = tcp\n\tstatus_check = none\n")+poolText)
	h := w.streamHome(0)
	h.once = true
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	for id := range uint8(5) {
		nas.send(gatewayAddr+":1812", access(id, "bob", "hello"))
	}
	for range 5 {
		data := nas.receive()
		if p := w.reply(data, access(data[1], "bob", "hello")); p.Code() != radius.AccessAccept {
			t.Errorf("request %d: %v", data[1], p.Code())
		}
	}
	w.idle()
}

// However often its client sends it again, a request that waits is not tried without a pause.
func TestHoldManyCopies(t *testing.T) {
	pre := &world{T: t}
	w := newWorld(t, udpListen+pre.homeOnText(0, "tcp", acctHere("tcp"))+poolText)
	w.homeOn(0, "tcp").die()
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	const copies, tries = 100, 10 // far fewer pauses than ten fit into holdMax
	for range copies {
		nas.send("192.0.2.1:1812", access(1, "bob", "hello"))
		w.pass(time.Millisecond)
	}
	failed := &w.gateway.current.Load().Homes[0].state.ports[0].counts.Failed
	w.until("it is answered", func() bool { return len(nas.got) > 0 || failed.Load() > copies+tries })
	if n := failed.Load(); n > copies+tries {
		t.Errorf("it was tried %d times", n)
	}
}

// A home server that was asked before counts, when the request waits for another one: there is no third.
func TestHoldAsksTwo(t *testing.T) {
	pre := &world{T: t}
	var homes string
	for i := range 3 {
		homes += pre.homeOnText(i, "tcp", acctHere("tcp")+"\tstatus_check = none\n\tresponse_window = 2\n")
	}
	w := newWorld(t, udpListen+homes+"home_server_pool all {\n\ttype = fail-over\n\thome_server = h0\n\thome_server = h1\n\thome_server = h2\n}\n"+
		"realm DEFAULT {\n\tpool = all\n}\n")
	third := w.gateway.current.Load().Homes[2].state.ports[0]
	third.now.Store(uint32(dead))
	third.knows.Store(true) // no request is let through to see
	h := []*home{w.homeOn(0, "tcp"), nil, w.homeOn(2, "tcp")}
	h[0].silent = true
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	req := access(1, "bob", "hello")
	nas.send("192.0.2.1:1812", req)
	w.until("the first is asked", func() bool { return h[0].count == 1 })
	h[0].die()
	w.pass(50 * time.Millisecond) // the second is not there either
	h[1] = w.homeOn(1, "tcp")
	h[1].silent = true
	w.until("the second is asked", func() bool { return h[1].count == 1 })
	third.now.Store(uint32(alive))
	if p := w.reply(nas.receive(), req); p.Code() != radius.AccessReject || h[2].count != 0 {
		t.Errorf("%v; the third got %d", p.Code(), h[2].count)
	}
	w.idle()
}

// Other threads learn that a home server is a zombie together with when it became one: what they ask meanwhile waits.
func TestHoldOtherThread(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "")+poolText)
	p := w.gateway.current.Load().Homes[0].state.ports[0]
	told := 0
	w.gateway.opt.Logger = slog.New(slog.NewTextHandler(writerFunc(func(line []byte) (int, error) {
		if told++; !p.wasThere(w.lane.Loop().Now()) {
			t.Errorf("it was not there a moment ago, when this is said: %s", line)
		}
		return len(line), nil
	}), nil))
	p.become(zombie, w.lane.Loop().Now())
	if told != 1 {
		t.Errorf("%d lines", told)
	}
	p.become(alive, w.lane.Loop().Now()) // and no timer is left
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// Nobody waits for a home server that is there and has as many requests as it may have.
func TestHoldNotWhenBusy(t *testing.T) {
	for _, stack := range []string{"udp", "tcp"} {
		t.Run(stack, func(t *testing.T) {
			pre := &world{T: t}
			w := newWorld(t, udpListen+pre.homeOnText(0, stack, acctHere(stack)+"\tmax_outstanding = 1\n")+poolText)
			h := w.homeOn(0, stack)
			h.silent = true
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			nas.send("192.0.2.1:1812", access(1, "bob", "hello"))
			w.until("it is busy", func() bool { return h.count == 1 })
			began := w.sim.Now()
			req := access(2, "bob", "hello")
			nas.send("192.0.2.1:1812", req)
			if p := w.reply(nas.receive(), req); p.Code() != radius.AccessReject || w.sim.Now().Sub(began) > 10*time.Millisecond {
				t.Errorf("%v after %v", p.Code(), w.sim.Now().Sub(began))
			}
		})
	}
}

// A request that waits for a home server which a new configuration does not have, for a client that is gone, or for another of that
// client in its place, ends, and nothing is sent for it.
func TestHoldEnds(t *testing.T) {
	for _, from := range []string{"udp", "tcp"} {
		for _, to := range []string{"udp", "tcp", "tls+tcp", "tls+udp"} {
			t.Run(from+" to "+to, func(t *testing.T) {
				pre := &world{T: t}
				text := clientText + pre.homeOnText(0, to, acctHere(to)) + poolText
				w := newWorld(t, pre.listenText("l", from, gatewayAddr)+text)
				nas := w.dial(from)
				nas.send(access(1, "gone", "hello"))
				nas.send(access(2, "superseded", "hello"))
				w.pass(50 * time.Millisecond)
				if n := w.gateway.branches[0].active; n != 2 {
					t.Fatalf("%d requests wait", n)
				}
				if from == "udp" {
					nas.send(access(1, "other", "hello"))
					w.pass(50 * time.Millisecond)
				}
				w.must(nas.conn.Close())
				cfg, _ := w.parse(clientText + pre.homeOnText(1, to, acctHere(to)) + strings.ReplaceAll(poolText, "h0", "h1"))
				w.load(cfg)
				h := w.homeOn(0, to)
				w.idle()
				if h.count != 0 {
					t.Errorf("it got %d", h.count)
				}
				if n := len(w.gateway.branches[0].pools); n > 1 {
					t.Errorf("%d pools", n)
				}
			})
		}
	}
}

// What waited in vain gets what it would have got at once: silence for accounting, and with fallback = drop for all.
func TestHoldCodes(t *testing.T) {
	for _, drop := range []bool{false, true} {
		pre := &world{T: t}
		pool := poolText
		if drop {
			pool = strings.Replace(poolText, "type", "fallback = drop\n\ttype", 1)
		}
		w := newWorld(t, udpListen+pre.homeOnText(0, "tcp", acctHere("tcp"))+pool)
		nas := w.udp(w.nas, "192.0.2.2:4000", nil)
		nas.send("192.0.2.1:1812", accounting(1, "bob"))
		nas.send("192.0.2.1:1812", access(2, "bob", "hello"))
		w.pass(holdMax - 50*time.Millisecond)
		if n := w.gateway.branches[0].active; n != 2 || len(nas.got) > 0 {
			t.Errorf("%d wait, %d answers", n, len(nas.got))
		}
		w.pass(100 * time.Millisecond)
		if n := w.gateway.branches[0].active; n != 0 || len(nas.got) != map[bool]int{false: 1, true: 0}[drop] {
			t.Errorf("%d wait, %d answers", n, len(nas.got))
		}
		w.idle()
	}
}

// Over datagrams alone the end of the wait sends nothing either: the copy that the client sent was lost, and there was no other.
func TestHoldRepeatsNothing(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "")+poolText)
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	req := access(1, "bob", "hello")
	nas.send("192.0.2.1:1812", req)
	w.pass(holdMax - 100*time.Millisecond)
	h := w.home(0)
	if p := w.reply(nas.receive(), req); p.Code() != radius.AccessReject || h.count != 0 {
		t.Errorf("%v; it got %d packets that no client sent again", p.Code(), h.count)
	}
	w.idle()
	if h.count != 0 {
		t.Errorf("later it got %d", h.count)
	}
}

// A request whose home server has had it for longer than that waits as well.
func TestHoldLate(t *testing.T) {
	for _, to := range []string{"udp", "tcp"} {
		t.Run(to, func(t *testing.T) {
			pre := &world{T: t}
			w := newWorld(t, pre.listenText("l", "tcp", gatewayAddr)+clientText+pre.homeOnText(0, to, acctHere(to))+poolText)
			h := w.homeOn(0, to)
			h.silent = true
			nas := w.dial("tcp")
			req := access(1, "bob", "hello")
			nas.send(req)
			w.until("it is there", func() bool { return h.count == 1 })
			w.pass(holdMax + 700*time.Millisecond)
			h.die()
			w.pass(600 * time.Millisecond) // over udp it is sent again meanwhile: after 1.8 s to 2.2 s, by chance
			h = w.homeOn(0, to)
			if p := w.reply(nas.receive(), req); p.Code() != radius.AccessAccept || h.count != 1 {
				t.Errorf("%v, it got %d", p.Code(), h.count)
			}
			w.idle()
		})
	}
}
