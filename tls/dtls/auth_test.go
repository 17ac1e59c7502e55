package dtls

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"
)

// eachMessage calls f for every whole handshake message of a datagram in epoch 0, with its body.
func eachMessage(d []byte, f func(typ uint8, body []byte)) {
	for rest := d; len(rest) > 0; {
		r, tail, ok := parseRecord(rest)
		if !ok {
			return
		}
		rest = tail
		if fr, _, ok := parseFragment(r.body); ok && r.epoch == 0 && r.typ == typeHandshake && len(fr.data) == fr.length {
			f(fr.typ, fr.data)
		}
	}
}

// What somebody on the path changes in the handshake is found: by a signature, or by the Finished.
func TestTampering(t *testing.T) {
	flipLast := func(body []byte) { body[len(body)-1] ^= 1 }
	tests := []struct {
		name   string
		typ    uint8
		change func(body []byte)
		server bool // who finds it
		alert  int
	}{
		{"signature of the server", typeServerKeyExchange, flipLast, false, alertDecryptError},
		{"point of the server", typeServerKeyExchange, func(b []byte) { b[10] ^= 1 }, false, alertDecryptError},
		{"random of the server", typeServerHello, func(b []byte) { b[10] ^= 1 }, false, alertDecryptError},
		{"certificate of the server", typeCertificate, flipLast, false, alertUnknownCA},
		{"signature of the client", typeCertificateVerify, flipLast, true, alertDecryptError},
		{"point of the client", typeClientKeyExchange, func(b []byte) { b[10] ^= 1 }, true, alertDecryptError},
		{"point of the client zero", typeClientKeyExchange, func(b []byte) { clear(b[1:]) }, true, alertIllegalParameter},
		{"SHA-1 by the client", typeCertificateVerify, func(b []byte) { b[0], b[1] = 2, 3 }, true, alertIllegalParameter},
		{"schemes of the client", typeClientHello, func(b []byte) { b[len(b)-1] ^= 1 }, true, alertDecryptError},
	}
	for _, tt := range tests {
		for _, kind := range []keyKind{keyECDSA, keyEd25519, keyRSA} {
			if tt.typ == typeCertificate && kind != keyECDSA {
				continue
			}
			sc, cc := configs(kind)
			sc.ClientAuth = tls.RequireAndVerifyClientCert
			p := newPath(t, sc, cc)
			p.carry = func(d *packet) int {
				eachMessage(d.b, func(typ uint8, body []byte) {
					if typ == tt.typ && d.toServer == (typ == typeClientHello || typ == typeClientKeyExchange || typ == typeCertificateVerify) {
						tt.change(body)
					}
				})
				return 1
			}
			p.start()
			p.settle(10 * time.Minute)
			if p.client.State() != Failed || p.server.State() != Failed {
				t.Errorf("%s, key %d: %s", tt.name, kind, p)
				continue
			}
			e := p.client
			if tt.server {
				e = p.server
			}
			var a *AlertError
			if !errors.As(e.Err(), &a) || int(a.Alert) != tt.alert || a.Received {
				t.Errorf("%s, key %d: %v, want alert %d", tt.name, kind, e.Err(), tt.alert)
			}
		}
	}
}

// A Finished under the right keys, but with the wrong verify_data, of each side.
func TestWrongFinished(t *testing.T) {
	for _, byClient := range []bool{true, false} {
		sc, cc := configs(keyECDSA)
		p := newPath(t, sc, cc)
		p.carry = func(d *packet) int {
			from := p.client
			if !d.toServer {
				from = p.server
			}
			if d.toServer != byClient {
				return 1
			}
			var out []byte
			for rest := d.b; len(rest) > 0; {
				r, tail, ok := parseRecord(rest)
				if !ok {
					break
				}
				one := rest[:len(rest)-len(tail)]
				rest = tail
				if r.epoch == 1 && r.typ == typeHandshake {
					seq := uint16(3) // of the client, without certificate: two hellos and the key exchange before
					if !byClient {
						seq = 5
					}
					f := append(appendMessageHeader(nil, typeFinished, seq, 12, 0, 12), "wrong, wrong"...)
					one = must(from.appendRecord(nil, typeHandshake, 1, f))
				}
				out = append(out, one...)
			}
			d.b = out
			return 1
		}
		p.start()
		p.settle(time.Second)
		e := p.client
		if byClient {
			e = p.server
		}
		var a *AlertError
		if !errors.As(e.Err(), &a) || a.Alert != alertDecryptError || a.Received {
			t.Errorf("by client %v: %s", byClient, p)
		}
	}
}

