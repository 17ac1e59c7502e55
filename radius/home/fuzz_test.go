package home

import (
	"testing"

	"github.com/frio-io/frio/radius"
)

// FuzzHandle: whatever attributes a client with the right secret sends, there is a right reply, or an error of package radius.
func FuzzHandle(f *testing.F) {
	f.Add(uint8(1), []byte("\x01\x05bob\x02\x12xxxxxxxxxxxxxxxx"), true)
	f.Add(uint8(1), []byte("\x01\x05bob\x03\x13xxxxxxxxxxxxxxxxx!\x04xx\x21\x02"), true)
	f.Add(uint8(1), []byte("\x01\x05bob\x4f\x0a\x02\x01\x00\x08\x01bob"), true)
	f.Add(uint8(1), []byte("\x01\x05bob\x18\x12xxxxxxxxxxxxxxxx\x4f\x18\x02\x01\x00\x16\x04\x10xxxxxxxxxxxxxxxx"), true)
	f.Add(uint8(1), append(append([]byte("\x01\x05bob\x1a\x0e\x00\x00\x01\x37\x0b\x08xxxxxx\x1a\x3a\x00\x00\x01\x37\x01\x34\x00\x01"), make([]byte, 48)...), 1, 3, 3), true)
	f.Add(uint8(4), []byte("\x28\x06\x00\x00\x00\x01"), false)
	f.Add(uint8(12), []byte{}, true)
	f.Add(uint8(43), []byte("\x01\x05bob"), false)
	s, k := New(Config{Users: users, Unsigned: true}), radius.NewKeys([]byte(secret))
	f.Fuzz(func(t *testing.T, code uint8, attributes []byte, sign bool) {
		b := radius.NewRequest(nil, radius.Code(code), 1, [16]byte{5})
		b.AddEncoded(attributes)
		if sign {
			b.Sign()
		}
		out, err := b.Seal(k)
		if err != nil {
			return
		}
		p, err := radius.Parse(out)
		if err != nil {
			t.Fatalf("a built packet: %v", err)
		}
		reply, err := s.Handle(nil, p, k)
		if err != nil {
			if _, ok := err.(*radius.Error); !ok || len(reply) > 0 {
				t.Fatalf("%v with %d bytes", err, len(reply))
			}
			return
		}
		answer, err := radius.Parse(reply)
		if err != nil {
			t.Fatal(err)
		}
		if err := k.CheckReply(answer, p.Authenticator(), false); err != nil {
			t.Fatal(err)
		}
		if !answer.Code().Answers(p.Code()) || states(answer) != states(p) {
			t.Fatalf("%v %s answers %v %s", answer.Code(), states(answer), p.Code(), states(p))
		}
	})
}
