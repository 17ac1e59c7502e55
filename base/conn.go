package base

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

// Conn is one connection of a stream method, accepted or connecting. Its memory is one struct in the context of
// whoever accepted or parsed it. It is a frio.IO; what is said there is not repeated here.
type Conn struct {
	ctx    talloc.Context
	cfg    *Stream
	fd     int // -1 without one
	reg    event.FD
	timer  event.Timer
	notice event.Task // announces an end that the descriptor does not show
	loop   *event.Loop
	read   func()
	write  func()

	local, remote sock.Addr
	identity      *frio.Identity
	times         Deadlines

	readErr, writeErr     error // the final result of that direction
	readEnded, writeEnded bool  // it was returned: the wish is gone
	toldRead              bool  // announce called the read callback last
	shut                  bool  // CloseWrite was asked
	shutSent              bool
	corked                bool
	role                  frio.Role // here, the struct fits an allocation of 640 bytes
	state                 frio.State
	out                   output
	unsent                int // bytes that Write took and that a failure lost: Close tells

	target *Target // of the connecting side
	dial   *Dialer // while connecting

	listener   *Listener // whose list it is in; nil elsewhere
	link       frio.Link
	id         uint64
	next, prev *Conn
	slots      *Slots  // where it holds a place of max_connections; nil: none
	counts     *Counts // the listener's

	bytesIn, bytesOut uint64
}

var (
	_ frio.IO              = (*Conn)(nil)
	_ frio.CloseWriter     = (*Conn)(nil)
	_ frio.Addresser       = (*Conn)(nil)
	_ frio.SocketAddresser = (*Conn)(nil)
	_ frio.PathAddresser   = (*Conn)(nil)
	_ frio.Corker          = (*Conn)(nil)
	_ frio.Stater          = (*Conn)(nil)
	_ frio.Linked          = (*Conn)(nil)
	_ frio.Lingerer        = (*Conn)(nil)
	_ frio.Peer            = (*Conn)(nil)
	_ frio.Identified      = (*Conn)(nil)
	_ frio.Copier          = (*Conn)(nil)
)

// Stream is what a stream method gives to its listeners and connections. It does not change after Parse.
type Stream struct {
	Method string // "tcp"
	Kernel sock.Kernel
	Limits Limits
	// Setup sets the options of a connected socket; before is true ahead of Connect. An error of an accepted one closes it.
	Setup   func(fd int, before bool) error
	Buffers [2]int // receive and send buffer asked for, in bytes; 0: the kernel's
	// Debug prints the method's own settings.
	Debug func(w io.Writer)
}

func newConn(ctx *talloc.Context, cfg *Stream, role frio.Role) (*Conn, error) {
	c := &Conn{cfg: cfg, role: role, fd: -1}
	if err := c.ctx.Init(ctx, cfg.Method); err != nil {
		return nil, err
	}
	c.ctx.OnFree((*connFree)(c))
	c.timer.Init((*connTimer)(c))
	c.notice.Init((*connNotice)(c))
	return c, nil
}

// NewClient makes a connection that Connect brings up by target.
func NewClient(ctx *talloc.Context, cfg *Stream, target *Target) (*Conn, error) {
	c, err := newConn(ctx, cfg, frio.Client)
	if err != nil {
		return nil, err
	}
	how := Dialing{Method: cfg.Method, Kind: frio.Stream, Kernel: cfg.Kernel, Setup: cfg.Setup, Owner: (*connDial)(c)}
	c.target, c.dial = target, NewDialer(how, target)
	return c, nil
}

// Copy makes another connection to the same target.
func (c *Conn) Copy(ctx *talloc.Context) (frio.IO, error) {
	if c.role == frio.Server {
		return nil, errors.ErrUnsupported
	}
	return NewClient(ctx, c.cfg, c.target)
}

// The parts of a Conn that its loop calls. They are types of their own so that their methods are not the Conn's.
type (
	connFree   Conn
	connTimer  Conn
	connNotice Conn
	connReady  Conn
	connDial   Conn
)

func (c *connFree) Destroy() { (*Conn)(c).abort() }

func (c *connTimer) Expire(now time.Time) { (*Conn)(c).expire(now) }
func (c *connTimer) Describe() string     { return (*Conn)(c).Describe() }

func (c *connNotice) RunTask()         { (*Conn)(c).announce() }
func (c *connNotice) Describe() string { return (*Conn)(c).Describe() }

func (c *connReady) Ready(r event.Ready) { (*Conn)(c).ready(r) }
func (c *connReady) Describe() string    { return (*Conn)(c).Describe() }

func (c *connDial) Advance()         { (*Conn)(c).advance() }
func (c *connDial) Describe() string { return (*Conn)(c).Describe() }

// Describe says "tcp 192.0.2.1:2083 <- 198.51.100.7:40112", with -> for the connecting side.
func (c *Conn) Describe() string {
	arrow := " <- "
	if c.role == frio.Client {
		arrow = " -> "
	}
	return c.cfg.Method + name(c.local) + arrow + c.peer()
}