// A Finished in the clear is nothing.
func TestPlainFinished(t *testing.T) {
	sc, cc := configs(keyECDSA)
	p := newPath(t, sc, cc)
	p.start()
	for !p.bothOpen() {
		for i, e := range []*Engine{p.client, p.server} {
			if e == nil || e.hs == nil || i == 1 && e.hs.expect == wantClientHello {
				continue
			}
			before := e.Counts().Fragments
			m := append(appendMessageHeader(nil, typeFinished, e.hs.in.next, 12, 0, 12), make([]byte, 12)...)
			p.feed(e, rawRecord(record{typ: typeHandshake, version: version12, seq: 99, body: m}))
			if e.Counts().Fragments != before+1 {
				t.Errorf("end %d: not counted", i)
			}
		}
		if !p.step(p.now.Add(time.Minute)) {
			break
		}
	}
	if !p.bothOpen() {
		t.Fatal(p)
	}
	p.echo("data")
}

// A ticket is good for its name only (RFC 6066, Section 3).
func TestTicketOfOtherName(t *testing.T) {
	sc, cc := configs(keyECDSA)
	const other = "other.example.org"
	sc.Certificates = []tls.Certificate{testPKI().issue(keyECDSA, 0, serverName, func(c *x509.Certificate) {
		c.DNSNames = []string{serverName, other}
	})}
	sc.TicketKeys, cc.Sessions = NewTicketKeys([32]byte{1}), NewSessionCache(2)
	newPath(t, sc, cc).open()
	for _, name := range []string{serverName, other} {
		cc.Sessions.put(name, cc.Sessions.get(serverName, epochStart))
		c2 := *cc
		c2.ServerName = name
		p := newPath(t, sc, &c2)
		p.open()
		if got := p.server.ConnectionState().DidResume; got != (name == serverName) {
			t.Errorf("%s: resumed %v", name, got)
		}
	}
}

// The server itself holds to the lifetime, and takes no byte that it has not sealed.
func TestTicketOpen(t *testing.T) {
	k := NewTicketKeys([32]byte{1})
	peer, id, _ := k.chains.keep(epochStart, leafOf(keyECDSA, 1).Certificate)
	s := &Session{suite: suites[0].id, master: [masterLen]byte{7}, name: serverName, peer: peer, peerID: id}
	ticket, err := k.seal(epochStart, s, (&Config{}).rand())
	if err != nil {
		t.Fatal(err)
	}
	got := k.open(epochStart.Add(ticketLifetime-time.Second), ticket)
	if got == nil || got.master != s.master || got.suite != s.suite || got.name != s.name || len(got.peer) != 1 {
		t.Fatalf("opened %+v", got)
	}
	if k.open(epochStart.Add(ticketLifetime), ticket) != nil {
		t.Error("opened after its lifetime")
	}
	for i := range ticket {
		ticket[i] ^= 1
		if k.open(epochStart, ticket) != nil {
			t.Errorf("opened with byte %d changed", i)
		}
		ticket[i] ^= 1
		if k.open(epochStart, ticket[:i]) != nil {
			t.Errorf("opened %d of %d bytes", i, len(ticket))
		}
	}
	if _, err := k.seal(epochStart, &Session{name: strings.Repeat("a", MaxServerName+1)}, (&Config{}).rand()); err != errNoTicket {
		t.Errorf("a ticket too long for a hello: %v", err)
	}
	s.name = strings.Repeat("a", MaxServerName)
	if ticket, err = k.seal(epochStart, s, (&Config{}).rand()); err != nil || len(ticket) != maxTicketOut {
		t.Errorf("the longest ticket has %d bytes, want %d: %v", len(ticket), maxTicketOut, err)
	}
	k.Set()
	if _, err := k.seal(epochStart, s, (&Config{}).rand()); err != errNoTicket || k.open(epochStart, ticket) != nil {
		t.Errorf("without keys: %v", err)
	}
}

// A key that is slow to verify with is refused wherever it stands in the chain: the leaf is checked under the next one.
func TestLongKeyInChain(t *testing.T) {
	n := new(big.Int).SetBit(big.NewInt(1), maxRSABits+7, 1)
	ca := testPKI()
	long := must(x509.CreateCertificate(rand.Reader, template("long"), ca.cert, &rsa.PublicKey{N: n, E: 1<<31 - 1}, ca.key))
	leaf := leafOf(keyECDSA, 1).Certificate[0]
	for _, chain := range [][][]byte{{long}, {leaf, long}, {leaf, ca.cert.Raw, long}} {
		_, err := parseChain(chain)
		var a *AlertError
		if !errors.As(err, &a) || a.Alert != alertBadCertificate {
			t.Errorf("chain of %d with an RSA key of %d bits: %v", len(chain), n.BitLen(), err)
		}
	}
}
