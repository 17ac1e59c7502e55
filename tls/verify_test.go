package tls

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/tls/dtls"
)

// pipeEnd is one end of a connection in memory whose writes never wait: with those of net.Pipe, two sides that both
// write, an alert and a flight, wait for each other.
type pipeEnd struct {
	net.Conn // nil: only what is below is used
	in, out  *pipeBuffer
}

type pipeBuffer struct {
	mu   sync.Mutex
	some sync.Cond
	data []byte
	eof  bool
}

func bufferedPipe() (a, b *pipeEnd) {
	x, y := new(pipeBuffer), new(pipeBuffer)
	x.some.L, y.some.L = &x.mu, &y.mu
	return &pipeEnd{in: x, out: y}, &pipeEnd{in: y, out: x}
}

func (p *pipeEnd) Read(b []byte) (int, error) {
	p.in.mu.Lock()
	defer p.in.mu.Unlock()
	for len(p.in.data) == 0 {
		if p.in.eof {
			return 0, io.EOF
		}
		p.in.some.Wait()
	}
	n := copy(b, p.in.data)
	p.in.data = p.in.data[n:]
	return n, nil
}

func (p *pipeEnd) Write(b []byte) (int, error) {
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	p.out.data = append(p.out.data, b...)
	p.out.some.Signal()
	return len(b), nil
}

// Close ends what this side sends; what is under way still arrives.
func (p *pipeEnd) Close() error {
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	p.out.eof = true
	p.out.some.Signal()
	return nil
}

func (p *pipeEnd) SetWriteDeadline(time.Time) error { return nil }

// shaken is how a handshake over a pipe, and one byte from the server after it, ended on both sides.
type shaken struct {
	server, client           error
	serverState, clientState tls.ConnectionState
}

func handshake(t testing.TB, server, client *tls.Config) shaken {
	t.Helper()
	a, b := bufferedPipe()
	var r shaken
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer a.Close()
		conn := tls.Server(a, server)
		if r.server = conn.Handshake(); r.server == nil {
			r.serverState = conn.ConnectionState()
			conn.Write([]byte{1})
		}
	}()
	conn := tls.Client(b, client)
	if r.client = conn.Handshake(); r.client == nil {
		_, r.client = conn.Read(make([]byte, 1)) // TLS 1.3: the refusal comes after the client's handshake
		r.clientState = conn.ConnectionState()
	}
	b.Close()
	<-done
	return r
}

// handshakeOK is a handshake of a plain client with s.
func handshakeOK(t testing.TB, s *settings, client *tls.Config) error {
	t.Helper()
	r := handshake(t, s.stream(), client)
	return errors.Join(r.server, r.client)
}

func legacyKey(c testCert) []byte {
	switch {
	case c.cert.PublicKeyAlgorithm == x509.RSA:
		return pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(testRSAKey()))
	case c.cert.PublicKeyAlgorithm == x509.ECDSA:
		return pemOf("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(c.key.(*ecdsa.PrivateKey))))
	}
	return nil
}

