package sock

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// bytesUnsent is FIONWRITE of sys/filio.h: _IOR('f', 119, int).
const bytesUnsent = 0x40046677

func newSocket(domain, kind int) (fd int, err error) {
	return unix.Socket(domain, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
}

func accept(fd int) (child int, peer unix.Sockaddr, err error) {
	return unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
}

func ownOption(fd int, o Option) (level, name int, err error) {
	switch o {
	case ReusePort:
		return unix.SOL_SOCKET, unix.SO_REUSEPORT_LB, nil // the one that shares the load
	case KeepIdle:
		return unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, nil
	case PacketInfo:
		return byFamily(fd, unix.IP_RECVDSTADDR, unix.IPV6_RECVPKTINFO)
	case FreeBind:
		return byFamily(fd, unix.IP_BINDANY, unix.IPV6_BINDANY)
	}
	return socketOption(o)
}

// setSpecial: on IPv4 the arrival interface is an option of its own.
func setSpecial(fd int, o Option, value int) (done bool, err error) {
	if o != PacketInfo {
		return false, nil
	}
	ip4, err := isInet4(fd)
	if err != nil || !ip4 {
		return err != nil, err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVIF, value); err != nil {
		return true, err
	}
	return false, nil
}

func unsent(fd int) (int, error) { return unix.IoctlGetInt(fd, bytesUnsent) }

// BindDevice has no counterpart here.
func (*backend) BindDevice(fd int, name string) error { return syscall.EOPNOTSUPP }

// PeerCred does not tell the PID.
func (*backend) PeerCred(fd int) (Cred, error) {
	c, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return Cred{}, err
	}
	return Cred{UID: c.Uid, GID: c.Groups[0]}, nil
}

func info4(kind int32, data []byte, a *arrival) {
	switch {
	case kind == unix.IP_RECVDSTADDR && len(data) >= 4:
		a.local = netip.AddrFrom4([4]byte(data[:4]))
	case kind == unix.IP_RECVIF && len(data) >= 4:
		a.ifindex = uint32(binary.NativeEndian.Uint16(data[2:])) // struct sockaddr_dl, sdl_index
	}
}

// source4 names the address only: the interface follows from the route. A socket bound to an address sends from it
// already, and refuses to be told (ip(4), IP_SENDSRCADDR: EINVAL).
func source4(fd int, local netip.Addr, _ uint32) ([]byte, error) {
	if !local.IsValid() || local.IsUnspecified() {
		return nil, nil
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return nil, err
	}
	if sa, ok := bound.(*unix.SockaddrInet4); ok && sa.Addr != [4]byte{} {
		return nil, nil
	}
	a := local.As4()
	return controlMessage(unix.IPPROTO_IP, unix.IP_SENDSRCADDR, a[:]), nil
}
