package radius

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// sealed is a request of raw attributes, signed with k. The Message-Authenticator, if signed, comes behind them.
func sealed(t testing.TB, k *Keys, code Code, signed bool, attributes ...byte) Packet {
	t.Helper()
	p := packet(code, attributes...)
	copy(p[4:], "0123456789abcdef")
	mac := 0
	if !code.signed() {
		clear(p[4:HeaderSize])
	}
	if signed {
		p = append(append(p, 80, 18), zeros[:]...)
		mac = len(p) - 16
	}
	p = length(p, len(p))
	k.seal(p, mac, !code.signed())
	return parse(t, p)
}

// answered is a reply of raw attributes to a request, signed with k.
// asked is an Access-Request with an authenticator, which is not checked.
func asked(vector []byte, attributes ...byte) Packet {
	p := packet(AccessRequest, attributes...)
	copy(p[4:], vector)
	return p
}

func answered(t testing.TB, k *Keys, code Code, request []byte, signed bool, attributes ...byte) Packet {
	t.Helper()
	p := packet(code, attributes...)
	copy(p[4:], request)
	mac := 0
	if signed {
		p = append(append(p, 80, 18), zeros[:]...)
		mac = len(p) - 16
	}
	p = length(p, len(p))
	k.seal(p, mac, true)
	return parse(t, p)
}

var eap = []byte{79, 6, 2, 1, 0, 4}

func TestCheckRequest(t *testing.T) {
	k := NewKeys([]byte("testing123"))
	flip := func(p Packet, at int) Packet { p = bytes.Clone(p); p[(at+len(p))%len(p)] ^= 1; return p }
	user := []byte{1, 5, 'b', 'o', 'b'}
	empty := append([]byte{80, 18}, make([]byte, 16)...)
	for _, c := range []struct {
		name    string
		p       Packet
		require bool
		err     error
	}{
		{"Access-Request, plain", sealed(t, k, AccessRequest, false, user...), false, nil},
		{"Access-Request, plain, required", sealed(t, k, AccessRequest, false, user...), true, ErrMissingMessageAuthenticator},
		{"Access-Request, signed", sealed(t, k, AccessRequest, true, user...), true, nil},
		{"Access-Request, changed", flip(sealed(t, k, AccessRequest, true, user...), 22), false, ErrMessageAuthenticator},
		{"Access-Request, another authenticator", flip(sealed(t, k, AccessRequest, true, user...), 4), false, ErrMessageAuthenticator},
		{"Access-Request, wrong", flip(sealed(t, k, AccessRequest, true, user...), -1), false, ErrMessageAuthenticator},
		{"Access-Request, zeros", sealed(t, k, AccessRequest, false, empty...), false, ErrMessageAuthenticator},
		{"EAP", sealed(t, k, AccessRequest, true, eap...), false, nil},
		{"EAP, plain", sealed(t, k, AccessRequest, false, eap...), false, ErrEAP},
		{"EAP, plain, required", sealed(t, k, AccessRequest, false, eap...), true, ErrEAP},
		{"Message-Authenticator of 15", sealed(t, k, AccessRequest, false, append([]byte{80, 17}, make([]byte, 15)...)...), false, ErrMessageAuthenticatorLength},
		{"Message-Authenticator twice", sealed(t, k, AccessRequest, true, empty...), false, ErrMessageAuthenticatorTwice},
		{"Status-Server", sealed(t, k, StatusServer, true), false, nil},
		{"Status-Server, plain", sealed(t, k, StatusServer, false), false, ErrMissingMessageAuthenticator},
		{"Status-Server, wrong", flip(sealed(t, k, StatusServer, true), -1), false, ErrMessageAuthenticator},
		{"Accounting-Request", sealed(t, k, AccountingRequest, false, user...), true, nil},
		{"Accounting-Request, signed", sealed(t, k, AccountingRequest, true, user...), true, nil},
		{"Accounting-Request, changed", flip(sealed(t, k, AccountingRequest, false, user...), -1), false, ErrAuthenticator},
		{"Accounting-Request, wrong authenticator", flip(sealed(t, k, AccountingRequest, false, user...), 19), false, ErrAuthenticator},
		{"Accounting-Request, EAP", sealed(t, k, AccountingRequest, false, eap...), false, ErrEAP},
		{"CoA-Request", sealed(t, k, CoARequest, false, user...), true, nil},
		{"CoA-Request, signed", sealed(t, k, CoARequest, true, user...), true, nil},
		{"CoA-Request, zeros", sealed(t, k, CoARequest, false, empty...), false, ErrMessageAuthenticator},
		{"Disconnect-Request", sealed(t, k, DisconnectRequest, false, user...), true, nil},
		{"Disconnect-Request, changed", flip(sealed(t, k, DisconnectRequest, false, user...), 1), false, ErrAuthenticator},
		{"Access-Accept", parse(t, packet(AccessAccept)), false, ErrCode},
		{"CoA-ACK", parse(t, packet(CoAACK)), false, ErrCode},
		{"Status-Client", parse(t, packet(StatusClient)), false, ErrCode},
		{"Protocol-Error", parse(t, packet(ProtocolError)), false, ErrCode},
		{"code 0", parse(t, packet(0)), false, ErrUnknownCode},
		{"code 99", parse(t, packet(99)), false, ErrUnknownCode},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := bytes.Clone(c.p)
			if err := k.CheckRequest(c.p, c.require); err != c.err {
				t.Errorf("%v, want %v", err, c.err)
			}
			if !bytes.Equal(before, c.p) {
				t.Errorf("the check changed the packet")
			}
			if c.err == nil && c.p.Code() != AccessRequest {
				if err := NewKeys([]byte("testing124")).CheckRequest(c.p, false); err != ErrAuthenticator && err != ErrMessageAuthenticator {
					t.Errorf("with another secret: %v", err)
				}
			}
		})
	}
}

