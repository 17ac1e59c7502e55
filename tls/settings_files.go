package tls

import (
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/frio-io/frio/conf"
)

const (
	// maxFileBytes bounds one file: a CRL of a million entries has about 40 MB.
	maxFileBytes = 64 << 20
	// maxDirFiles bounds ca_path and realm_dir, each.
	maxDirFiles = 4096
)

// loaded is what the files held at one moment.
type loaded struct {
	now    time.Time
	own    []ownCert
	realms map[string]*tls.Certificate // by lower-case name; wildcards as "*.example.org"
	roots  *x509.CertPool              // nil on a client without ca_file: those of the system
	cas    []*x509.Certificate
	crls   []*crl
	trust  [sha256.Size]byte // changes with the CAs
	stamps map[string]fileStamp
	notes  conf.Errors
	errs   conf.Errors
}

// ownCert is a certificate that this side shows.
type ownCert struct {
	cert  *tls.Certificate
	file  string
	realm string
}

// load reads everything. The result's errs say what is wrong.
func (p *plan) load(now time.Time) *loaded {
	f := &loaded{now: now, stamps: p.stamps(), realms: map[string]*tls.Certificate{}}
	for _, c := range p.chains {
		key := c.PrivateKeyFile
		if key == nil {
			key = c.CertificateFile
		}
		cert := f.pair(*c.CertificateFile, *key, c.PrivateKeyPassword)
		if cert == nil {
			continue
		}
		f.own = append(f.own, ownCert{cert: cert, file: c.CertificateFile.path})
		p.checkSuites(f, c.CertificateFile.at, cert)
	}
	if p.realmDir != nil {
		f.readRealms(*p.realmDir, p.realmPwd)
	}
	f.readTrust(p)
	return f
}

// checkSuites refuses a server's certificate that no suite of the list can use, where TLS 1.3 does not help.
func (p *plan) checkSuites(f *loaded, at *conf.Pair, cert *tls.Certificate) {
	suites := p.suites
	if p.datagramOnly() {
		suites = p.datagramSuites
	}
	if suites != nil && len(suites) == 0 {
		return // a mistake already
	}
	if p.isServer() && (p.datagramOnly() || p.maxVersion == tls.VersionTLS12) && !suiteFits(suites, cert.Leaf.PublicKey) {
		f.fail(at, "no suite of cipher_list (%s) is for its %v key", suitesText(suites), cert.Leaf.PublicKeyAlgorithm)
	}
}

func (f *loaded) fail(at *conf.Pair, format string, args ...any) {
	f.errs = append(f.errs, at.Errorf(at.Name+": "+format, args...))
}

func (f *loaded) warn(at *conf.Pair, format string, args ...any) {
	f.notes = append(f.notes, at.Errorf("warning: "+at.Name+": "+format, args...))
}

// read returns a file's bytes.
func (f *loaded) read(at *conf.Pair, path string) ([]byte, bool) {
	b, err := readFile(path)
	if err != nil {
		f.fail(at, "%s: %v", path, withoutPath(err))
		return nil, false
	}
	return b, true
}

func readFile(path string) ([]byte, error) {
	// A pipe or a device would block here, or never end.
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if info.IsDir() {
		return nil, errors.New("is a directory")
	} else if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err == nil && len(b) > maxFileBytes {
		err = fmt.Errorf("is larger than %d MiB", maxFileBytes>>20)
	}
	return b, err
}

