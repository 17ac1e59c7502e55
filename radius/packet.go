package radius

import (
	"encoding/binary"
	"iter"
)

// The lengths of RFC 2865, Section 3, in bytes.
const (
	HeaderSize = 20
	MaxSize    = 4096
)

// MaxValue is the longest value of a standard attribute; MaxVendorValue that of an attribute in a Vendor-Specific of its own; MaxPassword is the
// longest password that a User-Password hides.
const (
	MaxValue       = 253
	MaxVendorValue = 247
	MaxPassword    = 128
)

// Frame returns the length of the first message in b, in bytes, for streams. n is 0 while b holds fewer than 4. An error says that framing is lost.
func Frame(b []byte) (n int, err error) {
	if len(b) < 4 {
		return 0, nil
	}
	n = int(binary.BigEndian.Uint16(b[2:]))
	if n < HeaderSize {
		return 0, ErrTooShort
	}
	if n > MaxSize {
		return 0, ErrTooLong
	}
	return n, nil
}

// Packet is a whole packet whose lengths are right. Only Parse and this package's builders make one.
type Packet []byte

// Parse checks the lengths of the packet in b and of its attributes, and nothing else. The Packet aliases b.
func Parse(b []byte) (Packet, error) {
	if len(b) < HeaderSize {
		return nil, ErrTooShort
	}
	n, err := Frame(b)
	if err != nil {
		return nil, err
	}
	if n > len(b) {
		return nil, ErrTruncated
	}
	// RFC 2865, Section 3: octets beyond the length are padding.
	b = b[:n:n]
	for off := HeaderSize; off < n; {
		if off+2 > n {
			return nil, ErrAttributeLength
		}
		size := int(b[off+1])
		if size < 2 || off+size > n {
			return nil, ErrAttributeLength
		}
		off += size
	}
	return b, nil
}

// Code returns what the packet is.
func (p Packet) Code() Code { return Code(p[0]) }

// ID returns the identifier.
func (p Packet) ID() uint8 { return p[1] }

// Authenticator returns the 16 bytes of the field. They alias p.
func (p Packet) Authenticator() []byte { return p[4:HeaderSize:HeaderSize] }

// Attr is one attribute.
type Attr struct {
	Type   Type
	Value  []byte // aliases the packet
	Offset int    // of the attribute's first octet in the packet; of a sub-attribute, in its Vendor-Specific's value
}

// Vendor returns what a Vendor-Specific attribute holds: the vendor's number and the data behind it, which is not checked.
func (a Attr) Vendor() (vendor uint32, data []byte, ok bool) {
	if a.Type != VendorSpecific || len(a.Value) < 4 {
		return 0, nil, false
	}
	return binary.BigEndian.Uint32(a.Value), a.Value[4:], true
}

// Subs goes through the sub-attributes of a Vendor-Specific in the format that RFC 2865, Section 5.26, recommends. There are none where
// the data is not in that format, from the first octet to the last.
func (a Attr) Subs() iter.Seq[Attr] {
	return func(yield func(Attr) bool) {
		_, data, ok := a.Vendor()
		if !ok || !listed(data) {
			return
		}
		for off := 0; off < len(data); {
			end := off + int(data[off+1])
			if !yield(Attr{Type(data[off]), data[off+2 : end : end], off + 4}) {
				return
			}
			off = end
		}
	}
}

// listed reports whether data is a list of types, lengths and values without a rest.
func listed(data []byte) bool {
	for off := 0; off < len(data); {
		if off+2 > len(data) {
			return false
		}
		size := int(data[off+1])
		if size < 2 || off+size > len(data) {
			return false
		}
		off += size
	}
	return len(data) > 0
}

// Attributes goes through the attributes in the order of the packet.
func (p Packet) Attributes() iter.Seq[Attr] {
	return func(yield func(Attr) bool) {
		for off := HeaderSize; off < len(p); {
			end := off + int(p[off+1])
			if !yield(Attr{Type(p[off]), p[off+2 : end : end], off}) {
				return
			}
			off = end
		}
	}
}

// Find returns the value of the first attribute of type t. It aliases p.
func (p Packet) Find(t Type) (value []byte, ok bool) {
	for off := HeaderSize; off < len(p); {
		end := off + int(p[off+1])
		if Type(p[off]) == t {
			return p[off+2 : end : end], true
		}
		off = end
	}
	return nil, false
}

// FindVendor returns the value of the first sub-attribute of type t of a vendor. It aliases p.
func (p Packet) FindVendor(vendor uint32, t uint8) (value []byte, ok bool) {
	for off := HeaderSize; off < len(p); {
		end := off + int(p[off+1])
		if Type(p[off]) == VendorSpecific && end-off >= 6 && binary.BigEndian.Uint32(p[off+2:]) == vendor {
			if data := p[off+6 : end]; listed(data) {
				for at := 0; at < len(data); at += int(data[at+1]) {
					if data[at] == t {
						return data[at+2 : at+int(data[at+1])], true
					}
				}
			}
		}
		off = end
	}
	return nil, false
}
