package sock

import (
	"encoding/binary"
	"math"
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/frio-io/frio"
	"golang.org/x/sys/unix"
)

// backend is Linux: raw system calls that neither allocate nor tell the scheduler, for none of them waits. Those that
// may touch a file system do tell it. It needs a 64-bit time in SO_TIMESTAMPNS or a date before 2038.
type backend struct {
	scratches   scratches
	paths       paths
	own         own
	trainPause  atomic.Int64 // batches to go without a train
	learned     learned
	controlsCut atomic.Uint64 // datagrams with more control messages than controlSize holds
}

func (s *backend) Socket(f Family, k frio.Kind) (fd int, err error) {
	domain, kind, err := socketKind(f, k)
	if err != nil {
		return -1, err
	}
	fd, err = unix.Socket(domain, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	s.learned.forget(fd) // somebody may have closed the number without Close
	if f == Inet6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			_ = unix.Close(fd)
			return -1, err
		}
	}
	return fd, nil
}

func (*backend) Bind(fd int, a Addr) error {
	var name [nameSize]byte
	n, e := putAddr(&name, a)
	if a == (Addr{}) {
		// unix(7), "Autobind": a name of only the family.
		binary.NativeEndian.PutUint16(name[:], unix.AF_UNIX)
		n, e = pathStart, 0
	}
	if e != 0 {
		return e
	}
	for range interruptsMax {
		_, _, e = syscall.Syscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&name)), uintptr(n))
		if e != syscall.EINTR {
			return errnoErr(e)
		}
	}
	return syscall.EAGAIN
}

func (*backend) Listen(fd, backlog int) error {
	if backlog <= 0 || backlog > math.MaxInt32 {
		backlog = math.MaxInt32 // the kernel cuts it to net.core.somaxconn
	}
	return unix.Listen(fd, backlog)
}

func (s *backend) Accept(fd int) (child int, peer Addr, err error) {
	var name [nameSize]byte
	for range interruptsMax {
		size := uint32(nameSize)
		r, _, e := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&name)), uintptr(unsafe.Pointer(&size)),
			unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		if e == 0 {
			s.learned.forget(int(r))
			return int(r), s.addrOf(name[:min(size, nameSize)]), nil
		}
		if e != syscall.EINTR {
			return -1, Addr{}, e
		}
	}
	return -1, Addr{}, syscall.EAGAIN
}

func (*backend) Connect(fd int, a Addr) error {
	var name [nameSize]byte
	n, e := putAddr(&name, a)
	if e != 0 {
		return e
	}
	_, _, e = syscall.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&name)), uintptr(n))
	switch e {
	case syscall.EISCONN:
		return nil
	case syscall.EINPROGRESS, syscall.EALREADY, syscall.EINTR: // interrupted, a connect goes on by itself
		return syscall.EAGAIN
	case syscall.EAGAIN:
		// connect(2): a full backlog of a Local peer, or no room for the route. Nothing is on the way and no event
		// will come, so it must not look like EINPROGRESS.
		return syscall.ENOBUFS
	}
	return errnoErr(e)
}

// Connected asks SO_ERROR first, which tells of a failure once; a peer's name means success. Without either it is on the
// way, unless the poller's view is that nothing is (HUP): then the failure was told before, or Connect never called.
func (*backend) Connected(fd int) error {
	pending, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	if pending != 0 {
		return syscall.Errno(pending)
	}
	var name [nameSize]byte
	_, e := getName(unix.SYS_GETPEERNAME, fd, &name)
	if e == syscall.ENOTCONN && readyFor(fd)&unix.POLLHUP == 0 {
		return syscall.EAGAIN
	}
	return errnoErr(e)
}

func (s *backend) LocalAddr(fd int) (Addr, error) {
	return s.name(unix.SYS_GETSOCKNAME, fd)
}

func (s *backend) RemoteAddr(fd int) (Addr, error) {
	return s.name(unix.SYS_GETPEERNAME, fd)
}

func (s *backend) name(call uintptr, fd int) (Addr, error) {
	var name [nameSize]byte
	n, e := getName(call, fd, &name)
	if e != 0 {
		return Addr{}, e
	}
	return s.addrOf(name[:n]), nil
}

func getName(call uintptr, fd int, name *[nameSize]byte) (n int, e syscall.Errno) {
	size := uint32(nameSize)
	_, _, e = syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(name)), uintptr(unsafe.Pointer(&size)))
	if e != 0 {
		return 0, e
	}
	return int(min(size, nameSize)), 0
}

func (*backend) PeerCred(fd int) (Cred, error) {
	c, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Cred{}, err
	}
	if c.Uid == math.MaxUint32 { // what the kernel says of a socket that has no peer
		return Cred{}, syscall.ENOTCONN
	}
	return Cred{UID: c.Uid, GID: c.Gid, PID: c.Pid}, nil
}

// Close is not repeated after EINTR: on Linux the descriptor is gone, and its number may be somebody else's.
func (s *backend) Close(fd int) error {
	s.learned.forget(fd)
	if err := unix.Close(fd); err != syscall.EINTR {
		return err
	}
	return nil
}

// errnoErr makes an error of what a raw call returned: nil of 0.
func errnoErr(e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}
