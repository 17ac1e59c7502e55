package dtls

import (
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"
)

func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// clientStart makes the first hello.
func (e *Engine) clientStart(now time.Time) error {
	h, c := e.hs, e.cfg
	hello := &clientHello{
		version: version12,
		suites:  c.suiteIDs(),
		schemes: signatureSchemes,
		protos:  c.NextProtos,
	}
	if _, err := io.ReadFull(c.rand(), hello.random[:]); err != nil {
		return fmt.Errorf("dtls: random: %w", err)
	}
	e.clientRandom = hello.random
	for _, id := range c.curves() {
		hello.groups = append(hello.groups, uint16(id))
	}
	// RFC 6066, Section 3: no addresses, no trailing dot.
	if _, err := netip.ParseAddr(c.ServerName); err != nil {
		hello.serverName = trimDot(c.ServerName)
	}
	e.serverName = hello.serverName
	if c.Sessions != nil {
		hello.hasTicket = true
		if err := e.offerSession(now, hello); err != nil {
			return err
		}
	}
	h.hello = hello
	h.expect = wantServerHello
	return e.sendHello()
}

func trimDot(name string) string {
	if n := len(name); n > 0 && name[n-1] == '.' {
		return name[:n-1]
	}
	return name
}

// offerSession puts a ticket into the hello if there is one that is good still.
func (e *Engine) offerSession(now time.Time, hello *clientHello) error {
	s := e.cfg.Sessions.get(e.cfg.ServerName, now)
	if s == nil {
		return nil
	}
	offered, err := e.offer(now, hello, s)
	if !offered {
		s.wipe()
	}
	return err
}

func (e *Engine) offer(now time.Time, hello *clientHello, s *Session) (offered bool, err error) {
	c := e.cfg
	if !c.hasSuite(s.suite) {
		return false, nil
	}
	certs, err := parseChain(s.peer)
	if err != nil || len(certs) == 0 {
		return false, nil
	}
	chains, err := c.verifyChain(false, now, certs)
	if err != nil {
		return false, nil // a full handshake will say why
	}
	hello.ticket = s.ticket
	hello.sessionID = make([]byte, 32)
	// RFC 5077, Section 3.4: the server's echo of the id tells that it took the ticket.
	if _, err := io.ReadFull(c.rand(), hello.sessionID); err != nil {
		return false, fmt.Errorf("dtls: session id: %w", err)
	}
	// A server without state takes no fragmented hello (RFC 6347, Section 4.2.1); leave room for a cookie.
	if recordHeader+messageHeader+len(hello.bytes())+64 > int(e.mtu) {
		hello.ticket, hello.sessionID = nil, nil
		return false, nil
	}
	e.hs.session, e.hs.certs, e.hs.chains = s, certs, chains
	return true, nil
}

func (e *Engine) sendHello() error {
	h := e.hs
	h.transcript = nil // RFC 6347, Section 4.2.1: a hello that was answered by a cookie does not count
	return e.send(h.appendOut(nil, typeClientHello, h.hello.bytes(), nil))
}

func (e *Engine) clientMessage(now time.Time, m message) error {
	h := e.hs
	if m.typ == typeHelloVerifyRequest && h.expect == wantServerHello {
		cookie, err := parseHelloVerify(m.body)
		if err != nil {
			return err
		}
		if h.cookies++; h.cookies > maxHelloVerify {
			return alertf(alertUnexpectedMessage, "hello_verify_request: more than %d", maxHelloVerify)
		}
		h.hello.cookie = cookie
		return e.sendHello()
	}
	// The Finished is checked against the transcript before it.
	if m.typ != typeFinished {
		h.transcript = append(h.transcript, m)
	}
	switch {
	case h.expect == wantServerHello && m.typ == typeServerHello:
		return e.clientServerHello(now, m)
	case h.expect == wantServerCertificate && m.typ == typeCertificate:
		h.expect = wantServerKeyExchange
		return e.clientCertificate(now, m)
	case h.expect == wantServerKeyExchange && m.typ == typeServerKeyExchange:
		h.expect = wantRequestOrDone
		return e.clientKeyExchange(m)
	case h.expect == wantRequestOrDone && m.typ == typeCertificateRequest:
		var err error
		h.requested = true
		h.expect = wantDone
		h.request, err = parseCertificateRequest(m.body)
		return err
	case (h.expect == wantRequestOrDone || h.expect == wantDone) && m.typ == typeServerHelloDone:
		return e.ask(now, e.clientFlight)
	case h.expect == wantTicket && m.typ == typeNewSessionTicket:
		h.expect = wantFinished
		return e.clientTicket(now, m)
	case h.expect == wantFinished && m.typ == typeFinished:
		return e.clientFinished(now, m)
	}
	return unexpected(m.typ)
}

