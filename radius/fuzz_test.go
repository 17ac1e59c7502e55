package radius

import (
	"bytes"
	"regexp"
	"slices"
	"testing"
)

// seeds are bodies of packets, behind the header.
func seeds(f *testing.F) [][]byte {
	var out [][]byte
	for _, text := range []string{papRequest, chapRequest, statusRequest, papAccept, chapAccept} {
		out = append(out, unhex(f, text)[HeaderSize:])
	}
	for _, text := range []string{
		"2103aa 2103bb 4f06020100040", "1a0f00000009010378020379010 37a", "1a17 00000137 1011 8001" + "00112233445566778899aabbcc",
		"4515 00 8001 00112233445566778899aabbccddeeff", "1a0a000001ad00000001", "1a06000000000106", "fa0600000002", "1a0c00000009 0106 00000002",
	} {
		if b := []byte(text); len(b)%2 == 0 {
			out = append(out, unhex(f, text))
		}
	}
	return out
}

// FuzzParse: what Parse lets through can be read to its end, by every accessor.
func FuzzParse(f *testing.F) {
	for _, text := range []string{papRequest, chapRequest, statusRequest, papAccept} {
		f.Add(unhex(f, text))
	}
	f.Add(packet(AccessRequest, 26, 6, 0, 0, 0, 9, 26, 4, 0, 0, 26, 9, 0, 0, 0, 9, 1, 4, 'z'))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		n, ferr := Frame(b)
		if err != nil {
			return
		}
		if ferr != nil || n != len(p) {
			t.Errorf("Frame: %d %v, the packet has %d", n, ferr, len(p))
		}
		size := HeaderSize
		for a := range p.Attributes() {
			if a.Offset != size {
				t.Errorf("attribute at %d, want %d", a.Offset, size)
			}
			size += 2 + len(a.Value)
			for s := range a.Subs() {
				vendor, _, _ := a.Vendor()
				if _, ok := p.FindVendor(vendor, uint8(s.Type)); !ok {
					t.Errorf("%d.%d not found", vendor, s.Type)
				}
			}
			if v, ok := p.Find(a.Type); !ok || len(v) > MaxValue {
				t.Errorf("%v not found", a.Type)
			}
		}
		if size != len(p) {
			t.Errorf("%d octets in attributes, the packet has %d", size, len(p))
		}
		k := NewKeys([]byte("x"))
		_ = k.CheckRequest(p, true)
		_ = k.CheckReply(p, random[:], true)
		_ = p.CheckProxyState()
		p.LoopBy([]byte("x"))
		p.Essence(seed)
	})
}

// relayable makes a checked packet of what the fuzzer gives.
func relayable(k *Keys, code Code, body, vector []byte) (Packet, bool) {
	p := packet(code, body...)
	if len(p) > MaxSize {
		return nil, false
	}
	copy(p[4:], vector)
	q, err := Parse(p)
	return q, err == nil
}

// rest are the attributes that a hop must not touch, in order.
func rest(p Packet) (out []string) {
	for a := range p.Attributes() {
		vendor, _, ok := a.Vendor()
		if a.Type == MessageAuthenticator || IsHidden(0, uint8(a.Type)) || ok && hides(vendor) {
			continue
		}
		out = append(out, string(p[a.Offset:a.Offset+2+len(a.Value)]))
	}
	return out
}

// FuzzAppendRequest: a relayed request parses, is right for the next hop, and holds what it held, in the same order.
func FuzzAppendRequest(f *testing.F) {
	for i, s := range seeds(f) {
		f.Add(uint8([]Code{AccessRequest, AccountingRequest, CoARequest, StatusServer}[i%4]), s, []byte("proxy"))
	}
	client, home := both()
	f.Fuzz(func(t *testing.T, code uint8, body, proxyState []byte) {
		p, ok := relayable(client, Code(code), body, []byte("0123456789abcdef"))
		if !ok || len(proxyState) > MaxValue {
			return
		}
		out, err := AppendRequest([]byte("kept"), p, client, home, &Forward{ID: 3, Authenticator: random, ProxyState: proxyState})
		if string(out[:4]) != "kept" || err != nil && len(out) != 4 {
			t.Fatal("dst is not kept")
		}
		if err != nil {
			return
		}
		q, err := Parse(out[4:])
		if err != nil || len(q) != len(out)-4 {
			t.Fatalf("%x: %v", out[4:], err)
		}
		// An EAP-Message without Message-Authenticator does not get past CheckRequest.
		if err := home.CheckRequest(q, true); err != nil && (err != ErrEAP || q.Code().signed()) {
			t.Errorf("%x: %v", q, err)
		}
		want, got := rest(p), rest(q)
		_, chap := p.Find(CHAPPassword)
		_, challenge := p.Find(CHAPChallenge)
		if chap && !challenge && p.Code() == AccessRequest {
			want = append(want, "\x3c\x120123456789abcdef")
		}
		if len(proxyState) > 0 && len(got) == len(want)+1 {
			want = append(want, string(append([]byte{33, byte(2 + len(proxyState))}, proxyState...)))
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %x\nwant %x", got, want)
		}
		if p.Code() != AccessRequest || !chap || challenge {
			if p.Essence(seed) != q.Essence(seed) {
				t.Errorf("%x and %x are two by their essence", p, q)
			}
		}
		// It can go back the way it came, and loses nothing on it.
		back, err := AppendRequest(nil, q, home, client, &Forward{ID: p.ID(), Authenticator: [16]byte(p.Authenticator())})
		if err == nil && len(parse(t, back)) < len(q) {
			t.Errorf("%x came back as %x", p, back)
		}
	})
}

