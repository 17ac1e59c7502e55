package gateway

import (
	"bytes"
	"crypto/md5"
	"slices"
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
)

const otherSecret = "another secret"

var otherKeys = radius.NewKeys([]byte(otherSecret))

// hopWorld has a home server with a secret of its own.
func hopWorld(t *testing.T, more string) (*world, *home, *socket) {
	w := newWorld(t, udpListen+"home_server h0 {\n\tipaddr = 192.0.2.3\n\tsecret = \""+otherSecret+"\"\n\tacct_port = 1812\n"+more+"}\n"+poolText)
	h := w.home(0)
	h.keys = otherKeys
	return w, h, w.udp(w.nas, "192.0.2.2:4000", nil)
}

// build makes an Access-Request with what add adds.
func build(id uint8, add func(b *radius.Builder)) []byte {
	return buildCode(radius.AccessRequest, id, add)
}

func buildCode(code radius.Code, id uint8, add func(b *radius.Builder)) []byte {
	b := radius.NewRequest(nil, code, id, [16]byte{id, 1, 2, 3})
	add(&b)
	return seal(&b)
}

func first(p radius.Packet) radius.Type { return radius.Type(p[radius.HeaderSize]) }

// values are all values of a type, in order.
func values(p radius.Packet, t radius.Type) (all [][]byte) {
	for a := range p.Attributes() {
		if a.Type == t {
			all = append(all, a.Value)
		}
	}
	return all
}

// Each hop has identifiers and authenticators of its own, and a Message-Authenticator, first, in both directions, also where there was none.
func TestHopOwnHeader(t *testing.T) {
	w, h, nas := hopWorld(t, "")
	h.answer = func(req radius.Packet) []byte {
		// Without Message-Authenticator, as an old server answers.
		p := append([]byte{2, req.ID(), 0, 20 + 5}, req.Authenticator()...)
		p = append(p, 18, 5, 'y', 'e', 's')
		sum := md5.Sum(append(slices.Clone(p), otherSecret...))
		copy(p[4:], sum[:])
		return p
	}
	for id := range uint8(3) {
		req := bare(id+100, 1, 5, 'b', 'o', 'b')
		nas.send("192.0.2.1:1812", req)
		p := w.reply(nas.receive(), req)
		got := h.last()
		if got.ID() == id+100 || bytes.Equal(got.Authenticator(), req[4:20]) {
			t.Errorf("the home server got id %d, authenticator %x", got.ID(), got.Authenticator())
		}
		if first(got) != radius.MessageAuthenticator || first(p) != radius.MessageAuthenticator {
			t.Errorf("first are attributes %d and %d", first(got), first(p))
		}
		if m, _ := p.Find(radius.ReplyMessage); string(m) != "yes" {
			t.Errorf("Reply-Message %q", m)
		}
	}
	if bytes.Equal(h.seen[0].Authenticator(), h.seen[1].Authenticator()) {
		t.Error("two requests have the same authenticator")
	}
}

// bare is an Access-Request of raw attributes, without Message-Authenticator.
func bare(id uint8, attrs ...byte) []byte {
	p := append([]byte{1, id, 0, byte(20 + len(attrs))}, bytes.Repeat([]byte{id, 9}, 8)...)
	return append(p, attrs...)
}

// What is hidden with a secret is hidden anew with the next one.
func TestHopHidden(t *testing.T) {
	w, h, nas := hopWorld(t, "")
	h.answer = func(req radius.Packet) []byte {
		b := radius.NewReply(nil, radius.AccessAccept, req)
		b.HideKey(otherKeys, 16, []byte("a key of the home server, 32 byt"))
		b.HideTunnelPassword(otherKeys, 3, []byte("the tunnel's password"))
		return h.seal(&b)
	}
	const password = "a password of more than sixteen bytes"
	req := access(1, "bob", password)
	nas.send("192.0.2.1:1812", req)
	p := w.reply(nas.receive(), req)
	hidden, _ := h.last().Find(radius.UserPassword)
	if got := uncover(otherSecret, hidden, h.last().Authenticator()); string(bytes.TrimRight(got, "\x00")) != password {
		t.Errorf("User-Password is %q", got)
	}
	key, _ := p.FindVendor(radius.Microsoft, 16)
	if got := uncover(secret, key[2:], req[4:20], key[:2]...); string(got[1:1+got[0]]) != "a key of the home server, 32 byt" {
		t.Errorf("MS-MPPE-Send-Key is %q", got)
	}
	tunnel, _ := p.Find(radius.TunnelPassword)
	if got := uncover(secret, tunnel[3:], req[4:20], tunnel[1:3]...); tunnel[0] != 3 || string(got[1:1+got[0]]) != "the tunnel's password" {
		t.Errorf("Tunnel-Password is %d %q", tunnel[0], got)
	}
}

