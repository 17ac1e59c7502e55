package sim

import (
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sock"
)

const (
	bufferDefault = 106496 // what Linux gives a program of its default of 212992
	bufferMax     = 212992 // net.core.rmem_max and wmem_max
	recvBuffMin   = 1152
	sendBuffMin   = 2304
	streamDefault = 65536 // of TCP sockets, both directions
	somaxconn     = 4096
	firstFD       = 3          // below are the standard streams
	noUser        = ^uint32(0) // of a peer that has none
	mtuDefault    = 1500
	mtuLoopback   = 65536
)

// Kernel is one host of a World: its sockets, files and addresses.
type Kernel struct {
	w      *World
	index  int
	name   string
	ifaces []*iface // by index - 1; the first is lo

	sockets   []*socket // by descriptor
	freeFD    []int     // a heap: the lowest first, as POSIX wants it
	open      int
	limit     int // descriptors of the process: EMFILE
	fileLimit int // of the system: ENFILE

	ports     map[portKey]*port     // never ranged over
	peers     map[peerKey][]*socket // connected datagram sockets; never ranged over
	files     map[string]*file      // never ranged over
	abstract  map[string]*socket    // never ranged over
	ephemeral [2]uint16             // range of ports, both included
	nextPort  uint16
	inode     uint64
	nextName  uint32 // of sockets that ask for any
	rejects   []rejection
	aborts    bool // Accept gives ECONNABORTED for a connection that was reset before
	umask     uint32
	uid, gid  uint32
	pid       int32
	bufferMax int

	faults  Faults
	scripts [callCount]script
	calls   [callCount]int
}

var _ sock.Kernel = (*Kernel)(nil)

// iface is a network interface.
type iface struct {
	name  string
	index uint32
	mtu   int
	addrs []netip.Addr
}

// Host adds a machine with the interfaces lo (127.0.0.0/8 and ::1) and eth0, which has addrs. An address that another host has panics.
func (w *World) Host(name string, addrs ...netip.Addr) *Kernel {
	w.mu.Lock()
	k := &Kernel{
		w:         w,
		index:     len(w.hosts),
		name:      name,
		sockets:   make([]*socket, firstFD),
		limit:     1 << 20,
		fileLimit: 1 << 20,
		ports:     map[portKey]*port{},
		peers:     map[peerKey][]*socket{},
		files:     map[string]*file{},
		abstract:  map[string]*socket{},
		ephemeral: [2]uint16{32768, 60999},
		inode:     1000,
		umask:     0o022,
		pid:       int32(1000 + len(w.hosts)),
		bufferMax: bufferMax,
		faults:    w.opts.Faults,
	}
	k.nextPort = k.ephemeral[0] + uint16(w.rng.below(int(k.ephemeral[1]-k.ephemeral[0])))
	w.hosts = append(w.hosts, k)
	w.mu.Unlock()
	k.AddInterface("lo", netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback())
	k.ifaces[0].mtu = mtuLoopback
	k.AddInterface("eth0", addrs...)
	return k
}

// AddInterface adds an interface with addresses and returns its index.
func (k *Kernel) AddInterface(name string, addrs ...netip.Addr) uint32 {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	i := &iface{name: name, index: uint32(len(k.ifaces) + 1), mtu: mtuDefault, addrs: addrs}
	k.ifaces = append(k.ifaces, i)
	for _, a := range addrs {
		if a.IsLoopback() {
			continue
		}
		if other := k.w.byAddr[a]; other != nil {
			panic(fmt.Sprintf("sim: %v is an address of %s already", a, other.name))
		}
		k.w.byAddr[a] = k
	}
	return i.index
}

// Name of the host.
func (k *Kernel) Name() string { return k.name }

// World that the host is in.
func (k *Kernel) World() *World { return k.w }

// SetDescriptorLimit bounds the descriptors that are open at once: beyond it is EMFILE, from Accept also when nobody waits.
func (k *Kernel) SetDescriptorLimit(count int) { k.set(func() { k.limit = count }) }

// SetFileLimit is the same for ENFILE.
func (k *Kernel) SetFileLimit(count int) { k.set(func() { k.fileLimit = count }) }

// SetUmask sets the process's umask; 022 at first.
func (k *Kernel) SetUmask(mask uint32) { k.set(func() { k.umask = mask }) }

