package tls_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/tls"
	"github.com/frio-io/frio/tls/dtls"
)

// TestRefused: each reason to refuse a peer is told at both ends, over TLS 1.2, TLS 1.3 and DTLS: at the one that refuses with what is
// wrong with which certificate, at the other by the alert, in words. Over TLS 1.3 crypto/tls has one alert, bad_certificate, for all that a
// client finds wrong and for what is found after the chain; over TLS 1.2 and DTLS each reason has its own, as far as there are any.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	p := thePKI()
	old := func(c *x509.Certificate) { c.NotAfter = time.Unix(1000, 0) }
	young := func(c *x509.Certificate) { c.NotBefore = time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC) }
	usage := func(u x509.ExtKeyUsage) func(c *x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{u} }
	}
	own := func(name, subject string, by *identity, change func(*x509.Certificate)) (string, *identity) {
		id := issue(subject, by, change)
		return id.files(t, dir, name), &id
	}
	another := issue("another CA", nil, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign })
	// Of the same name, so that its client is asked for a certificate that it has: DTLS clients show no other.
	impostor := issue("test CA", nil, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign })
	const server, client = "server.example.org", "client.example.org"
	expiredServer, _ := own("s1", server, &p.ca, old)
	futureServer, _ := own("s2", server, &p.ca, young)
	strangeServer, _ := own("s3", server, &another, nil)
	otherServer, _ := own("s4", "other.example.org", &p.ca, nil)
	revokedServer, badServer := own("s5", server, &p.ca, nil)
	usedServer, _ := own("s6", server, &p.ca, usage(x509.ExtKeyUsageClientAuth))
	expiredClient, _ := own("c1", client, &p.ca, old)
	futureClient, _ := own("c2", client, &p.ca, young)
	strangeClient, _ := own("c3", client, &impostor, nil)
	revokedClient, badClient := own("c5", client, &p.ca, nil)
	usedClient, _ := own("c6", client, &p.ca, usage(x509.ExtKeyUsageServerAuth))
	ca := p.ca.caFile(t, dir)
	good, goodClient := p.server.files(t, dir, "server"), p.client.files(t, dir, "client")
	host := "hostname = server.example.org\n"
	crl := "check_crl = yes\ncrl_file = " + p.ca.crlFile(t, dir, badServer, badClient) + "\n"
	stale := "check_crl = yes\ncrl_file = " + p.ca.staleCRLFile(t, dir) + "\n"
	const bad, revoked, expired, unknown = "bad_certificate", "certificate_revoked", "certificate_expired", "unknown_ca"
	const access, usages, version, failure = "access_denied", "unsupported_certificate", "protocol_version", "handshake_failure"
	all := func(alert string) [3]string { return [3]string{alert, alert, alert} }
	but := func(alert string) [3]string { return [3]string{alert, bad, alert} } // over TLS 1.3
	for _, c := range []struct {
		name         string
		listen, home string
		reason       error     // what the one that refuses has in its error; nil: its cause is all
		server       bool      // it is the server
		cause        tls.Cause // at the one that refuses
		alert        [3]string // at the other: TLS 1.2, TLS 1.3, DTLS
	}{
		{"unknown CA of the client", good, strangeClient + host, tls.UnknownCA, true, tls.CauseUnknownCA, all(unknown)},
		{"expired client", good, expiredClient + host, tls.Expired, true, tls.CauseExpired, all(expired)},
		{"client not yet valid", good, futureClient + host, tls.NotYetValid, true, tls.CauseExpired, all(expired)},
		{"wrong name of the client", good + "check_cert_name = b.example.org\n", goodClient + host, tls.WrongName, true, tls.CauseName, but(access)},
		{"wrong common name of the client", good + "check_cert_cn = b.example.org\n", goodClient + host, tls.WrongName, true, tls.CauseName, but(access)},
		{"wrong usage of the client", good, usedClient + host, tls.WrongUsage, true, tls.CauseDenied, but(usages)},
		{"revoked client", good + crl, revokedClient + host, tls.Revoked, true, tls.CauseRevoked, but(revoked)},
		{"expired CRL for the client", good + stale, goodClient + host, tls.ExpiredCRL, true, tls.CauseDenied, but("certificate_unknown")},
		{"no certificate", good, host, tls.NoCertificate, true, tls.CauseNoCertificate, [3]string{failure, "certificate_required", failure}},
		{"unknown CA of the server", strangeServer, goodClient + host, tls.UnknownCA, false, tls.CauseUnknownCA, but(unknown)},
		{"expired server", expiredServer, goodClient + host, tls.Expired, false, tls.CauseExpired, but(expired)},
		{"server not yet valid", futureServer, goodClient + host, tls.NotYetValid, false, tls.CauseExpired, but(expired)},
		{"wrong name of the server", otherServer, goodClient + host, tls.WrongName, false, tls.CauseName, but(access)},
		{"wrong usage of the server", usedServer, goodClient + host, tls.WrongUsage, false, tls.CauseDenied, but(usages)},
		{"revoked server", revokedServer, goodClient + host + crl, tls.Revoked, false, tls.CauseRevoked, but(revoked)},
		{"expired CRL for the server", good, goodClient + host + stale, tls.ExpiredCRL, false, tls.CauseDenied, but("certificate_unknown")},
		{"weak version of the client", good + "tls_min_version = 1.3\n", goodClient + host + "tls_max_version = 1.2\n", nil, true, tls.CauseVersion, [3]string{version}},
		{"weak version of the server", good + "tls_max_version = 1.2\n", goodClient + host + "tls_min_version = 1.3\n", nil, true, tls.CauseVersion, [3]string{version}},
		{"cipher", good + "cipher_list = ECDHE-ECDSA-AES128-GCM-SHA256\ntls_max_version = 1.2\n", goodClient + host + "cipher_list = ECDHE-ECDSA-AES256-GCM-SHA384\ntls_max_version = 1.2\n", nil, true, tls.CauseCipher,
			[3]string{failure, "", failure}},
		{"ALPN", good + "alpn = radius/1.1\n", goodClient + host + "alpn = radius/1.0\n", nil, true, tls.CauseProtocol, all("no_application_protocol")},
	} {
		for i, version := range []string{"tls_max_version = 1.2\n", "tls_min_version = 1.3\n", "DTLS"} {
			stack, same := "tls+tcp", version
			if version == "DTLS" {
				stack, same = "tls+udp", ""
			}
			if strings.Contains(c.listen, "_version") {
				if same = ""; c.alert[i] == "" {
					continue
				}
			}
			t.Run(stack+" "+strings.TrimSpace(version)+" "+c.name, func(t *testing.T) {
				e := friotest.NewEnv(t, true, 1)
				e.Pass(24 * time.Hour)
				base := strings.TrimPrefix(stack, "tls+")
				text := func(port uint16) string { return base + " {\nipaddr = 127.0.0.1\nport = " + itoa(port) + "\n}\n" }
				l := e.ParseText(nil, "listener", "listen {\nprotocol = "+stack+"\n"+text(0)+"tls {\nrequire_client_cert = yes\n"+ca+c.listen+same+"}\n}\n")
				if err := l.Open(); err != nil {
					t.Fatal(err)
				}
				l.Wish(nil, func() {}, nil)
				cl := e.ParseText(nil, "client", "home_server {\nprotocol = "+stack+"\n"+text(e.Port(l))+"tls {\n"+ca+c.home+same+"}\n}\n")
				cl.Wish(nil, nil, nil)
				cl.Connect()
				s := e.AcceptFrom(l, nil)
				s.Wish(nil, nil, nil)
				refuser, refused := s, cl
				if !c.server {
					refuser, refused = cl, s
				}
				var here, there *tls.HandshakeError
				end := e.ExpectEnd(refuser)
				if !errors.As(end, &here) || here.Cause != c.cause || here.Remote || c.reason != nil && !errors.Is(end, c.reason) {
					t.Errorf("%s, which refuses: %v, want %v of its own, with the cause %v", refuser.Name, end, c.reason, c.cause)
				}
				if c.reason != nil && !strings.Contains(end.Error(), c.reason.Error()+": ") {
					t.Errorf("%s, which refuses, says %q without %q", refuser.Name, end, c.reason)
				}
				end = e.ExpectEnd(refused)
				cause := alertCauses[c.alert[i]]
				if !errors.As(end, &there) || there.Cause != cause || !there.Remote {
					t.Errorf("%s: %v, want the cause %v from the peer", refused.Name, end, cause)
				}
				if text := end.Error(); !strings.HasPrefix(text, "handshake: "+cause.String()+": the peer ") || !strings.Contains(text, ": "+c.alert[i]+" (RFC ") {
					t.Errorf("%s says %q without a sentence about %s", refused.Name, text, c.alert[i])
				}
			})
		}
	}
}

