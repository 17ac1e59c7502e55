package tls

import (
	ctls "crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/tls/dtls"
)

// Cause says in a word why a handshake failed, for counting and for logs.
type Cause uint8

// The causes.
const (
	CauseOther         Cause = iota
	CausePlainText           // the peer does not speak TLS
	CauseTimeout             // handshake_timeout, or a flight that nobody answered
	CauseClosed              // the peer went away in the middle
	CauseVersion             // no version in common
	CauseCipher              // no suite, curve or signature scheme in common
	CauseNoCertificate       // one is required, and none came
	CauseUnknownCA           // its chain leads to none of our authorities
	CauseExpired             // it is expired, or not yet valid
	CauseName                // it is of somebody else
	CauseRevoked
	CauseDenied   // by any other rule for certificates
	CauseProtocol // ALPN: nothing in common
	CauseInvalid  // what came is against the rules of TLS
	CauseRefused  // the peer gave no closer reason: no cipher in common, no certificate
	causeCount
)

var causeNames = [causeCount]string{"other", "plain text", "timed out", "closed by the peer", "version", "cipher", "no certificate",
	"unknown CA", "certificate expired or not yet valid", "name", "revoked", "certificate denied", "ALPN", "invalid message", "refused"}

// String is the cause in words.
func (r Cause) String() string {
	if r < causeCount {
		return causeNames[r]
	}
	return fmt.Sprintf("cause %d", uint8(r))
}

// HandshakeError is how a handshake failed. It is what Connect, Read and Write return then.
type HandshakeError struct {
	Cause  Cause
	Remote bool // it was the peer who refused, and said so by an alert
	Err    error
}

// Error prints "handshake: unknown CA: certificate ..." or "handshake: unknown CA: the peer refused our certificate: ...".
func (e *HandshakeError) Error() string {
	text := fmt.Sprintf("handshake: %v: %v", e.Cause, e.Err)
	if len(text) > errorMax {
		text = strings.ToValidUTF8(text[:errorMax], "") + "..."
	}
	return printable(text)
}

// errorMax bounds the text of a HandshakeError, in bytes: some of crypto/tls repeat all that a hello offers, which may be 64 KiB.
const errorMax = 1 << 10

// printable is s with what is not to be printed escaped, so that no name that a peer gives itself can begin another line of a log.
func printable(s string) string {
	if !strings.ContainsFunc(s, unprintable) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unprintable(r) {
			q := strconv.Quote(string(r))
			b.WriteString(q[1 : len(q)-1])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool { return !strconv.IsPrint(r) }

// Unwrap gives what was wrong: a *VerifyError, an error of crypto/tls or tls/dtls, or one of the layer below.
func (e *HandshakeError) Unwrap() error { return e.Err }

// Counts are what a listener and its children have counted. Thread: any.
type Counts struct {
	Handshakes atomic.Uint64 // that succeeded
	Resumed    atomic.Uint64 // of these, with a ticket or a session
	Full       atomic.Uint64 // accept was put off: max_handshakes
	Deferred   atomic.Uint64 // steps put off to a later turn
	Rechecked  atomic.Uint64 // connections that a reload ended
	BadReloads atomic.Uint64 // files that changed and could not be used
	failed     [causeCount]atomic.Uint64
}

// Causes are all there are.
func Causes() []Cause {
	all := make([]Cause, causeCount)
	for i := range all {
		all[i] = Cause(i)
	}
	return all
}

// Failed is how many handshakes failed for r.
func (c *Counts) Failed(r Cause) uint64 {
	if r >= causeCount {
		return 0
	}
	return c.failed[r].Load()
}

// handshakeError finds out why.
func (s *settings) handshakeError(err error) *HandshakeError {
	var known *HandshakeError
	if errors.As(err, &known) {
		return known
	}
	err = s.explain(err)
	e := &HandshakeError{Err: err}
	if alert, received, ok := alertOf(err); ok {
		e.Cause = alertTable[alert].cause
		if received {
			e.Remote, e.Err = true, inWords(err)
			return e
		}
		if alert == handshakeFailure {
			e.Cause = CauseCipher // that a certificate is missing has an error of its own
		}
	}
	if r := causeOf(err); r != CauseOther {
		e.Cause = r
	}
	return e
}

// alertOf finds the alert that err is about, and whether the peer sent it. crypto/tls does not export the type of its alerts,
// only their kind and text.
func alertOf(err error) (alert uint8, received, ok bool) {
	var own *dtls.AlertError
	if errors.As(err, &own) {
		return uint8(own.Alert), own.Received, true
	}
	var plain ctls.AlertError
	if errors.As(err, &plain) {
		return uint8(plain), false, true
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		if v := reflect.ValueOf(op.Err); v.Kind() == reflect.Uint8 {
			return uint8(v.Uint()), op.Op == "remote error", true
		}
	}
	return 0, false, false
}

// causes are what the reasons to refuse a certificate mean here; any other is CauseDenied.
var causes = map[Reason]Cause{UnknownCA: CauseUnknownCA, Expired: CauseExpired, NotYetValid: CauseExpired, WrongName: CauseName,
	Revoked: CauseRevoked, NoCertificate: CauseNoCertificate}

// causeOf looks into an error of our side.
func causeOf(err error) Cause {
	var refused *VerifyError
	if errors.As(err, &refused) {
		if c, ok := causes[refused.Reason]; ok {
			return c
		}
		return CauseDenied
	}
	switch {
	case errors.Is(err, errPlainText), errors.Is(err, errOldVersion):
		return CausePlainText
	case errors.Is(err, frio.ErrTimeout), errors.Is(err, dtls.ErrTimeout):
		return CauseTimeout
	case errors.Is(err, frio.ErrTruncated), errors.Is(err, frio.ErrReset), errors.Is(err, io.EOF):
		return CauseClosed
	case errors.Is(err, errTooLong), errors.Is(err, errHandshakeMax):
		return CauseInvalid
	}
	// crypto/tls has no types for what it refuses before there are keys.
	text := err.Error()
	for _, known := range []struct {
		part string
		r    Cause
	}{
		{"unexpected handshake message", CauseInvalid},
		{"unsupported versions", CauseVersion},
		{"unsupported protocol version", CauseVersion},
		{"received record with version", CauseVersion},
		{"no cipher suite supported", CauseCipher},
		{"no mutually supported", CauseCipher},
		{"unsupported application protocols", CauseProtocol},
		{"first record does not look like a TLS handshake", CausePlainText},
		{"unsupported SSLv2", CausePlainText},
	} {
		if strings.Contains(text, known.part) {
			return known.r
		}
	}
	return CauseOther
}
