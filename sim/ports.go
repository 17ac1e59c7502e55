package sim

import (
	"net/netip"
	"syscall"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sock"
)

// portKey names a port. The families are apart because every Inet6 socket has IPV6_V6ONLY.
type portKey struct {
	kind   frio.Kind
	family sock.Family
	port   uint16
}

// peerKey names a connected datagram socket.
type peerKey struct{ local, remote netip.AddrPort }

// port is the sockets that hold one.
type port struct {
	bound []*socket // those that were bound, oldest first
	conns []*socket // accepted connections, and connections that nobody bound; in no order
}

// overlaps tells whether both could get the same packet.
func overlaps(a, b *socket) bool {
	if a.device != 0 && b.device != 0 && a.device != b.device {
		return false
	}
	x, y := a.local.Addr(), b.local.Addr()
	return x == y || x.IsUnspecified() || y.IsUnspecified()
}

// conflicts tells whether s may not be bound beside those that are there.
func (p *port) conflicts(s *socket) bool {
	if p == nil {
		return false
	}
	for _, o := range p.bound {
		if overlaps(s, o) && !shares(s, o) {
			return true
		}
	}
	for _, o := range p.conns {
		if overlaps(s, o) && !shares(s, o) {
			return true
		}
	}
	return false
}

func shares(s, o *socket) bool {
	if s.options[sock.ReusePort] != 0 && o.options[sock.ReusePort] != 0 && s.uid == o.uid {
		return true
	}
	return s.options[sock.ReuseAddr] != 0 && o.options[sock.ReuseAddr] != 0 && o.state != stateListening
}

// listens tells whether a listener is there that s may not listen beside.
func (p *port) listens(s *socket) bool {
	for _, o := range p.bound {
		if o != s && o.state == stateListening && overlaps(s, o) && !shares(s, o) {
			return true
		}
	}
	return false
}

// bindInet gives s an address and a port; port 0 is any that is free.
func (s *socket) bindInet(a sock.Addr) error {
	k := s.k
	addr, want := a.AddrPort.Addr(), a.AddrPort.Port()
	if s.port != nil || s.state != stateFresh {
		return syscall.EINVAL
	}
	if err := s.checkFamily(addr, syscall.EINVAL); err != nil {
		return err
	}
	if addr.Is6() && addr.IsLinkLocalUnicast() && a.Ifindex == 0 {
		return syscall.EINVAL
	}
	if !addr.IsUnspecified() && !k.owns(addr) && s.options[sock.FreeBind] == 0 {
		return syscall.EADDRNOTAVAIL
	}
	if want != 0 && want < 1024 && k.uid != 0 {
		return syscall.EACCES
	}
	before := s.local
	s.local, s.zone = netip.AddrPortFrom(addr, want), a.Ifindex
	if want == 0 {
		want = k.pickPort(func(p *port) bool { return !p.conflicts(s) }, s)
		if want == 0 {
			s.local = before
			return syscall.EADDRINUSE
		}
		s.local = netip.AddrPortFrom(addr, want)
	} else if k.ports[s.keyFor(want)].conflicts(s) {
		s.local = before
		return syscall.EADDRINUSE
	}
	k.hold(s)
	s.port.bound = append(s.port.bound, s)
	s.joinGroup()
	return nil
}

// checkFamily refuses an address of another family than the socket's; what Linux says of an IPv4 address on a V6ONLY
// socket depends on the call. An IPv4-mapped one is IPv4, as in sock.System.
func (s *socket) checkFamily(a netip.Addr, on6 syscall.Errno) error {
	switch {
	case !a.IsValid(), a.Zone() != "":
		return syscall.EINVAL
	case s.family == sock.Inet4 && !a.Is4():
		return syscall.EAFNOSUPPORT
	case s.family == sock.Inet6 && (a.Is4() || a.Is4In6()):
		return on6
	}
	return nil
}

func (s *socket) keyFor(p uint16) portKey { return portKey{s.kind, s.family, p} }

// pickPort returns the next port of the ephemeral range that is fit, 0 if none is.
func (k *Kernel) pickPort(fit func(*port) bool, s *socket) uint16 {
	for range int(k.ephemeral[1]) - int(k.ephemeral[0]) + 1 {
		p := k.nextPort
		if k.nextPort++; k.nextPort > k.ephemeral[1] || k.nextPort < k.ephemeral[0] {
			k.nextPort = k.ephemeral[0]
		}
		if fit(k.ports[s.keyFor(p)]) {
			return p
		}
	}
	return 0
}

// hold enters s at the port of its local address; the caller puts it into one of the lists.
func (k *Kernel) hold(s *socket) {
	s.portKey = s.keyFor(s.local.Port())
	p := k.ports[s.portKey]
	if p == nil {
		p = &port{}
		k.ports[s.portKey] = p
	}
	s.port = p
	s.connIndex = -1
}

