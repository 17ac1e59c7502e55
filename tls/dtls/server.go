package dtls

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

func (e *Engine) asksCertificate() bool { return e.cfg.ClientAuth != tls.NoClientCert }

func (e *Engine) serverMessage(now time.Time, m message) error {
	h := e.hs
	if m.typ != typeFinished && m.typ != typeCertificateVerify {
		h.transcript = append(h.transcript, m)
	}
	switch {
	case h.expect == wantClientHello && m.typ == typeClientHello:
		return e.serverHello(now, m)
	case h.expect == wantClientCertificate && m.typ == typeCertificate:
		h.expect = wantClientKeyExchange
		if err := e.takeClientChain(now, m); err != nil {
			return err
		}
		return nil
	case h.expect == wantClientKeyExchange && m.typ == typeClientKeyExchange:
		h.expect = wantFinished
		if len(h.certs) > 0 {
			h.expect = wantCertificateVerify
		}
		return e.serverKeyExchange(now, m)
	case h.expect == wantCertificateVerify && m.typ == typeCertificateVerify:
		h.expect = wantFinished
		return e.serverCertificateVerify(m)
	case h.expect == wantFinished && m.typ == typeFinished:
		return e.serverFinished(now, m)
	}
	return unexpected(m.typ)
}

func (e *Engine) serverHello(now time.Time, m message) error {
	h := e.hs
	hello, err := parseClientHello(m.body)
	if err != nil {
		h.expect = wantClientKeyExchange // a hello came: alerts may go out
		return err
	}
	h.hello = hello
	h.expect = wantClientKeyExchange
	e.clientRandom = hello.random
	if n := len(hello.serverName); n > MaxServerName {
		return alertf(alertUnrecognizedName, "client_hello: server_name of %d bytes, above %d (RFC 1035, Section 2.3.4)", n, MaxServerName)
	}
	e.serverName = hello.serverName
	switch {
	case hello.version > version12: // versions count down
		return alertf(alertProtocolVersion, "client_hello: version %#04x is below DTLS 1.2 (RFC 6347, Section 4.2.1)", hello.version)
	case hello.version>>8 != version12>>8:
		return alertf(alertProtocolVersion, "client_hello: version %#04x is not of DTLS (RFC 6347, Section 4.1)", hello.version)
	case !hello.uncompressed:
		return illegal("client_hello: compression_methods without null (RFC 5246, Section 7.4.1.2)")
	case !hello.ems:
		return alertf(alertHandshakeFailure, "client_hello: no extended_master_secret (RFC 7627, Section 5.3)")
	case hello.points != nil && !slices.Contains(hello.points, 0):
		return illegal("client_hello: ec_point_formats without uncompressed (RFC 8422, Section 5.1.2)")
	}
	if _, err := io.ReadFull(e.cfg.rand(), h.serverRandom[:]); err != nil {
		return alertf(alertInternalError, "random: %w", err)
	}
	if e.proto, err = pickProto(e.cfg.NextProtos, hello.protos); err != nil {
		return err
	}
	if s := e.openTicket(now, hello); s != nil {
		h.session = s
		return e.ask(now, e.serverResume)
	}
	return e.ask(now, e.serverFull)
}

// pickProto chooses by our preference (RFC 7301, Section 3.2).
func pickProto(ours, theirs []string) (string, error) {
	if len(ours) == 0 || len(theirs) == 0 {
		return "", nil
	}
	for _, p := range ours {
		if slices.Contains(theirs, p) {
			return p, nil
		}
	}
	return "", alertf(alertNoApplicationProtocol, "client_hello: no ALPN protocol of %q is ours (RFC 7301, Section 3.2)", theirs)
}

// openTicket returns the session of the hello's ticket if all of it holds still; else a full handshake follows.
func (e *Engine) openTicket(now time.Time, hello *clientHello) *Session {
	c := e.cfg
	if c.TicketKeys == nil || len(hello.ticket) == 0 || len(hello.sessionID) == 0 {
		return nil
	}
	s := c.TicketKeys.open(now, hello.ticket)
	if s != nil && !e.takeSession(now, hello, s) {
		s.wipe()
		return nil
	}
	return s
}

func (e *Engine) takeSession(now time.Time, hello *clientHello, s *Session) bool {
	c := e.cfg
	switch {
	case s.name != hello.serverName: // RFC 6066, Section 3
		return false
	case !c.hasSuite(s.suite), !slices.Contains(hello.suites, s.suite):
		return false
	case len(s.peer) > 0 && !e.asksCertificate(), len(s.peer) == 0 && requiresCertificate(c.ClientAuth):
		return false
	}
	certs, err := parseChain(s.peer)
	if err != nil {
		return false
	}
	chains, err := c.verifyChain(true, now, certs)
	if err != nil {
		return false
	}
	e.hs.certs, e.hs.chains = certs, chains
	return true
}

