package udp

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/talloc"
)

const (
	// inboxCount and inboxBytes bound what waits for one child. A batch of the socket is 64 datagrams, so that a peer may
	// fill a whole one; 128 KiB is two of the longest datagrams, or 2 KiB for each of the 64.
	inboxCount = 64
	inboxBytes = 128 << 10
	// roomyCount and roomyBytes bound what waits for a child that is being given a socket: what was in the listener's receive
	// buffer, which by default holds 277 datagrams and 208 KiB, all of which may be of one peer.
	roomyCount = 1024
	roomyBytes = 512 << 10
	// inboxFirst is the size of the first buffer; it doubles from there. Few messages of few peers wait at any time.
	inboxFirst = 2 << 10
)

// inbox holds datagrams until the child reads them: their bytes in one ring, what is known of each in another. It has memory only
// while it holds something. Empty datagrams have a place like others.
type inbox struct {
	data        talloc.Buffer
	info        talloc.Buffer // a power of two of infoSize each
	head, count int           // in info
	start, used int           // in data, in bytes
	roomy       bool          // its bounds are the wide ones
}

// infoSize is time (8), interface (4), length (2), ECN (1), origin (1).
const infoSize = 16

// bounds are how many datagrams and bytes it may hold.
func (b *inbox) bounds() (count, bytes int) {
	if b.roomy {
		return roomyCount, roomyBytes
	}
	return inboxCount, inboxBytes
}

// fits tells whether a datagram of n bytes is within the bounds.
func (b *inbox) fits(n int) bool {
	count, bytes := b.bounds()
	return b.count < count && b.used+n <= bytes
}

// put keeps a copy of p; false if the bounds, or a limit of ctx, do not allow it.
func (b *inbox) put(ctx *talloc.Context, p *frio.Packet, from origin) bool {
	n := len(p.Data)
	if !b.fits(n) || !b.growInfo(ctx) {
		return false
	}
	if !b.grow(ctx, b.used+n) {
		if b.count == 0 {
			b.release()
		}
		return false
	}
	if n > 0 {
		ring := b.data.Bytes()
		end := (b.start + b.used) % len(ring)
		if first := copy(ring[end:], p.Data); first < n {
			copy(ring, p.Data[first:])
		}
	}
	at := (b.head + b.count) % b.places() * infoSize
	info := b.info.Bytes()[at : at+infoSize]
	binary.NativeEndian.PutUint64(info, uint64(p.Time))
	binary.NativeEndian.PutUint32(info[8:], p.Ifindex)
	binary.NativeEndian.PutUint16(info[12:], uint16(n))
	info[14], info[15] = p.ECN, byte(from)
	b.used += n
	b.count++
	return true
}

// places is how many datagrams info has room for.
func (b *inbox) places() int { return len(b.info.Bytes()) / infoSize }

// growInfo makes room for one more datagram in info.
func (b *inbox) growInfo(ctx *talloc.Context) bool {
	places := 0
	if !b.info.IsZero() {
		places = b.places()
	}
	if b.count < places {
		return true
	}
	info, err := ctx.Alloc(max(inboxCount, 2*places) * infoSize)
	if err != nil {
		return false
	}
	if places > 0 {
		ring := b.info.Bytes()
		first := copy(info.Bytes(), ring[b.head*infoSize:])
		copy(info.Bytes()[first:], ring[:b.head*infoSize])
		b.info.Free()
	}
	b.info, b.head = info, 0
	return true
}

// origin is where datagram i of those held was read.
func (b *inbox) origin(i int) origin {
	return origin(b.info.Bytes()[(b.head+i)%b.places()*infoSize+15])
}

// grow makes room for need bytes in all.
func (b *inbox) grow(ctx *talloc.Context, need int) bool {
	size := len(b.data.Bytes())
	if need <= size {
		return true
	}
	for size = max(size, inboxFirst); size < need; {
		size *= 2
	}
	data, err := ctx.Alloc(size)
	if err != nil {
		return false
	}
	b.copyOut(data.Bytes())
	b.data.Free()
	b.data, b.start = data, 0
	return true
}

// copyOut copies all bytes held to dst, in order.
func (b *inbox) copyOut(dst []byte) {
	if b.used > 0 {
		ring := b.data.Bytes()
		first := copy(dst[:b.used], ring[b.start:])
		copy(dst[first:b.used], ring)
	}
}

// peek is the length of the first datagram. There must be one.
func (b *inbox) peek() int {
	return int(binary.NativeEndian.Uint16(b.info.Bytes()[b.head*infoSize+12:]))
}

