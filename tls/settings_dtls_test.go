package tls

import (
	"crypto/tls"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/tls/dtls"
)

// dtlsShaken is how an association in memory was made, or not.
type dtlsShaken struct {
	server, client           error
	serverState, clientState tls.ConnectionState
}

// dtlsHandshake runs two engines and a gate without loss, at testNow.
func dtlsHandshake(t *testing.T, server, client *dtls.Config) dtlsShaken {
	t.Helper()
	addr := netip.MustParseAddrPort("192.0.2.1:1")
	gate := dtls.NewGate(must(dtls.NewCookieKeys(nil)))
	c := must(dtls.NewClient(client))
	s := must(dtls.NewServer(server))
	if err := c.Start(testNow); err != nil {
		t.Fatal(err)
	}
	accepted := false
	var scratch [dtls.GateScratch]byte
	out := func(e *dtls.Engine) [][]byte {
		var list [][]byte
		for _, b := range e.Out() {
			list = append(list, append([]byte(nil), b...))
		}
		e.Sent(testNow)
		return list
	}
	for range 20 {
		toServer, toClient := out(c), out(s)
		for _, b := range toServer {
			if !accepted {
				reply, v, _ := gate.Check(testNow, addr, addr, b, scratch[:])
				if v == dtls.Reply {
					toClient = append(toClient, append([]byte(nil), reply...))
				}
				if accepted = v == dtls.Accept; !accepted {
					continue
				}
			}
			s.Feed(testNow, b)
		}
		for _, b := range toClient {
			c.Feed(testNow, b)
		}
	}
	r := dtlsShaken{server: s.Err(), client: c.Err()}
	if r.server == nil && r.client == nil && (s.State() != dtls.Open || c.State() != dtls.Open) {
		t.Fatalf("server %v, client %v", s.State(), c.State())
	}
	if r.server == nil {
		r.serverState = s.ConnectionState()
	}
	if r.client == nil {
		r.clientState = c.ConnectionState()
	}
	return r
}

func (d testDir) datagramServer(lines string) *settings {
	d.t.Helper()
	s, cs, err := d.parseServer(serverBase+lines, frio.Datagram)
	s = d.good(s, cs, err)
	s.clock = func() time.Time { return testNow }
	return s
}

func (d testDir) datagramClient(lines string) *settings {
	d.t.Helper()
	s, cs, err := d.parseClient("ca_file = ca.pem\n"+lines, "server.example.org", frio.Datagram)
	s = d.good(s, cs, err)
	s.clock = func() time.Time { return testNow }
	return s
}

// TestDatagramRefuses: the same settings over the DTLS engine, with the alert of each reason at the other end.
func TestDatagramRefuses(t *testing.T) {
	d := newTestDir(t)
	gone := theCA().issue("client.example.org")
	goneServer := theCA().issue("server.example.org")
	d.put("list.crl", pemOf("X509 CRL", theCA().crl(gone, goneServer)))
	d.put("stale.crl", pemOf("X509 CRL", theCA().crlWith(staleCRL)))
	d.put("other.crl", pemOf("X509 CRL", otherCA().crl()))
	of := func(c testCert) *testCert { return &c }
	good := clientCert()
	crl := "check_crl = yes\ncrl_file = list.crl"
	for _, c := range []struct {
		name   string
		lines  string
		cert   *testCert
		reason error
		alert  tls.AlertError
	}{
		{"good", crl, &good, nil, 0},
		{"none", "", nil, NoCertificate, 40},
		{"requested, none", "require_client_cert = request", nil, nil, 0},
		// Of a CA of the same name: the engine sends no certificate of any that the server does not name.
		{"unknown CA", "", of(newTestCA("frio test CA", nil).issue("client.example.org")), UnknownCA, 48},
		{"expired", "", of(theCA().issue("client.example.org", expired)), Expired, 45},
		{"not yet valid", "", of(theCA().issue("client.example.org", notYet)), NotYetValid, 45},
		{"wrong name", "check_cert_name = b.example.org", &good, WrongName, 49},
		{"revoked", crl, &gone, Revoked, 44},
		{"expired CRL", "check_crl = yes\ncrl_file = stale.crl", &good, ExpiredCRL, 46},
		{"expired CRL, allowed", "check_crl = yes\ncrl_file = stale.crl\nallow_expired_crl = yes", &good, nil, 0},
		{"no CRL", "check_crl = yes\ncrl_file = other.crl", &good, NoCRL, 46},
		{"no CRL, allowed", "check_crl = yes\ncrl_file = other.crl\nallow_expired_crl = yes", &good, nil, 0},
		{"revoked, all allowed", crl + "\nallow_expired_crl = yes", &gone, Revoked, 44},
		{"too deep", "verify_depth = 1", of(newTestCA("sub sub", subCA()).issue("x")), TooDeep, 42},
	} {
		t.Run("client/"+c.name, func(t *testing.T) {
			s := d.datagramServer(c.lines)
			client := &dtls.Config{RootCAs: poolOf(theCA()), ServerName: "server.example.org"}
			if c.cert != nil {
				client.Certificates = []tls.Certificate{c.cert.tls()}
			}
			r := dtlsHandshake(t, s.datagram(), client)
			checkDatagram(t, s.explain(r.server), r.client, c.reason, c.alert)
		})
	}
	okServer := serverCert()
	for _, c := range []struct {
		name   string
		lines  string
		cert   *testCert
		reason error
		alert  tls.AlertError
	}{
		{"good", crl, &okServer, nil, 0},
		{"no name check", "check_cert_name = no", of(theCA().issue("b.example.org")), nil, 0},
		{"wrong name", "", of(theCA().issue("b.example.org")), WrongName, 49},
		{"names, wrong", "check_cert_name = *.example.net", &okServer, WrongName, 49},
		{"unknown CA", "", of(otherCA().issue("server.example.org")), UnknownCA, 48},
		{"no name check, unknown CA", "check_cert_name = no", of(otherCA().issue("server.example.org")), UnknownCA, 48},
		{"revoked", crl, &goneServer, Revoked, 44},
		{"no CRL", "check_crl = yes\ncrl_file = other.crl", &okServer, NoCRL, 46},
		{"no CRL, allowed", "check_crl = yes\ncrl_file = other.crl\nallow_expired_crl = yes", &okServer, nil, 0},
	} {
		t.Run("server/"+c.name, func(t *testing.T) {
			s := d.datagramClient(c.lines)
			r := dtlsHandshake(t, &dtls.Config{Certificates: []tls.Certificate{c.cert.tls()}}, s.datagram())
			checkDatagram(t, s.explain(r.client), r.server, c.reason, c.alert)
		})
	}
}

