package gateway

import (
	"testing"
	"time"
)

// A request that was to show whether a dead home server is back, and finds that it is not, leaves the next one all the time that is its.
func TestTrialIsOfOneHomeServer(t *testing.T) {
	pre := &world{T: t}
	w := newWorld(t, udpListen+pre.homeOnText(0, "tcp", acctHere("tcp"))+pre.homeOnText(1, "tcp", acctHere("tcp"))+poolTwo)
	h0, h1 := w.homeOn(0, "tcp"), w.homeOn(1, "tcp")
	h0.die()
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	req := access(1, "bob", "hello")
	nas.send("192.0.2.1:1812", req)
	w.reply(nas.receive(), req)
	w.until("the first is found out", func() bool { return w.gateway.Homes()[0].Life == "zombie" })
	w.pass(2 * probePace)

	h1.silent = true
	before := h1.count
	nas.send("192.0.2.1:1812", access(2, "bob", "hello"))
	w.until("the second was asked", func() bool { return h1.count > before })
	w.pass(2 * trialWindow)
	if n := w.gateway.Homes()[1].Ports[0].Counts.Timeouts.Load(); n != 0 {
		t.Errorf("after %v of its response_window the second is said not to answer", 2*trialWindow)
	}
}

// A request that was not answered goes to a home server that lives: its second one is its last, and not to find out with whether another is back.
func TestTrialIsFirst(t *testing.T) {
	keys := "\tacct_port = 1812\n"
	w := newWorld(t, udpListen+homeText(0, keys)+homeText(1, keys)+homeText(2, keys)+
		"home_server_pool all {\n\thome_server = h0\n\thome_server = h1\n\thome_server = h2\n}\nhome_server_pool one {\n\thome_server = h1\n}\n"+
		"realm DEFAULT {\n\tpool = all\n}\nrealm one.example {\n\tpool = one\n}\n")
	homes := w.homesOf(3)
	for _, h := range homes[:2] {
		h.silent, h.deaf = true, true
	}
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	nas.send("192.0.2.1:1812", access(1, "bob@one.example", "hello"))
	w.until("the second is found out", func() bool { return w.gateway.Homes()[1].Life == "zombie" })
	w.pass(4 * time.Second)
	before, req := homes[1].count, access(2, "bob", "hello")
	nas.got = nil
	w.gateway.homes["h1"].ports[0].trialAt.Store(w.sim.Now().Add(time.Second).UnixNano()) // not the first to be asked
	nas.send("192.0.2.1:1812", req)
	if p := w.reply(nas.receive(), req); p.Code() != 2 || homes[0].count != 1 || homes[1].count != before || homes[2].count != 1 {
		t.Errorf("%v; the home servers got %d, %d and %d", p.Code(), homes[0].count, homes[1].count-before, homes[2].count)
	}
}
