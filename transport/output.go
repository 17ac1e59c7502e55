package transport

import "github.com/frio-io/frio/talloc"

const (
	// outHigh is from where on a stream's input waits for its output, outLow until when: one and a quarter of the usual socket's buffer.
	outHigh = 64 << 10
	outLow  = 16 << 10
	// outMax is 256 answers of 4 KiB, one for each identifier of RADIUS, and what may stand before them.
	outMax = 256*4096 + outHigh
	// outFirst is what a stream's output has room for at first.
	outFirst = 8 << 10
)

// output is what a stream has to send. It has no memory while that is nothing.
type output struct {
	memory  talloc.Buffer
	from    int  // what of memory was sent
	waiting int  // what is to be sent, behind that
	rest    int  // of waiting: what is left of a message of which a part was taken
	pressed bool // it was above outHigh, and has not been told that it is at outLow
	shut    bool // nothing comes behind it: then the writing direction ends
	ended   bool // that has ended
	told    bool // the user knows
}

// bytes is what waits; there must be some.
func (o *output) bytes() []byte { return o.memory.Bytes()[o.from : o.from+o.waiting] }

// room is the memory behind what waits, to append to.
func (o *output) room() []byte {
	if o.memory.IsZero() {
		return nil
	}
	b := o.memory.Bytes()
	return b[o.from+o.waiting : o.from+o.waiting : len(b)]
}

// grow gives it n bytes of memory, with what waits at the front.
func (o *output) grow(ctx *talloc.Context, n int) error {
	memory, err := ctx.Alloc(n)
	if err != nil {
		return err
	}
	if o.waiting > 0 {
		copy(memory.Bytes(), o.bytes())
	}
	o.memory.Free()
	o.memory, o.from = memory, 0
	return nil
}

// added counts n bytes that were appended to room, took those that were sent.
func (o *output) added(n int) {
	o.waiting += n
	o.pressed = o.pressed || o.waiting > outHigh
}

func (o *output) took(n int) {
	o.from += n
	o.waiting -= n
}

// rests gives back the memory if nothing waits.
func (o *output) rests() {
	if o.waiting == 0 && !o.memory.IsZero() {
		o.memory.Free()
		o.memory, o.from = talloc.Buffer{}, 0
	}
}

// relieved tells whether it was pressed, and is at outLow.
func (o *output) relieved() bool { return o.pressed && o.waiting <= outLow }
