package gateway

import "testing"

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
