package home

import (
	"crypto/rand"
	"encoding/hex"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/radius/chap"
)

// What every Access-Accept and Access-Reject says.
const (
	welcome = "welcome"
	refusal = "wrong name or password"
	class   = "frio"
)

// The attributes of Microsoft (RFC 2548) that are looked for here.
const (
	msResponse  = 1
	msError     = 2
	ms2Response = 25
)

// access answers an Access-Request by the first kind of password found in it.
func (s *Server) access(dst []byte, request radius.Packet, k *radius.Keys) ([]byte, error) {
	name, _ := request.Find(radius.UserName)
	u := s.users[string(name)]
	if _, ok := request.Find(radius.EAPMessage); ok {
		return s.eap(dst, request, k, u)
	}
	if v, ok := request.FindVendor(radius.Microsoft, ms2Response); ok {
		return s.version2(dst, request, k, u, v)
	}
	if v, ok := request.FindVendor(radius.Microsoft, msResponse); ok {
		return s.version1(dst, request, k, u, v)
	}
	if u == nil || !k.IsPassword(request, u.Password) && !chap.Check(request, u.password) {
		return s.reject(dst, request, k, nil)
	}
	b := s.accept(dst, request, u)
	return b.Seal(k)
}

// accept starts an Access-Accept.
func (s *Server) accept(dst []byte, request radius.Packet, u *user) radius.Builder {
	s.counts.Accepted++
	b := radius.NewReply(dst, radius.AccessAccept, request)
	b.AddString(radius.ReplyMessage, welcome)
	b.AddString(radius.Class, class)
	b.AddEncoded(u.Attributes)
	return b
}

// reject makes an Access-Reject; problem is an MS-CHAP-Error.
func (s *Server) reject(dst []byte, request radius.Packet, k *radius.Keys, problem []byte) ([]byte, error) {
	s.counts.Rejected++
	b := radius.NewReply(dst, radius.AccessReject, request)
	if problem != nil {
		b.AddVendor(radius.Microsoft, msError, problem)
	}
	b.AddString(radius.ReplyMessage, refusal)
	return b.Seal(k)
}

// version1 answers MS-CHAP (RFC 2433). The flags must say that the NT response counts.
func (s *Server) version1(dst []byte, request radius.Packet, k *radius.Keys, u *user, v []byte) ([]byte, error) {
	if u == nil || len(v) < 2 || v[1] != 1 || !chap.CheckMS(request, u.password) {
		return s.reject(dst, request, k, failure(v, "E=691 R=0"))
	}
	b := s.accept(dst, request, u)
	chap.AnswerKeys(&b, k, request, u.password)
	return b.Seal(k)
}

// version2 answers MS-CHAPv2 (RFC 2759).
func (s *Server) version2(dst []byte, request radius.Packet, k *radius.Keys, u *user, v []byte) ([]byte, error) {
	if u != nil {
		if success, ok := chap.CheckMS2(request, u.password); ok {
			b := s.accept(dst, request, u)
			chap.AnswerMS2(&b, success)
			chap.AnswerKeys(&b, k, request, u.password)
			return b.Seal(k)
		}
	}
	var fresh [16]byte
	rand.Read(fresh[:])
	return s.reject(dst, request, k, failure(v, "E=691 R=0 C="+hex.EncodeToString(fresh[:])+" V=3 M="+refusal))
}

// failure is an MS-CHAP-Error: the ident of the response, and text (RFC 2548, Section 2.1.5).
func failure(response []byte, text string) []byte {
	ident := uint8(0)
	if len(response) > 0 {
		ident = response[0]
	}
	return append([]byte{ident}, text...)
}
