//go:build linux

package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"hash"
	"math/rand/v2"
)

// The packets of RADIUS that the bench knows, RFC 2865, 2866 and 5997.
const (
	accessRequest      = 1
	accessAccept       = 2
	accessReject       = 3
	accountingRequest  = 4
	accountingResponse = 5
	statusServer       = 12
)

const (
	attrUserName             = 1
	attrUserPassword         = 2
	attrNASIPAddress         = 4
	attrNASPort              = 5
	attrServiceType          = 6
	attrReplyMessage         = 18
	attrClass                = 25
	attrVendorSpecific       = 26
	attrCalledStationID      = 30
	attrCallingStationID     = 31
	attrNASIdentifier        = 32
	attrProxyState           = 33
	attrAcctStatusType       = 40
	attrAcctSessionID        = 44
	attrNASPortType          = 61
	attrMessageAuthenticator = 80
)

const (
	headBytes     = 20
	packetMax     = 4096
	digits        = 10 // of a user's number in its name, its password and what comes back
	passwordBytes = 16 // one block of RFC 2865, Section 5.2: "secret" and the number
	vendorBytes   = 6 + digits
	vendorExample = 32473 // the private enterprise number for documentation, RFC 5612
)

// What is wrong with a packet.
var (
	errShort         = errors.New("radius: length")
	errAttribute     = errors.New("radius: attribute length")
	errCode          = errors.New("radius: code")
	errAuthenticator = errors.New("radius: authenticator")
	errMessageAuth   = errors.New("radius: Message-Authenticator is missing or wrong")
	errPassword      = errors.New("radius: User-Password is not that of the user")
	errUser          = errors.New("radius: User-Name is none of ours")
	errMixed         = errors.New("radius: an answer for somebody else")
)

// signer makes and checks packets with one secret. It belongs to one goroutine at a time, or to a mutex.
type signer struct {
	secret []byte
	md5    hash.Hash
	hmac   hash.Hash
	sum    [md5.Size]byte
	zero   [md5.Size]byte
}

func newSigner(secret string) *signer {
	return &signer{secret: []byte(secret), md5: md5.New(), hmac: hmac.New(md5.New, []byte(secret))}
}

// digest returns the MD5 of parts and the secret, valid until the next call.
func (s *signer) digest(parts ...[]byte) []byte {
	s.md5.Reset()
	for _, part := range parts {
		s.md5.Write(part)
	}
	s.md5.Write(s.secret)
	return s.md5.Sum(s.sum[:0])
}

// messageAuth returns the Message-Authenticator of p, computed with auth in place of its authenticator and zeros at value, where
// the attribute's value lies. RFC 3579, Section 3.2.
func (s *signer) messageAuth(p, auth []byte, value int) []byte {
	s.hmac.Reset()
	s.hmac.Write(p[:4])
	s.hmac.Write(auth)
	s.hmac.Write(p[headBytes:value])
	s.hmac.Write(s.zero[:])
	s.hmac.Write(p[value+md5.Size:])
	return s.hmac.Sum(s.sum[:0])
}

// hide turns 16 bytes of password into a User-Password, and back. RFC 2865, Section 5.2.
func (s *signer) hide(p, auth []byte) {
	s.md5.Reset()
	s.md5.Write(s.secret)
	s.md5.Write(auth)
	pad := s.md5.Sum(s.sum[:0])
	for i := range p {
		p[i] ^= pad[i]
	}
}

// request is what a client keeps of a request to know the answer by.
type request struct {
	code   byte
	number uint64
	auth   [md5.Size]byte
}

