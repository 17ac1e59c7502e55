package haproxy

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
)

// acceptSkips is how many refused connections one Accept passes over.
const acceptSkips = 64

// Refusal is why a connection did not come through.
type Refusal uint8

const (
	Untrusted Refusal = iota // its peer is not in trusted: closed unread
	NoHeader                 // it begins like neither version
	Malformed                // its header breaks a rule
	Checksum                 // its header's CRC32C is wrong
	Truncated                // it ended within the header
	Late                     // header_timeout
	Lost                     // it was lost, or met a limit of a lower, within the header
	Denied                   // its real peer is not allowed (networks)
	PerSource                // its real peer has max_connections_per_source already
	refusals
)

var refusalNames = [refusals]string{"untrusted", "without a header", "malformed", "wrong checksum", "truncated", "late", "lost", "denied",
	"over the limit of their source"}

func (r Refusal) String() string { return refusalNames[r] }

// Counts are what a listen and its children, of all its sockets, have counted. Thread: any.
type Counts struct {
	Headers  atomic.Uint64 // that were right, of connections that came through
	Local    atomic.Uint64 // of these, the ones that gave no address
	Timeouts atomic.Uint64 // connections closed by first_byte_timeout, after the header
	Refused  [refusals]atomic.Uint64
}

// Listener is the layer on a listening IO. It is a frio.IO; what is said there is not repeated here.
type Listener struct {
	ctx      talloc.Context
	set      *settings
	lower    frio.IO
	loop     *event.Loop
	children *Conn // the first of those on this thread
	nextID   uint64
	closed   bool
}

var (
	_ frio.IO              = (*Listener)(nil)
	_ frio.Addresser       = (*Listener)(nil)
	_ frio.SocketAddresser = (*Listener)(nil)
	_ frio.Parent          = (*Listener)(nil)
	_ frio.Stater          = (*Listener)(nil)
	_ frio.Layer           = (*Listener)(nil)
	_ frio.Link            = (*Listener)(nil)
	_ frio.Shard           = (*Listener)(nil)
)

func newListener(ctx *talloc.Context, set *settings, lower frio.IO) (frio.IO, error) {
	l := &Listener{set: set, lower: lower}
	if err := l.ctx.Init(base.ContextOf(lower, ctx), "haproxy"); err != nil {
		return nil, err
	}
	l.ctx.OnFree((*listenerFree)(l))
	return l, nil
}

type listenerFree Listener

func (l *listenerFree) Destroy() { _ = (*Listener)(l).Close() }

// Describe says "haproxy+tcp 192.0.2.1:2083".
func (l *Listener) Describe() string { return "haproxy+" + l.lower.Describe() }

// Kind is that of the children.
func (l *Listener) Kind() frio.Kind { return frio.Stream }

// State is the lower's.
func (l *Listener) State() frio.State { return stateOf(l.lower) }

// Context is frio.Shard's.
func (l *Listener) Context() *talloc.Context { return base.ContextOf(l.lower, &l.ctx) }

// Lower is what the layer stands on.
func (l *Listener) Lower() frio.IO { return l.lower }

// Open opens the lower.
func (l *Listener) Open() error {
	l.ctx.Touch("open")
	return l.lower.Open()
}

// Close stops listening and closes the children, these first.
func (l *Listener) Close() error {
	if l.closed {
		return nil
	}
	l.ctx.Touch("close")
	l.closed, l.loop = true, nil
	for l.children != nil {
		_ = l.children.Close()
	}
	return l.lower.Close()
}

// Accept returns the next connection of a trusted peer, whose header is still to come. Others are closed unread and counted.
func (l *Listener) Accept(ctx *talloc.Context) (frio.IO, error) {
	l.ctx.Touch("accept")
	ctx.Touch("accept")
	if l.closed {
		return nil, net.ErrClosed
	}
	for range acceptSkips {
		c, err := newConn(ctx, l.set, frio.Server)
		if err != nil {
			return nil, l.noMemory(ctx)
		}
		// The lower's memory is below the layer's, so that it goes with it.
		lower, err := l.lower.Accept(&c.ctx)
		if err != nil {
			c.ctx.Free()
			return nil, err
		}
		c.lower = lower
		if !l.set.trusts(lower) {
			l.set.counts.Refused[Untrusted].Add(1)
			c.ctx.Free()
			continue
		}
		if c.accepted(l) != nil {
			// The loop is full: no reason to stop listening.
			l.set.counts.Refused[Lost].Add(1)
			c.ctx.Free()
			continue
		}
		return c, nil
	}
	return nil, frio.ErrAgain
}

