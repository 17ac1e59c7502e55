package tls

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"

	"github.com/frio-io/frio/conf"
)

// pairOf is a pair with a value as it stands in quotes, at x:1:7.
func pairOf(t *testing.T, value string) *conf.Pair {
	t.Helper()
	root, err := conf.ParseString("x", "key = '"+value+"'\n", conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return root.Pairs("key")[0]
}

func TestParseSuites(t *testing.T) {
	const ec, rsa = tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
	for value, want := range map[string][]uint16{
		"DEFAULT":             nil,
		"DEFAULT@SECLEVEL=1":  nil,
		"DEFAULT:@SECLEVEL=0": nil,
		"@SECLEVEL=2":         nil,
		"ECDHE-ECDSA-AES128-GCM-SHA256:@SECLEVEL=0":                           {ec},
		"ECDHE-ECDSA-AES128-GCM-SHA256":                                       {ec},
		"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:ECDHE-RSA-CHACHA20-POLY1305": {ec, rsa},
		"ECDHE-RSA-CHACHA20-POLY1305 : ECDHE-RSA-CHACHA20-POLY1305":           {rsa},
	} {
		ids, errs := parseSuites(pairOf(t, value))
		if len(errs) > 0 || !slices.Equal(ids, want) {
			t.Errorf("%s: %v %v, want %v", value, ids, errs, want)
		}
	}
	ids, errs := parseSuites(pairOf(t, "DEFAULT:ECDHE-RSA-AES128-SHA"))
	if len(errs) > 0 || len(ids) != len(suiteNames) {
		t.Error(ids, errs)
	}
	for value, want := range map[string]string{
		"HIGH":                           "`HIGH` is an operator or a group",
		"!aNULL":                         "`!aNULL` is an operator or a group",
		"+AES":                           "`+AES` is an operator",
		"-RC4":                           "`-RC4` is an operator",
		"@STRENGTH":                      "`@STRENGTH` is an operator",
		"kECDHE+AESGCM":                  "`kECDHE+AESGCM` is an operator",
		"ECDHE-RSA-AES128-SHA,HIGH":      "`ECDHE-RSA-AES128-SHA,HIGH` is an operator",
		"AES128-SHA":                     "AES128-SHA is weak: RSA key exchange",
		"DES-CBC3-SHA":                   "DES-CBC3-SHA is weak: triple DES",
		"TLS_RSA_WITH_RC4_128_SHA":       "TLS_RSA_WITH_RC4_128_SHA is weak",
		"TLS_AES_128_GCM_SHA256":         "TLS_AES_128_GCM_SHA256 is of TLS 1.3, whose suites are always on",
		"ECDHE-RSA-AES128-GCM-SHA257":    "no suite `ECDHE-RSA-AES128-GCM-SHA257`",
		"DEFAULT@SECLEVEL=3":             "@SECLEVEL=3 is not possible",
		"DEFAULT@SECLEVEL=1:!MD5":        "@SECLEVEL=1:!MD5 is not possible",
		"":                               "an empty name",
		"ECDHE-ECDSA-AES128-GCM-SHA256:": "an empty name",
	} {
		_, errs := parseSuites(pairOf(t, value))
		if len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), "x:1:7: key: "+want) {
			t.Errorf("%q: %v, want %s", value, errs, want)
		}
	}
	_, errs = parseSuites(pairOf(t, "HIGH:ECDHE-RSA-AES128-GCM-SHA256:!MD5"))
	const names = "ECDHE-RSA-AES256-GCM-SHA384, ECDHE-RSA-CHACHA20-POLY1305"
	if len(errs) != 2 || !strings.Contains(errs[0].Msg, names) || strings.Contains(errs[1].Msg, names) {
		t.Error(errs)
	}
	_, errs = parseSuites(pairOf(t, "ECDHE-RSA-AES128-GCM-SHA25"))
	if len(errs) != 1 || !strings.Contains(errs[0].Hint, "ECDHE-RSA-AES128-GCM-SHA256") {
		t.Error(errs)
	}
}

// TestSuiteNames holds the table against crypto/tls: no suite of TLS 1.2 that it counts as secure is left out.
func TestSuiteNames(t *testing.T) {
	for _, s := range tls.CipherSuites() {
		known := slices.ContainsFunc(suiteNames, func(n struct {
			openssl string
			id      uint16
		}) bool {
			return n.id == s.ID
		})
		if slices.Contains(s.SupportedVersions, tls.VersionTLS12) != known {
			t.Errorf("%s: in the table: %v", s.Name, known)
		}
	}
	for _, s := range tls.InsecureCipherSuites() {
		if _, known := suiteByName(s.Name); known {
			t.Errorf("%s is insecure", s.Name)
		}
	}
}

func TestParseCurves(t *testing.T) {
	for value, want := range map[string][]tls.CurveID{
		"":                      nil,
		"auto":                  nil,
		"prime256v1":            {tls.CurveP256},
		"P-256:secp256r1":       {tls.CurveP256},
		"X25519MLKEM768:X25519": {tls.X25519MLKEM768, tls.X25519},
		"secp521r1:secp384r1":   {tls.CurveP521, tls.CurveP384},
	} {
		ids, errs := parseCurves(pairOf(t, value))
		if len(errs) > 0 || !slices.Equal(ids, want) {
			t.Errorf("%s: %v %v, want %v", value, ids, errs, want)
		}
	}
	_, errs := parseCurves(pairOf(t, "secp256k1:X448"))
	if len(errs) != 2 || !strings.HasPrefix(errs[0].Error(), "x:1:7: key: no curve `secp256k1`; there are X25519MLKEM768, ") {
		t.Error(errs)
	}
}
