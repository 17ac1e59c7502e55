package radius

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	layeh "layeh.com/radius"
)

const clientSecret, homeSecret = "testing123", "radsec is a longer secret than the one of the client, and longer than one block"

func both() (client, home *Keys) { return NewKeys([]byte(clientSecret)), NewKeys([]byte(homeSecret)) }

var random = [16]byte{0xf0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// attributes is what stands behind the header, without the values of Message-Authenticators, as hex.
func attributes(p Packet) string {
	var b strings.Builder
	for a := range p.Attributes() {
		if a.Type == MessageAuthenticator {
			fmt.Fprintf(&b, "MA ")
			continue
		}
		fmt.Fprintf(&b, "%s ", hex.EncodeToString(p[a.Offset:a.Offset+2+len(a.Value)]))
	}
	return strings.TrimSpace(b.String())
}

func TestAppendRequest(t *testing.T) {
	client, home := both()
	const ps = "2103aa 2103bb"
	chap := "0313" + strings.Repeat("07", 17)
	challenge := "3c12" + hex.EncodeToString([]byte("0123456789abcdef"))
	for _, c := range []struct {
		name   string
		code   Code
		signed bool
		in     string
		f      Forward
		want   string
	}{
		{"User-Name", AccessRequest, false, "0103" + "61", Forward{}, "MA 010361"},
		{"signed", AccessRequest, true, "010361", Forward{}, "MA 010361"},
		{"nothing", AccessRequest, false, "", Forward{}, "MA"},
		{"Proxy-State", AccessRequest, false, "2103aa 010361 2103bb", Forward{ProxyState: []byte{0xcc}}, "MA 2103aa 010361 2103bb 2103cc"},
		{"Proxy-State of others", AccessRequest, true, ps, Forward{}, "MA " + ps},
		{"User-Name replaced", AccessRequest, true, "010361 0402 010361", Forward{UserName: []byte("bc")}, "MA 01046263 0402 01046263"},
		{"User-Name empty", AccessRequest, true, "010361", Forward{UserName: []byte{}}, "MA 0102"},
		{"unknown", AccessRequest, true, "fa03aa 0002 f10401aa 1a0400ff 1a0a000000090104ffff 1a0600000009 1a0a000000090105ffff", Forward{}, "MA fa03aa 0002 f10401aa 1a0400ff 1a0a000000090104ffff 1a0600000009 1a0a000000090105ffff"},
		{"CHAP", AccessRequest, false, "010361" + chap, Forward{ProxyState: []byte{1}}, "MA 010361 " + chap + " " + challenge + " 210301"},
		{"CHAP with challenge", AccessRequest, false, "3c04aabb" + chap, Forward{}, "MA 3c04aabb " + chap},
		{"CHAP removed", AccessRequest, false, chap, Forward{Out: rewrite(t, Rules{Remove: []ID{{0, 3}}})}, "MA"},
		{"Status-Server", StatusServer, true, "", Forward{}, "MA"},
		{"Accounting-Request", AccountingRequest, false, "28060000000129060000000a", Forward{ProxyState: []byte{1}}, "280600000001 29060000000a 210301"},
		{"Accounting-Request, signed", AccountingRequest, true, "280600000001", Forward{}, "MA 280600000001"},
		{"Accounting-Request, CHAP", AccountingRequest, false, chap, Forward{}, chap},
		{"CoA-Request", CoARequest, false, "010361", Forward{}, "010361"},
		{"Disconnect-Request, signed", DisconnectRequest, true, "010361", Forward{}, "MA 010361"},
		{"EAP", AccessRequest, true, "4f0402aa 4f0402bb", Forward{}, "MA 4f0402aa 4f0402bb"},
		{"TTL", AccessRequest, true, "1a0c000000090106" + "00000102", Forward{TTL: &TTL{ID{9, 1}, 5}}, "MA 1a0c00000009010600000101"},
		{"TTL from 256", AccessRequest, true, "fa06" + "00000100", Forward{TTL: &TTL{ID{0, 250}, 5}}, "MA fa06000000ff"},
		{"TTL added", AccessRequest, true, "010361", Forward{TTL: &TTL{ID{9, 1}, 5}, ProxyState: []byte{1}}, "MA 010361 1a0c00000009010600000005 210301"},
		{"TTL not added", AccessRequest, true, "010361", Forward{TTL: &TTL{ID{9, 1}, 0}}, "MA 010361"},
		{"TTL of another length", AccessRequest, true, "fa0401ff", Forward{TTL: &TTL{ID{0, 250}, 5}}, "MA fa0401ff fa0600000005"},
		{"vendor 0", AccessRequest, true, "1a09000000000103ff", Forward{TTL: &TTL{ID{0, 1}, 0}}, "MA 1a09000000000103ff"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := sealed(t, client, c.code, c.signed, unhex(t, c.in)...)
			if err := client.CheckRequest(p, false); err != nil {
				t.Fatal(err)
			}
			before := bytes.Clone(p)
			c.f.ID, c.f.Authenticator = 99, random
			out, err := AppendRequest([]byte("kept"), p, client, home, &c.f)
			if err != nil || string(out[:4]) != "kept" {
				t.Fatalf("%q %v", out[:4], err)
			}
			q := parse(t, out[4:])
			if got := attributes(q); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if err := home.CheckRequest(q, true); err != nil {
				t.Error(err)
			}
			if q.Code() != c.code || q.ID() != 99 || c.code.signed() != bytes.Equal(q.Authenticator(), random[:]) {
				t.Errorf("%v %d %x", q.Code(), q.ID(), q.Authenticator())
			}
			if !bytes.Equal(before, p) {
				t.Errorf("the request changed")
			}
			if !c.code.signed() && !layeh.IsAuthenticRequest(q, []byte(homeSecret)) {
				t.Errorf("not authentic for another implementation")
			}
		})
	}
}

