package dtls

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// say is a whole handshake message of epoch 0, in a datagram of its own.
func say(typ uint8, seq int, body []byte) []byte {
	m := append(appendMessageHeader(nil, typ, uint16(seq), len(body), 0, len(body)), body...)
	return rawRecord(record{typ: typeHandshake, version: version12, body: m})
}

func startedClient(t *testing.T, c *Config) *Engine {
	t.Helper()
	e := must(NewClient(c))
	if err := e.Start(epochStart); err != nil {
		t.Fatal(err)
	}
	e.Sent(epochStart)
	return e
}

// wantAlert checks that err is an alert of this side, with a reason.
func wantAlert(t *testing.T, err error, alert int, reason string) {
	t.Helper()
	var a *AlertError
	if !errors.As(err, &a) || a.Received || int(a.Alert) != alert || !strings.Contains(err.Error(), reason) {
		t.Errorf("%v, want alert %d with %q", err, alert, reason)
	}
}

// A server with a good certificate, whose ServerKeyExchange is signed, but wrong.
func TestHostileServer(t *testing.T) {
	type exchange struct {
		suite         uint16
		chain         [][]byte
		kind          byte
		curve, scheme uint16
		point         []byte
		salt          int
	}
	ecdsaScheme, pss := uint16(tls.ECDSAWithP256AndSHA256), uint16(tls.PSSWithSHA256)
	tests := []struct {
		name   string
		key    keyKind
		change func(x *exchange)
		alert  int
		reason string
	}{
		{"nothing wrong", keyECDSA, func(x *exchange) {}, 0, ""},
		{"nothing wrong, PSS", keyRSA, func(x *exchange) {}, 0, ""},
		{"curve not offered", keyECDSA, func(x *exchange) {
			x.curve, x.point = uint16(tls.CurveP256), must(curveOf(tls.CurveP256).GenerateKey(rand.Reader)).PublicKey().Bytes()
		}, alertIllegalParameter, "curve 23 was not offered"},
		{"explicit curve", keyECDSA, func(x *exchange) { x.kind = 1 }, alertIllegalParameter, "named_curve"},
		{"point of low order", keyECDSA, func(x *exchange) { x.point = make([]byte, 32) }, alertIllegalParameter, "public key"},
		{"point too short", keyECDSA, func(x *exchange) { x.point = x.point[1:] }, alertIllegalParameter, "public key"},
		{"SHA-1", keyECDSA, func(x *exchange) { x.scheme = uint16(tls.ECDSAWithSHA1) }, alertIllegalParameter, "not offered"},
		{"scheme of another key", keyECDSA, func(x *exchange) { x.scheme = pss }, alertIllegalParameter, "not for the key"},
		{"salt of another length", keyRSA, func(x *exchange) { x.salt = 20 }, alertDecryptError, "verification"},
		{"suite of another key", keyRSA, func(x *exchange) { x.suite = suites[0].id }, alertUnsupportedCert, "not for"},
		{"no certificate", keyECDSA, func(x *exchange) { x.chain = nil }, alertBadCertificate, "none of the server"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, cc := configs(tt.key)
			cc.CurvePreferences = []tls.CurveID{tls.X25519}
			e := startedClient(t, cc)
			cert := leafOf(tt.key, 0)
			x := exchange{suite: suites[0].id, chain: cert.Certificate, kind: 3, curve: uint16(tls.X25519), scheme: ecdsaScheme,
				point: must(curveOf(tls.X25519).GenerateKey(rand.Reader)).PublicKey().Bytes(), salt: rsa.PSSSaltLengthEqualsHash}
			if tt.key == keyRSA {
				x.suite, x.scheme = suites[1].id, pss
			}
			tt.change(&x)
			params := appendVec(append16([]byte{x.kind}, x.curve), 1, x.point)
			signed := slices.Concat(e.clientRandom[:], make([]byte, 32), params)
			var opts crypto.SignerOpts = crypto.SHA256
			if tt.key == keyRSA {
				opts = &rsa.PSSOptions{SaltLength: x.salt, Hash: crypto.SHA256}
			}
			sig := must(cert.PrivateKey.(crypto.Signer).Sign(rand.Reader, digest(crypto.SHA256, signed), opts))
			hello := &serverHello{version: version12, suite: x.suite, ems: true, renegotiation: true, points: true}
			_, err := e.Feed(epochStart, slices.Concat(say(typeServerHello, 0, hello.bytes()),
				say(typeCertificate, 1, certificateBody(x.chain)), say(typeServerKeyExchange, 2, appendSignature(params, x.scheme, sig))))
			if tt.alert != 0 {
				wantAlert(t, err, tt.alert, tt.reason)
			} else if err != nil || e.hs.expect != wantRequestOrDone {
				t.Error(err)
			}
		})
	}
}