// alertCauses are the causes at the end that receives an alert.
var alertCauses = map[string]tls.Cause{
	"bad_certificate":         tls.CauseDenied,
	"unsupported_certificate": tls.CauseDenied,
	"certificate_unknown":     tls.CauseDenied,
	"access_denied":           tls.CauseDenied,
	"certificate_revoked":     tls.CauseRevoked,
	"certificate_expired":     tls.CauseExpired,
	"unknown_ca":              tls.CauseUnknownCA,
	"certificate_required":    tls.CauseNoCertificate,
	"handshake_failure":       tls.CauseRefused,
	"protocol_version":        tls.CauseVersion,
	"no_application_protocol": tls.CauseProtocol,
}

// crlFile is a CRL of a CA for ever, with the certificates in it.
func (id *identity) crlFile(t testing.TB, dir string, revoked ...*identity) string {
	t.Helper()
	return id.crlFileUntil(t, filepath.Join(dir, "list.crl"), time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC), revoked...)
}

// staleCRLFile is an empty one that has expired.
func (id *identity) staleCRLFile(t testing.TB, dir string) string {
	t.Helper()
	return id.crlFileUntil(t, filepath.Join(dir, "stale.crl"), time.Unix(1000, 0))
}

func (id *identity) crlFileUntil(t testing.TB, file string, next time.Time, revoked ...*identity) string {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Unix(1, 0), NextUpdate: next}
	for _, one := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: one.cert.SerialNumber, RevocationTime: time.Unix(2, 0)})
	}
	writeFile(t, file, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: must(x509.CreateRevocationList(rand.Reader, list, id.cert, id.key))}))
	return file
}