// helloReply has no server_name, though RFC 6066, Section 3, wants an empty one: clients gain nothing by it, and some
// of today's (pion/dtls v3) drop a ServerHello that has it.
func (e *Engine) helloReply(sessionID []byte) *serverHello {
	h := e.hs
	return &serverHello{
		version: version12, random: h.serverRandom, sessionID: sessionID, suite: e.suite.id,
		proto: e.proto, points: h.hello.points != nil, ems: true, renegotiation: h.hello.renegotiation,
	}
}

// serverResume answers by ServerHello and Finished (RFC 5077, Section 3.1).
func (e *Engine) serverResume(now time.Time) error {
	h := e.hs
	s := h.session
	e.suite = suiteByID(s.suite)
	e.resumed = true
	e.peer, h.peerKept = s.peer, true
	if err := e.askConnection(); err != nil {
		return err
	}
	h.master = s.master
	s.wipe()
	out := h.appendOut(nil, typeServerHello, e.helloReply(h.hello.sessionID).bytes(), nil)
	h.hello = nil
	if err := e.startKeys(now); err != nil {
		return err
	}
	h.expect = wantFinished
	return e.send(e.finishing(out))
}

// serverFull answers by ServerHello, Certificate, ServerKeyExchange, CertificateRequest and ServerHelloDone.
func (e *Engine) serverFull(now time.Time) error {
	h, c := e.hs, e.cfg
	cert, err := e.pickCertificate()
	if err != nil {
		return err
	}
	key, err := signerOf(cert)
	if err != nil {
		return alertf(alertInternalError, "certificate: %w", err)
	}
	e.suite = e.pickSuite(kindOf(key.Public()))
	if e.suite == nil {
		return alertf(alertHandshakeFailure, "client_hello: no cipher_suite of it is ours and fits the certificate (RFC 5246, Section 7.4.1.3)")
	}
	scheme, ok := pickScheme(key.Public(), h.hello.schemes)
	if !ok {
		return alertf(alertHandshakeFailure, "client_hello: no signature scheme for our key (RFC 5246, Section 7.4.1.4.1)")
	}
	var group tls.CurveID
	for _, id := range slices.Backward(c.curves()) {
		if slices.Contains(h.hello.groups, uint16(id)) {
			group = id
		}
	}
	if group == 0 {
		return alertf(alertHandshakeFailure, "client_hello: no group of it is ours (RFC 8422, Section 4)")
	}
	if h.key, err = curveOf(group).GenerateKey(rand.Reader); err != nil {
		return alertf(alertInternalError, "%w", err)
	}
	params := appendVec(append16([]byte{3}, uint16(group)), 1, h.key.PublicKey().Bytes()) // 3: named_curve
	sig, err := sign(rand.Reader, key, scheme, e.signedParams(params))
	if err != nil {
		return alertf(alertInternalError, "certificate: %w", err)
	}
	reply := e.helloReply(nil)
	reply.ticket = h.hello.hasTicket && c.TicketKeys != nil
	h.ticketDue = reply.ticket

	out := h.appendOut(make([]message, 0, 5), typeServerHello, reply.bytes(), nil)
	chain := cert.Certificate
	out = h.appendOut(out, typeCertificate, nil, func() []byte { return certificateBody(chain) })
	out = h.appendOut(out, typeServerKeyExchange, appendSignature(params, scheme, sig), nil)
	h.expect = wantClientKeyExchange
	if e.asksCertificate() {
		out = h.appendOut(out, typeCertificateRequest, nil, c.certificateRequest)
		h.expect = wantClientCertificate
	}
	out = h.appendOut(out, typeServerHelloDone, nil, nil)
	h.hello = nil
	return e.send(out)
}

const maxRequestNames = 2 << 10 // bytes; above, the request names no authorities

func (c *Config) certificateRequest() []byte {
	q := certificateRequest{schemes: signatureSchemes}
	n := 0
	if c.ClientCAs != nil {
		//lint:ignore SA1019 incomplete for the roots of the system only, which are too many to be named anyway
		q.names = c.ClientCAs.Subjects()
	}
	for _, name := range q.names {
		n += len(name)
	}
	if n > maxRequestNames {
		q.names = nil // RFC 5246, Section 7.4.4: then any certificate may come
	}
	return q.bytes()
}

