package home

import (
	"crypto/md5"
	"testing"

	"github.com/frio-io/frio/radius"
)

// eapPacket wraps a message of EAP.
func eapPacket(t *testing.T, k *radius.Keys, name string, state, message []byte) radius.Packet {
	t.Helper()
	return request(t, k, radius.AccessRequest, func(b *radius.Builder) {
		b.AddString(radius.UserName, name)
		if state != nil {
			b.Add(radius.State, state)
		}
		b.AddLong(radius.EAPMessage, message)
	})
}

func identity(name string) []byte {
	return append([]byte{eapResponse, 1, 0, byte(5 + len(name)), eapIdentity}, name...)
}

// challenged begins a session and returns the State, the ident and the challenge.
func challenged(t *testing.T, s *Server, k *radius.Keys, name string) (state []byte, id uint8, text []byte) {
	t.Helper()
	reply := answered(t, s, k, eapPacket(t, k, name, nil, identity(name)))
	m, _ := reply.Find(radius.EAPMessage)
	if reply.Code() != radius.AccessChallenge || len(m) != 22 || m[0] != eapRequest || m[4] != eapMD5 {
		t.Fatalf("%v with %x", reply.Code(), m)
	}
	state, _ = reply.Find(radius.State)
	return state, m[1], m[6:]
}

func response(id uint8, password string, challenge []byte) []byte {
	sum := md5.Sum(append(append([]byte{id}, password...), challenge...))
	return append([]byte{eapResponse, id, 0, 22, eapMD5, 16}, sum[:]...)
}

func TestEAP(t *testing.T) {
	for _, c := range []struct {
		name, user, password string
		change               func(state, message []byte) (s, m []byte)
		want                 radius.Code
	}{
		{"right", "bob", "hello", nil, radius.AccessAccept},
		{"wrong", "bob", "hallo", nil, radius.AccessReject},
		{"nobody", "eve", "hello", nil, radius.AccessReject},
		{"without State", "bob", "hello", func(s, m []byte) ([]byte, []byte) { return nil, m }, radius.AccessReject},
		{"another State", "bob", "hello", func(s, m []byte) ([]byte, []byte) { s[5]++; return s, m }, radius.AccessReject},
		{"a State of another place", "bob", "hello", func(s, m []byte) ([]byte, []byte) { s[0]++; return s, m }, radius.AccessReject},
		{"another ident", "bob", "hello", func(s, m []byte) ([]byte, []byte) { m[1]++; return s, m }, radius.AccessReject},
		{"too short", "bob", "hello", func(s, m []byte) ([]byte, []byte) { m[3] = 21; return s, m[:21] }, radius.AccessReject},
		{"wrong length", "bob", "hello", func(s, m []byte) ([]byte, []byte) { m[3] = 21; return s, m }, radius.AccessReject},
		{"another size", "bob", "hello", func(s, m []byte) ([]byte, []byte) { m[5] = 15; return s, m }, radius.AccessReject},
		{"a Nak", "bob", "hello", func(s, m []byte) ([]byte, []byte) { return s, []byte{eapResponse, m[1], 0, 6, 3, 25} }, radius.AccessReject},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, k := served()
			state, id, text := challenged(t, s, k, c.user)
			m := response(id, c.password, text)
			if c.change != nil {
				state, m = c.change(state, m)
			}
			reply := answered(t, s, k, eapPacket(t, k, c.user, state, m))
			if reply.Code() != c.want {
				t.Errorf("%v, want %v", reply.Code(), c.want)
			}
			outcome := byte(eapFailure)
			if c.want == radius.AccessAccept {
				outcome = eapSuccess
			}
			if v, _ := reply.Find(radius.EAPMessage); len(v) != 4 || v[0] != outcome || v[3] != 4 {
				t.Errorf("EAP-Message %x", v)
			}
			if n := s.Counts(); n.Challenged != 1 || n.Accepted+n.Rejected != 1 {
				t.Errorf("counts %+v", n)
			}
		})
	}
}

// A challenge is answered once, by the name that it was given to, and is forgotten when 256 others came after.
func TestEAPOnce(t *testing.T) {
	s, k := served()
	state, id, text := challenged(t, s, k, "bob")
	p := eapPacket(t, k, "bob", state, response(id, "hello", text))
	if reply := answered(t, s, k, p); reply.Code() != radius.AccessAccept {
		t.Fatal(reply.Code())
	}
	if reply := answered(t, s, k, p); reply.Code() != radius.AccessReject {
		t.Errorf("the second time: %v", reply.Code())
	}
	state, id, text = challenged(t, s, k, "bob")
	if reply := answered(t, s, k, eapPacket(t, k, "alice", state, response(id, "wonderland", text))); reply.Code() != radius.AccessReject {
		t.Errorf("somebody else's challenge: %v", reply.Code())
	}
	state, id, text = challenged(t, s, k, "bob")
	for range challengesMax {
		challenged(t, s, k, "alice")
	}
	if reply := answered(t, s, k, eapPacket(t, k, "bob", state, response(id, "hello", text))); reply.Code() != radius.AccessReject {
		t.Errorf("a challenge that is forgotten: %v", reply.Code())
	}
	if n := len(s.challenges.list); n != challengesMax {
		t.Errorf("%d challenges are kept", n)
	}
}

// Whatever stands in EAP-Message gets an answer.
func TestEAPTruncated(t *testing.T) {
	s, k := served()
	whole := identity("bob")
	for n := range whole {
		if reply := answered(t, s, k, eapPacket(t, k, "bob", nil, whole[:n])); reply.Code() != radius.AccessReject {
			t.Errorf("%d bytes: %v", n, reply.Code())
		}
	}
}
