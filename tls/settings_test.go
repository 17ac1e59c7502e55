package tls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/youmark/pkcs8"
)

// listenText and homeText are sections around the lines of `tls { }`, which begin in line 8, column 1.
const listenText = `listen one {
protocol = tls+%[2]s
%[2]s {
ipaddr = 127.0.0.1
port = 2083
}
tls {
%[1]s
}
}
`

const homeText = `home_server one {
protocol = tls+%[2]s
%[2]s {
ipaddr = %[3]s
port = 2083
}
tls {
%[1]s
}
}
`

const (
	ownLines   = "certificate_file = server.pem\nprivate_key_file = server.key\n"
	serverBase = ownLines + "ca_file = ca.pem\n"
)

// sectionOf parses a listen or home_server of the directory.
func (d testDir) section(text, lines, below string, more ...any) *conf.Section {
	d.t.Helper()
	root, err := conf.ParseString(d.file("frio.conf"), fmt.Sprintf(text, append([]any{lines, below}, more...)...), conf.Options{})
	if err != nil {
		d.t.Fatal(err)
	}
	return root.Sections("")[0]
}

func methodOf(kind frio.Kind) string {
	if kind == frio.Datagram {
		return "udp"
	}
	return "tcp"
}

func (d testDir) parseServer(lines string, kind frio.Kind) (*settings, *conf.Section, error) {
	d.t.Helper()
	cs := d.section(listenText, lines, methodOf(kind))
	s, err := parseSettings(cs, frio.Server, kind)
	return s, cs, err
}

func (d testDir) parseClient(lines, host string, kind frio.Kind) (*settings, *conf.Section, error) {
	d.t.Helper()
	cs := d.section(homeText, lines, methodOf(kind), host)
	s, err := parseSettings(cs, frio.Client, kind)
	return s, cs, err
}

func (d testDir) server(lines string) *settings {
	d.t.Helper()
	s, cs, err := d.parseServer(lines, frio.Stream)
	return d.good(s, cs, err)
}

func (d testDir) client(lines string) *settings {
	d.t.Helper()
	s, cs, err := d.parseClient(lines, "server.example.org", frio.Stream)
	return d.good(s, cs, err)
}

// good checks that parsing succeeded and left nothing of tls { } untaken.
func (d testDir) good(s *settings, cs *conf.Section, err error) *settings {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
	for _, e := range cs.Sections("tls")[0].Unknown() {
		d.t.Errorf("not taken: %v", e)
	}
	return s
}

// lines are errors as "line:column: message".
func (d testDir) lines(err error) []string {
	var errs conf.Errors
	if err == nil {
		return nil
	}
	if !errors.As(err, &errs) {
		return []string{"no position: " + err.Error()}
	}
	var list []string
	for _, e := range errs {
		list = append(list, strings.ReplaceAll(strings.TrimPrefix(e.Error(), d.file("frio.conf")+":"), d.path+"/", ""))
	}
	return list
}

// TestDefaults looks at what a short section gives.
func TestDefaults(t *testing.T) {
	d := newTestDir(t)
	s := d.server(serverBase)
	c := s.stream()
	if c.MinVersion != tls.VersionTLS12 || c.MaxVersion != 0 || c.CipherSuites != nil || c.CurvePreferences != nil {
		t.Errorf("versions %x to %x, suites %v, curves %v", c.MinVersion, c.MaxVersion, c.CipherSuites, c.CurvePreferences)
	}
	if c.ClientAuth != tls.RequireAndVerifyClientCert || c.ClientCAs == nil || c.Renegotiation != tls.RenegotiateNever || c.SessionTicketsDisabled {
		t.Errorf("ClientAuth %v, CAs %v, renegotiation %v, no tickets %v", c.ClientAuth, c.ClientCAs, c.Renegotiation, c.SessionTicketsDisabled)
	}
	if s.stream() != c {
		t.Error("a configuration for each call")
	}
	if s.datagram() != nil {
		t.Error("a DTLS configuration over a stream")
	}
	if notes := s.notes(); len(notes) != 0 {
		t.Error(notes)
	}
	if a := testing.AllocsPerRun(100, func() { s.stream() }); a != 0 {
		t.Errorf("stream: %v allocations", a)
	}
	for lines, want := range map[string]tls.ClientAuthType{
		ownLines:                                      tls.NoClientCert,
		serverBase + "require_client_cert = no":       tls.NoClientCert,
		serverBase + "require_client_cert = request":  tls.VerifyClientCertIfGiven,
		serverBase + "require_client_cert = yes":      tls.RequireAndVerifyClientCert,
		ownLines + "ca_path = cas":                    tls.RequireAndVerifyClientCert,
		ownLines + "ca_file = ca.pem\nca_path = cas ": tls.RequireAndVerifyClientCert,
	} {
		d.put("cas/ca.pem", pemOf("CERTIFICATE", theCA().cert.Raw))
		if got := d.server(lines).stream().ClientAuth; got != want {
			t.Errorf("%q: %v, want %v", lines, got, want)
		}
	}
}