func (e *Engine) clientServerHello(now time.Time, m message) error {
	h := e.hs
	sh, err := parseServerHello(m.body)
	if err != nil {
		return err
	}
	h.serverRandom = sh.random
	e.suite = suiteByID(sh.suite)
	switch {
	case sh.version != version12:
		return alertf(alertProtocolVersion, "server_hello: version %#04x is not DTLS 1.2 (RFC 6347, Section 4.2.1)", sh.version)
	case e.suite == nil || !e.cfg.hasSuite(sh.suite):
		e.suite = nil
		return illegal("server_hello: cipher_suite %#04x was not offered (RFC 5246, Section 7.4.1.3)", sh.suite)
	case sh.compression != 0:
		return illegal("server_hello: compression_method %d was not offered (RFC 5246, Section 7.4.1.3)", sh.compression)
	case !sh.ems:
		return alertf(alertHandshakeFailure, "server_hello: no extended_master_secret (RFC 7627, Section 5.2)")
	case !sh.renegotiation:
		return alertf(alertHandshakeFailure, "server_hello: no renegotiation_info (RFC 5746, Section 4.1)")
	case sh.nameAck && h.hello.serverName == "", sh.ticket && !h.hello.hasTicket:
		return alertf(alertUnsupportedExtension, "server_hello: an extension was not offered (RFC 5246, Section 7.4.1.4)")
	case sh.proto != "" && !slices.Contains(h.hello.protos, sh.proto):
		return illegal("server_hello: ALPN protocol %q was not offered (RFC 7301, Section 3.1)", sh.proto)
	}
	e.proto = sh.proto
	h.ticketDue = sh.ticket
	s := h.session
	if s == nil || len(sh.sessionID) == 0 || !equal(sh.sessionID, h.hello.sessionID) {
		if s != nil {
			s.wipe()
		}
		h.session, h.certs, h.chains = nil, nil, nil
		h.expect = wantServerCertificate
		return nil
	}
	if s.suite != sh.suite {
		return illegal("server_hello: cipher_suite %#04x is not that of the session (RFC 5246, Section 7.4.1.3)", sh.suite)
	}
	e.resumed = true
	e.peer = slices.Clone(s.peer)
	h.master = s.master
	h.expect = wantFinished
	if h.ticketDue {
		h.expect = wantTicket
	}
	return e.startKeys(now)
}

// startKeys makes the keys and takes the records that came before them.
func (e *Engine) startKeys(now time.Time) error {
	if err := e.makeKeys(); err != nil {
		return err
	}
	early := e.hs.early
	e.hs.early, e.hs.earlyBytes = nil, 0
	return e.takeEarly(now, early)
}

func (e *Engine) clientCertificate(now time.Time, m message) error {
	if err := e.takeChain(now, m.body); err != nil {
		return err
	}
	leaf := e.hs.certs[0] // takeChain has refused an empty chain
	if !e.suite.fits(kindOf(leaf.PublicKey)) {
		return alertf(alertUnsupportedCert, "certificate: key of type %v is not for %s (RFC 5246, Section 7.4.2)",
			leaf.PublicKeyAlgorithm, tls.CipherSuiteName(e.suite.id))
	}
	return nil
}

func (e *Engine) clientKeyExchange(m message) error {
	h := e.hs
	k, err := parseKeyExchange(m.body)
	if err != nil {
		return err
	}
	curve := curveOf(tls.CurveID(k.curve))
	if curve == nil || !slices.Contains(h.hello.groups, k.curve) {
		return illegal("server_key_exchange: curve %d was not offered (RFC 8422, Section 5.4)", k.curve)
	}
	if !slices.Contains(signatureSchemes, k.scheme) {
		return illegal("server_key_exchange: scheme %#04x was not offered (RFC 5246, Section 7.4.3)", k.scheme)
	}
	if err := checkSignature(h.certs[0], k.scheme, e.signedParams(k.params), k.sig); err != nil {
		return err
	}
	peer, err := curve.NewPublicKey(k.point)
	if err != nil {
		return keyError(err)
	}
	if h.key, err = curve.GenerateKey(rand.Reader); err != nil {
		return alertf(alertInternalError, "%w", err)
	}
	shared, err := h.key.ECDH(peer)
	if err != nil {
		return keyError(err)
	}
	// The master secret needs the transcript up to our ClientKeyExchange: kept until then.
	h.preMaster = shared
	return nil
}

