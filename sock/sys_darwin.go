package sock

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// newSocket and accept hold the lock that keeps a fork out until close-on-exec is set: there is no flag for it.
func newSocket(domain, kind int) (fd int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err = unix.Socket(domain, kind, 0)
	return guard(fd, err)
}

func accept(fd int) (child int, peer unix.Sockaddr, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	child, peer, err = unix.Accept(fd)
	child, err = guard(child, err)
	return child, peer, err
}

func guard(fd int, err error) (int, error) {
	if err != nil {
		return -1, err
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func ownOption(fd int, o Option) (level, name int, err error) {
	switch o {
	case ReusePort:
		return unix.SOL_SOCKET, unix.SO_REUSEPORT, nil
	case KeepIdle:
		return unix.IPPROTO_TCP, unix.TCP_KEEPALIVE, nil
	case PacketInfo:
		return byFamily(fd, unix.IP_RECVPKTINFO, unix.IPV6_RECVPKTINFO)
	}
	return socketOption(o)
}

func setSpecial(fd int, o Option, value int) (done bool, err error) { return false, nil }

func unsent(fd int) (int, error) { return unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NWRITE) }

func (*backend) BindDevice(fd int, name string) error {
	device, err := net.InterfaceByName(name)
	if err != nil {
		return syscall.ENODEV
	}
	level, option, err := byFamily(fd, unix.IP_BOUND_IF, unix.IPV6_BOUND_IF)
	if err != nil {
		return err
	}
	return unix.SetsockoptInt(fd, level, option, device.Index)
}

func (*backend) PeerCred(fd int) (Cred, error) {
	c, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return Cred{}, err
	}
	pid, err := unix.GetsockoptInt(fd, unix.SOL_LOCAL, unix.LOCAL_PEERPID)
	if err != nil {
		return Cred{}, err
	}
	return Cred{UID: c.Uid, GID: c.Groups[0], PID: int32(pid)}, nil
}

func info4(kind int32, data []byte, a *arrival) {
	if kind == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo {
		a.ifindex = binary.NativeEndian.Uint32(data)
		a.local = netip.AddrFrom4([4]byte(data[4:8]))
	}
}

func source4(_ int, local netip.Addr, ifindex uint32) ([]byte, error) {
	data := make([]byte, unix.SizeofInet4Pktinfo)
	binary.NativeEndian.PutUint32(data, ifindex)
	if local.IsValid() {
		a := local.As4()
		copy(data[4:8], a[:])
	}
	return controlMessage(unix.IPPROTO_IP, unix.IP_PKTINFO, data), nil
}