// uncover is RFC 2865, Section 5.2, and with a salt RFC 2868, Section 3.5, written again.
func uncover(secret string, hidden, vector []byte, salt ...byte) (clear []byte) {
	last := append(slices.Clone(vector), salt...)
	for len(hidden) > 0 {
		pad := md5.Sum(append([]byte(secret), last...))
		for i, c := range hidden[:16] {
			clear = append(clear, c^pad[i])
		}
		last, hidden = hidden[:16], hidden[16:]
	}
	return clear
}

// CHAP that was made with the authenticator gets it as CHAP-Challenge; one that is there stays as it is.
func TestHopCHAP(t *testing.T) {
	w, h, nas := hopWorld(t, "")
	chap := bytes.Repeat([]byte{7}, 17)
	req := build(1, func(b *radius.Builder) { b.Add(radius.CHAPPassword, chap) })
	nas.send("192.0.2.1:1812", req)
	w.reply(nas.receive(), req)
	if got := values(h.last(), radius.CHAPChallenge); len(got) != 1 || !bytes.Equal(got[0], req[4:20]) {
		t.Errorf("CHAP-Challenge %x", got)
	}
	if got := values(h.last(), radius.CHAPPassword); len(got) != 1 || !bytes.Equal(got[0], chap) {
		t.Errorf("CHAP-Password %x", got)
	}
	req = build(2, func(b *radius.Builder) {
		b.Add(radius.CHAPChallenge, []byte("a challenge"))
		b.Add(radius.CHAPPassword, chap)
	})
	nas.send("192.0.2.1:1812", req)
	w.reply(nas.receive(), req)
	if got := values(h.last(), radius.CHAPChallenge); len(got) != 1 || string(got[0]) != "a challenge" {
		t.Errorf("CHAP-Challenge %q", got)
	}
}

// Proxy-State of others stays in order, before ours; the reply has theirs, and not ours.
func TestHopProxyState(t *testing.T) {
	w, h, nas := hopWorld(t, "")
	req := build(1, func(b *radius.Builder) {
		b.AddString(radius.ProxyState, "one")
		b.AddString(radius.UserName, "bob")
		b.AddString(radius.ProxyState, "two")
	})
	nas.send("192.0.2.1:1812", req)
	p := w.reply(nas.receive(), req)
	got := values(h.last(), radius.ProxyState)
	if len(got) != 3 || string(got[0]) != "one" || string(got[1]) != "two" || !bytes.Equal(got[2], w.gateway.instance[:]) {
		t.Errorf("the home server got Proxy-State %q", got)
	}
	if got := values(p, radius.ProxyState); len(got) != 2 || string(got[0]) != "one" || string(got[1]) != "two" {
		t.Errorf("the client got Proxy-State %q", got)
	}
}

// A home server that echoes no Proxy-State, or other ones: the client gets its own all the same, in order.
func TestHopProxyStateNotEchoed(t *testing.T) {
	for _, code := range []radius.Code{radius.AccessRequest, radius.AccountingRequest} {
		for _, echoed := range [][]string{nil, {"two", "one"}, {"another"}} {
			w, h, nas := hopWorld(t, "")
			h.answer = func(req radius.Packet) []byte {
				b := radius.NewReply(nil, map[radius.Code]radius.Code{radius.AccessRequest: radius.AccessAccept, radius.AccountingRequest: radius.AccountingResponse}[code],
					slices.Clone(req[:radius.HeaderSize]))
				for _, v := range echoed {
					b.AddString(radius.ProxyState, v)
				}
				return h.seal(&b)
			}
			req := buildCode(code, 1, func(b *radius.Builder) {
				b.AddString(radius.ProxyState, "one")
				b.AddString(radius.UserName, "bob")
				b.AddString(radius.ProxyState, "two")
			})
			nas.send("192.0.2.1:1812", req)
			got := values(w.reply(nas.receive(), req), radius.ProxyState)
			if len(got) != 2 || string(got[0]) != "one" || string(got[1]) != "two" {
				t.Errorf("%v, echoed %q: the client got Proxy-State %q", code, echoed, got)
			}
		}
	}
}

// A packet that has been here is dropped and counted.
func TestHopLoop(t *testing.T) {
	w, h, nas := hopWorld(t, "")
	req := build(1, func(b *radius.Builder) {
		b.AddString(radius.UserName, "bob")
		b.Add(radius.ProxyState, w.gateway.instance[:])
	})
	nas.send("192.0.2.1:1812", req)
	nas.none(10 * time.Second)
	if h.count != 0 || w.gateway.clients["/nas"].Outcomes[OutcomeLoop].Load() != 1 || w.logged("msg=loop") != 1 {
		t.Errorf("the home server got %d; log:\n%s", h.count, w.log.String())
	}
}

