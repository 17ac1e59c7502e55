package haproxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
)

// Conn is the layer on one connection, accepted or connecting. Until the header is through it drives the lower; from then on
// it hands everything on. It is a frio.IO; what is said there is not repeated here.
type Conn struct {
	ctx   talloc.Context
	set   *settings
	lower frio.IO
	role  frio.Role
	open  bool // the header is through
	plain bool // nothing is left to do here: calls and callbacks are the lower's

	// What the caller asked of Event last; while it is plain, for Debug only.
	loop        *event.Loop
	read, write func()

	// While it is not plain:
	wake     func() // the lower's callback until the header is through
	timer    event.Timer
	notice   event.Task // announces a failure: there is no lower any more that could
	headerBy time.Time  // header_timeout; zero: never
	firstBy  time.Time  // first_byte_timeout, until the first byte behind the header was read

	err                   error // final for both directions
	readEnded, writeEnded bool  // it was returned: the wish is gone
	unsent                error // what the failure lost of what Write took: Close tells

	header Header        // received, or to be sent
	in     talloc.Buffer // the header so far; kept where it has TLVs
	got    int           // bytes in it
	more   int           // bytes that it must still get, at least
	sent   int           // bytes of the header that is sent
	source netip.Addr    // which holds a place of max_connections_per_source; not valid: none

	listener   *Listener // whose list it is in; nil elsewhere
	link       frio.Link
	id         uint64
	next, prev *Conn
}

// Headerer is the ability of an accepted connection that knows what its PROXY header said.
type Headerer interface {
	// Header returns it; nil until it has come. It is the connection's, and changes with Close.
	Header() *Header
}

var (
	_ frio.IO              = (*Conn)(nil)
	_ frio.CloseWriter     = (*Conn)(nil)
	_ frio.Addresser       = (*Conn)(nil)
	_ frio.SocketAddresser = (*Conn)(nil)
	_ frio.Corker          = (*Conn)(nil)
	_ frio.Stater          = (*Conn)(nil)
	_ frio.Linked          = (*Conn)(nil)
	_ frio.Lingerer        = (*Conn)(nil)
	_ frio.Peer            = (*Conn)(nil)
	_ frio.Identified      = (*Conn)(nil)
	_ frio.Layer           = (*Conn)(nil)
	_ frio.Copier          = (*Conn)(nil)
	_ frio.AddrSetter      = (*Conn)(nil)
	_ Headerer             = (*Conn)(nil)
)

func newConn(ctx *talloc.Context, set *settings, role frio.Role) (*Conn, error) {
	c := &Conn{set: set, role: role}
	if err := c.ctx.Init(ctx, "haproxy"); err != nil {
		return nil, err
	}
	c.ctx.OnFree((*connFree)(c))
	c.timer.Init((*connTimer)(c))
	c.notice.Init((*connNotice)(c))
	c.wake = (*connWake)(c).ready
	return c, nil
}

func newClient(ctx *talloc.Context, set *settings, lower frio.IO) (frio.IO, error) {
	c, err := newConn(ctx, set, frio.Client)
	if err != nil {
		return nil, err
	}
	c.lower, c.header = lower, set.header
	return c, nil
}

// Copy makes another connecting side on a copy of the lower.
func (c *Conn) Copy(ctx *talloc.Context) (frio.IO, error) {
	below, ok := c.lower.(frio.Copier)
	if !ok || c.role == frio.Server {
		return nil, errors.ErrUnsupported
	}
	lower, err := below.Copy(ctx)
	if err != nil {
		return nil, err
	}
	return newClient(ctx, c.set, lower)
}

// The parts of a Conn that its loop and its lower call. They are types of their own so that their methods are not the Conn's.
type (
	connFree   Conn
	connTimer  Conn
	connNotice Conn
	connWake   Conn
)

func (c *connFree) Destroy() { (*Conn)(c).gone() }

func (c *connTimer) Expire(now time.Time) { (*Conn)(c).expire(now) }
func (c *connTimer) Describe() string     { return (*Conn)(c).Describe() }

func (c *connNotice) RunTask()         { (*Conn)(c).announce() }
func (c *connNotice) Describe() string { return (*Conn)(c).Describe() }

func (c *connWake) ready() { _ = (*Conn)(c).step() }

// accepted makes c a child of l. It is on the listener's loop until it is given another.
func (c *Conn) accepted(l *Listener) error {
	now, limits := l.now(), &c.set.timeouts
	if limits.HeaderTimeout > 0 {
		c.headerBy = now.Add(limits.HeaderTimeout)
	}
	if limits.FirstByteTimeout > 0 {
		c.firstBy = now.Add(limits.FirstByteTimeout)
	}
	if l.loop != nil {
		if err := c.Event(l.loop, nil, nil); err != nil {
			return err
		}
	}
	l.nextID++
	c.id, c.link = l.nextID, l
	l.add(c)
	return nil
}

