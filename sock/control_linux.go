package sock

import (
	"encoding/binary"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	wordSize    = int(unsafe.Sizeof(uintptr(0))) // what control messages are aligned to
	controlHead = unix.SizeofCmsghdr             // length, level, type

	// controlSize holds everything that Options can turn on, at once. On 64-bit systems, where a header is 16 bytes and
	// each message is rounded up to 8: IPV6_PKTINFO 40 (IP_PKTINFO: 32), SO_TIMESTAMPNS 32, IPV6_TCLASS 24 (IP_TOS: 24),
	// UDP_GRO 24, SO_RXQ_OVFL 24: 144. Sending needs 64 of it: PKTINFO 40, UDP_SEGMENT 24.
	controlSize = pktinfoSize + timeSize + 3*intSize
	pktinfoSize = controlHead + (unix.SizeofInet6Pktinfo+7)&^7
	timeSize    = controlHead + 16
	intSize     = controlHead + 8
)

// parseControl reads the control messages of one datagram.
func parseControl(b []byte) (a arrival) {
	for {
		level, kind, data, rest, ok := nextControl(b)
		if !ok {
			return a
		}
		b = rest
		switch level {
		case unix.SOL_SOCKET:
			switch {
			case kind == unix.SO_TIMESTAMPNS && len(data) >= int(unsafe.Sizeof(unix.Timespec{})):
				a.time = timespecOf(data)
			case kind == unix.SCM_RIGHTS:
				closeRights(data)
			}
		case unix.IPPROTO_IP:
			switch {
			case kind == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
				a.ifindex = binary.NativeEndian.Uint32(data)
				// ipi_spec_dst, not ipi_addr: of a broadcast it is the address that an answer can leave from.
				a.local = netip.AddrFrom4([4]byte(data[4:8]))
			case kind == unix.IP_TOS && len(data) >= 1:
				a.ecn = data[0] & 3
			}
		case unix.IPPROTO_IPV6:
			switch {
			case kind == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
				// An answer cannot leave from a group's address: there the kernel chooses, on that interface.
				if local := netip.AddrFrom16([16]byte(data[:16])); !local.IsMulticast() {
					a.local = local
				}
				a.ifindex = binary.NativeEndian.Uint32(data[16:])
			case kind == unix.IPV6_TCLASS && len(data) >= 4:
				a.ecn = uint8(binary.NativeEndian.Uint32(data) & 3)
			}
		case unix.IPPROTO_UDP:
			if kind == unix.UDP_GRO && len(data) >= 4 {
				a.segment = int(int32(binary.NativeEndian.Uint32(data)))
			}
		}
	}
}

// nextControl takes the first control message off b.
func nextControl(b []byte) (level, kind int32, data, rest []byte, ok bool) {
	if len(b) < controlHead {
		return 0, 0, nil, nil, false
	}
	size := controlWord(b)
	if size < uint64(controlHead) || size > uint64(len(b)) {
		return 0, 0, nil, nil, false
	}
	level = int32(binary.NativeEndian.Uint32(b[wordSize:]))
	kind = int32(binary.NativeEndian.Uint32(b[wordSize+4:]))
	data = b[controlHead:size]
	next := (int(size) + wordSize - 1) &^ (wordSize - 1)
	return level, kind, data, b[min(next, len(b)):], true
}

// addControl writes a header for n bytes of data at the start of b; it returns the data's place and what is behind it.
func addControl(b []byte, level, kind int32, n int) (data, rest []byte) {
	size := controlHead + n
	next := (size + wordSize - 1) &^ (wordSize - 1)
	clear(b[:next])
	putControlWord(b, uint64(size))
	binary.NativeEndian.PutUint32(b[wordSize:], uint32(level))
	binary.NativeEndian.PutUint32(b[wordSize+4:], uint32(kind))
	return b[controlHead:size], b[next:]
}

// putSource writes from where a datagram is to leave, and returns what is behind it.
func putSource(b []byte, ip4 bool, local netip.Addr, ifindex uint32) (rest []byte) {
	if ip4 {
		data, rest := addControl(b, unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		binary.NativeEndian.PutUint32(data, ifindex)
		if local.IsValid() {
			a := local.As4()
			copy(data[4:8], a[:])
		}
		return rest
	}
	data, rest := addControl(b, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
	if local.IsValid() {
		a := local.As16()
		copy(data[:16], a[:])
	}
	binary.NativeEndian.PutUint32(data[16:], ifindex)
	return rest
}

// putSegment writes of what size the datagrams of a train are, and returns what is behind it.
func putSegment(b []byte, n int) (rest []byte) {
	data, rest := addControl(b, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 2)
	binary.NativeEndian.PutUint16(data, uint16(n))
	return rest
}

func controlWord(b []byte) uint64 {
	if wordSize == 8 {
		return binary.NativeEndian.Uint64(b)
	}
	return uint64(binary.NativeEndian.Uint32(b))
}

func putControlWord(b []byte, n uint64) {
	if wordSize == 8 {
		binary.NativeEndian.PutUint64(b, n)
		return
	}
	binary.NativeEndian.PutUint32(b, uint32(n))
}

// timespecOf reads a struct timespec of two words.
func timespecOf(data []byte) int64 {
	if wordSize == 8 {
		return int64(binary.NativeEndian.Uint64(data))*int64(time.Second) + int64(binary.NativeEndian.Uint64(data[8:]))
	}
	return int64(binary.NativeEndian.Uint32(data))*int64(time.Second) + int64(binary.NativeEndian.Uint32(data[4:]))
}
