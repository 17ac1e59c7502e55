package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// certs are the files of one run: made once, because making keys takes its time.
var certs struct {
	once sync.Once
	pem  map[string][]byte
	err  error
}

// certificates writes ca.pem, and server, client and other, each with .pem and .key, and returns their directory.
func certificates(t testing.TB) string {
	t.Helper()
	certs.once.Do(func() { certs.pem, certs.err = makeCertificates() })
	if certs.err != nil {
		t.Fatal(certs.err)
	}
	dir := t.TempDir()
	for name, data := range certs.pem {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// makeCertificates: their time is that of the simulated clock, with the years around it.
func makeCertificates() (map[string][]byte, error) {
	files := map[string][]byte{}
	from := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	serial := int64(0)
	var ca *x509.Certificate
	var caKey *ecdsa.PrivateKey
	for _, name := range []string{"ca", "server", "client", "other"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		serial++
		host := map[string]string{"server": "test.example.org", "client": "client.example.org", "other": "other.example.org"}[name]
		like := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: from.AddDate(50, 0, 0),
			BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
		if host != "" {
			like.DNSNames = []string{host}
		}
		if ca == nil {
			like.IsCA, like.KeyUsage = true, x509.KeyUsageCertSign
			ca, caKey = like, key
		}
		der, err := x509.CreateCertificate(rand.Reader, like, ca, &key.PublicKey, caKey)
		if err != nil {
			return nil, err
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		files[name+".pem"] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		files[name+".key"] = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	}
	return files, nil
}