// Extensions of a ServerHello that nobody asked for, and a session that is resumed with another suite.
func TestHostileServerHello(t *testing.T) {
	hello := &serverHello{version: version12, suite: suites[0].id, ems: true, renegotiation: true}
	_, cc := configs(keyECDSA)
	cc.ServerName = "192.0.2.9" // not sent
	named := *hello
	named.nameAck = true
	_, err := startedClient(t, cc).Feed(epochStart, say(typeServerHello, 0, named.bytes()))
	wantAlert(t, err, alertUnsupportedExtension, "not offered")

	_, cc = configs(keyECDSA)
	b := hello.bytes() // renegotiation_info is the first extension
	at := 2 + 32 + 1 + 2 + 1
	b[at+1]++
	b[at+5], b[at+6] = 2, 1
	b = slices.Insert(b, at+7, 'x')
	_, err = startedClient(t, cc).Feed(epochStart, say(typeServerHello, 0, b))
	wantAlert(t, err, alertDecodeError, "65281")

	cc.Sessions = NewSessionCache(1)
	cc.Sessions.put(serverName, &Session{ticket: []byte("ticket"), suite: suites[0].id, peer: leafOf(keyECDSA, 0).Certificate,
		until: epochStart.Add(time.Hour)})
	e := startedClient(t, cc)
	other := *hello
	other.suite, other.sessionID = suites[2].id, e.hs.hello.sessionID
	if len(other.sessionID) != 32 {
		t.Fatal("the session is not offered")
	}
	_, err = e.Feed(epochStart, say(typeServerHello, 0, other.bytes()))
	wantAlert(t, err, alertIllegalParameter, "not that of the session")

	e = startedClient(t, cc)
	for i := range maxHelloVerify + 1 {
		_, err = e.Feed(epochStart, say(typeHelloVerifyRequest, i, appendVec([]byte{0xfe, 0xff}, 1, []byte("cookie"))))
		if i < maxHelloVerify && err != nil {
			t.Fatal(err)
		}
	}
	wantAlert(t, err, alertUnexpectedMessage, "more than")
}