// take moves the first datagram into p, whose Data gives the memory; false if it does not fit there: then it is dropped.
// There must be one.
func (b *inbox) take(p *frio.Packet) bool {
	info := b.info.Bytes()[b.head*infoSize:]
	p.Time = int64(binary.NativeEndian.Uint64(info))
	p.Ifindex = binary.NativeEndian.Uint32(info[8:])
	p.ECN = info[14]
	n := b.peek()
	fits := n <= cap(p.Data)
	p.Data = p.Data[:0]
	if fits && n > 0 {
		p.Data = p.Data[:n]
		ring := b.data.Bytes()
		first := copy(p.Data, ring[b.start:])
		copy(p.Data[first:], ring)
	}
	b.drop(n)
	return fits
}

func (b *inbox) drop(n int) {
	b.head = (b.head + 1) % b.places()
	b.count--
	b.used -= n
	if b.count == 0 {
		b.release()
		return
	}
	if n > 0 {
		b.start = (b.start + n) % len(b.data.Bytes())
	}
}

// held is the memory that the inbox has, in bytes.
func (b *inbox) held() int { return len(b.data.Bytes()) + len(b.info.Bytes()) }

// moveTo gives all that is held to memory of ctx; false if a limit of ctx does not allow it: then nothing changed.
func (b *inbox) moveTo(ctx *talloc.Context) bool {
	if b.count == 0 {
		return true
	}
	info, err := ctx.Alloc(len(b.info.Bytes()))
	if err != nil {
		return false
	}
	var data talloc.Buffer
	if size := len(b.data.Bytes()); size > 0 {
		if data, err = ctx.Alloc(size); err != nil {
			info.Free()
			return false
		}
		b.copyOut(data.Bytes())
	}
	copy(info.Bytes(), b.info.Bytes())
	b.info.Free()
	b.data.Free()
	b.info, b.data, b.start = info, data, 0
	return true
}

// release drops all that is held, and the memory.
func (b *inbox) release() {
	b.info.Free()
	b.data.Free()
	*b = inbox{roomy: b.roomy}
}

// moveInto gives all that is held to dst, which is empty.
func (b *inbox) moveInto(dst *inbox) {
	*dst = *b
	*b = inbox{roomy: b.roomy}
}

// arrange puts what is held into the order of arrival. What has arrived at the listener is in that order; what comes from elsewhere is put
// among it by its time. It needs no memory of a context.
func (b *inbox) arrange() {
	if b.allArrived() {
		return
	}
	list := b.list()
	arrivals := make([]datagram, 0, len(list))
	others := make([]datagram, 0, len(list))
	for _, d := range list {
		if d.origin() == arrived {
			arrivals = append(arrivals, d)
		} else {
			others = append(others, d)
		}
	}
	// As in evenTimes.
	for i := len(arrivals) - 1; i > 0; i-- {
		arrivals[i-1].time = min(arrivals[i-1].time, arrivals[i].time)
	}
	slices.SortStableFunc(others, func(x, y datagram) int { return cmp.Compare(x.time, y.time) })
	b.head, b.start = 0, 0
	at := 0
	for i := range list {
		from := &arrivals
		if len(arrivals) == 0 || len(others) > 0 && others[0].time < arrivals[0].time {
			from = &others
		}
		d := (*from)[0]
		*from = (*from)[1:]
		copy(b.info.Bytes()[i*infoSize:], d.info[:])
		at += copy(b.data.Bytes()[at:], d.data)
	}
}

// datagram is a copy of one that is held.
type datagram struct {
	info [infoSize]byte
	data []byte
	time int64
}

func (d *datagram) origin() origin { return origin(d.info[15]) }

// list copies what is held.
func (b *inbox) list() []datagram {
	list := make([]datagram, b.count)
	at := b.start
	for i := range list {
		d := &list[i]
		copy(d.info[:], b.info.Bytes()[(b.head+i)%b.places()*infoSize:])
		d.time = int64(binary.NativeEndian.Uint64(d.info[:]))
		if n := int(binary.NativeEndian.Uint16(d.info[12:])); n > 0 {
			ring := b.data.Bytes()
			d.data = make([]byte, n)
			first := copy(d.data, ring[at:])
			copy(d.data[first:], ring)
			at = (at + n) % len(ring)
		}
	}
	return list
}

func (b *inbox) allArrived() bool {
	for i := range b.count {
		if b.origin(i) != arrived {
			return false
		}
	}
	return true
}
