package sock

import (
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// batchMax is how many datagrams one system call moves, and of how many pieces one message may consist. A
	// UDP_SEGMENT train has at most 64 pieces too (UDP_MAX_SEGMENTS of kernels before 6.9).
	batchMax = 64

	// trainBytes is the most that one train carries: an IPv4 packet's 65,535 without its headers, and room for options.
	trainBytes = 65000

	// scratchMax is how many scratches are kept while nobody uses them: one per thread that is inside a call, and
	// there are no more threads than processors in such a call for long. 17 KiB each.
	scratchMax = 64
)

// scratch is what one system call of a batch is described in. It is borrowed for the call, not kept per socket.
type scratch struct {
	messages [batchMax]message
	pieces   [batchMax]unix.Iovec
	names    [batchMax][inetSize]byte
	controls [batchMax][controlSize]byte
	carries  [batchMax]int // packets in each message; more than one is a train
}

// message is the kernel's struct mmsghdr.
type message struct {
	head unix.Msghdr
	n    uint32
}

// scratches is a bounded free list. Thread: any.
type scratches struct {
	mu    sync.Mutex
	count int
	free  [scratchMax]*scratch
}

func (l *scratches) get() *scratch {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == 0 {
		return new(scratch)
	}
	l.count--
	return l.free[l.count]
}

// put takes s back; used pieces are cleared, so that nothing of the caller's memory is kept.
func (l *scratches) put(s *scratch, used int) {
	clear(s.pieces[:used])
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count < scratchMax {
		l.free[l.count] = s
		l.count++
	}
}

func (s *scratch) setPiece(i int, p []byte) {
	s.pieces[i] = unix.Iovec{}
	if len(p) > 0 {
		s.pieces[i].Base = &p[0]
		s.pieces[i].SetLen(len(p))
	}
}
