package tls

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
)

// readTrust reads CAs and CRLs.
func (f *loaded) readTrust(p *plan) {
	seen := map[[sha256.Size]byte]bool{}
	addCA := func(c *x509.Certificate) {
		if sum := sha256.Sum256(c.Raw); !seen[sum] {
			seen[sum] = true
			f.cas = append(f.cas, c)
		}
	}
	for _, file := range p.caFiles {
		text, ok := f.read(file.at, file.path)
		if !ok {
			continue
		}
		certs, ok := f.certs(file, text)
		if ok && len(certs) == 0 {
			f.fail(file.at, "%s: no certificate in it (no -----BEGIN CERTIFICATE-----)", file.path)
		}
		for _, c := range certs {
			addCA(c)
		}
		if p.checkCRL != nil {
			f.readCRLs(file, text, seen)
		}
	}
	for _, dir := range p.caPaths {
		before := len(f.cas)
		names, ok := f.dir(dir)
		for _, path := range names {
			text, readable := f.read(dir.at, path)
			if !readable {
				ok = false
				continue
			}
			certs, parsed := f.certs(filePath{path, dir.at}, text)
			ok = ok && parsed
			for _, c := range certs {
				addCA(c)
			}
			if p.checkCRL != nil {
				f.readCRLs(filePath{path, dir.at}, text, seen)
			}
		}
		if ok && len(f.cas) == before && len(f.cas) == 0 {
			f.fail(dir.at, "%s: no certificate in it", dir.path)
		}
	}
	if p.checkCRL != nil {
		for _, file := range p.crlFiles {
			if text, ok := f.read(file.at, file.path); ok && f.readCRLs(file, text, seen) == 0 {
				f.fail(file.at, "%s: no CRL in it (no -----BEGIN X509 CRL-----)", file.path)
			}
		}
		switch {
		case len(f.crls) > 0 || len(f.errs) > 0 || p.broken:
		case p.allowExpired:
			f.warn(p.checkCRL, "there is no CRL in ca_file, ca_path or crl_file: nobody is found to be revoked")
		default:
			f.fail(p.checkCRL, "needs CRLs, and there is none in ca_file, ca_path or crl_file")
		}
	}
	f.judgeTrust(p)
}

// judgeTrust makes the pool of roots and looks at what was read as a whole.
func (f *loaded) judgeTrust(p *plan) {
	if len(p.caFiles)+len(p.caPaths) > 0 {
		f.roots = x509.NewCertPool()
		sum := sha256.New()
		for _, c := range f.cas {
			f.roots.AddCert(c)
			sum.Write(c.Raw)
			if f.now.After(c.NotAfter) {
				f.notes = append(f.notes, p.section.Errorf("warning: CA %q expired on %s", subjectOf(c), stamp(c.NotAfter)))
			}
		}
		sum.Sum(f.trust[:0])
	}
	bySubject := map[string][]*x509.Certificate{}
	for _, c := range f.cas {
		bySubject[string(c.RawSubject)] = append(bySubject[string(c.RawSubject)], c)
	}
	for _, c := range f.crls {
		at := c.at
		issuers := bySubject[string(c.list.RawIssuer)]
		var err error
		for _, issuer := range issuers {
			if err = c.signedBy(issuer); err == nil {
				break
			}
		}
		switch {
		case len(issuers) == 0:
			f.warn(at, "%s: issuer %q is not among the CAs; it counts for an intermediate CA that a peer sends", c.file, clip(c.list.Issuer.String()))
		case err != nil:
			f.fail(at, "%s: not signed by its issuer %q: %v (RFC 5280, Section 6.3.3 (g))", c.file, clip(c.list.Issuer.String()), err)
		case !f.now.Before(c.list.NextUpdate):
			f.warn(at, "%s: CRL of %q expired: nextUpdate is %s", c.file, clip(c.list.Issuer.String()), nextText(c.list.NextUpdate))
		}
	}
}

// readCRLs takes the CRLs of a file, PEM or DER, and returns how many there are, bad ones too.
func (f *loaded) readCRLs(file filePath, text []byte, seen map[[sha256.Size]byte]bool) int {
	count := 0
	add := func(der []byte) {
		count++
		sum := sha256.Sum256(der)
		if seen[sum] {
			return
		}
		seen[sum] = true
		c, err := parseCRL(der, file.path)
		if err != nil {
			f.fail(file.at, "%s: CRL: %v", file.path, err)
			return
		}
		c.at = file.at
		f.crls = append(f.crls, c)
	}
	if file.at.Name == "crl_file" && len(text) > 0 && text[0] == 0x30 { // a SEQUENCE
		add(text)
		return count
	}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return count
		}
		if block.Type == "X509 CRL" {
			add(block.Bytes)
		}
	}
}
