package tls

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/tls/dtls"
)

// Listener is the server side: a listener below, whose children get a Conn each. It is a frio.IO; what is said there is not
// repeated here.
type Listener struct {
	ctx      talloc.Context
	how      *shared
	lower    frio.IO
	share    *share
	read     func()
	full     bool // max_handshakes was met: a handshake that ends is told
	timer    event.Timer
	resting  bool // Accept found no memory, and waits for the timer
	closed   bool
	children *Conn // the first of those on this thread
	count    int
	nextID   uint64
	spare    *Conn // for the next Accept, where the last one found nobody
	gate     *gate // over datagrams
}

var (
	_ frio.IO              = (*Listener)(nil)
	_ frio.Addresser       = (*Listener)(nil)
	_ frio.SocketAddresser = (*Listener)(nil)
	_ frio.Parent          = (*Listener)(nil)
	_ frio.Stater          = (*Listener)(nil)
	_ frio.Link            = (*Listener)(nil)
	_ frio.Shard           = (*Listener)(nil)
	_ frio.Layer           = (*Listener)(nil)
	_ frio.Admitter        = (*Listener)(nil)
)

type (
	listenerFree  Listener
	listenerTimer Listener
)

func (l *listenerFree) Destroy() { (*Listener)(l).end() }

func (l *listenerTimer) Expire(time.Time) {
	l.resting = false
	(*Listener)(l).rewish()
}
func (l *listenerTimer) Describe() string { return (*Listener)(l).Describe() }

// restDelay is how long Accept rests when the context of a child to be has no room: 10 attempts a second.
const restDelay = 100 * time.Millisecond

// newListener stands on lower.
func newListener(ctx *talloc.Context, how *shared, lower frio.IO) (*Listener, error) {
	l := &Listener{how: how, lower: lower, share: how.bare}
	if err := l.ctx.Init(base.ContextOf(lower, ctx), "tls"); err != nil {
		return nil, err
	}
	l.ctx.OnFree((*listenerFree)(l))
	l.timer.Init((*listenerTimer)(l))
	how.use()
	return l, nil
}

// Describe says "tls+tcp 192.0.2.1:2083".
func (l *Listener) Describe() string { return "tls+" + l.lower.Describe() }

// Kind is that of the children.
func (l *Listener) Kind() frio.Kind { return l.how.kind }

// Context is frio.Shard's.
func (l *Listener) Context() *talloc.Context { return base.ContextOf(l.lower, &l.ctx) }

// Lower is the listener below.
func (l *Listener) Lower() frio.IO { return l.lower }

// State is that of the listener below.
func (l *Listener) State() frio.State {
	if s, ok := l.lower.(frio.Stater); ok && !l.closed {
		return s.State()
	}
	return frio.StateClosed
}

// Open opens the listener below.
func (l *Listener) Open() error {
	l.ctx.Touch("open")
	if l.closed {
		return net.ErrClosed
	}
	return l.lower.Open()
}

// Accept takes a child of the listener below and returns it at once, in state handshaking. While max_handshakes are under way it
// takes nobody: they wait below.
func (l *Listener) Accept(ctx *talloc.Context) (frio.IO, error) {
	l.ctx.Touch("accept")
	ctx.Touch("accept")
	if l.closed {
		return nil, net.ErrClosed
	}
	for !l.how.slots.Take(1) {
		l.how.counts.Full.Add(1)
		l.full = true
		// One may have ended between Take and here, on another thread.
		if l.how.slots.Used() >= l.how.slots.Max() {
			l.rewish()
			return nil, frio.ErrAgain
		}
	}
	l.full = false
	c, err := l.acceptOne(ctx)
	if err != nil {
		l.how.slots.Give(1)
		return nil, err
	}
	return c, nil
}

func (l *Listener) acceptOne(ctx *talloc.Context) (*Conn, error) {
	c := l.spare
	if c == nil {
		c = new(Conn)
	}
	l.spare = nil
	if err := c.init(ctx, l.how.bare, frio.Server); err != nil {
		// The context is at its limit: no reason to stop listening.
		l.spare = c
		if l.share.loop != nil {
			l.resting = true
			l.timer.Set(l.share.loop, l.share.now().Add(restDelay))
			l.rewish()
		}
		return nil, frio.ErrAgain
	}
	lower, err := l.lower.Accept(&c.ctx)
	if err != nil {
		c.ctx.Free()
		*c = Conn{}
		l.spare = c
		return nil, err
	}
	l.nextID++
	c.lower, c.link, c.mine, c.id, c.slot = lower, l, true, l.nextID, true
	c.onRead = c.fromBelow
	l.add(c)
	c.enterShare(l.share.loop)
	c.begin()
	c.rewish()
	return c, nil
}

