package sock

import "net/netip"

// ControlsCut is how many datagrams brought more control messages than there was room for.
func ControlsCut() uint64 { return System.(*system).controlsCut.Load() }

// ForgetTrains makes the Kernel try trains again, on every socket, and returns a function that tells whether it goes without for a while.
func ForgetTrains() (pausing func() bool) {
	s := System.(*system)
	s.trainPause.Store(0)
	for fd := range learnedMax {
		s.learned.forget(fd)
	}
	return func() bool { return s.trainPause.Load() > 0 }
}

// FreeScratches is how many scratches wait for use, and ScratchMax how many ever do.
func FreeScratches() int {
	l := &System.(*system).scratches
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// LentPieces is how many pieces of callers' memory the free scratches still point to.
func LentPieces() (lent int) {
	l := &System.(*system).scratches
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.free[:l.count] {
		for i := range s.pieces {
			if s.pieces[i].Base != nil {
				lent++
			}
		}
	}
	return lent
}

// Controls reads control messages: local address, interface, time, ECN, segment.
func Controls(b []byte) (local string, ifindex uint32, time int64, ecn uint8, segment int) {
	a := parseControl(b)
	if a.local.IsValid() {
		local = a.local.String()
	}
	return local, a.ifindex, a.time, a.ecn, a.segment
}

// PutControls writes what a train from local and ifindex carries, and returns its length.
func PutControls(b []byte, local netip.Addr, ifindex uint32, segment int) int {
	rest := putSegment(putSource(b, local.Is4(), local, ifindex), segment)
	return len(b) - len(rest)
}

const ScratchMax = scratchMax