// peer names the other end: what is connected, else what Connect tries; an accepted Unix peer has no name.
func (c *Conn) peer() string {
	switch {
	case c.remote != sock.Addr{}:
		return c.remote.String()
	case c.role == frio.Client:
		return c.target.String()
	}
	return "(unnamed)"
}

// name is " 192.0.2.1:2083", or nothing if the address is not known.
func name(a sock.Addr) string {
	if a == (sock.Addr{}) {
		return ""
	}
	return " " + a.String()
}

// Kind is Stream.
func (c *Conn) Kind() frio.Kind { return frio.Stream }

// State tells the state.
func (c *Conn) State() frio.State { return c.state }

// Open is not for connections.
func (c *Conn) Open() error {
	if c.closed() {
		return net.ErrClosed
	}
	return errors.ErrUnsupported
}

// Accept is not for connections.
func (c *Conn) Accept(*talloc.Context) (frio.IO, error) {
	if c.closed() {
		return nil, net.ErrClosed
	}
	return nil, errors.ErrUnsupported
}

// Connect brings the connection up.
func (c *Conn) Connect() error {
	c.ctx.Touch("connect")
	switch {
	case c.closed():
		return net.ErrClosed
	case c.role == frio.Server:
		return errors.ErrUnsupported
	case c.state == frio.StateOpen:
		return nil
	case c.state != frio.StateFailed:
		if err := c.step(); err == nil || err == frio.ErrAgain {
			return err
		}
	}
	// The caller knows by this result: no callback has to announce it.
	c.readEnded, c.writeEnded = true, true
	c.notice.Cancel()
	return c.writeErr
}

// step starts the connecting side, and moves it on if no loop does.
func (c *Conn) step() error {
	if c.state == frio.StateConnecting && c.loop != nil {
		return frio.ErrAgain
	}
	if c.state == frio.StateClosed {
		c.state = frio.StateConnecting
		c.dial.Attach(c.loop)
	}
	return c.dialed(c.dial.Step(c.now()))
}

// dialed takes what a step of the dialer said.
func (c *Conn) dialed(err error) error {
	switch err {
	case frio.ErrAgain:
		c.arm()
		return err
	case nil:
		fd := c.dial.Won()
		c.dial = nil
		if err = c.adopt(fd); err == nil {
			return nil
		}
	}
	c.fail(err)
	return err
}

// adopt takes the socket of a connection that is up.
func (c *Conn) adopt(fd int) error {
	k := c.cfg.Kernel
	c.fd = fd
	c.reg.Init(fd, (*connReady)(c))
	c.local, _ = k.LocalAddr(fd)
	if c.role == frio.Client {
		// A peer that has reset already has no name any more; then Read tells.
		if a, err := k.RemoteAddr(fd); err == nil {
			c.remote = a
		}
	}
	if err := c.cfg.Setup(fd, false); err != nil {
		return err
	}
	c.state = frio.StateOpen
	c.times.Start(c.now(), &c.cfg.Limits)
	if c.loop != nil {
		if err := c.reg.Attach(c.loop); err != nil {
			return err
		}
	}
	c.arm()
	return c.wish()
}

// now is the loop's time, or the system's without one.
func (c *Conn) now() time.Time {
	if c.loop != nil {
		return c.loop.Now()
	}
	return c.cfg.Kernel.Now()
}

func (c *Conn) closed() bool { return c.readErr == net.ErrClosed }

