package tls

import (
	"crypto/x509"
	"testing"
)

func TestParseName(t *testing.T) {
	for text, want := range map[string]string{
		"Radius.Example.org.": "DNS radius.example.org",
		"localhost":           "DNS localhost",
		"*.example.org":       "DNS *.example.org",
		"192.0.2.1":           "IP 192.0.2.1",
		"::ffff:192.0.2.1":    "IP 192.0.2.1",
		"[2001:db8::1]":       "IP 2001:db8::1",
		"urn:example:1":       "URI urn:example:1",
		"https://a.b/c":       "URI https://a.b/c",
		"a_b.example.org":     "DNS a_b.example.org",
		"":                    "",
		"*":                   "",
		"*.org":               "",
		"a.*.org":             "",
		"*a.example.org":      "",
		"-a.org":              "",
		"1.2.3.4.5":           "",
		"a b":                 "",
		"a/b":                 "",
		":x":                  "",
	} {
		n, wrong := parseName(text)
		got := ""
		if wrong == "" {
			got = n.String()
		}
		if got != want {
			t.Errorf("%q: %q %q, want %q", text, got, wrong, want)
		}
	}
}

func TestNameMatches(t *testing.T) {
	plain := theCA().issue("a.example.org").cert
	wild := theCA().issue("x", withWildcard).cert
	uri := theCA().issue("b.example.net", withURI).cert
	cnOnly := theCA().issue("a.example.org", func(c *x509.Certificate) { c.DNSNames = nil }).cert
	for _, c := range []struct {
		name string
		cert *x509.Certificate
		want bool
	}{
		{"a.example.org", plain, true},
		{"A.EXAMPLE.ORG", plain, true},
		{"b.example.org", plain, false},
		{"example.org", plain, false},
		{"*.example.org", plain, true},
		{"*.example.net", plain, false},
		{"127.0.0.1", plain, true},
		{"127.0.0.2", plain, false},
		{"a.example.org", wild, true},
		{"a.b.example.org", wild, false},
		{"*.example.org", wild, true},
		{"*.b.example.org", wild, false},
		{"urn:example:nas:1", uri, true},
		{"urn:example:nas:2", uri, false},
		{"a.example.org", cnOnly, false}, // RFC 9525: not the common name
	} {
		n, wrong := parseName(c.name)
		if wrong != "" {
			t.Fatal(wrong)
		}
		if got := n.matches(c.cert); got != c.want {
			t.Errorf("%s in %s: %v", c.name, namesOf(c.cert), got)
		}
	}
	for _, c := range []struct {
		want, cn string
		ok       bool
	}{{"a.org", "A.org", true}, {"a.org", "b.a.org", false}, {"*.a.org", "b.a.org", true}, {"*.a.org", "a.org", false},
		{"*.a.org", "c.b.a.org", false}, {"*.a.org", ".a.org", false}, {"", "", false}} {
		if got := matchCN(c.want, c.cn); got != c.ok {
			t.Errorf("%q for %q: %v", c.want, c.cn, got)
		}
	}
}