// plainClient is a client of crypto/tls that trusts theCA and shows c, whatever the server asks for.
func plainClient(c *testCert, max uint16) *tls.Config {
	cfg := &tls.Config{RootCAs: poolOf(theCA()), ServerName: "server.example.org", MaxVersion: max}
	if c != nil {
		cert := c.tls()
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	return cfg
}

// TestServerRefuses: each reason at our end, with what it is about, and its alert at the client's.
func TestServerRefuses(t *testing.T) {
	d := newTestDir(t)
	good := clientCert()
	gone := theCA().issue("gone.example.org")
	viaSub := subCA().issue("sub.example.org")
	d.put("some.crl", pemOf("X509 CRL", theCA().crl(gone)))
	d.put("stale.crl", pemOf("X509 CRL", theCA().crlWith(staleCRL)))
	d.put("stale-gone.crl", pemOf("X509 CRL", theCA().crlWith(staleCRL, gone)))
	d.put("other.crl", pemOf("X509 CRL", otherCA().crl()))
	of := func(c testCert) *testCert { return &c }
	crl := func(file string) string { return "check_crl = yes\ncrl_file = " + file + ".crl\n" }
	for _, c := range []struct {
		name   string
		lines  string
		cert   *testCert
		reason error  // nil: accepted
		text   string // in the error
		alert  string // TLS 1.3
		old    string // TLS 1.2, if another
	}{
		{name: "good", cert: &good},
		{name: "good through an intermediate", cert: &viaSub},
		{name: "good with CRL", lines: crl("some"), cert: &good},
		{name: "good with names", lines: "check_cert_name = *.example.org\ncheck_cert_cn = client.example.org", cert: &good},
		{name: "requested, none", lines: "require_client_cert = request\ncheck_cert_name = a.b"},
		{name: "none", reason: NoCertificate, text: "one is required", alert: "tls: certificate required", old: "tls: handshake failure"},
		{name: "unknown CA", cert: of(otherCA().issue("client.example.org")), reason: UnknownCA, text: `issuer "CN=another CA,O=frio"`, alert: "unknown certificate authority"},
		{name: "requested, unknown CA", lines: "require_client_cert = request", cert: of(otherCA().issue("client.example.org")), reason: UnknownCA, text: "not trusted here", alert: "unknown certificate authority"},
		{name: "expired", cert: of(theCA().issue("client.example.org", expired)), reason: Expired, text: "notAfter is 20", alert: "expired certificate"},
		{name: "not yet valid", cert: of(theCA().issue("client.example.org", notYet)), reason: NotYetValid, text: "notBefore is 20", alert: "expired certificate"},
		{name: "wrong usage", cert: of(theCA().issue("client.example.org", onlyServer)), reason: WrongUsage, text: "extended key usage", alert: "bad certificate"},
		{name: "wrong name", lines: "check_cert_name = other.example.org", cert: &good, reason: WrongName, text: "none of DNS other.example.org is among its names: DNS client.example.org, IP 127.0.0.1", alert: "bad certificate"},
		{name: "wrong common name", lines: "check_cert_cn = other", cert: &good, reason: WrongName, text: "check_cert_cn", alert: "bad certificate"},
		{name: "revoked", lines: crl("some"), cert: &gone, reason: Revoked, text: "keyCompromise", alert: "bad certificate"},
		{name: "no CRL", lines: crl("other"), cert: &good, reason: NoCRL, text: "there is none", alert: "bad certificate"},
		{name: "expired CRL", lines: crl("stale"), cert: &good, reason: ExpiredCRL, text: "nextUpdate", alert: "bad certificate"},
		{name: "expired CRL, allowed", lines: crl("stale") + "allow_expired_crl = yes", cert: &good},
		{name: "no CRL, allowed", lines: crl("other") + "allow_expired_crl = yes", cert: &good},
		{name: "no CRL at all, allowed", lines: "check_crl = yes\nallow_expired_crl = yes", cert: &good},
		{name: "no CRL of an intermediate, allowed", lines: crl("some") + "check_all_crl = yes\nallow_expired_crl = yes", cert: &viaSub},
		{name: "no CRL of an intermediate", lines: crl("some") + "check_all_crl = yes", cert: &viaSub, reason: NoCRL, text: "there is none", alert: "bad certificate"},
		{name: "revoked by an expired CRL, allowed", lines: crl("stale-gone") + "allow_expired_crl = yes", cert: &gone, reason: Revoked, text: "keyCompromise", alert: "bad certificate"},
		{name: "too deep", lines: "verify_depth = 1", cert: of(newTestCA("sub sub", subCA()).issue("x")), reason: TooDeep, text: "2 intermediate CAs, verify_depth is 1", alert: "bad certificate"},
		{name: "deep enough", lines: "verify_depth = 1", cert: &viaSub},
		{name: "as described", lines: "certificate {\n dns = /^client[.]/\n}", cert: &good},
		{name: "not as described", lines: "certificate {\n dns = /^client[.]/\n}\ncertificate {\n policy_oid = 1.2.3\n}", cert: &good, reason: Mismatch, text: "its policy_oid is not what certificate { } says", alert: "bad certificate"},
	} {
		for _, max := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(fmt.Sprintf("%s/%s", c.name, tls.VersionName(max)), func(t *testing.T) {
				s := d.server(serverBase + c.lines)
				r := handshake(t, s.stream(), plainClient(c.cert, max))
				if c.reason == nil {
					if r.server != nil || r.client != nil {
						t.Errorf("refused: %v, %v", r.server, r.client)
					}
					return
				}
				err := s.explain(r.server)
				checkRefusal(t, err, c.reason, c.cert, c.text)
				alert := c.alert
				if max == tls.VersionTLS12 && c.old != "" {
					alert = c.old
				}
				if r.client == nil || !strings.Contains(r.client.Error(), "remote error: tls: "+strings.TrimPrefix(alert, "tls: ")) {
					t.Errorf("the client saw %v, want %s", r.client, alert)
				}
			})
		}
	}
}

