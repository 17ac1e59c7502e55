//go:build darwin || freebsd

package sock

import (
	"math"
	"net/netip"
	"strings"
	"syscall"

	"github.com/frio-io/frio"
	"golang.org/x/sys/unix"
)

// backend is the BSDs, through golang.org/x/sys/unix: one datagram a call, and a call may allocate. The files
// sys_darwin.go and sys_freebsd.go define:
//
//	newSocket, accept  non-blocking and close-on-exec from the start
//	info4              reads an IPv4 control message; source4 writes the one that names a source
//	ownOption          optionName of the options whose names differ
//	unsent             the value of Unsent
//	setSpecial ...     as system.go says
type backend struct{ own own }

var systemRows []Row

// bufferShare: what is asked for is what a program gets.
const bufferShare = 1

func (*backend) Socket(f Family, k frio.Kind) (fd int, err error) {
	domain, kind, err := socketKind(f, k)
	if err != nil {
		return -1, err
	}
	fd, err = newSocket(domain, kind)
	if err != nil {
		return -1, err
	}
	if f == Inet6 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NOSIGPIPE, 1)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (*backend) Bind(fd int, a Addr) error {
	sa, err := sockaddr(a)
	if err != nil {
		return err
	}
	return retry(func() error { return unix.Bind(fd, sa) })
}

func (*backend) Listen(fd, backlog int) error {
	if backlog <= 0 || backlog > math.MaxInt32 {
		backlog = math.MaxInt32 // the kernel cuts it to kern.ipc.somaxconn
	}
	return unix.Listen(fd, backlog)
}

func (*backend) Accept(fd int) (child int, peer Addr, err error) {
	var sa unix.Sockaddr
	err = retry(func() (err error) {
		child, sa, err = accept(fd)
		return err
	})
	if err != nil {
		return -1, Addr{}, err
	}
	if err := unix.SetsockoptInt(child, unix.SOL_SOCKET, unix.SO_NOSIGPIPE, 1); err != nil {
		_ = unix.Close(child)
		return -1, Addr{}, syscall.ECONNABORTED // setsockopt(2): EINVAL once the peer has gone
	}
	return child, addrOf(sa), nil
}

func (*backend) Connect(fd int, a Addr) error {
	sa, err := sockaddr(a)
	if err != nil {
		return err
	}
	switch err := unix.Connect(fd, sa); err {
	case syscall.EISCONN:
		return nil
	case syscall.EINPROGRESS, syscall.EALREADY, syscall.EINTR:
		return syscall.EAGAIN
	case syscall.EAGAIN:
		return syscall.ENOBUFS
	default:
		return err
	}
}

func (*backend) Connected(fd int) error {
	pending, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	if pending != 0 {
		return syscall.Errno(pending)
	}
	_, err = unix.Getpeername(fd)
	if err == syscall.ENOTCONN && readyFor(fd)&unix.POLLHUP == 0 {
		return syscall.EAGAIN
	}
	return err
}

func (*backend) LocalAddr(fd int) (Addr, error) {
	sa, err := unix.Getsockname(fd)
	return addrOf(sa), err
}

func (*backend) RemoteAddr(fd int) (Addr, error) {
	sa, err := unix.Getpeername(fd)
	return addrOf(sa), err
}

func (*backend) Close(fd int) error {
	if err := unix.Close(fd); err != syscall.EINTR {
		return err
	}
	return nil
}

func (*backend) CloseWrite(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) }

const steers = false

// SteerPackets needs programs in the kernel.
func (*backend) SteerPackets(fd, count int) error { return syscall.EOPNOTSUPP }

// Steered is of no group.
func (*backend) Steered(netip.AddrPort, int) int { return 0 }

// SetMode is Linux's: here a socket's file gets its mode from the umask alone, and SetFile corrects it.
func (*backend) SetMode(fd int, mode uint32) error { return syscall.EOPNOTSUPP }

// SetFile holds the directory open. There is no open descriptor of a socket file to hold: whoever may write to the
// directory could swap the name between two calls.
func (*backend) SetFile(path string, f File, uid, gid int, mode uint32) error {
	return inDirectory(path, func(dir int, name string) error {
		var st unix.Stat_t
		if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		if !same(fileOf(&st), f) {
			return syscall.ESTALE
		}
		if uid != -1 || gid != -1 {
			if err := unix.Fchownat(dir, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
				return err
			}
		}
		return unix.Fchmodat(dir, name, mode, unix.AT_SYMLINK_NOFOLLOW)
	})
}

func optionName(fd int, o Option) (level, name int, err error) {
	switch o {
	case Timestamp:
		return unix.SOL_SOCKET, unix.SO_TIMESTAMP, nil
	case RecvECN:
		return byFamily(fd, unix.IP_RECVTOS, unix.IPV6_RECVTCLASS)
	case DontFragment:
		return byFamily(fd, unix.IP_DONTFRAG, unix.IPV6_DONTFRAG)
	}
	return ownOption(fd, o)
}

func byFamily(fd, name4, name6 int) (level, name int, err error) {
	ip4, err := isInet4(fd)
	switch {
	case err != nil:
		return 0, 0, err
	case ip4:
		return unix.IPPROTO_IP, name4, nil
	}
	return unix.IPPROTO_IPV6, name6, nil
}

func getSpecial(fd int, o Option) (value int, done bool, err error) {
	if o != Unsent {
		return 0, false, nil
	}
	value, err = unsent(fd)
	return value, true, err
}

func readyFor(fd int) int16 {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	if err := retry(func() error { _, err := unix.Poll(fds, 0); return err }); err != nil {
		return 0
	}
	return fds[0].Revents
}

// sockaddr makes the system's address. EINVAL if a names nothing or has a zone.
func sockaddr(a Addr) (unix.Sockaddr, error) {
	if !a.AddrPort.IsValid() {
		switch {
		case a.Path == "", strings.IndexByte(a.Path, 0) >= 0:
			return nil, syscall.EINVAL
		case a.Path[0] == '@':
			return nil, syscall.EOPNOTSUPP
		case len(a.Path) >= len(unix.RawSockaddrUnix{}.Path):
			return nil, syscall.ENAMETOOLONG
		}
		return &unix.SockaddrUnix{Name: a.Path}, nil
	}
	ip, port := a.AddrPort.Addr(), int(a.AddrPort.Port())
	switch {
	case ip.Zone() != "":
		return nil, syscall.EINVAL
	case ip.Is4() || ip.Is4In6():
		return &unix.SockaddrInet4{Port: port, Addr: ip.As4()}, nil
	}
	sa := &unix.SockaddrInet6{Port: port, Addr: ip.As16()}
	if scoped(ip) {
		sa.ZoneId = a.Ifindex
	}
	return sa, nil
}

func addrOf(sa unix.Sockaddr) Addr {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return Addr{AddrPort: netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))}
	case *unix.SockaddrInet6:
		return Addr{AddrPort: netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port)), Ifindex: sa.ZoneId}
	case *unix.SockaddrUnix:
		if strings.HasPrefix(sa.Name, "@") {
			return Addr{Path: "./" + sa.Name}
		}
		return Addr{Path: sa.Name}
	}
	return Addr{}
}
