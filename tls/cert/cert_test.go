package cert_test

import (
	"crypto/ed25519"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/tls/cert"
)

// altNames is a subject alternative name with all that is looked at.
func altNames(t testing.TB) []byte {
	t.Helper()
	utf8, err := asn1.MarshalWithParams("*.example.org", "utf8")
	if err != nil {
		t.Fatal(err)
	}
	id, err := asn1.Marshal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 8})
	if err != nil {
		t.Fatal(err)
	}
	explicit, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: utf8})
	if err != nil {
		t.Fatal(err)
	}
	registered, err := asn1.Marshal(asn1.ObjectIdentifier{1, 2, 3, 4})
	if err != nil {
		t.Fatal(err)
	}
	registered[0] = 0x80 | 8
	list := []asn1.RawValue{
		{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte("radius.example.org")},
		{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte("radius2.example.org")},
		{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte("urn:example:One")},
		{Class: asn1.ClassContextSpecific, Tag: 7, Bytes: net.IPv4(192, 0, 2, 1).To4()},
		{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: append(id, explicit...)},
		{FullBytes: registered},
	}
	der, err := asn1.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// certificate makes one as a CA would.
func certificate(t testing.TB) *x509.Certificate {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	policy, err := x509.ParseOID("1.3.6.1.4.1.25178.3.1.1")
	if err != nil {
		t.Fatal(err)
	}
	issuer := &x509.Certificate{Subject: pkix.Name{CommonName: "Test CA", Organization: []string{"Example"}, Country: []string{"CH"}}}
	der, err := x509.CreateCertificate(nil, &x509.Certificate{
		SerialNumber:    big.NewInt(0x1a2b3c),
		Subject:         pkix.Name{CommonName: "Radius One"},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: altNames(t)}},
		Policies:        []x509.OID{policy},
		NotAfter:        time.Unix(1<<32, 0),
	}, issuer, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// read reads sections `certificate { }`.