// appendRequest makes the request of user number: letter is the first of its name. The authenticator of r is filled in.
func (s *signer) appendRequest(b []byte, r *request, id, letter byte) []byte {
	b = append(b, r.code, id, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, rand.Uint64())
	b = binary.LittleEndian.AppendUint64(b, rand.Uint64())
	value := 0
	if r.code != accountingRequest {
		b = append(b, attrMessageAuthenticator, 2+md5.Size)
		value = len(b)
		b = append(b, s.zero[:]...)
	}
	if r.code != statusServer {
		b = append(b, attrUserName, byte(2+1+digits+len(realm)), letter)
		b = appendNumber(b, r.number)
		b = append(b, realm...)
	}
	switch r.code {
	case accessRequest:
		b = append(b, attrUserPassword, 2+passwordBytes)
		at := len(b)
		b = appendPassword(b, r.number)
		s.hide(b[at:], b[4:headBytes])
		b = append(b, attrServiceType, 6, 0, 0, 0, 2)
	case accountingRequest:
		b = append(b, attrAcctStatusType, 6, 0, 0, 0, 1)
		b = append(b, attrAcctSessionID, 2+digits)
		b = appendNumber(b, r.number)
	}
	b = append(b, common...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	if r.code == accountingRequest {
		// RFC 2866, Section 3.
		copy(b[4:headBytes], s.digest(b[:4], s.zero[:], b[headBytes:]))
	} else {
		copy(b[value:], s.messageAuth(b, b[4:headBytes], value))
	}
	copy(r.auth[:], b[4:headBytes])
	return b
}

// realm ends each User-Name.
const realm = "@bench.test"

// common is what each request says of its NAS, so that one has the 150 bytes or so that a small real one has.
var common = func() []byte {
	b := []byte{attrNASIPAddress, 6, 192, 0, 2, 1, attrNASPort, 6, 0, 0, 0, 7, attrNASPortType, 6, 0, 0, 0, 19}
	for _, a := range []struct {
		kind  byte
		value string
	}{{attrNASIdentifier, "bench-ap-0001"}, {attrCallingStationID, "02-00-00-00-00-01"}, {attrCalledStationID, "02-00-00-00-00-02"}} {
		b = append(b, a.kind, byte(2+len(a.value)))
		b = append(b, a.value...)
	}
	return b
}()

func appendNumber(b []byte, number uint64) []byte {
	var d [digits]byte
	for i := digits - 1; i >= 0; i-- {
		d[i] = '0' + byte(number%10)
		number /= 10
	}
	return append(b, d[:]...)
}

func parseNumber(p []byte) (uint64, bool) {
	var number uint64
	for _, c := range p {
		if c < '0' || c > '9' {
			return 0, false
		}
		number = number*10 + uint64(c-'0')
	}
	return number, len(p) == digits
}

func appendPassword(b []byte, number uint64) []byte {
	b = append(b, "secret"...)
	return appendNumber(b, number)
}

// found is where in a packet the attributes lie that the bench looks at; the values are slices of the packet.
type found struct {
	messageAuth                                  int // offset of the value, 0 if there is none
	user, password, class, message, vendor, acct []byte
	proxyStates                                  []byte // from the first Proxy-State to the end of the last one, if they stand together
}

// parse checks the lengths of p and finds its attributes.
func parse(p []byte, f *found) error {
	*f = found{}
	if len(p) < headBytes || len(p) > packetMax || int(binary.BigEndian.Uint16(p[2:])) != len(p) {
		return errShort
	}
	for at := headBytes; at < len(p); {
		if at+2 > len(p) || p[at+1] < 2 || at+int(p[at+1]) > len(p) {
			return errAttribute
		}
		end := at + int(p[at+1])
		value := p[at+2 : end]
		switch p[at] {
		case attrUserName:
			f.user = value
		case attrUserPassword:
			f.password = value
		case attrClass:
			f.class = value
		case attrReplyMessage:
			f.message = value
		case attrVendorSpecific:
			f.vendor = value
		case attrAcctSessionID:
			f.acct = value
		case attrProxyState:
			f.proxyStates = p[at-len(f.proxyStates) : end]
		case attrMessageAuthenticator:
			if len(value) != md5.Size || f.messageAuth != 0 {
				return errAttribute
			}
			f.messageAuth = at + 2
		}
		at = end
	}
	return nil
}

// checkRequest verifies a request as a home server does: authenticators, the password, and that name and number belong together.
// It returns the first letter of the name and the number. The password in p is decrypted in place.
func (s *signer) checkRequest(p []byte, f *found) (letter byte, number uint64, err error) {
	if err := parse(p, f); err != nil {
		return 0, 0, err
	}
	auth := p[4:headBytes]
	switch p[0] {
	case accessRequest, statusServer:
		if f.messageAuth == 0 || !bytes.Equal(s.messageAuth(p, auth, f.messageAuth), p[f.messageAuth:f.messageAuth+md5.Size]) {
			return 0, 0, errMessageAuth
		}
	case accountingRequest:
		if !bytes.Equal(s.digest(p[:4], s.zero[:], p[headBytes:]), auth) {
			return 0, 0, errAuthenticator
		}
	default:
		return 0, 0, errCode
	}
	if p[0] == statusServer {
		return 0, 0, nil
	}
	if len(f.user) != 1+digits+len(realm) || string(f.user[1+digits:]) != realm {
		return 0, 0, errUser
	}
	letter = f.user[0]
	number, ok := parseNumber(f.user[1 : 1+digits])
	if !ok {
		return 0, 0, errUser
	}
	if p[0] == accountingRequest {
		if got, ok := parseNumber(f.acct); !ok || got != number {
			return 0, 0, errMixed
		}
		return letter, number, nil
	}
	if len(f.password) != passwordBytes {
		return 0, 0, errPassword
	}
	s.hide(f.password, auth)
	var want [passwordBytes]byte
	if !bytes.Equal(appendPassword(want[:0], number), f.password) {
		return 0, 0, errPassword
	}
	return letter, number, nil
}

// appendReply makes the answer to request p, which checkRequest accepted.
func (s *signer) appendReply(b, p []byte, f *found, number uint64) []byte {
	code := byte(accessAccept)
	if p[0] == accountingRequest {
		code = accountingResponse
	}
	b = append(b, code, p[1], 0, 0)
	b = append(b, p[4:headBytes]...)
	value := 0
	if code != accountingResponse {
		b = append(b, attrMessageAuthenticator, 2+md5.Size)
		value = len(b)
		b = append(b, s.zero[:]...)
	}
	switch p[0] {
	case accessRequest:
		b = append(b, attrReplyMessage, 2+6+1+digits)
		b = append(b, "hello "...)
		b = append(b, f.user[:1+digits]...)
		b = append(b, attrClass, 2+digits)
		b = appendNumber(b, number)
	case accountingRequest:
		b = append(b, attrVendorSpecific, 2+vendorBytes)
		b = binary.BigEndian.AppendUint32(b, vendorExample)
		b = append(b, 1, 2+digits)
		b = appendNumber(b, number)
	}
	// RFC 2865, Section 5.33: each Proxy-State comes back, in order.
	b = append(b, f.proxyStates...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	if value != 0 {
		copy(b[value:], s.messageAuth(b, b[4:headBytes], value))
	}
	copy(b[4:headBytes], s.digest(b))
	return b
}

// errRejected is an Access-Reject that the gateway itself made: the home server of the bench accepts everybody.
var errRejected = errors.New("radius: rejected by the gateway")

// genuine reports whether p is signed as an answer to r. The lengths of p are checked first.
func (s *signer) genuine(p []byte, r *request) bool {
	return bytes.Equal(s.digest(p[:4], r.auth[:], p[headBytes:]), p[4:headBytes])
}

// checkReply verifies p as the answer to r: first that it is genuine, then that it is this user's and nobody else's.
func (s *signer) checkReply(p []byte, r *request, f *found, letter byte) error {
	if err := parse(p, f); err != nil {
		return err
	}
	if !s.genuine(p, r) {
		return errAuthenticator
	}
	if r.code == accountingRequest {
		if p[0] != accountingResponse {
			return errCode
		}
		if got, ok := parseNumber(f.vendor[min(6, len(f.vendor)):]); !ok || got != r.number || len(f.proxyStates) != 0 {
			return errMixed
		}
		return nil
	}
	if f.messageAuth == 0 || !bytes.Equal(s.messageAuth(p, r.auth[:], f.messageAuth), p[f.messageAuth:f.messageAuth+md5.Size]) {
		return errMessageAuth
	}
	switch {
	case len(f.proxyStates) != 0:
		return errMixed
	case p[0] == accessReject && f.class == nil:
		return errRejected
	case p[0] != accessAccept:
		return errCode
	}
	var want [6 + 1 + digits]byte
	text := append(append(want[:0], "hello "...), letter)
	text = appendNumber(text, r.number)
	if !bytes.Equal(f.message, text) || !bytes.Equal(f.class, text[7:]) {
		return errMixed
	}
	return nil
}
