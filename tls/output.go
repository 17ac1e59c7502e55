package tls

import (
	"github.com/frio-io/frio/talloc"
)

const (
	// highWater bounds what is sealed and unsent: four of the longest records. Above it Write takes nothing and nothing is
	// read, since reading may make output as well.
	highWater = 64 << 10
	// lowWater is under which the upper is asked for more: one record, so that the kernel has something while the upper writes.
	lowWater = 16 << 10
	// sealRoom is the least room that Write begins with: less makes records too short to be worth their overhead.
	sealRoom = 4 << 10
)

// sealable is how many bytes can be sealed into room bytes. crypto/tls cuts records to 1,123 bytes at the least, each
// with at most 90 of overhead.
func sealable(room int) int { return room*9/10 - 200 }

// output is what was sealed and not yet sent: whole records, of which the first may have been sent in part, or datagrams of one record each. Its
// memory is there only while it holds something.
type output struct {
	buf        talloc.Buffer
	start, end int
	sent       int // bytes of the first record that are gone
	left       int // bytes of it that are held; 0: it begins at start
}

func (o *output) len() int { return o.end - o.start }

func (o *output) bytes() []byte {
	if o.end == 0 {
		return nil
	}
	return o.buf.Bytes()[o.start:o.end]
}

// reserve makes room for n more bytes and returns an empty slice there.
func (o *output) reserve(ctx *talloc.Context, n int) ([]byte, error) {
	if !o.buf.IsZero() && len(o.buf.Bytes())-o.end >= n {
		return o.buf.Bytes()[o.end:o.end], nil
	}
	held := o.bytes()
	buf, err := ctx.Alloc(len(held) + n)
	if err != nil {
		return nil, err
	}
	copy(buf.Bytes(), held)
	o.buf.Free()
	*o = output{buf: buf, end: len(held), sent: o.sent, left: o.left}
	return buf.Bytes()[o.end:o.end], nil
}

// took says that b, which was appended to what reserve returned, is held. If it outgrew the room it is copied.
func (o *output) took(ctx *talloc.Context, b []byte) error {
	mem := o.buf.Bytes()
	if len(b) > len(mem)-o.end {
		return o.add(ctx, b)
	}
	o.end += len(b)
	return nil
}

// add copies b.
func (o *output) add(ctx *talloc.Context, b []byte) error {
	room, err := o.reserve(ctx, len(b))
	if err != nil {
		return err
	}
	o.end += len(append(room, b...))
	return nil
}

// drop forgets n bytes from the front, and the memory with the last one.
func (o *output) drop(n int) {
	for n > 0 {
		if o.left == 0 {
			o.sent, o.left = 0, recordLen(o.bytes())
		}
		k := min(n, o.left)
		o.start += k
		o.sent += k
		o.left -= k
		n -= k
	}
	if o.start == o.end {
		o.release()
	}
}

// lost is how many bytes, of those held and of the record that was sent in part, are in records of which unsent bytes at the
// end cannot be sent: the peer can open whole ones only.
func (o *output) lost(unsent int) int {
	b := o.bytes()
	at := len(b) - unsent
	if o.left > at {
		return len(b) + o.sent
	}
	begin := o.left
	for begin < len(b) {
		n := recordLen(b[begin:])
		if begin+n > at {
			break
		}
		begin += n
	}
	return len(b) - begin
}

// recordLen is the length of the record at the head of b, which is one of ours.
func recordLen(b []byte) int { return headerLen + int(b[3])<<8 + int(b[4]) }

// dropDatagrams forgets so many from the front.
func (o *output) dropDatagrams(count int) {
	for range count {
		o.start += datagramLen(o.bytes())
	}
	if o.start == o.end {
		o.release()
	}
}

// datagramLen is the length of the record at the head of b, which is one of ours (RFC 6347, Section 4.1).
func datagramLen(b []byte) int { return dtlsHeader + int(b[dtlsHeader-2])<<8 + int(b[dtlsHeader-1]) }

const dtlsHeader = 13

func (o *output) release() {
	o.buf.Free()
	*o = output{}
}