// Describe says "haproxy+tcp 192.0.2.1:2083 <- 198.51.100.7:40112": the real addresses, once known.
func (c *Conn) Describe() string {
	if c.lower == nil {
		return "haproxy"
	}
	below := c.lower.Describe()
	if c.role == frio.Client || !c.header.real() {
		return "haproxy+" + below
	}
	return "haproxy+" + firstWord(below) + " " + c.header.ends()
}

// firstWord is the stack's name in what Describe says.
func firstWord(text string) string {
	for i := range len(text) {
		if text[i] == ' ' {
			return text[:i]
		}
	}
	return text
}

// Kind is Stream.
func (c *Conn) Kind() frio.Kind { return frio.Stream }

// State is the lower's; handshaking while that is open and the header is not through.
func (c *Conn) State() frio.State {
	switch {
	case c.err == net.ErrClosed:
		return frio.StateClosed
	case c.err != nil:
		return frio.StateFailed
	}
	s := stateOf(c.lower)
	if s == frio.StateOpen && !c.open {
		return frio.StateHandshaking
	}
	return s
}

// Lower is what the layer stands on.
func (c *Conn) Lower() frio.IO { return c.lower }

// Open is not for connections.
func (c *Conn) Open() error {
	if c.err == net.ErrClosed {
		return c.err
	}
	return errors.ErrUnsupported
}

// Accept is not for connections.
func (c *Conn) Accept(*talloc.Context) (frio.IO, error) {
	if c.err == net.ErrClosed {
		return nil, c.err
	}
	return nil, errors.ErrUnsupported
}

// Connect brings the lower up and sends the header.
func (c *Conn) Connect() error {
	if c.plain {
		return c.lower.Connect()
	}
	c.ctx.Touch("connect")
	switch {
	case c.err == net.ErrClosed:
		return c.err
	case c.role == frio.Server:
		return errors.ErrUnsupported
	}
	err := c.step()
	if c.err != nil {
		// The caller knows by this result: no callback has to announce it.
		c.readEnded, c.writeEnded = true, true
		c.notice.Cancel()
	}
	return err
}

// Read reads bytes behind the header. A call that gets the header through has made its step, and reads none.
func (c *Conn) Read(p []byte) (int, error) {
	if c.plain {
		return c.lower.Read(p)
	}
	c.ctx.Touch("read")
	if c.err == nil && len(p) == 0 {
		return 0, nil
	}
	open := c.open
	if err := c.step(); err != nil {
		c.readEnded = c.readEnded || c.err != nil
		return 0, err
	}
	if !open {
		return 0, frio.ErrAgain
	}
	n, err := c.lower.Read(p)
	if n > 0 {
		c.first()
	}
	return n, err
}

// Write takes bytes to go behind the header.
func (c *Conn) Write(p []byte) (int, error) {
	if c.plain {
		return c.lower.Write(p)
	}
	c.ctx.Touch("write")
	if c.err == nil && len(p) == 0 {
		return 0, nil
	}
	if err := c.step(); err != nil {
		c.writeEnded = c.writeEnded || c.err != nil
		return 0, err
	}
	return c.lower.Write(p)
}

// CloseWrite ends the writing direction after what was written.
func (c *Conn) CloseWrite() error {
	if c.plain {
		return closeWrite(c.lower)
	}
	c.ctx.Touch("close write")
	if err := c.step(); err != nil {
		c.writeEnded = c.writeEnded || c.err != nil
		return err
	}
	return closeWrite(c.lower)
}

// Cork and Uncork are the lower's.
func (c *Conn) Cork() {
	if k, ok := c.lower.(frio.Corker); ok {
		k.Cork()
	}
}

// Uncork sends what was gathered.
func (c *Conn) Uncork() error {
	if k, ok := c.lower.(frio.Corker); ok {
		return k.Uncork()
	}
	return nil
}

// Close ends the connection; see frio.IO.
func (c *Conn) Close() error { return c.CloseTail(nil) }

// CloseTail is Close after sending tail. Without the header through there is nothing to send it behind.
func (c *Conn) CloseTail(tail []byte) error {
	if c.err == net.ErrClosed {
		return nil
	}
	c.ctx.Touch("close")
	var err error
	switch {
	case c.err != nil:
		err = c.unsent
	case c.open:
		err = closeTail(c.lower, tail)
	default:
		_ = c.lower.Close() // what it has is a header, nothing that Write took
	}
	if err == nil && len(tail) > 0 && (c.err != nil || !c.open) {
		err = &frio.UnsentError{Bytes: len(tail)}
	}
	c.freeInput()
	c.gone()
	return err
}

