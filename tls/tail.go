package tls

import "sync"

// tail keeps what has come of a connection's first record while that is not whole. So many peers may stop there that the memory
// has to be hardly more than the bytes: up to three pieces, of which the first two are of sizes that the allocator has, so
// that only the last, of less than 256 bytes, is rounded up.
type tail [3]string

// allocSizes are the allocator's sizes up to that of the longest record, ascending.
var allocSizes = sync.OnceValue(func() (sizes []int) {
	for n := 1; n <= recordMax; {
		size := cap(append([]byte(nil), make([]byte, n)...))
		sizes = append(sizes, size)
		n = size + 1
	}
	return sizes
})

// wholeSize is the largest of the sizes that n bytes fill; n itself below the smallest.
func wholeSize(n int) int {
	sizes := allocSizes()
	whole := n
	for _, size := range sizes {
		if size > n {
			break
		}
		whole = size
	}
	return whole
}

// newTail copies b, of at most recordMax bytes.
func newTail(b []byte) *tail {
	t := new(tail)
	for i := range t {
		n := len(b)
		if i < len(t)-1 && n >= 256 {
			n = wholeSize(n)
		}
		t[i] = string(b[:n])
		b = b[n:]
	}
	return t
}

// len is how many bytes are kept; nil keeps none.
func (t *tail) len() int {
	if t == nil {
		return 0
	}
	return len(t[0]) + len(t[1]) + len(t[2])
}

// copyTo copies them to the front of p, which has room.
func (t *tail) copyTo(p []byte) (n int) {
	if t == nil {
		return 0
	}
	for _, piece := range t {
		n += copy(p[n:], piece)
	}
	return n
}

// keepTail keeps b if it is the beginning of a record that is not whole; false if there is more to do with it. The context knows of it.
func (c *Conn) keepTail(b []byte) bool {
	if n, err := cut(b, true); n > 0 || err != nil || c.ctx.Charge(int64(len(b))) != nil {
		return false
	}
	c.tail = newTail(b)
	return true
}

// dropTail forgets what is kept.
func (c *Conn) dropTail() {
	if c.tail == nil {
		return
	}
	if !c.ctx.Freed() {
		c.ctx.Uncharge(int64(c.tail.len()))
	}
	c.tail = nil
}