// checkRefusal checks a *VerifyError: its reason and no other, whom it names, and what it says.
func checkRefusal(t *testing.T, err, reason error, cert *testCert, text string) {
	t.Helper()
	var own *VerifyError
	if !errors.As(err, &own) {
		t.Fatalf("%v is no *VerifyError", err)
	}
	for r := BadCertificate; r <= Mismatch; r++ {
		if errors.Is(err, r) != (r == reason) {
			t.Errorf("%v: is %q: %v", err, r, errors.Is(err, r))
		}
	}
	if !strings.Contains(err.Error(), text) {
		t.Errorf("%v\nlacks %q", err, text)
	}
	if cert != nil && !errors.Is(err, TooDeep) && (!strings.Contains(err.Error(), cert.cert.SerialNumber.Text(16)) || own.Subject != cert.cert.Subject.String()) {
		t.Errorf("%v\nlacks subject %q or serial %x", err, cert.cert.Subject, cert.cert.SerialNumber)
	}
	var alert tls.AlertError
	if !errors.As(err, &alert) || alert == 0 {
		t.Errorf("%v has no alert", err)
	}
}

// TestClientRefuses is the same on the connecting side, with a server that has every fault.
func TestClientRefuses(t *testing.T) {
	d := newTestDir(t)
	gone := theCA().issue("server.example.org")
	d.put("some.crl", pemOf("X509 CRL", theCA().crl(gone)))
	d.put("stale.crl", pemOf("X509 CRL", theCA().crlWith(staleCRL)))
	d.put("other.crl", pemOf("X509 CRL", otherCA().crl()))
	wild := theCA().issue("x", withWildcard)
	uri := theCA().issue("x", withURI)
	ip := theCA().issue("x")
	good := serverCert()
	of := func(c testCert) *testCert { return &c }
	for _, c := range []struct {
		name, lines, host string
		cert              *testCert
		reason            error
		text              string
	}{
		{name: "good", cert: &good},
		{name: "wildcard", cert: &wild},
		{name: "literal", host: "127.0.0.1", cert: &ip},
		{name: "literal, wrong", host: "192.0.2.7", cert: &ip, reason: WrongName, text: `"192.0.2.7" is not among its names: DNS x, IP 127.0.0.1`},
		{name: "hostname", host: "192.0.2.7", lines: "hostname = server.example.org", cert: &good},
		{name: "hostname, wrong", lines: "hostname = b.example.org", cert: &good, reason: WrongName, text: `"b.example.org" is not among its names: DNS server.example.org`},
		{name: "ipaddr name, wrong", host: "b.example.org", cert: &good, reason: WrongName, text: `"b.example.org"`},
		{name: "URI", lines: "check_cert_name = urn:example:nas:1", cert: &uri},
		{name: "names, wrong", lines: "check_cert_name = urn:example:nas:2\ncheck_cert_name = *.example.net", cert: &uri, reason: WrongName, text: "none of URI urn:example:nas:2"},
		{name: "no name check", host: "b.example.org", lines: "check_cert_name = no", cert: &good},
		{name: "no name check, unknown CA", lines: "check_cert_name = no", cert: of(otherCA().issue("server.example.org")), reason: UnknownCA, text: "not trusted here"},
		{name: "no name check, expired", lines: "check_cert_name = no", cert: of(theCA().issue("server.example.org", expired)), reason: Expired, text: "notAfter"},
		{name: "names, wrong usage", lines: "check_cert_name = server.example.org", cert: of(theCA().issue("server.example.org", onlyClient)), reason: WrongUsage, text: "usage"},
		{name: "unknown CA", cert: of(otherCA().issue("server.example.org")), reason: UnknownCA, text: "not trusted here"},
		{name: "expired", cert: of(theCA().issue("server.example.org", expired)), reason: Expired, text: "notAfter"},
		{name: "not yet valid", cert: of(theCA().issue("server.example.org", notYet)), reason: NotYetValid, text: "notBefore"},
		{name: "wrong usage", cert: of(theCA().issue("server.example.org", onlyClient)), reason: WrongUsage, text: "usage"},
		{name: "common name", lines: "check_cert_cn = other", cert: &good, reason: WrongName, text: "its common name is not other"},
		{name: "revoked", lines: "check_crl = yes\ncrl_file = some.crl", cert: &gone, reason: Revoked, text: "RFC 5280, Section 6.3.3"},
		{name: "no CRL", lines: "check_crl = yes\ncrl_file = other.crl", cert: &good, reason: NoCRL, text: "there is none"},
		{name: "no CRL, allowed", lines: "check_crl = yes\ncrl_file = other.crl\nallow_expired_crl = yes", cert: &good},
		{name: "expired CRL", lines: "check_crl = yes\ncrl_file = stale.crl", cert: &good, reason: ExpiredCRL, text: "nextUpdate"},
		{name: "expired CRL, allowed", lines: "check_crl = yes\ncrl_file = stale.crl\nallow_expired_crl = yes", cert: &good},
		{name: "as described", lines: "certificate {\n dns = server.example.org\n}", cert: &good},
		{name: "another name, but described", lines: "check_cert_name = no\ncertificate {\n cn = x\n}", cert: &wild},
		{name: "not as described", lines: "certificate {\n policy_oid = 1.2.3\n}", cert: &good, reason: Mismatch, text: "its policy_oid is not what certificate { } says"},
		{name: "too deep", lines: "verify_depth = 1", cert: of(newTestCA("sub sub", subCA()).issue("server.example.org")), reason: TooDeep, text: "2 intermediate"},
	} {
		if c.host == "" {
			c.host = "server.example.org"
		}
		t.Run(c.name, func(t *testing.T) {
			s, cs, err := d.parseClient("ca_file = ca.pem\n"+c.lines, c.host, frio.Stream)
			d.good(s, cs, err)
			server := &tls.Config{Certificates: []tls.Certificate{c.cert.tls()}}
			r := handshake(t, server, s.stream())
			if c.reason == nil {
				if r.server != nil || r.client != nil {
					t.Errorf("refused: %v, %v", r.server, r.client)
				}
				return
			}
			checkRefusal(t, s.explain(r.client), c.reason, c.cert, c.text)
			if r.server == nil || !strings.Contains(r.server.Error(), "remote error: tls: ") {
				t.Errorf("the server saw %v", r.server)
			}
		})
	}
}

