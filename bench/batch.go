//go:build linux

package main

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// batchMax is how many datagrams one system call moves.
	batchMax = 64

	// datagramMax holds a RADIUS packet with a DTLS record around it.
	datagramMax = packetMax + 64

	// socketBytes is asked for as the buffers of each datagram socket: some thousand packets, so that the bench loses none.
	socketBytes = 4 << 20
)

// message is the kernel's struct mmsghdr.
type message struct {
	head unix.Msghdr
	n    uint32
}

// batch is a set of datagrams that one system call reads or writes. Names are kept where the socket is not connected.
type batch struct {
	messages [batchMax]message
	pieces   [batchMax]unix.Iovec
	names    [batchMax]unix.RawSockaddrInet4
	data     [batchMax][]byte
	count    int
	named    bool

	conn syscall.RawConn
	call uintptr // SYS_RECVMMSG or SYS_SENDMMSG
	from int     // of the messages, how many are written
	done int
	err  syscall.Errno
	step func(fd uintptr) bool
}

// newBatch makes a batch for reading or writing conn. named says that the socket is not connected.
func newBatch(conn *net.UDPConn, call uintptr, named bool) (*batch, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	b := &batch{conn: raw, call: call, named: named}
	room := make([]byte, batchMax*datagramMax)
	for i := range b.data {
		b.data[i] = room[i*datagramMax : i*datagramMax : (i+1)*datagramMax]
		b.pieces[i].Base = unsafe.SliceData(b.data[i])
		b.messages[i].head.Iov = &b.pieces[i]
		b.messages[i].head.SetIovlen(1)
		if named {
			b.messages[i].head.Name = (*byte)(unsafe.Pointer(&b.names[i]))
			b.messages[i].head.Namelen = unix.SizeofSockaddrInet4
		}
	}
	b.step = b.try
	return b, nil
}

// try is one system call; it returns false if the socket is not ready.
func (b *batch) try(fd uintptr) bool {
	for {
		n, _, e := unix.Syscall6(b.call, fd, uintptr(unsafe.Pointer(&b.messages[b.from])), uintptr(b.count-b.from), unix.MSG_DONTWAIT, 0, 0)
		switch e {
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			b.done, b.err = int(n), e
			return true
		}
	}
}

// read waits until datagrams come; they are in data[:count]. A port that nobody listens on is not an error: count is 0.
func (b *batch) read() error {
	b.count, b.from, b.done = batchMax, 0, 0
	for i := range b.data {
		b.pieces[i].SetLen(datagramMax)
		if b.named {
			b.messages[i].head.Namelen = unix.SizeofSockaddrInet4
		}
	}
	if err := b.conn.Read(b.step); err != nil {
		return err
	}
	if b.err != 0 {
		b.count = 0
		if b.err == unix.ECONNREFUSED {
			return nil
		}
		return b.err
	}
	b.count = b.done
	for i := range b.count {
		b.data[i] = b.data[i][:b.messages[i].n]
	}
	return nil
}

// next returns the empty room of the next datagram to write, and nil if the batch is full.
func (b *batch) next() []byte {
	if b.count == batchMax {
		return nil
	}
	return b.data[b.count][:0]
}

// add keeps p, which was appended to what next returned, to be written to peer (for a connected socket: anything).
func (b *batch) add(p []byte, peer *unix.RawSockaddrInet4) {
	b.pieces[b.count].SetLen(len(p))
	if b.named {
		b.names[b.count] = *peer
	}
	b.count++
}

// write sends all that was added. A datagram that the system refuses is lost, as any datagram may be.
func (b *batch) write() error {
	for b.from = 0; b.from < b.count; b.from += b.done {
		if err := b.conn.Write(b.step); err != nil {
			return err
		}
		if b.err != 0 {
			b.done = 1
		}
	}
	b.count = 0
	return nil
}

func addrPort(name *unix.RawSockaddrInet4) netip.AddrPort {
	port := (*[2]byte)(unsafe.Pointer(&name.Port))
	return netip.AddrPortFrom(netip.AddrFrom4(name.Addr), binary.BigEndian.Uint16(port[:]))
}
