package sim

import (
	"math"
	"net/netip"
	"syscall"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sock"
)

// SetOption implements sock.Kernel.
func (k *Kernel) SetOption(fd int, o sock.Option, value int) error {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s, err := k.enter(callSetOption, fd)
	if err == nil {
		err = s.setOption(o, value)
	}
	return k.leave(callSetOption, fd, int(o)<<32|value, err)
}

// has tells whether a socket of this kind has the option. Which errno says that it has not is Linux's whim.
func (s *socket) has(o sock.Option, set bool) error {
	foreign := false // a level of another protocol
	switch o {
	case sock.NoDelay, sock.KeepIdle, sock.KeepInterval, sock.KeepCount:
		foreign = !s.isTCP()
	case sock.GRO:
		foreign = s.kind != frio.Datagram || s.family == sock.Local
	case sock.ReusePort:
		if s.family == sock.Local && set {
			return syscall.EOPNOTSUPP
		}
	case sock.PacketInfo, sock.RecvECN, sock.DontFragment, sock.FreeBind:
		if s.family == sock.Local {
			return syscall.ENOPROTOOPT
		}
	}
	switch {
	case !foreign:
		return nil
	case s.family == sock.Local, s.family == sock.Inet4 && !set:
		return syscall.EOPNOTSUPP
	}
	return syscall.ENOPROTOOPT
}

func (s *socket) setOption(o sock.Option, value int) error {
	if value < 0 || value > math.MaxInt32 || o == 0 || o >= optionCount || o == sock.Unsent || o == sock.Pending {
		return syscall.EINVAL
	}
	if err := s.has(o, true); err != nil {
		return err
	}
	switch o {
	case sock.RecvBuff, sock.SendBuff:
		least := recvBuffMin
		if o == sock.SendBuff {
			least = sendBuffMin
		}
		s.options[o] = max(min(value, s.k.bufferMax), least)
		if o == sock.RecvBuff && s.isTCP() {
			s.openWindow()
		}
		s.changed()
		return nil
	case sock.KeepIdle, sock.KeepInterval:
		if value < 1 || value > math.MaxInt16 {
			return syscall.EINVAL
		}
		s.options[o] = value
		return nil
	case sock.KeepCount:
		if value < 1 || value > math.MaxInt8 {
			return syscall.EINVAL
		}
		s.options[o] = value
		return nil
	case sock.RecvDropped:
		return nil // it always counts
	}
	s.options[o] = min(value, 1)
	return nil
}

// Option implements sock.Kernel.
func (k *Kernel) Option(fd int, o sock.Option) (value int, err error) {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s, err := k.enter(callOption, fd)
	if err == nil {
		value, err = s.option(o)
	}
	return value, k.leave(callOption, fd, int(o)<<32|value, err)
}

func (s *socket) option(o sock.Option) (int, error) {
	if o == 0 || o >= optionCount {
		return 0, syscall.ENOPROTOOPT
	}
	if err := s.has(o, false); err != nil {
		return 0, err
	}
	switch o {
	case sock.Pending:
		err := s.err
		s.err = 0
		return int(err), nil
	case sock.RecvDropped:
		return s.dropped, nil
	case sock.Unsent:
		return s.unsent()
	}
	return s.options[o], nil
}

func (s *socket) unsent() (int, error) {
	switch {
	case s.state == stateListening:
		return 0, syscall.EINVAL
	case s.kind == frio.Datagram:
		return s.sending, nil
	case s.family == sock.Local:
		if s.peer == nil {
			return 0, nil
		}
		return s.peer.in.n, nil
	case s.state != stateOpen:
		return 0, nil
	case s.sendEnded && !s.finSent:
		return s.queued() + 1, nil // a FIN counts as a byte
	}
	return s.queued(), nil
}

// BindDevice implements sock.Kernel.
func (k *Kernel) BindDevice(fd int, name string) error {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s, err := k.enter(callBindDevice, fd)
	if err == nil {
		err = syscall.ENODEV
		for _, i := range k.ifaces {
			if i.name == name {
				s.device, err = i.index, nil
			}
		}
	}
	return k.leave(callBindDevice, fd, 0, err)
}

// Steered implements sock.Kernel.
func (k *Kernel) Steered(from netip.AddrPort, count int) int { return steered(from, count) }

// SteerPackets implements sock.Kernel.
func (k *Kernel) SteerPackets(fd, count int) error {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s, err := k.enter(callSteerPackets, fd)
	if err == nil {
		if count < 1 || s.options[sock.ReusePort] == 0 {
			err = syscall.EINVAL
		} else {
			s.steer = count
			if s.port != nil {
				for _, o := range s.port.bound {
					if o.inGroupOf(s) {
						o.steer = count
					}
				}
			}
		}
	}
	return k.leave(callSteerPackets, fd, count, err)
}
