package sim

// chunkMin is the least that a chunk is made for, so that many small writes do not become many chunks.
const chunkMin = 512

// fifo is bytes in order.
type fifo struct {
	chunks [][]byte
	head   int
	n      int // bytes
}

// push appends a copy of p.
func (f *fifo) push(p []byte) {
	f.n += len(p)
	if last := len(f.chunks) - 1; last >= f.head {
		c := f.chunks[last]
		if room := min(cap(c)-len(c), len(p)); room > 0 {
			f.chunks[last] = append(c, p[:room]...)
			p = p[room:]
		}
	}
	if len(p) > 0 {
		f.chunks = append(f.chunks, append(make([]byte, 0, max(len(p), chunkMin)), p...))
	}
}

// give appends p itself.
func (f *fifo) give(p []byte) {
	f.n += len(p)
	f.chunks = append(f.chunks, p)
}

// pop moves bytes into p.
func (f *fifo) pop(p []byte) (n int) {
	for n < len(p) && f.n > 0 {
		n += copy(p[n:], f.cut(len(p)-n))
	}
	return n
}

// cut takes out at most limit bytes that lie together.
func (f *fifo) cut(limit int) []byte {
	c := f.chunks[f.head]
	if len(c) > limit {
		// The front must not grow into what stays.
		f.chunks[f.head] = c[limit:]
		c = c[:limit:limit]
	} else {
		f.chunks[f.head] = nil
		f.head++
		if f.head == len(f.chunks) {
			f.chunks, f.head = f.chunks[:0], 0
		} else if f.head > 64 && f.head > len(f.chunks)/2 {
			f.chunks = append(f.chunks[:0], f.chunks[f.head:]...)
			f.head = 0
		}
		c = c[:len(c):len(c)]
	}
	f.n -= len(c)
	return c
}

func (f *fifo) clear() { *f = fifo{} }
