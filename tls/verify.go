package tls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/frio-io/frio/tls/cert"
)

// Reason is why a peer was refused. It is an error, so that errors.Is finds it in a *VerifyError.
type Reason uint8

// The reasons.
const (
	BadCertificate Reason = iota // anything without a name of its own
	UnknownCA
	Expired
	NotYetValid
	WrongName
	WrongUsage
	Revoked
	NoCRL
	ExpiredCRL
	NoCertificate
	TooDeep
	Mismatch // with certificate { }
)

var reasonNames = [...]string{"bad certificate", "unknown CA", "expired", "not yet valid", "wrong name", "wrong usage",
	"revoked", "no CRL", "expired CRL", "no certificate", "chain too deep", "mismatch"}

// alerts are what the other side is told where we choose it: in DTLS and TLS 1.2. RFC 5246, Section 7.2.2: certificate_expired is for
// one that is not yet valid as well; certificate_revoked for what a CRL says, not for a CRL that is missing; access_denied for a
// valid certificate that is not the one we want.
var alerts = [...]tls.AlertError{42, 48, 45, 45, 49, 43, 44, 46, 46, 40, 42, 49}

func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// Error returns the same as String.
func (r Reason) Error() string { return r.String() }

// VerifyError says whose certificate was refused and why: errors.Is(err, tls.Revoked).
type VerifyError struct {
	Reason  Reason
	Subject string // of the certificate at fault; "" with NoCertificate
	Serial  string // hexadecimal
	Detail  string // field, value and rule
	Err     error  // what crypto/x509 said, if it did
}

func (e *VerifyError) Error() string {
	var b strings.Builder
	if e.Serial != "" {
		fmt.Fprintf(&b, "certificate %q serial %s: ", e.Subject, e.Serial)
	}
	b.WriteString(e.Reason.String())
	if e.Detail != "" {
		fmt.Fprintf(&b, ": %s", e.Detail)
	}
	return printable(b.String())
}

// Unwrap returns the reason, the alert for it, and Err.
func (e *VerifyError) Unwrap() []error {
	list := []error{e.Reason}
	if int(e.Reason) < len(alerts) {
		list = append(list, alerts[e.Reason])
	}
	if e.Err != nil {
		list = append(list, e.Err)
	}
	return list
}

func refuse(reason Reason, cert *x509.Certificate, format string, args ...any) *VerifyError {
	e := &VerifyError{Reason: reason, Detail: fmt.Sprintf(format, args...)}
	if cert != nil {
		e.Subject, e.Serial = subjectOf(cert), serialText(cert.SerialNumber)
	}
	return e
}

// textMax bounds what a message repeats of a peer's certificate, in bytes.
const textMax = 256

func clip(s string) string {
	if len(s) > textMax {
		return strings.ToValidUTF8(s[:textMax], "") + "..."
	}
	return s
}

func subjectOf(cert *x509.Certificate) string { return clip(cert.Subject.String()) }

func serialText(n *big.Int) string {
	if n == nil {
		return "none"
	}
	return clip(n.Text(16))
}

// explain turns the error of a failed handshake into a *VerifyError if it is about the peer's certificate; any other it
// returns as it is. Thread: any.
func (s *settings) explain(err error) error {
	var own *VerifyError
	var chain *tls.CertificateVerificationError
	switch {
	case err == nil || errors.As(err, &own):
		return err
	case errors.As(err, &chain):
		var leaf *x509.Certificate
		if len(chain.UnverifiedCertificates) > 0 {
			leaf = chain.UnverifiedCertificates[0]
		}
		return explainX509(chain.Err, leaf, s.clock())
	case err.Error() == errNoClientCertificate:
		return refuseNone(err)
	}
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	if errors.As(err, &invalid) || errors.As(err, &unknown) || errors.As(err, &host) {
		return explainX509(err, nil, s.clock())
	}
	return err
}

// errNoClientCertificate is the one refusal that crypto/tls has neither type nor value for.
const errNoClientCertificate = "tls: client didn't provide a certificate"

func refuseNone(err error) error {
	e := refuse(NoCertificate, nil, "the peer sent none, and one is required (RFC 8446, Section 4.4.2.4)")
	e.Err = err
	return e
}

