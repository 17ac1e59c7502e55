package sim

import (
	"net/netip"
	"syscall"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
)

// state of a socket.
//
//	fresh -> listening                    -> dead
//	fresh -> connecting -> open           -> dead
//	         half-open (a child) -> open  -> dead
//
// A datagram socket is fresh, or open when its peer is fixed.
type state uint8

const (
	stateFresh state = iota
	stateListening
	stateConnecting
	stateHalfOpen // a child whose client has not answered yet
	stateOpen
	stateDead // reset, failed, ended both ways, or closed
)

// optionCount is one more than the last sock.Option.
const optionCount = sock.Pending + 1

// socket is one end of something. It outlives its descriptor while the network has business with it.
type socket struct {
	k       *Kernel
	fd      int // -1: not accepted yet, or closed
	family  sock.Family
	kind    frio.Kind
	state   state
	uid     uint32
	device  uint32 // of BindDevice; 0: any
	zone    uint32 // interface of a link-local address
	options [optionCount]int
	err     syscall.Errno // pending
	watches []*watch

	local, remote netip.AddrPort
	port          *port // bound to
	portKey       portKey
	connIndex     int // in port.conns
	peerKey       peerKey
	hasPeerKey    bool
	steer         int // SteerPackets of its reuseport group

	// Local sockets.
	path, remotePath string
	file             *file
	mode             uint32
	peerCred         sock.Cred
	cred             sock.Cred // of who listens

	// Listeners.
	backlog int
	half    int // children that are not open yet
	queue   []*socket

	// Streams.
	tcp
	peer      *socket
	in        fifo // received, not read
	recvEnded bool // nothing more will be received
	sendEnded bool // nothing more may be sent
	finSeen   bool // the end was in order: reading past it is 0, whatever came afterwards
	aborted   bool // close resets

	// Datagrams.
	packets packetQueue
	sending int // bytes that have not left yet
	dropped int
}

func newSocket(k *Kernel, f sock.Family, kind frio.Kind) *socket {
	s := &socket{k: k, fd: -1, family: f, kind: kind, uid: k.uid, mode: 0o777}
	switch f {
	case sock.Inet4:
		s.local = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	case sock.Inet6:
		s.local = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
	}
	s.peerCred = sock.Cred{UID: noUser}
	s.options[sock.RecvBuff], s.options[sock.SendBuff] = bufferDefault, bufferDefault
	if s.isTCP() {
		s.options[sock.RecvBuff], s.options[sock.SendBuff] = streamDefault, streamDefault
		s.options[sock.KeepIdle], s.options[sock.KeepInterval], s.options[sock.KeepCount] = 7200, 75, 9
	}
	return s
}

func (s *socket) isTCP() bool { return s.family != sock.Local && s.kind == frio.Stream }

// scope is the interface that belongs to a; 0 for all but link-local addresses.
func (s *socket) scope(a netip.Addr) uint32 {
	if a.IsLinkLocalUnicast() && a.Is6() {
		return s.zone
	}
	return 0
}

// takeError returns the pending error and forgets it.
func (s *socket) takeError() error {
	if s.err == 0 {
		return nil
	}
	err := s.err
	s.err = 0
	return err
}

// ready is what epoll says of s.
func (s *socket) ready() (r event.Ready) {
	if s.err != 0 {
		r |= event.Hangup
	}
	if s.kind == frio.Datagram {
		if len(s.packets.list) > s.packets.head || s.recvEnded {
			r |= event.Read
		}
		if s.writable() {
			r |= event.Write
		}
		return r
	}
	switch s.state {
	case stateListening:
		if len(s.queue) > 0 {
			r |= event.Read
		}
		return r
	case stateConnecting:
		return r
	case stateFresh, stateDead:
		r |= event.Hangup
	}
	if s.recvEnded {
		r |= event.Read
		if s.sendEnded {
			r |= event.Hangup
		}
	}
	if s.in.n > 0 {
		r |= event.Read
	}
	if s.writable() {
		r |= event.Write
	}
	return r
}

// writable follows Linux: not until a good part of the buffer is free, so that a writer is not woken for a byte.
func (s *socket) writable() bool {
	switch {
	case s.family == sock.Local:
		return s.writableLocal()
	case s.kind == frio.Datagram:
		return s.sending < s.options[sock.SendBuff]/2 || s.sending == 0
	case s.sendEnded:
		return true
	}
	queued := s.queued()
	return s.options[sock.SendBuff]-queued >= queued/2
}

// changed tells the pollers of s.
func (s *socket) changed() {
	for _, t := range s.watches {
		t.offer()
	}
}

// listen makes s a listener, or changes its backlog.
func (s *socket) listen(backlog int) error {
	if s.kind == frio.Datagram {
		return syscall.EOPNOTSUPP
	}
	if s.state != stateFresh && s.state != stateListening {
		return syscall.EINVAL
	}
	if s.family == sock.Local {
		if s.path == "" {
			return syscall.EINVAL
		}
	} else if s.port == nil {
		if err := s.bindInet(sock.Addr{AddrPort: s.local}); err != nil {
			return err
		}
	} else if s.state == stateFresh && s.port.listens(s) {
		return syscall.EADDRINUSE
	}
	if backlog <= 0 || backlog > somaxconn {
		backlog = somaxconn
	}
	s.backlog = backlog
	s.state = stateListening
	s.cred = sock.Cred{UID: s.k.uid, GID: s.k.gid, PID: s.k.pid}
	s.changed()
	return nil
}

// full tells whether a listener takes no more connections. Linux compares with "greater", which makes room for one more.
func (s *socket) full() bool { return len(s.queue)+s.half > s.backlog }

// accept takes the oldest connection that waits.
func (s *socket) accept() (int, sock.Addr, error) {
	if s.kind == frio.Datagram {
		return -1, sock.Addr{}, syscall.EOPNOTSUPP
	}
	// Linux reserves the descriptor before it looks at the queue.
	if err := s.k.room(); err != nil {
		return -1, sock.Addr{}, err
	}
	if s.state != stateListening {
		return -1, sock.Addr{}, syscall.EINVAL
	}
	if len(s.queue) == 0 {
		return -1, sock.Addr{}, syscall.EAGAIN
	}
	c := s.queue[0]
	s.queue[0] = nil
	s.queue = s.queue[1:]
	if c.state == stateDead && c.err != 0 && s.k.aborts {
		s.k.unbind(c)
		return -1, sock.Addr{}, syscall.ECONNABORTED
	}
	s.k.install(c)
	return c.fd, sock.Addr{AddrPort: c.remote, Ifindex: c.scope(c.remote.Addr()), Path: c.remotePath}, nil
}

// connected tells how a connect on the way stands.
func (s *socket) connected() error {
	if err := s.takeError(); err != nil {
		return err
	}
	switch s.state {
	case stateConnecting:
		return syscall.EAGAIN
	case stateOpen:
		return nil
	}
	return syscall.ENOTCONN
}

func (s *socket) closeWrite() error {
	if s.state != stateOpen && s.family != sock.Local {
		return syscall.ENOTCONN
	}
	if s.sendEnded {
		return nil
	}
	s.sendEnded = true
	switch {
	case s.kind == frio.Datagram || s.state != stateOpen:
	case s.family == sock.Local:
		s.peer.recvEnded = true
		s.peer.finSeen = true
		s.peer.changed()
	default:
		s.pump()
	}
	s.changed()
	return nil
}
