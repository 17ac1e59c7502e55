package tls

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/frio-io/frio/conf"
)

// crl is a certificate revocation list (RFC 5280, Section 5). Its entries are sorted by serial number.
type crl struct {
	list  *x509.RevocationList
	file  string
	at    *conf.Pair // of the key that names it
	scope crlScope
	// signer is the key that last proved to have signed it, as RawSubjectPublicKeyInfo: handshakes need not check the same
	// signature again.
	signer atomic.Pointer[[]byte]
}

// crlScope is which certificates of its issuer a CRL speaks of.
type crlScope struct {
	usersOnly, casOnly bool
	points             []string // URIs; not nil: only certificates that name one of them
}

var (
	oidDeltaCRL     = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidDistribution = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidCRLReason    = asn1.ObjectIdentifier{2, 5, 29, 21}
)

// parseCRL reads a CRL in DER and refuses what this package cannot judge by.
func parseCRL(der []byte, file string) (*crl, error) {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, err
	}
	c := &crl{list: list, file: file}
	for _, ext := range list.Extensions {
		switch {
		case ext.Id.Equal(oidDeltaCRL):
			return nil, errors.New("a delta CRL; a complete one is needed (RFC 5280, Section 5.2.4)")
		case ext.Id.Equal(oidDistribution):
			if c.scope, err = parseDistribution(ext.Value); err != nil {
				return nil, err
			}
		case ext.Critical:
			return nil, fmt.Errorf("critical extension %v is not known (RFC 5280, Section 5.2)", ext.Id)
		}
	}
	for i := range list.RevokedCertificateEntries {
		e := &list.RevokedCertificateEntries[i]
		for _, ext := range e.Extensions {
			if ext.Critical && !ext.Id.Equal(oidCRLReason) {
				return nil, fmt.Errorf("entry %d: critical extension %v is not known (RFC 5280, Section 5.3)", i, ext.Id)
			}
		}
	}
	slices.SortFunc(list.RevokedCertificateEntries, func(a, b x509.RevocationListEntry) int {
		return a.SerialNumber.Cmp(b.SerialNumber)
	})
	return c, nil
}

// parseDistribution reads an issuing distribution point (RFC 5280, Section 5.2.5).
func parseDistribution(der []byte) (crlScope, error) {
	var idp struct {
		Point struct {
			FullName []asn1.RawValue  `asn1:"optional,tag:0"`
			Relative pkix.RDNSequence `asn1:"optional,tag:1"`
		} `asn1:"optional,tag:0"`
		UsersOnly      bool           `asn1:"optional,tag:1"`
		CAsOnly        bool           `asn1:"optional,tag:2"`
		SomeReasons    asn1.BitString `asn1:"optional,tag:3"`
		Indirect       bool           `asn1:"optional,tag:4"`
		AttributesOnly bool           `asn1:"optional,tag:5"`
	}
	rest, err := asn1.Unmarshal(der, &idp)
	if err != nil || len(rest) > 0 {
		return crlScope{}, errors.New("issuing distribution point is malformed (RFC 5280, Section 5.2.5)")
	}
	switch {
	case idp.Indirect:
		return crlScope{}, errors.New("an indirect CRL; one of the certificates' own issuer is needed (RFC 5280, Section 5.2.5)")
	case idp.AttributesOnly:
		return crlScope{}, errors.New("a CRL of attribute certificates (RFC 5280, Section 5.2.5)")
	case idp.SomeReasons.BitLength > 0:
		return crlScope{}, errors.New("a CRL of some reasons only; one of all reasons is needed (RFC 5280, Section 5.2.5)")
	case len(idp.Point.Relative) > 0:
		return crlScope{}, errors.New("a distribution point relative to its issuer is not known (RFC 5280, Section 5.2.5)")
	}
	scope := crlScope{usersOnly: idp.UsersOnly, casOnly: idp.CAsOnly}
	for _, name := range idp.Point.FullName {
		if name.Class == asn1.ClassContextSpecific && name.Tag == 6 { // uniformResourceIdentifier
			scope.points = append(scope.points, string(name.Bytes))
		}
	}
	if len(idp.Point.FullName) > 0 && scope.points == nil {
		return crlScope{}, errors.New("a distribution point without a URI is not known (RFC 5280, Section 5.2.5)")
	}
	return scope, nil
}

// covers tells whether the CRL speaks of cert (RFC 5280, Section 6.3.3 (b) (2)).
func (s *crlScope) covers(cert *x509.Certificate) bool {
	if s.usersOnly && cert.IsCA || s.casOnly && !cert.IsCA {
		return false
	}
	return s.points == nil || slices.ContainsFunc(s.points, func(p string) bool {
		return slices.Contains(cert.CRLDistributionPoints, p)
	})
}