func TestDatagramConfig(t *testing.T) {
	d := newTestDir(t)
	s, cs, err := d.parseServer(serverBase+"cipher_list = ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-GCM-SHA384\ncurves = secp384r1:prime256v1\nalpn = radius/1.1", frio.Datagram)
	d.good(s, cs, err)
	c := s.datagram()
	if !slices.Equal(c.CipherSuites, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}) || !slices.Equal(c.CurvePreferences, []tls.CurveID{tls.CurveP256}) {
		t.Errorf("suites %v, curves %v", c.CipherSuites, c.CurvePreferences)
	}
	if c.ClientAuth != tls.VerifyClientCertIfGiven || c.ClientCAs == nil || c.TicketKeys == nil || len(c.Certificates) != 1 || c.VerifyConnection == nil {
		t.Errorf("%+v", c)
	}
	if s.datagram() != c || s.stream() == nil {
		t.Error("a configuration for each call, or none")
	}
	s, cs, err = d.parseClient("ca_file = ca.pem", "server.example.org", frio.Datagram)
	d.good(s, cs, err)
	if c := s.datagram(); c.ServerName != "server.example.org" || c.InsecureSkipVerify || c.RootCAs == nil || c.Sessions == nil || c.CipherSuites != nil {
		t.Errorf("%+v", c)
	}
}

// TestPeerName: hostname, else what ipaddr says, else an error; check_cert_name is the only way out.
func TestPeerName(t *testing.T) {
	d := newTestDir(t)
	for _, c := range []struct {
		name, lines, host string
		server            string // SNI and name
		names             string
		own               bool
	}{
		{"ipaddr name", "", "Server.example.org", "server.example.org", "DNS server.example.org", false},
		{"ipaddr literal", "", "192.0.2.1", "192.0.2.1", "IP 192.0.2.1", false},
		{"ipaddr literal 6", "", "2001:db8::1", "2001:db8::1", "IP 2001:db8::1", false},
		{"hostname first", "hostname = radius.example.org", "192.0.2.1", "radius.example.org", "DNS radius.example.org", false},
		{"yes", "check_cert_name = yes", "192.0.2.1", "192.0.2.1", "IP 192.0.2.1", false},
		{"no", "check_cert_name = no", "a.example.org", "a.example.org", "", true},
		{"no, several", "check_cert_name = no", "a.example.org\nipaddr = b.example.org", "", "", true},
		{"hostname for several", "hostname = c.example.org", "a.example.org\nipaddr = b.example.org", "c.example.org", "DNS c.example.org", false},
		{"names", "check_cert_name = *.example.org\ncheck_cert_name = urn:x:y", "a.example.org", "a.example.org", "DNS *.example.org, URI urn:x:y", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, cs, err := d.parseClient("ca_file = ca.pem\n"+c.lines, c.host, frio.Stream)
			d.good(s, cs, err)
			if got := s.stream(); got.ServerName != c.server || got.InsecureSkipVerify != c.own {
				t.Errorf("server name %q, own check %v", got.ServerName, got.InsecureSkipVerify)
			}
			if got := listNames(s.snap.Load().verifier.names); got != c.names {
				t.Errorf("names %q, want %q", got, c.names)
			}
			warned := slices.ContainsFunc(s.notes(), func(e *conf.Error) bool { return strings.HasPrefix(e.Msg, "warning: check_cert_name") })
			if warned != (strings.Contains(c.lines, "= no")) {
				t.Errorf("warned: %v", warned)
			}
		})
	}
}

