package gateway

import (
	"bytes"
	"crypto/md5"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
)

// replies tells whether a request is answered.
func replies(s *socket, req []byte) bool {
	s.Helper()
	s.send("192.0.2.1:1812", req)
	s.pass(100 * time.Millisecond)
	n := len(s.got)
	s.got = nil
	return n > 0
}

var bob = []byte{1, 5, 'b', 'o', 'b'}

// require_message_authenticator of a client: yes, no, and auto, which learns.
func TestSignedRequests(t *testing.T) {
	for _, c := range []struct {
		key                  string
		before, signed, then bool // unsigned, signed, unsigned again
	}{{"yes", false, true, false}, {"no", true, true, true}, {"auto", true, true, false}} {
		t.Run(c.key, func(t *testing.T) {
			w := newWorld(t, strings.Replace(udpListen, "\tsecret", "\trequire_message_authenticator = "+c.key+"\n\tsecret", 1)+homeText(0, "")+poolText)
			w.home(0)
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			for i, want := range []bool{c.before, c.signed, c.then} {
				req := bare(uint8(i), bob...)
				if i == 1 {
					req = access(uint8(i), "bob", "hello")
				}
				if got := replies(nas, req); got != want {
					t.Errorf("request %d answered: %v", i, got)
				}
			}
			// Accounting has an authenticator, and needs no other.
			w.homeAt(0, 1813)
			if !replies(nas, accounting(9, "bob")) {
				t.Error("accounting is not answered")
			}
			if replies(nas, bare(10, 1, 5, 'b', 'o', 'b', 79, 3, 1)) {
				t.Error("EAP-Message without Message-Authenticator is relayed")
			}
		})
	}
}

// limit_proxy_state of a client.
func TestSignedProxyState(t *testing.T) {
	proxied := append(slices.Clone(bob), 33, 3, 1)
	for _, c := range []struct {
		key          string
		before, then bool
	}{{"yes", false, false}, {"no", true, true}, {"auto", true, false}} {
		t.Run(c.key, func(t *testing.T) {
			w := newWorld(t, strings.Replace(udpListen, "\tsecret", "\trequire_message_authenticator = no\n\tlimit_proxy_state = "+c.key+"\n\tsecret", 1)+homeText(0, "")+poolText)
			w.home(0)
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			if got := replies(nas, bare(1, proxied...)); got != c.before {
				t.Errorf("before: %v", got)
			}
			if !replies(nas, build(2, func(b *radius.Builder) { b.AddEncoded(proxied) })) || !replies(nas, bare(3, bob...)) {
				t.Error("good ones are not answered")
			}
			if got := replies(nas, bare(4, proxied...)); got != c.then {
				t.Errorf("then: %v", got)
			}
		})
	}
}

// require_message_authenticator of a home server, of its replies.
func TestSignedReplies(t *testing.T) {
	for _, c := range []struct {
		key          string
		before, then bool
	}{{"yes", false, false}, {"no", true, true}, {"auto", true, false}} {
		t.Run(c.key, func(t *testing.T) {
			w := newWorld(t, udpListen+homeText(0, "\trequire_message_authenticator = "+c.key+"\n")+poolText)
			h := w.home(0)
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			unsigned := func(req radius.Packet) []byte {
				p := append([]byte{2, req.ID(), 0, 20}, req.Authenticator()...)
				sum := md5.Sum(append(bytes.Clone(p), secret...))
				copy(p[4:], sum[:])
				return p
			}
			h.answer = unsigned
			if got := replies(nas, access(1, "bob", "hello")); got != c.before {
				t.Errorf("before: %v", got)
			}
			h.answer = nil
			if !replies(nas, access(2, "bob", "hello")) {
				t.Error("a signed one is not taken")
			}
			h.answer = unsigned
			if got := replies(nas, access(3, "bob", "hello")); got != c.then {
				t.Errorf("then: %v", got)
			}
		})
	}
}

// auto learns from nobody who has to sign: EAP-Message never comes without a Message-Authenticator, also from those who put it nowhere else.
func TestSignedByEAP(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "")+poolText)
	h := w.home(0)
	unsigned := func(req radius.Packet) []byte {
		p := append([]byte{2, req.ID(), 0, 20}, req.Authenticator()...)
		sum := md5.Sum(append(bytes.Clone(p), secret...))
		copy(p[4:], sum[:])
		return p
	}
	h.answer = func(req radius.Packet) []byte {
		if _, eap := req.Find(radius.EAPMessage); !eap {
			return unsigned(req)
		}
		b := radius.NewReply(nil, radius.AccessChallenge, req)
		b.Add(radius.EAPMessage, []byte{1, 1, 0, 4})
		return seal(&b)
	}
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	if !replies(nas, build(1, func(b *radius.Builder) {
		b.Add(radius.EAPMessage, []byte{2, 1, 0, 4})
		b.Add(radius.ProxyState, []byte("x"))
	})) {
		t.Error("EAP is not answered")
	}
	if !replies(nas, bare(2, append(slices.Clone(bob), 33, 3, 1)...)) {
		t.Error("what has no EAP-Message has to be signed since one that had was")
	}
}

// auto learns from a client of one address only: another device of a network may not sign.
func TestSignedByNetwork(t *testing.T) {
	for _, c := range []struct {
		addr string
		then bool
	}{{"192.0.2.2", false}, {"192.0.2.0/24", true}, {"192.0.2.2\n\tipaddr = 192.0.2.9", true}} {
		t.Run(c.addr, func(t *testing.T) {
			w := newWorld(t, strings.Replace(udpListen, "ipaddr = 192.0.2.2", "ipaddr = "+c.addr, 1)+homeText(0, "")+poolText)
			w.home(0)
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			if !replies(nas, access(1, "bob", "hello")) {
				t.Error("a signed one is not answered")
			}
			if got := replies(nas, bare(2, bob...)); got != c.then {
				t.Errorf("an unsigned one is answered: %v", got)
			}
		})
	}
}
