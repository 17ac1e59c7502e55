package tls

import (
	"strconv"
	"strings"
	"time"

	"github.com/frio-io/frio/conf"
)

// legacyKeys are those of FreeRADIUS's tls sections that are not honoured here. If `refused` is empty, the key is noted
// and does no harm. Else it asks for something that would silently not happen, and is an error, unless its value is
// one of `harmless`, which says what happens anyway.
var legacyKeys = []struct {
	name     string
	refused  string
	harmless string // separated by spaces; "" with refused: no value is
}{
	{name: "dh_file"},
	{name: "random_file"},
	{name: "fragment_size"},
	{name: "include_length"},
	{name: "auto_chain"},
	{name: "pem_file_type"},
	{name: "rsa_key_exchange"},
	{name: "dh_key_exchange"},
	{name: "rsa_key_length"},
	{name: "dh_key_length"},
	{name: "cipher_server_preference"},
	{name: "fix_cert_order"},
	{name: "padding"},
	{name: "virtual_server", refused: "certificates are judged by the keys of tls { } only"},
	{name: "make_cert_command", refused: "no program is run; make the certificate before"},
	{name: "disable_tlsv1", refused: "TLS 1.0 is never offered (RFC 8996)", harmless: "yes"},
	{name: "disable_tlsv1_1", refused: "TLS 1.1 is never offered (RFC 8996)", harmless: "yes"},
	{name: "disable_tlsv1_2", refused: "write tls_min_version = 1.3", harmless: "no"},
	{name: "allow_renegotiation", refused: "TLS is never renegotiated", harmless: "no"},
	{name: "reject_unknown_intermediate_ca", refused: "a chain may have any intermediate CA that a trusted one signed", harmless: "no"},
	{name: "check_cert_issuer", refused: "name the CA in ca_file instead"},
	{name: "sigalgs_list", refused: "signature algorithms cannot be chosen"},
	{name: "cipher_suites", refused: "the suites of TLS 1.3 cannot be chosen"},
	{name: "psk_identity", refused: "there are no pre-shared keys, only certificates"},
	{name: "psk_hexphrase", refused: "there are no pre-shared keys, only certificates"},
	{name: "psk_query", refused: "there are no pre-shared keys, only certificates"},
}

// legacySections are refused unless `enable = no` is in them.
var legacySections = map[string]string{
	"ocsp":    "OCSP is not asked; use check_crl",
	"verify":  "no program is run on certificates",
	"session": "write cache { }",
}

func (d *decoding) legacy() {
	for _, l := range legacyKeys {
		for _, p := range d.sub.Take(l.name) {
			if l.refused == "" || isHarmless(p.Value, l.harmless) {
				d.note(p, "has no effect here")
				continue
			}
			d.fail(p, "%s", l.refused)
		}
	}
	for _, name := range []string{"ocsp", "verify", "session"} {
		for _, sub := range d.sub.TakeSections(name) {
			takeAll(sub)
			if off := sub.Pairs("enable"); name != "session" && (len(off) > 0 && isHarmless(off[0].Value, "no") || len(sub.Pairs(""))+len(sub.Sections("")) == 0) {
				d.plan.notes = append(d.plan.notes, sub.Errorf("note: %s has no effect here", name))
				continue
			}
			d.failSection(sub, "%s", legacySections[name])
		}
	}
}

func isHarmless(value, harmless string) bool {
	yes, ok := boolOf(value)
	return ok && (yes && harmless == "yes" || !yes && harmless == "no")
}

// noted takes keys that have no effect.
func (d *decoding) noted(sub *conf.Section, names ...string) {
	for _, name := range names {
		for _, p := range sub.Take(name) {
			d.note(p, "has no effect here")
		}
	}
}

// takeAll takes what is in a section that is spoken of as a whole.
func takeAll(sub *conf.Section) {
	for _, p := range sub.Pairs("") {
		sub.Take(p.Name)
	}
	for _, s := range sub.Sections("") {
		sub.TakeSections(s.Name)
		takeAll(s)
	}
}

// parseLifetime reads a time; a bare number counts hours.
func parseLifetime(text string) (time.Duration, bool) {
	if hours, err := strconv.ParseUint(text, 10, 16); err == nil {
		return time.Duration(hours) * time.Hour, true
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err == nil
	}
	life, err := time.ParseDuration(text)
	return life, err == nil
}
