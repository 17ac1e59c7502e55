package radius

import (
	"bytes"
	"strings"
	"testing"

	layeh "layeh.com/radius"
)

// TestPasswords: User-Passwords of every length arrive, as another implementation reads them.
func TestPasswords(t *testing.T) {
	client, home := both()
	for n := 1; n <= 128; n++ {
		clear := []byte(strings.Repeat("p4ssw0rd", 16)[:n])
		attr, err := layeh.NewUserPassword(clear, []byte(clientSecret), []byte("0123456789abcdef"))
		if err != nil {
			t.Fatal(err)
		}
		p := sealed(t, client, AccessRequest, true, append([]byte{2, byte(2 + len(attr))}, attr...)...)
		out, err := AppendRequest(nil, p, client, home, &Forward{Authenticator: random})
		if err != nil {
			t.Fatal(err)
		}
		v, _ := parse(t, out).Find(UserPassword)
		if got, err := layeh.UserPassword(v, []byte(homeSecret), random[:]); err != nil || !bytes.Equal(got, clear) {
			t.Errorf("%d octets: %q %v", n, got, err)
		}
		b := NewRequest(nil, AccessRequest, 1, random)
		if !b.HidePassword(home, clear) {
			t.Fatalf("HidePassword of %d octets", n)
		}
		built, err := b.Seal(home)
		if err != nil {
			t.Fatal(err)
		}
		w, _ := parse(t, built).Find(UserPassword)
		if !bytes.Equal(v, w) {
			t.Errorf("%d octets: built %x, relayed %x", n, w, v)
		}
	}
}

// TestTunnelPasswords: they arrive whatever they are, with a salt of our own each.
func TestTunnelPasswords(t *testing.T) {
	client, home := both()
	request, homeRequest := []byte("0123456789abcdef"), []byte("fedcba9876543210")
	salts := map[string]bool{}
	for n := range 239 {
		clear := []byte(strings.Repeat("tunnel", 40)[:n])
		attr, err := layeh.NewTunnelPassword(clear, []byte{0x80, byte(n)}, []byte(homeSecret), homeRequest)
		if err != nil {
			t.Fatal(err)
		}
		raw := append([]byte{69, byte(3 + len(attr)), 1}, attr...)
		if n < 230 {
			raw = append(raw, 26, byte(8+len(attr)), 0, 0, 1, 55, 17, byte(2+len(attr)))
			raw = append(raw, attr...)
		}
		r := answered(t, home, AccessAccept, homeRequest, true, raw...)
		out, err := AppendReply(nil, r, home, client, &Answer{Request: asked(request), HomeRequest: homeRequest})
		if err != nil {
			t.Fatal(err)
		}
		q := parse(t, out)
		v, _ := q.Find(TunnelPassword)
		if v[0] != 1 || v[1]&0x80 == 0 || salts[string(v[1:3])] {
			t.Errorf("%d octets: tag and salt %x", n, v[:3])
		}
		salts[string(v[1:3])] = true
		if got, _, err := layeh.TunnelPassword(v[1:], []byte(clientSecret), request); err != nil || !bytes.Equal(got, clear) {
			t.Errorf("%d octets: %q %v", n, got, err)
		}
		if v, ok := q.FindVendor(Microsoft, 17); ok {
			if got, _, err := layeh.TunnelPassword(v, []byte(clientSecret), request); err != nil || !bytes.Equal(got, clear) || salts[string(v[:2])] {
				t.Errorf("%d octets, MPPE: %q %v", n, got, err)
			}
			salts[string(v[:2])] = true
		}
	}
}

// opened returns the clear text of a hidden value, blocks of it, computed the plain way.
func opened(secret string, vector, salt, v []byte) []byte {
	k := NewKeys([]byte(secret))
	last, out := vector, bytes.Clone(v)
	for at := 0; at < len(v); at += 16 {
		k.pad(last, salt)
		for i := at; i < min(at+16, len(v)); i++ {
			out[i] ^= k.sum[i-at]
		}
		last, salt = v[at:min(at+16, len(v))], nil
	}
	return out
}

