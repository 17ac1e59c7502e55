package sim

import (
	"fmt"
	"syscall"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sock"
)

const (
	pathMax       = 108 // sun_path
	localQueueMax = 10  // net.unix.max_dgram_qlen
	localOverhead = 32
)

func checkPath(path string) error {
	switch {
	case path == "":
		return syscall.EINVAL
	case path[0] == '@' && len(path) > pathMax, path[0] != '@' && len(path) >= pathMax:
		return syscall.ENAMETOOLONG
	}
	return nil
}

func (s *socket) bindLocal(path string) error {
	k := s.k
	if path == "" {
		if s.path != "" {
			return nil
		}
		// unix(7), "Autobind": five hexadecimal digits, an abstract name.
		for path = "@00000"; k.abstract[path] != nil; {
			k.nextName++
			path = fmt.Sprintf("@%05x", k.nextName&0xfffff)
		}
	}
	if err := checkPath(path); err != nil {
		return err
	}
	if path[0] == '@' {
		if s.path != "" {
			return syscall.EINVAL
		}
		if k.abstract[path] != nil {
			return syscall.EADDRINUSE
		}
		k.abstract[path] = s
		s.path = path
		return nil
	}
	if k.files[path] != nil {
		return syscall.EADDRINUSE
	}
	if s.path != "" {
		return syscall.EINVAL
	}
	s.file = k.addFile(path, sock.File{Socket: true, UID: k.uid, GID: k.gid, Mode: s.mode &^ k.umask})
	s.file.owner = s
	s.path = path
	return nil
}

// findLocal returns the socket of that name which s may reach.
func (s *socket) findLocal(path string) (*socket, error) {
	k := s.k
	if err := checkPath(path); err != nil {
		return nil, err
	}
	o := k.abstract[path]
	if path[0] != '@' {
		f := k.files[path]
		switch {
		case f == nil:
			return nil, syscall.ENOENT
		case !f.writableBy(k.uid, k.gid):
			return nil, syscall.EACCES
		}
		o = f.owner
	}
	switch {
	case o == nil:
		return nil, syscall.ECONNREFUSED
	case o.kind != s.kind:
		return nil, syscall.EPROTOTYPE
	}
	return o, nil
}

func (s *socket) connectLocal(path string) error {
	if s.kind == frio.Datagram {
		return s.connectLocalDatagram(path)
	}
	o, err := s.findLocal(path)
	switch {
	case err != nil:
		return err
	case o.state != stateListening:
		return syscall.ECONNREFUSED
	case o.full():
		return syscall.ENOBUFS // what sock.Kernel makes of EAGAIN: nothing is on the way
	case s.state == stateOpen:
		return nil // EISCONN
	case s.state != stateFresh:
		return syscall.EINVAL
	}
	k := s.k
	c := newSocket(k, sock.Local, frio.Stream)
	c.state, s.state = stateOpen, stateOpen
	c.peer, s.peer = s, c
	c.path, c.remotePath = o.path, s.path
	s.remotePath = o.path
	s.peerCred = o.cred
	c.peerCred = sock.Cred{UID: k.uid, GID: k.gid, PID: k.pid}
	o.queue = append(o.queue, c)
	k.w.note(k, "waits", o.fd, len(o.queue), nil)
	o.changed()
	s.changed()
	return nil
}

func (s *socket) connectLocalDatagram(path string) error {
	o, err := s.findLocal(path)
	if err != nil {
		return err
	}
	if o.peer != nil && o.peer != s {
		return syscall.EPERM
	}
	s.leavePeer()
	s.peer, s.remotePath, s.state = o, path, stateOpen
	o.queue = append(o.queue, s)
	s.changed()
	return nil
}

// leavePeer ends a datagram socket's connection. A receiver's queue is the sockets that are connected to it: they are
// told when there is room.
func (s *socket) leavePeer() {
	if s.peer != nil {
		s.peer.queue = without(s.peer.queue, s)
	}
	s.peer, s.remotePath, s.state = nil, "", stateFresh
}

func (s *socket) sendLocal(p []byte) (int, error) {
	switch {
	case s.state != stateOpen:
		return 0, syscall.ENOTCONN
	case s.sendEnded || s.peer.recvEnded:
		return 0, syscall.EPIPE
	case len(p) == 0:
		return 0, nil
	}
	free := s.options[sock.SendBuff] - s.peer.in.n
	if free <= 0 {
		return 0, syscall.EAGAIN
	}
	n := min(len(p), free)
	s.peer.in.push(p[:n])
	s.peer.changed()
	return n, nil
}