func read(t testing.TB, text string) (m *cert.Match, mistakes, warnings string) {
	t.Helper()
	root, err := conf.ParseString("c.conf", text, conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, errs, warned := cert.Read(root)
	return m, lines(append(errs, root.Unknown()...)), lines(warned)
}

func lines(errs conf.Errors) string {
	var b strings.Builder
	for _, e := range errs.Sorted() {
		b.WriteString(e.Error() + "\n")
	}
	return b.String()
}

func TestMatch(t *testing.T) {
	c := certificate(t)
	short, long := sha1.Sum(c.Raw), sha256.Sum256(c.Raw)
	var colons []string
	for _, b := range long {
		colons = append(colons, fmt.Sprintf("%02X", b))
	}
	for _, one := range []struct {
		lines  string
		misses string
	}{
		{"name = radius.example.org", ""},
		{"name = RADIUS2.example.org", ""},
		{"name = 'Radius One'", ""},
		{"name = example.org", "name"},
		{"name = /^radius[0-9]\\.EXAMPLE\\.org$/", ""},
		{"name = /^example/", "name"},
		{"name = nobody; name = radius.example.org", ""},
		{"dns = Radius.example.org", ""},
		{"dns = /^radius[12]\\.example\\.org$/", ""},
		{"dns = 'Radius One'", "dns"},
		{"cn = 'radius one'", ""},
		{"cn = radius.example.org", "cn"},
		{"cn = /One/", ""},
		{"uri = urn:example:One", ""},
		{"uri = urn:example:one", "uri"},
		{"uri = /^urn:example:/", ""},
		{"ip = 192.0.2.1", ""},
		{"ip = ::ffff:192.0.2.1", ""},
		{"ip = 192.0.2.2", "ip"},
		{"ip = 192.0.2.2; ip = 192.0.2.1", ""},
		{"rid = 1.2.3.4", ""},
		{"rid = 1.2.3.5", "rid"},
		{"rid = 1.3.6.1.5.5.7.8.8", "rid"},
		{"other_name = '1.3.6.1.5.5.7.8.8:*.example.org'", ""},
		{"other_name = '1.3.6.1.5.5.7.8.8:/example\\.org$/'", ""},
		{"other_name = '1.3.6.1.5.5.7.8.8:example.org'", "other_name"},
		{"other_name = '1.3.6.1.5.5.7.8.7:/./'", "other_name"},
		{"issuer = 'CN=Test CA,O=Example,C=CH'", ""},
		{"issuer = 'CN=Test CA, O=Example, C=CH'", ""},
		{"issuer = 'CN=Test CA'", "issuer"},
		{"issuer = '/^CN=Test CA,/'", ""},
		{"issuer = '/^CN=Test CA,O=Example,C=CH$/'", ""},
		{"serial = 1a2b3c", ""},
		{"serial = 00:1A:2B:3C", ""},
		{"serial = 0x1a2b3c", ""},
		{"serial = 1a2b3d", "serial"},
		{"fingerprint = " + hex.EncodeToString(short[:]), ""},
		{"fingerprint = " + strings.Join(colons, ":"), ""},
		{"fingerprint = " + hex.EncodeToString(make([]byte, 32)), "fingerprint"},
		{"policy_oid = 1.3.6.1.4.1.25178.3.1.1", ""},
		{"policy_oid = 1.3.6.1.4.1.25178.3.1.2", "policy_oid"},
		{"policy_oid = 1.3.6.1.4.1.25178.3.1.2; policy_oid = 1.3.6.1.4.1.25178.3.1.1", ""},
		{"name = radius.example.org; serial = 1a2b3c; uri = /One/", ""},
		{"name = radius.example.org; serial = 1a2b3d", "serial"},
	} {
		m, mistakes, _ := read(t, "certificate {\n\t"+strings.ReplaceAll(one.lines, "; ", "\n\t")+"\n}\n")
		if mistakes != "" {
			t.Errorf("%s: %s", one.lines, mistakes)
			continue
		}
		if got := m.Misses(c); got != one.misses || m.Matches(c) != (one.misses == "") {
			t.Errorf("%s: misses %q, not %q", one.lines, got, one.misses)
		}
		if m.Matches(nil) {
			t.Errorf("%s: matches none", one.lines)
		}
		if m.Matches(&x509.Certificate{SerialNumber: big.NewInt(1)}) {
			t.Errorf("%s: matches an empty certificate", one.lines)
		}
	}
}

// Of one section one line of a key has to fit; each section has to.
func TestEverySectionHasToMatch(t *testing.T) {
	c := certificate(t)
	for text, want := range map[string]string{
		"certificate {\n\tdns = /^radius\\./\n}\ncertificate {\n\tdns = /^radius2\\./\n}\n": "",
		"certificate {\n\tdns = /^radius\\./\n}\ncertificate {\n\tdns = /^radius3\\./\n}\n": "dns",
		"certificate {\n\tcn = x\n}\ncertificate {\n\tdns = /^radius2\\./\n}\n":             "cn",
	} {
		m, mistakes, _ := read(t, text)
		if got := m.Misses(c); mistakes != "" || got != want {
			t.Errorf("%s: misses %q, not %q; mistakes %s", text, got, want, mistakes)
		}
	}
}

func TestSame(t *testing.T) {
	one := "certificate {\n\tdns = a\n\tcn = b\n}\n"
	turned := "certificate {\n\tcn = b\n\tdns = a\n\tcn = b\n}\n"
	two := "certificate {\n\tdns = a\n}\ncertificate {\n\tcn = b\n}\n"
	for _, c := range []struct {
		a, b string
		want bool
	}{{one, turned, true}, {one, two, false}, {one, "", false}, {"", "", true}} {
		a, _, _ := read(t, c.a)
		b, _, _ := read(t, c.b)
		if cert.Same(a, b) != c.want || cert.Same(b, a) != c.want {
			t.Errorf("%q, %q: not %t", c.a, c.b, c.want)
		}
	}
}

// A regular expression that is not tied to the ends of a name matches other names as well.
func TestLooseExpressionWarns(t *testing.T) {
	_, mistakes, warnings := read(t, "certificate {\n\tname = /radius.example.org/\n\tcn = /^a$/\n\turi = '/(?i)^a$/'\n}\n")
	const want = "c.conf:2:9: warning: name: /radius.example.org/ also matches within longer texts: begin it with ^ and end it with $\n"
	if mistakes != "" || warnings != want {
		t.Errorf("mistakes\n%s\nwarnings\n%s\nnot\n%s", mistakes, warnings, want)
	}
}

func TestMistakes(t *testing.T) {
	_, mistakes, _ := read(t, `certificate {
}
certificate {
	name = /a
	dns = ''
	cn = /(/
	ip = radius.example.org
	rid = x
	other_name = x
	other_name = '1.2.3:/'
	issuer = /C=CH
	serial = xyz
	fingerprint = ab
	policy_oid = 1
	nmae = x
}
`)
	const want = "c.conf:1:1: certificate: it says nothing: any certificate would match (name, dns, cn, uri, ip, rid, other_name, issuer, serial, fingerprint, policy_oid)\n" +
		"c.conf:4:9: name: `/a`: a regular expression ends with / as well\n" +
		"c.conf:5:8: dns: is empty\n" +
		"c.conf:6:7: cn: missing closing ): `(`\n" +
		"c.conf:7:7: ip: `radius.example.org` is not an address\n" +
		"c.conf:8:8: rid: `x` is not an object identifier, as 1.3.6.1.4.1.25178.3.1.1\n" +
		"c.conf:9:15: other_name: `x` is not a type and a value, as 1.3.6.1.5.5.7.8.8:example.org\n" +
		"c.conf:10:15: other_name: `1.2.3:/`: a regular expression ends with / as well\n" +
		"c.conf:11:11: issuer: `/C=CH`: write CN=..., O=... as RFC 2253 has it, or /a regular expression/\n" +
		"c.conf:12:11: serial: `xyz` is not a number in hexadecimal\n" +
		"c.conf:13:16: fingerprint: `ab` is neither a SHA-1 nor a SHA-256 in hexadecimal\n" +
		"c.conf:14:15: policy_oid: `1` is not an object identifier, as 1.3.6.1.4.1.25178.3.1.1\n" +
		"c.conf:15:2: unknown key `nmae`, did you mean `name`?\n"
	if mistakes != want {
		t.Errorf("mistakes\n%s\nnot\n%s", mistakes, want)
	}
}