// explainX509 gives an error of crypto/x509 its reason. leaf is for those that do not say which certificate.
func explainX509(err error, leaf *x509.Certificate, now time.Time) *VerifyError {
	const path = "RFC 5280, Section 6.1.3"
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var e *VerifyError
	switch {
	case errors.As(err, &invalid):
		cert := invalid.Cert
		switch {
		case cert == nil:
			e = refuse(BadCertificate, leaf, "%s", clip(err.Error()))
		case invalid.Reason == x509.Expired && now.Before(cert.NotBefore):
			e = refuse(NotYetValid, cert, "notBefore is %s (%s)", stamp(cert.NotBefore), path)
		case invalid.Reason == x509.Expired:
			e = refuse(Expired, cert, "notAfter is %s (%s)", stamp(cert.NotAfter), path)
		case invalid.Reason == x509.IncompatibleUsage:
			e = refuse(WrongUsage, cert, "its extended key usage is not for this side of TLS (RFC 5280, Section 4.2.1.12)")
		case invalid.Reason == x509.TooManyIntermediates:
			e = refuse(TooDeep, cert, "more CAs under it than its pathLenConstraint allows (RFC 5280, Section 4.2.1.9)")
		default:
			e = refuse(BadCertificate, cert, "%s (%s)", clip(err.Error()), path)
		}
	case errors.As(err, &unknown):
		cert := unknown.Cert
		if cert == nil {
			cert = leaf
		}
		issuer := ""
		if cert != nil {
			issuer = clip(cert.Issuer.String())
		}
		e = refuse(UnknownCA, cert, "issuer %q is not trusted here (%s)", issuer, path)
	case errors.As(err, &host):
		e = refuse(WrongName, host.Certificate, "%q is not among its names: %s (RFC 9525, Section 6)", host.Host, namesOf(host.Certificate))
	default:
		e = refuse(BadCertificate, leaf, "%s", clip(err.Error()))
	}
	e.Err = err
	return e
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// verifier judges the certificates of peers. It never changes. Thread: any.
type verifier struct {
	roots    *x509.CertPool // nil: those of the system
	usage    x509.ExtKeyUsage
	required bool // the peer has to have a certificate
	names    []certName
	cns      []string
	match    *cert.Match // nil: anything
	depth    int         // intermediate CAs at most, -1: any
	crls     *crlSet
	parents  map[string]*x509.Certificate // who signed a trusted CA that is not self-signed, by its bytes
	now      func() time.Time
}

// check judges certs, leaf first. Chains are those that were found for them just now; nil: it finds them itself. One
// chain that passes is enough.
func (v *verifier) check(certs []*x509.Certificate, chains [][]*x509.Certificate) error {
	if len(certs) == 0 {
		if v.required {
			return refuseNone(nil)
		}
		return nil
	}
	now := v.now()
	if len(chains) == 0 {
		var err error
		if chains, err = v.chains(certs, now); err != nil {
			return explainX509(err, certs[0], now)
		}
	}
	if err := v.checkNames(certs[0]); err != nil {
		return err
	}
	if v.match != nil {
		if key := v.match.Misses(certs[0]); key != "" {
			return refuse(Mismatch, certs[0], "its %s is not what certificate { } says", key)
		}
	}
	if v.crls == nil && v.depth < 0 {
		return nil
	}
	var first error
	for _, chain := range chains {
		err := v.checkChain(v.extend(chain), now)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func (v *verifier) chains(certs []*x509.Certificate, now time.Time) ([][]*x509.Certificate, error) {
	opts := x509.VerifyOptions{Roots: v.roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{v.usage}}
	if len(certs) > 1 {
		opts.Intermediates = x509.NewCertPool()
		for _, c := range certs[1:] {
			opts.Intermediates.AddCert(c)
		}
	}
	return certs[0].Verify(opts)
}

func (v *verifier) checkNames(leaf *x509.Certificate) error {
	if len(v.names) > 0 {
		found := false
		for _, n := range v.names {
			if found = n.matches(leaf); found {
				break
			}
		}
		if !found {
			return refuse(WrongName, leaf, "none of %s is among its names: %s (RFC 9525, Section 6)", listNames(v.names), namesOf(leaf))
		}
	}
	if len(v.cns) == 0 {
		return nil
	}
	for _, want := range v.cns {
		if matchCN(want, leaf.Subject.CommonName) {
			return nil
		}
	}
	return refuse(WrongName, leaf, "its common name is not %s (check_cert_cn)", strings.Join(v.cns, " or "))
}

func listNames(names []certName) string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = n.String()
	}
	return strings.Join(list, ", ")
}

func (v *verifier) checkChain(chain []*x509.Certificate, now time.Time) error {
	if between := len(chain) - 2; v.depth >= 0 && between > v.depth {
		return refuse(TooDeep, chain[0], "%d intermediate CAs, verify_depth is %d", between, v.depth)
	}
	if v.crls == nil {
		return nil
	}
	return v.crls.check(chain, now)
}

// extend goes on from a trusted CA that is not self-signed to those above it, if they are trusted as well. Otherwise
// an intermediate in ca_file would escape the CRL of its root.
func (v *verifier) extend(chain []*x509.Certificate) []*x509.Certificate {
	for range maxExtend {
		parent := v.parents[string(chain[len(chain)-1].Raw)]
		if parent == nil {
			break
		}
		chain = append(chain[:len(chain):len(chain)], parent)
	}
	return chain
}

// maxExtend ends circles of CAs that signed each other.
const maxExtend = 8

// parentsOf finds, among the trusted CAs, who signed those that did not sign themselves.
func parentsOf(cas []*x509.Certificate) map[string]*x509.Certificate {
	bySubject := map[string][]*x509.Certificate{}
	for _, c := range cas {
		bySubject[string(c.RawSubject)] = append(bySubject[string(c.RawSubject)], c)
	}
	parents := map[string]*x509.Certificate{}
	for _, c := range cas {
		if string(c.RawSubject) == string(c.RawIssuer) {
			continue
		}
		for _, p := range bySubject[string(c.RawIssuer)] {
			if c.CheckSignatureFrom(p) == nil {
				parents[string(c.Raw)] = p
				break
			}
		}
	}
	return parents
}
