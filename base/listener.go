package base

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

const (
	// acceptBatch is how many connections Accept gives in one turn, so that what is open goes on being served.
	acceptBatch = 64
	// acceptSkips is how many connections that ended or were refused one Accept passes over.
	acceptSkips = 64
	// exhaustedDelay is how long accept rests when descriptors or memory have run out: 10 calls a second.
	exhaustedDelay = 100 * time.Millisecond
)

// Listener is the server side of a stream method: it accepts Conns. It is a frio.IO.
type Listener struct {
	ctx   talloc.Context
	cfg   *Stream
	how   Listening
	state frio.State
	fd    int
	heir  Inheritance
	reg   event.FD
	timer event.Timer
	batch event.Task // ends the turn's batch
	loop  *event.Loop
	read  func()

	local    sock.Addr
	rest     time.Time // accept is not called before
	accepted int       // in this turn
	full     bool      // max_connections was met: waiter is told when a slot comes free
	waiter   *waiter   // of the present loop
	children *Conn     // the first of those on this thread
	count    int
	away     away // children that may be on others
	nextID   uint64
	admit    frio.Admit // nil: nobody asks
	closed   bool
}

// Listening is what a method gives to NewListener.
type Listening struct {
	Addr      sock.Addr
	Interface string // that it is bound to
	// Open makes the listening socket: options, bind, listen. It takes what was inherited.
	Open func(heir *Inheritance) (fd int, err error)
	// Closed cleans up after the socket was closed; nil: nothing to do.
	Closed func()
	// Identify asks who the peer of an accepted socket is; an error closes that one. nil: nobody asks.
	Identify func(fd int) (*frio.Identity, error)
	Networks Networks
	Slots    *Slots
	Counts   *Counts
}

var (
	_ frio.IO              = (*Listener)(nil)
	_ frio.Addresser       = (*Listener)(nil)
	_ frio.SocketAddresser = (*Listener)(nil)
	_ frio.Parent          = (*Listener)(nil)
	_ frio.Stater          = (*Listener)(nil)
	_ frio.Link            = (*Listener)(nil)
	_ frio.PathAddresser   = (*Listener)(nil)
	_ frio.Shard           = (*Listener)(nil)
	_ frio.Admitter        = (*Listener)(nil)
	_ frio.Heir            = (*Listener)(nil)
)

// NewListener makes a listener that Open opens.
func NewListener(ctx *talloc.Context, cfg *Stream, how Listening) (*Listener, error) {
	l := &Listener{cfg: cfg, how: how, fd: -1, local: how.Addr}
	if err := l.ctx.Init(ctx, cfg.Method); err != nil {
		return nil, err
	}
	l.ctx.OnFree((*listenerFree)(l))
	l.timer.Init((*listenerTimer)(l))
	l.batch.Init((*listenerBatch)(l))
	return l, nil
}

type (
	listenerFree  Listener
	listenerTimer Listener
	listenerBatch Listener
	listenerReady Listener
)

func (l *listenerFree) Destroy() { _ = (*Listener)(l).Close() }

func (l *listenerTimer) Expire(time.Time) {
	l.rest = time.Time{}
	(*Listener)(l).rewish()
}
func (l *listenerTimer) Describe() string { return (*Listener)(l).Describe() }

func (l *listenerBatch) RunTask()         { l.accepted = 0 }
func (l *listenerBatch) Describe() string { return (*Listener)(l).Describe() }

func (l *listenerReady) Ready(event.Ready) {
	if l.read != nil {
		l.read()
	}
}
func (l *listenerReady) Describe() string { return (*Listener)(l).Describe() }

// Describe says "tcp 192.0.2.1:2083".
func (l *Listener) Describe() string { return l.cfg.Method + " " + l.local.String() }

// Context is frio.Shard's.
func (l *Listener) Context() *talloc.Context { return &l.ctx }

// Kind is that of the children.
func (l *Listener) Kind() frio.Kind { return frio.Stream }

// State tells the state.
func (l *Listener) State() frio.State { return l.state }

// SetAdmit has admit asked about each connection; a Unix socket's peer has no address.
func (l *Listener) SetAdmit(admit frio.Admit) error {
	l.ctx.Touch("set admit")
	switch {
	case l.closed:
		return net.ErrClosed
	case l.state == frio.StateListening:
		return fmt.Errorf("set admit of %s: it is open", l.Describe())
	}
	l.admit = admit
	return nil
}

