package dtls

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrPending is what a callback of Config returns when its answer has to wait. The engine is awaiting then: it
// takes nothing and has no deadline. When the answer is there, Resume asks the callback again.
var ErrPending = errors.New("dtls: answer pending")

// Config is what an association needs to know. It is shared by any number of engines and must not change while one
// uses it; its callbacks run inside Feed, Start and Resume, on the engine's thread.
type Config struct {
	// Certificates of this side, each with its chain, leaf first. A server takes the first one that fits the
	// hello (SNI, suites, signature schemes), else the first; a client the first that fits the request.
	Certificates []tls.Certificate
	// GetCertificate chooses a server's certificate; nil, nil leaves it to Certificates. An error that wraps a
	// tls.AlertError is sent as that alert, any other as internal_error. SupportedVersions says TLS 1.2, which
	// DTLS 1.2 equals, and Conn is nil. May return ErrPending.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)

	// RootCAs check a server's chain. Nil: those of the system.
	RootCAs *x509.CertPool
	// ClientCAs check a client's chain; needed if ClientAuth verifies.
	ClientCAs *x509.CertPool
	// ClientAuth is what a server asks of clients, with the meaning of crypto/tls.
	ClientAuth tls.ClientAuthType
	// ServerName is sent by a client as SNI, unless it is an IP address, and is the name that the server's
	// certificate must have. Needed unless InsecureSkipVerify.
	ServerName string
	// InsecureSkipVerify makes a client check neither chain nor name: VerifyConnection has to.
	InsecureSkipVerify bool
	// VerifyConnection has the last word on the peer, in resumed sessions too, before this side sends its last
	// flight. Its error fails the handshake; the alert is the tls.AlertError that it wraps, else the one for the
	// x509 error, else bad_certificate. May return ErrPending. Only here the state has VerifiedChains.
	VerifyConnection func(tls.ConnectionState) error

	// NextProtos are the ALPN protocols, by preference. None: no ALPN.
	NextProtos []string
	// CipherSuites by preference. Nil: all of CipherSuites(). An id outside these is an error of New.
	CipherSuites []uint16
	// CurvePreferences by preference: tls.X25519, tls.CurveP256. Nil: both.
	CurvePreferences []tls.CurveID

	// MTU is the greatest UDP payload of a handshake datagram, in bytes, 256 to 16384. 0: 1200.
	MTU int
	// RetransmitInitial is the first time-out of a flight; it doubles up to RetransmitMax. 0: 1 s and 60 s.
	RetransmitInitial, RetransmitMax time.Duration
	// Retransmits is how often a flight is sent again before the handshake fails. 0: 7.
	Retransmits int

	// Rand gives randoms, session ids and nonces of tickets. Nil: crypto/rand. Keys never come from it.
	Rand io.Reader
	// TicketKeys seal the session tickets of a server. Nil: no tickets.
	TicketKeys *TicketKeys
	// Sessions keeps a client's sessions for resumption, by ServerName. Nil: no resumption.
	Sessions *SessionCache
	// KeyLogWriter gets secrets in the NSS key log format, one Write a line. It breaks all security: for
	// debugging only.
	KeyLogWriter io.Writer
}

func (c *Config) check(server bool) error {
	for _, id := range c.CipherSuites {
		if suiteByID(id) == nil {
			return fmt.Errorf("dtls: cipher suite %#04x is not one of the engine", id)
		}
	}
	for _, id := range c.CurvePreferences {
		if curveOf(id) == nil {
			return fmt.Errorf("dtls: curve %v is not one of the engine", id)
		}
	}
	for _, p := range c.NextProtos {
		if p == "" || len(p) > 255 {
			return fmt.Errorf("dtls: ALPN protocol of %d bytes is not 1 to 255 (RFC 7301, Section 3.1)", len(p))
		}
	}
	switch {
	case c.CipherSuites != nil && len(c.CipherSuites) == 0:
		return errors.New("dtls: no cipher suite")
	case c.CurvePreferences != nil && len(c.CurvePreferences) == 0:
		return errors.New("dtls: no curve")
	case c.MTU != 0 && (c.MTU < minMTU || c.MTU > maxPlaintext):
		return fmt.Errorf("dtls: MTU %d is not %d to %d", c.MTU, minMTU, maxPlaintext)
	case c.RetransmitInitial < 0 || c.RetransmitMax < 0 || c.Retransmits < 0:
		return errors.New("dtls: negative retransmission time or count")
	case server && len(c.Certificates) == 0 && c.GetCertificate == nil:
		return errors.New("dtls: server without certificate")
	case server && c.ClientAuth >= tls.VerifyClientCertIfGiven && c.ClientCAs == nil:
		return errors.New("dtls: ClientAuth verifies, but there are no ClientCAs")
	case !server && c.ServerName == "" && !c.InsecureSkipVerify:
		return errors.New("dtls: client without ServerName or InsecureSkipVerify")
	}
	return nil
}

func (c *Config) rand() io.Reader {
	if c.Rand != nil {
		return c.Rand
	}
	return rand.Reader
}

func (c *Config) mtu() int { return or(c.MTU, defaultMTU) }

func (c *Config) retransmitInitial() time.Duration { return or(c.RetransmitInitial, time.Second) }

func (c *Config) retransmitMax() time.Duration { return or(c.RetransmitMax, time.Minute) }

func (c *Config) retransmits() int { return or(c.Retransmits, 7) }

// or is v, or other where v is zero.
func or[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}
