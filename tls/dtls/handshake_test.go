package dtls

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestHandshake(t *testing.T) {
	for _, s := range suites {
		kinds := []keyKind{keyRSA}
		if s.ecdsa {
			kinds = []keyKind{keyECDSA, keyEd25519}
		}
		for _, kind := range kinds {
			for _, auth := range []tls.ClientAuthType{tls.NoClientCert, tls.RequireAndVerifyClientCert} {
				for _, curve := range []tls.CurveID{tls.X25519, tls.CurveP256} {
					name := fmt.Sprintf("%s/key=%d/%v/%v", tls.CipherSuiteName(s.id), kind, auth, curve)
					t.Run(name, func(t *testing.T) { testHandshake(t, s.id, kind, auth, curve) })
				}
			}
		}
	}
}

func testHandshake(t *testing.T, id uint16, kind keyKind, auth tls.ClientAuthType, curve tls.CurveID) {
	sc, cc := configs(kind)
	sc.ClientAuth = auth
	sc.NextProtos, cc.NextProtos = []string{"radius/1.1", "radius/1.0"}, []string{"radius/1.0", "radius/1.1"}
	cc.CipherSuites, cc.CurvePreferences = []uint16{id}, []tls.CurveID{curve}
	sc.TicketKeys, cc.Sessions = NewTicketKeys([32]byte{1}), NewSessionCache(2)
	var calls [2]int
	sc.VerifyConnection = func(s tls.ConnectionState) error {
		calls[1]++
		if auth != tls.NoClientCert && (len(s.PeerCertificates) != 1 || len(s.VerifiedChains) == 0) {
			t.Errorf("server: VerifyConnection without the client's chain, resumed %v", s.DidResume)
		}
		return nil
	}
	cc.VerifyConnection = func(s tls.ConnectionState) error {
		calls[0]++
		if len(s.PeerCertificates) != 1 || len(s.VerifiedChains) == 0 {
			t.Errorf("client: VerifyConnection without the server's chain, resumed %v", s.DidResume)
		}
		return nil
	}
	for round := range 3 {
		p := newPath(t, sc, cc)
		p.open()
		resumed := round > 0
		for i, e := range []*Engine{p.client, p.server} {
			s := e.ConnectionState()
			if s.Version != 0xfefd || s.CipherSuite != id || s.NegotiatedProtocol != "radius/1.1" ||
				s.ServerName != serverName || s.DidResume != resumed || !s.HandshakeComplete {
				t.Errorf("round %d, end %d: %+v", round, i, s)
			}
			if want := i == 0 || auth != tls.NoClientCert; (len(s.PeerCertificates) == 1) != want {
				t.Errorf("round %d, end %d: %d certificates", round, i, len(s.PeerCertificates))
			}
			if e.Counts().Retransmits != 0 {
				t.Errorf("end %d: %d retransmissions without loss", i, e.Counts().Retransmits)
			}
		}
		if calls != [2]int{round + 1, round + 1} {
			t.Errorf("round %d: VerifyConnection called %v times", round, calls)
		}
		p.echo("hello")
		p.echo(strings.Repeat("x", maxPlaintext))
		for i, e := range []*Engine{p.client, p.server} {
			if e.hs != nil || e.last != nil || e.in != nil || e.out != nil || !e.Deadline().IsZero() {
				t.Errorf("end %d keeps more than it needs after data", i)
			}
		}
		if p.accepted != 1 {
			t.Errorf("%d engines made", p.accepted)
		}
		wantAgain(t, p.client)
		p.client.CloseNotify()
		p.settle(time.Second)
		wantEOF(t, p.server)
		wantEOF(t, p.client)
		if _, _, err := p.server.Seal(nil, []byte("late")); err == nil {
			t.Error("sealed after close_notify")
		}
	}
}

