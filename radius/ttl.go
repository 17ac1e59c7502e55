package radius

import "encoding/binary"

// TTL is an attribute of 4 octets that says how many hops a request may still go.
type TTL struct {
	ID
	Start uint32 // what a request without one gets; 0: nothing
}

// count lowers the TTL in place. It reports false where no hop is left. A value that is not of 4 octets is not a TTL.
func (t *TTL) count(value []byte) bool {
	if len(value) != 4 {
		return true
	}
	left := binary.BigEndian.Uint32(value)
	if left <= 1 {
		return false
	}
	binary.BigEndian.PutUint32(value, left-1)
	return true
}
