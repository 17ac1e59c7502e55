package sim

import (
	"syscall"

	"github.com/frio-io/frio/sock"
)

// segment is bytes, or a FIN, on the way.
type segment struct {
	data    []byte
	fin     bool
	arrived bool
}

// pump puts on the way what the peer's window allows.
func (s *socket) pump() {
	if s.state != stateOpen {
		return
	}
	for s.out.n > 0 && s.sent < s.edge {
		b := s.out.cut(min(segmentMax, int(s.edge-s.sent)))
		s.sent += uint64(len(b))
		s.emit(&segment{data: b})
	}
	if s.out.n == 0 && s.sendEnded && !s.finSent && s.state == stateOpen {
		s.finSent = true
		s.finFirst = !s.finSeen
		s.sent++
		s.emit(&segment{fin: true})
	}
}

func (s *socket) emit(g *segment) {
	s.flight = append(s.flight, g)
	s.transmit(g, 0)
}

// transmit sends g, and again after a loss. What follows g waits for it at the receiver, so no byte is lost or overtaken.
func (s *socket) transmit(g *segment, tries int) {
	w := s.k.w
	p := w.path(s.k, s.peer.k)
	if w.rng.roll(p.Loss) {
		w.note(s.k, "segment lost", s.fd, tries, nil)
		rto := min(rtoMin<<tries, rtoMax)
		w.after(rto, func() {
			switch {
			case s.state == stateDead:
			case tries == retriesMax:
				s.lose(syscall.ETIMEDOUT)
			default:
				s.transmit(g, tries+1)
			}
		})
		return
	}
	w.carry(p, len(g.data)+segmentHead, 0, true, func() {
		g.arrived = true
		for len(s.flight) > 0 && s.flight[0].arrived {
			first := s.flight[0]
			s.flight[0] = nil
			s.flight = s.flight[1:]
			s.peer.arriveSegment(first)
		}
	})
}

// arriveSegment takes the next segment in order.
func (s *socket) arriveSegment(g *segment) {
	if s.state == stateHalfOpen {
		s.arriveAck() // data stands for an ACK
	}
	w := s.k.w
	if s.state == stateDead || s.closed && len(g.data) > 0 {
		if s.peer.state != stateDead {
			s.sendReset()
		}
		if s.state != stateDead {
			s.drop()
		}
		return
	}
	if g.fin {
		s.received++
		s.recvEnded, s.finSeen = true, true
		w.note(s.k, "fin", s.fd, 0, nil)
	} else {
		s.received += uint64(len(g.data))
		s.in.give(g.data)
		w.note(s.k, "data", s.fd, len(g.data), nil)
	}
	s.acknowledge()
	s.finish()
	s.changed()
}

// acknowledge tells the peer what has arrived and how far it may send.
func (s *socket) acknowledge() {
	s.offered = max(s.offered, s.consumed+uint64(s.options[sock.RecvBuff]))
	received, offered, to := s.received, s.offered, s.peer
	w := s.k.w
	w.carry(w.path(s.k, to.k), segmentHead, 0, true, func() { to.arriveAcknowledged(received, offered) })
}

// openWindow tells the peer of room once there is enough of it to be worth a segment.
func (s *socket) openWindow() {
	limit := uint64(s.options[sock.RecvBuff])
	if s.state != stateOpen || s.consumed+limit < s.offered+min(limit/2, 2*1460) || s.recvEnded {
		return
	}
	s.acknowledge()
}

func (s *socket) arriveAcknowledged(received, edge uint64) {
	if s.state != stateOpen {
		return
	}
	s.acked = max(s.acked, received)
	s.edge = max(s.edge, edge)
	s.pump()
	s.finish()
	s.watchOrphan()
	s.changed()
}

// finish ends a connection that has ended both ways.
func (s *socket) finish() {
	if s.state != stateOpen || !s.finSeen || !s.finSent || s.acked != s.sent {
		return
	}
	s.state = stateDead
	if s.finFirst {
		s.quiet = s.k.w.now + timeWait
	}
	if s.closed {
		s.release()
	}
}

// release gives the port back, after TIME_WAIT where that is ours.
func (s *socket) release() {
	s.timer.cancel()
	s.timer = nil
	s.out.clear()
	s.in.clear()
	if wait := s.quiet - s.k.w.now; wait > 0 {
		s.k.w.after(wait, func() { s.k.unbind(s) })
		return
	}
	s.k.unbind(s)
}

// sendReset sends the peer a RST; it may get lost like everything.
func (s *socket) sendReset() {
	w, to := s.k.w, s.peer
	p := w.path(s.k, to.k)
	if w.rng.roll(p.Loss) {
		w.note(s.k, "rst lost", s.fd, 0, nil)
		return
	}
	w.carry(p, segmentHead, 0, true, to.arriveReset)
}

func (s *socket) arriveReset() {
	switch s.state {
	case stateConnecting:
		s.fail(syscall.ECONNREFUSED)
	case stateHalfOpen:
		s.drop()
	case stateOpen:
		if s.finSeen && !s.sendEnded {
			s.lose(syscall.EPIPE) // Linux, tcp_reset: CLOSE_WAIT
		} else {
			s.lose(syscall.ECONNRESET)
		}
	}
}

// lose ends a connection with err. What has arrived can still be read.
func (s *socket) lose(err syscall.Errno) {
	if s.state != stateOpen {
		return
	}
	if s.closed {
		s.drop()
		return
	}
	s.state, s.err = stateDead, err
	s.recvEnded, s.sendEnded = true, true
	s.out.clear()
	s.flight = nil
	s.k.w.note(s.k, "lost", s.fd, 0, err)
	s.changed()
}

// drop forgets a connection that nobody holds.
func (s *socket) drop() {
	if s.listener != nil {
		s.listener.half--
		s.listener = nil
	}
	s.state = stateDead
	s.flight = nil
	s.release()
}

// breakConnection is a RST from the middle of the network to both ends.
func (s *socket) breakConnection() {
	if s.family == sock.Local {
		s.breakLocal()
		s.peer.breakLocal()
		return
	}
	s.sendReset()
	s.lose(syscall.ECONNRESET)
}
