// Package chap makes and verifies what CHAP and MS-CHAP put into a request in place of a password. It is for tools and for the
// built-in home server: a gateway relays them as they are.
package chap

import (
	"bytes"
	"crypto/md5"
	"crypto/subtle"

	"layeh.com/radius/rfc2759"

	"github.com/frio-io/frio/radius"
)

// The attributes of RFC 2548, Section 2.
const (
	msResponse  = 1
	msChallenge = 11
	ms2Response = 25
	ms2Success  = 26
)

// Add adds a CHAP-Password (RFC 2865, Section 5.3). challenge is the value of the CHAP-Challenge; nil: there is none, and the
// authenticator of the request stands in its place.
func Add(b *radius.Builder, id uint8, password, challenge []byte) bool {
	if challenge == nil {
		challenge = b.Authenticator()
	}
	v := value(id, password, challenge)
	return b.Add(radius.CHAPPassword, v[:])
}

// Check reports whether p holds a CHAP-Password made from password.
func Check(p radius.Packet, password []byte) bool {
	v, _ := p.Find(radius.CHAPPassword)
	challenge, ok := p.Find(radius.CHAPChallenge)
	if !ok {
		challenge = p.Authenticator()
	}
	if len(v) != 17 {
		return false
	}
	want := value(v[0], password, challenge)
	return subtle.ConstantTimeCompare(v, want[:]) == 1
}

// value is id and MD5(id + password + challenge).
func value(id uint8, password, challenge []byte) (v [17]byte) {
	sum := md5.Sum(append(append([]byte{id}, password...), challenge...))
	v[0] = id
	copy(v[1:], sum[:])
	return v
}

// AddMS adds MS-CHAP-Challenge and MS-CHAP-Response of version 1 (RFC 2433), with the NT response only. It reports whether the password
// is UTF-8 and both fitted.
func AddMS(b *radius.Builder, challenge [8]byte, password []byte) bool {
	response := ms(challenge[:], password)
	if response == nil {
		return false
	}
	v := make([]byte, 50) // ident, flags, 24 octets of LM response, 24 of NT response
	v[1] = 1              // the NT response counts
	copy(v[26:], response)
	return b.AddVendor(radius.Microsoft, msChallenge, challenge[:]) && b.AddVendor(radius.Microsoft, msResponse, v)
}

// CheckMS reports whether p holds an MS-CHAP-Response of version 1 made from password.
func CheckMS(p radius.Packet, password []byte) bool {
	v, _ := p.FindVendor(radius.Microsoft, msResponse)
	challenge, _ := p.FindVendor(radius.Microsoft, msChallenge)
	if len(v) != 50 || len(challenge) != 8 {
		return false
	}
	want := ms(challenge, password)
	return want != nil && subtle.ConstantTimeCompare(v[26:], want) == 1
}

func ms(challenge, password []byte) []byte {
	wide, err := rfc2759.ToUTF16(password)
	if err != nil {
		return nil
	}
	return rfc2759.ChallengeResponse(challenge, rfc2759.NTPasswordHash(wide))
}

// AddMS2 adds MS-CHAP-Challenge and MS-CHAP2-Response (RFC 2759). user is the User-Name, of which a domain in front is not part. It
// reports whether the password is UTF-8 and both fitted.
func AddMS2(b *radius.Builder, id uint8, challenge, peer [16]byte, user, password []byte) bool {
	response, err := rfc2759.GenerateNTResponse(challenge[:], peer[:], withoutDomain(user), password)
	if err != nil {
		return false
	}
	v := make([]byte, 50) // ident, flags, 16 octets of peer challenge, 8 reserved, 24 of response
	v[0] = id
	copy(v[2:], peer[:])
	copy(v[26:], response)
	return b.AddVendor(radius.Microsoft, msChallenge, challenge[:]) && b.AddVendor(radius.Microsoft, ms2Response, v)
}

// CheckMS2 reports whether p holds an MS-CHAP2-Response made from password and its User-Name, and returns the value for the
// MS-CHAP2-Success of the reply, which AnswerMS2 adds.
func CheckMS2(p radius.Packet, password []byte) (success []byte, ok bool) {
	v, _ := p.FindVendor(radius.Microsoft, ms2Response)
	challenge, _ := p.FindVendor(radius.Microsoft, msChallenge)
	user, _ := p.Find(radius.UserName)
	if len(v) != 50 || len(challenge) != 16 {
		return nil, false
	}
	user = withoutDomain(user)
	want, err := rfc2759.GenerateNTResponse(challenge, v[2:18], user, password)
	if err != nil || subtle.ConstantTimeCompare(v[26:], want) != 1 {
		return nil, false
	}
	text, err := rfc2759.GenerateAuthenticatorResponse(challenge, v[2:18], v[26:], user, password)
	if err != nil {
		return nil, false
	}
	return append([]byte{v[0]}, text...), true
}

// AnswerMS2 adds what CheckMS2 returned to the Access-Accept.
func AnswerMS2(b *radius.Builder, success []byte) bool {
	return b.AddVendor(radius.Microsoft, ms2Success, success)
}

// IsMS2Success reports whether reply proves that its sender knows the password with which request was made.
func IsMS2Success(reply, request radius.Packet, password []byte) bool {
	got, _ := reply.FindVendor(radius.Microsoft, ms2Success)
	want, ok := CheckMS2(request, password)
	return ok && subtle.ConstantTimeCompare(got, want) == 1
}

// withoutDomain cuts DOMAIN\ off.
func withoutDomain(user []byte) []byte {
	return user[bytes.LastIndexByte(user, '\\')+1:]
}
