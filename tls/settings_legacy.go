package tls

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/frio-io/frio/conf"
)

// legacyKeys are those of FreeRADIUS's tls sections that are not honoured here. If `refused` is empty, the key is noted
// and does no harm: `why` may say more. Else it asks for something whose absence would weaken what is configured, and is an error,
// unless its value is one of `harmless`, which says what happens anyway.
var legacyKeys = []struct {
	name     string
	refused  string
	harmless string // separated by spaces; "" with refused: no value is
	why      string
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
	{name: "disable_single_dh_use"},
	{name: "fix_cert_order"},
	{name: "padding"},
	{name: "sigalgs_list", why: "the signature algorithms are those of crypto/tls, none with MD5 or SHA-1"},
	{name: "make_cert_command", why: "no program is run; make the certificate before"},
	{name: "radiusv1_1", refused: "RADIUS/1.1 comes later, so it cannot be required", harmless: "forbid allow", why: "RADIUS/1.1 comes later"},
	{name: "virtual_server", refused: "certificates are judged by the keys of tls { } only"},
	{name: "disable_tlsv1", refused: "TLS 1.0 is never offered (RFC 8996)", harmless: "yes"},
	{name: "disable_tlsv1_1", refused: "TLS 1.1 is never offered (RFC 8996)", harmless: "yes"},
	{name: "disable_tlsv1_2", refused: "write tls_min_version = 1.3", harmless: "no"},
	{name: "allow_renegotiation", refused: "TLS is never renegotiated", harmless: "no"},
	{name: "reject_unknown_intermediate_ca", refused: "a chain may have any intermediate CA that a trusted one signed", harmless: "no"},
	{name: "check_cert_issuer", refused: "write certificate { issuer = ... }, which has another form of the name"},
	{name: "cipher_suites", refused: "the suites of TLS 1.3 cannot be chosen"},
	{name: "psk_identity", refused: "pre-shared keys come later; there are only certificates"},
	{name: "psk_hexphrase", refused: "pre-shared keys come later; there are only certificates"},
	{name: "psk_query", refused: "pre-shared keys come later; there are only certificates"},
}

// legacySections are refused unless `enable = no` is in them; of verify it is the program that counts.
var legacySections = map[string]string{
	"ocsp":    "OCSP is not asked; use check_crl",
	"verify":  "no program is run on certificates",
	"session": "write cache { }",
}

func (d *decoding) legacy() {
	for _, l := range legacyKeys {
		for _, p := range d.sub.Take(l.name) {
			if l.refused == "" || isHarmless(p.Value, l.harmless) {
				if d.note(p, "has no effect here"); l.why != "" {
					d.plan.notes[len(d.plan.notes)-1].Msg += ": " + l.why
				}
				continue
			}
			d.fail(p, "%s", l.refused)
		}
	}
	for _, name := range []string{"ocsp", "verify", "session"} {
		for _, sub := range d.sub.TakeSections(name) {
			takeAll(sub)
			off, idle := sub.Pairs("enable"), len(sub.Pairs(""))+len(sub.Sections("")) == 0 || name == "verify" && len(sub.Pairs("client")) == 0
			if name != "session" && (len(off) > 0 && isHarmless(off[0].Value, "no") || idle) {
				d.plan.notes = append(d.plan.notes, sub.Errorf("note: %s has no effect here", name))
				continue
			}
			d.failSection(sub, "%s", legacySections[name])
		}
	}
}

func isHarmless(value, harmless string) bool {
	if yes, ok := boolOf(value); ok {
		value = map[bool]string{true: "yes", false: "no"}[yes]
	}
	return slices.Contains(strings.Fields(harmless), strings.ToLower(value))
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
