package sim

import (
	"net/netip"
	"syscall"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sock"
)

const (
	udpMax4 = 65507 // 65535 less the headers of IPv4 and UDP
	udpMax6 = 65527 // IPv6 does not count its header
	// packetOverhead is charged to the receive buffer for each datagram, as Linux charges its book-keeping.
	packetOverhead = 256
	trainMax       = 64 // datagrams that GRO joins at most
)

var errTooLong = &frio.PacketError{Op: "read", Err: frio.ErrTooLong}

// packet is a datagram in a receive buffer.
type packet struct {
	data     []byte
	from, to netip.AddrPort
	ifindex  uint32
	time     time.Duration
	ecn      uint8
	sender   *socket // of a Local one
	path     string  // its name
}

// packetQueue is a receive buffer of datagrams.
type packetQueue struct {
	list  []*packet
	head  int
	bytes int // with overhead
}

func (q *packetQueue) empty() bool { return q.head == len(q.list) }

func (q *packetQueue) push(p *packet) {
	q.list = append(q.list, p)
	q.bytes += len(p.data) + packetOverhead
}

func (q *packetQueue) pop() *packet {
	p := q.list[q.head]
	q.list[q.head] = nil
	q.head++
	q.bytes -= len(p.data) + packetOverhead
	if q.head == len(q.list) {
		q.list, q.head = q.list[:0], 0
	} else if q.head > 64 && q.head > len(q.list)/2 {
		q.list = append(q.list[:0], q.list[q.head:]...)
		q.head = 0
	}
	return p
}

func (q *packetQueue) clear() { *q = packetQueue{} }

// Datagram is one that travels, as OnDatagram sees it.
type Datagram struct {
	N              int // counts all datagrams of the world, from 0
	From, To       netip.AddrPort
	Sender, Target *Kernel // Target is nil where nobody has the address
	Data           []byte  // may be changed in place
	ECN            uint8   // may be set
}

// Action is what becomes of a datagram, beside what the link does to it.
type Action struct {
	Drop  bool
	Delay time.Duration // in addition; a delayed one may be overtaken
	Twice bool
}

// OnDatagram has f asked about every UDP datagram when it leaves its sender, loopback included; nil ends that. f runs on
// the goroutine of the call that sends and may use the World.
func (w *World) OnDatagram(f func(d *Datagram) Action) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hook = f
}

// connectUDP fixes the peer, or another one.
func (s *socket) connectUDP(a sock.Addr) error {
	to := netip.AddrPortFrom(target(a.AddrPort.Addr()), a.AddrPort.Port())
	if err := s.checkFamily(to.Addr(), syscall.EAFNOSUPPORT); err != nil {
		return err
	}
	if to.Addr() == broadcast && s.options[sock.Broadcast] == 0 {
		return syscall.EACCES
	}
	v, err := s.k.route(s.local.Addr(), to.Addr(), s.leaves(a.Ifindex), &s.options)
	if err != nil {
		return err
	}
	if s.port == nil {
		if err := s.autobind(v.src); err != nil {
			return err
		}
	}
	s.k.forgetPeer(s)
	s.local = netip.AddrPortFrom(v.src, s.local.Port())
	s.remote, s.zone = to, a.Ifindex
	s.state = stateOpen
	s.peerKey, s.hasPeerKey = peerKey{s.local, s.remote}, true
	s.k.peers[s.peerKey] = append(s.k.peers[s.peerKey], s)
	return nil
}

func (k *Kernel) forgetPeer(s *socket) {
	if !s.hasPeerKey {
		return
	}
	s.hasPeerKey = false
	list := without(k.peers[s.peerKey], s)
	if len(list) == 0 {
		delete(k.peers, s.peerKey)
	} else {
		k.peers[s.peerKey] = list
	}
}

// leaves is the interface that a packet of s has to take; 0: any.
func (s *socket) leaves(index uint32) uint32 {
	if index != 0 {
		return index
	}
	return s.device
}

