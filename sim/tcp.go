package sim

import (
	"net/netip"
	"syscall"
	"time"

	"github.com/frio-io/frio/sock"
)

const (
	segmentMax  = 16 << 10               // bytes that travel as one, as with segmentation offload
	rtoMin      = 200 * time.Millisecond // before the first retransmission; doubles
	rtoMax      = 120 * time.Second
	retriesMax  = 15               // net.ipv4.tcp_retries2
	synTimeout  = time.Second      // before the first retransmission of a SYN; doubles
	synRetries  = 6                // net.ipv4.tcp_syn_retries: 127 s in all
	orphanAfter = 60 * time.Second // net.ipv4.tcp_fin_timeout
	timeWait    = 60 * time.Second
	segmentHead = 40
)

// tcp is what a TCP connection keeps for its sending and receiving half. Positions count bytes since the start; a FIN is one.
type tcp struct {
	out      fifo // taken by Send, not on the way yet
	flight   []*segment
	sent     uint64 // put on the way
	acked    uint64 // known to have arrived
	edge     uint64 // how far the peer lets us send
	received uint64
	consumed uint64 // by Recv
	offered  uint64 // the edge that the peer was told

	opened   bool // it has been open once
	closed   bool // its descriptor was
	finSent  bool
	finFirst bool          // ours was sent before the peer's came: TIME_WAIT is ours
	quiet    time.Duration // until when the port stays held, with finFirst
	listener *socket       // of a child, until it is open
	timer    *appointment  // of connecting, or of an orphan
}

// connectTCP starts to connect.
func (s *socket) connectTCP(a sock.Addr) error {
	switch s.state {
	case stateConnecting:
		return syscall.EAGAIN
	case stateOpen, stateListening:
		return nil // EISCONN
	case stateDead:
		if s.opened {
			return nil
		}
		err := s.takeError()
		if err == nil {
			err = syscall.ECONNABORTED // its failure was told already
		}
		s.state, s.recvEnded, s.sendEnded = stateFresh, false, false
		return err
	}
	k := s.k
	to := netip.AddrPortFrom(target(a.AddrPort.Addr()), a.AddrPort.Port())
	if err := s.checkFamily(to.Addr(), syscall.EINVAL); err != nil {
		return err
	}
	if to.Addr() == broadcast || to.Addr().IsMulticast() {
		return syscall.ENETUNREACH
	}
	v, err := k.route(s.local.Addr(), to.Addr(), s.leaves(a.Ifindex), &s.options)
	if err != nil {
		return err
	}
	if s.port == nil {
		if err := s.autobind(v.src); err != nil {
			return err
		}
	}
	s.local = netip.AddrPortFrom(v.src, s.local.Port())
	s.remote, s.zone = to, a.Ifindex
	s.state, s.peer = stateConnecting, nil
	s.syn(0)
	return syscall.EAGAIN // Linux says EINPROGRESS over loopback as well
}

// syn sends the SYN, and again until there is an answer or no hope.
func (s *socket) syn(tries int) {
	w := s.k.w
	if tries > synRetries {
		s.fail(syscall.ETIMEDOUT)
		return
	}
	s.timer = w.after(synTimeout<<tries, func() { s.syn(tries + 1) })
	to := w.byAddr[s.remote.Addr()]
	if s.k.owns(s.remote.Addr()) {
		to = s.k
	}
	if err := rejected(w.blocked, s.remote.Addr()); err != 0 && to != s.k {
		attempt := s.timer
		w.after(2*w.delay(w.opts.Link), func() {
			if s.timer == attempt {
				s.fail(err)
			}
		})
		return
	}
	if to == nil {
		return
	}
	there, back := w.path(s.k, to), w.path(to, s.k)
	if w.rng.roll(there.Loss) || w.rng.roll(back.Loss) {
		w.note(s.k, "syn lost", s.fd, tries, nil)
		return
	}
	in := to.ifaces[0].index
	if to != s.k {
		for _, i := range to.ifaces {
			if i.has(s.remote.Addr()) {
				in = i.index
			}
		}
	}
	w.carry(there, segmentHead, 0, true, func() { to.arriveSYN(s, in) })
}

