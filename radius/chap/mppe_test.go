package chap

import (
	"bytes"
	"crypto/md5"
	"testing"

	"github.com/frio-io/frio/radius"
)

// decrypted is a value hidden as in RFC 2548, Section 2.4: behind the authenticator, and a salt if there is one.
func decrypted(v, authenticator []byte, secret string, salt int) (text []byte) {
	last := append(bytes.Clone(authenticator), v[:salt]...)
	for v = v[salt:]; len(v) > 0; last, v = v[:16], v[16:] {
		pad := md5.Sum(append([]byte(secret), last...))
		for i := range pad {
			text = append(text, v[i]^pad[i])
		}
	}
	return text
}

// TestKeys takes the example of RFC 3079, Section 3.5.3, which goes on with that of RFC 2759.
func TestKeys(t *testing.T) {
	k, vector := radius.NewKeys([]byte("secret")), [16]byte{1, 2, 3}
	b := radius.NewRequest(nil, radius.AccessRequest, 1, vector)
	b.AddString(radius.UserName, "User")
	AddMS2(&b, 7, [16]byte(unhex(t, "5b5d7c7d7b3f2f3e3c2c602132262628")), [16]byte(unhex(t, "21402324255e262a28295f2b3a337c7e")), []byte("User"), []byte("clientPass"))
	p := seal(t, &b, k)
	b = radius.NewReply(nil, radius.AccessAccept, p)
	if !AnswerKeys(&b, k, p, []byte("clientPass")) {
		t.Fatal("no keys")
	}
	r := seal(t, &b, k)
	v, _ := r.FindVendor(311, 16)
	if got, want := decrypted(v, vector[:], "secret", 2), unhex(t, "10 8b7cdc149b993a1ba118cb153f56dccb"); !bytes.HasPrefix(got, want) {
		t.Errorf("the key to send with is %x, want %x", got, want)
	}
	v, _ = r.FindVendor(311, 17)
	if got := decrypted(v, vector[:], "secret", 2); got[0] != 16 || bytes.Equal(got[1:17], unhex(t, "8b7cdc149b993a1ba118cb153f56dccb")) {
		t.Errorf("the key to receive with is %x", got)
	}
}

// TestKeysOfVersion1: the NT key is the hash of the hash, which RFC 2759, Section 9.2, gives.
func TestKeysOfVersion1(t *testing.T) {
	k, vector := radius.NewKeys([]byte("secret")), [16]byte{1, 2, 3}
	b := radius.NewRequest(nil, radius.AccessRequest, 1, vector)
	AddMS(&b, [8]byte{1}, []byte("clientPass"))
	p := seal(t, &b, k)
	b = radius.NewReply(nil, radius.AccessAccept, p)
	if !AnswerKeys(&b, k, p, []byte("clientPass")) {
		t.Fatal("no keys")
	}
	v, _ := seal(t, &b, k).FindVendor(311, 12)
	if got, want := decrypted(v, vector[:], "secret", 0), unhex(t, "0000000000000000 41c00c584bd2d91c4017a2a12fa59f3f 0000000000000000"); !bytes.Equal(got, want) {
		t.Errorf("the keys are %x, want %x", got, want)
	}
}

func TestKeysOfNothing(t *testing.T) {
	k := radius.NewKeys(nil)
	for _, add := range []func(b *radius.Builder){
		func(b *radius.Builder) {},
		func(b *radius.Builder) { b.AddVendor(radius.Microsoft, ms2Response, make([]byte, 49)) },
	} {
		b := radius.NewRequest(nil, radius.AccessRequest, 1, [16]byte{})
		add(&b)
		p := seal(t, &b, k)
		b = radius.NewReply(nil, radius.AccessAccept, p)
		if AnswerKeys(&b, k, p, []byte("x")) {
			t.Errorf("keys for %x", p)
		}
	}
}