// TestClientShowsItsCertificate: also to a server whose CA list lacks its issuer, so that the server can say why not.
func TestClientShowsItsCertificate(t *testing.T) {
	d := newTestDir(t)
	d.putCert("stranger", otherCA().issue("client.example.org"))
	server := d.server(serverBase)
	for name, refused := range map[string]bool{"client": false, "stranger": true} {
		c := d.client("ca_file = ca.pem\ncertificate_file = " + name + ".pem\nprivate_key_file = " + name + ".key")
		r := handshake(t, server.stream(), c.stream())
		if (r.server != nil) != refused || refused && !errors.Is(server.explain(r.server), UnknownCA) {
			t.Errorf("%s: %v", name, r.server)
		}
	}
	c := d.client("ca_file = ca.pem")
	if r := handshake(t, server.stream(), c.stream()); !errors.Is(server.explain(r.server), NoCertificate) {
		t.Error(r.server)
	}
}

// TestVersions: a peer without a version in common is refused at both ends.
func TestVersions(t *testing.T) {
	d := newTestDir(t)
	good := clientCert()
	s := d.server(serverBase + "tls_min_version = 1.3")
	r := handshake(t, s.stream(), plainClient(&good, tls.VersionTLS12))
	if r.server == nil || !strings.Contains(r.server.Error(), "unsupported versions") || r.client == nil || !strings.Contains(r.client.Error(), "protocol version not supported") {
		t.Errorf("%v, %v", r.server, r.client)
	}
	old := plainClient(&good, tls.VersionTLS11)
	old.MinVersion = tls.VersionTLS10
	if r := handshake(t, d.server(serverBase).stream(), old); r.server == nil || r.client == nil {
		t.Error("TLS 1.1 was accepted")
	}
	if r := handshake(t, d.server(serverBase).stream(), plainClient(&good, 0)); r.clientState.Version != tls.VersionTLS13 || r.clientState.CurveID != tls.X25519MLKEM768 {
		t.Errorf("version %x, curve %v: %v", r.clientState.Version, r.clientState.CurveID, r.client)
	}
	r = handshake(t, d.server(serverBase+"tls_max_version = 1.2\ncipher_list = ECDHE-ECDSA-CHACHA20-POLY1305\ncurves = prime256v1\nalpn = radius/1.1").stream(), plainClient(&good, 0))
	if s := r.serverState; s.Version != tls.VersionTLS12 || s.CipherSuite != tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 || s.CurveID != tls.CurveP256 {
		t.Errorf("%x %x %v: %v", s.Version, s.CipherSuite, s.CurveID, r.server)
	}
}