func TestKeyLogAndRandom(t *testing.T) {
	sc, cc := configs(keyECDSA)
	var a, b bytes.Buffer
	sc.KeyLogWriter, cc.KeyLogWriter = &a, &b
	cc.Rand = bytes.NewReader(bytes.Repeat([]byte{7}, 32))
	p := newPath(t, sc, cc)
	p.open()
	if a.String() != b.String() || !strings.HasPrefix(a.String(), "CLIENT_RANDOM "+strings.Repeat("07", 32)+" ") {
		t.Errorf("key logs %q and %q", a.String(), b.String())
	}
	if p.server.ClientRandom() != [32]byte(bytes.Repeat([]byte{7}, 32)) {
		t.Errorf("client random %x", p.server.ClientRandom())
	}
}

func TestCertificateBySNI(t *testing.T) {
	sc, cc := configs(keyECDSA)
	other := testPKI().issue(keyECDSA, 0, "other.example.org", nil)
	sc.Certificates = append([]tls.Certificate{other}, sc.Certificates...)
	p := newPath(t, sc, cc)
	p.open()
	if got := p.client.ConnectionState().PeerCertificates[0].DNSNames[0]; got != serverName {
		t.Errorf("certificate of %s", got)
	}
	// By a callback, whose answer has to wait, as have those of VerifyConnection.
	ready := false
	var asked []string
	sc.GetCertificate = func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		asked = append(asked, h.ServerName)
		if !ready {
			return nil, ErrPending
		}
		ready = false
		return &sc.Certificates[1], nil
	}
	pend := func(tls.ConnectionState) error {
		if !ready {
			return ErrPending
		}
		ready = false
		return nil
	}
	sc.VerifyConnection, cc.VerifyConnection = pend, pend
	sc.TicketKeys, cc.Sessions = NewTicketKeys([32]byte{1}), NewSessionCache(2)
	for round := range 2 {
		p = newPath(t, sc, cc)
		p.start()
		waits := 0
		for range 8 {
			p.run(time.Minute, func() bool {
				return p.bothOpen() || p.client.State() == Awaiting || p.server != nil && p.server.State() == Awaiting
			})
			for _, e := range []*Engine{p.client, p.server} {
				if e == nil || e.State() != Awaiting {
					continue
				}
				if used, err := e.Feed(p.now, []byte("anything")); used != 0 || err != nil {
					t.Errorf("feed while awaiting: %d, %v", used, err)
				}
				if !e.Deadline().IsZero() {
					t.Error("deadline while awaiting")
				}
				if err := e.Resume(p.now); err != nil || e.State() != Awaiting {
					t.Errorf("resumed without answer: %v, %v", e.State(), err)
				}
				ready = true
				waits++
				if err := e.Resume(p.now); err != nil {
					t.Fatal(err)
				}
				p.flush()
			}
		}
		if !p.bothOpen() {
			t.Fatalf("round %d: %s", round, p)
		}
		if want := 3 - round; waits != want {
			t.Errorf("round %d: waited %d times, want %d", round, waits, want)
		}
		if p.client.ConnectionState().DidResume != (round == 1) {
			t.Errorf("round %d: resumed %v", round, round != 1)
		}
		p.echo("after waiting")
	}
	if len(asked) == 0 || asked[0] != serverName {
		t.Errorf("asked for %q", asked)
	}
}

func TestClientCertificateOptional(t *testing.T) {
	for _, auth := range []tls.ClientAuthType{tls.RequestClientCert, tls.VerifyClientCertIfGiven} {
		for _, give := range []bool{false, true} {
			sc, cc := configs(keyEd25519)
			sc.ClientAuth = auth
			if !give {
				cc.Certificates = nil
			}
			p := newPath(t, sc, cc)
			p.open()
			if got := len(p.server.ConnectionState().PeerCertificates) == 1; got != give {
				t.Errorf("%v: certificate %v, want %v", auth, got, give)
			}
		}
	}
}

