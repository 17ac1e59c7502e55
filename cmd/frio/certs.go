package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// validity of the certificates made here. They begin an hour before, for clocks that go wrong.
const validity = 365 * 24 * time.Hour

// pemFile is one file of certificates.
type pemFile struct {
	name string
	data []byte
	key  bool // private
}

// makeCertificates makes what both sides of TLS on loopback need: a CA, a certificate for localhost, 127.0.0.1 and ::1, and one
// for a client. The key of the CA is forgotten, so nothing else will ever come from it.
func makeCertificates(now time.Time) ([]pemFile, error) {
	ca := template("frio CA", now)
	ca.IsCA, ca.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	root, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return nil, err
	}
	files := []pemFile{{"ca.pem", pemOf("CERTIFICATE", root), false}}

	server := template("localhost", now)
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server.DNSNames = []string{"localhost"}
	server.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	client := template("client", now)
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	client.DNSNames = []string{"client"}
	for _, one := range []struct {
		name string
		cert *x509.Certificate
	}{{"server", server}, {"client", client}} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		leaf, err := x509.CreateCertificate(rand.Reader, one.cert, ca, key.Public(), caKey)
		if err != nil {
			return nil, err
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		files = append(files, pemFile{one.name + ".pem", pemOf("CERTIFICATE", leaf), false},
			pemFile{one.name + ".key", pemOf("PRIVATE KEY", private), true})
	}
	return files, nil
}

func template(name string, now time.Time) *x509.Certificate {
	var serial [16]byte
	rand.Read(serial[:])
	serial[0] = serial[0]&0x7f | 0x40 // positive, and of one length
	return &x509.Certificate{SerialNumber: new(big.Int).SetBytes(serial[:]), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validity), BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature}
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// writeCertificates writes files into a folder, which is made where it is not there. A file that is there already is not
// overwritten: it may be somebody's key.
func writeCertificates(dir string, files []pemFile) error {
	if err := os.MkdirAll(dir, 0700); err != nil {
		return err
	}
	for _, f := range files {
		mode := os.FileMode(0644)
		if f.key {
			mode = 0600
		}
		file, err := os.OpenFile(filepath.Join(dir, f.name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if err != nil {
			return err
		}
		_, err = file.Write(f.data)
		if closed := file.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return err
		}
	}
	return nil
}
