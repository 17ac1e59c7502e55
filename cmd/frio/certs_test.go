package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// madeCertificates makes those of makeCertificates in a directory.
func madeCertificates(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	files, err := makeCertificates(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := writeCertificates(dir, files); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestCertificates(t *testing.T) {
	dir, now := madeCertificates(t), time.Now()
	pool := x509.NewCertPool()
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil || !pool.AppendCertsFromPEM(ca) {
		t.Fatal("no CA", err)
	}
	for _, c := range []struct {
		name, host string
		usage      x509.ExtKeyUsage
		at         time.Duration
		ok         bool
	}{
		{"server", "localhost", x509.ExtKeyUsageServerAuth, 0, true},
		{"server", "127.0.0.1", x509.ExtKeyUsageServerAuth, 0, true},
		{"server", "::1", x509.ExtKeyUsageServerAuth, 0, true},
		{"server", "localhost", x509.ExtKeyUsageServerAuth, 364 * 24 * time.Hour, true},
		{"server", "localhost", x509.ExtKeyUsageServerAuth, 366 * 24 * time.Hour, false},
		{"server", "127.0.0.2", x509.ExtKeyUsageServerAuth, 0, false},
		{"server", "localhost", x509.ExtKeyUsageClientAuth, 0, false},
		{"client", "client", x509.ExtKeyUsageClientAuth, 0, true},
		{"client", "client", x509.ExtKeyUsageServerAuth, 0, false},
	} {
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, c.name+".pem"), filepath.Join(dir, c.name+".key"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = pair.Leaf.Verify(x509.VerifyOptions{DNSName: c.host, Roots: pool, CurrentTime: now.Add(c.at), KeyUsages: []x509.ExtKeyUsage{c.usage}})
		if (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for name, mode := range map[string]fs.FileMode{"server.key": 0600, "client.key": 0600, "ca.pem": 0644} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm()&^mode != 0 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "ca.key")); err == nil {
		t.Error("the key of the CA is kept")
	}
}

// What is there is not overwritten.
func TestCertificatesKeepFiles(t *testing.T) {
	files, err := makeCertificates(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "made", "on the way")
	if err := writeCertificates(dir, files[:2]); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(filepath.Join(dir, files[1].name))
	if err := writeCertificates(dir, []pemFile{{files[1].name, []byte("other"), false}}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("overwriting: %v", err)
	}
	if after, _ := os.ReadFile(filepath.Join(dir, files[1].name)); string(after) != string(before) || len(after) == 0 {
		t.Error("it was overwritten")
	}
}
