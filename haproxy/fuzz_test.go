package haproxy

import (
	"bytes"
	"reflect"
	"testing"
)

func FuzzV1(f *testing.F) {
	for _, c := range rightHeaders {
		if rest, ok := bytes.CutPrefix([]byte(c.wire), []byte(signature1)); ok {
			f.Add(rest)
		}
	}
	f.Add([]byte("TCP4 1.1.1.1 2.2.2.2 65536 02\r\n"))
	f.Add([]byte("TCP6 ::ffff:1.2.3.4 fe80::1%eth0 1 2\r\ndata"))
	f.Fuzz(func(t *testing.T, rest []byte) { properties(t, append([]byte(signature1), rest...)) })
}

func FuzzV2(f *testing.F) {
	for _, c := range rightHeaders {
		if rest, ok := bytes.CutPrefix([]byte(c.wire), []byte(signature2)); ok {
			f.Add(rest)
		}
	}
	f.Add([]byte(sealed(0x21, 0x11, inet4))[len(signature2):])
	f.Add([]byte(sealed(0x21, 0x31, sunPath("/a")+sunPath("b\x00c")))[len(signature2):])
	f.Fuzz(func(t *testing.T, rest []byte) { properties(t, append([]byte(signature2), rest...)) })
}

// properties holds of any bytes: parse says one of three things; it looks at no more than the header; each beginning of a header is
// incomplete, and says how much is missing at least; what was parsed, formatted and parsed again, is the same.
func properties(t *testing.T, p []byte) {
	var h Header
	used, more, err := h.parse(p)
	switch {
	case err != nil:
		if used != 0 || more != 0 || !reflect.DeepEqual(h, Header{}) {
			t.Fatalf("%d, %d, %+v and %v", used, more, h, err)
		}
		if _, ok := err.(*HeaderError); !ok {
			t.Fatalf("%T", err)
		}
		return
	case used == 0:
		if more <= 0 || len(p) >= v2Max || p[0] == 'P' && len(p) >= v1Max {
			t.Fatalf("%d bytes are incomplete by %d", len(p), more)
		}
		return
	case used > len(p) || more != 0:
		t.Fatalf("%d of %d bytes used, %d missing", used, len(p), more)
	}
	for n := range used {
		var part Header
		got, more, err := part.parse(p[:n:n])
		if got != 0 || more <= 0 || n+more > used || err != nil {
			t.Fatalf("%d of %d bytes: %d, %d, %v", n, used, got, more, err)
		}
	}
	var exact Header
	if got, _, err := exact.parse(p[:used:used]); got != used || err != nil || !reflect.DeepEqual(exact, h) {
		t.Fatalf("without what follows: %d, %v, %+v, with it %d, %+v", got, err, exact, used, h)
	}
	b := h.append(nil)
	if _, sum := h.TLVs.Get(TypeCRC32C); sum && !bytes.Equal(b, p[:used]) {
		return // a checksum over what is not kept: behind the end of a path, or addresses of an unspecified protocol
	}
	var again Header
	if got, _, err := again.parse(b); got != len(b) || err != nil || !reflect.DeepEqual(again, h) {
		t.Fatalf("%+v, formatted as %q and parsed, is %+v (%d, %v)", h, b, again, got, err)
	}
}
