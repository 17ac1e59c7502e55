package dtls

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// newSub is a CA under p, with key.
func (p *pki) newSub(name string, key crypto.Signer) *pki {
	tmpl := template(name)
	tmpl.IsCA, tmpl.BasicConstraintsValid = true, true
	tmpl.KeyUsage, tmpl.ExtKeyUsage = x509.KeyUsageCertSign, nil
	der := must(x509.CreateCertificate(rand.Reader, tmpl, p.cert, key.Public(), p.key))
	return &pki{key: key, cert: must(x509.ParseCertificate(der))}
}

// through issues a client's certificate by a CA under p, and sends that along.
func (p *pki) through(kind keyKind) tls.Certificate {
	sub := p.newSub("frio test intermediate", newKey(kind, 0))
	cert := sub.issue(kind, 1, clientName, nil)
	cert.Certificate = append(cert.Certificate, sub.cert.Raw)
	return cert
}

// ownRSA is a CA that is no other's, with an RSA key: its signatures have 256 bytes.
var ownRSA = sync.OnceValue(func() *pki {
	key := rsaKeys()[0]
	tmpl := template("frio test RSA CA")
	tmpl.IsCA, tmpl.BasicConstraintsValid = true, true
	tmpl.KeyUsage, tmpl.ExtKeyUsage = x509.KeyUsageCertSign, nil
	der := must(x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key))
	return &pki{key: key, cert: must(x509.ParseCertificate(der))}
})

// resumable returns configs with tickets, for a client with cert; the server trusts both CAs.
func resumable(cert tls.Certificate) (sc, cc *Config) {
	sc, cc = configs(keyECDSA)
	sc.ClientAuth, sc.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	sc.ClientCAs.AddCert(testPKI().cert)
	sc.ClientCAs.AddCert(ownRSA().cert)
	sc.TicketKeys, cc.Sessions = NewTicketKeys([32]byte{1}), NewSessionCache(1)
	cc.Certificates = []tls.Certificate{cert}
	return sc, cc
}

func openPath(t testing.TB, sc, cc *Config) *path {
	t.Helper()
	p := newPath(t, sc, cc)
	p.open()
	p.echo("data")
	if s, c := p.server.ConnectionState().DidResume, p.client.ConnectionState().DidResume; s != c {
		t.Fatalf("server resumed %v, client %v", s, c)
	}
	return p
}

func (p *path) resumed() bool { return p.server.ConnectionState().DidResume }

// A client is resumed whatever the size of its chain, which the application sees and judges as in a full handshake.
func TestResumeAnyChain(t *testing.T) {
	for _, tt := range []struct {
		name string
		cert tls.Certificate
	}{
		{"ECDSA", leafOf(keyECDSA, 1)},
		{"RSA-2048 by RSA-2048", ownRSA().issue(keyRSA, 1, clientName, nil)},
		{"ECDSA through an intermediate", testPKI().through(keyECDSA)},
		{"RSA-2048 through an intermediate", ownRSA().through(keyRSA)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sc, cc := resumable(tt.cert)
			sc.VerifyConnection = func(s tls.ConnectionState) error {
				if len(s.PeerCertificates) != len(tt.cert.Certificate) || len(s.VerifiedChains) == 0 {
					t.Errorf("resumed %v: asked with %d certificates, %d chains", s.DidResume, len(s.PeerCertificates), len(s.VerifiedChains))
				}
				return nil
			}
			var first *path
			for round := range 3 {
				p := openPath(t, sc, cc)
				if p.resumed() != (round > 0) {
					t.Errorf("round %d: resumed %v", round, p.resumed())
				}
				if got := p.server.peer; !slices.EqualFunc(got, tt.cert.Certificate, slices.Equal) {
					t.Errorf("round %d: %d certificates, not the client's %d", round, len(got), len(tt.cert.Certificate))
				}
				if first == nil {
					first = p
				}
				if &p.server.peer[0][0] != &first.server.peer[0][0] {
					t.Errorf("round %d: the chain is there twice", round)
				}
			}
			if n := sc.TicketKeys.Counts(); n.Chains != 1 || n.Missed+n.Displaced+n.TooLong != 0 {
				t.Errorf("%+v", n)
			}
			// What the application refuses is refused on resumption too.
			sc.VerifyConnection = func(s tls.ConnectionState) error {
				if !s.DidResume {
					t.Error("not resumed")
				}
				return errors.New("revoked")
			}
			p := newPath(t, sc, cc)
			p.start()
			p.settle(time.Minute)
			if p.server.State() != Failed || p.client.State() != Failed {
				t.Errorf("revoked after the ticket: %s", p)
			}
		})
	}
}

// A ticket under a CA that is not trusted any more: a full handshake, which says why.
func TestResumeCAGone(t *testing.T) {
	sc, cc := resumable(ownRSA().through(keyRSA))
	openPath(t, sc, cc)
	// The same name, so that the client sends its certificate.
	sc.ClientCAs = newPKI(ownRSA().cert.Subject.CommonName).pool
	p := newPath(t, sc, cc)
	p.start()
	p.settle(time.Minute)
	if p.server.State() != Failed || p.server.resumed || !strings.Contains(p.server.Err().Error(), "(48)") {
		t.Error(p)
	}
}

