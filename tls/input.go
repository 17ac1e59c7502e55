package tls

import "github.com/frio-io/frio/talloc"

// readMax is how much is read from below at once: a whole record behind the tail of the last one, and some.
const readMax = 32 << 10

// input is what was read from below and the engine has not taken: a part of a record, or more while the upper does not read.
// It holds no memory while it is empty, and no more than its bytes need while it waits for the rest of a record.
type input struct {
	buf        talloc.Buffer
	start, end uint16 // readMax fits
}

func (in *input) len() int { return int(in.end - in.start) }

func (in *input) bytes() []byte {
	if in.end == 0 {
		return nil
	}
	return in.buf.Bytes()[in.start:in.end]
}

// open returns room behind what is held, to be read into.
func (in *input) open(ctx *talloc.Context) ([]byte, error) {
	if !in.buf.IsZero() && in.start == 0 && len(in.buf.Bytes()) == readMax {
		return in.buf.Bytes()[in.end:], nil
	}
	buf, err := ctx.Alloc(readMax)
	if err != nil {
		return nil, err
	}
	in.end = uint16(copy(buf.Bytes(), in.bytes()))
	in.buf.Free()
	in.buf, in.start = buf, 0
	return buf.Bytes()[in.end:], nil
}

// drop forgets n bytes from the front.
func (in *input) drop(n int) {
	in.start += uint16(n)
	if in.start == in.end {
		in.release()
	}
}

// settle gives back what memory the bytes held do not need.
func (in *input) settle(ctx *talloc.Context) {
	n := in.len()
	switch {
	case n == 0:
		in.release()
	case len(in.buf.Bytes()) > 2*n:
		if buf, err := ctx.Alloc(n); err == nil { // else the large one stays
			copy(buf.Bytes(), in.bytes())
			in.buf.Free()
			*in = input{buf: buf, end: uint16(n)}
		}
	}
}

func (in *input) release() {
	in.buf.Free()
	*in = input{}
}
