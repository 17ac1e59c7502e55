package tls

import (
	"crypto/tls"
	"fmt"
	"strings"

	"github.com/frio-io/frio/tls/dtls"
)

// certificates are those that are chosen by what is in them, in the order of the section.
func (f *loaded) certificates() []tls.Certificate {
	var list []tls.Certificate
	for _, o := range f.own {
		if o.realm == "" {
			list = append(list, *o.cert)
		}
	}
	if list == nil && len(f.own) > 0 {
		list = append(list, *f.own[0].cert) // realm_dir alone: a client without a name gets the first
	}
	return list
}

// checkName refuses a hello whose server name is longer than any: crypto/tls takes up to 64 KiB and keeps it as long as the connection.
func checkName(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if n := len(hello.ServerName); n > dtls.MaxServerName {
		return nil, &HandshakeError{Cause: CauseName, Err: fmt.Errorf("client_hello: server_name of %d bytes, above %d (RFC 1035, Section 2.3.4)", n, dtls.MaxServerName)}
	}
	return nil, nil // go on as before
}

// byName chooses a server's certificate from realm_dir; nil leaves it to the others.
func (f *loaded) byName(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	cert := f.realms[name]
	if _, rest, ok := strings.Cut(name, "."); ok && cert == nil {
		cert = f.realms["*."+rest]
	}
	return cert, nil
}

// forRequest chooses a client's certificate: one of a CA that the server names, else one that it can read at least. crypto/tls
// would send none in the second case, and the server could not say what is wrong with it.
func (f *loaded) forRequest(req *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	for i := range f.own {
		if req.SupportsCertificate(f.own[i].cert) == nil {
			return f.own[i].cert, nil
		}
	}
	any := *req
	any.AcceptableCAs = nil
	for i := range f.own {
		if any.SupportsCertificate(f.own[i].cert) == nil {
			return f.own[i].cert, nil
		}
	}
	return new(tls.Certificate), nil
}