func (s *socket) recvLocal(p []byte) (int, error) {
	if s.in.n > 0 {
		n := s.in.pop(p)
		s.peer.changed()
		return n, nil
	}
	if err := s.takeError(); err != nil {
		return 0, err
	}
	switch {
	case s.recvEnded:
		return 0, nil
	case s.state != stateOpen:
		return 0, syscall.EINVAL
	}
	return 0, syscall.EAGAIN
}

// sendLocalPacket sends one datagram to the socket named path; "" is the peer.
func (s *socket) sendLocalPacket(p []byte, path string) error {
	o, err := s.peer, error(nil)
	connected := path == ""
	if !connected {
		o, err = s.findLocal(path)
	} else if o == nil {
		err = syscall.ENOTCONN
	}
	if err != nil {
		return err
	}
	switch {
	case len(p) > s.options[sock.SendBuff]-localOverhead:
		return syscall.EMSGSIZE
	case o.state == stateDead:
		s.leavePeer()
		s.changed()
		return syscall.ECONNREFUSED
	case s.sendEnded || o.recvEnded:
		return syscall.EPIPE
	case o.peer != nil && o.peer != s:
		return syscall.EPERM
	case s.sending > 0 && s.sending+len(p) > s.options[sock.SendBuff]:
		return syscall.EAGAIN
	case s.crowds(o) && connected:
		return syscall.EAGAIN
	case s.crowds(o):
		return syscall.ENOBUFS // as sock.System says it: s itself stays writable
	}
	s.sending += len(p)
	o.packets.push(&packet{data: append([]byte(nil), p...), sender: s, path: s.path})
	o.changed()
	return nil
}

// crowds tells whether the queue of o has no room for s. Two that are connected to each other are bounded by SendBuff only.
func (s *socket) crowds(o *socket) bool {
	return o.peer != s && o.packets.count() > localQueueMax
}

func (q *packetQueue) count() int { return len(q.list) - q.head }

// taken is told to the receiver o when it has read g.
func (o *socket) taken(g *packet) {
	if g.sender == nil {
		return
	}
	g.sender.sending -= len(g.data)
	g.sender.changed()
	if o.packets.count() == localQueueMax {
		o.wakeWriters()
	}
}

func (o *socket) wakeWriters() {
	for _, c := range o.queue {
		c.changed()
	}
}

func (s *socket) writableLocal() bool {
	if s.kind == frio.Datagram {
		crowded := s.peer != nil && s.peer.state != stateDead && s.crowds(s.peer)
		return s.sending*4 <= s.options[sock.SendBuff] && !crowded
	}
	switch {
	case s.state == stateListening:
		return false
	case s.peer == nil:
		return true
	}
	return s.peer.in.n*4 <= s.options[sock.SendBuff]
}

func (s *socket) closeLocal() {
	if s.path != "" && s.path[0] == '@' && s.k.abstract[s.path] == s {
		delete(s.k.abstract, s.path)
	}
	if s.file != nil {
		s.file.owner = nil // the file stays: stale
	}
	before := s.state
	s.state = stateDead
	switch {
	case s.kind == frio.Datagram:
		for !s.packets.empty() {
			s.taken(s.packets.pop())
		}
		s.wakeWriters()
		if s.peer != nil {
			s.peer.queue = without(s.peer.queue, s)
		}
		s.peer = nil
	case before == stateListening:
		for _, c := range s.queue {
			c.state = stateDead
			c.peer.orphan(syscall.ECONNRESET)
		}
		s.queue = nil
	case before == stateOpen:
		err := syscall.Errno(0)
		if s.in.n > 0 || s.aborted {
			err = syscall.ECONNRESET
		}
		s.in.clear()
		s.recvEnded = true
		s.peer.orphan(err)
	}
}

// orphan is told to a stream whose peer has closed; err if that lost something.
func (s *socket) orphan(err syscall.Errno) {
	s.recvEnded, s.sendEnded = true, true
	if err != 0 && s.state == stateOpen {
		s.err = err
	}
	s.changed()
}

func (s *socket) breakLocal() {
	s.in.clear()
	s.orphan(syscall.ECONNRESET)
}
