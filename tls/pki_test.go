package tls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// testNow is when the tests' certificates are looked at.
var testNow = time.Now().Truncate(time.Second)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// testCA signs certificates and CRLs.
type testCA struct {
	testCert
	parent *testCA
}

// testCert is a certificate with its key and, leaf first, what is sent along.
type testCert struct {
	cert  *x509.Certificate
	key   crypto.Signer
	chain []*x509.Certificate
}

var testSerial atomic.Int64

func newTestCA(name string, parent *testCA) *testCA {
	ca := &testCA{parent: parent}
	tmpl := testTemplate(name)
	tmpl.IsCA, tmpl.BasicConstraintsValid = true, true
	tmpl.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	tmpl.ExtKeyUsage, tmpl.DNSNames, tmpl.IPAddresses = nil, nil, nil
	ca.key = newTestKey("ecdsa")
	signer, signerKey := tmpl, ca.key
	if parent != nil {
		signer, signerKey = parent.cert, parent.key
	}
	ca.cert = must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, tmpl, signer, ca.key.Public(), signerKey))))
	return ca
}

// theCA, otherCA and subCA are made once: the first is trusted in most tests, the second in none, the third is an
// intermediate of the first.
var (
	theCA   = sync.OnceValue(func() *testCA { return newTestCA("frio test CA", nil) })
	otherCA = sync.OnceValue(func() *testCA { return newTestCA("another CA", nil) })
	subCA   = sync.OnceValue(func() *testCA { return newTestCA("frio intermediate CA", theCA()) })
)

func testTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(0xf0000 + testSerial.Add(1)),
		Subject:      pkix.Name{CommonName: name, Organization: []string{"frio"}},
		NotBefore:    testNow.Add(-24 * time.Hour),
		NotAfter:     testNow.Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:     []string{name},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
}

var testRSAKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })

func newTestKey(kind string) crypto.Signer {
	switch kind {
	case "rsa":
		return testRSAKey()
	case "ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return must(key, err)
	case "p384":
		return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	}
	return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
}

// issue signs a certificate for name with an ECDSA key; change may alter it before.
func (ca *testCA) issue(name string, change ...func(*x509.Certificate)) testCert {
	return ca.issueKey(newTestKey("ecdsa"), name, change...)
}

func (ca *testCA) issueKey(key crypto.Signer, name string, change ...func(*x509.Certificate)) testCert {
	tmpl := testTemplate(name)
	for _, f := range change {
		f(tmpl)
	}
	c := testCert{key: key}
	c.cert = must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, tmpl, ca.cert, key.Public(), ca.key))))
	c.chain = []*x509.Certificate{c.cert}
	for up := ca; up.parent != nil; up = up.parent {
		c.chain = append(c.chain, up.cert)
	}
	return c
}

func expired(c *x509.Certificate)      { c.NotAfter = testNow.Add(-time.Hour) }
func notYet(c *x509.Certificate)       { c.NotBefore = testNow.Add(time.Hour) }
func onlyServer(c *x509.Certificate)   { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }
func onlyClient(c *x509.Certificate)   { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }
func withURI(c *x509.Certificate)      { c.URIs = []*url.URL{must(url.Parse("urn:example:nas:1"))} }
func withWildcard(c *x509.Certificate) { c.DNSNames = []string{"*.example.org"} }

// crlWith is a CRL of ca that names the certificates; change may alter it before it is signed.
func (ca *testCA) crlWith(change func(*x509.RevocationList), revoked ...testCert) []byte {
	tmpl := &x509.RevocationList{
		Number:     big.NewInt(testSerial.Add(1)),
		ThisUpdate: testNow.Add(-time.Hour),
		NextUpdate: testNow.Add(time.Hour),
	}
	for _, c := range revoked {
		tmpl.RevokedCertificateEntries = append(tmpl.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: c.cert.SerialNumber, RevocationTime: testNow.Add(-2 * time.Hour), ReasonCode: 1,
		})
	}
	if change != nil {
		change(tmpl)
	}
	return must(x509.CreateRevocationList(rand.Reader, tmpl, ca.cert, ca.key))
}

func (ca *testCA) crl(revoked ...testCert) []byte { return ca.crlWith(nil, revoked...) }

func staleCRL(l *x509.RevocationList) {
	l.ThisUpdate, l.NextUpdate = testNow.Add(-2*time.Hour), testNow.Add(-time.Hour)
}

func pemOf(kind string, ders ...[]byte) []byte {
	var b []byte
	for _, der := range ders {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	return b
}

func (c testCert) certPEM() []byte {
	var ders [][]byte
	for _, one := range c.chain {
		ders = append(ders, one.Raw)
	}
	return pemOf("CERTIFICATE", ders...)
}

func (c testCert) keyPEM() []byte {
	return pemOf("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(c.key)))
}

func (c testCert) tls() tls.Certificate {
	t := tls.Certificate{PrivateKey: c.key, Leaf: c.cert}
	for _, one := range c.chain {
		t.Certificate = append(t.Certificate, one.Raw)
	}
	return t
}

func poolOf(cas ...*testCA) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, ca := range cas {
		pool.AddCert(ca.cert)
	}
	return pool
}

// testDir is a directory of files for a configuration.
type testDir struct {
	t    testing.TB
	path string
}

func newTestDir(t testing.TB) testDir {
	t.Helper()
	d := testDir{t, t.TempDir()}
	d.put("ca.pem", pemOf("CERTIFICATE", theCA().cert.Raw))
	d.put("other.pem", pemOf("CERTIFICATE", otherCA().cert.Raw))
	d.putCert("server", serverCert())
	d.putCert("client", clientCert())
	return d
}

var (
	serverCert = sync.OnceValue(func() testCert { return theCA().issue("server.example.org") })
	clientCert = sync.OnceValue(func() testCert { return theCA().issue("client.example.org") })
)

func (d testDir) file(name string) string { return filepath.Join(d.path, name) }

func (d testDir) put(name string, b []byte) {
	d.t.Helper()
	if err := os.MkdirAll(filepath.Dir(d.file(name)), 0o700); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(d.file(name), b, 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// putCert writes name.pem and name.key.
func (d testDir) putCert(name string, c testCert) {
	d.put(name+".pem", c.certPEM())
	d.put(name+".key", c.keyPEM())
}
