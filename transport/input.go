package transport

import (
	"time"

	"github.com/frio-io/frio/talloc"
)

// input is what was read of a stream and not given to the user yet. It has no memory while that is nothing.
type input struct {
	memory talloc.Buffer
	n      int       // bytes
	whole  bool      // a whole message is in front
	began  time.Time // when the one in front began, if it is not whole; zero: none has
}

// keep keeps a copy of b.
func (in *input) keep(ctx *talloc.Context, b []byte, whole bool) error {
	memory, err := ctx.Alloc(len(b))
	if err != nil {
		return err
	}
	copy(memory.Bytes(), b)
	in.memory, in.n, in.whole = memory, len(b), whole
	return nil
}

// give copies it to the front of b and lets go of it.
func (in *input) give(b []byte) {
	if in.n == 0 {
		return
	}
	copy(b, in.memory.Bytes())
	in.memory.Free()
	in.memory, in.n, in.whole = talloc.Buffer{}, 0, false
}
