package radius

import (
	"encoding/binary"
	"net/netip"
)

// Builder makes a packet of our own. Its methods do nothing once an attribute did not fit; Seal tells it.
//
//	b := radius.NewRequest(buf[:0], radius.AccessRequest, 7, random)
//	b.AddString(radius.UserName, "bob")
//	b.HidePassword(keys, "hello")
//	packet, err := b.Seal(keys)
type Builder struct {
	out    []byte
	base   int
	signed int // offset of the value of the Message-Authenticator from base; 0: none
	hashed bool
	err    error
}

// NewRequest starts a request behind dst. authenticator must be random in Access-Request and Status-Server, which get a Message-Authenticator
// as their first attribute; in the others it is not used.
func NewRequest(dst []byte, code Code, id uint8, authenticator [16]byte) Builder {
	b := Builder{base: len(dst), hashed: !code.signed()}
	if b.hashed {
		authenticator = zeros
	}
	b.start(dst, code, id, authenticator[:])
	if code.signed() {
		b.Sign()
	}
	return b
}

// NewReply starts a reply to request behind dst. In the replies to an Access-Request and to a Status-Server, and in those of CoA if the request
// held one, the first attribute is a Message-Authenticator; why not in an Accounting-Response, AppendReply says. The Proxy-State of the request follow, in their order (RFC 2865, Section 5.33).
func NewReply(dst []byte, code Code, request Packet) Builder {
	b := Builder{base: len(dst), hashed: true}
	b.start(dst, code, request.ID(), request.Authenticator())
	_, signed := request.Find(MessageAuthenticator)
	if code.access() || request.Code() == StatusServer || signed && code != AccountingResponse {
		b.Sign()
	}
	for off := HeaderSize; off < len(request); {
		end := off + int(request[off+1])
		if Type(request[off]) == ProxyState {
			b.Add(ProxyState, request[off+2:end])
		}
		off = end
	}
	return b
}

func (b *Builder) start(dst []byte, code Code, id uint8, vector []byte) {
	b.out = append(append(dst, uint8(code), id, 0, 0), vector...)
}

// Sign adds a Message-Authenticator, where there is none yet.
func (b *Builder) Sign() {
	if b.signed == 0 && b.Add(MessageAuthenticator, zeros[:]) {
		b.signed = len(b.out) - b.base - 16
	}
}

// Add adds an attribute of at most MaxValue bytes. It reports whether it fitted.
func (b *Builder) Add(t Type, value []byte) bool {
	return b.room(len(value), MaxValue, 2) && b.append(uint8(t), value)
}

// AddString adds an attribute of text.
func (b *Builder) AddString(t Type, value string) bool {
	if !b.room(len(value), MaxValue, 2) {
		return false
	}
	b.out = append(append(b.out, uint8(t), uint8(2+len(value))), value...)
	return true
}

// AddUint32 adds an integer, or a time in seconds.
func (b *Builder) AddUint32(t Type, value uint32) bool {
	var v [4]byte
	binary.BigEndian.PutUint32(v[:], value)
	return b.Add(t, v[:])
}

// AddAddr adds an address; t must be of its family.
func (b *Builder) AddAddr(t Type, addr netip.Addr) bool {
	return b.Add(t, addr.Unmap().AsSlice())
}

// AddVendor adds a Vendor-Specific with one sub-attribute of at most MaxVendorValue bytes.
func (b *Builder) AddVendor(vendor uint32, t uint8, value []byte) bool {
	if !b.room(len(value), MaxVendorValue, 8) {
		return false
	}
	b.out = append(b.out, uint8(VendorSpecific), uint8(8+len(value)))
	b.out = binary.BigEndian.AppendUint32(b.out, vendor)
	return b.append(t, value)
}

// AddLong adds a value of any length in as many attributes as it needs, as EAP-Message is (RFC 3579, Section 3.1).
func (b *Builder) AddLong(t Type, value []byte) bool {
	for len(value) > MaxValue {
		if !b.Add(t, value[:MaxValue]) {
			return false
		}
		value = value[MaxValue:]
	}
	return b.Add(t, value)
}

