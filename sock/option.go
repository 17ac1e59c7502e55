package sock

import (
	"math"
	"syscall"

	"golang.org/x/sys/unix"
)

// SetOption sets what optionName tells; a value that an int32 does not hold is EINVAL.
func (s *system) SetOption(fd int, o Option, value int) error {
	if value > math.MaxInt32 || value < 0 {
		return syscall.EINVAL
	}
	switch o {
	case Unsent, Pending:
		return syscall.EINVAL
	}
	if done, err := setSpecial(fd, o, value); done {
		return err
	}
	level, name, err := optionName(fd, o)
	if err != nil {
		return err
	}
	return unix.SetsockoptInt(fd, level, name, value)
}

// Option reads an option; booleans come back as 0 and 1 whatever number the system has for true.
func (s *system) Option(fd int, o Option) (int, error) {
	if value, done, err := getSpecial(fd, o); done {
		return value, err
	}
	level, name, err := optionName(fd, o)
	if err != nil {
		return 0, err
	}
	value, err := unix.GetsockoptInt(fd, level, name)
	if err != nil {
		return 0, err
	}
	switch o {
	case RecvBuff, SendBuff:
		return value / bufferShare, nil
	case KeepIdle, KeepInterval, KeepCount, Pending:
		return value, nil
	}
	if value != 0 {
		return 1, nil
	}
	return 0, nil
}

// socketOption is optionName for what every system has in the same place.
func socketOption(o Option) (level, name int, err error) {
	switch o {
	case ReuseAddr:
		return unix.SOL_SOCKET, unix.SO_REUSEADDR, nil
	case RecvBuff:
		return unix.SOL_SOCKET, unix.SO_RCVBUF, nil
	case SendBuff:
		return unix.SOL_SOCKET, unix.SO_SNDBUF, nil
	case KeepAlive:
		return unix.SOL_SOCKET, unix.SO_KEEPALIVE, nil
	case Broadcast:
		return unix.SOL_SOCKET, unix.SO_BROADCAST, nil
	case Pending:
		return unix.SOL_SOCKET, unix.SO_ERROR, nil
	case NoDelay:
		return unix.IPPROTO_TCP, unix.TCP_NODELAY, nil
	case KeepInterval:
		return unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, nil
	case KeepCount:
		return unix.IPPROTO_TCP, unix.TCP_KEEPCNT, nil
	}
	return 0, 0, syscall.ENOPROTOOPT
}