// sendUDP sends data from local and index, where they are set, to remote; not set: to the peer.
func (s *socket) sendUDP(data []byte, remote netip.AddrPort, local netip.Addr, index uint32) error {
	k := s.k
	if err := s.takeError(); err != nil {
		return err
	}
	if s.sendEnded {
		return syscall.EPIPE
	}
	limit := udpMax4
	if s.family == sock.Inet6 {
		limit = udpMax6
	}
	if len(data) > limit {
		return syscall.EMSGSIZE
	}
	to := remote
	if !to.IsValid() {
		if s.state != stateOpen {
			return syscall.EDESTADDRREQ
		}
		to = s.remote
	}
	if err := s.checkFamily(to.Addr(), syscall.ENETUNREACH); err != nil {
		return err
	}
	if to.Port() == 0 {
		return syscall.EINVAL
	}
	to = netip.AddrPortFrom(target(to.Addr()), to.Port())
	if to.Addr() == broadcast && s.options[sock.Broadcast] == 0 {
		return syscall.EACCES
	}
	if !local.IsValid() || local.IsUnspecified() {
		local = s.local.Addr()
	}
	if to.Addr().Is6() && to.Addr().IsLinkLocalUnicast() && index == 0 {
		index = s.zone
	}
	if k.owns(to.Addr()) && !to.Addr().IsLinkLocalUnicast() {
		index = 0 // sock.System: what does not leave the host leaves by no interface
	}
	v, err := k.route(local, to.Addr(), s.leaves(index), &s.options)
	if err != nil {
		return err
	}
	if header := s.headerSize(); s.options[sock.DontFragment] != 0 && len(data)+header > v.out.mtu {
		return syscall.EMSGSIZE
	}
	if s.sending > 0 && s.sending+len(data) > s.options[sock.SendBuff] {
		return syscall.EAGAIN
	}
	if s.port == nil {
		if err := s.autobind(s.local.Addr()); err != nil {
			return err
		}
	}
	from := netip.AddrPortFrom(v.src, s.local.Port())
	if to.Addr() == broadcast {
		for _, h := range k.w.hosts {
			if h != k {
				k.w.launch(s, from, to, way{src: v.src, to: h, out: v.out, in: h.ifaces[1]}, data)
			}
		}
		return nil
	}
	k.w.launch(s, from, to, v, data)
	return nil
}

func (s *socket) headerSize() int {
	if s.family == sock.Inet6 {
		return 48
	}
	return 28
}

// launch sends one datagram on its way.
func (w *World) launch(s *socket, from, to netip.AddrPort, v way, data []byte) {
	d := &Datagram{N: w.carried, From: from, To: to, Sender: s.k, Target: v.to, Data: append([]byte(nil), data...)}
	w.carried++
	var act Action
	if hook := w.hook; hook != nil {
		w.unlocked(func() { act = hook(d) })
	}
	unreachable := rejected(w.blocked, to.Addr())
	switch {
	case act.Drop, v.to == nil && unreachable == 0:
		w.note(s.k, "lost", s.fd, len(data), nil)
		return
	case unreachable != 0 && v.to != s.k:
		w.after(2*w.delay(w.opts.Link), func() { s.bounced(to, unreachable) })
		return
	}
	p := w.path(s.k, v.to)
	copies := 1
	if act.Twice || w.rng.roll(p.Duplicate) {
		copies = 2
	}
	for range copies {
		w.flight(s, d, v, p, act.Delay)
	}
}

// flight is one copy on the link.
func (w *World) flight(s *socket, d *Datagram, v way, p *path, extra time.Duration) {
	if w.rng.roll(p.Loss) {
		w.note(s.k, "lost", s.fd, len(d.Data), nil)
		return
	}
	data := d.Data
	if len(data) > 0 && w.rng.roll(p.Corrupt) {
		data = append([]byte(nil), data...)
		bit := w.rng.below(len(data) * 8)
		data[bit/8] ^= 1 << (bit % 8)
		w.note(s.k, "corrupted", s.fd, bit, nil)
	}
	inOrder := extra == 0
	if w.rng.roll(p.Reorder) {
		extra += time.Duration(w.rng.below(int(3*p.DelayMax+time.Millisecond))) + 1
		inOrder = false
	}
	g := &packet{data: data, from: d.From, to: d.To, ifindex: v.in.index, ecn: d.ECN}
	n := len(data) + s.headerSize()
	departed := w.carry(p, n, extra, inOrder, func() { v.to.arrive(g, s) })
	if departed > w.now {
		s.sending += len(data)
		w.agenda.add(departed, func() { s.sending -= len(data); s.changed() })
	}
}

