package tls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/tls/dtls"
)

// TestResumptionChecks: each rule for the client's certificate is asked when a session is resumed, over TLS and DTLS.
func TestResumptionChecks(t *testing.T) {
	const withCRL = "check_crl = yes\ncrl_file = list.crl\n"
	const allowed = withCRL + "allow_expired_crl = yes\n"
	put := func(der []byte) func(testDir, *settings) {
		return func(d testDir, _ *settings) { d.put("list.crl", pemOf("X509 CRL", der)) }
	}
	missing, stale, revoked := put(otherCA().crl()), put(theCA().crlWith(staleCRL)), put(theCA().crl(clientCert()))
	shortLived := func(c *x509.Certificate) { c.NotAfter = testNow.Add(time.Hour) }
	for _, c := range []struct {
		name   string
		lines  string
		change func(testDir, *settings) // between the first handshake and the second
		reason error
	}{
		{"nothing changed", withCRL, func(testDir, *settings) {}, nil},
		{"revoked", withCRL, revoked, Revoked},
		{"revoked, allowed", allowed, revoked, Revoked},
		{"CRL missing", withCRL, missing, NoCRL},
		{"CRL missing, allowed", allowed, missing, nil},
		{"CRL expired", withCRL, stale, ExpiredCRL},
		{"CRL expired, allowed", allowed, stale, nil},
		{"names", "", func(_ testDir, s *settings) { s.snap.Load().plan.names = []certName{{dnsName, "b.example.org"}} }, WrongName},
		{"common names", "", func(_ testDir, s *settings) { s.snap.Load().plan.cns = []string{"other"} }, WrongName},
		{"depth", "", func(_ testDir, s *settings) { s.snap.Load().plan.depth = 0 }, TooDeep},
		{"expired", "", func(_ testDir, s *settings) { s.clock = func() time.Time { return testNow.Add(2 * time.Hour) } }, Expired},
	} {
		through := clientCert()
		if c.reason == TooDeep {
			through = subCA().issue("client.example.org")
		}
		if c.reason == Expired {
			through = theCA().issue("client.example.org", shortLived)
		}
		start := func(t *testing.T, kind frio.Kind) (testDir, *settings) {
			d := newTestDir(t)
			d.put("list.crl", pemOf("X509 CRL", theCA().crl()))
			s, cs, err := d.parseServer(serverBase+c.lines, kind)
			s = d.good(s, cs, err)
			s.clock = func() time.Time { return testNow }
			return d, s
		}
		change := func(t *testing.T, d testDir, s *settings) {
			c.change(d, s)
			if err := s.reload(); err != nil {
				t.Fatal(err)
			}
		}
		judge := func(t *testing.T, s *settings, server, client error) {
			t.Helper()
			switch {
			case c.reason == nil && (server != nil || client != nil):
				t.Errorf("refused: %v, %v", server, client)
			case c.reason != nil && (!errors.Is(s.explain(server), c.reason) || client == nil):
				t.Errorf("server %v, client %v, want %v", server, client, c.reason)
			}
		}
		t.Run(c.name, func(t *testing.T) {
			eachVersion(t, func(t *testing.T, max uint16) {
				d, s := start(t, frio.Stream)
				client := resumer(max)
				cert := through.tls()
				client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
				if resumes(t, s, client) {
					t.Fatal("the first one resumes")
				}
				change(t, d, s)
				resumed := false
				server := s.stream().Clone()
				last := server.VerifyConnection
				server.VerifyConnection = func(cs tls.ConnectionState) error {
					resumed = cs.DidResume
					return last(cs)
				}
				r := handshake(t, server, client)
				// What the chain itself does not allow any more crypto/tls does not resume: a whole handshake refuses it.
				if !resumed && c.reason != Expired {
					t.Error("not resumed")
				}
				judge(t, s, r.server, r.client)
			})
			t.Run("DTLS", func(t *testing.T) {
				d, s := start(t, frio.Datagram)
				client := &dtls.Config{RootCAs: poolOf(theCA()), ServerName: "server.example.org", Certificates: []tls.Certificate{through.tls()},
					Sessions: dtls.NewSessionCache(4)}
				if r := dtlsHandshake(t, s.datagram(), client); r.server != nil || r.client != nil {
					t.Fatal(r.server, r.client)
				}
				change(t, d, s)
				resumed := false
				server := *s.datagram()
				last := server.VerifyConnection
				server.VerifyConnection = func(cs tls.ConnectionState) error {
					resumed = cs.DidResume
					return last(cs)
				}
				r := dtlsHandshake(t, &server, client)
				// What the chain itself does not allow any more the engine does not resume: a whole handshake refuses it.
				if !resumed && c.reason != Expired {
					t.Error("not resumed")
				}
				judge(t, s, r.server, r.client)
			})
		})
	}
}

