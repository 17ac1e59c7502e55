package tls

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"

	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/tls/dtls"
)

// suiteNames are the suites of TLS 1.2 that cipher_list takes, by OpenSSL's name, in the order that messages list them.
// The IANA names are those of crypto/tls.
var suiteNames = []struct {
	openssl string
	id      uint16
}{
	{"ECDHE-ECDSA-AES128-GCM-SHA256", tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	{"ECDHE-ECDSA-AES256-GCM-SHA384", tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384},
	{"ECDHE-ECDSA-CHACHA20-POLY1305", tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256},
	{"ECDHE-RSA-AES128-GCM-SHA256", tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
	{"ECDHE-RSA-AES256-GCM-SHA384", tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384},
	{"ECDHE-RSA-CHACHA20-POLY1305", tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256},
	{"ECDHE-ECDSA-AES128-SHA", tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA},
	{"ECDHE-ECDSA-AES256-SHA", tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA},
	{"ECDHE-RSA-AES128-SHA", tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA},
	{"ECDHE-RSA-AES256-SHA", tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA},
}

// weakNames are suites that crypto/tls could do and nobody should, by OpenSSL's name, with the reason.
var weakNames = map[string]string{
	"RC4-SHA": weakRC4, "ECDHE-RSA-RC4-SHA": weakRC4, "ECDHE-ECDSA-RC4-SHA": weakRC4,
	"DES-CBC3-SHA": weakDES, "ECDHE-RSA-DES-CBC3-SHA": weakDES,
	"AES128-SHA": weakRSA, "AES256-SHA": weakRSA, "AES128-SHA256": weakRSA,
	"AES128-GCM-SHA256": weakRSA, "AES256-GCM-SHA384": weakRSA,
	"ECDHE-ECDSA-AES128-SHA256": weakCBC, "ECDHE-RSA-AES128-SHA256": weakCBC,
}

const (
	weakRC4 = "RC4 (RFC 7465)"
	weakDES = "triple DES (RFC 8429)"
	weakRSA = "RSA key exchange, no forward secrecy (RFC 9325, Section 4.1)"
	weakCBC = "CBC with SHA-256 is open to timing attacks"
)

// opensslWords are group names of OpenSSL's cipher lists, which stand for other suites in each of its versions.
var opensslWords = map[string]bool{
	"HIGH": true, "MEDIUM": true, "LOW": true, "ALL": true, "COMPLEMENTOFALL": true, "COMPLEMENTOFDEFAULT": true,
	"EXPORT": true, "EXP": true, "NULL": true, "eNULL": true, "aNULL": true, "RSA": true, "kRSA": true, "aRSA": true,
	"ECDHE": true, "EECDH": true, "kECDHE": true, "kEECDH": true, "ECDH": true, "aECDSA": true, "ECDSA": true,
	"DH": true, "DHE": true, "EDH": true, "kDHE": true, "PSK": true, "SRP": true, "AES": true, "AES128": true,
	"AES256": true, "AESGCM": true, "AESCCM": true, "CHACHA20": true, "3DES": true, "DES": true, "RC4": true,
	"MD5": true, "SHA": true, "SHA1": true, "SHA256": true, "SHA384": true, "TLSv1": true, "TLSv1.0": true,
	"TLSv1.2": true, "SSLv3": true, "FIPS": true, "SUITEB128": true, "SUITEB192": true, "CAMELLIA": true, "SEED": true,
}

// securityLevel is what stands before the level of OpenSSL that a cipher_list may have at its end.
const securityLevel = "@SECLEVEL="

// parseSuites reads a cipher_list. Nil means the default of crypto/tls. Levels of OpenSSL up to 2, which only let more in than there is here,
// have no effect.
func parseSuites(p *conf.Pair) ([]uint16, conf.Errors) {
	if p == nil {
		return nil, nil
	}
	value, level, leveled := strings.Cut(p.Value, securityLevel)
	value = strings.TrimRight(value, ": ")
	var ids []uint16
	var errs conf.Errors
	grouped := false // an operator or a group was found: what there is instead is said once
	if leveled && !slices.Contains([]string{"0", "1", "2"}, level) {
		errs = append(errs, p.Errorf("%s: %s%s is not possible, only 0, 1 and 2 (without effect)", p.Name, securityLevel, level))
	}
	if value == "DEFAULT" || leveled && value == "" {
		return nil, errs
	}
	if !leveled {
		value = p.Value
	}
	fail := func(format string, args ...any) {
		errs = append(errs, p.Errorf("%s: %s", p.Name, fmt.Sprintf(format, args...)))
	}
	add := func(id uint16) {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for _, name := range strings.Split(value, ":") {
		name = strings.TrimSpace(name)
		id, known := suiteByName(name)
		weak, isWeak := weakSuite(name)
		switch {
		case known:
			add(id)
		case name == "DEFAULT":
			for _, s := range suiteNames {
				add(s.id)
			}
		case name == "":
			fail("an empty name")
		case isWeak:
			fail("%s is weak: %s", name, weak)
		case isSuite13(name):
			fail("%s is of TLS 1.3, whose suites are always on; name those of TLS 1.2: %s", name, suiteList())
		case strings.ContainsAny(name[:1], "!+-@") || strings.Contains(name, "+") || opensslWords[name] || strings.ContainsAny(name, ", "):
			what := "is an operator or a group, which OpenSSL reads anew in each version"
			if !grouped {
				what += "; name the suites, with `:` between: " + suiteList()
			}
			grouped = true
			fail("`%s` %s", name, what)
		default:
			e := p.Errorf("%s: no suite `%s`; there are %s", p.Name, name, suiteList())
			e.Hint = conf.DidYouMean(name, suiteHints())
			errs = append(errs, e)
		}
	}
	return ids, errs
}

func suiteByName(name string) (uint16, bool) {
	for _, s := range suiteNames {
		if s.openssl == name || tls.CipherSuiteName(s.id) == name {
			return s.id, true
		}
	}
	return 0, false
}

// weakSuite tells why a suite of crypto/tls is not to be used.
func weakSuite(name string) (why string, weak bool) {
	if why, weak = weakNames[name]; weak {
		return why, true
	}
	for _, s := range tls.InsecureCipherSuites() {
		if s.Name == name {
			return "crypto/tls counts it among the insecure ones", true
		}
	}
	return "", false
}

func isSuite13(name string) bool {
	return slices.ContainsFunc(tls.CipherSuites(), func(s *tls.CipherSuite) bool {
		return s.Name == name && slices.Equal(s.SupportedVersions, []uint16{tls.VersionTLS13})
	})
}

func suiteHints() []string {
	names := []string{"DEFAULT"}
	for _, s := range suiteNames {
		names = append(names, s.openssl, tls.CipherSuiteName(s.id))
	}
	return names
}

// suiteList lists OpenSSL's names.
func suiteList() string {
	names := make([]string, len(suiteNames))
	for i, s := range suiteNames {
		names[i] = s.openssl
	}
	return strings.Join(names, ", ")
}

// suitesText is ids as debug output shows them.
func suitesText(ids []uint16) string {
	if ids == nil {
		return "DEFAULT"
	}
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = tls.CipherSuiteName(id)
	}
	return strings.Join(names, ":")
}

// forEngine keeps those of ids that the DTLS engine has; nil stays nil.
func forEngine(ids []uint16) []uint16 {
	if ids == nil {
		return nil
	}
	kept := []uint16{}
	for _, id := range ids {
		if slices.Contains(dtls.CipherSuites(), id) {
			kept = append(kept, id)
		}
	}
	return kept
}

// suiteFits tells whether one of ids can be used with a server's key. Nil ids have a suite for each.
func suiteFits(ids []uint16, pub any) bool {
	if ids == nil {
		return true
	}
	return slices.ContainsFunc(ids, func(id uint16) bool {
		ecdsaSuite := strings.Contains(tls.CipherSuiteName(id), "_ECDSA_")
		switch pub.(type) {
		case *ecdsa.PublicKey, ed25519.PublicKey:
			return ecdsaSuite
		case *rsa.PublicKey:
			return !ecdsaSuite
		}
		return false
	})
}

// curveNames are the key exchanges by the names of OpenSSL, NIST and IANA, the first being the one that is shown.
var curveNames = []struct {
	names []string
	id    tls.CurveID
}{
	{[]string{"X25519MLKEM768"}, tls.X25519MLKEM768},
	{[]string{"SecP256r1MLKEM768"}, tls.SecP256r1MLKEM768},
	{[]string{"SecP384r1MLKEM1024"}, tls.SecP384r1MLKEM1024},
	{[]string{"X25519"}, tls.X25519},
	{[]string{"prime256v1", "secp256r1", "P-256"}, tls.CurveP256},
	{[]string{"secp384r1", "P-384"}, tls.CurveP384},
	{[]string{"secp521r1", "P-521"}, tls.CurveP521},
}

// parseCurves reads `curves` or `ecdh_curve`. Nil means the default of crypto/tls, with post-quantum exchanges.
func parseCurves(p *conf.Pair) ([]tls.CurveID, conf.Errors) {
	if p == nil || p.Value == "" || strings.EqualFold(p.Value, "auto") {
		return nil, nil
	}
	var ids []tls.CurveID
	var errs conf.Errors
	for _, name := range strings.Split(p.Value, ":") {
		id, known := curveByName(strings.TrimSpace(name))
		if !known {
			var all []string
			for _, c := range curveNames {
				all = append(all, c.names[0])
			}
			errs = append(errs, p.Errorf("%s: no curve `%s`; there are %s", p.Name, name, strings.Join(all, ", ")))
			continue
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, errs
}

func curveByName(name string) (tls.CurveID, bool) {
	for _, c := range curveNames {
		for _, n := range c.names {
			if strings.EqualFold(n, name) {
				return c.id, true
			}
		}
	}
	return 0, false
}

func curvesText(ids []tls.CurveID) string {
	if ids == nil {
		return "default"
	}
	var names []string
	for _, id := range ids {
		for _, c := range curveNames {
			if c.id == id {
				names = append(names, c.names[0])
			}
		}
	}
	return strings.Join(names, ":")
}

// curvesForEngine keeps those that the DTLS engine has; nil stays nil.
func curvesForEngine(ids []tls.CurveID) []tls.CurveID {
	if ids == nil {
		return nil
	}
	kept := []tls.CurveID{}
	for _, id := range ids {
		if id == tls.X25519 || id == tls.CurveP256 {
			kept = append(kept, id)
		}
	}
	return kept
}

// version is a tls_min_version or tls_max_version.
type version struct {
	id uint16
	at *conf.Pair
}

// DecodeConf takes "1.2" and "1.3", and refuses the older ones by name.
func (v *version) DecodeConf(p *conf.Pair) error {
	v.at = p
	switch p.Value {
	case "1.2":
		v.id = tls.VersionTLS12
	case "1.3":
		v.id = tls.VersionTLS13
	case "1.0", "1.1":
		return p.Errorf("%s: TLS %s is broken and is not offered (RFC 8996); write 1.2 or 1.3", p.Name, p.Value)
	default:
		return p.Errorf("%s: `%s` is not a version; write 1.2 or 1.3", p.Name, p.Value)
	}
	return nil
}
