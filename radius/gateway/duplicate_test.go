package gateway

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/sim"
)

// Of n copies at most n go on to a home server, never one of our own; once it is answered none does.
func TestDuplicateUDP(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "\tresponse_window = 20s\n")+poolText)
	h := w.home(0)
	h.silent = true
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	req := access(1, "bob", "hello")
	for n := 1; n <= 4; n++ {
		nas.send("192.0.2.1:1812", req)
		nas.none(4 * time.Second)
		if h.count != n {
			t.Fatalf("after %d copies the home server got %d", n, h.count)
		}
	}
	for _, p := range h.seen[1:] {
		if !bytes.Equal(p, h.seen[0]) {
			t.Error("a copy is another packet")
		}
	}
	h.send(h.accept(h.last()))
	answer := nas.receive()
	w.reply(answer, req)
	for range 3 {
		nas.send("192.0.2.1:1812", req)
		if again := nas.receive(); !bytes.Equal(again, answer) {
			t.Error("a copy gets another answer")
		}
	}
	if c := w.gateway.clients["/nas"]; h.count != 4 || c.Requests.Load() != 7 || c.Duplicates.Load() != 6 {
		t.Errorf("the home server got %d; %d requests, %d duplicates", h.count, c.Requests.Load(), c.Duplicates.Load())
	}
	// An answer that comes twice reaches the client once.
	h.send(h.accept(h.last()))
	nas.none(time.Second)
	// After cleanup_delay it is a new one.
	w.pass(6 * time.Second)
	h.silent = false
	nas.send("192.0.2.1:1812", req)
	w.reply(nas.receive(), req)
	if h.count != 5 {
		t.Errorf("the home server got %d", h.count)
	}
}

// An answer is kept for as long as cleanup_delay of the client says, and no longer.
func TestDuplicateCleanupDelay(t *testing.T) {
	for _, delay := range []time.Duration{time.Second, 20 * time.Second} {
		w := newWorld(t, strings.Replace(udpListen, "\tsecret", fmt.Sprintf("\tcleanup_delay = %v\n\tsecret", delay), 1)+homeText(0, "")+poolText)
		h := w.home(0)
		nas := w.udp(w.nas, "192.0.2.2:4000", nil)
		req := access(1, "bob", "hello")
		nas.send("192.0.2.1:1812", req)
		answer := nas.receive()
		w.pass(delay - 100*time.Millisecond)
		nas.send("192.0.2.1:1812", req)
		if again := nas.receive(); !bytes.Equal(again, answer) || h.count != 1 {
			t.Errorf("before %v the home server got %d", delay, h.count)
		}
		w.pass(200 * time.Millisecond)
		nas.send("192.0.2.1:1812", req)
		w.reply(nas.receive(), req)
		if h.count != 2 {
			t.Errorf("after %v the home server got %d", delay, h.count)
		}
	}
}

// The move to the second home server is the only packet without a copy from the client.
func TestDuplicateMove(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "")+homeText(1, "")+poolTwo)
	h0, h1 := w.home(0), w.home(1)
	h0.silent, h1.silent, h0.deaf, h1.deaf = true, true, true, true
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	req := access(1, "bob", "hello")
	nas.send("192.0.2.1:1812", req)
	w.pass(4 * time.Second)
	if h0.count != 1 || h1.count != 1 {
		t.Fatalf("the home servers got %d and %d", h0.count, h1.count)
	}
	for range 3 {
		nas.send("192.0.2.1:1812", req)
		w.pass(100 * time.Millisecond)
	}
	if h0.count != 1 || h1.count != 4 {
		t.Errorf("the home servers got %d and %d of 4 copies", h0.count, h1.count)
	}
	// What the first answers late is as good.
	h0.send(h0.accept(h0.last()))
	w.reply(nas.receive(), req)
	h1.send(h1.accept(h1.last()))
	nas.none(20 * time.Second)
}

