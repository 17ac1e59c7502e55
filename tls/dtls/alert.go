package dtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// Alert levels and descriptions (RFC 5246, Section 7.2; RFC 5077, RFC 7301).
const (
	levelWarning = 1
	levelFatal   = 2

	alertCloseNotify           = 0
	alertUnexpectedMessage     = 10
	alertHandshakeFailure      = 40
	alertBadCertificate        = 42
	alertUnsupportedCert       = 43
	alertCertificateExpired    = 45
	alertIllegalParameter      = 47
	alertUnknownCA             = 48
	alertAccessDenied          = 49
	alertDecodeError           = 50
	alertDecryptError          = 51
	alertProtocolVersion       = 70
	alertInternalError         = 80
	alertNoRenegotiation       = 100
	alertUnsupportedExtension  = 110
	alertUnrecognizedName      = 112
	alertNoApplicationProtocol = 120
)

// AlertError is the end of an association by a fatal alert, of this side or of the peer.
type AlertError struct {
	Alert    tls.AlertError // the description, a number of RFC 5246, Section 7.2
	Received bool           // the peer sent it; else this side did
	Err      error          // why this side did; nil if the peer sent it
}

// Error gives the reason first, and the alert with its number.
func (a *AlertError) Error() string {
	name := strings.TrimPrefix(a.Alert.Error(), "tls: ")
	if a.Received {
		return fmt.Sprintf("dtls: alert received: %s (%d)", name, uint8(a.Alert))
	}
	return fmt.Sprintf("dtls: %v: alert sent: %s (%d)", a.Err, name, uint8(a.Alert))
}

// Unwrap gives the reason.
func (a *AlertError) Unwrap() error { return a.Err }

func alertf(alert tls.AlertError, format string, args ...any) error {
	return &AlertError{Alert: alert, Err: fmt.Errorf(format, args...)}
}

func decodeError(format string, args ...any) error { return alertf(alertDecodeError, format, args...) }

func illegal(format string, args ...any) error { return alertf(alertIllegalParameter, format, args...) }

func malformed(typ uint8, rule string) error {
	return decodeError("%s: a length does not fit the message (%s)", messageName(typ), rule)
}

func unexpected(typ uint8) error {
	return alertf(alertUnexpectedMessage, "%s out of order (RFC 5246, Section 7.3)", messageName(typ))
}

// verifyError gives an error about a peer's certificate its alert.
func verifyError(err error) error {
	var a *AlertError
	if errors.As(err, &a) {
		return err
	}
	return &AlertError{Alert: VerifyAlert(err), Err: err}
}

// VerifyAlert is the alert for err, which is about a peer's certificate: the one that it wraps, or that for what crypto/x509 found.
func VerifyAlert(err error) tls.AlertError {
	var alert tls.AlertError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	switch {
	case errors.As(err, &alert):
		return alert
	case errors.As(err, &unknown):
		return alertUnknownCA
	case errors.As(err, &host):
		return alertAccessDenied // RFC 5246, Section 7.2.2: it is valid, and not whom we want
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired: // not yet valid, too
		return alertCertificateExpired
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return alertUnsupportedCert
	}
	return alertBadCertificate
}

// callbackError is verifyError for a callback that is not about the peer's certificate.
func callbackError(err error) error {
	var alert tls.AlertError
	if errors.As(err, &alert) {
		return &AlertError{Alert: alert, Err: err}
	}
	return &AlertError{Alert: alertInternalError, Err: err}
}
