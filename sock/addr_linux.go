package sock

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	inetSize  = unix.SizeofSockaddrInet6 // 28: the longest address of a datagram in a batch
	nameSize  = unix.SizeofSockaddrUnix  // 110: the longest of all
	pathStart = 2                        // sun_path stands behind the family
	pathMax   = nameSize - pathStart     // 108: sun_path; of a file one byte is its end
)

// putAddr writes a into b and returns its length. EINVAL if it names nothing or has a zone, ENAMETOOLONG.
func putAddr(b *[nameSize]byte, a Addr) (n int, e syscall.Errno) {
	if a.AddrPort.IsValid() {
		return putInet(b[:inetSize], a.AddrPort, a.Ifindex)
	}
	if a.Path == "" {
		return 0, syscall.EINVAL
	}
	abstract := a.Path[0] == '@'
	switch {
	case abstract && len(a.Path) > pathMax, !abstract && len(a.Path) >= pathMax:
		return 0, syscall.ENAMETOOLONG
	case !abstract && strings.IndexByte(a.Path, 0) >= 0:
		return 0, syscall.EINVAL
	}
	clear(b[:])
	binary.NativeEndian.PutUint16(b[:], unix.AF_UNIX)
	n = pathStart + copy(b[pathStart:], a.Path)
	if abstract {
		b[pathStart] = 0
		return n, 0
	}
	return n + 1, 0
}

// putInet writes an Internet address into b. An IPv4-mapped one is IPv4: sockets of Inet6 are V6ONLY, so nothing else
// can be meant. ifindex is the scope of a link-local address and says nothing of others.
func putInet(b []byte, ap netip.AddrPort, ifindex uint32) (n int, e syscall.Errno) {
	a := ap.Addr()
	if a.Zone() != "" {
		return 0, syscall.EINVAL
	}
	clear(b)
	binary.BigEndian.PutUint16(b[2:], ap.Port())
	if a.Is4() || a.Is4In6() {
		binary.NativeEndian.PutUint16(b, unix.AF_INET)
		a4 := a.As4()
		copy(b[4:], a4[:])
		return unix.SizeofSockaddrInet4, 0
	}
	binary.NativeEndian.PutUint16(b, unix.AF_INET6)
	a16 := a.As16()
	copy(b[8:], a16[:])
	if scoped(a) {
		binary.NativeEndian.PutUint32(b[24:], ifindex)
	}
	return unix.SizeofSockaddrInet6, 0
}

// inetOf reads an Internet address; the zero one from anything else.
func inetOf(b []byte) (ap netip.AddrPort, ifindex uint32) {
	if len(b) < 2 {
		return netip.AddrPort{}, 0
	}
	switch binary.NativeEndian.Uint16(b) {
	case unix.AF_INET:
		if len(b) >= unix.SizeofSockaddrInet4 {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:])), 0
		}
	case unix.AF_INET6:
		if len(b) >= unix.SizeofSockaddrInet6 {
			a := netip.AddrFrom16([16]byte(b[8:24]))
			if a.Is4In6() {
				a = a.Unmap()
			}
			return netip.AddrPortFrom(a, binary.BigEndian.Uint16(b[2:])), binary.NativeEndian.Uint32(b[24:])
		}
	}
	return netip.AddrPort{}, 0
}

// addrOf reads any address; an unnamed Local one is the zero Addr.
func (s *backend) addrOf(b []byte) Addr {
	if ap, ifindex := inetOf(b); ap.IsValid() {
		return Addr{AddrPort: ap, Ifindex: ifindex}
	}
	if len(b) <= pathStart || binary.NativeEndian.Uint16(b) != unix.AF_UNIX {
		return Addr{}
	}
	return Addr{Path: s.paths.get(b[pathStart:])}
}