func checkDatagram(t *testing.T, own, other, reason error, alert tls.AlertError) {
	t.Helper()
	if reason == nil {
		if own != nil || other != nil {
			t.Errorf("refused: %v, %v", own, other)
		}
		return
	}
	checkRefusal(t, own, reason, nil, "certificate")
	var seen *dtls.AlertError
	if !errors.As(other, &seen) || !seen.Received || seen.Alert != alert {
		t.Errorf("the other side saw %v, want alert %d", other, alert)
	}
}

// TestDatagramResumption: tickets over DTLS, what a reload of CRLs and of CAs does to them, and their end.
func TestDatagramResumption(t *testing.T) {
	d := newTestDir(t)
	d.put("list.crl", pemOf("X509 CRL", theCA().crl()))
	s := d.datagramServer("check_crl = yes\ncrl_file = list.crl\ncache {\nlifetime = 1h\n}")
	c := d.datagramClient("certificate_file = client.pem\nprivate_key_file = client.key")
	once := func(want bool, when string) {
		t.Helper()
		r := dtlsHandshake(t, s.datagram(), c.datagram())
		if r.server != nil || r.client != nil || r.serverState.DidResume != want || r.clientState.DidResume != want {
			t.Errorf("%s: resumed %v %v: %v, %v", when, r.serverState.DidResume, r.clientState.DidResume, r.server, r.client)
		}
	}
	once(false, "first")
	once(true, "second")
	d.put("ca.pem", pemOf("CERTIFICATE", theCA().cert.Raw, otherCA().cert.Raw))
	if err := s.reload(); err != nil {
		t.Fatal(err)
	}
	once(false, "another CA")
	once(true, "and again")
	now := testNow
	s.clock = func() time.Time { return now }
	now = testNow.Add(2 * time.Hour)
	s.datagram()
	now = testNow
	once(false, "after the keys changed")
	once(true, "and once more")
	d.put("list.crl", pemOf("X509 CRL", theCA().crl(clientCert())))
	if err := s.reload(); err != nil {
		t.Fatal(err)
	}
	r := dtlsHandshake(t, s.datagram(), c.datagram())
	if !errors.Is(s.explain(r.server), Revoked) || r.client == nil || !strings.Contains(r.client.Error(), "revoked") {
		t.Errorf("%v, %v", r.server, r.client)
	}
}

// TestBecomeRequiresCertificate: a client that got its ticket when no certificate was asked for, and has one, is let in once one is required: by a
// whole handshake, whose resumed session would have none.
func TestBecomeRequiresCertificate(t *testing.T) {
	d := newTestDir(t)
	s := d.datagramServer("require_client_cert = no\n")
	c := d.datagramClient("certificate_file = client.pem\nprivate_key_file = client.key")
	for i, want := range []bool{false, true, false, true} {
		if i == 2 {
			s.become(d.datagramServer("require_client_cert = yes\n"))
		}
		r := dtlsHandshake(t, s.datagram(), c.datagram())
		if r.server != nil || r.client != nil || r.serverState.DidResume != want {
			t.Errorf("handshake %d: resumed %v: %v, %v", i, r.serverState.DidResume, r.server, r.client)
		}
		if n := len(r.serverState.PeerCertificates); (n > 0) != (i >= 2) {
			t.Errorf("handshake %d: %d certificates", i, n)
		}
	}
}
