package radius

// Reason is why a packet was refused: a label for counters.
type Reason uint8

const (
	ReasonNone Reason = iota
	ReasonTooShort
	ReasonTooLong
	ReasonTruncated
	ReasonAttributeLength
	ReasonUnknownCode
	ReasonCode
	ReasonMissingMessageAuthenticator
	ReasonMessageAuthenticator
	ReasonMessageAuthenticatorLength
	ReasonMessageAuthenticatorTwice
	ReasonAuthenticator
	ReasonEAP
	ReasonProxyState
	ReasonHidden
	ReasonTooBig
	ReasonRewrite
	ReasonTTL
	ReasonCount // how many there are, for arrays of counters
)

var reasons = [ReasonCount]string{
	ReasonNone:                        "none",
	ReasonTooShort:                    "too-short",
	ReasonTooLong:                     "too-long",
	ReasonTruncated:                   "truncated",
	ReasonAttributeLength:             "attribute-length",
	ReasonUnknownCode:                 "unknown-code",
	ReasonCode:                        "wrong-code",
	ReasonMissingMessageAuthenticator: "message-authenticator-missing",
	ReasonMessageAuthenticator:        "message-authenticator-wrong",
	ReasonMessageAuthenticatorLength:  "message-authenticator-length",
	ReasonMessageAuthenticatorTwice:   "message-authenticator-twice",
	ReasonAuthenticator:               "authenticator-wrong",
	ReasonEAP:                         "eap-without-message-authenticator",
	ReasonProxyState:                  "limit-proxy-state",
	ReasonHidden:                      "hidden-attribute",
	ReasonTooBig:                      "result-too-long",
	ReasonRewrite:                     "rewrite-too-long",
	ReasonTTL:                         "ttl",
}

// String returns a word for labels, as "attribute-length".
func (r Reason) String() string {
	if r < ReasonCount {
		return reasons[r]
	}
	return "unknown"
}

// Error is a fixed error about a packet: compare with ==.
type Error struct {
	Reason Reason
	Text   string
}

func (e *Error) Error() string { return e.Text }

// ReasonOf returns the reason of an error of this package, for counters; ReasonNone of any other, and of nil.
func ReasonOf(err error) Reason {
	if e, ok := err.(*Error); ok {
		return e.Reason
	}
	return ReasonNone
}

// What Parse, the checks and the relaying functions return.
var (
	ErrTooShort                    = &Error{ReasonTooShort, "radius: length below 20 (RFC 2865, Section 3)"}
	ErrTooLong                     = &Error{ReasonTooLong, "radius: length above 4096 (RFC 2865, Section 3)"}
	ErrTruncated                   = &Error{ReasonTruncated, "radius: length beyond the datagram (RFC 2865, Section 3)"}
	ErrAttributeLength             = &Error{ReasonAttributeLength, "radius: attribute length 0, 1 or beyond the packet (RFC 2865, Section 5)"}
	ErrUnknownCode                 = &Error{ReasonUnknownCode, "radius: unknown code (RFC 2865, Section 3)"}
	ErrCode                        = &Error{ReasonCode, "radius: code that this side must not send"}
	ErrMissingMessageAuthenticator = &Error{ReasonMissingMessageAuthenticator, "radius: no Message-Authenticator"}
	ErrMessageAuthenticator        = &Error{ReasonMessageAuthenticator, "radius: wrong Message-Authenticator (RFC 3579, Section 3.2); is the secret right?"}
	ErrMessageAuthenticatorLength  = &Error{ReasonMessageAuthenticatorLength, "radius: Message-Authenticator is not of 16 octets (RFC 3579, Section 3.2)"}
	ErrMessageAuthenticatorTwice   = &Error{ReasonMessageAuthenticatorTwice, "radius: more than one Message-Authenticator (RFC 3579, Section 3.3)"}
	ErrAuthenticator               = &Error{ReasonAuthenticator, "radius: wrong authenticator; is the secret right?"}
	ErrEAP                         = &Error{ReasonEAP, "radius: EAP-Message without Message-Authenticator (RFC 3579, Section 3.1)"}
	ErrProxyState                  = &Error{ReasonProxyState, "radius: Proxy-State without Message-Authenticator"}
	ErrHidden                      = &Error{ReasonHidden, "radius: length of a hidden attribute (RFC 2865, Section 5.2; RFC 2868, Section 3.5; RFC 2548, Section 2.4)"}
	ErrTooBig                      = &Error{ReasonTooBig, "radius: the result would be longer than 4096"}
	ErrNoRoom                      = &Error{ReasonTooBig, "radius: no room for a Message-Authenticator: with one it would be longer than 4096, and it came without"}
	ErrRewrite                     = &Error{ReasonRewrite, "radius: a rewritten value does not fit into an attribute"}
	ErrTTL                         = &Error{ReasonTTL, "radius: the TTL attribute has reached 0"}
)