// signedBy tells whether issuer signed the CRL, and may sign CRLs.
func (c *crl) signedBy(issuer *x509.Certificate) error {
	if key := c.signer.Load(); key != nil && string(*key) == string(issuer.RawSubjectPublicKeyInfo) && maySignCRLs(issuer) {
		return nil
	}
	if err := c.list.CheckSignatureFrom(issuer); err != nil {
		return err
	}
	c.signer.Store(&issuer.RawSubjectPublicKeyInfo)
	return nil
}

// maySignCRLs is what CheckSignatureFrom asks of an issuer besides the signature (RFC 5280, Section 6.3.3 (f)).
func maySignCRLs(issuer *x509.Certificate) bool {
	return (issuer.Version != 3 || issuer.BasicConstraintsValid && issuer.IsCA) &&
		(issuer.KeyUsage == 0 || issuer.KeyUsage&x509.KeyUsageCRLSign != 0)
}

// find returns the entry of a serial number, nil if it is not revoked.
func (c *crl) find(cert *x509.Certificate) *x509.RevocationListEntry {
	entries := c.list.RevokedCertificateEntries
	i, ok := slices.BinarySearchFunc(entries, cert, func(e x509.RevocationListEntry, cert *x509.Certificate) int {
		return e.SerialNumber.Cmp(cert.SerialNumber)
	})
	if !ok {
		return nil
	}
	return &entries[i]
}

// crlSet are the CRLs of a snapshot.
type crlSet struct {
	byIssuer     map[string][]*crl
	all          bool // each certificate but the root needs a CRL, not the leaf only
	allowExpired bool // a list that is expired or missing refuses nobody
}

// check looks for each certificate of chain, leaf first, in the CRL of the one after it. A chain's last certificate is
// trusted as it is.
func (s *crlSet) check(chain []*x509.Certificate, now time.Time) error {
	for i, cert := range chain[:len(chain)-1] {
		if err := s.checkOne(cert, chain[i+1], i == 0 || s.all, now); err != nil {
			return err
		}
	}
	return nil
}

func (s *crlSet) checkOne(cert, issuer *x509.Certificate, needed bool, now time.Time) error {
	best, why := s.pick(cert, issuer, now)
	if best == nil {
		if why == "" && (!needed || s.allowExpired) {
			return nil
		}
		if why == "" {
			why = "there is none"
		}
		return refuse(NoCRL, cert, "of its issuer %q: %s (RFC 5280, Section 6.3)", subjectOf(issuer), why)
	}
	// An entry counts whatever the age of its list.
	if e := best.find(cert); e != nil {
		return refuse(Revoked, cert, "on %s, %s, by the CRL of %q (RFC 5280, Section 6.3.3)", stamp(e.RevocationTime), crlReason(e.ReasonCode), subjectOf(issuer))
	}
	if next := best.list.NextUpdate; !now.Before(next) && !s.allowExpired {
		return refuse(ExpiredCRL, cert, "nextUpdate of the CRL of %q is %s (RFC 5280, Section 6.3.3)", subjectOf(issuer), nextText(next))
	}
	return nil
}

func nextText(next time.Time) string {
	if next.IsZero() {
		return "missing"
	}
	return stamp(next)
}

// pick returns the newest CRL of issuer that speaks of cert, or why those that are there cannot be used.
func (s *crlSet) pick(cert, issuer *x509.Certificate, now time.Time) (best *crl, why string) {
	for _, c := range s.byIssuer[string(cert.RawIssuer)] {
		switch {
		case !c.scope.covers(cert):
		case c.list.ThisUpdate.After(now):
			why = "its thisUpdate is " + stamp(c.list.ThisUpdate)
		case best != nil && !c.list.ThisUpdate.After(best.list.ThisUpdate):
		case c.signedBy(issuer) != nil:
			why = "it is not signed by this issuer"
		default:
			best = c
		}
	}
	return best, why
}

var crlReasons = map[int]string{0: "unspecified", 1: "keyCompromise", 2: "cACompromise", 3: "affiliationChanged",
	4: "superseded", 5: "cessationOfOperation", 6: "certificateHold", 9: "privilegeWithdrawn", 10: "aACompromise"}

// crlReason names a reasonCode (RFC 5280, Section 5.3.1).
func crlReason(code int) string {
	if name, ok := crlReasons[code]; ok {
		return name
	}
	return fmt.Sprintf("reason %d", code)
}
