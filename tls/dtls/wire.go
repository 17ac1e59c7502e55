package dtls

// reader takes fields off received bytes. After a short read bad is set and everything reads as empty,
// so a parser checks once, at its end.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	p := r.b[:n:n]
	r.b = r.b[n:]
	return p
}

func (r *reader) uint(size int) (v int) {
	for _, c := range r.take(size) {
		v = v<<8 | int(c)
	}
	return v
}

func (r *reader) u8() uint8   { return uint8(r.uint(1)) }
func (r *reader) u16() uint16 { return uint16(r.uint(2)) }

// vec reads a vector with a length of size bytes.
func (r *reader) vec(size int) []byte { return r.take(r.uint(size)) }

// done is true when every byte was read and none was missing.
func (r *reader) done() bool { return !r.bad && len(r.b) == 0 }

// uint16s splits a vector of 16-bit values; ok is false for an odd length.
func uint16s(b []byte) (list []uint16, ok bool) {
	if len(b)%2 != 0 {
		return nil, false
	}
	list = make([]uint16, 0, len(b)/2)
	for ; len(b) > 0; b = b[2:] {
		list = append(list, uint16(b[0])<<8|uint16(b[1]))
	}
	return list, true
}

func append16(b []byte, v uint16) []byte { return append(b, byte(v>>8), byte(v)) }

func append24(b []byte, v int) []byte { return append(b, byte(v>>16), byte(v>>8), byte(v)) }

// appendVec appends p after its length in size bytes.
func appendVec(b []byte, size int, p []byte) []byte {
	for i := size - 1; i >= 0; i-- {
		b = append(b, byte(len(p)>>(8*i)))
	}
	return append(b, p...)
}

func put48(b []byte, v uint64) {
	for i := range 6 {
		b[i] = byte(v >> (40 - 8*i))
	}
}

func get48(b []byte) (v uint64) {
	for _, c := range b[:6] {
		v = v<<8 | uint64(c)
	}
	return v
}