// The same identifier with another authenticator is another request: the one before is not answered any more.
func TestDuplicateSupersedes(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "")+poolText)
	h := w.home(0)
	h.silent = true
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	build := func(user string, first byte) []byte {
		b := radius.NewRequest(nil, radius.AccessRequest, 1, [16]byte{first})
		b.AddString(radius.UserName, user)
		return seal(&b)
	}
	one, two := build("one", 1), build("two", 2)
	nas.send("192.0.2.1:1812", one)
	w.pass(time.Second)
	nas.send("192.0.2.1:1812", two)
	w.until("both are there", func() bool { return h.count == 2 })
	h.send(h.accept(h.seen[0]))
	h.send(h.accept(h.seen[1]))
	if p := w.reply(nas.receive(), two); string(values(p, radius.ReplyMessage)[0]) != "two" {
		t.Error("it is the answer to the other")
	}
	nas.none(time.Second)
	if w.gateway.clients["/nas"].Outcomes[OutcomeSuperseded].Load() != 1 {
		t.Error("it is not counted")
	}
	// An answered one is superseded as well.
	nas.send("192.0.2.1:1812", one)
	w.until("it is there", func() bool { return h.count == 3 })
	h.send(h.accept(h.last()))
	w.reply(nas.receive(), one)
}

// Clients that count the identifiers of authentication and accounting apart use one for both at a time, also on one port: neither request ends
// the other.
func TestDuplicateOfAnotherCode(t *testing.T) {
	for _, from := range []string{"udp", "tcp"} {
		t.Run(from, func(t *testing.T) {
			pre := &world{T: t}
			w := newWorld(t, pre.listenText("l", from, gatewayAddr)+clientText+homeText(0, "\tacct_port = 1812\n")+poolText)
			h := w.home(0)
			h.silent = true
			requests := [][]byte{access(1, "bob", "hello"), accounting(1, "bob")}
			var send func([]byte)
			var receive func() []byte
			if from == "udp" {
				nas := w.udp(w.nas, "192.0.2.2:4000", nil)
				send, receive = func(p []byte) { nas.send("192.0.2.1:1812", p) }, nas.receive
			} else {
				nas := w.dial(from)
				send, receive = nas.send, nas.receive
			}
			for _, req := range requests {
				send(req)
			}
			w.until("both are there", func() bool { return h.count == 2 })
			for i, req := range requests {
				h.send(h.accept(h.seen[i]))
				if p := w.reply(receive(), req); !p.Code().Answers(radius.Code(req[0])) {
					t.Errorf("%v to %v", p.Code(), radius.Code(req[0]))
				}
			}
			if n := w.gateway.clients["/nas"].Outcomes[OutcomeSuperseded].Load(); n != 0 {
				t.Errorf("%d are superseded", n)
			}
		})
	}
}

// The only home server has forgotten a connection without a word. A copy of the request that comes when its answer is overdue goes by another one;
// where the client is a stream that sends none, the request itself does.
func TestDuplicateForgotten(t *testing.T) {
	for _, c := range []struct{ from, to string }{{"udp", "tls+udp"}, {"tcp", "tls+udp"}, {"udp", "tcp"}, {"udp", "tls+tcp"}} {
		t.Run(c.from+" "+c.to, func(t *testing.T) {
			pre := &world{T: t}
			w := newWorld(t, pre.listenText("l", c.from, gatewayAddr)+clientText+pre.homeOnText(0, c.to, acctHere(c.to))+poolText)
			h := w.homeOn(0, c.to)
			var send func([]byte)
			var receive func() []byte
			var none func(time.Duration)
			if c.from == "udp" {
				nas := w.udp(w.nas, "192.0.2.2:4000", nil)
				send, receive, none = func(p []byte) { nas.send("192.0.2.1:1812", p) }, nas.receive, nas.none
			} else {
				nas := w.dial(c.from)
				send, receive, none = nas.send, nas.receive, nas.none
			}
			req := access(1, "bob", "hello")
			send(req)
			w.reply(receive(), req)
			if c.to == "tls+udp" {
				w.sim.SetLink(w.host, w.homes[0], sim.Link{Loss: 1})
				w.placeDies(w.homes[0])
				h = w.homeOn(0, c.to)
				w.sim.SetLink(w.host, w.homes[0], sim.Link{})
			} else {
				h.silent = true // on the connection that there is
			}
			req = access(2, "bob", "hello")
			send(req)
			none(2500 * time.Millisecond)
			w.until("its answer is overdue", func() bool { return w.logged(`"home server zombie"`) == 1 })
			before := h.count
			h.silent = false
			if c.from == "udp" {
				send(req)
			}
			if p := w.reply(receive(), req); p.Code() != radius.AccessAccept {
				t.Errorf("%v", p.Code())
			}
			if h.count != before+1 {
				t.Errorf("the home server got it %d times", h.count-before)
			}
			none(10 * time.Second)
			w.idle()
		})
	}
}

