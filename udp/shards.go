package udp

import (
	"fmt"
	"net/netip"
	"syscall"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/sock"
)

// shardsMax is the most sockets that one port may have: more than there are network threads on any machine of today.
const shardsMax = 256

// group is the sockets of one address, the shards, in the order in which they are bound: the kernel numbers them so. It is touched
// by Open only, before the shards go to their threads.
//
// The first socket is bound without SO_REUSEPORT, which the kernel refuses if anybody has the port, and gets it then: so there is
// no moment in which another process could slip in between a probe and the real sockets. From there on only sockets of this user that
// set SO_REUSEPORT as well can join the port, and the steering program gives them nothing. A socket of such a process that is
// bound to one address while the shards have them all is another matter: the kernel prefers it, whatever the program says.
type group struct {
	addr    netip.AddrPort // with the real port, once the first is bound
	members []*Listener
	open    int // members that are
}

// shares tells whether several sockets have one port.
func (s *settings) shares() bool { return s.ReusePort || s.Shards > 1 || s.connected }

// fit tells whether a socket that was made with old can have the settings.
func (s *settings) fit(old *settings) bool {
	return s.Interface == old.Interface && s.ReusePort == old.ReusePort && s.connected == old.connected && s.GRO == old.GRO &&
		base.BuffersFit([2]int{old.RecvBuff, old.SendBuff}, [2]int{s.RecvBuff, s.SendBuff})
}

// openSocket makes the socket of member number at, or goes on with the one that it has inherited.
func (g *group) openSocket(k sock.Kernel, set *settings, at int, heir *base.Inheritance) (fd int, err error) {
	if at != g.open {
		return -1, fmt.Errorf("shard %d is opened before shard %d", at, g.open)
	}
	if fd, err = g.bind(k, set, heir, at > 0 || set.ReusePort); err != nil {
		return -1, err
	}
	if at == 0 {
		err = g.bound(k, set, fd)
	}
	if err == nil && at == len(g.members)-1 {
		err = g.steer(k, set, fd)
	}
	if err != nil {
		k.Close(fd)
		return -1, err
	}
	g.open++
	return fd, nil
}

// bind makes a socket with the group's address.
func (g *group) bind(k sock.Kernel, set *settings, heir *base.Inheritance, share bool) (fd int, err error) {
	return heir.Open(k, sock.Addr{AddrPort: g.addr}, frio.Datagram, set.Interface, func(fd int) error {
		if share {
			if err := k.SetOption(fd, sock.ReusePort, 1); err != nil {
				return fmt.Errorf("reuse_port: %w", err)
			}
		}
		return set.set(k, fd)
	}, func(int) error { return nil })
}

// bound notes the port of the first socket and lets others join it.
func (g *group) bound(k sock.Kernel, set *settings, fd int) error {
	if set.shares() && !set.ReusePort {
		if err := k.SetOption(fd, sock.ReusePort, 1); err != nil {
			return fmt.Errorf("reuse_port: %w", err)
		}
	}
	if len(g.members) == 1 {
		return nil
	}
	a, err := k.LocalAddr(fd)
	if err != nil {
		return err
	}
	g.addr = netip.AddrPortFrom(g.addr.Addr(), a.AddrPort.Port())
	return nil
}

// steer gives each peer its socket for good. fd is the last one's.
func (g *group) steer(k sock.Kernel, set *settings, fd int) error {
	n := len(g.members)
	switch {
	case n > 1:
		if err := k.SteerPackets(fd, n); err != nil {
			return fmt.Errorf("shards: %w", err)
		}
	case set.connected && !set.ReusePort:
		return g.steerOne(k, set, fd)
	}
	return nil
}

// steerOne keeps strangers from the port of a single socket whose connected children have to share it. The kernel makes a group of it,
// to which the program can be given, when a second socket joins; that one is not needed any more then.
func (g *group) steerOne(k sock.Kernel, set *settings, fd int) error {
	a, err := k.LocalAddr(fd)
	if err != nil {
		return err
	}
	pair := group{addr: netip.AddrPortFrom(g.addr.Addr(), a.AddrPort.Port())}
	second, err := pair.bind(k, set, new(base.Inheritance), true)
	if err != nil {
		return err
	}
	err = k.SteerPackets(second, 1)
	k.Close(second)
	if err == syscall.EOPNOTSUPP {
		return nil // it goes without
	}
	return err
}

// settle drops what came while the sockets were being bound: the kernel did not know by then how many they would be, and gave it to any of
// them. To the peers it is as if they had asked a moment before Open.
func (g *group) settle() {
	if len(g.members) == 1 || g.open < len(g.members) {
		return
	}
	s := getSlab()
	defer putSlab(s)
	for _, l := range g.members {
		for range settleRounds {
			n, err := l.recv(s.incoming())
			l.counts.Early.Add(uint64(n))
			if err != nil {
				break
			}
		}
		l.train.release()
	}
}

// settleRounds bounds what settle reads of one socket: a receive buffer of default size holds 277 datagrams. More than that
// come only if it takes longer to read them than to send them.
const settleRounds = 16