// gone makes the connection closed for its caller.
func (c *Conn) gone() {
	if c.err == net.ErrClosed {
		return
	}
	c.timer.Stop()
	c.notice.Cancel()
	c.loop, c.read, c.write = nil, nil, nil
	c.err, c.plain = net.ErrClosed, false
	c.readEnded, c.writeEnded = true, true
	c.header.TLVs = nil
	c.freeSource()
	if c.listener != nil {
		c.listener.remove(c)
	}
	if link := c.link; link != nil {
		c.link = nil
		link.ChildClosed(c.id)
	}
}

// SetAddrs is the ability AddrSetter.
func (c *Conn) SetAddrs(source, destination netip.AddrPort) error {
	switch {
	case c.err != nil:
		return c.err
	case c.role == frio.Server:
		return errors.ErrUnsupported
	case c.open || c.sent > 0:
		return errors.New("haproxy: the header is on its way")
	}
	h, err := headerOf(c.set.header.Version, source, destination)
	if err == nil {
		c.header = h
	}
	return err
}

// Header is the ability Headerer.
func (c *Conn) Header() *Header {
	if c.role == frio.Client || c.header.Version == 0 {
		return nil
	}
	return &c.header
}

// LocalAddr is the address that the real peer connected to, once the header said so; until then the socket's.
func (c *Conn) LocalAddr() netip.AddrPort {
	if c.role == frio.Server && c.header.real() {
		return c.header.destination()
	}
	return localAddr(c.lower)
}

// RemoteAddr is the real peer's address, once the header said so; until then the socket's.
func (c *Conn) RemoteAddr() netip.AddrPort {
	if c.role == frio.Server && c.header.real() {
		return c.header.source()
	}
	return remoteAddr(c.lower)
}

// SocketAddr is the lower's.
func (c *Conn) SocketAddr() (local, remote netip.AddrPort) { return socketAddr(c.lower) }

// PeerIdentity is the lower's.
func (c *Conn) PeerIdentity() *frio.Identity {
	if p, ok := c.lower.(frio.Peer); ok {
		return p.PeerIdentity()
	}
	return nil
}

// ID is the number that the listener gave to an accepted connection.
func (c *Conn) ID() uint64 { return c.id }

// SetLink replaces whom the connection tells that it is gone. From then on its listener neither lists nor closes it: the
// connection may go to another thread.
func (c *Conn) SetLink(l frio.Link) {
	if c.listener != nil && l != frio.Link(c.listener) {
		c.listener.remove(c)
	}
	c.link = l
}

// Debug writes everything about the connection and what it stands on.
func (c *Conn) Debug(w io.Writer) {
	c.debug(w)
	c.lower.Debug(frio.Indent(w))
}

// debug is Debug without the lower.
func (c *Conn) debug(w io.Writer) {
	fmt.Fprintf(w, "%s\n", c.Describe())
	in := frio.Indent(w)
	fmt.Fprintf(in, "state %v%s\n", c.State(), c.progress())
	if c.err != nil {
		fmt.Fprintf(in, "ended: %v\n", c.err)
	} else {
		fmt.Fprintf(in, "%swants%s%s%s%s\n", word(c.loop == nil, "in no loop, "), word(c.read != nil, " read"), word(c.write != nil, " write"),
			word(c.read == nil && c.write == nil, " nothing"), word(c.plain, ", hands everything on"))
	}
	if at := c.nearest(); !at.IsZero() && c.err == nil {
		fmt.Fprintf(in, "next deadline in %v\n", at.Sub(c.now()).Round(time.Millisecond))
	}
}

// progress says how far the header is.
func (c *Conn) progress() string {
	switch {
	case c.open && c.role == frio.Client:
		return ", sent: " + c.header.String() + c.sentAddrs()
	case c.header.Version != 0 && c.role == frio.Server:
		return ", header: " + c.header.String() + word(c.header.real(), ", over "+c.lower.Describe())
	case c.role == frio.Client:
		return fmt.Sprintf(", to send: %v%s, %d bytes of it sent", &c.header, c.sentAddrs(), c.sent)
	}
	return fmt.Sprintf(", %d bytes of the header", c.got)
}

func (c *Conn) sentAddrs() string { return word(c.header.real(), " "+c.header.ends()) }

func word(is bool, w string) string {
	if is {
		return w
	}
	return ""
}
