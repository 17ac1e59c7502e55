package gateway

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
)

// badPackets are requests that a client must not send, by the reason that each is counted with.
func badPackets() map[radius.Reason][]byte {
	good := access(1, "bob", "hello")
	change := func(p []byte, f func(p []byte)) []byte {
		p = bytes.Clone(p)
		f(p)
		return p
	}
	return map[radius.Reason][]byte{
		radius.ReasonTooShort:        change(good, func(p []byte) { binary.BigEndian.PutUint16(p[2:], 19) }),
		radius.ReasonTooLong:         change(good, func(p []byte) { binary.BigEndian.PutUint16(p[2:], 4097) }),
		radius.ReasonTruncated:       change(good, func(p []byte) { binary.BigEndian.PutUint16(p[2:], uint16(len(p)+1)) }),
		radius.ReasonAttributeLength: change(good, func(p []byte) { p[21] = 1 }),
		radius.ReasonUnknownCode:     change(good, func(p []byte) { p[0] = 99 }),
		radius.ReasonCode:            change(good, func(p []byte) { p[0] = 2 }),
		radius.ReasonMissingMessageAuthenticator: func() []byte {
			return change(bare(1), func(p []byte) { p[0] = 12 })
		}(),
		radius.ReasonMessageAuthenticator:       change(good, func(p []byte) { p[30]++ }),
		radius.ReasonMessageAuthenticatorLength: bare(1, append([]byte{80, 17}, make([]byte, 15)...)...),
		radius.ReasonMessageAuthenticatorTwice:  bare(1, append(append([]byte{80, 18}, make([]byte, 16)...), append([]byte{80, 18}, make([]byte, 16)...)...)...),
		radius.ReasonAuthenticator:              change(accounting(1, "bob"), func(p []byte) { p[5]++ }),
		radius.ReasonEAP:                        bare(1, 79, 3, 1),
	}
}

// Bad requests over UDP: silence, and a count with the reason.
func TestBadUDP(t *testing.T) {
	for reason, bad := range badPackets() {
		t.Run(reason.String(), func(t *testing.T) {
			w := newWorld(t, udpListen+homeText(0, "")+poolText)
			h := w.home(0)
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			for range 100 {
				nas.send("192.0.2.1:1812", bad)
			}
			nas.none(500 * time.Millisecond)
			if h.count != 0 {
				t.Error("the home server got it")
			}
			state := w.gateway.clients["/nas"]
			for other := range radius.ReasonCount {
				n := state.Dropped[other].Load()
				if want := map[bool]uint64{true: 100}[other == reason]; n != want || w.listens[0].Counts.Dropped[other].Load() != want {
					t.Errorf("%d with reason %v", n, other)
				}
			}
			if n := w.logged("msg=dropped"); n != 1 {
				t.Errorf("%d lines of 100", n)
			}
			if w.gateway.branches[0].table.Len() != 0 {
				t.Error("it left something")
			}
			// The next line, later, says how many were left out.
			w.pass(time.Second)
			nas.send("192.0.2.1:1812", bad)
			nas.none(100 * time.Millisecond)
			if n := w.logged("left_out=99"); n != 1 {
				t.Errorf("what was left out is not said:\n%s", w.log.String())
			}
			good := access(2, "bob", "hello")
			nas.send("192.0.2.1:1812", good)
			w.reply(nas.receive(), good)
		})
	}
}

// On a stream the connection is kept, except where framing is lost.
func TestBadStream(t *testing.T) {
	for reason, bad := range badPackets() {
		t.Run(reason.String(), func(t *testing.T) {
			pre := &world{T: t}
			w := newWorld(t, pre.listenText("l", "tcp", gatewayAddr)+clientText+homeText(0, "")+poolText)
			h := w.home(0)
			nas := w.dial("tcp")
			first := access(9, "carl", "hello")
			nas.send(first)
			w.reply(nas.receive(), first)
			switch reason {
			case radius.ReasonTooShort, radius.ReasonTooLong:
				nas.send(bad)
				nas.until("the connection is closed", func() bool { return nas.ended != nil })
			case radius.ReasonTruncated: // on a stream it is half a packet: the rest is the next one's
				return
			default:
				nas.send(bad)
				nas.none(20 * time.Second)
				good := access(2, "bob", "hello")
				nas.send(good)
				w.reply(nas.receive(), good)
			}
			if n := w.listens[0].Counts.Dropped[reason].Load(); n != 1 {
				t.Errorf("counted %d times", n)
			}
			for _, p := range h.seen {
				if user, _ := p.Find(radius.UserName); p.Code() != radius.AccessRequest || len(user) == 0 {
					t.Errorf("the home server got %v of %q", p.Code(), user)
				}
			}
		})
	}
}

