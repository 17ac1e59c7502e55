// Package sock is the boundary to the operating system: Kernel, the interface of raw non-blocking calls, the
// system's implementation of it, socket options, addresses, and the one table of what each errno means.
package sock

import (
	"net/netip"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
)

// Family of a socket.
type Family uint8

const (
	Inet4 Family = iota + 1
	Inet6        // IPV6_V6ONLY is set by Socket on every one
	Local        // unix
)

// Addr is a socket address: of a Local socket Path, else AddrPort. A link-local IPv6 address has its scope in Ifindex; a Zone
// is EINVAL. An IPv4-mapped address is its IPv4 address. A Path that begins with '@' is an abstract name (Linux); a relative file
// of such a name is "./@x". A Path is at most 107 bytes, an abstract name 107 behind the '@', else ENAMETOOLONG (darwin and
// FreeBSD: 103). An unnamed Local socket has an empty Path.
type Addr struct {
	AddrPort netip.AddrPort
	Ifindex  uint32
	Path     string
}

// String prints "192.0.2.1:53", "/run/x.sock" or "@name".
func (a Addr) String() string {
	if a.AddrPort.IsValid() {
		return a.AddrPort.String()
	}
	return a.Path
}

// Cred is a Unix peer's identity.
type Cred struct {
	UID, GID uint32
	PID      int32
}

// File is what Lstat tells of a path.
type File struct {
	Socket   bool
	UID, GID uint32
	Mode     uint32 // permission bits
	Inode    uint64
	Device   uint64
}

// Option is a socket option with an integer value; booleans are 0 and 1.
type Option uint8

const (
	ReuseAddr Option = iota + 1 // for stream listeners: on Linux two datagram sockets that have it share a port
	ReusePort                   // several sockets of one user share a port and its load
	RecvBuff                    // bytes; Option returns what was granted, halved on Linux where the kernel doubles it
	SendBuff
	NoDelay
	KeepAlive
	KeepIdle     // seconds
	KeepInterval // seconds
	KeepCount
	PacketInfo   // arrival address and interface of datagrams (by the socket's family)
	Timestamp    // arrival time of datagrams
	RecvECN      // ECN bits of datagrams
	DontFragment // 1: DF set, longer than the path takes is EMSGSIZE; 0: cleared, the kernel may fragment
	GRO          // the kernel joins datagrams into trains; the socket is read with RecvTrain only
	RecvDropped  // Option reads how many datagrams the kernel dropped for lack of room; Linux counts always, setting it only tells whether it does
	Broadcast
	FreeBind // bind to an address that this machine has not, or not yet
	Unsent   // read only: bytes not yet sent or acknowledged (SIOCOUTQ)
	Pending  // read only: the socket's pending error, cleared by reading (SO_ERROR), as an errno; 0: none
)

