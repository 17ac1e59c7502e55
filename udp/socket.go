package udp

import (
	"net/netip"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

// skipsMax is how many datagrams that nobody is to see one Read passes over, and how many batches of such ReadPackets.
const skipsMax = 64

// errTooLong is made once: any peer can cause it.
var errTooLong = &frio.PacketError{Op: "read", Err: frio.ErrTooLong}

// socket is what listeners and clients have in common: a descriptor, and datagrams that go in and out of it.
type socket struct {
	mem    *talloc.Context // of the owner
	kernel sock.Kernel
	opts   *options
	fd     int // -1 without one
	counts Counts
	train  train
	one    [1]frio.Packet // for calls with one datagram; it holds nothing between them

	networks *base.Networks // who may speak to an unconnected socket
	peer     netip.AddrPort // whose datagrams a connected socket takes
}

// recv takes datagrams from the kernel.
func (s *socket) recv(packets []frio.Packet) (int, error) {
	if s.opts.GRO {
		return s.train.recv(s, packets)
	}
	return s.kernel.RecvPackets(s.fd, packets)
}

// admits tells whether p is for us, and counts it.
func (s *socket) admits(p *frio.Packet) bool {
	switch {
	case s.peer.IsValid():
		// What arrived between bind and connect may be of anybody; the kernel does not take it away at connect.
		if p.Remote != s.peer {
			s.counts.Foreign.Add(1)
			return false
		}
	case !s.networks.Allowed(p.Remote.Addr()):
		s.counts.Denied.Add(1)
		return false
	}
	if p.Err != nil {
		s.counts.TooLong.Add(1)
	}
	return true
}

// readError makes the result of what a call for reading returned; final tells that the socket is of no use any more.
func (s *socket) readError(err error) (result error, final bool) {
	class := sock.Classify(sock.OpReadDatagram, err)
	if class != sock.ClassAgain {
		s.counts.Errors.add(err)
	}
	return sock.PacketError(sock.OpReadDatagram, netip.AddrPort{}, err), class == sock.ClassFinal
}

func (s *socket) writeError(err error) (result error, final bool) {
	class := sock.Classify(sock.OpWriteDatagram, err)
	if class != sock.ClassAgain {
		s.counts.Errors.add(err)
	}
	return sock.PacketError(sock.OpWriteDatagram, netip.AddrPort{}, err), class == sock.ClassFinal
}

// readOne reads one datagram into p, which is not empty, and passes over empty ones.
func (s *socket) readOne(p []byte) (n int, err error) {
	one := &s.one[0]
	defer clear(s.one[:])
	for range skipsMax {
		one.Data = p[:0:len(p)]
		if _, err := s.recv(s.one[:]); err != nil {
			return 0, err
		}
		if !s.admits(one) {
			continue
		}
		s.received(1, len(one.Data))
		if one.Err != nil {
			return 0, one.Err
		}
		if len(one.Data) > 0 {
			return len(one.Data), nil
		}
		s.counts.Empty.Add(1)
	}
	return 0, frio.ErrAgain
}

// readPackets is frio.PacketIO's ReadPackets. What is not for us leaves no gap: the packets behind it move up, with their buffers.
func (s *socket) readPackets(packets []frio.Packet) (count int, err error) {
	if len(packets) == 0 {
		return 0, nil
	}
	for range skipsMax {
		n, err := s.recv(packets)
		if err != nil {
			return 0, err
		}
		bytes := 0
		for i := range n {
			if !s.admits(&packets[i]) {
				packets[i].Data = packets[i].Data[:0]
				continue
			}
			bytes += len(packets[i].Data)
			if i != count {
				packets[i], packets[count] = packets[count], packets[i]
			}
			count++
		}
		if count > 0 {
			s.received(count, bytes)
			return count, nil
		}
	}
	return 0, frio.ErrAgain
}

func (s *socket) received(count, n int) {
	s.counts.In.Add(uint64(count))
	s.counts.BytesIn.Add(uint64(n))
}

// send gives packets to the kernel, which stops before one that it refuses.
func (s *socket) send(packets []frio.Packet) (count int, err error) {
	count, err = s.kernel.SendPackets(s.fd, packets)
	if count > 0 {
		n := 0
		for i := range count {
			n += len(packets[i].Data)
		}
		s.sent(count, n)
	}
	return count, err
}

func (s *socket) sent(count, n int) {
	s.counts.Out.Add(uint64(count))
	s.counts.BytesOut.Add(uint64(n))
}

// shut closes the descriptor.
func (s *socket) shut() {
	if s.fd >= 0 {
		s.kernel.Close(s.fd)
		s.fd = -1
	}
	s.train.release()
}

// addrOf is an address as it is called: with a port, and IPv4 never as IPv6.
func addrOf(a sock.Addr) netip.AddrPort {
	return netip.AddrPortFrom(a.AddrPort.Addr().Unmap(), a.AddrPort.Port())
}
