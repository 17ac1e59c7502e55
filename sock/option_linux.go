package sock

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bufferShare: the kernel doubles what is asked for and counts its own overhead against it (socket(7), SO_RCVBUF).
const bufferShare = 2

func optionName(fd int, o Option) (level, name int, err error) {
	switch o {
	case ReusePort:
		return unix.SOL_SOCKET, unix.SO_REUSEPORT, nil
	case KeepIdle:
		return unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, nil
	case Timestamp:
		return unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, nil
	case GRO:
		return unix.IPPROTO_UDP, unix.UDP_GRO, nil
	case PacketInfo:
		return byFamily(fd, unix.IP_PKTINFO, unix.IPV6_RECVPKTINFO)
	case RecvECN:
		return byFamily(fd, unix.IP_RECVTOS, unix.IPV6_RECVTCLASS)
	case FreeBind:
		return byFamily(fd, unix.IP_FREEBIND, unix.IPV6_FREEBIND)
	}
	return socketOption(o)
}

// byFamily chooses between the IPv4 and the IPv6 option; a Local socket has neither.
func byFamily(fd, name4, name6 int) (level, name int, err error) {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	switch {
	case err != nil:
		return 0, 0, err
	case domain == unix.AF_INET:
		return unix.IPPROTO_IP, name4, nil
	case domain == unix.AF_INET6:
		return unix.IPPROTO_IPV6, name6, nil
	}
	return 0, 0, syscall.ENOPROTOOPT
}

func setSpecial(fd int, o Option, value int) (done bool, err error) {
	switch o {
	case DontFragment:
		level, name, err := byFamily(fd, unix.IP_MTU_DISCOVER, unix.IPV6_MTU_DISCOVER)
		if err != nil {
			return true, err
		}
		discover := unix.IP_PMTUDISC_DONT
		if value != 0 {
			discover = unix.IP_PMTUDISC_DO
		}
		if err := unix.SetsockoptInt(fd, level, name, discover); err != nil || level == unix.IPPROTO_IP {
			return true, err
		}
		return true, unix.SetsockoptInt(fd, level, unix.IPV6_DONTFRAG, min(value, 1))
	case RecvDropped:
		// The kernel always counts; SO_RXQ_OVFL would only add the count to every datagram.
		_, err := dropped(fd)
		return true, err
	}
	return false, nil
}

func getSpecial(fd int, o Option) (value int, done bool, err error) {
	switch o {
	case DontFragment:
		level, name, err := byFamily(fd, unix.IP_MTU_DISCOVER, unix.IPV6_MTU_DISCOVER)
		if err != nil {
			return 0, true, err
		}
		discover, err := unix.GetsockoptInt(fd, level, name)
		if err == nil && (discover == unix.IP_PMTUDISC_DO || discover == unix.IP_PMTUDISC_PROBE) {
			return 1, true, nil
		}
		return 0, true, err
	case RecvDropped:
		value, err := dropped(fd)
		return value, true, err
	case Unsent:
		value, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
		return value, true, err
	}
	return 0, false, nil
}

// dropped reads the count of datagrams that the kernel dropped, the last number of SO_MEMINFO (sock_diag(7), SK_MEMINFO_DROPS).
func dropped(fd int) (int, error) {
	var info [9]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, e := syscall.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if e != 0 {
		return 0, e
	}
	if size < uint32(unsafe.Sizeof(info)) {
		return 0, syscall.ENOPROTOOPT
	}
	return int(info[8]), nil
}

// BindDevice refuses a name that is too long by itself: the kernel would cut it and bind to another interface.
func (*backend) BindDevice(fd int, name string) error {
	if name == "" || len(name) >= unix.IFNAMSIZ {
		return syscall.ENODEV
	}
	return unix.BindToDevice(fd, name)
}
