package radius

import (
	"crypto/subtle"
	"encoding/binary"
)

// hiding is how the value of an attribute is encrypted with the secret and an authenticator.
type hiding uint8

const (
	open     hiding = iota
	password        // RFC 2865, Section 5.2: whole blocks of 16 octets
	salted          // RFC 2548, Section 2.4.2: a salt, then blocks
	tagged          // RFC 2868, Section 3.5: an octet in the clear, a salt, then blocks
)

// hidingOf returns how a sub-attribute is hidden; vendor 0 is the standard space. The octet in front of a WiMAX value is its continuation
// octet, and such a value is never in pieces. Values hidden deeper, in TLVs of WiMAX, and the secrets of Ascend, which no secret but
// that of the last hop is used for, are relayed as they came.
func hidingOf(vendor uint32, t Type) hiding {
	switch vendor {
	case 0:
		switch t {
		case UserPassword:
			return password
		case TunnelPassword:
			return tagged
		}
	case Microsoft:
		switch t {
		case 12: // MS-CHAP-MPPE-Keys; RFC 2548, Section 2.4.1
			return password
		case 16, 17: // MS-MPPE-Send-Key, MS-MPPE-Recv-Key
			return salted
		}
	case 161: // Motorola
		if t == 11 {
			return salted
		}
	case 831: // Alcatel-Lucent AAA
		if t >= 116 && t <= 119 {
			return salted
		}
	case 2356: // LANCOM
		if t == 19 || t == 20 {
			return tagged
		}
	case 4874: // Juniper ERX
		if t >= 58 && t <= 61 {
			return salted
		}
	case 5535: // 3GPP2
		if t == 58 {
			return salted
		}
	case 6527: // Nokia SR
		if t >= 122 && t <= 125 || t == 138 || t == 139 || t == 142 {
			return salted
		}
	case 14823: // Aruba
		if t == 44 {
			return salted
		}
	case 24757: // WiMAX
		switch t {
		case 5, 10, 12, 14, 15, 19, 40, 66, 67, 70, 75, 131:
			return tagged
		}
	case 26928: // Aerohive
		if t == 3 {
			return salted
		}
	}
	return open
}

// hides reports whether hidingOf knows the vendor.
func hides(vendor uint32) bool {
	switch vendor {
	case Microsoft, 161, 831, 2356, 4874, 5535, 6527, 14823, 24757, 26928:
		return true
	}
	return false
}

// IsHidden reports whether the value of an attribute is encrypted on the wire. vendor 0 is the standard space.
func IsHidden(vendor uint32, t uint8) bool { return hidingOf(vendor, Type(t)) != open }

// hop is the change of secret and authenticator from one side of a relay to the other.
type hop struct {
	from, to             *Keys
	fromVector, toVector [16]byte
	reply                bool
}

// rehide turns a value hidden for one side into the same hidden for the other, in place. The clear text is never in memory as a whole. What
// the value says of its own length is not looked at, so that odd ones pass as they are.
func (h *hop) rehide(how hiding, v []byte) bool {
	switch how {
	case password:
		// RFC 2865, Section 5.2: 16 to 128 octets.
		if len(v) == 0 || len(v) > MaxPassword || len(v)%16 != 0 {
			return false
		}
		h.blocks(v, nil, nil)
	case tagged, salted:
		if how == tagged {
			if len(v) == 0 {
				return false
			}
			v = v[1:]
		}
		if len(v) < saltSize+1 {
			return false
		}
		var old [saltSize]byte
		copy(old[:], v)
		binary.BigEndian.PutUint16(v, h.to.nextSalt())
		h.blocks(v[saltSize:], old[:], v[:saltSize])
	}
	return true
}

// blocks re-encrypts v: each block is xored with MD5(secret + the block of cipher text before), the first with
// MD5(secret + authenticator + salt). The last block may be short. from and to may be the same keys.
func (h *hop) blocks(v, fromSalt, toSalt []byte) {
	fromLast, toLast := h.fromVector[:], h.toVector[:]
	var old, fresh [16]byte
	for len(v) > 0 {
		block := v[:min(16, len(v))]
		v = v[len(block):]
		h.from.pad(fromLast, fromSalt)
		copy(old[:], block)
		subtle.XORBytes(block, block, h.from.sum[:])
		h.to.pad(toLast, toSalt)
		subtle.XORBytes(block, block, h.to.sum[:])
		copy(fresh[:], block)
		fromLast, toLast, fromSalt, toSalt = old[:], fresh[:], nil, nil
	}
}

// hide encrypts v in place. The last block may be short.
func (k *Keys) hide(v, vector, salt []byte) {
	last := vector
	for len(v) > 0 {
		block := v[:min(16, len(v))]
		k.pad(last, salt)
		subtle.XORBytes(block, block, k.sum[:])
		last, salt, v = block, nil, v[len(block):]
	}
}

// IsPassword reports whether the User-Password of request is password. It is password that is hidden for it, so theirs is never in
// memory in the clear. It allocates nothing.
func (k *Keys) IsPassword(request Packet, password string) bool {
	theirs, ok := request.Find(UserPassword)
	if !ok || len(password) > MaxPassword || len(theirs) != max(16, (len(password)+15)&^15) {
		return false
	}
	last, differ := request.Authenticator(), 0
	for len(theirs) > 0 {
		k.pad(last, nil)
		n := min(16, len(password))
		subtle.XORBytes(k.sum[:], k.sum[:], k.vector[:copy(k.vector[:], password[:n])])
		differ |= 1 ^ subtle.ConstantTimeCompare(k.sum[:], theirs[:16])
		last, theirs, password = theirs[:16], theirs[16:], password[n:]
	}
	return differ == 0
}