// What only begins as our Proxy-State does is that of another gateway, and no loop.
func TestHopNoLoop(t *testing.T) {
	w, h, nas := hopWorld(t, "")
	for id := range uint8(instanceBytes) {
		other := bytes.Clone(w.gateway.instance[:])
		other[id]++
		for _, state := range [][]byte{other, w.gateway.instance[:id], append([]byte{1}, w.gateway.instance[:]...)} {
			req := build(id, func(b *radius.Builder) {
				b.AddString(radius.UserName, "bob")
				b.Add(radius.ProxyState, state)
			})
			nas.send("192.0.2.1:1812", req)
			w.reply(nas.receive(), req)
			w.pass(10 * time.Second) // its identifier comes again
		}
	}
	if n := w.gateway.clients["/nas"].Outcomes[OutcomeLoop].Load(); h.count != 3*instanceBytes || n != 0 {
		t.Errorf("the home server got %d, %d were loops", h.count, n)
	}
}

// Attributes that nobody here knows pass as they are, in both directions.
func TestHopUnknownAttributes(t *testing.T) {
	w, h, nas := hopWorld(t, "")
	odd := []byte{200, 2, 26, 7, 0, 0, 255, 1, 9, 241, 7, 1, 2, 3, 4, 5, 1, 5, 'b', 'o', 'b', 26, 4, 1, 2, 0, 3, 1}
	h.answer = func(req radius.Packet) []byte {
		b := radius.NewReply(nil, radius.AccessAccept, req)
		b.AddEncoded(odd)
		return h.seal(&b)
	}
	req := build(1, func(b *radius.Builder) { b.AddEncoded(odd) })
	nas.send("192.0.2.1:1812", req)
	p := w.reply(nas.receive(), req)
	if got := h.last(); !bytes.Equal(got[38:38+len(odd)], odd) {
		t.Errorf("the home server got %x", got[38:])
	}
	if !bytes.Equal(p[38:38+len(odd)], odd) {
		t.Errorf("the client got %x", p[38:])
	}
}

// Packets of 4096 bytes pass both ways, on every stack.
func TestHopLongest(t *testing.T) {
	for _, stack := range []string{"udp", "tcp", "tls+tcp", "tls+udp"} {
		t.Run(stack, func(t *testing.T) {
			pre := &world{T: t}
			w := newWorld(t, pre.listenText("l", stack, gatewayAddr)+clientText+pre.homeOnText(0, stack, acctHere(stack))+poolText)
			h := w.homeOn(0, stack)
			mine := radius.NewKeys([]byte(secretOf(stack)))
			h.answer = func(req radius.Packet) []byte {
				b := radius.NewReply(nil, radius.AccessAccept, req)
				fill(&b, radius.MaxSize-radius.HeaderSize-18-2-8) // the Proxy-State that comes back is not relayed
				return h.seal(&b)
			}
			nas := w.dial(stack)
			b := radius.NewRequest(nil, radius.AccessRequest, 1, [16]byte{1})
			fill(&b, radius.MaxSize-radius.HeaderSize-18)
			req, err := b.Seal(mine)
			w.must(err)
			if len(req) != radius.MaxSize {
				t.Fatalf("%d bytes", len(req))
			}
			nas.send(req)
			p, err := radius.Parse(nas.receive())
			w.must(err)
			if err := mine.CheckReply(p, req[4:20], true); err != nil || len(p) < radius.MaxSize-10 || len(h.last()) != radius.MaxSize {
				t.Errorf("%v: there %d bytes, back %d", err, len(h.last()), len(p))
			}
		})
	}
}

// fill adds n bytes of attributes.
func fill(b *radius.Builder, n int) {
	for n > 0 {
		size := min(n, 255)
		if n-size == 1 {
			size--
		}
		b.Add(200, make([]byte, size-2))
		n -= size
	}
}

// What the gateway cannot make of a request is dropped with its reason, and is no home server's fault.
func TestHopCannotRelay(t *testing.T) {
	for name, add := range map[string]func(b *radius.Builder){
		radius.ReasonHidden.String(): func(b *radius.Builder) { b.AddString(radius.UserPassword, "not sixteen") },
		radius.ReasonTooBig.String(): func(b *radius.Builder) {
			b.Add(radius.CHAPPassword, make([]byte, 17)) // a CHAP-Challenge would have to go with it
			fill(b, radius.MaxSize-radius.HeaderSize-18-19)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, h, nas := hopWorld(t, "")
			req := build(1, add)
			nas.send("192.0.2.1:1812", req)
			nas.none(10 * time.Second)
			state := w.gateway.clients["/nas"]
			if h.count != 0 || state.Outcomes[OutcomeFailed].Load() != 1 || w.logged("home server zombie")+w.logged("no home server lives") > 0 {
				t.Errorf("the home server got %d; log:\n%s", h.count, w.log.String())
			}
			for reason := range radius.ReasonCount {
				if n := state.Dropped[reason].Load(); n > 0 != (reason.String() == name) {
					t.Errorf("%v: %d", reason, n)
				}
			}
			if w.gateway.branches[0].active != 0 || w.gateway.branches[0].table.Len() != 0 {
				t.Error("it is still under way")
			}
		})
	}
}