// FuzzAppendReply: a relayed reply parses, is right for the client, and holds what it held, in the same order, and the Proxy-State of the client's request.
func FuzzAppendReply(f *testing.F) {
	for i, s := range seeds(f) {
		f.Add(uint8([]Code{AccessAccept, AccountingResponse, CoANAK, AccessChallenge}[i%4]), s, []byte{0xbb})
	}
	client, home := both()
	homeRequest := []byte("fedcba9876543210")
	f.Fuzz(func(t *testing.T, code uint8, body, proxyState []byte) {
		p, ok := relayable(home, Code(code), body, homeRequest)
		if !ok || len(proxyState) > MaxValue {
			return
		}
		ours := append([]byte{33, byte(2 + len(proxyState))}, proxyState...)
		request := asked([]byte("0123456789abcdef"), append(ours, 1, 2)...)
		out, err := AppendReply([]byte("kept"), p, home, client, &Answer{Request: request, HomeRequest: homeRequest})
		if string(out[:4]) != "kept" || err != nil && len(out) != 4 {
			t.Fatal("dst is not kept")
		}
		if err != nil {
			return
		}
		q, err := Parse(out[4:])
		if err != nil || len(q) != len(out)-4 {
			t.Fatalf("%x: %v", out[4:], err)
		}
		if err := client.CheckReply(q, request.Authenticator(), true); err != nil && (err != ErrEAP || q.Code().access()) {
			t.Errorf("%x: %v", q, err)
		}
		want := slices.DeleteFunc(rest(p), func(attr string) bool { return Type(attr[0]) == ProxyState })
		want = append(want, string(ours))
		if got := rest(q); !slices.Equal(got, want) {
			t.Errorf("got  %x\nwant %x", got, want)
		}
	})
}

// FuzzRewrite: whatever the rules do to whatever packet, the result parses, Proxy-State stay, and what is removed is gone.
func FuzzRewrite(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s, uint8(1), uint32(9), uint8(1), "b", `x\1x`, false)
		f.Add(s, uint8(81), uint32(311), uint8(16), "^(.*)$", `\1\1\1`, true)
	}
	f.Fuzz(func(t *testing.T, body []byte, standard uint8, vendor uint32, typ uint8, pattern, replacement string, whitelist bool) {
		p, ok := relayable(nil, AccessRequest, body, nil)
		re, err := regexp.Compile(pattern)
		if !ok || err != nil || len(replacement) > 300 {
			return
		}
		removed := ID{vendor, typ}
		if added := (ID{9, 9}); removed == added || removed == (ID{9, 8}) || removed == (ID{0, 250}) {
			return // removed first, added then
		}
		rules := Rules{
			Whitelist: whitelist, Remove: []ID{removed}, Modify: []Modify{{ID{0, standard}, re, replacement}, {ID{vendor, typ + 1}, re, replacement}},
			Add: []Value{{ID{9, 9}, []byte("added")}}, Supplement: []Value{{ID{0, 250}, []byte("there")}, {ID{9, 8}, []byte("there")}},
		}
		if whitelist {
			rules.Keep, rules.KeepVendor = []ID{{0, standard}, {vendor, typ + 1}}, []uint32{9}
		}
		r, err := NewRewrite(rules)
		if err != nil {
			return
		}
		out, err := r.applied(nil, p)
		if err != nil {
			return
		}
		q, err := Parse(out)
		if err != nil {
			t.Fatalf("%x: %v", out, err)
		}
		proxies := func(p Packet) (all [][]byte) {
			for a := range p.Attributes() {
				if a.Type == ProxyState || a.Type == MessageAuthenticator {
					all = append(all, a.Value)
				}
			}
			return all
		}
		if !slices.EqualFunc(proxies(p), proxies(q), bytes.Equal) {
			t.Errorf("%x became %x", p, q)
		}
		for a := range q.Attributes() {
			v, _, ok := a.Vendor()
			if removed.Vendor == 0 && a.Type == Type(removed.Type) && removed != (ID{0, 26}) {
				t.Errorf("%v is in %x", removed, q)
			}
			if !ok {
				continue
			}
			for s := range a.Subs() {
				if (ID{v, uint8(s.Type)}) == removed && v != 0 {
					t.Errorf("%v is in %x", removed, q)
				}
			}
		}
		if _, ok := q.Find(250); !ok {
			t.Errorf("250 is not in %x", q)
		}
		client, home := both()
		relayed, err := AppendRequest(nil, p, client, home, &Forward{In: r, Out: r, TTL: &TTL{ID{vendor, typ + 2}, 9}})
		if err == nil {
			if err := home.CheckRequest(parse(t, relayed), true); err != nil {
				t.Error(err)
			}
		}
	})
}
