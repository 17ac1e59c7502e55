package tls

import (
	"crypto/tls"
	"crypto/x509"
	"strconv"
	"strings"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/tls/cert"
)

// keys are those of `tls { }`, by FreeRADIUS's names where it has them.
type keys struct {
	chainKeys
	Chains   []*conf.Section `conf:"chain"`
	RealmDir *filePath       `conf:"realm_dir"`

	CAFile            []filePath `conf:"ca_file"`
	CAPath            []filePath `conf:"ca_path"`
	RequireClientCert *require   `conf:"require_client_cert"`
	VerifyDepth       *depth     `conf:"verify_depth"`

	CheckCertName []*conf.Pair `conf:"check_cert_name"`
	CheckCertCN   []*conf.Pair `conf:"check_cert_cn"`
	Hostname      *conf.Pair   `conf:"hostname"`

	CheckCRL        *yesNo     `conf:"check_crl"`
	CheckAllCRL     *yesNo     `conf:"check_all_crl"`
	AllowExpiredCRL *yesNo     `conf:"allow_expired_crl"`
	CRLFile         []filePath `conf:"crl_file"`

	MinVersion *version     `conf:"tls_min_version"`
	MaxVersion *version     `conf:"tls_max_version"`
	CipherList *conf.Pair   `conf:"cipher_list"`
	Curves     *conf.Pair   `conf:"curves"`
	ECDHCurve  *conf.Pair   `conf:"ecdh_curve"`
	ALPN       []*conf.Pair `conf:"alpn"`

	Cache          *conf.Section `conf:"cache"`
	KeylogFile     *filePath     `conf:"keylog_file"`
	ReloadInterval time.Duration `conf:"ca_path_reload_interval,never,zero,max=7d"`
}

// depth is a verify_depth: how many intermediate CAs a chain may have.
type depth struct {
	most int // -1: any
	at   *conf.Pair
}

const maxDepth = 16

// DecodeConf takes a number; 0 is unlimited, as in FreeRADIUS.
func (d *depth) DecodeConf(p *conf.Pair) error {
	n, err := strconv.ParseUint(p.Value, 10, 8)
	switch {
	case p.Value == "unlimited" || err == nil && n == 0:
		*d = depth{-1, p}
	case err != nil:
		return p.Errorf("%s: `%s` is not a number", p.Name, p.Value)
	case n > maxDepth:
		return p.Errorf("%s: %d is above %d", p.Name, n, maxDepth)
	default:
		*d = depth{int(n), p}
	}
	return nil
}

// chainKeys name a certificate and its key, at the top of `tls { }` or in a `chain { }`.
type chainKeys struct {
	CertificateFile    *filePath  `conf:"certificate_file"`
	PrivateKeyFile     *filePath  `conf:"private_key_file"`
	PrivateKeyPassword *secretKey `conf:"private_key_password"`
}

// filePath is a key whose value is the path of a file or directory.
type filePath struct {
	path string
	at   *conf.Pair
}

// DecodeConf takes a path, relative to the directory of the file that the line stands in.
func (f *filePath) DecodeConf(p *conf.Pair) error {
	if p.Value == "" {
		return p.Errorf("%s: is empty", p.Name)
	}
	*f = filePath{p.Path(p.Value), p}
	return nil
}

// secretKey is a key whose value is a secret.
type secretKey struct {
	conf.Secret
	at *conf.Pair
}

// DecodeConf takes any text.
func (s *secretKey) DecodeConf(p *conf.Pair) error {
	*s = secretKey{conf.NewSecret(p.Value), p}
	return nil
}

// yesNo is a bool with its position.
type yesNo struct {
	yes bool
	at  *conf.Pair
}

// DecodeConf takes yes and no.
func (y *yesNo) DecodeConf(p *conf.Pair) error {
	yes, ok := boolOf(p.Value)
	if !ok {
		return p.Errorf("%s: `%s` is neither yes nor no", p.Name, p.Value)
	}
	*y = yesNo{yes, p}
	return nil
}

func (y *yesNo) is() bool { return y != nil && y.yes }

func boolOf(text string) (yes, ok bool) {
	switch strings.ToLower(text) {
	case "yes", "true", "on":
		return true, true
	case "no", "false", "off":
		return false, true
	}
	return false, false
}

// require is a require_client_cert.
type require struct {
	auth tls.ClientAuthType
	at   *conf.Pair
}

// DecodeConf takes yes, no and request.
func (r *require) DecodeConf(p *conf.Pair) error {
	yes, ok := boolOf(p.Value)
	switch {
	case strings.EqualFold(p.Value, "request"):
		r.auth = tls.VerifyClientCertIfGiven
	case !ok:
		return p.Errorf("%s: `%s` is neither yes, no nor request", p.Name, p.Value)
	case yes:
		r.auth = tls.RequireAndVerifyClientCert
	}
	r.at = p
	return nil
}

type cacheKeys struct {
	Enable   bool       `conf:"enable"`
	Lifetime *conf.Pair `conf:"lifetime"`
}

// plan is what the section says, checked, before the files are read.
type plan struct {
	role     frio.Role
	kind     frio.Kind
	section  *conf.Section
	notes    conf.Errors
	broken   bool // it has mistakes: the files are read for theirs only
	chains   []chain
	realmDir *filePath
	realmPwd *secretKey

	caFiles, caPaths, crlFiles []filePath
	clientAuth                 tls.ClientAuthType
	depth                      int // -1: any
	checkCRL                   *conf.Pair
	checkAllCRL                bool
	allowExpired               bool

	serverName string
	ownNames   bool // names are checked by verifier alone
	names      []certName
	cns        []string
	match      *cert.Match // certificate { }; nil without

	minVersion, maxVersion uint16
	suitesAt               *conf.Pair
	suites, datagramSuites []uint16
	curves, datagramCurves []tls.CurveID
	alpn                   []string

	cache          bool
	cacheLifetime  time.Duration
	keylogFile     string
	reloadInterval time.Duration
}

// chain is a certificate to show, and where its mistakes stand.
type chain struct {
	chainKeys
	section *conf.Section
}

// usage is what a peer's certificate has to be good for.
func (p *plan) usage() x509.ExtKeyUsage {
	if p.role == frio.Server {
		return x509.ExtKeyUsageClientAuth
	}
	return x509.ExtKeyUsageServerAuth
}

func (p *plan) verifier(files *loaded, now func() time.Time) *verifier {
	v := &verifier{
		roots:    files.roots,
		usage:    p.usage(),
		required: p.role == frio.Client || p.clientAuth == tls.RequireAndVerifyClientCert,
		names:    p.names,
		cns:      p.cns,
		match:    p.match,
		depth:    p.depth,
		parents:  parentsOf(files.cas),
		now:      now,
	}
	if p.checkCRL != nil {
		v.crls = &crlSet{byIssuer: map[string][]*crl{}, all: p.checkAllCRL, allowExpired: p.allowExpired}
		for _, c := range files.crls {
			key := string(c.list.RawIssuer)
			v.crls.byIssuer[key] = append(v.crls.byIssuer[key], c)
		}
	}
	return v
}
