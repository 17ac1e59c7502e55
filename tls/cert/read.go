package cert

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/frio-io/frio/conf"
)

type certKeys struct {
	Name        []*conf.Pair `conf:"name"`
	DNS         []*conf.Pair `conf:"dns"`
	CN          []*conf.Pair `conf:"cn"`
	URI         []*conf.Pair `conf:"uri"`
	IP          []*conf.Pair `conf:"ip"`
	RID         []*conf.Pair `conf:"rid"`
	OtherName   []*conf.Pair `conf:"other_name"`
	Issuer      []*conf.Pair `conf:"issuer"`
	Serial      []*conf.Pair `conf:"serial"`
	Fingerprint []*conf.Pair `conf:"fingerprint"`
	PolicyOID   []*conf.Pair `conf:"policy_oid"`
}

const keyNames = "name, dns, cn, uri, ip, rid, other_name, issuer, serial, fingerprint, policy_oid"

// Read takes the sections `certificate { }` of cs; nil where it has none. With errs the Match is not to be used. Warnings are
// about what works, but is probably not meant.
func Read(cs *conf.Section) (m *Match, errs, warnings conf.Errors) {
	r := &reader{}
	for _, sub := range cs.TakeSections("certificate") {
		if m == nil {
			m = &Match{}
		}
		m.sections = append(m.sections, r.section(sub))
	}
	return m, r.errs, r.warnings
}

// reader gathers mistakes.
type reader struct {
	errs, warnings conf.Errors
}

// fail reports a mistake in the value of a key.
func (r *reader) fail(p *conf.Pair, format string, args ...any) {
	r.errs = append(r.errs, p.Errorf("%s: %s", p.Name, fmt.Sprintf(format, args...)))
}

func (r *reader) section(cs *conf.Section) (s section) {
	var k certKeys
	if err := cs.Decode(&k); err != nil {
		var list conf.Errors
		if !errors.As(err, &list) {
			list = conf.Errors{cs.Errorf("%s: %v", cs.Name, err)}
		}
		r.errs = append(r.errs, list...)
	}
	for _, one := range []struct {
		pairs []*conf.Pair
		read  func(*conf.Pair) func(*x509.Certificate) bool
	}{
		{k.Name, func(p *conf.Pair) func(*x509.Certificate) bool { return r.pattern(p, true).inNames }},
		{k.DNS, func(p *conf.Pair) func(*x509.Certificate) bool { return r.pattern(p, true).inDNS }},
		{k.CN, func(p *conf.Pair) func(*x509.Certificate) bool { return r.pattern(p, true).inCN }},
		{k.URI, func(p *conf.Pair) func(*x509.Certificate) bool { return r.pattern(p, false).inURIs }},
		{k.IP, r.ip},
		{k.RID, func(p *conf.Pair) func(*x509.Certificate) bool { return hasID(r.oid(p, p.Value)) }},
		{k.OtherName, r.otherName},
		{k.Issuer, func(p *conf.Pair) func(*x509.Certificate) bool { return r.issuer(p).inIssuer }},
		{k.Serial, r.serial},
		{k.Fingerprint, r.fingerprint},
		{k.PolicyOID, func(p *conf.Pair) func(*x509.Certificate) bool { return hasPolicy(r.oid(p, p.Value)) }},
	} {
		if len(one.pairs) == 0 {
			continue
		}
		t := term{key: one.pairs[0].Name}
		for _, p := range one.pairs {
			t.lines = append(t.lines, one.read(p))
		}
		s.terms = append(s.terms, t)
	}
	if len(cs.Pairs("")) == 0 {
		r.errs = append(r.errs, cs.Errorf("certificate: it says nothing: any certificate would match (%s)", keyNames))
	}
	for _, p := range cs.Pairs("") {
		s.text = append(s.text, fmt.Sprintf("%s = %q", p.Name, p.Value))
	}
	slices.Sort(s.text)
	s.text = slices.Compact(s.text)
	return s
}

// pattern reads a value, or /a regular expression/.
func (r *reader) pattern(p *conf.Pair, fold bool) *pattern { return r.text(p, p.Value, fold, "") }

func (r *reader) issuer(p *conf.Pair) *pattern {
	return r.text(p, tight(p.Value), false, "write CN=..., O=... as RFC 2253 has it, or /a regular expression/")
}

// text reads what stands in p, or in a part of it. An expression that is not tied to both ends also matches within longer texts.
func (r *reader) text(p *conf.Pair, v string, fold bool, hint string) *pattern {
	switch {
	case v == "":
		r.fail(p, "is empty")
		return &pattern{}
	case v[0] != '/':
		return &pattern{exact: v, fold: fold}
	case len(v) < 3 || v[len(v)-1] != '/':
		if hint == "" {
			hint = "a regular expression ends with / as well"
		}
		r.fail(p, "`%s`: %s", p.Value, hint)
		return &pattern{}
	}
	text, option := v[1:len(v)-1], ""
	if fold {
		option = "(?i)"
	}
	expr, err := regexp.Compile(option + text)
	if err != nil {
		if _, own := regexp.Compile(text); own != nil {
			err = own // it shows the text as it stands in the file
		}
		r.fail(p, "%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return &pattern{}
	}
	if tied := strings.TrimPrefix(text, "(?i)"); !strings.HasPrefix(tied, "^") || !strings.HasSuffix(tied, "$") {
		r.warnings = append(r.warnings, &conf.Error{Pos: p.ValuePos, Msg: fmt.Sprintf(
			"warning: %s: %s also matches within longer texts: begin it with ^ and end it with $", p.Name, v)})
	}
	return &pattern{expr: expr}
}

func (r *reader) ip(p *conf.Pair) func(*x509.Certificate) bool {
	addr, err := netip.ParseAddr(strings.Trim(p.Value, "[]"))
	if err != nil || addr.Zone() != "" {
		r.fail(p, "`%s` is not an address", p.Value)
	}
	return hasAddr(addr.Unmap())
}

func (r *reader) oid(p *conf.Pair, text string) x509.OID {
	oid, err := x509.ParseOID(text)
	if err != nil {
		r.fail(p, "`%s` is not an object identifier, as 1.3.6.1.4.1.25178.3.1.1", text)
	}
	return oid
}

// otherName reads "oid:value" or "oid:/expression/".
func (r *reader) otherName(p *conf.Pair) func(*x509.Certificate) bool {
	oid, value, found := strings.Cut(p.Value, ":")
	if !found {
		r.fail(p, "`%s` is not a type and a value, as 1.3.6.1.5.5.7.8.8:example.org", p.Value)
		return nil
	}
	return hasOther(r.oid(p, oid), *r.text(p, value, false, ""))
}

func (r *reader) serial(p *conf.Pair) func(*x509.Certificate) bool {
	n, ok := new(big.Int).SetString(hexText(p.Value), 16)
	if !ok || n.Sign() <= 0 {
		r.fail(p, "`%s` is not a number in hexadecimal", p.Value)
		return nil
	}
	return hasSerial(n)
}

func (r *reader) fingerprint(p *conf.Pair) func(*x509.Certificate) bool {
	sum, err := hex.DecodeString(hexText(p.Value))
	if err != nil || len(sum) != sha1.Size && len(sum) != sha256.Size {
		r.fail(p, "`%s` is neither a SHA-1 nor a SHA-256 in hexadecimal", p.Value)
	}
	return hasSum(sum)
}

// hexText is a number in hexadecimal without its colons and 0x.
func hexText(v string) string {
	return strings.TrimPrefix(strings.ToLower(strings.ReplaceAll(v, ":", "")), "0x")
}