// arriveSYN answers the SYN of client at the host that it is for.
func (k *Kernel) arriveSYN(client *socket, in uint32) {
	w := k.w
	back := w.path(k, client.k)
	if client.peer != nil {
		return // a repeated SYN whose first one got through
	}
	l := k.find(client.kind, client.family, client.local, client.remote, in)
	if l == nil {
		w.note(k, "refuse", -1, int(client.remote.Port()), nil)
		w.carry(back, segmentHead, 0, true, func() { client.fail(syscall.ECONNREFUSED) })
		return
	}
	if l.full() {
		w.note(k, "backlog full", l.fd, len(l.queue), nil)
		return
	}
	c := newSocket(k, l.family, l.kind)
	c.options, c.device, c.zone, c.uid = l.options, l.device, client.zone, l.uid
	c.local, c.remote = client.remote, client.local
	c.state, c.listener, c.peer = stateHalfOpen, l, client
	c.offered = uint64(c.options[sock.RecvBuff])
	c.edge = uint64(client.options[sock.RecvBuff])
	client.peer = c
	l.half++
	k.holdConn(c)
	w.carry(back, segmentHead, 0, true, func() { client.arriveAnswer(c) })
}

// arriveAnswer is the SYN-ACK at the client.
func (s *socket) arriveAnswer(c *socket) {
	w := s.k.w
	there := w.path(s.k, c.k)
	if s.state != stateConnecting || s.peer != c {
		w.carry(there, segmentHead, 0, true, c.arriveReset)
		return
	}
	s.timer.cancel()
	s.timer = nil
	s.state, s.opened = stateOpen, true
	s.offered = uint64(s.options[sock.RecvBuff])
	s.edge = c.offered
	w.note(s.k, "open", s.fd, int(s.local.Port()), nil)
	w.carry(there, segmentHead, 0, true, c.arriveAck)
	s.changed()
}

// arriveAck ends the handshake at the server's side.
func (s *socket) arriveAck() {
	if s.state != stateHalfOpen {
		return
	}
	l := s.listener
	s.listener = nil
	l.half--
	if l.state != stateListening {
		s.sendReset()
		s.drop()
		return
	}
	s.state, s.opened = stateOpen, true
	l.queue = append(l.queue, s)
	s.k.w.note(s.k, "waits", l.fd, len(l.queue), nil)
	l.changed()
}

// fail ends a connect.
func (s *socket) fail(err syscall.Errno) {
	if s.state != stateConnecting {
		return
	}
	s.timer.cancel()
	s.timer = nil
	s.state, s.err = stateDead, err
	s.recvEnded, s.sendEnded = true, true
	s.k.w.note(s.k, "connect fails", s.fd, 0, err)
	s.changed()
}

// queued is what Send took and the peer has not acknowledged.
func (s *socket) queued() int { return s.out.n + int(s.sent-s.acked) }

func (s *socket) sendTCP(p []byte) (int, error) {
	if err := s.takeError(); err != nil {
		return 0, err
	}
	switch {
	case s.sendEnded || s.state == stateFresh || s.state == stateListening:
		return 0, syscall.EPIPE
	case s.state == stateConnecting:
		return 0, syscall.EAGAIN
	case len(p) == 0:
		return 0, nil
	}
	free := s.options[sock.SendBuff] - s.queued()
	if free <= 0 {
		return 0, syscall.EAGAIN
	}
	n := min(len(p), free)
	s.out.push(p[:n])
	s.pump()
	return n, nil
}

func (s *socket) recvTCP(p []byte) (int, error) {
	if s.state == stateListening {
		return 0, syscall.ENOTCONN
	}
	if s.in.n > 0 {
		n := s.in.pop(p)
		s.consumed += uint64(n)
		s.openWindow()
		return n, nil
	}
	if s.finSeen {
		return 0, nil
	}
	if err := s.takeError(); err != nil {
		return 0, err
	}
	switch {
	case s.recvEnded:
		return 0, nil
	case s.state == stateFresh:
		return 0, syscall.ENOTCONN
	}
	return 0, syscall.EAGAIN
}

// closeTCP is close(2): data that nobody read, or Abort, makes it a reset, else what is queued is sent and then a FIN.
func (s *socket) closeTCP() {
	s.closed = true
	switch s.state {
	case stateListening:
		s.state = stateDead
		for _, c := range s.queue {
			c.closed = true
			if c.state == stateOpen {
				c.sendReset()
			}
			c.drop()
		}
		s.queue = nil
		s.k.unbind(s)
	case stateOpen:
		if s.in.n > 0 || s.aborted {
			s.sendReset()
			s.drop()
			return
		}
		s.sendEnded = true
		s.pump()
		s.watchOrphan()
	case stateConnecting:
		s.drop()
	default:
		s.release()
	}
}

// watchOrphan gives up a closed connection whose peer has taken all and does not end it. One that still takes, however
// slowly, is not given up.
func (s *socket) watchOrphan() {
	if !s.closed || s.timer != nil || !s.finSent || s.acked != s.sent || s.state != stateOpen {
		return
	}
	s.timer = s.k.w.after(orphanAfter, func() {
		s.k.w.note(s.k, "orphan given up", -1, 0, nil)
		s.drop()
	})
}
