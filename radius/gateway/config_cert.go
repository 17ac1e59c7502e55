package gateway

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/frio-io/frio/conf"
)

// CertMatch is `certificate { }` of a client: what its certificate has to be. Of each key that is given one value must match. It
// does not change. Thread: any.
type CertMatch struct {
	names        []textMatch // any DNS name of the certificate, or its common name
	cns          []textMatch
	uris         []textMatch
	issuers      []textMatch
	serials      []*big.Int
	fingerprints [][]byte // SHA-1 or SHA-256 of the whole certificate
	policies     []x509.OID
	text         []string // what it was read from, sorted
}

// Matches tells whether cert is what the section says. nil is nothing that a section says.
func (m *CertMatch) Matches(cert *x509.Certificate) bool {
	switch {
	case cert == nil:
		return false
	case len(m.names) > 0 && !anyOf(m.names, cert.Subject.CommonName) && !anyOf(m.names, cert.DNSNames...):
		return false
	case len(m.cns) > 0 && !anyOf(m.cns, cert.Subject.CommonName):
		return false
	case len(m.uris) > 0 && !anyURI(m.uris, cert):
		return false
	case len(m.issuers) > 0 && !anyOf(m.issuers, tight(cert.Issuer.String())):
		return false
	case len(m.serials) > 0 && !slices.ContainsFunc(m.serials, func(n *big.Int) bool { return n.Cmp(cert.SerialNumber) == 0 }):
		return false
	case len(m.fingerprints) > 0 && !m.fingerprint(cert):
		return false
	case len(m.policies) > 0 && !slices.ContainsFunc(m.policies, func(want x509.OID) bool {
		return slices.ContainsFunc(cert.Policies, want.Equal)
	}):
		return false
	}
	return true
}

func (m *CertMatch) fingerprint(cert *x509.Certificate) bool {
	short, long := sha1.Sum(cert.Raw), sha256.Sum256(cert.Raw)
	return slices.ContainsFunc(m.fingerprints, func(want []byte) bool {
		return bytes.Equal(want, short[:]) || bytes.Equal(want, long[:])
	})
}

func anyURI(list []textMatch, cert *x509.Certificate) bool {
	for _, u := range cert.URIs {
		if anyOf(list, u.String()) {
			return true
		}
	}
	return false
}

// textMatch is a value as it stands, or a regular expression.
type textMatch struct {
	exact   string
	fold    bool // upper and lower case are the same
	pattern *regexp.Regexp
}

func (m *textMatch) matches(text string) bool {
	switch {
	case m.pattern != nil:
		return m.pattern.MatchString(text)
	case m.fold:
		return strings.EqualFold(m.exact, text)
	}
	return m.exact == text
}

func anyOf(list []textMatch, texts ...string) bool {
	for i := range list {
		for _, t := range texts {
			if t != "" && list[i].matches(t) {
				return true
			}
		}
	}
	return false
}

type certKeys struct {
	Name        []*conf.Pair `conf:"name"`
	CN          []*conf.Pair `conf:"cn"`
	URI         []*conf.Pair `conf:"uri"`
	Issuer      []*conf.Pair `conf:"issuer"`
	Serial      []*conf.Pair `conf:"serial"`
	Fingerprint []*conf.Pair `conf:"fingerprint"`
	PolicyOID   []*conf.Pair `conf:"policy_oid"`
}

// certificate reads `certificate { }`; nil where cs has none.
func (r *reader) certificate(cs *conf.Section) *CertMatch {
	sub, err := cs.TakeSection("certificate")
	r.add(cs, err)
	if sub == nil {
		return nil
	}
	var k certKeys
	r.add(sub, sub.Decode(&k))
	m := &CertMatch{}
	for _, one := range []struct {
		pairs []*conf.Pair
		into  *[]textMatch
		fold  bool
	}{{k.Name, &m.names, true}, {k.CN, &m.cns, true}, {k.URI, &m.uris, false}, {k.Issuer, &m.issuers, false}} {
		for _, p := range one.pairs {
			if t, ok := r.textMatch(p, one.fold); ok {
				*one.into = append(*one.into, t)
			}
		}
	}
	for _, p := range k.Serial {
		n, ok := new(big.Int).SetString(hexText(p.Value), 16)
		if !ok || n.Sign() <= 0 {
			r.fail(p, "`%s` is not a number in hexadecimal", p.Value)
			continue
		}
		m.serials = append(m.serials, n)
	}
	for _, p := range k.Fingerprint {
		sum, err := hex.DecodeString(hexText(p.Value))
		if err != nil || len(sum) != sha1.Size && len(sum) != sha256.Size {
			r.fail(p, "`%s` is neither a SHA-1 nor a SHA-256 in hexadecimal", p.Value)
			continue
		}
		m.fingerprints = append(m.fingerprints, sum)
	}
	for _, p := range k.PolicyOID {
		oid, err := x509.ParseOID(p.Value)
		if err != nil {
			r.fail(p, "`%s` is not an object identifier, as 1.3.6.1.4.1.25178.3.1.1", p.Value)
			continue
		}
		m.policies = append(m.policies, oid)
	}
	if len(sub.Pairs("")) == 0 {
		r.failSection(sub, "it says nothing: any certificate would match (name, cn, uri, issuer, serial, fingerprint, policy_oid)")
	}
	for _, p := range sub.Pairs("") {
		m.text = append(m.text, fmt.Sprintf("%s = %q", p.Name, p.Value))
	}
	slices.Sort(m.text)
	m.text = slices.Compact(m.text)
	return m
}

// textMatch reads a value, or /a regular expression/. One that is not tied to both ends also matches within longer texts.
func (r *reader) textMatch(p *conf.Pair, fold bool) (textMatch, bool) {
	v := p.Value
	switch {
	case v == "":
		r.fail(p, "is empty")
		return textMatch{}, false
	case v[0] != '/' && p.Name == "issuer":
		return textMatch{exact: tight(v)}, true
	case v[0] != '/':
		return textMatch{exact: v, fold: fold}, true
	case len(v) < 3 || v[len(v)-1] != '/':
		what := "a regular expression ends with / as well"
		if p.Name == "issuer" {
			what = "write CN=..., O=... as RFC 2253 has it, or /a regular expression/"
		}
		r.fail(p, "`%s`: %s", v, what)
		return textMatch{}, false
	}
	text := v[1 : len(v)-1]
	option := ""
	if fold {
		option = "(?i)"
	}
	pattern, err := regexp.Compile(option + text)
	if err != nil {
		r.fail(p, "%s", regexpMistake(text, err))
		return textMatch{}, false
	}
	if text[0] != '^' || text[len(text)-1] != '$' {
		r.warn(p.ValuePos, "%s: %s also matches within longer texts: begin it with ^ and end it with $", p.Name, v)
	}
	return textMatch{pattern: pattern}, true
}

// tight is a name in the form of RFC 2253 without spaces behind its commas, with which people write it.
func tight(name string) string { return strings.ReplaceAll(name, ", ", ",") }

// hexText is a number in hexadecimal without its colons and 0x.
func hexText(v string) string {
	return strings.TrimPrefix(strings.ToLower(strings.ReplaceAll(v, ":", "")), "0x")
}