func (e *Engine) pickCertificate() (*tls.Certificate, error) {
	c := e.cfg
	info := e.hs.hello.info()
	if c.GetCertificate != nil {
		cert, err := c.GetCertificate(info)
		switch {
		case errors.Is(err, ErrPending):
			return nil, ErrPending
		case err != nil:
			return nil, callbackError(err)
		case cert != nil:
			return cert, nil
		}
	}
	for i := range c.Certificates {
		if info.SupportsCertificate(&c.Certificates[i]) == nil {
			return &c.Certificates[i], nil
		}
	}
	if len(c.Certificates) == 0 {
		return nil, alertf(alertHandshakeFailure, "client_hello: no certificate for server_name %q", info.ServerName)
	}
	return e.pickByKey(), nil
}

// pickByKey leaves the name aside: a client that meets a wrong name can say so.
func (e *Engine) pickByKey() *tls.Certificate {
	c := e.cfg
	for i := range c.Certificates {
		if key, err := signerOf(&c.Certificates[i]); err == nil && e.pickSuite(kindOf(key.Public())) != nil {
			if _, ok := pickScheme(key.Public(), e.hs.hello.schemes); ok {
				return &c.Certificates[i]
			}
		}
	}
	return &c.Certificates[0]
}

func (e *Engine) pickSuite(kind keyKind) *suite {
	for _, id := range e.cfg.suiteIDs() {
		if s := suiteByID(id); s.fits(kind) && slices.Contains(e.hs.hello.suites, id) {
			return s
		}
	}
	return nil
}

func (e *Engine) takeClientChain(now time.Time, m message) error {
	if err := e.takeChain(now, m.body); err != nil {
		return err
	}
	if len(e.peer) == 0 && requiresCertificate(e.cfg.ClientAuth) {
		// RFC 5246, Section 7.4.6
		return alertf(alertHandshakeFailure, "certificate: none, but one is required")
	}
	return nil
}

func (e *Engine) serverKeyExchange(now time.Time, m message) error {
	h := e.hs
	r := reader{b: m.body}
	point := r.vec(1)
	if !r.done() {
		return malformed(typeClientKeyExchange, "RFC 8422, Section 5.7")
	}
	peer, err := h.key.Curve().NewPublicKey(point)
	if err != nil {
		return keyError(err)
	}
	shared, err := h.key.ECDH(peer)
	if err != nil {
		return keyError(err)
	}
	h.key = nil
	h.masterSecret(e.suite, shared)
	return e.startKeys(now)
}

func (e *Engine) serverCertificateVerify(m message) error {
	h := e.hs
	scheme, sig, err := parseCertificateVerify(m.body)
	if err != nil {
		return err
	}
	if !slices.Contains(signatureSchemes, scheme) {
		return illegal("certificate_verify: scheme %#04x was not offered (RFC 5246, Section 7.4.8)", scheme)
	}
	if err := checkSignature(h.certs[0], scheme, h.transcript.bytes(), sig); err != nil {
		return err
	}
	h.transcript = append(h.transcript, m)
	return nil
}

func (e *Engine) serverFinished(now time.Time, m message) error {
	if err := e.checkFinished(m, true); err != nil {
		return err
	}
	h := e.hs
	h.transcript = append(h.transcript, m)
	if e.resumed {
		return e.finish(now, nil)
	}
	return e.ask(now, e.serverLast)
}

// serverLast ends a full handshake: NewSessionTicket and Finished.
func (e *Engine) serverLast(now time.Time) error {
	if err := e.askConnection(); err != nil {
		return err
	}
	h := e.hs
	var out []message
	if h.ticketDue {
		body, err := e.ticketBody(now)
		if err != nil {
			return err
		}
		out = h.appendOut(out, typeNewSessionTicket, body, nil)
	}
	out = e.finishing(out)
	if err := e.send(out); err != nil {
		return err
	}
	return e.finish(now, out)
}

// ticketBody is a NewSessionTicket: one without a ticket if there is none to give (RFC 5077, Section 3.3).
func (e *Engine) ticketBody(now time.Time) ([]byte, error) {
	keys := e.cfg.TicketKeys
	var ticket []byte
	if peer, id, ok := keys.chains.keep(now, e.hs.provenPeer(e.peer)); ok {
		e.peer, e.hs.peerKept = peer, true
		s := &Session{suite: e.suite.id, master: e.hs.master, name: e.serverName, peer: peer, peerID: id}
		var err error
		ticket, err = keys.seal(now, s, e.cfg.rand())
		s.wipe()
		if err != nil && !errors.Is(err, errNoTicket) {
			return nil, alertf(alertInternalError, "%w", fmt.Errorf("ticket: %w", err))
		}
	}
	body := append16(append16(nil, 0), uint16(0))
	if ticket != nil {
		life := uint32(ticketLifetime / time.Second)
		body = append16(append16(nil, uint16(life>>16)), uint16(life))
	}
	return appendVec(body, 2, ticket), nil
}