// holdConn enters s as a connection, which needs no place in an order.
func (k *Kernel) holdConn(s *socket) {
	k.hold(s)
	s.connIndex = len(s.port.conns)
	s.port.conns = append(s.port.conns, s)
}

// unbind gives back the port of s.
func (k *Kernel) unbind(s *socket) {
	p := s.port
	if p == nil {
		return
	}
	k.forgetPeer(s)
	s.port = nil
	if s.connIndex >= 0 {
		last := len(p.conns) - 1
		p.conns[s.connIndex] = p.conns[last]
		p.conns[s.connIndex].connIndex = s.connIndex
		p.conns[last] = nil
		p.conns = p.conns[:last]
	} else {
		p.bound = without(p.bound, s)
	}
	if len(p.bound) == 0 && len(p.conns) == 0 {
		delete(k.ports, s.portKey)
	}
}

// without takes s out and keeps the order.
func without(list []*socket, s *socket) []*socket {
	for i, o := range list {
		if o == s {
			copy(list[i:], list[i+1:])
			list[len(list)-1] = nil
			return list[:len(list)-1]
		}
	}
	return list
}

// autobind gives an unbound s a port that nobody holds, with the source address src. A port that only waits for stray
// segments (TIME_WAIT) is free for it.
func (s *socket) autobind(src netip.Addr) error {
	k := s.k
	p := k.pickPort(func(p *port) bool { return p == nil || len(p.bound) == 0 && allEnded(p.conns) }, s)
	if p == 0 {
		if s.kind == frio.Stream {
			return syscall.EADDRNOTAVAIL
		}
		return syscall.EAGAIN
	}
	s.local = netip.AddrPortFrom(src, p)
	if s.kind == frio.Stream {
		k.holdConn(s)
		return nil
	}
	k.hold(s)
	s.port.bound = append(s.port.bound, s)
	s.joinGroup()
	return nil
}

func allEnded(list []*socket) bool {
	for _, s := range list {
		if s.state != stateDead || s.fd >= 0 {
			return false
		}
	}
	return true
}

// find returns the socket that gets what comes from `from` to `to` over interface in; nil if there is none.
func (k *Kernel) find(kind frio.Kind, family sock.Family, from, to netip.AddrPort, in uint32) *socket {
	if kind == frio.Datagram {
		for _, s := range k.peers[peerKey{to, from}] {
			if s.device == 0 || s.device == in {
				return s.member(from, to)
			}
		}
	}
	p := k.ports[portKey{kind, family, to.Port()}]
	if p == nil {
		return nil
	}
	var best *socket
	score := 0
	for _, s := range p.bound {
		if kind == frio.Stream && s.state != stateListening || kind == frio.Datagram && s.hasPeerKey {
			continue
		}
		points := 1
		if a := s.local.Addr(); !a.IsUnspecified() {
			if a != to.Addr() {
				continue
			}
			points += 2
		}
		if s.device != 0 {
			if s.device != in {
				continue
			}
			points++
		}
		// Of equals the youngest gets it, as on Linux.
		if points >= score {
			best, score = s, points
		}
	}
	if best == nil {
		return nil
	}
	return best.member(from, to)
}

// joinGroup gives s the steering of its reuseport group: those with the same address, interface and user.
func (s *socket) joinGroup() {
	for _, o := range s.port.bound {
		if o != s && o.inGroupOf(s) {
			s.steer = o.steer
		}
	}
}

func (s *socket) inGroupOf(o *socket) bool {
	return s.options[sock.ReusePort] != 0 && o.options[sock.ReusePort] != 0 && s.local == o.local && s.device == o.device && s.uid == o.uid && s.hasPeerKey == o.hasPeerKey
}

// member returns the one of the group of s that gets what comes from `from`: always the same for one peer.
func (s *socket) member(from, to netip.AddrPort) *socket {
	if s.options[sock.ReusePort] == 0 || s.hasPeerKey {
		return s
	}
	var group []*socket
	for _, o := range s.port.bound {
		if o.inGroupOf(s) && (s.kind == frio.Datagram || o.state == stateListening) {
			group = append(group, o)
		}
	}
	if s.steer > 0 {
		if i := steered(from, s.steer); i < len(group) {
			return group[i]
		}
	}
	return group[(hashAddr(from)^hashAddr(to))%uint64(len(group))]
}

func steered(from netip.AddrPort, count int) int { return int(hashAddr(from) % uint64(count)) }

func hashAddr(a netip.AddrPort) uint64 {
	h := uint64(14695981039346656037)
	b := a.Addr().As16()
	for _, x := range b {
		h = (h ^ uint64(x)) * 1099511628211
	}
	h = (h ^ uint64(a.Port())) * 1099511628211
	return h ^ h>>32
}
