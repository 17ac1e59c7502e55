package radius

import (
	"bytes"
	"net/netip"
	"testing"

	layeh "layeh.com/radius"
)

func TestBuildRequest(t *testing.T) {
	k := NewKeys([]byte(clientSecret))
	for _, code := range []Code{AccessRequest, StatusServer, AccountingRequest, CoARequest, DisconnectRequest} {
		for _, sign := range []bool{false, true} {
			b := NewRequest([]byte("kept"), code, 9, random)
			b.AddString(UserName, "bob")
			b.AddAddr(NASIPAddress, netip.MustParseAddr("::ffff:192.0.2.1"))
			b.AddAddr(NASIPv6Address, netip.MustParseAddr("2001:db8::1"))
			b.AddUint32(NASPort, 7)
			if sign {
				b.Sign()
				b.Sign()
			}
			b.AddVendor(9, 1, []byte("x"))
			b.AddEncoded([]byte{33, 3, 1})
			b.AddEncoded(nil)
			out, err := b.Seal(k)
			if err != nil || string(out[:4]) != "kept" {
				t.Fatalf("%v: %x %v", code, out, err)
			}
			p := parse(t, out[4:])
			if err := k.CheckRequest(p, sign); err != nil {
				t.Errorf("%v: %v", code, err)
			}
			want := "0105626f62 0406c0000201 5f1220010db8000000000000000000000001 050600000007 "
			if code.signed() {
				want = "MA " + want
			} else if sign {
				want += "MA "
			}
			want += "1a0900000009010378 210301"
			if got := attributes(p); got != want {
				t.Errorf("%v: %s, want %s", code, got, want)
			}
			if !layeh.IsAuthenticRequest(p, []byte(clientSecret)) {
				t.Errorf("%v: not authentic for another implementation", code)
			}
		}
	}
}

func TestBuildReply(t *testing.T) {
	k := NewKeys([]byte(clientSecret))
	for _, c := range []struct {
		request Code
		signed  bool
		code    Code
		want    string
	}{
		{AccessRequest, false, AccessAccept, "MA 2103aa 2103bb 120361"},
		{AccessRequest, true, AccessReject, "MA 2103aa 2103bb 120361"},
		{StatusServer, true, AccessAccept, "MA 2103aa 2103bb 120361"},
		{StatusServer, true, AccountingResponse, "MA 2103aa 2103bb 120361"},
		{AccountingRequest, false, AccountingResponse, "2103aa 2103bb 120361"},
		{AccountingRequest, true, AccountingResponse, "2103aa 2103bb 120361"},
		{CoARequest, false, CoAACK, "2103aa 2103bb 120361"},
		{CoARequest, true, CoANAK, "MA 2103aa 2103bb 120361"},
	} {
		p := sealed(t, k, c.request, c.signed, 33, 3, 0xaa, 1, 3, 'a', 33, 3, 0xbb)
		b := NewReply(nil, c.code, p)
		b.AddString(ReplyMessage, "a")
		out, err := b.Seal(k)
		if err != nil {
			t.Fatal(err)
		}
		r := parse(t, out)
		if err := k.CheckReply(r, p.Authenticator(), c.signed); err != nil || r.ID() != p.ID() || r.Code() != c.code {
			t.Errorf("%v to %v: %v", c.code, c.request, err)
		}
		if got := attributes(r); got != c.want {
			t.Errorf("%v to %v: %s", c.code, c.request, got)
		}
		if !layeh.IsAuthenticResponse(r, p, []byte(clientSecret)) {
			t.Errorf("%v: not authentic for another implementation", c.code)
		}
	}
}

// TestBuildHidden: keys and passwords are what another implementation reads.
func TestBuildHidden(t *testing.T) {
	k := NewKeys([]byte(clientSecret))
	p := sealed(t, k, AccessRequest, true)
	for n := range 239 {
		clear := bytes.Repeat([]byte("k"), n)
		b := NewReply(nil, AccessAccept, p)
		b.HideTunnelPassword(k, 3, clear)
		b.HideKey(k, 16, clear[:min(n, 200)])
		out, err := b.Seal(k)
		if err != nil {
			t.Fatalf("%d octets: %v", n, err)
		}
		r := parse(t, out)
		v, _ := r.Find(TunnelPassword)
		if got, _, err := layeh.TunnelPassword(v[1:], []byte(clientSecret), p.Authenticator()); err != nil || !bytes.Equal(got, clear) || v[0] != 3 {
			t.Errorf("%d octets: %q %v", n, got, err)
		}
		v, _ = r.FindVendor(Microsoft, 16)
		if got, _, err := layeh.TunnelPassword(v, []byte(clientSecret), p.Authenticator()); err != nil || !bytes.Equal(got, clear[:min(n, 200)]) {
			t.Errorf("%d octets: %q %v", n, got, err)
		}
	}
}

// TestBuildFull: what does not fit is an error at the end, and nothing before it is spoiled.
func TestBuildFull(t *testing.T) {
	k := NewKeys(nil)
	full := make([]byte, MaxSize)
	for name, c := range map[string]struct {
		f    func(b *Builder) bool
		want error
	}{
		"value":           {func(b *Builder) bool { return b.Add(1, full[:254]) }, ErrTooBig},
		"text":            {func(b *Builder) bool { return b.AddString(1, string(full[:254])) }, ErrTooBig},
		"vendor value":    {func(b *Builder) bool { return b.AddVendor(9, 1, full[:248]) }, ErrTooBig},
		"long":            {func(b *Builder) bool { return b.AddLong(EAPMessage, full) }, ErrTooBig},
		"encoded":         {func(b *Builder) bool { return b.AddEncoded(bytes.Repeat([]byte{250, 2}, 2050)) }, ErrTooBig},
		"encoded, broken": {func(b *Builder) bool { return b.AddEncoded([]byte{1, 1}) }, ErrAttributeLength},
		"password":        {func(b *Builder) bool { return b.HidePassword(k, full[:129]) }, ErrHidden},
		"tunnel password": {func(b *Builder) bool { return b.HideTunnelPassword(k, 0, full[:240]) }, ErrTooBig},
		"key":             {func(b *Builder) bool { return b.HideKey(k, 16, full[:240]) }, ErrTooBig},
	} {
		b := NewRequest([]byte("kept"), AccessRequest, 1, random)
		if c.f(&b) {
			t.Errorf("%s: true", name)
		}
		if b.Add(UserName, nil) {
			t.Errorf("%s: an attribute behind the error", name)
		}
		if out, err := b.Seal(k); err != c.want || string(out) != "kept" {
			t.Errorf("%s: %d octets, %v, want %v", name, len(out), err, c.want)
		}
	}
	b := NewRequest(nil, AccountingRequest, 1, random)
	b.AddLong(EAPMessage, full[:3*253])
	b.AddLong(EAPMessage, nil)
	out, err := b.Seal(k)
	if err != nil || len(out) != HeaderSize+3*255+2 {
		t.Errorf("%d octets, %v", len(out), err)
	}
}