// withoutPath leaves out the path, which the message has already.
func withoutPath(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// pair reads a certificate with its chain and its key. It returns nil after a mistake.
func (f *loaded) pair(certFile, keyFile filePath, password *secretKey) *tls.Certificate {
	cert := new(tls.Certificate)
	certPEM, ok := f.read(certFile.at, certFile.path)
	var certs []*x509.Certificate
	if ok {
		if certs, ok = f.certs(certFile, certPEM); ok && len(certs) == 0 {
			f.fail(certFile.at, "%s: no certificate in it (no -----BEGIN CERTIFICATE-----)", certFile.path)
			ok = false
		}
	}
	keyPEM := certPEM
	keyOK := true
	if keyFile.path != certFile.path {
		keyPEM, keyOK = f.read(keyFile.at, keyFile.path)
	}
	if keyPEM == nil || !keyOK {
		return nil
	}
	key, sealed, wrong := parseKey(keyPEM, keyFile.path, password)
	if wrong == "" && !sealed && password != nil {
		f.notes = append(f.notes, password.at.Errorf("note: private_key_password has no effect: the key in %s is not encrypted", keyFile.path))
	}
	if wrong != "" {
		at := keyFile.at
		if password != nil && wrong == wrongPassword {
			at = password.at
		}
		f.fail(at, "%s: %s", keyFile.path, wrong)
		return nil
	}
	if !ok {
		return nil
	}
	if at := indexOfKey(certs, key); at != 0 {
		if at > 0 {
			f.fail(certFile.at, "%s: the certificate of the key is number %d in it; it has to be the first", certFile.path, at+1)
		} else {
			f.fail(certFile.at, "%s: its public key is not that of the private key in %s", certFile.path, keyFile.path)
		}
		return nil
	}
	cert.PrivateKey, cert.Leaf = key, certs[0]
	for _, c := range certs {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	f.remarks(certFile, certs)
	return cert
}

// remarks are about our own certificates: the other side will refuse them, but that is not ours to say.
func (f *loaded) remarks(file filePath, certs []*x509.Certificate) {
	for i, c := range certs {
		switch {
		case f.now.After(c.NotAfter):
			f.warn(file.at, "%s: certificate %q expired on %s", file.path, subjectOf(c), stamp(c.NotAfter))
		case f.now.Before(c.NotBefore):
			f.warn(file.at, "%s: certificate %q is not valid before %s", file.path, subjectOf(c), stamp(c.NotBefore))
		}
		if i > 0 && string(certs[i-1].RawIssuer) != string(c.RawSubject) {
			f.warn(file.at, "%s: certificate %d did not issue the one before it", file.path, i+1)
		}
	}
}

// indexOfKey finds the certificate of key: 0 is right, -1 none.
func indexOfKey(certs []*x509.Certificate, key crypto.Signer) int {
	return slices.IndexFunc(certs, func(c *x509.Certificate) bool {
		pub, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
		return ok && pub.Equal(key.Public())
	})
}

// certs parses the certificates of a PEM file.
func (f *loaded) certs(file filePath, text []byte) ([]*x509.Certificate, bool) {
	var list []*x509.Certificate
	for n := 1; ; n++ {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return list, true
		}
		if block.Type != "CERTIFICATE" && block.Type != "X509 CERTIFICATE" && block.Type != "TRUSTED CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			f.fail(file.at, "%s: PEM block %d: %v", file.path, n, err)
			return nil, false
		}
		list = append(list, c)
	}
}

// readRealms reads realm_dir: NAME.pem holds the certificate and the key for the server name NAME.
func (f *loaded) readRealms(dir filePath, password *secretKey) {
	names, ok := f.dir(dir)
	if !ok {
		return
	}
	for _, path := range names {
		name, isPEM := strings.CutSuffix(filepath.Base(path), ".pem")
		if !isPEM {
			continue
		}
		n, wrong := parseName(name)
		if wrong != "" || n.kind != dnsName && n.kind != wildName {
			f.fail(dir.at, "%s: `%s` is not a server name", path, name)
			continue
		}
		file := filePath{path, dir.at}
		if cert := f.pair(file, file, password); cert != nil {
			f.realms[strings.ToLower(name)] = cert
			f.own = append(f.own, ownCert{cert, path, strings.ToLower(name)})
		}
	}
	if len(f.realms) == 0 && len(f.errs) == 0 {
		f.fail(dir.at, "%s: no NAME.pem in it", dir.path)
	}
}

// dir lists the files of a directory.
func (f *loaded) dir(dir filePath) ([]string, bool) {
	if info, err := os.Stat(dir.path); err != nil {
		f.fail(dir.at, "%s: %v", dir.path, withoutPath(err))
		return nil, false
	} else if !info.IsDir() {
		f.fail(dir.at, "%s: is not a directory", dir.path)
		return nil, false
	}
	if _, err := os.ReadDir(dir.path); err != nil {
		f.fail(dir.at, "%s: %v", dir.path, withoutPath(err))
		return nil, false
	}
	names := listDir(dir.path)
	if len(names) > maxDirFiles {
		f.fail(dir.at, "%s: more than %d files", dir.path, maxDirFiles)
		return nil, false
	}
	return names, true
}

// listDir returns the paths of the files in a directory that are not hidden, sorted.
func listDir(path string) []string {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		name := filepath.Join(path, e.Name())
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			continue
		}
		names = append(names, name)
	}
	return names
}

// files are the single files that the section names.
func (p *plan) files() []filePath {
	var list []filePath
	for _, c := range p.chains {
		list = append(list, *c.CertificateFile)
		if c.PrivateKeyFile != nil {
			list = append(list, *c.PrivateKeyFile)
		}
	}
	return append(append(list, p.caFiles...), p.crlFiles...)
}

// dirs are the directories that the section names.
func (p *plan) dirs() []filePath {
	list := slices.Clone(p.caPaths)
	if p.realmDir != nil {
		list = append(list, *p.realmDir)
	}
	return list
}
