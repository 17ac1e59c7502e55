package chap

import (
	"layeh.com/radius/rfc2759"
	"layeh.com/radius/rfc3079"

	"github.com/frio-io/frio/radius"
)

// The attributes of RFC 2548, Section 2.4.
const (
	mppePolicy     = 7
	mppeTypes      = 8
	mppeKeys       = 12
	mppeSendKey    = 16
	mppeReceiveKey = 17
)

// AnswerKeys adds what a link is encrypted with behind the MS-CHAP of request (RFC 3079) to its Access-Accept, which k seals: of version 2
// MS-MPPE-Send-Key and MS-MPPE-Recv-Key, of version 1 MS-CHAP-MPPE-Keys without the LM key, and that encryption is allowed with 40 and
// 128 bits. It reports whether there was such a response and all fitted.
func AnswerKeys(b *radius.Builder, k *radius.Keys, request radius.Packet, password []byte) bool {
	if v, ok := request.FindVendor(radius.Microsoft, ms2Response); ok {
		if len(v) != 50 {
			return false
		}
		send, err := rfc3079.MakeKey(v[26:], password, true)
		if err != nil {
			return false
		}
		receive, err := rfc3079.MakeKey(v[26:], password, false)
		return err == nil && b.HideKey(k, mppeSendKey, send) && b.HideKey(k, mppeReceiveKey, receive) && allow(b)
	}
	if _, ok := request.FindVendor(radius.Microsoft, msResponse); !ok {
		return false
	}
	wide, err := rfc2759.ToUTF16(password)
	if err != nil {
		return false
	}
	var keys [24]byte // 8 octets of LM key, 16 of NT key
	copy(keys[8:], rfc2759.NTPasswordHash(rfc2759.NTPasswordHash(wide)))
	return b.HideKey(k, mppeKeys, keys[:]) && allow(b)
}

// allow adds MS-MPPE-Encryption-Policy and MS-MPPE-Encryption-Types.
func allow(b *radius.Builder) bool {
	return b.AddVendor(radius.Microsoft, mppePolicy, []byte{0, 0, 0, 1}) && b.AddVendor(radius.Microsoft, mppeTypes, []byte{0, 0, 0, 6})
}