// Kernel is the operating system's calls, non-blocking: EAGAIN is "not now". Errors are syscall.Errno values, without wrapping;
// what they mean is the table of errno.go. EINTR never comes out (it is retried, bounded, then it is EAGAIN). What a system lacks
// is ENOPROTOOPT or EOPNOTSUPP. Descriptors belong to the caller; memory that is lent is not kept.
// One Kernel may serve several threads; one descriptor belongs to one thread at a time. On Linux no call that moves data or
// accepts allocates in steady state.
type Kernel interface {
	event.System

	// Socket makes a non-blocking, close-on-exec socket.
	Socket(f Family, k frio.Kind) (fd int, err error)
	// Bind gives the socket its name. The zero Addr has the kernel make one up for a Local socket (Linux; EINVAL elsewhere).
	Bind(fd int, a Addr) error
	// Listen with backlog 0, or above it, takes the system's maximum.
	Listen(fd, backlog int) error
	// Accept returns a non-blocking, close-on-exec socket and the peer, as the call gave it: a peer that has reset
	// meanwhile has no RemoteAddr any more. Some descriptors are left for what is not accepted: EMFILE comes before the last one is used.
	Accept(fd int) (child int, peer Addr, err error)
	// Connect is nil when connected, EAGAIN when on the way (EINPROGRESS, EALREADY, EINTR) — except that a Local socket
	// whose peer's backlog is full gives ENOBUFS: nothing is on the way, try again later. Called again once it is up it is nil.
	// On a datagram socket it fixes the peer.
	Connect(fd int, a Addr) error
	// Connected tells how a Connect on the way stands: nil, EAGAIN, or why it failed. The reason is told once, to whoever asks
	// first (Connect, Connected, Recv, Option Pending); then it is ENOTCONN, never EAGAIN.
	Connected(fd int) error

	// Recv and Send move bytes of a stream or one datagram of a connected socket. (0, nil) from Recv on a stream is its end,
	// or an empty p. A datagram longer than p is lost: EMSGSIZE. A stream without a reader is EPIPE, not a signal.
	Recv(fd int, p []byte) (n int, err error)
	Send(fd int, p []byte) (n int, err error)
	// CloseWrite ends the writing direction (SHUT_WR).
	CloseWrite(fd int) error

	// RecvPackets and SendPackets move datagrams with their addresses, many a call. RecvPackets takes at most 64. It fills Data (to its
	// capacity), Remote, Local (its port is the socket's), Ifindex, Time, ECN as the socket's options give them, the zero value where they
	// do not; one longer than its buffer gets Data of length 0 and in Err a *frio.PacketError with frio.ErrTooLong. That error is
	// shared and names no Remote: the Packet does. An errno with count 0 used up no Packet; a pending error of the socket comes so.
	// Local is invalid for a datagram to an IPv6 group; for one to an IPv4 group or broadcast it is the address that an answer can leave from.
	// SendPackets sends from Local's address and Ifindex where they are set, to Remote (not set: the connected peer); ECN and Time are
	// not looked at, nor is Ifindex for a Remote of this machine: what does not leave has no interface to leave by (FreeBSD: nor for IPv4). It stops at the first that fails: count > 0 with nil if some were sent, else (0, errno) of that first one. It may stop
	// early without a failure. Datagrams of one size to one peer go as a train where the kernel can (UDP_SEGMENT); a train that
	// fails goes datagram by datagram. On Local datagram sockets Remote is invalid.
	RecvPackets(fd int, packets []frio.Packet) (count int, err error)
	SendPackets(fd int, packets []frio.Packet) (count int, err error)
	// RecvTrain reads datagrams of one peer that the kernel has joined (GRO) into p.Data; each but the last is segment bytes long.
	// segment 0: a single one. p is as from RecvPackets; 65,535 bytes of capacity hold every train, one that does not fit is ErrTooLong
	// in p.Err. RecvPackets on a socket with GRO gives a train as ErrTooLong.
	RecvTrain(fd int, p *frio.Packet) (segment int, err error)
	// RecvFrom and SendTo are for unconnected Local datagram sockets; an unnamed sender is the zero Addr. A datagram longer than p is
	// EMSGSIZE, with its sender. SendTo to a receiver whose queue is full is ENOBUFS: no poller tells when there is room.
	RecvFrom(fd int, p []byte) (n int, from Addr, err error)
	SendTo(fd int, p []byte, to Addr) (n int, err error)

	// SetOption and Option: ENOPROTOOPT or EOPNOTSUPP if the system, or the socket's family or kind, has not got it.
	SetOption(fd int, o Option, value int) error
	Option(fd int, o Option) (int, error)
	// BindDevice binds to an interface by name; ENODEV if there is none of that name.
	BindDevice(fd int, name string) error
	// SteerPackets attaches to the reuseport group of fd the program that sends one peer always to the same of count sockets,
	// which are numbered in the order of their Bind. With fewer sockets than count the kernel chooses for the rest.
	SteerPackets(fd, count int) error
	// Steered is the number of the socket to which that program sends what comes from a peer. It is wrong of an IPv6 peer that puts
	// other headers before that of UDP.
	Steered(from netip.AddrPort, count int) int
	LocalAddr(fd int) (Addr, error)
	RemoteAddr(fd int) (Addr, error)
	// PeerCred is who the peer of a connected Local stream was when it connected or listened; ENOTCONN without one. PID is 0 where
	// the system does not tell.
	PeerCred(fd int) (Cred, error)
	// Close gives the number back, whatever it returns.
	Close(fd int) error

	// Lstat looks at a path without following a link; ENOENT if there is nothing.
	Lstat(path string) (File, error)
	// SetMode sets the mode that Bind will give a Local socket's file at most (fchmod; the umask still takes bits away).
	// EOPNOTSUPP outside of Linux.
	SetMode(fd int, mode uint32) error
	// SetFile gives the socket file at path its exact owner (-1: leave) and mode, provided it is still the socket with that inode and
	// device; ESTALE if not, or if it is gone.
	SetFile(path string, f File, uid, gid int, mode uint32) error
	// Unlink removes the socket file at path, provided it is still the socket with that inode and device; ESTALE if not, or if it is gone.
	Unlink(path string, f File) error
	// Getuid is the effective user of this process.
	Getuid() uint32
}

// Duplicator is a Kernel that can give a socket a second descriptor. The socket is closed with the last of them.
type Duplicator interface {
	// Duplicate returns another close-on-exec descriptor of fd's socket. What is set on one is set on both.
	Duplicate(fd int) (twin int, err error)
}

type kernelKey struct{}

// SetKernel makes k the Kernel of ctx and all below it.
func SetKernel(ctx *talloc.Context, k Kernel) { ctx.SetValue(kernelKey{}, k) }

// KernelOf returns the Kernel of ctx, the system's where none is set.
func KernelOf(ctx *talloc.Context) Kernel {
	if k, ok := ctx.Value(kernelKey{}).(Kernel); ok {
		return k
	}
	return System
}

// CheckLoop panics unless loop runs on k.
func CheckLoop(k Kernel, loop *event.Loop) {
	if loop != nil && loop.System() != event.System(k) {
		panic("frio: Event on a loop of another Kernel than the IO's")
	}
}

// Family is the socket family that a belongs to.
func (a Addr) Family() Family {
	switch {
	case !a.AddrPort.IsValid():
		return Local
	case a.AddrPort.Addr().Unmap().Is4():
		return Inet4
	}
	return Inet6
}
