package udp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

// restDelay is how long a listener rests when the poller, or the context of a child to be, has no room: 10 attempts a second.
const restDelay = 100 * time.Millisecond

// Listener is the server side: an unconnected socket. Without children it is read and written; with children it reads
// by itself, and Accept returns them. It is a frio.IO; what is said there is not repeated here.
type Listener struct {
	ctx talloc.Context
	socket
	set         *settings
	heir        base.Inheritance
	group       *group         // the sockets of its address
	shard       int            // its number there
	local       netip.AddrPort // the configured one before Open
	state       frio.State
	reg         event.FD
	notice      event.Task // announces what the poller does not know of
	timer       event.Timer
	loop        *event.Loop
	read, write func()
	rest        time.Time // neither the poller nor Accept is tried before
	closed      bool

	err                   error // final: the socket is lost
	readEnded, writeEnded bool  // it was returned

	demux
}

var (
	_ frio.IO              = (*Listener)(nil)
	_ frio.PacketIO        = (*Listener)(nil)
	_ frio.Addresser       = (*Listener)(nil)
	_ frio.SocketAddresser = (*Listener)(nil)
	_ frio.Parent          = (*Listener)(nil)
	_ frio.Stater          = (*Listener)(nil)
	_ frio.Gated           = (*Listener)(nil)
	_ frio.Link            = (*Listener)(nil)
	_ frio.Shard           = (*Listener)(nil)
	_ frio.Heir            = (*Listener)(nil)
)

func newListener(ctx *talloc.Context, set *settings, g *group) (*Listener, error) {
	l := &Listener{set: set, group: g, shard: len(g.members), local: g.addr}
	if err := l.ctx.Init(ctx, "udp"); err != nil {
		return nil, err
	}
	l.socket = socket{mem: &l.ctx, kernel: sock.KernelOf(ctx), opts: &set.options, fd: -1, networks: &set.networks}
	l.ctx.OnFree((*listenerFree)(l))
	l.notice.Init((*listenerNotice)(l))
	l.timer.Init((*listenerTimer)(l))
	l.leavers.timer.Init((*listenerLeavers)(l))
	g.members = append(g.members, l)
	return l, nil
}

// The parts of a Listener that its loop calls. They are types of their own so that their methods are not the Listener's.
type (
	listenerFree    Listener
	listenerNotice  Listener
	listenerTimer   Listener
	listenerReady   Listener
	listenerLeavers Listener
)

func (l *listenerFree) Destroy() { (*Listener)(l).end() }

func (l *listenerNotice) RunTask()         { (*Listener)(l).announce() }
func (l *listenerNotice) Describe() string { return (*Listener)(l).Describe() }

func (l *listenerTimer) Expire(time.Time) {
	l.rest = time.Time{}
	(*Listener)(l).rewish()
}
func (l *listenerTimer) Describe() string { return (*Listener)(l).Describe() }

func (l *listenerReady) Ready(r event.Ready) { (*Listener)(l).ready(r) }
func (l *listenerReady) Describe() string    { return (*Listener)(l).Describe() }

// Describe says "udp 192.0.2.1:1812".
func (l *Listener) Describe() string { return "udp " + l.local.String() }

// Kind is Datagram.
func (l *Listener) Kind() frio.Kind { return frio.Datagram }

// State tells the state.
func (l *Listener) State() frio.State { return l.state }

// SetGate has g asked about every datagram, before there is state for it. A listener with a gate has children.
// A nil g takes the gate away; the children stay.
func (l *Listener) SetGate(g frio.Gate) error {
	l.ctx.Touch("set gate")
	switch {
	case l.closed:
		return net.ErrClosed
	case l.state != frio.StateClosed:
		return fmt.Errorf("set gate of %s: it is open", l.Describe())
	}
	if err := l.set.gated(); err != nil {
		return err
	}
	l.gate = g
	return nil
}

// Open makes the socket and binds it.
func (l *Listener) Open() error {
	l.ctx.Touch("open")
	switch {
	case l.closed:
		return net.ErrClosed
	case l.state != frio.StateClosed:
		return fmt.Errorf("open %s: it is open", l.Describe())
	}
	steered := l.heir.Waits()
	fd, err := l.group.openSocket(l.kernel, l.set, l.shard, &l.heir)
	if err != nil {
		return fmt.Errorf("open %s: %w", l.Describe(), err)
	}
	l.fd, l.state = fd, frio.StateListening
	if a, err := l.kernel.LocalAddr(fd); err == nil {
		l.local = addrOf(a)
	}
	if !steered {
		l.group.settle()
	}
	l.reg.Init(fd, (*listenerReady)(l))
	if loop := l.loop; loop != nil {
		if err = l.reg.Attach(loop); err == nil {
			err = l.wish()
		}
		if err != nil {
			l.reg.Detach()
			l.shut()
			l.state = frio.StateClosed
			return fmt.Errorf("open %s: %w", l.Describe(), err)
		}
	}
	return nil
}

// Inherit is frio.Heir's. All shards of a port are to inherit, or none.
func (l *Listener) Inherit(from frio.IO) (shared bool, err error) {
	l.ctx.Touch("inherit")
	l.heir.Drop(l.kernel)
	old, ok := from.(*Listener)
	if !ok || l.closed || l.state != frio.StateClosed || l.kernel != old.kernel || l.local != old.local ||
		l.shard != old.shard || len(l.group.members) != len(old.group.members) || !l.set.fit(old.set) {
		return false, errors.ErrUnsupported
	}
	return old.set.demux, l.heir.Of(l.kernel, old.fd, nil)
}

// now is the loop's time, or the system's without one.
func (l *Listener) now() time.Time {
	if l.loop != nil {
		return l.loop.Now()
	}
	return l.kernel.Now()
}