// Open makes the socket and listens.
func (l *Listener) Open() error {
	l.ctx.Touch("open")
	if l.closed {
		return net.ErrClosed
	}
	if l.state == frio.StateListening {
		return fmt.Errorf("open %s: it is open", l.Describe())
	}
	fd, err := l.how.Open(&l.heir)
	if err != nil {
		return fmt.Errorf("open %s: %w", l.Describe(), err)
	}
	l.fd, l.state = fd, frio.StateListening
	l.reg.Init(fd, (*listenerReady)(l))
	if a, err := l.cfg.Kernel.LocalAddr(fd); err == nil && l.how.Addr.Path == "" {
		l.local = a
	}
	if l.loop != nil {
		loop := l.loop
		l.loop = nil
		return l.Event(loop, l.read, nil)
	}
	return nil
}

// Accept returns the next connection that may be had. Those that networks, peercred or the limit of their source refuse are
// closed unread and counted.
func (l *Listener) Accept(ctx *talloc.Context) (frio.IO, error) {
	l.ctx.Touch("accept")
	ctx.Touch("accept")
	switch {
	case l.closed:
		return nil, net.ErrClosed
	case l.state != frio.StateListening:
		return nil, fmt.Errorf("accept %s: it is not open", l.Describe())
	case l.fd < 0: // Quit
		return nil, net.ErrClosed
	case l.accepted >= acceptBatch, !l.rest.IsZero() && l.now().Before(l.rest):
		return nil, frio.ErrAgain
	}
	for range acceptSkips {
		if !l.how.Slots.take() {
			l.how.Counts.Full.Add(1)
			if l.wait() {
				return nil, frio.ErrAgain
			}
			continue
		}
		c, err := l.acceptOne(ctx)
		if c != nil {
			return c, nil
		}
		l.how.Slots.give()
		if err != nil {
			return nil, err
		}
	}
	return nil, frio.ErrAgain
}

// acceptOne takes one connection from the kernel. Neither a Conn nor an error: it was none that counts, try the next.
func (l *Listener) acceptOne(ctx *talloc.Context) (*Conn, error) {
	k := l.cfg.Kernel
	fd, peer, err := k.Accept(l.fd)
	if err != nil {
		switch sock.Classify(sock.OpAccept, err) {
		case sock.ClassAgain:
			return nil, frio.ErrAgain
		case sock.ClassRetry:
			l.how.Counts.Aborted.Add(1)
			return nil, nil
		case sock.ClassExhausted:
			l.how.Counts.Exhausted.Add(1)
			l.pause()
			return nil, frio.ErrAgain
		}
		return nil, fmt.Errorf("accept %s: %w", l.Describe(), err)
	}
	source := peer.AddrPort.Addr().Unmap()
	peer.AddrPort = netip.AddrPortFrom(source, peer.AddrPort.Port())
	if source.IsValid() && !l.how.Networks.Allowed(source) {
		l.how.Counts.Denied.Add(1)
		k.Close(fd)
		return nil, nil
	}
	if l.admit != nil && !l.admit(peer.AddrPort, l.now()) {
		l.how.Counts.Denied.Add(1)
		k.Close(fd)
		return nil, nil
	}
	var identity *frio.Identity
	if l.how.Identify != nil {
		if identity, err = l.how.Identify(fd); err != nil {
			l.how.Counts.Denied.Add(1)
			k.Close(fd)
			return nil, nil
		}
	}
	if !l.how.Slots.sources.Take(source) {
		l.how.Counts.PerSource.Add(1)
		k.Close(fd)
		return nil, nil
	}
	c, err := l.child(ctx, fd, peer, identity)
	if c == nil {
		l.how.Slots.sources.Give(source)
		k.Close(fd)
	}
	return c, err
}

// child makes the IO of an accepted socket. Its deadlines run on the listener's loop until it is given another. Without a Conn the
// socket is the caller's to close; ErrAgain says that the next would not fare better.
func (l *Listener) child(ctx *talloc.Context, fd int, peer sock.Addr, identity *frio.Identity) (*Conn, error) {
	c, err := newConn(ctx, l.cfg, frio.Server)
	if err != nil {
		// The context is at its limit: as little a reason to stop listening as a lack of descriptors.
		l.how.Counts.Exhausted.Add(1)
		l.pause()
		return nil, frio.ErrAgain
	}
	c.remote, c.identity = peer, identity
	c.loop = l.loop
	if c.adopt(fd) != nil {
		// The peer is gone already, or the loop is full: no reason to stop listening.
		c.reg.Detach()
		c.fd = -1
		c.ctx.Free()
		l.how.Counts.Aborted.Add(1)
		return nil, nil
	}
	l.nextID++
	c.id, c.link, c.slots, c.counts = l.nextID, l, l.how.Slots, l.how.Counts
	l.add(c)
	l.how.Counts.Accepted.Add(1)
	if l.loop != nil {
		l.accepted++
		l.loop.Defer(&l.batch)
	}
	return c, nil
}