// signedParams is what the signature of a ServerKeyExchange covers.
func (e *Engine) signedParams(params []byte) []byte {
	b := append(make([]byte, 0, 64+len(params)), e.clientRandom[:]...)
	b = append(b, e.hs.serverRandom[:]...)
	return append(b, params...)
}

// clientFlight answers the server's hello: Certificate, ClientKeyExchange, CertificateVerify, Finished.
func (e *Engine) clientFlight(now time.Time) error {
	if err := e.askConnection(); err != nil {
		return err
	}
	h := e.hs
	var out []message
	var cert *tls.Certificate
	if h.requested {
		cert = e.clientChain()
		chain := [][]byte(nil)
		if cert != nil {
			chain = cert.Certificate
		}
		out = h.appendOut(out, typeCertificate, nil, func() []byte { return certificateBody(chain) })
	}
	out = h.appendOut(out, typeClientKeyExchange, appendVec(nil, 1, h.key.PublicKey().Bytes()), nil)
	h.masterSecret(e.suite, h.preMaster)
	h.key, h.preMaster = nil, nil
	if cert != nil {
		key, err := signerOf(cert)
		if err != nil {
			return alertf(alertInternalError, "client certificate: %w", err)
		}
		scheme, ok := pickScheme(key.Public(), h.request.schemes)
		if !ok {
			return alertf(alertHandshakeFailure, "certificate_request: no scheme for our key (RFC 5246, Section 7.4.4)")
		}
		sig, err := sign(rand.Reader, key, scheme, h.transcript.bytes())
		if err != nil {
			return alertf(alertInternalError, "client certificate: %w", err)
		}
		out = h.appendOut(out, typeCertificateVerify, appendSignature(nil, scheme, sig), nil)
	}
	if err := e.startKeys(now); err != nil {
		return err
	}
	h.expect = wantFinished
	if h.ticketDue {
		h.expect = wantTicket
	}
	return e.send(e.finishing(out))
}

// clientChain chooses a certificate for the server's request; nil for none.
func (e *Engine) clientChain() *tls.Certificate {
	info := &tls.CertificateRequestInfo{AcceptableCAs: e.hs.request.names, Version: tls.VersionTLS12}
	for _, s := range e.hs.request.schemes {
		info.SignatureSchemes = append(info.SignatureSchemes, tls.SignatureScheme(s))
	}
	for i := range e.cfg.Certificates {
		if cert := &e.cfg.Certificates[i]; info.SupportsCertificate(cert) == nil {
			return cert
		}
	}
	return nil
}

func (e *Engine) clientTicket(now time.Time, m message) error {
	h := e.hs
	lifetime, ticket, err := parseTicket(m.body)
	if err != nil {
		return err
	}
	if len(ticket) == 0 || e.cfg.Sessions == nil {
		return nil // RFC 5077, Section 3.3: the server thought better of it
	}
	life := min(time.Duration(lifetime)*time.Second, ticketLifetime)
	if life == 0 {
		life = ticketLifetime
	}
	h.newTicket = &Session{ticket: ticket, suite: e.suite.id, master: h.master, peer: e.peer, until: now.Add(life)}
	return nil
}

func (e *Engine) clientFinished(now time.Time, m message) error {
	if err := e.checkFinished(m, false); err != nil {
		return err
	}
	h := e.hs
	h.transcript = append(h.transcript, m)
	if e.resumed {
		return e.ask(now, e.clientResumed)
	}
	e.keepSession()
	return e.finish(now, nil)
}

// clientResumed ends an abbreviated handshake: the client's flight is the last.
func (e *Engine) clientResumed(now time.Time) error {
	if err := e.askConnection(); err != nil {
		return err
	}
	last := e.finishing(nil)
	if err := e.send(last); err != nil {
		return err
	}
	e.keepSession()
	return e.finish(now, last)
}

func (e *Engine) keepSession() {
	if s := e.hs.newTicket; s != nil {
		s.peer = e.hs.provenPeer(e.peer)
		for i := range s.peer {
			s.peer[i] = slices.Clone(s.peer[i])
		}
		e.cfg.Sessions.put(e.cfg.ServerName, s)
		e.hs.newTicket = nil
	}
}