// AddEncoded adds attributes that are encoded already, as those of a Packet behind its header.
func (b *Builder) AddEncoded(attributes []byte) bool {
	if len(attributes) > 0 && !listed(attributes) {
		b.err = ErrAttributeLength
	}
	if !b.room(len(attributes), MaxSize, 0) {
		return false
	}
	b.out = append(b.out, attributes...)
	return true
}

func (b *Builder) append(t uint8, value []byte) bool {
	b.out = append(append(b.out, t, uint8(2+len(value))), value...)
	return true
}

// room reports whether n bytes of value and their headers fit.
func (b *Builder) room(n, limit, header int) bool {
	if b.err == nil && (n > limit || len(b.out)-b.base+header+n > MaxSize) {
		b.err = ErrTooBig
	}
	return b.err == nil
}

// Authenticator returns what hidden values are made with: the authenticator given to NewRequest, or that of the request.
func (b *Builder) Authenticator() []byte { return b.out[b.base+4 : b.base+HeaderSize] }

// HidePassword adds a User-Password, of at most MaxPassword bytes (RFC 2865, Section 5.2).
func (b *Builder) HidePassword(k *Keys, value []byte) bool {
	if len(value) > MaxPassword {
		b.err = ErrHidden
		return false
	}
	n := max(16, (len(value)+15)&^15)
	if !b.room(n, MaxValue, 2) {
		return false
	}
	b.out = append(b.out, uint8(UserPassword), uint8(2+n))
	b.blocks(k, value, n)
	return true
}

// HideKey adds a Microsoft MPPE key: sub-attribute 16 or 17 (RFC 2548, Section 2.4.2), or 12, whose value is both keys of
// MS-CHAPv1, 24 bytes (Section 2.4.1).
func (b *Builder) HideKey(k *Keys, t uint8, value []byte) bool {
	inBlocks := hidingOf(Microsoft, Type(t)) == password
	n := (1 + len(value) + 15) &^ 15
	if inBlocks {
		n = (len(value) + 15) &^ 15
	} else {
		n += saltSize
	}
	if !b.room(n, MaxVendorValue, 8) {
		return false
	}
	b.out = append(b.out, uint8(VendorSpecific), uint8(8+n))
	b.out = binary.BigEndian.AppendUint32(b.out, Microsoft)
	b.out = append(b.out, t, uint8(2+n))
	if inBlocks {
		b.blocks(k, value, n)
	} else {
		b.salted(k, value, n-saltSize)
	}
	return true
}

// blocks appends value and zeros, n bytes together, and hides them.
func (b *Builder) blocks(k *Keys, value []byte, n int) {
	at := len(b.out)
	b.out = append(b.out, value...)
	for len(b.out) < at+n {
		b.out = append(b.out, 0)
	}
	k.hide(b.out[at:], b.Authenticator(), nil)
}

// HideTunnelPassword adds a Tunnel-Password with a tag of 0 to 31 (RFC 2868, Section 3.5).
func (b *Builder) HideTunnelPassword(k *Keys, tag uint8, value []byte) bool {
	n := (1 + len(value) + 15) &^ 15
	if !b.room(1+saltSize+n, MaxValue, 2) {
		return false
	}
	b.out = append(b.out, uint8(TunnelPassword), uint8(2+1+saltSize+n), tag)
	b.salted(k, value, n)
	return true
}

// salted appends a salt and n bytes of length, value and zeros, and hides them.
func (b *Builder) salted(k *Keys, value []byte, n int) {
	b.out = binary.BigEndian.AppendUint16(b.out, k.nextSalt())
	at := len(b.out)
	b.out = append(append(b.out, uint8(len(value))), value...)
	for len(b.out) < at+n {
		b.out = append(b.out, 0)
	}
	k.hide(b.out[at:], b.Authenticator(), b.out[at-saltSize:at])
}

// Seal writes the length and the hashes, and returns dst with the packet behind it; with an error, dst as it was.
func (b *Builder) Seal(k *Keys) ([]byte, error) {
	if b.err != nil {
		return b.out[:b.base], b.err
	}
	p := b.out[b.base:]
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	k.seal(p, b.signed, b.hashed)
	return b.out, nil
}