// TestNotes has FreeRADIUS's keys without meaning here, and certificates that are past.
func TestNotes(t *testing.T) {
	d := newTestDir(t)
	d.putCert("expired", theCA().issue("server.example.org", expired))
	d.putCert("early", theCA().issue("server.example.org", notYet))
	s := d.server("certificate_file = expired.pem\nprivate_key_file = expired.key\nca_file = ca.pem\nprivate_key_password = whatever\n" +
		"dh_file = /etc/dh\nrandom_file = /dev/urandom\nfragment_size = 1024\ninclude_length = yes\nauto_chain = no\n" +
		"disable_tlsv1 = yes\nocsp {\nenable = no\nurl = x\n}\ncache {\nname = x\nlifetime = 24\nstore {\nx = y\n}\n}\n" +
		"keylog_file = keys.log\nchain {\ncertificate_file = early.pem\nprivate_key_file = early.key\n}")
	var got []string
	for _, n := range s.notes() {
		got = append(got, strings.ReplaceAll(strings.TrimPrefix(n.Error(), d.path+"/"), d.path+"/", ""))
	}
	want := []string{
		"frio.conf:8:20: warning: certificate_file: expired.pem: certificate \"CN=server.example.org,O=frio\" expired on",
		"frio.conf:11:24: note: private_key_password has no effect: the key in expired.key is not encrypted",
		"frio.conf:12:11: note: dh_file has no effect here",
		"frio.conf:13:15: note: random_file has no effect here",
		"frio.conf:14:17: note: fragment_size has no effect here",
		"frio.conf:15:18: note: include_length has no effect here",
		"frio.conf:16:14: note: auto_chain has no effect here",
		"frio.conf:17:17: note: disable_tlsv1 has no effect here",
		"frio.conf:18:1: note: ocsp has no effect here",
		"frio.conf:23:8: note: name has no effect here",
		"frio.conf:25:1: note: store has no effect here",
		"frio.conf:29:15: warning: keylog_file: whoever reads",
		"frio.conf:31:20: warning: certificate_file: early.pem: certificate \"CN=server.example.org,O=frio\" is not valid before",
	}
	if len(got) != len(want) {
		t.Fatalf("%d notes, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
}

// TestFreeRADIUSSection has what people bring along: nothing of it is a mistake.
func TestFreeRADIUSSection(t *testing.T) {
	d := newTestDir(t)
	s := d.server("private_key_password = whatever\nprivate_key_file = server.key\ncertificate_file = server.pem\nca_file = ca.pem\n" +
		"dh_file = dh\nfragment_size = 8192\nca_path = .\ncipher_list = \"DEFAULT@SECLEVEL=1\"\ncipher_server_preference = no\n" +
		"tls_min_version = \"1.2\"\ntls_max_version = \"1.3\"\necdh_curve = \"\"\nrequire_client_cert = yes\ncheck_crl = no\nallow_expired_crl = no\n" +
		"ca_path_reload_interval = 0\nverify_depth = 0\n" +
		"sigalgs_list = RSA+SHA256\nmake_cert_command = /bin/false\nradiusv1_1 = allow\ndisable_single_dh_use = no\n" +
		"cache {\nenable = no\nlifetime = 24\nmax_entries = 255\npersist_dir = /tmp\nstore {\nTunnel-Private-Group-Id\n&reply:Class\n}\n}\nverify {\ntmpdir = /tmp\n}\nocsp {\nenable = no\n}\n")
	c := s.stream()
	if !c.SessionTicketsDisabled || c.CurvePreferences != nil || c.CipherSuites != nil || c.MaxVersion != tls.VersionTLS13 || s.snap.Load().verifier.depth != -1 {
		t.Errorf("%+v", c)
	}
	for _, n := range s.notes() {
		if !strings.HasPrefix(n.Msg, "note: ") {
			t.Error(n)
		}
	}
}

// TestDebug shows each kind of section.
func TestDebug(t *testing.T) {
	d := newTestDir(t)
	d.put("list.crl", pemOf("X509 CRL", theCA().crl(clientCert())))
	d.put("realms/c.example.org.pem", append(serverCert().certPEM(), serverCert().keyPEM()...))
	datagram, cs, err := d.parseServer(serverBase+"curves = prime256v1:X25519\ncipher_list = ECDHE-ECDSA-AES128-GCM-SHA256", frio.Datagram)
	d.good(datagram, cs, err)
	for _, c := range []struct {
		s    *settings
		want []string
	}{
		{d.server(ownLines + "tls_max_version = 1.2\ncache {\nenable = no\n}"), []string{"versions TLS 1.2, cipher_list DEFAULT, curves default\n", "client certificate not asked\n", "no resumption\n"}},
		{d.server(ownLines + "ca_file = ca.pem\ncheck_crl = yes\ncrl_file = list.crl\nrequire_client_cert = request\nca_path_reload_interval = 60\nrealm_dir = realms\ntls_min_version = 1.3"),
			[]string{"TLS 1.3", "client certificate requested, 1 CAs\n", "CRL " + d.file("list.crl") + `: "CN=frio test CA,O=frio", 1 revoked, from 20`, "every 1m0s", "c.example.org.pem for c.example.org: "}},
		{datagram, []string{"versions DTLS 1.2, cipher_list TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, curves prime256v1:X25519\n", "client certificate required, 1 CAs\n"}},
		{d.client("ca_file = ca.pem"), []string{`server name "server.example.org", name checked: yes, 1 CAs, names DNS server.example.org` + "\n"}},
		{d.client("check_cert_name = no"), []string{"name checked: no, CAs of the system\n", "warning: check_cert_name: any certificate of the CA is taken for the server's"}},
	} {
		var b strings.Builder
		c.s.debug(&b)
		for _, want := range c.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("lacks %q:\n%s", want, b.String())
			}
		}
	}
}

