package netconn

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
)

// PacketConn is a datagram IO as a net.PacketConn. Errors that cost one datagram are a *frio.PacketError in a *net.OpError, and it goes
// on. All its methods may be called from any goroutine that is not the pool's, at once.
type PacketConn struct {
	c     core
	io    frio.PacketIO // c.io
	stack string
	addr  addrs

	// What the calls under way are about; guarded by mu of c.
	in, out [1]frio.Packet
}

var _ net.PacketConn = (*PacketConn)(nil)

// PacketAddr is whom ReadFrom read from, and the address that he asked: WriteTo of a PacketAddr answers from there, as it must on
// a host with several addresses.
type PacketAddr struct {
	Remote, Local netip.AddrPort
	Ifindex       uint32
}

// Network is "udp".
func (a *PacketAddr) Network() string { return "udp" }

// String is that of Remote.
func (a *PacketAddr) String() string { return a.Remote.String() }

// AddrPort is Remote, as of a *net.UDPAddr.
func (a *PacketAddr) AddrPort() netip.AddrPort { return a.Remote }

// ListenPacket opens one, the listening side of a datagram method without children, on the thread t. mem is the context that one was
// parsed in, a root that no thread owns. Both are ListenPacket's from then on: they are freed after an error, and by Close. It is a
// *PacketConn; errors.ErrUnsupported where peers have no address (unix), have a connection each (Listen), or come by several
// sockets. Thread: any that is not the pool's.
func ListenPacket(t *thread.Thread, mem *talloc.Context, one frio.IO) (net.PacketConn, error) {
	p := &PacketConn{stack: stackOf(one)}
	p.c.in.try, p.c.out.try = p.tryReadLocked, p.tryWriteLocked
	p.c.rise, p.c.risen = func() error { return nil }, func(error) {}
	p.c.init(one, mem)
	err := enter(t, mem, one, func() error { return p.begin(t, mem, one) })
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: p.stack, Err: err}
	}
	return p, nil
}

func (p *PacketConn) begin(t *thread.Thread, mem *talloc.Context, one frio.IO) error {
	var ok bool
	if p.io, ok = one.(frio.PacketIO); !ok {
		return errors.ErrUnsupported
	}
	if err := one.Open(); err != nil {
		return err
	}
	// One that has children refuses to be read.
	if _, err := p.io.ReadPackets(nil); errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	p.addr = addrsOf(one)
	_, err := t.Add(one, mem, nil, (*coreUser)(&p.c))
	return err
}

// ReadFrom reads one datagram, or waits until one comes; from is a *PacketAddr. One longer than b is lost: frio.ErrTooLong.
func (p *PacketConn) ReadFrom(b []byte) (n int, from net.Addr, err error) {
	h := &p.c.in
	h.turn.Lock()
	defer h.turn.Unlock()
	p.c.mu.Lock()
	p.in[0] = frio.Packet{Data: b[:0:len(b)]}
	n, err = h.doLocked()
	packet := p.in[0]
	p.in[0] = frio.Packet{}
	p.c.mu.Unlock()
	if packet.Remote.IsValid() {
		from = &PacketAddr{Remote: packet.Remote, Local: packet.Local, Ifindex: packet.Ifindex}
	}
	return n, from, p.wrap("read", from, err)
}

func (p *PacketConn) tryReadLocked() (int, error) {
	if count, err := p.io.ReadPackets(p.in[:]); count == 0 {
		if err == nil {
			err = frio.ErrAgain
		}
		return 0, err
	}
	return len(p.in[0].Data), p.in[0].Err
}

// WriteTo sends one datagram; to is a *PacketAddr, or whatever prints as an address and port.
func (p *PacketConn) WriteTo(b []byte, to net.Addr) (int, error) {
	packet, err := packetTo(b, to)
	if err != nil {
		return 0, p.wrap("write", to, err)
	}
	h := &p.c.out
	h.turn.Lock()
	defer h.turn.Unlock()
	p.c.mu.Lock()
	p.out[0] = packet
	n, err := h.doLocked()
	p.out[0] = frio.Packet{}
	p.c.mu.Unlock()
	return n, p.wrap("write", to, err)
}

func packetTo(b []byte, to net.Addr) (frio.Packet, error) {
	switch a := to.(type) {
	case nil:
		return frio.Packet{}, errors.New("no address")
	case *PacketAddr:
		return frio.Packet{Data: b, Remote: a.Remote, Local: a.Local, Ifindex: a.Ifindex}, nil
	}
	remote, err := netip.ParseAddrPort(to.String())
	if err != nil {
		return frio.Packet{}, err
	}
	packet := frio.Packet{Data: b, Remote: netip.AddrPortFrom(remote.Addr().Unmap().WithZone(""), remote.Port())}
	if zone := remote.Addr().Zone(); zone != "" {
		scope, err := net.InterfaceByName(zone)
		if err != nil {
			return frio.Packet{}, err
		}
		packet.Ifindex = uint32(scope.Index)
	}
	return packet, nil
}

func (p *PacketConn) tryWriteLocked() (int, error) {
	count, err := p.io.WritePackets(p.out[:])
	switch {
	case count > 0:
		return len(p.out[0].Data), nil
	case err == nil:
		return 0, frio.ErrAgain
	}
	return 0, err
}

// Close closes the socket, and ends all calls under way with net.ErrClosed.
func (p *PacketConn) Close() error { return p.wrap("close", nil, p.c.close()) }

// LocalAddr is where it listens.
func (p *PacketConn) LocalAddr() net.Addr { return p.addr.local }

// SetDeadline has ReadFrom and WriteTo end with os.ErrDeadlineExceeded at t, those under way too; the zero time is never.
func (p *PacketConn) SetDeadline(t time.Time) error {
	return p.wrap("set", nil, p.c.deadline(t, &p.c.in, &p.c.out))
}

// SetReadDeadline is SetDeadline for ReadFrom.
func (p *PacketConn) SetReadDeadline(t time.Time) error {
	return p.wrap("set", nil, p.c.deadline(t, &p.c.in))
}

// SetWriteDeadline is SetDeadline for WriteTo.
func (p *PacketConn) SetWriteDeadline(t time.Time) error {
	return p.wrap("set", nil, p.c.deadline(t, &p.c.out))
}

func (p *PacketConn) wrap(op string, addr net.Addr, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: p.stack, Source: p.addr.local, Addr: addr, Err: err}
}
