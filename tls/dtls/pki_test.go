package dtls

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
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// epochStart is when virtual time begins.
var epochStart = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// pki is a CA with what it signed.
type pki struct {
	key  crypto.Signer
	cert *x509.Certificate
	pool *x509.CertPool
}

// testPKI is made once: keys take their time.
var testPKI = sync.OnceValue(func() *pki { return newPKI("frio test CA") })

var (
	rsaKeys = sync.OnceValue(func() [2]*rsa.PrivateKey {
		var k [2]*rsa.PrivateKey
		for i := range k {
			k[i] = must(rsa.GenerateKey(rand.Reader, 2048))
		}
		return k
	})
	serial int64
	muPKI  sync.Mutex
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newPKI(name string) *pki {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	tmpl := template(name)
	tmpl.IsCA, tmpl.BasicConstraintsValid = true, true
	tmpl.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	tmpl.ExtKeyUsage = nil
	der := must(x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key))
	p := &pki{key: key, cert: must(x509.ParseCertificate(der)), pool: x509.NewCertPool()}
	p.pool.AddCert(p.cert)
	return p
}

func template(name string) *x509.Certificate {
	muPKI.Lock()
	serial++
	n := serial
	muPKI.Unlock()
	return &x509.Certificate{
		SerialNumber: big.NewInt(n), Subject: pkix.Name{CommonName: name},
		NotBefore: epochStart.Add(-24 * time.Hour), NotAfter: epochStart.Add(20 * 365 * 24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
}

func newKey(kind keyKind, role int) crypto.Signer {
	switch kind {
	case keyRSA:
		return rsaKeys()[role]
	case keyEd25519:
		_, k, err := ed25519.GenerateKey(rand.Reader)
		return must(k, err)
	}
	return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
}

// issue signs a leaf; change may alter the template.
func (p *pki) issue(kind keyKind, role int, name string, change func(*x509.Certificate)) tls.Certificate {
	key := newKey(kind, role)
	tmpl := template(name)
	if change != nil {
		change(tmpl)
	}
	der := must(x509.CreateCertificate(rand.Reader, tmpl, p.cert, key.Public(), p.key))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: must(x509.ParseCertificate(der))}
}

const serverName, clientName = "server.example.org", "client.example.org"

// configs returns a server's and a client's config that fit each other.
func configs(kind keyKind) (server, client *Config) {
	p := testPKI()
	server = &Config{Certificates: []tls.Certificate{leafOf(kind, 0)}, ClientCAs: p.pool}
	client = &Config{Certificates: []tls.Certificate{leafOf(kind, 1)}, RootCAs: p.pool, ServerName: serverName}
	return server, client
}

var leaves sync.Map

func leafOf(kind keyKind, role int) tls.Certificate {
	at := [2]int{int(kind), role}
	if c, ok := leaves.Load(at); ok {
		return c.(tls.Certificate)
	}
	c := testPKI().issue(kind, role, [2]string{serverName, clientName}[role], nil)
	leaves.Store(at, c)
	return c
}

// files writes a certificate, its key and the CA for other programs.
func (p *pki) files(t testing.TB, dir, name string, c tls.Certificate) (cert, key, ca string) {
	t.Helper()
	put := func(file, kind string, ders ...[]byte) string {
		var b []byte
		for _, der := range ders {
			b = append(b, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
		}
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	der := must(x509.MarshalPKCS8PrivateKey(c.PrivateKey))
	return put(name+".pem", "CERTIFICATE", c.Certificate...), put(name+".key", "PRIVATE KEY", der),
		put("ca.pem", "CERTIFICATE", p.cert.Raw)
}
