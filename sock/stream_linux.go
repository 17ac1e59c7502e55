package sock

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Recv uses recvmsg and not recv: only there the kernel tells that a datagram was cut.
func (*backend) Recv(fd int, p []byte) (n int, err error) {
	n, _, e := recvMessage(fd, p, nil)
	if e != 0 {
		return 0, e
	}
	return n, nil
}

func (s *backend) RecvFrom(fd int, p []byte) (n int, from Addr, err error) {
	var name [nameSize]byte
	n, size, e := recvMessage(fd, p, &name)
	if e == 0 || e == syscall.EMSGSIZE {
		from = s.addrOf(name[:size])
	}
	if e != 0 {
		return 0, from, e
	}
	return n, from, nil
}

// recvMessage receives into p, and the sender into name if that is given. There is no room for control messages:
// descriptors that a Local peer pushes are closed by the kernel.
func recvMessage(fd int, p []byte, name *[nameSize]byte) (n, size int, e syscall.Errno) {
	var piece unix.Iovec
	if len(p) > 0 {
		piece.Base = &p[0]
		piece.SetLen(len(p))
	}
	for range interruptsMax {
		head := unix.Msghdr{Iov: &piece}
		head.SetIovlen(1)
		if name != nil {
			head.Name, head.Namelen = &name[0], nameSize
		}
		r, _, e := syscall.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&head)), unix.MSG_DONTWAIT)
		switch {
		case e == syscall.EINTR:
			continue
		case e != 0:
			return 0, 0, e
		case head.Flags&unix.MSG_TRUNC != 0:
			return 0, int(min(head.Namelen, nameSize)), syscall.EMSGSIZE
		}
		return int(r), int(min(head.Namelen, nameSize)), 0
	}
	return 0, 0, syscall.EAGAIN
}

func (*backend) Send(fd int, p []byte) (n int, err error) {
	for range interruptsMax {
		r, _, e := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if e == 0 {
			return int(r), nil
		}
		if e != syscall.EINTR {
			return 0, e
		}
	}
	return 0, syscall.EAGAIN
}

// SendTo turns EAGAIN into ENOBUFS where the receiver's queue is what is full: the socket itself stays writable then, so
// that no poller can tell when there is room.
func (*backend) SendTo(fd int, p []byte, to Addr) (n int, err error) {
	var name [nameSize]byte
	size, e := putAddr(&name, to)
	if e != 0 {
		return 0, e
	}
	for range interruptsMax {
		r, _, e := syscall.Syscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&name)), uintptr(size))
		switch {
		case e == 0:
			return int(r), nil
		case e == syscall.EAGAIN && readyFor(fd)&unix.POLLOUT != 0:
			return 0, syscall.ENOBUFS
		case e != syscall.EINTR:
			return 0, e
		}
	}
	return 0, syscall.EAGAIN
}

func (*backend) CloseWrite(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) }

// readyFor tells what fd is ready for, of writing and its failures.
func readyFor(fd int) int16 {
	pfd := unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT}
	var wait unix.Timespec
	for range interruptsMax {
		_, _, e := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&pfd)), 1, uintptr(unsafe.Pointer(&wait)), 0, 0, 0)
		if e != syscall.EINTR {
			return pfd.Revents
		}
	}
	return 0
}
