package sock

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// The header of the network layer as a classic BPF program addresses it: linux/filter.h, SKF_NET_OFF. In a reuseport
// group the program sees a datagram from behind its UDP header on, so both headers are reached from there.
const netHeader = 0xfff00000

const steers = true

// SteerPackets hashes the source address and port of each datagram. It does not ask the kernel for its hash (skb->hash):
// an interface computes that from the addresses alone where a datagram came in fragments, and a peer would have two.
// An IPv6 datagram whose UDP header is not the first behind the fixed one is steered by its address alone.
func (*backend) SteerPackets(fd, count int) error {
	if count < 1 || count > 0xffff {
		return syscall.EINVAL
	}
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return err
	}
	var program []unix.SockFilter
	switch domain {
	case unix.AF_INET:
		program = steer4(count)
	case unix.AF_INET6:
		program = steer6(count)
	default:
		return syscall.EOPNOTSUPP
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}

// Steered computes what the program computes.
func (*backend) Steered(from netip.AddrPort, count int) int {
	var h uint32
	mix := func(a uint32) { h = (h ^ a) * mixFactor }
	for a := from.Addr().Unmap().AsSlice(); len(a) > 0; a = a[4:] {
		mix(binary.BigEndian.Uint32(a))
	}
	mix(uint32(from.Port()))
	for _, bits := range spreadBits {
		h = (h>>bits ^ h) * spreadFactor
	}
	return int(h >> topBits % uint32(count))
}

// The numbers of the hash.
const (
	mixFactor    = 0x9e3779b1 // 2^32 divided by the golden ratio, odd
	spreadFactor = 0x85ebca6b
	topBits      = 15
)

var spreadBits = [2]uint32{16, 13}

// Instructions, in the words of linux/bpf_common.h.
const (
	loadWord   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	loadByte   = unix.BPF_LD | unix.BPF_B | unix.BPF_ABS
	loadHalf   = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
	loadHalfX  = unix.BPF_LD | unix.BPF_H | unix.BPF_IND
	loadLength = unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH // X = 4 * low half of a byte
	saveX      = unix.BPF_STX
	restoreX   = unix.BPF_LDX | unix.BPF_W | unix.BPF_MEM
	multiply   = unix.BPF_ALU | unix.BPF_MUL | unix.BPF_K
	xorX       = unix.BPF_ALU | unix.BPF_XOR | unix.BPF_X
	shiftRight = unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K
	modulo     = unix.BPF_ALU | unix.BPF_MOD | unix.BPF_K
	toX        = unix.BPF_MISC | unix.BPF_TAX
	fromX      = unix.BPF_MISC | unix.BPF_TXA
	jumpUnless = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	answer     = unix.BPF_RET | unix.BPF_A
)

func steer4(count int) []unix.SockFilter {
	p := mixWord(nil, netHeader+12) // RFC 791, Section 3.1: source address
	p = append(p,
		unix.SockFilter{Code: saveX},
		unix.SockFilter{Code: loadLength, K: netHeader}, // options make the header longer
		unix.SockFilter{Code: loadHalfX, K: netHeader},
		unix.SockFilter{Code: restoreX},
	)
	return finish(mix(p), count)
}

func steer6(count int) []unix.SockFilter {
	var p []unix.SockFilter
	for word := uint32(0); word < 16; word += 4 { // RFC 8200, Section 3: source address
		p = mixWord(p, netHeader+8+word)
	}
	port := mix([]unix.SockFilter{{Code: loadHalf, K: netHeader + 40}})
	p = append(p,
		unix.SockFilter{Code: loadByte, K: netHeader + 6}, // next header
		unix.SockFilter{Code: jumpUnless, K: unix.IPPROTO_UDP, Jf: uint8(len(port))},
	)
	return finish(append(p, port...), count)
}

// mixWord adds a word of the packet to the hash in X.
func mixWord(p []unix.SockFilter, at uint32) []unix.SockFilter {
	return mix(append(p, unix.SockFilter{Code: loadWord, K: at}))
}

// mix adds A to the hash in X: exclusive or, multiply.
func mix(p []unix.SockFilter) []unix.SockFilter {
	return append(p,
		unix.SockFilter{Code: xorX},
		unix.SockFilter{Code: multiply, K: mixFactor},
		unix.SockFilter{Code: toX},
	)
}

// finish spreads the hash's high bits over the low ones, for modulo looks at these, and answers with a socket's number.
func finish(p []unix.SockFilter, count int) []unix.SockFilter {
	for _, bits := range spreadBits {
		p = append(p,
			unix.SockFilter{Code: fromX},
			unix.SockFilter{Code: shiftRight, K: bits},
			unix.SockFilter{Code: xorX},
			unix.SockFilter{Code: multiply, K: spreadFactor},
			unix.SockFilter{Code: toX},
		)
	}
	return append(p,
		unix.SockFilter{Code: fromX},
		unix.SockFilter{Code: shiftRight, K: topBits},
		unix.SockFilter{Code: modulo, K: uint32(count)},
		unix.SockFilter{Code: answer},
	)
}
