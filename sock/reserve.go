package sock

import (
	"math"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// reserveMax is how many descriptors Accept leaves to others, of a low limit an eighth: who accepts all it can get has none left to connect with,
// and peers that it can do nothing for.
const reserveMax = 64

// reserve keeps descriptors back from Accept. The zero value is ready.
type reserve struct {
	once  sync.Once
	first int         // of the numbers that are kept back
	close atomic.Bool // a socket that was accepted got one of them: from then on Accept looks before

	// mu is for looking and accepting together, where several threads do.
	mu sync.Mutex
}

func (r *reserve) begin() {
	r.first = math.MaxInt
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil && uint64(limit.Cur) < math.MaxInt32 {
		count := int(limit.Cur)
		r.first = count - min(reserveMax, count/8)
	}
}

// Accept is Kernel's. The limit of descriptors is that of the first call.
func (s *system) Accept(fd int) (child int, peer Addr, err error) {
	r := &s.reserve
	r.once.Do(r.begin)
	if r.close.Load() {
		return s.acceptBelow(fd)
	}
	child, peer, err = s.backend.Accept(fd)
	if err == nil && child >= r.first {
		r.close.Store(true)
	}
	return child, peer, err
}

// acceptBelow accepts if the next descriptor is none of the reserve. That one is free says nothing of the one after it, so a process that
// has come this far once asks each time: two short calls.
func (s *system) acceptBelow(fd int) (child int, peer Addr, err error) {
	s.reserve.mu.Lock()
	defer s.reserve.mu.Unlock()
	// A new descriptor is the lowest number that is free.
	lowest, err := s.Duplicate(fd)
	if err != nil {
		return -1, Addr{}, err
	}
	_ = unix.Close(lowest)
	if lowest >= s.reserve.first {
		return -1, Addr{}, syscall.EMFILE
	}
	return s.backend.Accept(fd)
}