func TestAppendRequestErrors(t *testing.T) {
	client, home := both()
	long := strings.Repeat("fafd"+strings.Repeat("00", 251), 16) // 4048
	for _, c := range []struct {
		name string
		code Code
		in   string
		f    Forward
		err  error
	}{
		{"User-Password of 15", AccessRequest, "0211" + strings.Repeat("00", 15), Forward{}, ErrHidden},
		{"User-Password of 0", AccessRequest, "0202", Forward{}, ErrHidden},
		{"User-Password of 144", AccessRequest, "0292" + strings.Repeat("00", 144), Forward{}, ErrHidden},
		{"Tunnel-Password of 0", CoARequest, "4502", Forward{}, ErrHidden},
		{"Tunnel-Password of 3", CoARequest, "4505010203", Forward{}, ErrHidden},
		{"MPPE key of 2", CoARequest, "1a0a00000137 1004 0102", Forward{}, ErrHidden},
		{"too big by a Message-Authenticator", AccessRequest, long + "fa0c" + strings.Repeat("00", 10), Forward{}, ErrNoRoom},
		{"too big by an attribute", AccessRequest, long + "501200112233445566778899aabbccddeeff" + "fa0a" + strings.Repeat("00", 8), Forward{In: rewrite(t, Rules{Add: []Value{{ID{0, 18}, []byte("x")}}})}, ErrTooBig},
		{"TTL 1", AccessRequest, "fa0600000001", Forward{TTL: &TTL{ID{0, 250}, 5}}, ErrTTL},
		{"TTL 0", AccessRequest, "fa0600000000", Forward{TTL: &TTL{ID{0, 250}, 5}}, ErrTTL},
		{"User-Name too long", AccessRequest, "010361", Forward{UserName: make([]byte, 254)}, ErrRewrite},
		{"a reply", AccessAccept, "", Forward{}, ErrCode},
		{"unknown", 77, "", Forward{}, ErrUnknownCode},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := parse(t, packet(c.code, unhex(t, c.in)...))
			out, err := AppendRequest([]byte("kept"), p, client, home, &c.f)
			if err != c.err || string(out) != "kept" {
				t.Errorf("%q %v, want %v", out, err, c.err)
			}
		})
	}
}

// TestFullPackets: 4096 octets pass, our Proxy-State is left off where it does not fit.
func TestFullPackets(t *testing.T) {
	client, home := both()
	fill := func(n int) []byte {
		var b []byte
		for n > 0 {
			size := min(n, 253)
			if n-size == 1 {
				size--
			}
			b = append(append(b, 250, byte(size)), make([]byte, size-2)...)
			n -= size
		}
		return b
	}
	for room := range 12 {
		p := sealed(t, client, AccessRequest, true, fill(MaxSize-HeaderSize-18-room)...)
		if len(p) != MaxSize-room {
			t.Fatal(len(p))
		}
		f := Forward{ProxyState: []byte("12345678")}
		out, err := AppendRequest(nil, p, client, home, &f)
		if err != nil || f.LeftOff != (room < 10) {
			t.Fatalf("room %d: %v", room, err)
		}
		q := parse(t, out)
		if err := home.CheckRequest(q, true); err != nil || q.LoopBy([]byte("12345678")) != (room >= 10) {
			t.Errorf("room %d: %v, %d octets", room, err, len(q))
		}
		r := answered(t, home, AccessAccept, q.Authenticator(), true, fill(MaxSize-HeaderSize-18)...)
		back, err := AppendReply(nil, r, home, client, &Answer{Request: p, HomeRequest: q.Authenticator()})
		if err != nil || len(back) != MaxSize {
			t.Errorf("the reply has %d octets, %v", len(back), err)
		}
	}
}

