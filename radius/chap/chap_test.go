package chap

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/frio-io/frio/radius"
)

func seal(t *testing.T, b *radius.Builder, k *radius.Keys) radius.Packet {
	t.Helper()
	raw, err := b.Seal(k)
	if err != nil {
		t.Fatal(err)
	}
	p, err := radius.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCHAP takes the example of RFC 2865, Section 7.2, whose password is arctangent.
func TestCHAP(t *testing.T) {
	p, err := radius.Parse(unhex(t, "01010047 2aee86f08d0d55969ca5978e0d3367a2 0108666c6f707379 031316e97557c3161858 95f293ff6344077275 0406c0a80110 050600000014 060600000002 070600000001"))
	if err != nil {
		t.Fatal(err)
	}
	if !Check(p, []byte("arctangent")) || Check(p, []byte("arctangens")) {
		t.Errorf("the example of the RFC")
	}
	b := radius.NewRequest(nil, radius.AccessRequest, 1, [16]byte(p.Authenticator()))
	Add(&b, 22, []byte("arctangent"), nil)
	q := seal(t, &b, radius.NewKeys(nil))
	mine, _ := q.Find(radius.CHAPPassword)
	theirs, _ := p.Find(radius.CHAPPassword)
	if !bytes.Equal(mine, theirs) {
		t.Errorf("%x, want %x", mine, theirs)
	}
	// Behind a relay the challenge is an attribute.
	k := radius.NewKeys([]byte("x"))
	out, err := radius.AppendRequest(nil, q, k, k, &radius.Forward{Authenticator: [16]byte{9}})
	if err != nil {
		t.Fatal(err)
	}
	if r, _ := radius.Parse(out); !Check(r, []byte("arctangent")) || Check(r, nil) {
		t.Errorf("behind a relay")
	}
	b = radius.NewRequest(nil, radius.AccessRequest, 1, [16]byte{})
	b.AddString(radius.CHAPChallenge, "a challenge")
	Add(&b, 22, []byte("arctangent"), []byte("a challenge"))
	if !Check(seal(t, &b, k), []byte("arctangent")) {
		t.Errorf("with a challenge of its own")
	}
	b = radius.NewRequest(nil, radius.AccessRequest, 1, [16]byte{})
	b.Add(radius.CHAPPassword, make([]byte, 16))
	if Check(seal(t, &b, k), nil) {
		t.Errorf("16 octets")
	}
}

// TestMS takes the example of RFC 2433, Appendix B.
func TestMS(t *testing.T) {
	k := radius.NewKeys(nil)
	b := radius.NewRequest(nil, radius.AccessRequest, 1, [16]byte{})
	AddMS(&b, [8]byte(unhex(t, "102db5df085d3041")), []byte("MyPw"))
	p := seal(t, &b, k)
	v, _ := p.FindVendor(311, 1)
	if want := unhex(t, "0001 "+strings.Repeat("00", 24)+"4e9d3c8f9cfd385d5bf4d3246791956ca4c351ab409a3d61"); !bytes.Equal(v, want) {
		t.Errorf("%x, want %x", v, want)
	}
	if !CheckMS(p, []byte("MyPw")) || CheckMS(p, []byte("MyPW")) || CheckMS(p, []byte("\xff")) {
		t.Errorf("CheckMS")
	}
	b = radius.NewRequest(nil, radius.AccessRequest, 1, [16]byte{})
	if CheckMS(seal(t, &b, k), nil) {
		t.Errorf("nothing is right")
	}
}

// TestMS2 takes the example of RFC 2759, Section 9.2.
func TestMS2(t *testing.T) {
	k := radius.NewKeys(nil)
	challenge := [16]byte(unhex(t, "5b5d7c7d7b3f2f3e3c2c602132262628"))
	peer := [16]byte(unhex(t, "21402324255e262a28295f2b3a337c7e"))
	for _, user := range []string{"User", `DOMAIN\User`} {
		b := radius.NewRequest(nil, radius.AccessRequest, 1, [16]byte{})
		b.AddString(radius.UserName, user)
		AddMS2(&b, 7, challenge, peer, []byte(user), []byte("clientPass"))
		p := seal(t, &b, k)
		v, _ := p.FindVendor(311, 25)
		if want := unhex(t, "0700 21402324255e262a28295f2b3a337c7e 0000000000000000 82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df"); !bytes.Equal(v, want) {
			t.Errorf("%x, want %x", v, want)
		}
		success, ok := CheckMS2(p, []byte("clientPass"))
		if !ok || string(success) != "\x07S=407A5589115FD0D6209F510FE9C04566932CDA56" {
			t.Errorf("%q %v", success, ok)
		}
		if _, ok := CheckMS2(p, []byte("clientpass")); ok {
			t.Errorf("another password is right")
		}
		b = radius.NewReply(nil, radius.AccessAccept, p)
		AnswerMS2(&b, success)
		r := seal(t, &b, k)
		if !IsMS2Success(r, p, []byte("clientPass")) || IsMS2Success(r, p, []byte("x")) || IsMS2Success(p, p, []byte("clientPass")) {
			t.Errorf("IsMS2Success")
		}
	}
}
