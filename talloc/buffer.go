package talloc

import (
	"fmt"
	"math"
	"math/bits"
)

const (
	classMin   = 64        // bytes
	classMax   = 128 << 10 // bytes; larger buffers come from the heap and go there
	classCount = 2*11 + 1  // 64, 96, 128, 192 ... 98304, 131072
	// A class keeps up to 1 MiB, so that a burst of 256 packets of 4 KiB is served without the heap;
	// a root keeps at most classCount times that, 23 MiB.
	classKeepBytes = 1 << 20
)

// Buffer is a handle on bytes that a context owns. Its zero value holds nothing.
// A handle that was freed is known as such, also after its memory was used again.
type Buffer struct {
	h   *header
	gen uint32
}

// header is what a buffer is known by. It goes to the free list and out again together with its memory.
type header struct {
	owner *Context
	mem   []byte // the whole class
	n     int    // asked for
	prev  *header
	next  *header // in its owner's buffers, or in the free list
	gen   uint32  // raised by each free
	class int8    // -1: larger than any
}

// pool is the free lists of a root.
type pool struct {
	class [classCount]struct {
		first *header
		count int
	}
}

// Alloc returns a buffer of n bytes; its content is undefined. ErrLimit if a limit is reached. n < 0 panics.
func (c *Context) Alloc(n int) (Buffer, error) {
	c.mustTake("alloc")
	if n < 0 {
		panic(fmt.Sprintf("talloc: alloc of %d bytes in context %s", n, c.path()))
	}
	class := classOf(n)
	sizeBytes := n
	if class >= 0 {
		sizeBytes = classSize(class)
	}
	if err := c.account(int64(sizeBytes), 1, 0); err != nil {
		return Buffer{}, err
	}
	h := c.root().take(class)
	if h == nil {
		h = &header{mem: make([]byte, sizeBytes), class: int8(class)}
	}
	h.owner, h.n = c, n
	h.prev, h.next = nil, c.buffers
	if h.next != nil {
		h.next.prev = h
	}
	c.buffers = h
	c.ownBytes += int64(sizeBytes)
	c.ownBuffers++
	return Buffer{h, h.gen}, nil
}

// Bytes returns the memory, of the length asked for. It is valid until Free of the buffer or its context.
// Of the zero Buffer it is nil.
func (b Buffer) Bytes() []byte {
	if b.h == nil {
		return nil
	}
	b.mustHold("use")
	checkThread(b.h.owner, "bytes")
	return b.h.mem[:b.h.n:b.h.n]
}

// Free gives the memory back, to the free list of the thread that calls. Twice panics. The zero Buffer may be freed.
func (b Buffer) Free() {
	if b.h == nil {
		return
	}
	b.mustHold("free")
	c := b.h.owner
	checkThread(c, "free buffer")
	n := int64(len(b.h.mem))
	r := c.root()
	r.release(c.dropBuffer(b.h))
	c.add(-n, -1, 0)
}

// IsZero tells whether b is the zero Buffer.
func (b Buffer) IsZero() bool { return b.h == nil }

func (b Buffer) mustHold(what string) {
	if b.gen != b.h.gen {
		// The owner is who had it last, or has it by now.
		panic("talloc: " + what + " of a freed buffer (last of context " + b.h.owner.path() + ")")
	}
}

// dropBuffer takes h from c's list and own sizes, and returns it.
func (c *Context) dropBuffer(h *header) *header {
	if h.prev != nil {
		h.prev.next = h.next
	} else {
		c.buffers = h.next
	}
	if h.next != nil {
		h.next.prev = h.prev
	}
	h.prev, h.next = nil, nil
	c.ownBytes -= int64(len(h.mem))
	c.ownBuffers--
	return h
}

// take returns a header of the class from the free list, or nil.
func (r *root) take(class int) *header {
	if r.pool == nil || class < 0 {
		return nil
	}
	list := &r.pool.class[class]
	h := list.first
	if h == nil {
		return nil
	}
	list.first = h.next
	list.count--
	h.next = nil
	checkSpoiled(h)
	return h
}

// release makes all handles of h stale and keeps it, or leaves it to the heap.
func (r *root) release(h *header) {
	h.gen++
	spoil(h.mem)
	// A header whose generations are used up is not used again: no stale handle may come to fit.
	if r.pool == nil || h.class < 0 || h.gen == math.MaxUint32 {
		h.mem = nil
		return
	}
	list := &r.pool.class[h.class]
	if (list.count+1)*len(h.mem) > classKeepBytes {
		h.mem = nil
		return
	}
	h.next = list.first
	list.first = h
	list.count++
}

// classOf returns the smallest class that holds n bytes, -1 if there is none. Classes are the powers of two
// and the middles between them: at most a third is unused.
func classOf(n int) int {
	if n <= classMin {
		return 0
	}
	if n > classMax {
		return -1
	}
	top := bits.Len(uint(n-1)) - 1 // 2^top < n <= 2^(top+1)
	class := 2 * (top - 6)
	if n <= 3<<(top-1) {
		return class + 1
	}
	return class + 2
}

func classSize(class int) int {
	if class%2 == 0 {
		return classMin << (class / 2)
	}
	return classMin * 3 / 2 << (class / 2)
}
