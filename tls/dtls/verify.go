package dtls

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"time"
)

// parseChain parses a peer's certificates and refuses keys that the engine cannot or does not want to use.
func parseChain(chain [][]byte) ([]*x509.Certificate, error) {
	certs := make([]*x509.Certificate, len(chain))
	for i, der := range chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, alertf(alertBadCertificate, "certificate %d: %w", i, err)
		}
		// Of each one: the key of an issuer is used before anything says that the issuer is trusted.
		if k, ok := c.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() > maxRSABits {
			return nil, alertf(alertBadCertificate, "certificate %d: RSA key of %d bits, above %d", i, k.N.BitLen(), maxRSABits)
		}
		certs[i] = c
	}
	if len(certs) == 0 {
		return nil, nil
	}
	if kindOf(certs[0].PublicKey) == keyNone {
		return nil, alertf(alertUnsupportedCert, "certificate: key of type %v", certs[0].PublicKeyAlgorithm)
	}
	return certs, nil
}

// verifyChain checks a peer's chain by c, as crypto/tls does.
func (c *Config) verifyChain(server bool, now time.Time, certs []*x509.Certificate) ([][]*x509.Certificate, error) {
	opts := x509.VerifyOptions{CurrentTime: now, Intermediates: x509.NewCertPool()}
	if server {
		if c.ClientAuth < tls.VerifyClientCertIfGiven || len(certs) == 0 {
			return nil, nil
		}
		opts.Roots = c.ClientCAs
		opts.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	} else {
		if c.InsecureSkipVerify {
			return nil, nil
		}
		opts.Roots = c.RootCAs
		opts.DNSName = c.ServerName
		opts.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	for _, ca := range certs[1:] {
		opts.Intermediates.AddCert(ca)
	}
	chains, err := certs[0].Verify(opts)
	if err != nil {
		return nil, verifyError(err)
	}
	return chains, nil
}

// takeChain reads a Certificate message into the handshake, and checks the chain.
func (e *Engine) takeChain(now time.Time, body []byte) error {
	chain, err := parseCertificateBody(body)
	if err != nil {
		return err
	}
	h := e.hs
	if h.certs, err = parseChain(chain); err != nil {
		return err
	}
	if len(chain) == 0 && !e.server {
		return alertf(alertBadCertificate, "certificate: none of the server (RFC 5246, Section 7.4.2)")
	}
	e.peer = chain
	h.chains, err = e.cfg.verifyChain(e.server, now, h.certs)
	return err
}

// provenPeer is what is kept of a peer's chain after the handshake: the chain that was verified, without its root, which
// is among the CAs. Other certificates may have been sent along with it. Without verification all are kept.
func (h *handshake) provenPeer(sent [][]byte) (peer [][]byte) {
	if len(h.chains) == 0 {
		return append(peer, sent...)
	}
	chain := h.chains[0]
	for _, c := range chain[:max(1, len(chain)-1)] {
		peer = append(peer, c.Raw)
	}
	return peer
}

// askConnection gives the application the last word.
func (e *Engine) askConnection() error {
	if e.cfg.VerifyConnection == nil {
		return nil
	}
	err := e.cfg.VerifyConnection(e.connectionState(e.hs.certs, e.hs.chains))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrPending):
		return ErrPending
	}
	return verifyError(err)
}

func (e *Engine) connectionState(certs []*x509.Certificate, chains [][]*x509.Certificate) tls.ConnectionState {
	s := tls.ConnectionState{
		Version:            version12,
		HandshakeComplete:  e.hs == nil && e.suite != nil,
		DidResume:          e.resumed,
		NegotiatedProtocol: e.proto,
		ServerName:         e.serverName,
		PeerCertificates:   certs,
		VerifiedChains:     chains,
	}
	if e.suite != nil {
		s.CipherSuite = e.suite.id
	}
	return s
}

// ConnectionState returns what was negotiated: Version is 0xfefd (DTLS 1.2), PeerCertificates are parsed anew by each
// call, because an idle association keeps their bytes only: of a chain that was verified, without the root, once the
// handshake is over. VerifiedChains is empty, and ExportKeyingMaterial must
// not be called.
func (e *Engine) ConnectionState() tls.ConnectionState {
	certs, err := parseChain(e.peer)
	if err != nil {
		certs = nil // these bytes were parsed before: never
	}
	return e.connectionState(certs, nil)
}

func requiresCertificate(a tls.ClientAuthType) bool {
	return a == tls.RequireAnyClientCert || a == tls.RequireAndVerifyClientCert
}
