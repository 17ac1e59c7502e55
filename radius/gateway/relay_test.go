package gateway

import (
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
)

// A request goes to the home server and its answer back, over UDP.
func TestRelayUDP(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "")+poolText)
	h := w.home(0)
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	req := access(7, "bob@example.org", "hello")
	nas.send("192.0.2.1:1812", req)
	p := w.reply(nas.receive(), req)
	if m, _ := p.Find(radius.ReplyMessage); p.Code() != radius.AccessAccept || string(m) != "bob@example.org" {
		t.Errorf("the answer is %v %q", p.Code(), m)
	}
	// A copy gets the same answer, and does not go further.
	nas.send("192.0.2.1:1812", req)
	w.reply(nas.receive(), req)
	if h.count != 1 {
		t.Errorf("the home server got %d requests, want 1", h.count)
	}
	nas.none(10 * time.Second)
	if n := w.gateway.branches[0].table.Len(); n != 0 {
		t.Errorf("%d answers are kept after cleanup_delay", n)
	}
	if n := w.gateway.branches[0].active; n != 0 {
		t.Errorf("%d requests are under way", n)
	}
}

// The first home server does not answer: the request moves, and the next goes to the second at once.
func TestRelayFailOver(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "")+homeText(1, "")+poolTwo)
	h0, h1 := w.home(0), w.home(1)
	h0.silent = true
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	req := access(1, "bob", "hello")
	began := w.sim.Now()
	nas.send("192.0.2.1:1812", req)
	w.reply(nas.receive(), req)
	if d := w.sim.Now().Sub(began); d < 3*time.Second || d > 3*time.Second+100*time.Millisecond {
		t.Errorf("the answer came after %v, want response_window", d)
	}
	req = access(2, "bob", "hello")
	began = w.sim.Now()
	nas.send("192.0.2.1:1812", req)
	w.reply(nas.receive(), req)
	if d := w.sim.Now().Sub(began); d > 600*time.Millisecond {
		t.Errorf("the second answer came after %v", d)
	}
	if h1.count != 2 {
		t.Errorf("the second home server got %d", h1.count)
	}
	if w.logged(`msg="home server zombie"`) != 1 {
		t.Error("that it is a zombie was not said once")
	}
	// It is back: used again within 2 s.
	h0.silent = false
	w.pass(2 * time.Second)
	before := h0.count
	req = access(3, "bob", "hello")
	nas.send("192.0.2.1:1812", req)
	w.reply(nas.receive(), req)
	if h0.count != before+1 {
		t.Error("the first home server is not used again")
	}
}