func TestCheckReply(t *testing.T) {
	k := NewKeys([]byte("testing123"))
	request := []byte("0123456789abcdef")
	text := []byte{18, 4, 'h', 'i'}
	// zeroed is a reply whose Message-Authenticator was made with zeros, as FreeRADIUS does it.
	zeroed := func(code Code) Packet {
		p := answered(t, k, code, request, true, text...)
		copy(p[4:], zeros[:])
		clear(p[len(p)-16:])
		k.seal(p, len(p)-16, false)
		copy(p[4:], request)
		k.seal(p, 0, true)
		return p
	}
	flipped := answered(t, k, AccessAccept, request, true, text...)
	flipped[len(flipped)-1] ^= 1
	resealed := bytes.Clone(flipped)
	copy(resealed[4:], request)
	k.seal(resealed, 0, true)
	for _, c := range []struct {
		name    string
		p       Packet
		require bool
		err     error
	}{
		{"Access-Accept", answered(t, k, AccessAccept, request, false, text...), false, nil},
		{"Access-Accept, required", answered(t, k, AccessAccept, request, false, text...), true, ErrMissingMessageAuthenticator},
		{"Access-Reject, required", answered(t, k, AccessReject, request, false), true, ErrMissingMessageAuthenticator},
		{"Access-Challenge, required", answered(t, k, AccessChallenge, request, false), true, ErrMissingMessageAuthenticator},
		{"Access-Accept, signed", answered(t, k, AccessAccept, request, true, text...), true, nil},
		{"Access-Accept, changed", flipped, true, ErrAuthenticator},
		{"Access-Accept, wrong Message-Authenticator", parse(t, resealed), false, ErrMessageAuthenticator},
		{"Access-Accept, made with zeros", zeroed(AccessAccept), false, ErrMessageAuthenticator},
		{"Access-Challenge, EAP", answered(t, k, AccessChallenge, request, true, eap...), false, nil},
		{"Access-Challenge, EAP, plain", answered(t, k, AccessChallenge, request, false, eap...), false, ErrEAP},
		{"Accounting-Response", answered(t, k, AccountingResponse, request, false), true, nil},
		{"Accounting-Response, signed", answered(t, k, AccountingResponse, request, true), true, nil},
		{"Accounting-Response, made with zeros", zeroed(AccountingResponse), true, nil},
		{"CoA-ACK, made with zeros", zeroed(CoAACK), true, nil},
		{"CoA-NAK", answered(t, k, CoANAK, request, true), true, nil},
		{"Protocol-Error", answered(t, k, ProtocolError, request, false), true, nil},
		{"a request", answered(t, k, AccessRequest, request, false), false, ErrCode},
		{"a request that is no answer", parse(t, packet(AccessRequest)), false, ErrAuthenticator},
		{"code 99", answered(t, k, 99, request, false), false, ErrUnknownCode},
		{"twice", answered(t, k, AccessAccept, request, true, append([]byte{80, 18}, zeros[:]...)...), false, ErrMessageAuthenticatorTwice},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := bytes.Clone(c.p)
			if err := k.CheckReply(c.p, request, c.require); err != c.err {
				t.Errorf("%v, want %v", err, c.err)
			}
			if !bytes.Equal(before, c.p) {
				t.Errorf("the check changed the packet")
			}
			if err := k.CheckReply(c.p, []byte("0123456789abcdeg"), c.require); err != ErrAuthenticator {
				t.Errorf("to another request: %v", err)
			}
		})
	}
}

