package sim

import (
	"syscall"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sock"
)

// batchMax is how many packets one call takes.
const batchMax = 64

// Recv implements sock.Kernel.
func (k *Kernel) Recv(fd int, p []byte) (n int, err error) {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s, err := k.enter(callRecv, fd)
	if err == nil {
		if s.kind == frio.Datagram {
			n, _, err = s.recvDatagram(p)
		} else {
			k.streamFault(s)
			n, err = s.recvStream(p[:k.cut(len(p))])
		}
	}
	if n > 0 {
		k.w.trace.mixBytes(p[:n])
	}
	return n, k.leave(callRecv, fd, n, err)
}

// Send implements sock.Kernel.
func (k *Kernel) Send(fd int, p []byte) (n int, err error) {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s, err := k.enter(callSend, fd)
	if err == nil {
		n, err = s.send(p)
	}
	return n, k.leave(callSend, fd, n, err)
}

func (s *socket) send(p []byte) (n int, err error) {
	k := s.k
	if s.kind == frio.Datagram {
		if s.family == sock.Local {
			err = s.sendLocalPacket(p, "")
		} else {
			err = s.sendUDP(p, s.remote, s.local.Addr(), 0)
		}
		if err == nil {
			n = len(p)
		}
	} else {
		k.streamFault(s)
		p = p[:k.cut(len(p))]
		if s.family == sock.Local {
			n, err = s.sendLocal(p)
		} else {
			n, err = s.sendTCP(p)
		}
	}
	k.w.trace.mixBytes(p[:n])
	return n, err
}

func (s *socket) recvStream(p []byte) (int, error) {
	if s.family == sock.Local {
		return s.recvLocal(p)
	}
	return s.recvTCP(p)
}

// recvDatagram takes one datagram; one that is longer than p is lost, with EMSGSIZE.
func (s *socket) recvDatagram(p []byte) (int, *packet, error) {
	g, err := s.takePacket()
	if err != nil {
		if s.recvEnded && err == syscall.EAGAIN {
			return 0, nil, nil
		}
		return 0, nil, err
	}
	if len(g.data) > len(p) {
		return 0, g, syscall.EMSGSIZE
	}
	return copy(p, g.data), g, nil
}

// RecvPackets implements sock.Kernel.
func (k *Kernel) RecvPackets(fd int, packets []frio.Packet) (count int, err error) {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s, err := k.enter(callRecvPackets, fd)
	if err == nil {
		for limit := k.cut(min(len(packets), batchMax)); count < limit; count++ {
			if count > 0 && (s.packets.empty() || s.err != 0) {
				break
			}
			p := &packets[count]
			var segment int
			if segment, err = s.recvTrain(p); err != nil {
				break
			}
			if segment > 0 { // such a socket is for RecvTrain
				p.Data, p.Err = p.Data[:0], errTooLong
			}
		}
	}
	return count, k.leave(callRecvPackets, fd, count, err)
}

// SendPackets implements sock.Kernel.
func (k *Kernel) SendPackets(fd int, packets []frio.Packet) (count int, err error) {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s, err := k.enter(callSendPackets, fd)
	if err == nil && s.kind != frio.Datagram {
		err = syscall.EOPNOTSUPP
	}
	if err == nil {
		script := &k.scripts[callSendPackets]
		for limit := k.cut(len(packets)); count < limit; count++ {
			if count > 0 && script.fails() {
				break // that one is for the next call, as sendmmsg(2) does it
			}
			if e := script.next(); e != 0 {
				err = e
			} else if p := &packets[count]; s.family == sock.Local {
				err = s.sendLocalPacket(p.Data, "")
			} else {
				err = s.sendUDP(p.Data, p.Remote, p.Local.Addr(), p.Ifindex)
			}
			if err != nil {
				break
			}
			k.w.trace.mixBytes(packets[count].Data)
		}
		if count > 0 {
			err = nil
		}
	}
	return count, k.leave(callSendPackets, fd, count, err)
}

// RecvTrain implements sock.Kernel.
func (k *Kernel) RecvTrain(fd int, p *frio.Packet) (segment int, err error) {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s, err := k.enter(callRecvTrain, fd)
	if err == nil {
		segment, err = s.recvTrain(p)
	}
	return segment, k.leave(callRecvTrain, fd, segment, err)
}

// RecvFrom implements sock.Kernel.
func (k *Kernel) RecvFrom(fd int, p []byte) (n int, from sock.Addr, err error) {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s, err := k.enter(callRecvFrom, fd)
	if err == nil {
		var g *packet
		if n, g, err = s.recvDatagram(p); g != nil {
			from = sock.Addr{AddrPort: g.from, Path: g.path}
			k.w.trace.mixBytes(p[:n])
		}
	}
	return n, from, k.leave(callRecvFrom, fd, n, err)
}

// SendTo implements sock.Kernel.
func (k *Kernel) SendTo(fd int, p []byte, to sock.Addr) (n int, err error) {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s, err := k.enter(callSendTo, fd)
	if err == nil {
		switch {
		case s.kind != frio.Datagram:
			err = syscall.EOPNOTSUPP
		case s.family == sock.Local:
			if err = checkPath(to.Path); err == nil {
				err = s.sendLocalPacket(p, to.Path)
			}
		default:
			err = s.sendUDP(p, to.AddrPort, s.local.Addr(), to.Ifindex)
		}
		if err == nil {
			n = len(p)
			k.w.trace.mixBytes(p)
		}
	}
	return n, k.leave(callSendTo, fd, n, err)
}
