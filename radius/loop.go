package radius

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
)

// LoopBy reports whether one of the Proxy-State attributes starts with prefix: whether the sender of such has seen the packet before.
func (p Packet) LoopBy(prefix []byte) bool {
	for off := HeaderSize; off < len(p); {
		end := off + int(p[off+1])
		if Type(p[off]) == ProxyState && bytes.HasPrefix(p[off+2:end], prefix) {
			return true
		}
		off = end
	}
	return false
}

// Essence returns a hash of what the hops leave as it is: the code, and the attributes without Message-Authenticator, Proxy-State and what is
// hidden with the secret. Packets that differ in it have the same hash by chance only, as long as nobody else knows seed. It allocates
// nothing.
func (p Packet) Essence(seed maphash.Seed) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	_ = h.WriteByte(p[0])
	for off := HeaderSize; off < len(p); {
		end := off + int(p[off+1])
		switch t := Type(p[off]); {
		case t == MessageAuthenticator || t == ProxyState || hidingOf(0, t) != open:
		case t == VendorSpecific && off+6 <= end && hides(binary.BigEndian.Uint32(p[off+2:])) && listed(p[off+6:end]):
			vendor := binary.BigEndian.Uint32(p[off+2:])
			_, _ = h.Write(p[off : off+6])
			for sub := off + 6; sub < end; {
				next := sub + int(p[sub+1])
				if hidingOf(vendor, Type(p[sub])) == open {
					_, _ = h.Write(p[sub:next])
				}
				sub = next
			}
		default:
			_, _ = h.Write(p[off:end])
		}
		off = end
	}
	return h.Sum64()
}