func TestAppendReply(t *testing.T) {
	client, home := both()
	request, homeRequest := []byte("0123456789abcdef"), []byte("fedcba9876543210")
	proxied := unhex(t, "2103aa 010361 2104bbbb")
	for _, c := range []struct {
		name   string
		code   Code
		signed bool
		in     string
		a      Answer
		want   string
	}{
		{"Access-Accept", AccessAccept, false, "120361", Answer{}, "MA 120361"},
		{"Access-Reject, signed", AccessReject, true, "120361", Answer{}, "MA 120361"},
		{"Access-Challenge", AccessChallenge, true, "1803aa 4f0402aa 4f0402bb", Answer{}, "MA 1803aa 4f0402aa 4f0402bb"},
		{"Accounting-Response", AccountingResponse, false, "1203aa", Answer{}, "1203aa"},
		{"Accounting-Response, signed", AccountingResponse, true, "1203aa", Answer{}, "1203aa"},
		{"Accounting-Response, forced", AccountingResponse, false, "1203aa", Answer{MessageAuthenticator: true}, "MA 1203aa"},
		{"CoA-ACK, signed", CoAACK, true, "1203aa", Answer{}, "MA 1203aa"},
		{"CoA-NAK", CoANAK, false, "6506000001f6", Answer{}, "6506000001f6"},
		{"Protocol-Error", ProtocolError, false, "", Answer{}, ""},
		{"Proxy-State of a client that sent none", AccessAccept, true, "2103aa 120361 2102", Answer{}, "MA 120361"},
		{"Proxy-State", AccessAccept, true, "2103aa 2104bbbb 120361 2103cc", Answer{Request: asked(request, proxied...)}, "MA 120361 2103aa 2104bbbb"},
		{"Proxy-State not there", AccessReject, true, "120361", Answer{Request: asked(request, proxied...)}, "MA 120361 2103aa 2104bbbb"},
		{"Proxy-State mixed up", AccountingResponse, false, "2104bbbb 2103ff 2103aa", Answer{Request: asked(request, proxied...)}, "2103aa 2104bbbb"},
		{"a User-Password has no place", AccessAccept, true, "0203ff", Answer{}, "MA 0203ff"},
		{"VLAN removed", AccessAccept, true, "40060000000d 41060100 0006 5103 37 120361", Answer{Out: rewrite(t, Rules{Remove: []ID{{0, 64}, {0, 65}, {0, 81}}})}, "MA 120361"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := answered(t, home, c.code, homeRequest, c.signed, unhex(t, c.in)...)
			if err := home.CheckReply(r, homeRequest, false); err != nil {
				t.Fatal(err)
			}
			before := bytes.Clone(r)
			if c.a.Request == nil {
				c.a.Request = asked(request)
			}
			c.a.Request[1], c.a.HomeRequest = 42, homeRequest
			out, err := AppendReply([]byte("kept"), r, home, client, &c.a)
			if err != nil || string(out[:4]) != "kept" {
				t.Fatalf("%q %v", out[:4], err)
			}
			q := parse(t, out[4:])
			if got := attributes(q); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if err := client.CheckReply(q, request, true); err != nil {
				t.Error(err)
			}
			if q.Code() != c.code || q.ID() != 42 || !bytes.Equal(before, r) {
				t.Errorf("%v %d, changed %v", q.Code(), q.ID(), !bytes.Equal(before, r))
			}
			asked := packet(AccessRequest)
			copy(asked[4:], request)
			if !layeh.IsAuthenticResponse(q, asked, []byte(clientSecret)) {
				t.Errorf("not authentic for another implementation")
			}
		})
	}
	for _, c := range []struct {
		code Code
		in   string
		err  error
	}{{AccessAccept, strings.Repeat("fafd"+strings.Repeat("00", 251), 16) + "fa0c" + strings.Repeat("00", 10), ErrNoRoom}, {AccessRequest, "", ErrCode}, {77, "", ErrUnknownCode}, {AccessAccept, "450401ff", ErrHidden}, {AccessAccept, "1a1a00000137 0c14" + strings.Repeat("00", 18), ErrHidden}} {
		r := parse(t, packet(c.code, unhex(t, c.in)...))
		if out, err := AppendReply([]byte("kept"), r, home, client, &Answer{Request: asked(request)}); err != c.err || string(out) != "kept" {
			t.Errorf("%v %s: %q %v, want %v", c.code, c.in, out, err, c.err)
		}
	}
}