// A chain that is gone means a full handshake, and a new ticket.
func TestChainDisplaced(t *testing.T) {
	sc, one := resumable(leafOf(keyECDSA, 1))
	_, other := resumable(testPKI().issue(keyECDSA, 1, "other.example.org", nil))
	chains := newChainCache(len(leafOf(keyECDSA, 1).Certificate[0]) + 100 + chainOverhead)
	sc.TicketKeys.chains = chains
	for i, want := range []bool{false, true, true} {
		if p := openPath(t, sc, one); p.resumed() != want {
			t.Errorf("handshake %d: resumed %v", i, p.resumed())
		}
	}
	if openPath(t, sc, other).resumed() || !openPath(t, sc, other).resumed() {
		t.Error("the other one")
	}
	if n := sc.TicketKeys.Counts(); n.Displaced != 1 || n.Missed != 0 || n.Chains != 1 {
		t.Errorf("%+v", n)
	}
	if openPath(t, sc, one).resumed() || !openPath(t, sc, one).resumed() {
		t.Error("resumed without the chain, or not with the new ticket")
	}
	if n := sc.TicketKeys.Counts(); n.Displaced != 2 || n.Missed != 1 {
		t.Errorf("%+v", n)
	}
}

// A chain above the limit gets no ticket, and is counted.
func TestChainTooLong(t *testing.T) {
	long := testPKI().issue(keyECDSA, 1, clientName, func(c *x509.Certificate) {
		for range maxChainKept / 50 {
			c.DNSNames = append(c.DNSNames, strings.Repeat("a", 40)+".example.org")
		}
	})
	sc, cc := resumable(long)
	for range 2 {
		if openPath(t, sc, cc).resumed() {
			t.Error("resumed")
		}
	}
	if n := sc.TicketKeys.Counts(); n != (TicketCounts{TooLong: 2}) {
		t.Errorf("%+v", n)
	}
}

func TestChainCache(t *testing.T) {
	chain := func(of byte) [][]byte { return [][]byte{slices.Repeat([]byte{of}, 1000)} }
	one := len(certificateBody(chain(1))) + chainOverhead
	c := newChainCache(3 * one)
	var ids [6]chainID
	now := epochStart
	keep := func(i int) {
		t.Helper()
		sent := chain(byte(i))
		kept, id, ok := c.keep(now, sent)
		if clear(sent[0]); !ok || !slices.Equal(kept[0], chain(byte(i))[0]) {
			t.Fatalf("%d: %v", i, ok)
		}
		ids[i] = id
	}
	// there asks without a use.
	there := func() (list []int) {
		for i, id := range ids {
			if c.entries[id] != nil {
				list = append(list, i)
			}
		}
		if c.n != len(list)*one || c.order.Len() != len(list) || len(c.entries) != len(list) {
			t.Errorf("%d bytes, %d in order, %d entries, want %d", c.n, c.order.Len(), len(c.entries), len(list))
		}
		return list
	}
	want := func(what string, want ...int) {
		t.Helper()
		if got := there(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	keep(1)
	keep(2)
	keep(3)
	keep(1) // is the newest
	want("three", 1, 2, 3)
	if got := c.get(now, ids[2]); len(got) != 1 || got[0][0] != 2 {
		t.Error("not given")
	}
	keep(4)
	want("3 was used least", 1, 2, 4)
	now = now.Add(ticketLifetime - time.Second)
	keep(2) // is good for another day
	now = now.Add(time.Second)
	if c.get(now, ids[1]) != nil {
		t.Error("given after its last ticket")
	}
	want("1 asked for after its end", 2, 4)
	keep(5)
	want("4 is over, and at the end of the order", 2, 5)
	if c.get(now, ids[2]) == nil || c.get(now, ids[3]) != nil {
		t.Error("2 is not given, or 3 is")
	}
	if n := c.count(); n != (TicketCounts{Chains: 2, Bytes: 2 * one, Displaced: 1, Missed: 2}) {
		t.Errorf("%+v", n)
	}
	if kept, id, ok := c.keep(now, nil); kept != nil || id != (chainID{}) || !ok {
		t.Error("a client without certificate")
	}
	if _, _, ok := c.keep(now, [][]byte{make([]byte, maxChainKept)}); ok || c.count().TooLong != 1 {
		t.Error("a chain above the limit is kept")
	}
	if a, b := [][]byte{{1, 2}, {3}}, [][]byte{{1}, {2, 3}}; must2(c.keep(now, a)) == must2(c.keep(now, b)) {
		t.Error("two chains have one hash")
	}
}

func must2(_ [][]byte, id chainID, _ bool) chainID { return id }

// Shards and threads have a Config each or one in common; a ticket of one is good at each.
func TestTicketsOfThreads(t *testing.T) {
	sc, cc := resumable(ownRSA().through(keyRSA))
	openPath(t, sc, cc)
	var wg sync.WaitGroup
	for range 4 {
		s2, c2 := *sc, *cc
		c2.Sessions = NewSessionCache(1)
		own := cc.Sessions.get(serverName, epochStart)
		c2.Sessions.put(serverName, own)
		wg.Go(func() {
			for range 3 {
				p := newPath(t, &s2, &c2)
				p.start()
				if !p.run(time.Minute, p.bothOpen) || !p.resumed() {
					t.Errorf("not resumed: %s", p)
				}
			}
			c2.Sessions.Remove(serverName)
			p := newPath(t, &s2, &c2)
			p.start()
			if !p.run(time.Minute, p.bothOpen) || p.resumed() {
				t.Errorf("no full handshake: %s", p)
			}
		})
	}
	wg.Wait()
	if n := sc.TicketKeys.Counts(); n.Chains != 1 || n.Missed != 0 {
		t.Errorf("%+v", n)
	}
}
