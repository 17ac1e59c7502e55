package tls

import (
	"crypto/x509"
	"net/netip"
	"net/url"
	"strings"

	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/conf"
)

// certName is a name that a peer's certificate may have, as a subject alternative name. The common name is never one
// (RFC 9525, Section 2); check_cert_cn looks at it.
type certName struct {
	kind nameKind
	text string // of a wildcard without the "*."
}

type nameKind uint8

const (
	dnsName nameKind = iota
	wildName
	ipName
	uriName
)

func (k nameKind) String() string { return [...]string{"DNS", "DNS", "IP", "URI"}[k] }

func (n certName) String() string {
	if n.kind == wildName {
		return "DNS *." + n.text
	}
	return n.kind.String() + " " + n.text
}

// parseName reads a name: an address is an IP, something with a colon a URI, all else DNS. It says what is wrong.
func parseName(text string) (certName, string) {
	if addr, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		if addr.Zone() != "" {
			return certName{}, "an address in a certificate has no zone"
		}
		return certName{ipName, addr.Unmap().String()}, ""
	}
	if strings.Contains(text, ":") {
		if u, err := url.Parse(text); err != nil || u.Scheme == "" {
			return certName{}, "`" + text + "` is not a URI"
		}
		return certName{uriName, text}, ""
	}
	name := strings.ToLower(strings.TrimSuffix(text, "."))
	rest, wild := strings.CutPrefix(name, "*.")
	if !base.IsHostName(rest) || wild && !strings.Contains(rest, ".") {
		return certName{}, "`" + text + "` is neither a DNS name (`*.` may stand for its first label), nor an address, nor a URI"
	}
	if wild {
		return certName{wildName, rest}, ""
	}
	return certName{dnsName, name}, ""
}

// matches tells whether cert has the name.
func (n certName) matches(cert *x509.Certificate) bool {
	switch n.kind {
	case uriName:
		for _, u := range cert.URIs {
			if u.String() == n.text {
				return true
			}
		}
		return false
	case wildName:
		for _, name := range cert.DNSNames {
			if underWildcard(name, n.text) {
				return true
			}
		}
		return false
	}
	return cert.VerifyHostname(n.text) == nil
}

// underWildcard tells whether name is one label under domain. The label may itself be a `*`.
func underWildcard(name, domain string) bool {
	label, rest, ok := strings.Cut(strings.TrimSuffix(name, "."), ".")
	return ok && label != "" && strings.EqualFold(rest, domain)
}

// matchCN tells whether a common name is the one wanted, which may begin with "*.".
func matchCN(want, cn string) bool {
	if domain, wild := strings.CutPrefix(want, "*."); wild {
		return underWildcard(cn, domain)
	}
	return want != "" && strings.EqualFold(want, cn)
}

// namesOf lists what a certificate is called, for messages: its first few subject alternative names.
func namesOf(cert *x509.Certificate) string {
	const most = 4
	var list []string
	for _, n := range cert.DNSNames {
		list = append(list, "DNS "+n)
	}
	for _, ip := range cert.IPAddresses {
		list = append(list, "IP "+ip.String())
	}
	for _, u := range cert.URIs {
		list = append(list, "URI "+u.String())
	}
	if len(list) == 0 {
		return "none"
	}
	if len(list) > most {
		list = append(list[:most:most], "...")
	}
	return clip(strings.Join(list, ", "))
}

// target is what a home_server connects to, as far as names go.
type target struct {
	hosts []string
	at    *conf.Pair // the first
}

// targetOf finds the ipaddr of the method below tls, without taking it.
func targetOf(cs *conf.Section) target {
	var sections []*conf.Section
	for _, p := range append(cs.Pairs("protocol"), cs.Pairs("transport")...) {
		sections = append(sections, cs.Sections(p.Value[strings.LastIndex(p.Value, "+")+1:])...)
	}
	for _, sub := range append(sections, cs) {
		var t target
		for _, key := range []string{"ipaddr", "ipv4addr", "ipv6addr"} {
			for _, p := range sub.Pairs(key) {
				if t.at == nil {
					t.at = p
				}
				t.hosts = append(t.hosts, p.Value)
			}
		}
		if t.at != nil {
			return t
		}
	}
	return target{}
}
