package sock

import (
	"net/netip"
	"syscall"
	"unsafe"

	"github.com/frio-io/frio"
	"golang.org/x/sys/unix"
)

func (s *backend) RecvPackets(fd int, packets []frio.Packet) (count int, err error) {
	packets = packets[:min(len(packets), batchMax)]
	if len(packets) == 0 {
		return 0, nil
	}
	c := s.scratches.get()
	for i := range packets {
		c.expect(i, packets[i].Data)
	}
	count, e := c.recv(fd, len(packets))
	for i := range count {
		s.arrived(c, i, fd, &packets[i])
		if a := packets[i].Err; a == nil && c.carries[i] > 0 {
			// A train in the place of one datagram: GRO is on, and this is not RecvTrain.
			packets[i].Data, packets[i].Err = packets[i].Data[:0], errTooLong
		}
	}
	s.scratches.put(c, len(packets))
	if e != 0 {
		return 0, e
	}
	return count, nil
}

func (s *backend) RecvTrain(fd int, p *frio.Packet) (segment int, err error) {
	c := s.scratches.get()
	c.expect(0, p.Data)
	count, e := c.recv(fd, 1)
	if count == 1 {
		s.arrived(c, 0, fd, p)
		if p.Err == nil {
			segment = c.carries[0]
		}
	}
	s.scratches.put(c, 1)
	if e != 0 {
		return 0, e
	}
	return segment, nil
}

// expect prepares message i for one datagram into data.
func (c *scratch) expect(i int, data []byte) {
	c.setPiece(i, data[:cap(data)])
	m := &c.messages[i]
	m.n = 0
	m.head = unix.Msghdr{Name: &c.names[i][0], Namelen: inetSize, Iov: &c.pieces[i], Control: &c.controls[i][0]}
	m.head.SetIovlen(1)
	m.head.SetControllen(controlSize)
}

func (c *scratch) recv(fd, messages int) (count int, e syscall.Errno) {
	for range interruptsMax {
		n, _, e := syscall.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&c.messages[0])), uintptr(messages),
			unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC, 0, 0)
		if e == 0 {
			return int(n), 0
		}
		if e != syscall.EINTR {
			return 0, e
		}
	}
	return 0, syscall.EAGAIN
}

// arrived describes message i in p; c.carries[i] becomes the size of a train's datagrams, 0 if it is none.
func (s *backend) arrived(c *scratch, i, fd int, p *frio.Packet) {
	m := &c.messages[i]
	name := c.names[i][:min(m.head.Namelen, inetSize)]
	p.Remote, p.Ifindex = inetOf(name)
	p.Err = nil
	a := parseControl(c.controls[i][:min(int(m.head.Controllen), controlSize)])
	port := uint16(0)
	if a.local.IsValid() {
		port = s.learned.port(fd)
	}
	a.apply(p, port)
	if m.head.Flags&unix.MSG_CTRUNC != 0 {
		// The datagram is whole. What did not fit was turned on by somebody else: controlSize holds all of ours.
		s.controlsCut.Add(1)
	}
	if m.head.Flags&unix.MSG_TRUNC != 0 {
		p.Data, p.Err = p.Data[:0], errTooLong
		return
	}
	p.Data = p.Data[:m.n]
	c.carries[i] = 0
	if a.segment > 0 && a.segment < int(m.n) {
		c.carries[i] = a.segment
	}
}

func (s *backend) SendPackets(fd int, packets []frio.Packet) (count int, err error) {
	if len(packets) == 0 {
		return 0, nil
	}
	c := s.scratches.get()
	trains := s.canTrain(fd, packets)
	var e syscall.Errno
	for count < len(packets) {
		var messages, sent int
		messages, e = s.pack(c, fd, packets[count:], trains)
		if messages == 0 {
			break
		}
		sent, e = c.send(fd, messages)
		for i := range sent {
			count += c.carries[i]
		}
		if sent == messages {
			continue
		}
		if c.carries[sent] == 1 {
			break
		}
		// A train failed. Asked again from there, the kernel says why; then its datagrams go one by one.
		if e != 0 && !s.derailed(e) {
			break
		}
		trains = trains && e == 0
	}
	s.scratches.put(c, min(len(packets), batchMax))
	if count > 0 || e == 0 {
		return count, nil
	}
	return 0, e
}

// pack describes packets from the front as messages. It stops before one that cannot be described; if that is the first
// one it returns why.
func (s *backend) pack(c *scratch, fd int, packets []frio.Packet, trains bool) (messages int, e syscall.Errno) {
	packets = packets[:min(len(packets), batchMax)]
	for used := 0; used < len(packets); messages++ {
		size := 1
		if trains {
			size = trainLen(packets[used:])
		}
		if e := s.describe(c, messages, used, fd, packets[used:used+size]); e != 0 {
			return messages, e
		}
		used += size
	}
	return messages, 0
}

// describe makes message i of c of packets, whose pieces start at first.
func (s *backend) describe(c *scratch, i, first, fd int, packets []frio.Packet) syscall.Errno {
	p := &packets[0]
	m := &c.messages[i]
	m.head = unix.Msghdr{Iov: &c.pieces[first]}
	m.head.SetIovlen(len(packets))
	c.carries[i] = len(packets)
	for k := range packets {
		c.setPiece(first+k, packets[k].Data)
	}
	if p.Remote.IsValid() {
		n, e := putInet(c.names[i][:], p.Remote, p.Ifindex)
		if e != 0 {
			return e
		}
		m.head.Name, m.head.Namelen = &c.names[i][0], uint32(n)
	}
	rest := c.controls[i][:]
	source, ifindex := p.Local.Addr(), s.own.interfaceFor(p.Remote.Addr(), p.Ifindex)
	if ifindex != 0 || source.IsValid() && !source.IsUnspecified() {
		ip4, e := sourceFamily(fd, p)
		if e != 0 {
			return e
		}
		if ip4 && !source.IsValid() {
			source = boundTo(fd) // told an interface alone, the kernel forgets to what the socket is bound
		}
		rest = putSource(rest, ip4, source, ifindex)
	}
	if len(packets) > 1 {
		rest = putSegment(rest, len(p.Data))
	}
	if n := controlSize - len(rest); n > 0 {
		m.head.Control = &c.controls[i][0]
		m.head.SetControllen(n)
	}
	return 0
}

// sourceFamily is sourceIs4, asking a connected socket where p does not tell.
func sourceFamily(fd int, p *frio.Packet) (ip4 bool, e syscall.Errno) {
	ip4, known, err := sourceIs4(p)
	if err == nil && !known {
		var domain int
		domain, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
		ip4 = domain == unix.AF_INET
	}
	if err != nil {
		return false, err.(syscall.Errno)
	}
	return ip4, 0
}

// boundTo is the address that a socket is bound to.
func boundTo(fd int) netip.Addr {
	var name [nameSize]byte
	n, e := getName(unix.SYS_GETSOCKNAME, fd, &name)
	if e != 0 {
		return netip.Addr{}
	}
	bound, _ := inetOf(name[:n])
	return bound.Addr()
}

func (c *scratch) send(fd, messages int) (sent int, e syscall.Errno) {
	for range interruptsMax {
		n, _, e := syscall.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&c.messages[0])), uintptr(messages),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if e == 0 {
			return int(n), 0
		}
		if e != syscall.EINTR {
			return 0, e
		}
	}
	return 0, syscall.EAGAIN
}