// TestNoCRLAllowed: a section without any CRL is a mistake, and with allow_expired_crl a warning at its place.
func TestNoCRLAllowed(t *testing.T) {
	d := newTestDir(t)
	s := d.server(serverBase + "check_crl = yes\nallow_expired_crl = yes\n")
	var notes strings.Builder
	for _, n := range s.notes() {
		notes.WriteString(n.Error() + "\n")
	}
	for _, want := range []string{":11:13: warning: check_crl: there is no CRL in ca_file, ca_path or crl_file", ":12:21: warning: allow_expired_crl: "} {
		if !strings.Contains(notes.String(), want) {
			t.Errorf("notes lack %q:\n%s", want, notes.String())
		}
	}
	if _, _, err := d.parseServer(serverBase+"check_crl = yes\nallow_expired_crl = no\n", frio.Stream); err == nil {
		t.Error("no mistake without it")
	}
}

// A server that refuses a session by an alert is offered none any more.
func TestSessionRefusedDatagram(t *testing.T) {
	d := newTestDir(t)
	s, cs, err := d.parseServer(serverBase, frio.Datagram)
	s = d.good(s, cs, err)
	s.clock = func() time.Time { return testNow }
	client := &dtls.Config{RootCAs: poolOf(theCA()), ServerName: "server.example.org", Certificates: []tls.Certificate{clientCert().tls()},
		Sessions: dtls.NewSessionCache(4)}
	refuses, resumed := false, 0
	server := *s.datagram()
	server.VerifyConnection = func(cs tls.ConnectionState) error {
		if cs.DidResume {
			resumed++
		}
		if cs.DidResume && refuses {
			return errors.New("no")
		}
		return nil
	}
	for round, c := range []struct {
		refuses, fails bool
		resumed        int
	}{{false, false, 0}, {false, false, 1}, {true, true, 2}, {true, false, 2}, {false, false, 2}} {
		refuses = c.refuses
		r := dtlsHandshake(t, &server, client)
		if failed := r.client != nil; failed != c.fails || resumed != c.resumed {
			t.Errorf("handshake %d: %v, %v; %d were resumed", round, r.server, r.client, resumed)
		}
	}
}

// TestDatagramChains: what is kept of clients for their tickets is one for all snapshots of a listener, and Debug tells it.
func TestDatagramChains(t *testing.T) {
	d := newTestDir(t)
	s := d.datagramServer("")
	client := &dtls.Config{RootCAs: poolOf(theCA()), ServerName: "server.example.org",
		Certificates: []tls.Certificate{subCA().issue("client.example.org").tls()}, Sessions: dtls.NewSessionCache(1)}
	shows := func(want string) {
		t.Helper()
		var b strings.Builder
		s.debug(&b)
		if !strings.Contains(b.String(), "clients' chains kept for tickets "+want) {
			t.Errorf("want %q in\n%s", want, b.String())
		}
	}
	shows("0 of 0 bytes, displaced 0; gone when a ticket came 0, too long for a ticket 0\n")
	for round := range 3 {
		r := dtlsHandshake(t, s.datagram(), client)
		if r.server != nil || r.client != nil || r.serverState.DidResume != (round > 0) || len(r.serverState.PeerCertificates) != 2 {
			t.Errorf("handshake %d: %v, %v, resumed %v, %d certificates", round, r.server, r.client, r.serverState.DidResume, len(r.serverState.PeerCertificates))
		}
		if err := s.reload(); err != nil {
			t.Fatal(err)
		}
		shows("1 of ")
	}
}
