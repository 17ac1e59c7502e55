package tls

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/frio-io/frio/conf"
)

// legacyEntry is a key of FreeRADIUS's tls sections that is not honoured here. If `refused` is empty, it is noted and does no harm: `why`
// may say more. Else it asks for something that would silently not happen, and is an error, unless its value is one of `harmless`, which
// says what happens anyway.
type legacyEntry struct {
	name     string
	value    legacyValue
	refused  string
	harmless string // separated by spaces; "" with refused: no value is
	why      string
}

var legacyKeys = []legacyEntry{
	{name: "dh_file"},
	{name: "random_file"},
	{name: "fragment_size", value: aNumber},
	{name: "include_length", value: aBool},
	{name: "auto_chain", value: aBool},
	{name: "rsa_key_exchange", value: aBool},
	{name: "dh_key_exchange", value: aBool},
	{name: "rsa_key_length", value: aNumber},
	{name: "dh_key_length", value: aNumber},
	{name: "disable_single_dh_use", value: aBool},
	{name: "cipher_server_preference", value: aBool, why: "crypto/tls chooses by its own order, which knows what the processor is good at"},
	{name: "fix_cert_order", value: aBool},
	{name: "padding", value: aNumber},
	{name: "pem_file_type", value: aBool, refused: "DER is not read; convert the files: openssl x509 -inform DER, openssl pkey -inform DER", harmless: "yes"},
	{name: "sigalgs_list", why: "the signature algorithms are those of crypto/tls, none with MD5 or SHA-1"},
	{name: "make_cert_command", why: "no program is run; make the certificate before"},
	{name: "radiusv1_1", refused: "RADIUS/1.1 comes later, so it cannot be required", harmless: "forbid allow", why: "RADIUS/1.1 comes later"},
	{name: "virtual_server", refused: "certificates are judged by the keys of tls { } only"},
	{name: "disable_tlsv1", value: aBool, refused: "TLS 1.0 is never offered (RFC 8996)", harmless: "yes"},
	{name: "disable_tlsv1_1", value: aBool, refused: "TLS 1.1 is never offered (RFC 8996)", harmless: "yes"},
	{name: "disable_tlsv1_2", value: aBool, refused: "write tls_min_version = 1.3", harmless: "no"},
	{name: "allow_renegotiation", value: aBool, refused: "TLS is never renegotiated", harmless: "no"},
	{name: "reject_unknown_intermediate_ca", value: aBool, refused: "a chain may have any intermediate CA that a trusted one signed", harmless: "no"},
	{name: "check_cert_issuer", refused: "write certificate { issuer = ... }, which has another form of the name"},
	{name: "cipher_suites", refused: "the suites of TLS 1.3 cannot be chosen"},
	{name: "psk_identity", refused: "pre-shared keys come later; there are only certificates"},
	{name: "psk_hexphrase", refused: "pre-shared keys come later; there are only certificates"},
	{name: "psk_query", refused: "pre-shared keys come later; there are only certificates"},
}

// legacyValue says what a legacy key may be given.
type legacyValue uint8

const (
	anyText legacyValue = iota
	aBool               // yes or no
	aNumber             // 0 or above
)

// wrong says what text lacks; "": nothing.
func (v legacyValue) wrong(text string) string {
	switch v {
	case aBool:
		if _, ok := boolOf(text); !ok {
			return "`" + text + "` is neither yes nor no"
		}
	case aNumber:
		if _, err := strconv.ParseUint(text, 10, 31); err != nil {
			return "`" + text + "` is not a whole number"
		}
	}
	return ""
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
			switch wrong := l.value.wrong(p.Value); {
			case wrong != "":
				d.fail(p, "%s", wrong)
			case l.refused == "" || isHarmless(p.Value, l.harmless):
				if d.note(p, "has no effect here"); l.why != "" {
					d.plan.notes[len(d.plan.notes)-1].Msg += ": " + l.why
				}
			default:
				d.fail(p, "%s", l.refused)
			}
		}
	}
	for _, name := range []string{"ocsp", "verify", "session"} {
		for _, sub := range d.sub.TakeSections(name) {
			sub.TakeAll()
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