// A datagram of more than 4096 bytes costs itself.
func TestBadDatagramLength(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "")+poolText)
	w.home(0)
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	nas.send("192.0.2.1:1812", make([]byte, 5000))
	nas.send("192.0.2.1:1812", nil)
	nas.send("192.0.2.1:1812", []byte{1})
	good := access(2, "bob", "hello")
	nas.send("192.0.2.1:1812", good)
	w.reply(nas.receive(), good)
	c := &w.listens[0].Counts
	if c.Dropped[radius.ReasonTooLong].Load() != 1 || c.Dropped[radius.ReasonTooShort].Load() != 2 || c.Faults.Load() != 1 {
		t.Errorf("too long %d, too short %d, faults %d", c.Dropped[radius.ReasonTooLong].Load(), c.Dropped[radius.ReasonTooShort].Load(), c.Faults.Load())
	}
	// Octets behind the length are padding (RFC 2865, Section 3).
	good = access(3, "bob", "hello")
	nas.send("192.0.2.1:1812", append(bytes.Clone(good), 1, 2, 3))
	w.reply(nas.receive(), good)
}

// Who is no client costs nothing but a count, and a line a second.
func TestBadUnknownClient(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "")+poolText)
	h := w.home(0)
	other := w.udp(w.homes[3], "192.0.2.6:4000", nil)
	other.send("192.0.2.1:1812", access(0, "bob", "hello")) // the first has the socket taken up
	w.pass(time.Second)
	before := w.root.Total()
	for i := range 1000 {
		other.send("192.0.2.1:1812", access(uint8(i), "bob", "hello"))
		if i%10 == 0 {
			w.pass(time.Millisecond)
		}
	}
	other.none(800 * time.Millisecond)
	if n := w.listens[0].Counts.UnknownClient.Load(); n != 1001 || h.count != 0 || w.logged("unknown client") != 2 {
		t.Errorf("%d counted, %d relayed, %d lines", n, h.count, w.logged("unknown client"))
	}
	if after := w.root.Total(); after != before || w.gateway.branches[0].table.Len() != 0 {
		t.Errorf("memory went from %v to %v, with %d exchanges", before, after, w.gateway.branches[0].table.Len())
	}
}

// Status-Server is answered here, also while no home server lives, and only if it is signed (RFC 5997).
func TestStatusServer(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "")+poolText)
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	req := buildCode(radius.StatusServer, 7, func(b *radius.Builder) { b.AddString(radius.ProxyState, "mine") })
	nas.send("192.0.2.1:1812", req)
	p := w.reply(nas.receive(), req)
	if state, _ := p.Find(radius.ProxyState); p.Code() != radius.AccessAccept || first(p) != radius.MessageAuthenticator || string(state) != "mine" {
		t.Errorf("%v, first %d, Proxy-State %q", p.Code(), first(p), state)
	}
	cfg := *w.listens[0].cfg.Load()
	cfg.Accepts = func(c radius.Code) bool { return c == radius.AccountingRequest }
	w.listens[0].SetConfig(&cfg)
	req = buildCode(radius.StatusServer, 8, func(b *radius.Builder) {})
	nas.send("192.0.2.1:1812", req)
	if p := w.reply(nas.receive(), req); p.Code() != radius.AccountingResponse {
		t.Errorf("%v of an accounting port", p.Code())
	}
	// type = acct: what else there is is not taken.
	nas.send("192.0.2.1:1812", access(9, "bob", "hello"))
	nas.none(10 * time.Second)
	if n := w.listens[0].Counts.Dropped[radius.ReasonCode].Load(); n != 1 {
		t.Errorf("wrong code: %d", n)
	}
}

// A reply with a wrong authenticator costs that reply, not the request nor what else is under way.
func TestBadReply(t *testing.T) {
	for _, stack := range []string{"udp", "tcp"} {
		t.Run(stack, func(t *testing.T) {
			w := newWorld(t, udpListen+(&world{T: t}).homeOnText(0, stack, acctHere(stack))+poolText)
			h := w.homeOn(0, stack)
			h.answer = func(req radius.Packet) []byte { return nil }
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			one, two := access(1, "one", "hello"), access(2, "two", "hello")
			nas.send("192.0.2.1:1812", one)
			nas.send("192.0.2.1:1812", two)
			w.until("both are there", func() bool { return h.count == 2 })
			for i := range 16 {
				bad := h.accept(h.seen[0])
				bad[4+i]++
				h.send(bad)
			}
			wrong := radius.NewReply(nil, radius.AccountingResponse, h.seen[0])
			h.send(h.seal(&wrong))
			h.send([]byte{2, h.seen[0].ID(), 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6})
			odd := bytes.Clone(h.accept(h.seen[0]))
			odd[21] = 1
			h.send(odd)
			nas.none(time.Second)
			h.send(h.accept(h.seen[0]))
			h.send(h.accept(h.seen[1]))
			w.reply(nas.receive(), one)
			w.reply(nas.receive(), two)
			state := w.gateway.homes["h0"]
			if n := state.ports[0].counts.Bad[radius.ReasonAuthenticator].Load(); n != 17 || state.ports[0].counts.Bad[radius.ReasonCode].Load() != 1 ||
				state.ports[0].counts.Bad[radius.ReasonAttributeLength].Load() != 1 || state.ports[0].peer.Counts.Opened.Load() != 1 {
				t.Errorf("%d with a wrong authenticator, %d connections", n, state.ports[0].peer.Counts.Opened.Load())
			}
			if w.logged("bad reply") != 1 {
				t.Errorf("%d lines", w.logged("bad reply"))
			}
		})
	}
}