// TestHiddenOdd: what is hidden keeps its octets where its own length lies, where it is not whole blocks, and in requests with a hash for an authenticator.
func TestHiddenOdd(t *testing.T) {
	client, home := both()
	for _, c := range []struct {
		name   string
		code   Code
		prefix []byte // header up to the salt
		clear  []byte
	}{
		{"length beyond", AccessAccept, []byte{69, 0, 5}, append([]byte{200}, make([]byte, 15)...)},
		{"length odd", AccessAccept, []byte{69, 0, 5}, []byte("\x05hello")},
		{"one octet", AccessAccept, []byte{69, 0, 0}, []byte{0}},
		{"CoA", CoARequest, []byte{69, 0, 0}, []byte("\x05helloxxxxxxxxxxyyyyyyyyyyyyyyyy")},
		{"CoA, MPPE", CoARequest, []byte{26, 0, 0, 0, 1, 55, 16, 0}, []byte("\x05helloxxxxxxxxxx")},
		{"Accounting", AccountingRequest, []byte{69, 0, 0}, []byte("\x05helloxxxxxxxxxx")},
		{"Access-Request", AccessRequest, []byte{69, 0, 0}, []byte("\x05helloxxxxxxxxxx")},
		{"WiMAX", AccessAccept, []byte{26, 0, 0, 0, 0x60, 0xb5, 5, 0, 0}, []byte("\x05helloxxxxxxxxxx")},
		{"Aruba", AccessAccept, []byte{26, 0, 0, 0, 0x39, 0xe7, 44, 0}, []byte("\x05helloxxxxxxxxxx")},
		{"LANCOM", AccessAccept, []byte{26, 0, 0, 0, 9, 0x34, 19, 0, 7}, []byte("\x05helloxxxxxxxxxx")},
	} {
		t.Run(c.name, func(t *testing.T) {
			request, homeRequest := []byte("0123456789abcdef"), []byte("fedcba9876543210")
			fromKeys, toKeys, toSecret := home, client, clientSecret
			fromVector, toVector := homeRequest, request
			if c.code.IsRequest() {
				fromKeys, toKeys, toSecret = client, home, homeSecret
				fromVector, toVector = request, random[:]
				if !c.code.signed() {
					fromVector, toVector = zeros[:], zeros[:]
				}
			}
			raw := append(append(bytes.Clone(c.prefix), 0x81, 0x23), c.clear...)
			raw[1] = byte(len(raw))
			if raw[0] == 26 {
				raw[7] = byte(len(raw) - 6)
			}
			at := len(c.prefix)
			fromKeys.hide(raw[at+2:], fromVector, raw[at:at+2])
			var out []byte
			var err error
			if c.code.IsRequest() {
				out, err = AppendRequest(nil, sealed(t, fromKeys, c.code, true, raw...), fromKeys, toKeys, &Forward{Authenticator: random})
			} else {
				r := answered(t, fromKeys, c.code, homeRequest, true, raw...)
				out, err = AppendReply(nil, r, fromKeys, toKeys, &Answer{Request: asked(request), HomeRequest: homeRequest})
			}
			if err != nil {
				t.Fatal(err)
			}
			got := parse(t, out)[HeaderSize+18:]
			if len(got) != len(raw) || !bytes.Equal(got[:at], raw[:at]) || got[at]&0x80 == 0 {
				t.Fatalf("%x became %x", raw, got)
			}
			if clear := opened(toSecret, toVector, got[at:at+2], got[at+2:]); !bytes.Equal(clear, c.clear) {
				t.Errorf("%q, want %q", clear, c.clear)
			}
		})
	}
}

// TestMSCHAPKeys: MS-CHAP-MPPE-Keys are hidden as a User-Password is.
func TestMSCHAPKeys(t *testing.T) {
	client, home := both()
	clear := []byte("LMkeyLMkNTkeyNTkeyNTkey!00000000")
	request, homeRequest := []byte("0123456789abcdef"), []byte("fedcba9876543210")
	raw := append([]byte{26, 40, 0, 0, 1, 55, 12, 34}, clear...)
	home.hide(raw[8:], homeRequest, nil)
	// A neighbour in the same Vendor-Specific stays as it is.
	raw = append(raw, 7, 6, 0, 0, 0, 2)
	raw[1] += 6
	r := answered(t, home, AccessAccept, homeRequest, true, raw...)
	out, err := AppendReply(nil, r, home, client, &Answer{Request: asked(request), HomeRequest: homeRequest})
	if err != nil {
		t.Fatal(err)
	}
	got := parse(t, out)[HeaderSize+18:]
	if len(got) != len(raw) || !bytes.Equal(got[:8], raw[:8]) || !bytes.Equal(got[40:], raw[40:]) {
		t.Fatalf("%x became %x", raw, got)
	}
	if v := opened(clientSecret, request, nil, got[8:40]); !bytes.Equal(v, clear) {
		t.Errorf("%q", v)
	}
}

// TestHiddenTable: hides and hidingOf agree.
func TestHiddenTable(t *testing.T) {
	for vendor := range uint32(30000) {
		any := false
		for typ := range 256 {
			any = any || IsHidden(vendor, uint8(typ))
		}
		if any != (hides(vendor) || vendor == 0) {
			t.Errorf("vendor %d: %v", vendor, any)
		}
	}
}

// TestSameKeys: client and home server may share their keys.
func TestSameKeys(t *testing.T) {
	k := NewKeys([]byte(clientSecret))
	b := NewRequest(nil, AccessRequest, 1, [16]byte{1})
	b.HidePassword(k, []byte("a password of more than one block"))
	raw, err := b.Seal(k)
	if err != nil {
		t.Fatal(err)
	}
	out, err := AppendRequest(nil, parse(t, raw), k, k, &Forward{Authenticator: random})
	if err != nil {
		t.Fatal(err)
	}
	v, _ := parse(t, out).Find(UserPassword)
	if got, err := layeh.UserPassword(v, []byte(clientSecret), random[:]); err != nil || string(got) != "a password of more than one block" {
		t.Errorf("%q %v", got, err)
	}
}