// usable tells why there is no reading or writing here; nil: there is.
func (l *Listener) usable(what string) error {
	switch {
	case l.closed:
		return net.ErrClosed
	case l.set.demux:
		return errors.ErrUnsupported
	case l.err != nil:
		return l.err
	case l.state != frio.StateListening:
		return fmt.Errorf("%s %s: it is not open", what, l.Describe())
	}
	return nil
}

// Read reads one datagram of anybody; ReadPackets tells of whom. With children it is ErrUnsupported.
func (l *Listener) Read(p []byte) (int, error) {
	l.ctx.Touch("read")
	if err := l.usable("read"); err != nil {
		return 0, l.endRead(err)
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := l.readOne(p)
	return n, l.didRead(err)
}

// ReadPackets reads a batch. With children it is ErrUnsupported.
func (l *Listener) ReadPackets(packets []frio.Packet) (int, error) {
	l.ctx.Touch("read")
	if err := l.usable("read"); err != nil {
		return 0, l.endRead(err)
	}
	n, err := l.readPackets(packets)
	return n, l.didRead(err)
}

// Write is ErrUnsupported: an unconnected socket has no peer. WritePackets names it.
func (l *Listener) Write([]byte) (int, error) {
	l.ctx.Touch("write")
	if l.closed {
		return 0, net.ErrClosed
	}
	return 0, errors.ErrUnsupported
}

// WritePackets sends a batch. With children it is ErrUnsupported: each has its own.
func (l *Listener) WritePackets(packets []frio.Packet) (int, error) {
	l.ctx.Touch("write")
	if err := l.usable("write"); err != nil {
		if err == l.err {
			l.writeEnded = true
		}
		return 0, err
	}
	if len(packets) == 0 {
		return 0, nil
	}
	count, err := l.send(packets)
	if err != nil {
		err, final := l.writeError(err)
		if final {
			l.fail(err)
			l.writeEnded = true
		}
		return 0, err
	}
	return count, nil
}

// didRead makes the result of reading, and announces what is left of a train.
func (l *Listener) didRead(err error) error {
	if l.train.pending() {
		l.rewish()
	}
	if _, ok := err.(*frio.PacketError); ok || err == nil || err == frio.ErrAgain {
		return err
	}
	err, final := l.readError(err)
	if final {
		l.fail(err)
		return l.endRead(err)
	}
	return err
}

func (l *Listener) endRead(err error) error {
	if err == l.err {
		l.readEnded = true
	}
	return err
}

// fail ends a listener whose socket is of no use any more: only a mistake of this program does that.
func (l *Listener) fail(err error) {
	if l.err != nil {
		return
	}
	l.err, l.state = err, frio.StateFailed
	l.reg.Detach()
	l.shut()
	l.failChildren(err)
	l.rewish()
}

// Close closes the socket and the children.
func (l *Listener) Close() error {
	if l.closed {
		return nil
	}
	l.ctx.Touch("close")
	l.end()
	return nil
}

func (l *Listener) end() {
	if l.closed {
		return
	}
	l.closed = true
	l.mail.shut()
	for c := l.mail.takeGone(); c != nil; c = l.mail.takeGone() {
		l.addLeaver(c)
		l.forgetChild(c)
	}
	loop := l.loop
	l.leave()
	l.closeChildren(loop)
	l.closeLeavers()
	l.heir.Drop(l.kernel)
	l.shut()
	l.state = frio.StateClosed
}

// Connect is for clients.
func (l *Listener) Connect() error {
	if l.closed {
		return net.ErrClosed
	}
	return errors.ErrUnsupported
}

// CloseWrite is not for datagrams.
func (l *Listener) CloseWrite() error { return l.Connect() }

// LocalAddr is where it listens, the configured address before Open. There is no remote one.
func (l *Listener) LocalAddr() netip.AddrPort  { return l.local }
func (l *Listener) RemoteAddr() netip.AddrPort { return netip.AddrPort{} }

// SocketAddr is LocalAddr and nothing.
func (l *Listener) SocketAddr() (local, remote netip.AddrPort) { return l.local, netip.AddrPort{} }

// Context is frio.Shard's. The contexts that its children were accepted into go along when the listener goes to another thread.
func (l *Listener) Context() *talloc.Context { return &l.ctx }

// Counts are those of the socket. Thread: any.
func (l *Listener) Counts() *Counts { return &l.counts }

// Debug writes everything about the listener and its children.
func (l *Listener) Debug(w io.Writer) {
	fmt.Fprintf(w, "%s\n", l.Describe())
	in := frio.Indent(w)
	fmt.Fprintf(in, "state %v%s%s%s%s\n", l.state, word(l.read != nil, ", wants read"), word(l.write != nil, ", wants write"),
		word(l.loop == nil, ", no loop"), word(l.resting(), ", resting"))
	if l.err != nil {
		fmt.Fprintf(in, "ended: %v\n", l.err)
	}
	l.set.debug(in, l.kernel, l.fd)
	if n := len(l.group.members); n > 1 {
		fmt.Fprintf(in, "shard %d of %d\n", l.shard+1, n)
	}
	fmt.Fprintf(in, "reuse_port %s, children %s%s\n", base.YesNo(l.set.ReusePort), mode(l.set), word(l.gate != nil, " with a gate"))
	fmt.Fprintf(in, "networks: %s\n", l.set.networks.String())
	if l.fd >= 0 || l.counts.In.Load() > 0 {
		l.counts.debug(in)
	}
	if l.set.demux {
		l.debugChildren(in)
	}
}

func mode(s *settings) string {
	switch {
	case s.connected:
		return "connected"
	case s.demux:
		return "demux"
	}
	return "none"
}

func word(is bool, w string) string {
	if is {
		return w
	}
	return ""
}
