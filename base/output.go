package base

import (
	"github.com/frio-io/frio"
	"github.com/frio-io/frio/talloc"
)

// corkMax is how much Cork gathers: 16 of the largest TLS records' quarter, one socket buffer's usual step.
const corkMax = 64 << 10

// output is what was taken from the caller and not yet by the kernel. Its memory is there only while it holds something.
type output struct {
	buf        talloc.Buffer
	start, end int
}

func (o *output) len() int      { return o.end - o.start }
func (o *output) bytes() []byte { return o.buf.Bytes()[o.start:o.end] }

// add copies p, or as much as there is room for; ErrAgain if there is none.
func (o *output) add(ctx *talloc.Context, p []byte) (int, error) {
	if o.buf.IsZero() {
		buf, err := ctx.Alloc(corkMax)
		if err != nil {
			return 0, err
		}
		o.buf = buf
	}
	n := copy(o.buf.Bytes()[o.end:], p)
	if n == 0 {
		return 0, frio.ErrAgain
	}
	o.end += n
	return n, nil
}

// drop forgets n bytes from the front, and the memory with the last one.
func (o *output) drop(n int) {
	o.start += n
	if o.start == o.end {
		o.release()
	}
}

func (o *output) release() {
	if !o.buf.IsZero() {
		o.buf.Free()
	}
	*o = output{}
}