// Where the client is a stream, which repeats nothing, and the home server is not, requests are repeated by the times of RFC 5080.
func TestDuplicateRetransmission(t *testing.T) {
	for _, to := range []string{"udp", "tls+udp"} {
		t.Run(to, func(t *testing.T) {
			pre := &world{T: t}
			w := newWorld(t, pre.listenText("l", "tcp", gatewayAddr)+clientText+pre.homeOnText(0, to, acctHere(to)+
				"\tresponse_window = 60s\n\tretransmit {\n\t\tirt = 1s\n\t\tmrt = 4s\n\t\tmrc = 4\n\t\tmrd = 30s\n\t}\n")+poolText)
			h := w.homeOn(0, to)
			h.silent = true
			nas := w.dial("tcp")
			req := access(1, "bob", "hello")
			nas.send(req)
			w.until("it is there", func() bool { return h.count == 1 })
			began := w.sim.Now()
			var at []time.Duration
			for len(at) < 3 {
				n := h.count
				w.until("it comes again", func() bool { return h.count > n })
				at = append(at, w.sim.Now().Sub(began))
			}
			// RFC 5080, Section 2.2.1: 1 s, then twice the time before, each by up to a tenth more or less.
			for i, want := range []time.Duration{time.Second, 3 * time.Second, 7 * time.Second} {
				if d := at[i] - want; d < -want/5 || d > want/5 {
					t.Errorf("repetition %d after %v", i+1, at[i])
				}
			}
			nas.none(30 * time.Second)
			if h.count != 4 {
				t.Errorf("it was sent %d times, mrc is 4", h.count)
			}
			for _, p := range h.seen[1:] {
				if !bytes.Equal(p, h.seen[0]) {
					t.Error("a repetition is another packet")
				}
			}
			h.send(h.accept(h.last()))
			w.reply(nas.receive(), req)
		})
	}
}

// Nothing is repeated to a home server on a stream, whatever the client.
func TestDuplicateStream(t *testing.T) {
	for _, from := range []string{"udp", "tcp"} {
		t.Run(from, func(t *testing.T) {
			pre := &world{T: t}
			w := newWorld(t, pre.listenText("l", from, gatewayAddr)+clientText+pre.homeOnText(0, "tcp", "\tresponse_window = 60s\n\tacct_port = 1812\n")+poolText)
			h := w.homeOn(0, "tcp")
			h.silent = true
			nas := w.dial(from)
			req := access(1, "bob", "hello")
			for range 3 {
				nas.send(req)
				nas.none(10 * time.Second)
			}
			if h.count != 1 {
				t.Errorf("the home server got %d", h.count)
			}
			h.send(h.accept(h.last()))
			w.reply(nas.receive(), req)
			nas.none(time.Second)
		})
	}
}

// The latency of a listen and of a client is what the client sees: over all home servers that were asked, and without what was answered again.
func TestLatency(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "")+homeText(1, "")+poolTwo)
	w.home(0).silent = true
	w.home(1)
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	req := access(1, "bob", "hello")
	for range 2 {
		nas.send("192.0.2.1:1812", req)
		w.reply(nas.receive(), req)
	}
	for of, h := range map[string]*Histogram{"listen": &w.listens[0].Counts.Latency, "client": &w.gateway.Clients()[0].Latency} {
		at, count, seconds := h.Cumulative()
		if count != 1 || at[2.5] != 0 || at[5] != 1 || seconds < 3 || seconds > 3.1 {
			t.Errorf("%s: %d answers after %v s, %v", of, count, seconds, at)
		}
	}
	if _, count, seconds := w.gateway.Homes()[1].Ports[0].Counts.Latency.Cumulative(); count != 1 || seconds > 0.1 {
		t.Errorf("of the home server: %d answers after %v s", count, seconds)
	}
}