// TestNoSecretShows looks for the password and the key in everything that is printed.
func TestNoSecretShows(t *testing.T) {
	d := newTestDir(t)
	const password = "open-sesame-47"
	d.put("p2.key", pemOf("ENCRYPTED PRIVATE KEY", must(pkcs8.MarshalPrivateKey(serverCert().key, []byte(password), nil))))
	s := d.server("certificate_file = server.pem\nprivate_key_file = p2.key\nprivate_key_password = " + password + "\nca_file = ca.pem\nkeylog_file = keys.log\nalpn = radius/1.1\nverify_depth = 2\ncheck_cert_name = *.example.org\ncheck_cert_cn = *.example.org")
	var b strings.Builder
	s.debug(&b)
	text := b.String()
	for _, want := range []string{"TLS 1.2 to 1.3", "radius/1.1", "server.example.org", "required", "frio test CA", "verify_depth 2", "DNS *.example.org",
		"<hidden>", "keylog_file", "ECDSA", "resumption for 24h"} {
		if !strings.Contains(text, want) {
			t.Errorf("debug lacks %q:\n%s", want, text)
		}
	}
	key := fmt.Sprintf("%x", must(x509.MarshalPKCS8PrivateKey(serverCert().key)))
	for _, out := range []string{text, fmt.Sprintf("%v %+v %#v", s.snap.Load().plan.chains, s.snap.Load().plan.chains, s.snap.Load().plan.chains[0].chainKeys)} {
		if strings.Contains(out, password) || strings.Contains(out, key[60:]) {
			t.Error("a secret shows: " + out)
		}
	}
}

func TestPrivateKeys(t *testing.T) {
	d := newTestDir(t)
	for _, kind := range []string{"rsa", "ecdsa", "p384", "ed25519"} {
		c := theCA().issueKey(newTestKey(kind), "server.example.org")
		d.putCert(kind, c)
		for form, text := range map[string][]byte{
			"pkcs8":  c.keyPEM(),
			"pbes2":  pemOf("ENCRYPTED PRIVATE KEY", must(pkcs8.MarshalPrivateKey(c.key, []byte("pw"), nil))),
			"scrypt": pemOf("ENCRYPTED PRIVATE KEY", must(pkcs8.MarshalPrivateKey(c.key, []byte("pw"), &pkcs8.Opts{Cipher: pkcs8.AES128CBC, KDFOpts: pkcs8.ScryptOpts{CostParameter: 1 << 4, BlockSize: 8, ParallelizationParameter: 1, SaltSize: 8}}))),
			"sec1":   legacyKey(c),
		} {
			if text == nil {
				continue
			}
			t.Run(kind+"/"+form, func(t *testing.T) {
				d.put("one.key", text)
				lines := "certificate_file = " + kind + ".pem\nprivate_key_file = one.key\n"
				if strings.Contains(string(text), "ENCRYPTED") {
					lines += "private_key_password = pw\n"
				}
				s := d.server(lines)
				if err := handshakeOK(t, s, &tls.Config{RootCAs: poolOf(theCA()), ServerName: "server.example.org"}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	t.Run("key beside the certificate", func(t *testing.T) {
		d.put("both.pem", append(serverCert().keyPEM(), serverCert().certPEM()...))
		d.server("certificate_file = both.pem")
	})
}