// noMemory lets the lower meet the limit of ctx as well: it knows how to rest.
func (l *Listener) noMemory(ctx *talloc.Context) error {
	c, err := l.lower.Accept(ctx)
	if err == nil {
		_ = c.Close()
		return frio.ErrAgain
	}
	return err
}

// trusts tells whether the peer of a connection may say who it speaks for.
func (s *settings) trusts(lower frio.IO) bool {
	if s.local {
		return true
	}
	_, peer := socketAddr(lower)
	return peer.IsValid() && s.trusted.Allowed(peer.Addr())
}

// Event puts the lower into a loop; read is called while a connection waits.
func (l *Listener) Event(loop *event.Loop, read, write func()) error {
	l.ctx.Touch("event")
	err := l.lower.Event(loop, read, write)
	if err == nil {
		l.loop = loop
	}
	return err
}

func (l *Listener) now() time.Time {
	if l.loop != nil {
		return l.loop.Now()
	}
	return l.set.kernel.Now()
}

// Connect, Read and Write are for connections.
func (l *Listener) Connect() error              { return l.lower.Connect() }
func (l *Listener) Read(p []byte) (int, error)  { return l.lower.Read(p) }
func (l *Listener) Write(p []byte) (int, error) { return l.lower.Write(p) }

// LocalAddr is the lower's. There is no remote one.
func (l *Listener) LocalAddr() netip.AddrPort  { return localAddr(l.lower) }
func (l *Listener) RemoteAddr() netip.AddrPort { return remoteAddr(l.lower) }

// SocketAddr is the lower's.
func (l *Listener) SocketAddr() (local, remote netip.AddrPort) { return socketAddr(l.lower) }

// Counts are shared by all sockets of the listen. Thread: any.
func (l *Listener) Counts() *Counts { return l.set.counts }

// ChildClosed is told by a child that it is gone.
func (l *Listener) ChildClosed(uint64) {}

// Release is told that a slot is free; the layer has none that accept waits for. Thread: any.
func (l *Listener) Release() {}

func (l *Listener) add(c *Conn) {
	c.listener, c.next = l, l.children
	if c.next != nil {
		c.next.prev = c
	}
	l.children = c
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
}

// Children visits the children, the latest first.
func (l *Listener) Children(visit func(frio.Handle) bool) {
	for c := l.children; c != nil; c = c.next {
		if !visit(frio.Handle{ID: c.id, Name: c.Describe(), State: c.State()}) {
			return
		}
	}
}

// Debug writes everything about the listener and its children. What these stand on is shown below the lower.
func (l *Listener) Debug(w io.Writer) {
	fmt.Fprintf(w, "%s\n", l.Describe())
	in := frio.Indent(w)
	fmt.Fprintf(in, "state %v, ", l.State())
	l.set.debug(in)
	l.set.counts.debug(in)
	for c := l.children; c != nil; c = c.next {
		c.debug(in)
	}
	l.lower.Debug(in)
}

// debug prints the counts that are not zero, once there are any.
func (n *Counts) debug(w io.Writer) {
	text := ""
	for r := range refusals {
		if count := n.Refused[r].Load(); count > 0 {
			text += fmt.Sprintf(", %v %d", r, count)
		}
	}
	if headers := n.Headers.Load(); headers > 0 || text != "" {
		fmt.Fprintf(w, "headers %d, without an address %d%s\n", headers, n.Local.Load(), text)
	}
	if timeouts := n.Timeouts.Load(); timeouts > 0 {
		fmt.Fprintf(w, "first_byte_timeout %d\n", timeouts)
	}
}
