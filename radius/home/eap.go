package home

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"

	"github.com/frio-io/frio/radius"
)

// The codes and types of EAP (RFC 3748, Sections 4 and 5).
const (
	eapRequest  = 1
	eapResponse = 2
	eapSuccess  = 3
	eapFailure  = 4

	eapIdentity = 1
	eapMD5      = 4
)

// challengesMax bounds the EAP sessions under way: a challenge that 255 others came after is forgotten.
const challengesMax = 256

// challenges is a ring of those given out.
type challenges struct {
	list []challenge // made with the first
	next int
}

// challenge is answered once, by whoever brings its State.
type challenge struct {
	state, text [16]byte
	id          uint8
	user        *user // nil for a name that is not known: it gets a challenge too
	open        bool
}

// eap answers EAP (RFC 3579) with the method MD5-Challenge, the smallest that goes both ways twice.
func (s *Server) eap(dst []byte, request radius.Packet, k *radius.Keys, u *user) ([]byte, error) {
	var message [radius.MaxSize]byte
	m := message[:0]
	for a := range request.Attributes() {
		if a.Type == radius.EAPMessage {
			m = append(m, a.Value...)
		}
	}
	id := uint8(0)
	if len(m) > 1 {
		id = m[1]
	}
	if len(m) < 5 || m[0] != eapResponse || int(binary.BigEndian.Uint16(m[2:])) != len(m) {
		return s.fail(dst, request, k, id)
	}
	switch m[4] {
	case eapIdentity:
		return s.challenge(dst, request, k, u, id+1)
	case eapMD5:
		c := s.take(request)
		if c == nil || c.id != id || c.user == nil || c.user != u || len(m) < 22 || m[5] != 16 || !c.isAnswer(m[6:22]) {
			return s.fail(dst, request, k, id)
		}
		b := s.accept(dst, request, u)
		b.Add(radius.EAPMessage, []byte{eapSuccess, id, 0, 4})
		return b.Seal(k)
	}
	return s.fail(dst, request, k, id)
}

// challenge answers an identity.
func (s *Server) challenge(dst []byte, request radius.Packet, k *radius.Keys, u *user, id uint8) ([]byte, error) {
	if s.challenges.list == nil {
		s.challenges.list = make([]challenge, challengesMax)
	}
	at := s.challenges.next
	s.challenges.next = (at + 1) % challengesMax
	c := &s.challenges.list[at]
	*c = challenge{id: id, user: u, open: true}
	rand.Read(c.state[:])
	rand.Read(c.text[:])
	c.state[0] = uint8(at) // where to look for it
	s.counts.Challenged++
	b := radius.NewReply(dst, radius.AccessChallenge, request)
	b.Add(radius.State, c.state[:])
	m := append([]byte{eapRequest, id, 0, 22, eapMD5, 16}, c.text[:]...)
	b.Add(radius.EAPMessage, m)
	return b.Seal(k)
}

// take returns the challenge that the State of request belongs to, once.
func (s *Server) take(request radius.Packet) *challenge {
	state, ok := request.Find(radius.State)
	if !ok || len(state) != 16 || s.challenges.list == nil {
		return nil
	}
	c := &s.challenges.list[state[0]]
	if !c.open || subtle.ConstantTimeCompare(c.state[:], state) != 1 {
		return nil
	}
	c.open = false
	return c
}

// isAnswer reports whether sum is that of the challenge and the user's password (RFC 1994, Section 4.1).
func (c *challenge) isAnswer(sum []byte) bool {
	want := md5.Sum(append(append([]byte{c.id}, c.user.Password...), c.text[:]...))
	return subtle.ConstantTimeCompare(sum, want[:]) == 1
}

// fail rejects, without a Reply-Message (RFC 3579, Section 2.6.5).
func (s *Server) fail(dst []byte, request radius.Packet, k *radius.Keys, id uint8) ([]byte, error) {
	s.counts.Rejected++
	b := radius.NewReply(dst, radius.AccessReject, request)
	b.Add(radius.EAPMessage, []byte{eapFailure, id, 0, 4})
	return b.Seal(k)
}
