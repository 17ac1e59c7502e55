// Package cert tells whether a certificate is the one that a configuration describes, in sections called `certificate { }`.
package cert

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Match is what the sections `certificate { }` of one place say that a certificate has to be: all that each of them says. It does
// not change. Thread: any.
type Match struct {
	sections []section
}

// section is one of them: of each key that it has, one line has to fit.
type section struct {
	terms []term
	text  []string // what it was read from, sorted
}

// term is one key with all its lines.
type term struct {
	key   string
	lines []func(*x509.Certificate) bool
}

// Matches tells whether cert is what the sections say. nil is nothing that a section says.
func (m *Match) Matches(cert *x509.Certificate) bool { return cert != nil && m.Misses(cert) == "" }

// Misses returns the first key by which cert is not what the sections say; "" if it is. cert is not nil.
func (m *Match) Misses(cert *x509.Certificate) string {
	for _, s := range m.sections {
		for _, t := range s.terms {
			if !slices.ContainsFunc(t.lines, func(fits func(*x509.Certificate) bool) bool { return fits(cert) }) {
				return t.key
			}
		}
	}
	return ""
}

// Text returns the lines of each section, sorted: two that say the same have the same. It is not to be changed.
func (m *Match) Text() [][]string {
	var all [][]string
	for _, s := range m.sections {
		all = append(all, s.text)
	}
	return all
}

// Same tells whether a and b say the same; nil says nothing.
func Same(a, b *Match) bool {
	if a == nil || b == nil {
		return a == b
	}
	return slices.EqualFunc(a.sections, b.sections, func(x, y section) bool { return slices.Equal(x.text, y.text) })
}

// pattern is a value as it stands, or a regular expression.
type pattern struct {
	exact string
	fold  bool // upper and lower case are the same
	expr  *regexp.Regexp
}

// matches tells whether one of texts is the value. An empty one never is: that is what a certificate has that has none.
func (p *pattern) matches(texts ...string) bool {
	return slices.ContainsFunc(texts, func(text string) bool {
		switch {
		case text == "":
			return false
		case p.expr != nil:
			return p.expr.MatchString(text)
		case p.fold:
			return strings.EqualFold(p.exact, text)
		}
		return p.exact == text
	})
}

// The lines by what they look at.

func (p *pattern) inNames(c *x509.Certificate) bool {
	return p.matches(c.Subject.CommonName) || p.matches(c.DNSNames...)
}

func (p *pattern) inDNS(c *x509.Certificate) bool { return p.matches(c.DNSNames...) }

func (p *pattern) inCN(c *x509.Certificate) bool { return p.matches(c.Subject.CommonName) }

func (p *pattern) inURIs(c *x509.Certificate) bool {
	for _, u := range c.URIs {
		if p.matches(u.String()) {
			return true
		}
	}
	return false
}

func (p *pattern) inIssuer(c *x509.Certificate) bool { return p.matches(tight(c.Issuer.String())) }

// tight is a name in the form of RFC 2253 without spaces behind its commas, with which people write it.
func tight(name string) string { return strings.ReplaceAll(name, ", ", ",") }

func hasAddr(want netip.Addr) func(*x509.Certificate) bool {
	return func(c *x509.Certificate) bool {
		for _, ip := range c.IPAddresses {
			if a, ok := netip.AddrFromSlice(ip); ok && a.Unmap() == want {
				return true
			}
		}
		return false
	}
}

func hasSerial(want *big.Int) func(*x509.Certificate) bool {
	return func(c *x509.Certificate) bool { return c.SerialNumber != nil && want.Cmp(c.SerialNumber) == 0 }
}

// hasSum looks at the SHA-1 or SHA-256 of the whole certificate.
func hasSum(want []byte) func(*x509.Certificate) bool {
	return func(c *x509.Certificate) bool {
		short, long := sha1.Sum(c.Raw), sha256.Sum256(c.Raw)
		return bytes.Equal(want, short[:]) || bytes.Equal(want, long[:])
	}
}

func hasPolicy(want x509.OID) func(*x509.Certificate) bool {
	return func(c *x509.Certificate) bool { return slices.ContainsFunc(c.Policies, want.Equal) }
}

func hasID(want x509.OID) func(*x509.Certificate) bool {
	return func(c *x509.Certificate) bool {
		for n := range otherNames(c) {
			if n.registered && n.oid.Equal(want) {
				return true
			}
		}
		return false
	}
}

func hasOther(of x509.OID, p pattern) func(*x509.Certificate) bool {
	return func(c *x509.Certificate) bool {
		for n := range otherNames(c) {
			if !n.registered && n.oid.Equal(of) && p.matches(n.text) {
				return true
			}
		}
		return false
	}
}