// SetUser makes the process another user's: for Getuid, what it owns and may do from now on, and the credentials that peers
// of sockets connected or listening from now on see. It is root at first.
func (k *Kernel) SetUser(uid, gid uint32, pid int32) {
	k.set(func() { k.uid, k.gid, k.pid = uid, gid, pid })
}

// SetMTU sets the MTU of all interfaces but lo; 1500 at first. It bounds datagrams that must not be fragmented.
func (k *Kernel) SetMTU(bytes int) {
	k.set(func() {
		for _, i := range k.ifaces[1:] {
			i.mtu = bytes
		}
	})
}

// SetBufferMax sets what RecvBuff and SendBuff grant at most; 212992 at first.
func (k *Kernel) SetBufferMax(bytes int) { k.set(func() { k.bufferMax = bytes }) }

// SetEphemeralPorts sets the range that unbound sockets get their ports from, both included.
func (k *Kernel) SetEphemeralPorts(first, last uint16) {
	k.set(func() { k.ephemeral, k.nextPort = [2]uint16{first, last}, first })
}

// SetAcceptAborts chooses what Accept says of a connection that was reset while it waited: ECONNABORTED, as BSD does, or, as
// Linux does and at first, a socket whose reads fail.
func (k *Kernel) SetAcceptAborts(on bool) { k.set(func() { k.aborts = on }) }

// Reject has this host itself refuse to send to prefix: sends and connects fail at once with err (EPERM as a firewall,
// ENETUNREACH and EHOSTUNREACH as the routing table do). 0 ends it.
func (k *Kernel) Reject(prefix netip.Prefix, err syscall.Errno) {
	k.set(func() { k.rejects = append(k.rejects, rejection{prefix, err}) })
}

// Descriptors returns how many are open.
func (k *Kernel) Descriptors() (count int) {
	k.set(func() { count = k.open })
	return count
}

func (k *Kernel) set(f func()) {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	f()
}

// Now implements event.System.
func (k *Kernel) Now() time.Time { return k.w.Now() }

// Getuid implements sock.Kernel.
func (k *Kernel) Getuid() (uid uint32) {
	k.set(func() { uid = k.uid })
	return uid
}

func (k *Kernel) descriptor(fd int) *socket {
	if fd < 0 || fd >= len(k.sockets) {
		return nil
	}
	return k.sockets[fd]
}

// enter begins every call about a descriptor: it counts, and fails if the descriptor is none or a fault says so.
func (k *Kernel) enter(c call, fd int) (*socket, error) {
	k.w.countCall()
	k.calls[c]++
	s := k.descriptor(fd)
	if s == nil {
		return nil, syscall.EBADF
	}
	return s, k.fault(c)
}

// leave ends every call: it goes into the trace.
func (k *Kernel) leave(c call, fd, n int, err error) error {
	k.w.note(k, callNames[c], fd, n, err)
	return err
}

// room tells whether there is one more descriptor.
func (k *Kernel) room() error {
	switch {
	case k.open >= k.limit:
		return syscall.EMFILE
	case k.open >= k.fileLimit:
		return syscall.ENFILE
	}
	return nil
}

