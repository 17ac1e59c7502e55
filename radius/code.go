package radius

import "strconv"

// Code is the first octet of a packet: what it is.
type Code uint8

const (
	AccessRequest      Code = 1
	AccessAccept       Code = 2
	AccessReject       Code = 3
	AccountingRequest  Code = 4
	AccountingResponse Code = 5
	AccessChallenge    Code = 11
	StatusServer       Code = 12
	StatusClient       Code = 13
	DisconnectRequest  Code = 40
	DisconnectACK      Code = 41
	DisconnectNAK      Code = 42
	CoARequest         Code = 43
	CoAACK             Code = 44
	CoANAK             Code = 45
	ProtocolError      Code = 52
)

// String returns the name of the RFCs, "Access-Request"; of a code without one its number, "Code-99".
func (c Code) String() string {
	switch c {
	case AccessRequest:
		return "Access-Request"
	case AccessAccept:
		return "Access-Accept"
	case AccessReject:
		return "Access-Reject"
	case AccountingRequest:
		return "Accounting-Request"
	case AccountingResponse:
		return "Accounting-Response"
	case AccessChallenge:
		return "Access-Challenge"
	case StatusServer:
		return "Status-Server"
	case StatusClient:
		return "Status-Client"
	case DisconnectRequest:
		return "Disconnect-Request"
	case DisconnectACK:
		return "Disconnect-ACK"
	case DisconnectNAK:
		return "Disconnect-NAK"
	case CoARequest:
		return "CoA-Request"
	case CoAACK:
		return "CoA-ACK"
	case CoANAK:
		return "CoA-NAK"
	case ProtocolError:
		return "Protocol-Error"
	}
	return "Code-" + strconv.Itoa(int(c))
}

// IsRequest reports whether a packet of this code asks for a reply.
func (c Code) IsRequest() bool {
	switch c {
	case AccessRequest, AccountingRequest, StatusServer, DisconnectRequest, CoARequest:
		return true
	}
	return false
}

// IsReply reports whether a packet of this code answers a request.
func (c Code) IsReply() bool {
	switch c {
	case AccessAccept, AccessReject, AccessChallenge, AccountingResponse, DisconnectACK, DisconnectNAK, CoAACK, CoANAK, ProtocolError:
		return true
	}
	return false
}

// Answers reports whether c may answer a request of code request. Status-Server is answered with an Access-Accept on an
// authentication port, and with an Accounting-Response on an accounting port (RFC 5997, Section 2.2).
func (c Code) Answers(request Code) bool {
	if c == ProtocolError {
		return request.IsRequest() // RFC 7930, Section 4
	}
	switch request {
	case AccessRequest:
		return c == AccessAccept || c == AccessReject || c == AccessChallenge
	case AccountingRequest:
		return c == AccountingResponse
	case StatusServer:
		return c == AccessAccept || c == AccountingResponse
	case DisconnectRequest:
		return c == DisconnectACK || c == DisconnectNAK
	case CoARequest:
		return c == CoAACK || c == CoANAK
	}
	return false
}

// signed: the Authenticator of such a request is random, so that only a Message-Authenticator protects it.
func (c Code) signed() bool { return c == AccessRequest || c == StatusServer }

// access: the replies in which a Message-Authenticator is always sent.
func (c Code) access() bool { return c == AccessAccept || c == AccessReject || c == AccessChallenge }
