package gateway

import (
	"bytes"
	"testing"

	"github.com/frio-io/frio/radius"
)

// Each stack of a client with each stack of a home server: requests of every kind, and Status-Server. What is hidden with one secret is hidden with the other.
func TestRelayPairs(t *testing.T) {
	stacks := []string{"udp", "tcp", "tls+tcp", "tls+udp"}
	for _, from := range stacks {
		for _, to := range stacks {
			t.Run(from+" to "+to, func(t *testing.T) { relayPair(t, from, to) })
		}
	}
}

func relayPair(t *testing.T, from, to string) {
	pre := &world{T: t}
	more := "\ttype = auth+acct\n"
	w := newWorld(t, pre.listenText("l", from, gatewayAddr)+clientText+pre.homeOnText(0, to, more+acctHere(to))+poolText)
	h := w.homeOn(0, to)
	h.answer = func(req radius.Packet) []byte {
		if req.Code() != radius.AccessRequest {
			return h.accept(req)
		}
		b := radius.NewReply(nil, radius.AccessReject, req)
		if h.keys.IsPassword(req, "hello") {
			b = radius.NewReply(nil, radius.AccessAccept, req)
			b.HideTunnelPassword(h.keys, 1, []byte("the tunnel's password"))
		}
		return h.seal(&b)
	}
	nas := w.dial(from)
	mine := radius.NewKeys([]byte(secretOf(from)))
	var vector [16]byte
	for id, code := range []radius.Code{radius.AccessRequest, radius.AccountingRequest, radius.StatusServer} {
		vector[0]++
		b := radius.NewRequest(nil, code, uint8(id), vector)
		b.AddString(radius.UserName, "bob")
		if code == radius.AccessRequest {
			b.HidePassword(mine, []byte("hello"))
		}
		req, err := b.Seal(mine)
		w.must(err)
		nas.send(req)
		reply := nas.receive()
		p, err := radius.Parse(reply)
		w.must(err)
		if err := mine.CheckReply(p, req[4:20], true); err != nil || p.ID() != uint8(id) || !p.Code().Answers(code) {
			t.Errorf("%v: %v, id %d, %v", code, p.Code(), p.ID(), err)
		}
		if code != radius.AccessRequest {
			continue
		}
		tunnel, _ := p.Find(radius.TunnelPassword)
		if p.Code() != radius.AccessAccept || len(tunnel) < 4 {
			t.Fatalf("%v, Tunnel-Password of %d bytes", p.Code(), len(tunnel))
		}
		if got := uncover(secretOf(from), tunnel[3:], req[4:20], tunnel[1:3]...); !bytes.HasPrefix(got[1:], []byte("the tunnel's password")) {
			t.Errorf("Tunnel-Password is %q", got)
		}
	}
	if h.count != 2 || h.checks != 0 {
		t.Errorf("the home server got %d requests and %d Status-Servers", h.count, h.checks)
	}
	if n := w.gateway.branches[0].active; n != 0 {
		t.Errorf("%d requests are under way", n)
	}
}

// acctHere keeps accounting on the port that the test's home server has.
func acctHere(stack string) string {
	if secretOf(stack) == secret {
		return "\tacct_port = 1812\n"
	}
	return ""
}
