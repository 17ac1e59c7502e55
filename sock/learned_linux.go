package sock

import (
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// learnedMax is of how many descriptors something is kept; of those above, the kernel is asked each time.
const learnedMax = 1 << 16

// learned is what the kernel has said of descriptors that does not change while they are open, so that it is asked once and not with every
// batch. Thread: any.
type learned struct{ facts [learnedMax]atomic.Uint32 }

// The bits of a fact. The lowest 16 are the port, 0 while the socket has none.
const (
	portBits   = 1<<16 - 1
	cutsTrains = 1 << 16 // it has UDP_SEGMENT
	noTrains   = 1 << 17
)

// of returns what is known of fd.
func (l *learned) of(fd int) uint32 {
	if uint(fd) < learnedMax {
		return l.facts[fd].Load()
	}
	return 0
}

func (l *learned) note(fd int, fact uint32) {
	if uint(fd) < learnedMax {
		l.facts[fd].Or(fact)
	}
}

// forget is called before fd can be another socket.
func (l *learned) forget(fd int) {
	if uint(fd) < learnedMax {
		l.facts[fd].Store(0)
	}
}

// port is the socket's own: PKTINFO tells the address only.
func (l *learned) port(fd int) uint16 {
	if port := l.of(fd) & portBits; port != 0 {
		return uint16(port)
	}
	var name [nameSize]byte
	n, e := getName(unix.SYS_GETSOCKNAME, fd, &name)
	if e != 0 {
		return 0
	}
	local, _ := inetOf(name[:n])
	l.note(fd, uint32(local.Port()))
	return local.Port()
}

// trains tells whether the socket has UDP_SEGMENT. On a Local one, and on a kernel that does not know it, the control message would be
// overlooked and the train leave as one long datagram.
func (l *learned) trains(fd int) bool {
	switch fact := l.of(fd); {
	case fact&cutsTrains != 0:
		return true
	case fact&noTrains != 0:
		return false
	}
	var value int32
	size := uint32(unsafe.Sizeof(value))
	_, _, e := syscall.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT,
		uintptr(unsafe.Pointer(&value)), uintptr(unsafe.Pointer(&size)), 0)
	if e == 0 {
		l.note(fd, cutsTrains)
	} else if e == syscall.ENOPROTOOPT || e == syscall.EOPNOTSUPP {
		l.note(fd, noTrains)
	}
	return e == 0
}