// Read reads bytes of the stream.
func (c *Conn) Read(p []byte) (int, error) {
	c.ctx.Touch("read")
	if c.readErr != nil {
		return 0, c.endRead()
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := c.drive(); err != nil {
		return 0, err
	}
	if c.readErr != nil {
		return 0, c.endRead()
	}
	n, err := c.cfg.Kernel.Recv(c.fd, p)
	if n > 0 {
		c.bytesIn += uint64(n)
		c.times.Got(c.now())
		return n, nil
	}
	if err == frio.ErrAgain {
		return 0, err
	}
	if err == nil {
		c.readErr = io.EOF
		if c.writeErr != nil && !c.shut {
			// A write met the reset first and took the socket's error with it. A lost connection is not an EOF.
			c.readErr = nil
			c.fail(c.writeErr)
		}
	} else {
		c.fail(sock.StreamError(sock.OpReadStream, err))
	}
	return 0, c.endRead()
}

// endRead returns the end of the reading direction, which from now on counts as announced.
func (c *Conn) endRead() error {
	if !c.readEnded {
		c.readEnded = true
		c.rewish()
	}
	return c.readErr
}

func (c *Conn) endWrite() error {
	if !c.writeEnded {
		c.writeEnded = true
		c.rewish()
	}
	return c.writeErr
}

// drive does what a loop would do: connect and time-outs. ErrAgain if the connection is on the way; what else
// went wrong is in readErr and writeErr.
func (c *Conn) drive() error {
	if c.dial != nil {
		if err := c.step(); err == frio.ErrAgain {
			return err
		}
	}
	if c.loop == nil && c.fd >= 0 {
		if limit := c.times.Expired(c.now()); limit != "" {
			c.timeout(limit)
		} else if c.out.len() > 0 && !c.corked && c.writeErr == nil {
			c.flush()
		}
	}
	return nil
}

// Write takes bytes for the stream.
func (c *Conn) Write(p []byte) (int, error) {
	c.ctx.Touch("write")
	if c.writeErr != nil {
		return 0, c.endWrite()
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := c.drive(); err != nil {
		return 0, err
	}
	if c.writeErr != nil {
		return 0, c.endWrite()
	}
	if c.shut {
		c.writeErr = syscall.EPIPE
		return 0, c.endWrite()
	}
	if c.corked {
		n, err := c.out.add(&c.ctx, p)
		if n > 0 || err != frio.ErrAgain {
			return n, err
		}
	}
	if err := c.flush(); err != nil {
		if c.writeErr != nil {
			return 0, c.endWrite()
		}
		return 0, err
	}
	n, err := c.send(p)
	if err != nil && c.writeErr != nil {
		return 0, c.endWrite()
	}
	return n, err
}

// send gives p to the kernel and keeps the write time-out.
func (c *Conn) send(p []byte) (int, error) {
	n, err := c.cfg.Kernel.Send(c.fd, p)
	var rearm bool
	switch {
	case err == nil:
		c.bytesOut += uint64(n)
		if n == len(p) {
			rearm = c.times.Took(c.now())
		} else {
			rearm = c.times.Progress(c.now())
		}
	case err == frio.ErrAgain:
		rearm = c.times.Blocked(c.now())
	default:
		// What the peer sent before the reset is still there to be read: only this direction ends here.
		c.writeErr = sock.StreamError(sock.OpWriteStream, err)
	}
	if rearm {
		c.arm()
	}
	return n, err
}

// flush sends what Cork gathered; ErrAgain while some is left.
func (c *Conn) flush() error {
	for c.out.len() > 0 {
		n, err := c.send(c.out.bytes())
		if err != nil {
			return err
		}
		c.out.drop(n)
	}
	if c.shut && !c.shutSent {
		c.shutSent = true
		if err := c.cfg.Kernel.CloseWrite(c.fd); err != nil {
			c.writeErr = sock.StreamError(sock.OpWriteStream, err)
			return c.writeErr
		}
	}
	return nil
}

// Cork gathers what is written, up to 64 KiB, until Uncork; more goes out at once.
func (c *Conn) Cork() { c.corked = true }

// Uncork sends what was gathered. What the kernel does not take now is kept and sent by the loop, or by the next Write.
func (c *Conn) Uncork() error {
	c.corked = false
	if c.state != frio.StateOpen || c.out.len() == 0 {
		return nil
	}
	err := c.flush()
	c.rewish()
	if err == frio.ErrAgain {
		return nil
	}
	return err
}

// CloseWrite ends the writing direction after what was written.
func (c *Conn) CloseWrite() error {
	c.ctx.Touch("close write")
	switch {
	case c.closed():
		return net.ErrClosed
	case c.writeErr != nil:
		return c.endWrite()
	}
	if err := c.drive(); err != nil {
		return err
	}
	if c.writeErr != nil {
		return c.endWrite()
	}
	c.shut = true
	err := c.flush()
	if c.writeErr != nil {
		return c.endWrite()
	}
	c.rewish()
	if err == frio.ErrAgain {
		return nil
	}
	return err
}

// LocalAddr and RemoteAddr are the socket's; zero for a Unix socket.
func (c *Conn) LocalAddr() netip.AddrPort  { return c.local.AddrPort }
func (c *Conn) RemoteAddr() netip.AddrPort { return c.remote.AddrPort }

// SocketAddr is LocalAddr and RemoteAddr.
func (c *Conn) SocketAddr() (local, remote netip.AddrPort) {
	return c.local.AddrPort, c.remote.AddrPort
}

// SocketPaths are the names of a Unix socket's ends.
func (c *Conn) SocketPaths() (local, remote string) { return c.local.Path, c.remote.Path }

// PeerIdentity is a Unix peer's, nil for others.
func (c *Conn) PeerIdentity() *frio.Identity { return c.identity }

// ID is the number that the listener gave to an accepted connection.
func (c *Conn) ID() uint64 { return c.id }

// SetLink replaces whom the connection tells that it is gone. From then on its listener neither lists nor touches it: the
// connection may go to another thread. Through a frio.Remote it is still the listener's to close.
func (c *Conn) SetLink(l frio.Link) {
	if c.closed() {
		return
	}
	if from := c.listener; from != nil && l != frio.Link(from) {
		from.remove(c)
		if r, ok := l.(frio.Remote); ok {
			from.away.Add(c.id, r)
		}
	}
	c.link = l
}