// arrive puts a datagram into the buffer of whom it is for; sender learns if there is nobody.
func (k *Kernel) arrive(g *packet, sender *socket) {
	w := k.w
	s := k.find(frio.Datagram, sender.family, g.from, g.to, g.ifindex)
	if s == nil {
		w.note(k, "no socket", -1, len(g.data), nil)
		w.carry(w.path(k, sender.k), sender.headerSize(), 0, true, func() { sender.bounced(g.to, syscall.ECONNREFUSED) })
		return
	}
	if !s.packets.empty() && s.packets.bytes+len(g.data)+packetOverhead > s.options[sock.RecvBuff] {
		s.dropped++
		w.note(k, "overflow", s.fd, len(g.data), nil)
		return
	}
	g.time = w.now
	s.packets.push(g)
	w.note(k, "arrived", s.fd, len(g.data), nil)
	s.changed()
}

// bounced is an ICMP error about what s sent. Only connected sockets hear of it.
func (s *socket) bounced(to netip.AddrPort, err syscall.Errno) {
	if s.state != stateOpen || s.remote != to {
		return
	}
	s.k.w.note(s.k, "bounced", s.fd, 0, err)
	s.err = err
	s.changed()
}

// fill gives g to p as the options of s want it.
func (s *socket) fill(p *frio.Packet, g *packet) {
	p.Remote, p.Local, p.Ifindex, p.Time, p.ECN, p.Err = g.from, netip.AddrPort{}, 0, 0, 0, nil
	if s.options[sock.PacketInfo] != 0 {
		p.Local, p.Ifindex = g.to, g.ifindex
	} else if a := g.from.Addr(); a.Is6() && a.IsLinkLocalUnicast() {
		p.Ifindex = g.ifindex // the scope of Remote
	}
	if s.options[sock.Timestamp] != 0 {
		p.Time = s.k.w.opts.Start.Add(g.time).UnixNano()
	}
	if s.options[sock.RecvECN] != 0 {
		p.ECN = g.ecn
	}
	if len(g.data) > cap(p.Data) {
		p.Data, p.Err = p.Data[:0], errTooLong
		return
	}
	p.Data = p.Data[:len(g.data)]
	copy(p.Data, g.data)
	s.k.w.trace.mixBytes(p.Data)
}

// takePacket returns the next datagram, or why there is none.
func (s *socket) takePacket() (*packet, error) {
	if s.kind != frio.Datagram {
		return nil, syscall.EOPNOTSUPP
	}
	if err := s.takeError(); err != nil {
		return nil, err
	}
	if s.packets.empty() {
		return nil, syscall.EAGAIN
	}
	g := s.packets.pop()
	s.taken(g)
	return g, nil
}

// recvTrain joins what GRO would: datagrams of one peer to one address, all as long as the first, but for the last, which
// may be shorter.
func (s *socket) recvTrain(p *frio.Packet) (segment int, err error) {
	g, err := s.takePacket()
	if err != nil {
		return 0, err
	}
	size := len(g.data)
	if s.options[sock.GRO] == 0 || size == 0 {
		s.fill(p, g)
		return 0, nil
	}
	train := *g
	count := 1
	last := size
	for limit := s.k.cut(trainMax); count < limit && last == size && !s.packets.empty(); count++ {
		o := s.packets.list[s.packets.head]
		if o.from != g.from || o.to != g.to || o.ecn != g.ecn || len(o.data) > size || len(o.data) == 0 ||
			len(train.data)+len(o.data) > udpMax4 {
			break
		}
		s.packets.pop()
		train.data = append(train.data[:len(train.data):len(train.data)], o.data...)
		last = len(o.data)
	}
	s.fill(p, &train)
	if count == 1 || p.Err != nil {
		return 0, nil
	}
	return size, nil
}