// TestServerName: which certificate is shown for which name.
func TestServerName(t *testing.T) {
	d := newTestDir(t)
	b := theCA().issue("b.example.org")
	for name, c := range map[string]testCert{
		"realms/c.example.org.pem":    theCA().issue("c.example.org"),
		"realms/*.example.net.pem":    theCA().issue("*.example.net"),
		"realms/.hidden.pem":          theCA().issue("hidden"),
		"realms/server.alias.pem":     theCA().issue("server.alias"),
		"realms/README":               {},
		"realms2/one.example.org.pem": theCA().issue("one.example.org"),
	} {
		if c.cert == nil {
			d.put(name, []byte("read me\n"))
			continue
		}
		d.put(name, append(c.certPEM(), c.keyPEM()...))
	}
	d.putCert("b", b)
	d.putCert("b-rsa", theCA().issueKey(newTestKey("rsa"), "b.example.org"))
	s := d.server(ownLines + "chain {\ncertificate_file = b.pem\nprivate_key_file = b.key\n}\nchain {\ncertificate_file = b-rsa.pem\nprivate_key_file = b-rsa.key\n}\nrealm_dir = realms")
	only := d.server("realm_dir = realms2")
	for _, c := range []struct {
		s          *settings
		name, want string
		rsa        bool
	}{
		{s, "server.example.org", "server.example.org", false},
		{s, "b.example.org", "b.example.org", false},
		{s, "b.example.org", "b.example.org", true},
		{s, "C.example.org", "c.example.org", false},
		{s, "any.example.net", "*.example.net", false},
		{s, "server.alias", "server.alias", false},
		{s, "unknown.example.com", "server.example.org", false},
		{s, "", "server.example.org", false},
		{only, "one.example.org", "one.example.org", false},
		{only, "unknown", "one.example.org", false},
		{only, "", "one.example.org", false},
	} {
		client := &tls.Config{ServerName: c.name, InsecureSkipVerify: true}
		if c.rsa {
			client.MaxVersion, client.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
		}
		r := handshake(t, c.s.stream(), client)
		if r.server != nil || r.client != nil {
			t.Errorf("%s: %v, %v", c.name, r.server, r.client)
			continue
		}
		if leaf := r.clientState.PeerCertificates[0]; leaf.Subject.CommonName != c.want || (leaf.PublicKeyAlgorithm == x509.RSA) != c.rsa {
			t.Errorf("%q: %v with %v key, want %s", c.name, leaf.Subject, leaf.PublicKeyAlgorithm, c.want)
		}
	}
}

// TestServerNameOverDatagrams: the same choice for DTLS.
func TestServerNameOverDatagrams(t *testing.T) {
	d := newTestDir(t)
	d.putCert("b", theCA().issue("b.example.org"))
	for _, name := range []string{"c.example.org", "*.example.net"} {
		c := theCA().issue(name)
		d.put("realms/"+name+".pem", append(c.certPEM(), c.keyPEM()...))
	}
	s := d.datagramServer("require_client_cert = no\nchain {\ncertificate_file = b.pem\nprivate_key_file = b.key\n}\nrealm_dir = realms")
	for name, want := range map[string]string{
		"server.example.org": "server.example.org", "b.example.org": "b.example.org", "C.example.org": "c.example.org",
		"any.example.net": "*.example.net", "unknown.example.com": "server.example.org", "192.0.2.1": "server.example.org",
	} {
		r := dtlsHandshake(t, s.datagram(), &dtls.Config{ServerName: name, InsecureSkipVerify: true})
		if r.server != nil || r.client != nil {
			t.Errorf("%s: %v, %v", name, r.server, r.client)
			continue
		}
		if leaf := r.clientState.PeerCertificates[0]; leaf.Subject.CommonName != want {
			t.Errorf("%q: %v, want %s", name, leaf.Subject, want)
		}
	}
}

