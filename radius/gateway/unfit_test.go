package gateway

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
)

// unsigned is a packet of a size, in bytes, that holds first and no Message-Authenticator.
func unsigned(code radius.Code, id uint8, vector, first []byte, size int) []byte {
	p := append([]byte{byte(code), id, 0, 0}, vector...)
	p = append(p, first...)
	for n := size - len(p); n > 0; n = size - len(p) {
		n = min(n, 255)
		if size-len(p)-n == 1 {
			n--
		}
		p = append(append(p, 200, byte(n)), make([]byte, n-2)...)
	}
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	return p
}

// accepted is an Access-Accept to req without Message-Authenticator.
func accepted(req radius.Packet, secret string, first []byte, size int) []byte {
	p := unsigned(radius.AccessAccept, req.ID(), req.Authenticator(), first, size)
	sum := md5.Sum(append(slices.Clone(p), secret...))
	copy(p[4:], sum[:])
	return p
}

// unfits are replies that cannot be relayed, and a word of the line that says why.
var unfits = map[string]func(req radius.Packet) []byte{
	"length of a hidden attribute": func(req radius.Packet) []byte {
		return accepted(req, secret, []byte{byte(radius.TunnelPassword), 4, 1, 2}, 100)
	},
	"no room for a Message-Authenticator": func(req radius.Packet) []byte { return accepted(req, secret, nil, radius.MaxSize) },
}

// A reply that cannot be relayed is dropped, counted and said once in a while: the user whom it accepts is not rejected, now or later. Its home server
// lives.
func TestUnfitReply(t *testing.T) {
	for why, answer := range unfits {
		t.Run(why, func(t *testing.T) {
			w := newWorld(t, udpListen+homeText(0, "")+poolText)
			h := w.home(0)
			h.answer = answer
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			for id := range uint8(10) {
				nas.send("192.0.2.1:1812", access(id, "bob", "hello"))
			}
			nas.none(time.Minute)
			if n := w.gateway.Homes()[0].Ports[0].Counts.Rejected.Load(); n != 10 {
				t.Errorf("%d replies are counted", n)
			}
			if n := w.gateway.clients["/nas"].Outcomes[OutcomeFailed].Load(); n != 10 {
				t.Errorf("%d requests failed", n)
			}
			if w.logged("reply cannot be relayed") != 1 || w.logged(why) != 1 || w.logged("home server zombie")+w.logged("no home server lives") != 0 {
				t.Errorf("it is said %d times", w.logged("reply cannot be relayed"))
			}
			w.idle()
		})
	}
}

// The next reply counts: of the same home server, and of the second one when the first has had its time; also over another thread's connection.
func TestUnfitReplyAndAnother(t *testing.T) {
	for why, answer := range unfits {
		for port := range 2 {
			t.Run(fmt.Sprint(why, " ", port), func(t *testing.T) {
				w := twoLanes(t, "udp", "tcp", "\trequire_message_authenticator = no\n", 2)
				h0, h1 := w.homeOn(0, "tcp"), w.homeOn(1, "tcp")
				nas := w.udp(w.nas, "192.0.2.2:4000", nil)
				req := access(1, "bob", "hello")
				nas.send("192.0.2.1:1812", req)
				w.reply(nas.receive(), req)
				h0.answer = answer
				req = access(2, "bob", "hello")
				nas.send(fmt.Sprint("192.0.2.1:", 1812+port), req)
				w.until("it is there", func() bool { return h0.count == 2 })
				nas.none(time.Second)
				h0.send(h0.accept(h0.last()))
				if p := w.reply(nas.receive(), req); p.Code() != radius.AccessAccept || h1.count != 0 {
					t.Errorf("%v", p.Code())
				}
				req = access(3, "bob", "hello")
				nas.send(fmt.Sprint("192.0.2.1:", 1812+port), req)
				if p := w.reply(nas.receive(), req); p.Code() != radius.AccessAccept || h1.count != 1 {
					t.Errorf("%v; the second home server got %d", p.Code(), h1.count)
				}
				h1.answer = answer
				nas.send(fmt.Sprint("192.0.2.1:", 1812+port), access(4, "bob", "hello"))
				nas.none(time.Minute)
				w.idle()
			})
		}
	}
}

// A request without Message-Authenticator that has no room for one is dropped, and the line says so; a byte less passes.
func TestUnsignedRequestWithoutRoom(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "")+poolText)
	h := w.home(0)
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	vector := []byte("0123456789abcdef")
	req := unsigned(radius.AccessRequest, 1, vector, nil, 4078)
	nas.send("192.0.2.1:1812", req)
	if p := w.reply(nas.receive(), req); p.Code() != radius.AccessAccept || len(h.last()) != radius.MaxSize {
		t.Errorf("%v; the home server got %d bytes", p.Code(), len(h.last()))
	}
	nas.send("192.0.2.1:1812", unsigned(radius.AccessRequest, 2, vector, nil, 4079))
	nas.none(time.Minute)
	if n := w.gateway.clients["/nas"].Dropped[radius.ReasonTooBig].Load(); h.count != 1 || n != 1 || w.logged("no room for a Message-Authenticator") != 1 {
		t.Errorf("the home server got %d, %d were dropped", h.count, n)
	}
	w.idle()
}

// A Protocol-Error goes no further (RFC 7930, Section 4): the second home server is asked at once, and without one the request is answered as without
// a home server. Who sent it lives.
func TestProtocolError(t *testing.T) {
	declines := func(req radius.Packet) []byte {
		b := radius.NewReply(nil, radius.ProtocolError, req)
		b.AddUint32(radius.ErrorCause, 601)
		return seal(&b)
	}
	for port := range 2 {
		t.Run(fmt.Sprint(port), func(t *testing.T) {
			w := twoLanes(t, "udp", "tcp", "", 2)
			h0, h1 := w.homeOn(0, "tcp"), w.homeOn(1, "tcp")
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			req := access(1, "bob", "hello")
			nas.send("192.0.2.1:1812", req)
			w.reply(nas.receive(), req)
			h0.answer = declines
			request := map[radius.Code]func(id uint8) []byte{
				radius.AccessRequest:     func(id uint8) []byte { return access(id, "bob", "hello") },
				radius.AccountingRequest: func(id uint8) []byte { return accounting(id, "bob") },
			}
			for i, code := range []radius.Code{radius.AccessRequest, radius.AccountingRequest} {
				h1.answer = nil
				req := request[code](2)
				began := w.sim.Now()
				nas.send(fmt.Sprint("192.0.2.1:", 1812+port), req)
				if p := w.reply(nas.receive(), req); p.Code() == radius.ProtocolError || !p.Code().Answers(code) || w.sim.Now().Sub(began) > time.Second {
					t.Errorf("%v: %v after %v", code, p.Code(), w.sim.Now().Sub(began))
				}
				h1.answer = declines
				req = request[code](3)
				nas.send(fmt.Sprint("192.0.2.1:", 1812+port), req)
				if code == radius.AccountingRequest {
					nas.none(time.Minute)
				} else if p := w.reply(nas.receive(), req); p.Code() != radius.AccessReject {
					t.Errorf("%v", p.Code())
				}
				if h0.count != 3+2*i || h1.count != 2+2*i {
					t.Errorf("the home servers got %d and %d", h0.count, h1.count)
				}
			}
			if w.logged("home server zombie")+w.logged("no home server lives") != 0 || w.logged("concerns this hop alone") == 0 {
				t.Error("what is logged is wrong")
			}
			w.idle()
		})
	}
}
