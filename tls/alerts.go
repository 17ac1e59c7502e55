package tls

import (
	"fmt"

	"github.com/frio-io/frio/tls/dtls"
)

// handshakeFailure is the alert for whatever has none of its own.
const handshakeFailure = 40

// alertEntry is what an alert means: as a cause, and as a sentence for the side that receives it, which knows nothing else.
type alertEntry struct {
	name  string // as the RFC writes it
	rule  string
	cause Cause
	says  string // of the peer
	maybe string // what it may be about; "" if says tells
}

const (
	ruleTLS     = "RFC 8446, Section 6.2"
	refusedCert = "refused our certificate"
	foundWrong  = "found an error in what we sent"
	noneCommon  = "found nothing in common with us"
)

// alertTable is for TLS and DTLS alike. An alert that is not in it is CauseOther.
var alertTable = map[uint8]alertEntry{
	0:                {"close_notify", "RFC 8446, Section 6.1", CauseClosed, "closed the connection", ""},
	10:               {"unexpected_message", ruleTLS, CauseInvalid, foundWrong, "a message out of order, or no TLS at all"},
	20:               {"bad_record_mac", ruleTLS, CauseInvalid, foundWrong, "a record was altered on its way"},
	21:               {"decryption_failed", "RFC 5246, Section 7.2.2", CauseInvalid, foundWrong, "a record was altered on its way"},
	22:               {"record_overflow", ruleTLS, CauseInvalid, foundWrong, "a record is too long"},
	handshakeFailure: {"handshake_failure", ruleTLS, CauseRefused, "refused the handshake", "no cipher or key exchange in common, or it asks for a certificate and got none"},
	41:               {"no_certificate", "RFC 6101, Section 5.4.2", CauseNoCertificate, "has no certificate for us", ""},
	42:               {"bad_certificate", ruleTLS, CauseDenied, refusedCert, "it may be revoked or expired, of a CA that the peer does not trust, or without a name that it accepts"},
	43:               {"unsupported_certificate", ruleTLS, CauseDenied, refusedCert, "its key or its extended key usage is not for this side of TLS"},
	44:               {"certificate_revoked", ruleTLS, CauseRevoked, refusedCert, "it is revoked"},
	45:               {"certificate_expired", ruleTLS, CauseExpired, refusedCert, "it is expired or not yet valid, or a clock is wrong"},
	46:               {"certificate_unknown", ruleTLS, CauseDenied, refusedCert, "it could not be checked; a CRL may be missing or expired"},
	47:               {"illegal_parameter", ruleTLS, CauseInvalid, foundWrong, "a field that is out of range or contradicts another"},
	48:               {"unknown_ca", ruleTLS, CauseUnknownCA, refusedCert, "its chain leads to no CA that the peer trusts"},
	49:               {"access_denied", ruleTLS, CauseDenied, refusedCert, "it is valid, but has no name, or no other property, that the peer accepts"},
	50:               {"decode_error", ruleTLS, CauseInvalid, foundWrong, "a message that cannot be parsed"},
	51:               {"decrypt_error", ruleTLS, CauseInvalid, foundWrong, "a signature or a Finished that does not fit"},
	70:               {"protocol_version", ruleTLS, CauseVersion, "refused our versions of TLS", "tls_min_version and tls_max_version of both sides have none in common"},
	71:               {"insufficient_security", ruleTLS, CauseCipher, "refused our ciphers", "it wants stronger ones"},
	80:               {"internal_error", ruleTLS, CauseOther, "has an error of its own", ""},
	86:               {"inappropriate_fallback", ruleTLS, CauseVersion, "refused our version of TLS", "both sides know a newer one"},
	90:               {"user_canceled", "RFC 8446, Section 6.1", CauseClosed, "gave up the handshake", ""},
	100:              {"no_renegotiation", "RFC 5246, Section 7.2.2", CauseOther, "does not renegotiate", ""},
	109:              {"missing_extension", ruleTLS, CauseInvalid, foundWrong, "an extension is missing"},
	110:              {"unsupported_extension", ruleTLS, CauseInvalid, foundWrong, "an extension that it has not offered"},
	111:              {"certificate_unobtainable", "RFC 6066, Section 9", CauseInvalid, foundWrong, "it could not fetch our certificate"},
	112:              {"unrecognized_name", ruleTLS, CauseName, "knows no server of the name that we ask for", "hostname goes out as server name"},
	113:              {"bad_certificate_status_response", ruleTLS, CauseDenied, refusedCert, "for its OCSP response"},
	115:              {"unknown_psk_identity", ruleTLS, CauseDenied, "knows no pre-shared key of ours", ""},
	116:              {"certificate_required", ruleTLS, CauseNoCertificate, "asks for a certificate and got none", "certificate_file is missing, or of a CA that it has not named"},
	120:              {"no_application_protocol", "RFC 7301, Section 3.2", CauseProtocol, noneCommon, "the alpn of both sides"},
	121:              {"ech_required", "RFC 9849, Section 5", CauseOther, "requires an encrypted hello", ""},
}

// peerAlert is an alert of the peer in words. Unwrap gives the error of the engine.
type peerAlert struct {
	alert uint8
	err   error
}

// Error says "the peer refused our certificate: unknown_ca (RFC 8446, Section 6.2): its chain leads to no CA that the peer trusts".
func (p *peerAlert) Error() string {
	e, ok := alertTable[p.alert]
	if !ok {
		return fmt.Sprintf("the peer sent the alert %d", p.alert)
	}
	text := fmt.Sprintf("the peer %s: %s (%s)", e.says, e.name, e.rule)
	if e.maybe != "" {
		text += ": " + e.maybe
	}
	return text
}

func (p *peerAlert) Unwrap() error { return p.err }

// inWords gives an error that is an alert of the peer its sentence. Any other it returns as it is.
func inWords(err error) error {
	if alert, received, ok := alertOf(err); ok && received {
		return &peerAlert{alert, err}
	}
	return err
}

const alertBadCertificate = 42

// closerAlert puts the alert for err where out, what crypto/tls has to say at the end of a failed handshake, ends with bad_certificate in
// the clear, as all that it says about certificates is in TLS 1.2: there it has that one for whatever a client or VerifyConnection
// finds wrong. In TLS 1.3 it is sealed under keys that crypto/tls keeps for itself.
func closerAlert(out []byte, err error) {
	for len(out) >= headerLen && recordLen(out) < len(out) {
		out = out[recordLen(out):]
	}
	// A sealed alert is longer than its level and description.
	if len(out) == headerLen+2 && out[0] == typeAlert && out[headerLen+1] == alertBadCertificate {
		out[headerLen+1] = byte(dtls.VerifyAlert(err))
	}
}
