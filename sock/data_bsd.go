//go:build darwin || freebsd

package sock

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"time"

	"github.com/frio-io/frio"
	"golang.org/x/sys/unix"
)

// controlSize holds what Options can turn on and more: IPV6_PKTINFO, SCM_TIMESTAMP, IPV6_TCLASS, IP_RECVIF (a
// sockaddr_dl of 54 bytes), each below 72 with its header.
const controlSize = 4 * 72

func (*backend) Recv(fd int, p []byte) (n int, err error) {
	n, _, err = receive(fd, p)
	return n, err
}

func (*backend) RecvFrom(fd int, p []byte) (n int, from Addr, err error) {
	n, sa, err := receive(fd, p)
	return n, addrOf(sa), err
}

func receive(fd int, p []byte) (n int, from unix.Sockaddr, err error) {
	flags := 0
	err = retry(func() (err error) {
		n, _, flags, from, err = unix.RecvmsgBuffers(fd, [][]byte{p}, nil, unix.MSG_DONTWAIT)
		return err
	})
	if err == nil && flags&unix.MSG_TRUNC != 0 {
		err = syscall.EMSGSIZE
	}
	if err != nil {
		return 0, from, err
	}
	return n, from, nil
}

func (s *backend) Send(fd int, p []byte) (n int, err error) {
	return transmit(fd, p, nil, nil)
}

func (s *backend) SendTo(fd int, p []byte, to Addr) (n int, err error) {
	sa, err := sockaddr(to)
	if err != nil {
		return 0, err
	}
	n, err = transmit(fd, p, nil, sa)
	if err == syscall.EAGAIN && readyFor(fd)&unix.POLLOUT != 0 {
		return 0, syscall.ENOBUFS // the receiver is full: no poller tells when it is not
	}
	return n, err
}

func transmit(fd int, p []byte, control []byte, to unix.Sockaddr) (n int, err error) {
	err = retry(func() (err error) {
		n, err = unix.SendmsgBuffers(fd, [][]byte{p}, control, to, unix.MSG_DONTWAIT)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (s *backend) RecvPackets(fd int, packets []frio.Packet) (count int, err error) {
	if len(packets) == 0 {
		return 0, nil
	}
	p := &packets[0]
	control := make([]byte, controlSize)
	var n, controls, flags int
	var from unix.Sockaddr
	err = retry(func() (err error) {
		n, controls, flags, from, err = unix.RecvmsgBuffers(fd, [][]byte{p.Data[:cap(p.Data)]}, control, unix.MSG_DONTWAIT)
		return err
	})
	if err != nil {
		return 0, err
	}
	sender := addrOf(from)
	p.Remote, p.Ifindex, p.Err = sender.AddrPort, sender.Ifindex, nil
	a := parseControl(control[:controls])
	port := uint16(0)
	if a.local.IsValid() {
		if local, err := s.LocalAddr(fd); err == nil {
			port = local.AddrPort.Port()
		}
	}
	a.apply(p, port)
	if flags&unix.MSG_TRUNC != 0 {
		p.Data, p.Err = p.Data[:0], errTooLong
		return 1, nil
	}
	p.Data = p.Data[:n]
	return 1, nil
}

// RecvTrain reads a single one: there are no trains.
func (s *backend) RecvTrain(fd int, p *frio.Packet) (segment int, err error) {
	one := [1]frio.Packet{*p}
	_, err = s.RecvPackets(fd, one[:])
	*p = one[0]
	return 0, err
}

func (s *backend) SendPackets(fd int, packets []frio.Packet) (count int, err error) {
	for count < len(packets) {
		if err := s.sendPacket(fd, &packets[count]); err != nil {
			if count > 0 {
				return count, nil
			}
			return 0, err
		}
		count++
	}
	return count, nil
}

func (s *backend) sendPacket(fd int, p *frio.Packet) error {
	var to unix.Sockaddr
	if p.Remote.IsValid() {
		sa, err := sockaddr(Addr{AddrPort: p.Remote, Ifindex: p.Ifindex})
		if err != nil {
			return err
		}
		to = sa
	}
	var control []byte
	source, ifindex := p.Local.Addr(), s.own.interfaceFor(p.Remote.Addr(), p.Ifindex)
	if ifindex != 0 || source.IsValid() && !source.IsUnspecified() {
		ip4, known, err := sourceIs4(p)
		if err == nil && !known {
			ip4, err = isInet4(fd)
		}
		if err != nil {
			return err
		}
		if ip4 {
			control, err = source4(fd, source, ifindex)
		} else {
			control = source6(source, ifindex)
		}
		if err != nil {
			return err
		}
	}
	_, err := transmit(fd, p.Data, control, to)
	return err
}

// isInet4 tells whether a socket is IPv4; ENOPROTOOPT of a Local one.
func isInet4(fd int) (bool, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return false, err
	}
	switch sa.(type) {
	case *unix.SockaddrInet4:
		return true, nil
	case *unix.SockaddrInet6:
		return false, nil
	}
	return false, syscall.ENOPROTOOPT
}

func source6(local netip.Addr, ifindex uint32) []byte {
	data := make([]byte, unix.SizeofInet6Pktinfo)
	if local.IsValid() {
		a := local.As16()
		copy(data, a[:])
	}
	binary.NativeEndian.PutUint32(data[16:], ifindex)
	return controlMessage(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, data)
}

// controlMessage makes one; struct cmsghdr has three 32-bit words here and is aligned by CmsgSpace.
func controlMessage(level, kind int32, data []byte) []byte {
	b := make([]byte, unix.CmsgSpace(len(data)))
	binary.NativeEndian.PutUint32(b, uint32(unix.CmsgLen(len(data))))
	binary.NativeEndian.PutUint32(b[4:], uint32(level))
	binary.NativeEndian.PutUint32(b[8:], uint32(kind))
	copy(b[unix.CmsgLen(0):], data)
	return b
}

func parseControl(b []byte) (a arrival) {
	messages, err := unix.ParseSocketControlMessage(b)
	if err != nil {
		return a
	}
	for _, m := range messages {
		kind, data := m.Header.Type, m.Data
		switch m.Header.Level {
		case unix.SOL_SOCKET:
			switch {
			case kind == unix.SCM_TIMESTAMP && len(data) >= 12:
				// struct timeval: 64 bits of seconds, then microseconds in 32 bits or, little-endian, 64.
				a.time = int64(binary.NativeEndian.Uint64(data))*int64(time.Second) +
					int64(binary.NativeEndian.Uint32(data[8:]))*int64(time.Microsecond)
			case kind == unix.SCM_RIGHTS:
				closeRights(data)
			}
		case unix.IPPROTO_IP:
			if kind == unix.IP_RECVTOS && len(data) >= 1 {
				a.ecn = data[0] & 3
				continue
			}
			info4(kind, data, &a)
		case unix.IPPROTO_IPV6:
			switch {
			case kind == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
				if local := netip.AddrFrom16([16]byte(data[:16])); !local.IsMulticast() {
					a.local = local
				}
				a.ifindex = binary.NativeEndian.Uint32(data[16:])
			case kind == unix.IPV6_TCLASS && len(data) >= 4:
				a.ecn = uint8(binary.NativeEndian.Uint32(data) & 3)
			}
		}
	}
	return a
}