func TestTickets(t *testing.T) {
	sc, cc := configs(keyECDSA)
	sc.ClientAuth = tls.RequireAndVerifyClientCert
	keys := NewTicketKeys([32]byte{1})
	sc.TicketKeys, cc.Sessions = keys, NewSessionCache(4)
	resumed := func(change func(s, c *Config), after time.Duration) bool {
		t.Helper()
		s2, c2 := *sc, *cc
		if change != nil {
			change(&s2, &c2)
		}
		p := newPath(t, &s2, &c2)
		p.now = p.now.Add(after)
		p.open()
		p.echo("data")
		return p.client.ConnectionState().DidResume && p.server.ConnectionState().DidResume
	}
	if resumed(nil, 0) || !resumed(nil, 0) {
		t.Fatal("no resumption at the second time, or one at the first")
	}
	if !resumed(nil, ticketLifetime-time.Minute) {
		t.Error("not resumed within the lifetime")
	}
	if resumed(nil, ticketLifetime+time.Minute) {
		t.Error("resumed after the lifetime")
	}
	other := newPKI(testPKI().cert.Subject.CommonName) // the same name, so that the client sends its certificate
	tests := []struct {
		name   string
		change func(s, c *Config)
		want   bool
	}{
		{"same", nil, true},
		{"old key still there", func(s, c *Config) { keys.Set([32]byte{2}, [32]byte{1}) }, true},
		{"old key gone", func(s, c *Config) { keys.Set([32]byte{2}) }, false},
		{"other key", func(s, c *Config) { s.TicketKeys = NewTicketKeys([32]byte{9}) }, false},
		{"no keys", func(s, c *Config) { s.TicketKeys = nil }, false},
		{"suite not allowed", func(s, c *Config) { s.CipherSuites = CipherSuites()[2:] }, false},
		{"ticket too long for the MTU", func(s, c *Config) { c.MTU = 300 }, false},
		{"no certificate asked", func(s, c *Config) { s.ClientAuth = tls.NoClientCert }, false},
	}
	for _, tt := range tests {
		keys.Set([32]byte{1})
		resumed(nil, 0)
		if got := resumed(tt.change, 0); got != tt.want {
			t.Errorf("%s: resumed %v, want %v", tt.name, got, tt.want)
		}
	}
	// A change of the client's CA at the server: the ticket is not taken, and the full handshake says why.
	keys.Set([32]byte{1})
	cc.Sessions.Remove(serverName)
	resumed(nil, 0)
	s2 := *sc
	s2.ClientCAs = other.pool
	p := newPath(t, &s2, cc)
	p.start()
	p.settle(time.Minute)
	if p.server.State() != Failed || !strings.Contains(p.server.Err().Error(), "(48)") {
		t.Errorf("ticket under another CA: %s", p)
	}
	// VerifyConnection is asked in a resumed handshake too, at both ends.
	for _, server := range []bool{false, true} {
		resumed(nil, 0)
		s2, c2 := *sc, *cc
		refuse := func(s tls.ConnectionState) error {
			if !s.DidResume {
				t.Error("not resumed")
			}
			return fmt.Errorf("revoked: %w", tls.AlertError(44))
		}
		if server {
			s2.VerifyConnection = refuse
		} else {
			c2.VerifyConnection = refuse
		}
		p := newPath(t, &s2, &c2)
		p.start()
		p.settle(time.Minute)
		for _, e := range []*Engine{p.client, p.server} {
			if e.State() != Failed || !strings.Contains(e.Err().Error(), "(44)") {
				t.Errorf("refused on resumption, server %v: %s", server, p)
			}
		}
		if cc.Sessions.get(serverName, p.now) != nil {
			t.Error("a session that failed stays in the cache")
		}
	}
}

func TestSessionCache(t *testing.T) {
	c := NewSessionCache(2)
	until := epochStart.Add(time.Hour)
	for _, name := range []string{"a", "b"} {
		c.put(name, &Session{until: until})
	}
	c.get("a", epochStart)
	c.put("c", &Session{until: until}) // b was used least
	var left []string
	for _, name := range []string{"a", "b", "c"} {
		if c.get(name, epochStart) != nil {
			left = append(left, name)
		}
	}
	if !slices.Equal(left, []string{"a", "c"}) {
		t.Errorf("left %q", left)
	}
	if c.get("a", until) != nil || len(c.entries) != 1 || c.order.Len() != 1 {
		t.Error("a session is given after its end")
	}
}
