//go:build linux

package main

import (
	"crypto/md5"
	"encoding/binary"
	"errors"
	"testing"
)

// exchange makes a request and the home server's answer to it, as kind udp has them.
func exchange(t testing.TB, code byte, number uint64) (s *signer, r request, p, reply []byte) {
	t.Helper()
	s = newSigner(kindUDP.secret())
	r = request{code: code, number: number}
	p = s.appendRequest(nil, &r, 7, 'u')
	reply = answerTo(t, s, p)
	return s, r, p, reply
}

func answerTo(t testing.TB, s *signer, p []byte) []byte {
	t.Helper()
	var f found
	p = append([]byte(nil), p...)
	_, number, err := s.checkRequest(p, &f)
	if err != nil {
		t.Fatal(err)
	}
	return s.appendReply(nil, p, &f, number)
}

// resign makes reply p a genuine answer to r again after it was changed.
func resign(s *signer, p []byte, r *request) {
	var f found
	parse(p, &f)
	copy(p[4:headBytes], r.auth[:])
	if f.messageAuth != 0 {
		copy(p[f.messageAuth:], s.messageAuth(p, r.auth[:], f.messageAuth))
	}
	copy(p[4:headBytes], s.digest(p))
}

func TestExchange(t *testing.T) {
	for _, code := range []byte{accessRequest, accountingRequest} {
		s, r, p, reply := exchange(t, code, 1234567890)
		var f found
		if err := s.checkReply(reply, &r, &f, 'u'); err != nil {
			t.Errorf("code %d: %v", code, err)
		}
		if len(p) < 130 || len(p) > 170 {
			t.Errorf("code %d: a request of %d bytes is not a usual one", code, len(p))
		}
	}
}

func TestCheckReply(t *testing.T) {
	for _, c := range []struct {
		name   string
		code   byte
		change func(s *signer, reply []byte, r *request) []byte
		want   error
	}{
		{"authenticator", accessRequest, func(s *signer, p []byte, r *request) []byte { p[9] ^= 1; return p }, errAuthenticator},
		{"attribute changed", accessRequest, func(s *signer, p []byte, r *request) []byte { p[len(p)-1] ^= 1; return p }, errAuthenticator},
		{"Message-Authenticator", accessRequest, func(s *signer, p []byte, r *request) []byte {
			p[headBytes+5] ^= 1
			copy(p[4:headBytes], r.auth[:])
			copy(p[4:headBytes], s.digest(p))
			return p
		}, errMessageAuth},
		{"no Message-Authenticator", accessRequest, func(s *signer, p []byte, r *request) []byte {
			p = append(p[:headBytes], p[headBytes+2+md5.Size:]...)
			binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
			resign(s, p, r)
			return p
		}, errMessageAuth},
		{"somebody else's", accessRequest, func(s *signer, _ []byte, r *request) []byte {
			other := request{code: accessRequest, number: r.number + 1}
			p := answerTo(t, s, s.appendRequest(nil, &other, 7, 'u'))
			resign(s, p, r)
			return p
		}, errMixed},
		{"somebody else's accounting", accountingRequest, func(s *signer, p []byte, r *request) []byte {
			p[len(p)-1] ^= 1
			resign(s, p, r)
			return p
		}, errMixed},
		{"a Proxy-State too many", accessRequest, func(s *signer, p []byte, r *request) []byte {
			p = append(p, attrProxyState, 3, 1)
			binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
			resign(s, p, r)
			return p
		}, errMixed},
		{"reject of the gateway", accessRequest, func(s *signer, p []byte, r *request) []byte {
			p = append(p[:0], accessReject, 7, 0, headBytes+2+md5.Size)
			p = append(append(p, make([]byte, md5.Size)...), attrMessageAuthenticator, 2+md5.Size)
			p = append(p, make([]byte, md5.Size)...)
			resign(s, p, r)
			return p
		}, errRejected},
		{"code", accountingRequest, func(s *signer, p []byte, r *request) []byte {
			p[0] = accessAccept
			resign(s, p, r)
			return p
		}, errCode},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, r, _, reply := exchange(t, c.code, 41)
			var f found
			if err := s.checkReply(c.change(s, reply, &r), &r, &f, 'u'); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestCheckRequest(t *testing.T) {
	sign := func(s *signer, p []byte) []byte {
		var f found
		parse(p, &f)
		copy(p[f.messageAuth:], s.messageAuth(p, p[4:headBytes], f.messageAuth))
		return p
	}
	for _, c := range []struct {
		name   string
		code   byte
		change func(s *signer, p []byte) []byte
		want   error
	}{
		{"Message-Authenticator", accessRequest, func(s *signer, p []byte) []byte { p[headBytes+4] ^= 1; return p }, errMessageAuth},
		{"password", accessRequest, func(s *signer, p []byte) []byte {
			var f found
			parse(p, &f)
			f.password[3] ^= 1
			return sign(s, p)
		}, errPassword},
		{"name", accessRequest, func(s *signer, p []byte) []byte {
			var f found
			parse(p, &f)
			f.user[5] = 'x'
			return sign(s, p)
		}, errUser},
		{"accounting authenticator", accountingRequest, func(s *signer, p []byte) []byte { p[5] ^= 1; return p }, errAuthenticator},
		{"code", accessRequest, func(s *signer, p []byte) []byte { p[0] = 99; return p }, errCode},
		{"attribute of no length", accessRequest, func(s *signer, p []byte) []byte { p[headBytes+1] = 1; return p }, errAttribute},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _, p, _ := exchange(t, c.code, 41)
			var f found
			if _, _, err := s.checkRequest(c.change(s, p), &f); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestParseTruncated(t *testing.T) {
	for _, code := range []byte{accessRequest, accountingRequest} {
		s, r, p, reply := exchange(t, code, 5)
		var f found
		for n := range p {
			cut := append([]byte(nil), p[:n]...)
			if _, _, err := s.checkRequest(cut, &f); err == nil {
				t.Errorf("a request cut to %d bytes passes", n)
			}
			if n >= headBytes {
				binary.BigEndian.PutUint16(cut[2:], uint16(n))
				if _, _, err := s.checkRequest(cut, &f); err == nil {
					t.Errorf("a request of %d bytes passes", n)
				}
			}
		}
		for n := range reply {
			if err := s.checkReply(reply[:n], &r, &f, 'u'); err == nil {
				t.Errorf("a reply cut to %d bytes passes", n)
			}
		}
	}
}

// The bench must be cheaper than what it measures.
func TestAllocs(t *testing.T) {
	s := newSigner(kindUDP.secret())
	var f found
	p, reply := make([]byte, 0, packetMax), make([]byte, 0, packetMax)
	number := uint64(0)
	var r request
	if n := testing.AllocsPerRun(1000, func() {
		number++
		r.code, r.number = accessRequest, number
		p = s.appendRequest(p[:0], &r, 1, 'u')
		if _, got, err := s.checkRequest(p, &f); err != nil || got != number {
			t.Fatal(err)
		}
		reply = s.appendReply(reply[:0], p, &f, number)
		if err := s.checkReply(reply, &r, &f, 'u'); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for one exchange", n)
	}
}
