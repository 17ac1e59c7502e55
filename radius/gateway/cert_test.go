package gateway_test

import (
	"crypto/ed25519"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"
)

// certificate makes one as a CA would.
func certificate(t *testing.T) *x509.Certificate {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	policy, err := x509.ParseOID("1.3.6.1.4.1.25178.3.1.1")
	if err != nil {
		t.Fatal(err)
	}
	issuer := &x509.Certificate{Subject: pkix.Name{CommonName: "Test CA", Organization: []string{"Example"}, Country: []string{"CH"}}}
	der, err := x509.CreateCertificate(nil, &x509.Certificate{
		SerialNumber: big.NewInt(0x1a2b3c),
		Subject:      pkix.Name{CommonName: "Radius One"},
		DNSNames:     []string{"radius.example.org", "radius2.example.org"},
		URIs:         []*url.URL{{Scheme: "urn", Opaque: "example:One"}},
		Policies:     []x509.OID{policy},
		NotAfter:     time.Unix(1<<32, 0),
	}, issuer, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestCertMatch(t *testing.T) {
	cert := certificate(t)
	short, long := sha1.Sum(cert.Raw), sha256.Sum256(cert.Raw)
	var colons []string
	for _, b := range long {
		colons = append(colons, fmt.Sprintf("%02X", b))
	}
	for _, c := range []struct {
		lines string
		want  bool
	}{
		{"name = radius.example.org", true},
		{"name = RADIUS2.example.org", true},
		{"name = 'Radius One'", true},
		{"name = example.org", false},
		{"name = /^radius[0-9]\\.EXAMPLE\\.org$/", true},
		{"name = /^example/", false},
		{"issuer = '/^CN=Test CA,O=Example,C=CH$/'", true},
		{"name = nobody, name = radius.example.org", true},
		{"cn = 'radius one'", true},
		{"cn = radius.example.org", false},
		{"cn = /One/", true},
		{"uri = urn:example:One", true},
		{"uri = urn:example:one", false},
		{"uri = /^urn:example:/", true},
		{"issuer = 'CN=Test CA,O=Example,C=CH'", true},
		{"issuer = 'CN=Test CA, O=Example, C=CH'", true},
		{"issuer = 'CN=Test CA'", false},
		{"issuer = '/^CN=Test CA,/'", true},
		{"serial = 1a2b3c", true},
		{"serial = 00:1A:2B:3C", true},
		{"serial = 0x1a2b3c", true},
		{"serial = 1a2b3d", false},
		{"fingerprint = " + hex.EncodeToString(short[:]), true},
		{"fingerprint = " + strings.Join(colons, ":"), true},
		{"fingerprint = " + hex.EncodeToString(make([]byte, 32)), false},
		{"policy_oid = 1.3.6.1.4.1.25178.3.1.1", true},
		{"policy_oid = 1.3.6.1.4.1.25178.3.1.2", false},
		{"policy_oid = 1.3.6.1.4.1.25178.3.1.2, policy_oid = 1.3.6.1.4.1.25178.3.1.1", true},
		{"name = radius.example.org, serial = 1a2b3c, uri = /One/", true},
		{"name = radius.example.org, serial = 1a2b3d", false},
	} {
		text := "client a {\n\tcertificate {\n\t\t" + strings.ReplaceAll(c.lines, ", ", "\n\t\t") + "\n\t}\n}\n"
		if strings.Contains(c.lines, "'") { // one line, with a comma in it
			text = "client a {\n\tcertificate {\n\t\t" + c.lines + "\n\t}\n}\n"
		}
		match := good(t, text).Clients[""].All[0].Certificate
		if got := match.Matches(cert); got != c.want {
			t.Errorf("%s: %t", c.lines, got)
		}
		if match.Matches(nil) {
			t.Errorf("%s: matches none", c.lines)
		}
		if match.Matches(&x509.Certificate{SerialNumber: big.NewInt(1)}) {
			t.Errorf("%s: matches an empty certificate", c.lines)
		}
	}
}

// A regular expression that is not tied to the ends of a name matches other names as well.
func TestLooseExpressionWarns(t *testing.T) {
	_, mistakes, notes := parse(t, "client a {\n\tcertificate {\n\t\tname = /radius.example.org/\n\t\tcn = /^a$/\n\t}\n}\nclient b {\n\tipaddr = 192.0.2.1\n\tproto = tls\n}\n")
	want := "gw.conf:3:10: warning: name: /radius.example.org/ also matches within longer texts: begin it with ^ and end it with $\n" +
		"gw.conf:7:1: warning: client b: without certificate { }, every certificate of the CA is this client's if it comes from there\n"
	if mistakes != "" || notes != want {
		t.Errorf("mistakes\n%s\nnotes\n%s\nnot\n%s", mistakes, notes, want)
	}
}