// TestDatagramFloods: a peer of DTLS that floods empty records is dropped, and is told by an alert; forged and replayed ones do
// nothing to it, and others go on.
func TestDatagramFloods(t *testing.T) {
	e := friotest.NewEnv(t, false, 1)
	l := datagramListener(e, "require_client_cert = no\n", "")
	other, p := dialRaw(e, l), dialRaw(e, l)
	otherChild, child := other.open(e, l), p.open(e, l)
	echo := func(p *rawPeer, child *friotest.Probe) {
		t.Helper()
		p.send(p.seal("ping"))
		e.Expect(child, []byte("ping"))
	}
	echo(other, otherChild)
	echo(p, child)
	forged := p.seal("")
	forged[len(forged)-1] ^= 1
	replayed := p.seal("")
	for range 500 {
		p.send(forged)
		p.send(replayed)
		e.Turn()
	}
	e.Spin(3)
	echo(p, child)
	child.Wish(nil, func() {}, nil)
	const bound = 32
	sent := 0
	for ; child.State() == frio.StateOpen && sent < 10*bound; sent++ {
		p.send(p.seal(""))
		e.Spin(2)
	}
	end := e.ExpectEnd(child)
	var alert *dtls.AlertError
	if !errors.As(end, &alert) || alert.Received || alert.Alert != 10 || child.State() != frio.StateFailed || sent > bound+1 {
		t.Errorf("after %d empty records: %v", sent, end)
	}
	e.Until("the alert", func() bool { p.receive(e.Loop.Now()); return p.err != nil })
	if !errors.As(p.err, &alert) || !alert.Received || alert.Alert != 10 {
		t.Errorf("the peer got %v", p.err)
	}
	child.Close()
	echo(other, otherChild)
}