// Event puts the listener into a loop; read is called while somebody waits. There is nothing to write. Over datagrams the children
// come along, with their wishes and deadlines.
func (l *Listener) Event(loop *event.Loop, read, write func()) error {
	l.ctx.Touch("event")
	if loop == nil && (read != nil || write != nil) {
		panic("frio: callbacks without a loop: " + l.Describe())
	}
	sock.CheckLoop(l.how.kernel, loop)
	if l.closed {
		return net.ErrClosed
	}
	if loop == l.share.loop {
		l.read = read
		return l.wish()
	}
	if l.gate != nil {
		l.leaveChildren()
	}
	if err := l.lower.Event(loop, nil, nil); err != nil {
		return err
	}
	l.timer.Stop()
	l.resting = false
	l.share.leave()
	l.share = l.how.enter(loop)
	l.read = read
	if l.gate != nil {
		l.enterChildren(loop)
	}
	return l.wish()
}

// leaveChildren takes this layer of the children out of their loop; below they are taken along by their parent.
func (l *Listener) leaveChildren() {
	for c := l.children; c != nil; c = c.next {
		if !c.away {
			c.leaveShare()
		}
	}
}

func (l *Listener) enterChildren(loop *event.Loop) {
	for c := l.children; c != nil; c = c.next {
		if !c.away {
			c.enterShare(loop)
			c.arm()
			c.tell()
		}
	}
}

func (l *Listener) wish() error {
	if l.share.loop == nil {
		return nil
	}
	read := l.read
	if l.full || l.resting {
		read = nil
	}
	return l.lower.Event(l.share.loop, read, nil)
}

// rewish is wish where there is nobody to be told: the listener below tries again by itself.
func (l *Listener) rewish() { _ = l.wish() }

// Release is told that a handshake has ended. Thread: the listener's, or any by a Link in its place.
func (l *Listener) Release() {
	if l.full && !l.closed {
		l.full = false
		l.rewish()
	}
}

// ChildClosed is told by a child that it is gone.
func (l *Listener) ChildClosed(uint64) {}

// Close closes the children, and then what is below.
func (l *Listener) Close() error {
	if l.closed {
		return nil
	}
	l.ctx.Touch("close")
	for l.children != nil {
		_ = l.children.Close() // what it could not send is the child's, whose owner is not asked
	}
	err := l.lower.Close()
	l.end()
	return err
}

// end is what both Close and the end of the context do.
func (l *Listener) end() {
	if l.closed {
		return
	}
	l.closed = true
	for l.children != nil {
		_ = l.children.Close()
	}
	l.timer.Stop()
	l.share.leave()
	l.share = l.how.bare
	l.read, l.spare = nil, nil
	l.how.unuse()
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

// LocalAddr is where it listens.
func (l *Listener) LocalAddr() netip.AddrPort {
	local, _ := addrs(l.lower)
	return local
}

// RemoteAddr is none.
func (l *Listener) RemoteAddr() netip.AddrPort { return netip.AddrPort{} }

// SocketAddr is that of the socket.
func (l *Listener) SocketAddr() (local, remote netip.AddrPort) { return socketAddrs(l.lower) }

// Reload reads the files that the section names again, or takes the section of another IO. With a mistake what was read before stays; else
// those who connect from now on meet the new ones, and who is open is checked by them. It blocks on files: not for a loop. Thread: any.
func (l *Listener) Reload(as frio.IO) error { return l.how.reload(as) }

// OnReload is told when files that are looked after by time were found changed and wrong.
func (l *Listener) OnReload(failed func(error)) { l.how.onReload(failed) }

// Notes are what there is to say about the section.
func (l *Listener) Notes() conf.Errors { return l.how.set.notes() }

// Counts are shared by all shards and children. Thread: any.
func (l *Listener) Counts() *Counts { return &l.how.counts }

// TicketCounts tells of the clients' chains that are kept for tickets, by all shards together. It is false where there are none: over
// streams, and without resumption. Thread: any.
func (l *Listener) TicketCounts() (n dtls.TicketCounts, ok bool) { return l.how.set.ticketCounts() }

func (l *Listener) add(c *Conn) {
	c.next = l.children
	if c.next != nil {
		c.next.prev = c
	}
	l.children = c
	l.count++
	if l.gate != nil {
		l.gate.add(c)
	}
}

func (l *Listener) remove(c *Conn) {
	if l.gate != nil {
		l.gate.remove(c)
	}
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		l.children = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.link, c.mine, c.next, c.prev = nil, false, nil, nil
	l.count--
}

// Children visits the children, the latest first.
func (l *Listener) Children(visit func(frio.Handle) bool) {
	for c := l.children; c != nil; c = c.next {
		if !visit(frio.Handle{ID: c.id, Name: c.Describe(), State: c.State()}) {
			return
		}
	}
}

// Debug writes everything about the listener, its children, and what is below.
func (l *Listener) Debug(w io.Writer) {
	fmt.Fprintf(w, "%s\n", l.Describe())
	in := frio.Indent(w)
	fmt.Fprintf(in, "state %v%s\n", l.State(), word(l.full, ", at max_handshakes"))
	l.how.debug(in)
	if l.gate != nil {
		l.gate.debug(in)
	}
	for c := l.children; c != nil; c = c.next {
		c.debug(in) // what is below them stands below, under their parent there
	}
	l.lower.Debug(in)
}