// TestAnchorWithinAPath: an intermediate that is trusted itself does not escape the CRL of its root.
func TestAnchorWithinAPath(t *testing.T) {
	d := newTestDir(t)
	leaf := subCA().issue("client.example.org")
	d.put("cas.pem", pemOf("CERTIFICATE", theCA().cert.Raw, subCA().cert.Raw))
	d.put("root.crl", pemOf("X509 CRL", theCA().crl(subCA().testCert)))
	d.put("root-good.crl", pemOf("X509 CRL", theCA().crl()))
	d.put("sub.crl", pemOf("X509 CRL", subCA().crl()))
	for _, c := range []struct {
		lines  string
		reason error
	}{
		{"crl_file = root.crl\ncrl_file = sub.crl", Revoked},
		{"crl_file = root-good.crl\ncrl_file = sub.crl", nil},
		{"crl_file = sub.crl", nil},
		{"crl_file = sub.crl\ncheck_all_crl = yes", NoCRL},
		{"crl_file = root-good.crl", NoCRL},
		{"crl_file = root-good.crl\ncrl_file = sub.crl\ncheck_all_crl = yes", nil},
	} {
		s := d.server(ownLines + "ca_file = cas.pem\ncheck_crl = yes\n" + c.lines)
		r := handshake(t, s.stream(), plainClient(&leaf, 0))
		if c.reason == nil && r.server != nil || c.reason != nil && !errors.Is(r.server, c.reason) {
			t.Errorf("%s: %v, want %v", c.lines, r.server, c.reason)
		}
	}
}

// TestTextOfPeersIsBounded: a subject with line ends and of any length does no harm in a log.
func TestTextOfPeersIsBounded(t *testing.T) {
	evil := otherCA().issue("x", func(c *x509.Certificate) {
		c.Subject.CommonName = "a\nfrio: accepted\x1b[2J" + strings.Repeat("b", 5000)
		c.DNSNames = nil
		for range 100 {
			c.DNSNames = append(c.DNSNames, strings.Repeat("a", 60)+".example.org")
		}
	})
	v := &verifier{roots: poolOf(theCA()), usage: x509.ExtKeyUsageClientAuth, depth: -1, now: time.Now}
	err := v.check(evil.chain, nil)
	if err == nil || len(err.Error()) > 1200 || strings.ContainsAny(err.Error(), "\n\x1b") {
		t.Errorf("%d bytes: %v", len(err.Error()), err)
	}
	v = &verifier{roots: poolOf(otherCA()), usage: x509.ExtKeyUsageClientAuth, depth: -1, now: time.Now, names: []certName{{dnsName, "x.org"}}}
	if err := v.check(evil.chain, nil); !errors.Is(err, WrongName) || len(err.Error()) > 1200 {
		t.Errorf("%v", err)
	}
}

func TestReasonText(t *testing.T) {
	seen := map[string]bool{}
	for r := BadCertificate; r <= Mismatch; r++ {
		if r.Error() == "" || seen[r.Error()] {
			t.Errorf("%d: %q", r, r.Error())
		}
		seen[r.Error()] = true
	}
	if len(alerts) != len(reasonNames) || len(reasonNames) != int(Mismatch)+1 {
		t.Error("tables of different length")
	}
	s := &settings{clock: time.Now}
	other := errors.New("something else")
	if s.explain(other) != other || s.explain(nil) != nil {
		t.Error("explain changed what it does not know")
	}
	if !errors.Is(s.explain(fmt.Errorf("engine: %w", x509.UnknownAuthorityError{})), UnknownCA) {
		t.Error("a wrapped error of x509 is not explained")
	}
}