// limits says what bounds the connections.
func (l *Listener) limits() string {
	m := &l.cfg.Limits
	return fmt.Sprintf("max_connections %s, per source %s, first_byte_timeout %s, idle_timeout %s, lifetime %s, write_timeout %s",
		count(m.MaxConnections), count(m.MaxConnectionsPerSource), duration(m.FirstByteTimeout), duration(m.IdleTimeout),
		duration(m.Lifetime), duration(m.WriteTimeout))
}

func count(n int) string {
	if n == 0 {
		return "unlimited"
	}
	return strconv.Itoa(n)
}

func duration(d time.Duration) string {
	if d == 0 {
		return "never"
	}
	return d.String()
}

// Connect, Read and Write are for connections.
func (l *Listener) Connect() error            { return l.unsupported() }
func (l *Listener) Read([]byte) (int, error)  { return 0, l.unsupported() }
func (l *Listener) Write([]byte) (int, error) { return 0, l.unsupported() }

func (l *Listener) unsupported() error {
	if l.closed {
		return net.ErrClosed
	}
	return errors.ErrUnsupported
}

// LocalAddr is where it listens, the configured address before Open. There is no remote one.
func (l *Listener) LocalAddr() netip.AddrPort  { return l.local.AddrPort }
func (l *Listener) RemoteAddr() netip.AddrPort { return netip.AddrPort{} }

// SocketAddr is LocalAddr and nothing.
func (l *Listener) SocketAddr() (local, remote netip.AddrPort) {
	return l.local.AddrPort, netip.AddrPort{}
}

// Counts are shared by all that the listener accepted. Thread: any.
func (l *Listener) Counts() *Counts { return l.how.Counts }

// ChildClosed is told that a child is gone.
func (l *Listener) ChildClosed(id uint64) { l.away.Remove(id) }

// Release is told that a slot is free. Thread: any.
func (l *Listener) Release() { l.how.Slots.wake() }

func (l *Listener) add(c *Conn) {
	c.listener, c.next = l, l.children
	if c.next != nil {
		c.next.prev = c
	}
	l.children = c
	l.count++
}

func (l *Listener) remove(c *Conn) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		l.children = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.listener, c.next, c.prev = nil, nil, nil
	l.count--
}

// Children visits the children, the latest first.
func (l *Listener) Children(visit func(frio.Handle) bool) {
	for c := l.children; c != nil; c = c.next {
		if !visit(frio.Handle{ID: c.id, Name: c.Describe(), State: c.state}) {
			return
		}
	}
	l.away.Visit(visit)
}

// Debug writes everything about the listener and its children.
func (l *Listener) Debug(w io.Writer) {
	fmt.Fprintf(w, "%s\n", l.Describe())
	in := frio.Indent(w)
	n := l.how.Counts
	fmt.Fprintf(in, "state %v%s, %s\n", l.state, word(!l.rest.IsZero(), ", resting"), l.limits())
	if l.state != frio.StateClosed || n.Accepted.Load() > 0 {
		fmt.Fprintf(in, "open %d, accepted %d, denied %d, over the limit of their source %d, aborted %d, out of descriptors %d, timed out %d\n",
			l.count+l.away.Len(), n.Accepted.Load(), n.Denied.Load(), n.PerSource.Load(), n.Aborted.Load(), n.Exhausted.Load(), n.Timeouts.Load())
	}
	if l.how.Addr.AddrPort.IsValid() {
		fmt.Fprintf(in, "networks: %s\n", l.how.Networks.String())
	}
	if l.fd >= 0 {
		fmt.Fprintf(in, "%s\n", Granted(l.cfg.Kernel, l.fd, l.cfg.Buffers[0], l.cfg.Buffers[1]))
	}
	if l.cfg.Debug != nil {
		l.cfg.Debug(in)
	}
	for c := l.children; c != nil; c = c.next {
		c.Debug(in)
	}
	l.away.Visit(func(h frio.Handle) bool {
		fmt.Fprintf(in, "%s%s\n", h.Name, word(h.Thread != "", ", on thread "+h.Thread))
		return true
	})
}

// SocketPaths is the name of a Unix socket, and nothing.
func (l *Listener) SocketPaths() (local, remote string) { return l.local.Path, "" }