// install gives s the lowest free descriptor.
func (k *Kernel) install(s *socket) {
	k.open++
	if len(k.freeFD) == 0 {
		s.fd = len(k.sockets)
		k.sockets = append(k.sockets, s)
		return
	}
	h := k.freeFD
	s.fd = h[0]
	last := len(h) - 1
	h[0] = h[last]
	h = h[:last]
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < last; c++ {
			if h[c] < h[least] {
				least = c
			}
		}
		if least == i {
			break
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
	k.freeFD = h
	k.sockets[s.fd] = s
}

// closeDescriptor takes the descriptor from s, which may live on in the network.
func (k *Kernel) closeDescriptor(s *socket) {
	k.sockets[s.fd] = nil
	k.open--
	h := append(k.freeFD, s.fd)
	for i := len(h) - 1; i > 0 && h[i] < h[(i-1)/2]; i = (i - 1) / 2 {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
	}
	k.freeFD = h
	s.fd = -1
	for _, t := range s.watches {
		t.gone = true
	}
	s.watches = nil
	switch {
	case s.family == sock.Local:
		s.closeLocal()
	case s.kind == frio.Stream:
		s.closeTCP()
	default:
		s.state = stateDead
		s.packets.clear()
		k.unbind(s)
	}
}

// Socket implements sock.Kernel.
func (k *Kernel) Socket(f sock.Family, kind frio.Kind) (fd int, err error) {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	k.w.countCall()
	k.calls[callSocket]++
	fd = -1
	if err = k.fault(callSocket); err == nil {
		err = k.room()
	}
	if err == nil {
		s := newSocket(k, f, kind)
		k.install(s)
		fd = s.fd
	}
	return fd, k.leave(callSocket, fd, int(f)<<8|int(kind), err)
}

// Bind implements sock.Kernel.
func (k *Kernel) Bind(fd int, a sock.Addr) error {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s, err := k.enter(callBind, fd)
	if err == nil {
		if s.family == sock.Local {
			err = s.bindLocal(a.Path)
		} else {
			err = s.bindInet(a)
		}
	}
	return k.leave(callBind, fd, 0, err)
}

// Listen implements sock.Kernel.
func (k *Kernel) Listen(fd, backlog int) error {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s, err := k.enter(callListen, fd)
	if err == nil {
		err = s.listen(backlog)
	}
	return k.leave(callListen, fd, backlog, err)
}

// Accept implements sock.Kernel.
func (k *Kernel) Accept(fd int) (child int, peer sock.Addr, err error) {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	child = -1
	s, err := k.enter(callAccept, fd)
	if err == nil {
		child, peer, err = s.accept()
	}
	return child, peer, k.leave(callAccept, fd, child, err)
}

// Connect implements sock.Kernel.
func (k *Kernel) Connect(fd int, a sock.Addr) error {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s, err := k.enter(callConnect, fd)
	if err == nil {
		switch {
		case s.family == sock.Local:
			err = s.connectLocal(a.Path)
		case s.kind == frio.Stream:
			err = s.connectTCP(a)
		default:
			err = s.connectUDP(a)
		}
	}
	return k.leave(callConnect, fd, 0, err)
}

// Connected implements sock.Kernel.
func (k *Kernel) Connected(fd int) error {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s, err := k.enter(callConnected, fd)
	if err == nil {
		err = s.connected()
	}
	return k.leave(callConnected, fd, 0, err)
}

// CloseWrite implements sock.Kernel.
func (k *Kernel) CloseWrite(fd int) error {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s, err := k.enter(callCloseWrite, fd)
	if err == nil {
		err = s.closeWrite()
	}
	return k.leave(callCloseWrite, fd, 0, err)
}

// Close implements sock.Kernel.
func (k *Kernel) Close(fd int) error {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s, err := k.enter(callClose, fd)
	if s != nil {
		// An error from close(2) leaves the descriptor closed all the same.
		k.closeDescriptor(s)
	}
	return k.leave(callClose, fd, 0, err)
}

// LocalAddr implements sock.Kernel.
func (k *Kernel) LocalAddr(fd int) (a sock.Addr, err error) {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s, err := k.enter(callLocalAddr, fd)
	if err == nil {
		a = sock.Addr{AddrPort: s.local, Ifindex: s.scope(s.local.Addr()), Path: s.path}
	}
	return a, k.leave(callLocalAddr, fd, int(a.AddrPort.Port()), err)
}

// RemoteAddr implements sock.Kernel.
func (k *Kernel) RemoteAddr(fd int) (a sock.Addr, err error) {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s, err := k.enter(callRemoteAddr, fd)
	if err == nil {
		if s.state != stateOpen {
			err = syscall.ENOTCONN
		} else {
			a = sock.Addr{AddrPort: s.remote, Ifindex: s.scope(s.remote.Addr()), Path: s.remotePath}
		}
	}
	return a, k.leave(callRemoteAddr, fd, int(a.AddrPort.Port()), err)
}

// PeerCred implements sock.Kernel.
func (k *Kernel) PeerCred(fd int) (c sock.Cred, err error) {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s, err := k.enter(callPeerCred, fd)
	if err == nil {
		if c = s.peerCred; c.UID == noUser {
			c, err = sock.Cred{}, syscall.ENOTCONN
		}
	}
	return c, k.leave(callPeerCred, fd, int(c.UID), err)
}