func TestCheckProxyState(t *testing.T) {
	k := NewKeys([]byte("testing123"))
	for _, c := range []struct {
		p    Packet
		want error
	}{
		{sealed(t, k, AccessRequest, false, 33, 3, 1), ErrProxyState},
		{sealed(t, k, AccessRequest, true, 33, 3, 1), nil},
		{sealed(t, k, AccessRequest, false, 1, 3, 'a'), nil},
		{sealed(t, k, AccountingRequest, false, 33, 3, 1), nil},
	} {
		if err := c.p.CheckProxyState(); err != c.want {
			t.Errorf("%x: %v, want %v", c.p, err, c.want)
		}
	}
}

// TestKeysHidden: no way of printing keys shows the secret.
func TestKeysHidden(t *testing.T) {
	k := NewKeys([]byte("marked"))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{k, *k, []*Keys{k}, struct{ K Keys }{*k}} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, "marked") || strings.Contains(text, "6d61726b6564") || strings.Contains(text, "109 97 114") {
				t.Errorf("%s: %s", verb, text)
			}
		}
	}
	j, _ := json.Marshal(map[string]any{"k": k})
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "k", k)
	for _, text := range []string{string(j), log.String(), k.String(), k.GoString()} {
		if !strings.Contains(text, "hidden") || strings.Contains(text, "marked") {
			t.Errorf("%s", text)
		}
	}
}

// TestKeysKeepTheirSecret: the caller's may be overwritten, and may be more than a block of the hash.
func TestKeysKeepTheirSecret(t *testing.T) {
	secret := []byte(strings.Repeat("long secret ", 10))
	k, other := NewKeys(secret), NewKeys(secret)
	clear(secret)
	p := sealed(t, k, AccountingRequest, true, 1, 3, 'a')
	if err := other.CheckRequest(p, true); err != nil {
		t.Error(err)
	}
}

func TestIsEAP(t *testing.T) {
	for _, c := range []struct {
		name       string
		attributes []byte
		want       bool
	}{
		{"none", nil, true},
		{"EAP-Start", []byte{79, 2}, true},
		{"in one attribute", eap, true},
		{"in two, that divide the header", []byte{79, 3, 2, 4, 3, 7, 79, 5, 1, 0, 4}, true},
		{"too short", []byte{79, 6, 2, 1, 0, 5}, false},
		{"too long", []byte{79, 7, 2, 1, 0, 4, 0}, false},
		{"less than a header", []byte{79, 3, 2}, false},
		{"length 0", []byte{79, 6, 2, 1, 0, 0}, false},
	} {
		if got := parse(t, packet(AccessRequest, c.attributes...)).IsEAP(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