// The server's own checks of a ticket that opens, whatever the client offers beside it.
func TestTakeSession(t *testing.T) {
	sc, _ := configs(keyECDSA)
	peer := leafOf(keyECDSA, 1).Certificate
	tests := []struct {
		name   string
		auth   tls.ClientAuthType
		s      Session
		suites []uint16
		want   bool
	}{
		{"fits", tls.RequireAndVerifyClientCert, Session{suite: suites[0].id, peer: peer}, CipherSuites(), true},
		{"no certificate, none asked", tls.NoClientCert, Session{suite: suites[0].id}, CipherSuites(), true},
		{"suite not in the hello", tls.NoClientCert, Session{suite: suites[0].id}, CipherSuites()[1:], false},
		{"no certificate, but required", tls.RequireAnyClientCert, Session{suite: suites[0].id}, CipherSuites(), false},
		{"certificate, but none asked", tls.NoClientCert, Session{suite: suites[0].id, peer: peer}, CipherSuites(), false},
		{"other name", tls.NoClientCert, Session{suite: suites[0].id, name: "other.example.org"}, CipherSuites(), false},
	}
	for _, tt := range tests {
		c := *sc
		c.ClientAuth = tt.auth
		if got := must(NewServer(&c)).takeSession(epochStart, &clientHello{suites: tt.suites}, &tt.s); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// A ticket lives a day at most, whatever the server says.
func TestTicketLifetime(t *testing.T) {
	_, cc := configs(keyECDSA)
	cc.Sessions = NewSessionCache(1)
	for seconds, want := range map[uint32]time.Duration{0: ticketLifetime, 60: time.Minute, 1 << 31: ticketLifetime} {
		e := startedClient(t, cc)
		e.suite = &suites[0]
		body := appendVec(append16(append16(nil, uint16(seconds>>16)), uint16(seconds)), 2, []byte("ticket"))
		if err := e.clientTicket(epochStart, message{typ: typeNewSessionTicket, body: body}); err != nil {
			t.Fatal(err)
		}
		if got := e.hs.newTicket.until.Sub(epochStart); got != want {
			t.Errorf("lifetime %d s: kept for %v, want %v", seconds, got, want)
		}
	}
}

// How much a server says to a peer that repeats itself is bounded, and copies that come at once get one answer.
func TestAnswersBounded(t *testing.T) {
	sc, cc := configs(keyECDSA)
	p := newPath(t, sc, cc)
	var hello []byte
	p.carry = func(d *packet) int {
		if d.toServer {
			hello = d.b
		}
		return 1
	}
	p.start()
	p.run(time.Minute, func() bool { return p.server != nil })
	count := func(e *Engine, gap time.Duration, datagram func() []byte) (n int) {
		now := p.now.Add(time.Second)
		for range 3 * maxPeerRetransmits {
			now = now.Add(gap)
			if _, err := e.Feed(now, datagram()); err != nil {
				t.Fatal(err)
			}
			if len(e.Out()) > 0 {
				n++
			}
			e.Sent(now)
		}
		return n
	}
	p.server.Sent(p.now)
	same := func() []byte { return hello }
	if n := count(p.server, time.Millisecond, same); n != 1 {
		t.Errorf("%d answers to copies of a hello", n)
	}
	if n := count(p.server, time.Second, same); n != maxPeerRetransmits-1 {
		t.Errorf("%d more answers to a hello", n)
	}

	client, server := openPair(t, sc, cc)
	finished := append(appendMessageHeader(nil, typeFinished, server.last.peerLast, 12, 0, 12), make([]byte, 12)...)
	again := func() []byte { return must(client.appendRecord(nil, typeHandshake, 1, finished)) }
	if n := count(server, time.Millisecond, again); n != 1 {
		t.Errorf("%d answers to copies of a Finished", n)
	}
	if n := count(server, time.Second, again); n > maxPeerRetransmits || n == 0 {
		t.Errorf("%d more answers to a Finished", n)
	}
}

func TestLengthsRefused(t *testing.T) {
	sc, cc := configs(keyECDSA)
	p := newPath(t, sc, cc)
	p.start()
	p.run(time.Minute, func() bool { return p.server != nil })
	_, err := p.server.Feed(p.now, say(typeClientKeyExchange, int(p.server.hs.in.next), make([]byte, 257)))
	wantAlert(t, err, alertDecodeError, "length 257 above 256")

	_, err = parseCertificateBody(certificateBody(slices.Repeat([][]byte{{1}}, maxCertificates+1)))
	wantAlert(t, err, alertDecodeError, "more than 10")

	cc.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256} // the least overhead
	client, server := openPair(t, sc, cc)
	d := must(client.appendRecord(nil, typeApplicationData, 1, make([]byte, maxPlaintext+1)))
	if _, err := server.Feed(epochStart, d); err != nil || server.Held() || server.Counts().Malformed != 1 {
		t.Errorf("a record of %d bytes: %v, held %v", maxPlaintext+1, err, server.Held())
	}
}

func TestPreMasterWiped(t *testing.T) {
	secret := []byte("a shared secret")
	new(handshake).masterSecret(&suites[0], secret)
	if slices.Max(secret) != 0 {
		t.Errorf("left: %q", secret)
	}
	// A session of a ticket that is refused.
	sc, cc := configs(keyECDSA)
	sc.TicketKeys, cc.Sessions = NewTicketKeys([32]byte{1}), NewSessionCache(1)
	newPath(t, sc, cc).open()
	p := newPath(t, sc, cc)
	var s *Session
	sc.VerifyConnection = func(tls.ConnectionState) error {
		if s = p.server.hs.session; s.master == [masterLen]byte{} {
			t.Error("no secret in the session")
		}
		return errors.New("revoked")
	}
	p.start()
	p.settle(time.Minute)
	if s == nil || s.master != [masterLen]byte{} {
		t.Error("the secret of a refused session stays")
	}
}
