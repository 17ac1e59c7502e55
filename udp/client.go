package udp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

// Client is the connecting side: a socket whose peer the kernel knows. That nobody listens there is a *frio.PacketError of Read or
// Write, and not the end: somebody may listen later. It is a frio.IO; what is said there is not repeated here.
type Client struct {
	ctx talloc.Context
	end
	options options
	target  *base.Target
	dial    *base.Dialer // until it is connected
	state   frio.State
}

var (
	_ frio.IO              = (*Client)(nil)
	_ frio.PacketIO        = (*Client)(nil)
	_ frio.Addresser       = (*Client)(nil)
	_ frio.SocketAddresser = (*Client)(nil)
	_ frio.Stater          = (*Client)(nil)
	_ frio.Lingerer        = (*Client)(nil)
	_ frio.Copier          = (*Client)(nil)
)

func newClient(ctx *talloc.Context, opts *options, target *base.Target) (*Client, error) {
	c := &Client{options: *opts, target: target}
	if err := c.ctx.Init(ctx, "udp"); err != nil {
		return nil, err
	}
	k := sock.KernelOf(ctx)
	c.socket = socket{mem: &c.ctx, kernel: k, opts: &c.options, fd: -1}
	c.ctx.OnFree((*clientFree)(c))
	c.timer.Init((*clientDial)(c))
	c.of = c
	c.notice.Init((*endNotice)(&c.end))
	c.dial = base.NewDialer(base.Dialing{
		Method: "udp",
		Kind:   frio.Datagram,
		Kernel: k,
		Setup:  func(fd int, _ bool) error { return c.options.set(k, fd) },
		Owner:  (*clientDial)(c),
	}, target)
	return c, nil
}

// Copy makes another client of the same target.
func (c *Client) Copy(ctx *talloc.Context) (frio.IO, error) {
	return newClient(ctx, &c.options, c.target)
}

// The parts of a Client that its loop calls.
type (
	clientFree Client
	clientDial Client
)

func (c *clientFree) Destroy() { (*Client)(c).finish() }

func (c *clientDial) Advance()         { (*Client)(c).advance() }
func (c *clientDial) Expire(time.Time) { (*Client)(c).advance() }
func (c *clientDial) Describe() string { return (*Client)(c).Describe() }

// Describe says "udp 198.51.100.7:40112 -> 192.0.2.1:1812".
func (c *Client) Describe() string {
	if !c.remote.IsValid() {
		return "udp -> " + c.target.String()
	}
	return "udp " + c.local.String() + " -> " + c.remote.String()
}

// State tells the state.
func (c *Client) State() frio.State { return c.state }

// Open, Accept and CloseWrite are not for clients.
func (c *Client) Open() error                             { return c.unsupported() }
func (c *Client) Accept(*talloc.Context) (frio.IO, error) { return nil, c.unsupported() }
func (c *Client) CloseWrite() error                       { return c.unsupported() }

func (c *Client) unsupported() error {
	if c.closed {
		return net.ErrClosed
	}
	return errors.ErrUnsupported
}

// Connect resolves the peer's name and fixes it as the peer. Without a name to resolve it succeeds or fails at once.
func (c *Client) Connect() error {
	c.ctx.Touch("connect")
	switch {
	case c.closed:
		return net.ErrClosed
	case c.state == frio.StateOpen:
		return nil
	case c.err == nil:
		if err := c.step(); err == nil || err == frio.ErrAgain {
			return err
		}
	}
	// The caller knows by this result: no callback has to announce it.
	c.readEnded, c.writeEnded = true, true
	c.notice.Cancel()
	return c.err
}

// step starts to connect, and goes on with it if no loop does.
func (c *Client) step() error {
	if c.state == frio.StateConnecting && c.loop != nil {
		return frio.ErrAgain
	}
	if c.state == frio.StateClosed {
		c.state = frio.StateConnecting
		c.dial.Attach(c.loop)
	}
	return c.dialed(c.dial.Step(c.now()))
}

func (c *Client) advance() {
	if c.dial != nil {
		_ = c.dialed(c.dial.Step(c.now())) // what it says is announced
	}
}

// dialed takes what a step of the dialer said.
func (c *Client) dialed(err error) error {
	switch err {
	case frio.ErrAgain:
		if c.loop != nil {
			c.timer.Set(c.loop, c.dial.Next())
		}
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

// adopt takes the connected socket.
func (c *Client) adopt(fd int) error {
	c.fd = fd
	c.timer.Stop()
	c.reg.Init(fd, (*endReady)(&c.end))
	local, err := c.kernel.LocalAddr(fd)
	if err != nil {
		return err
	}
	remote, err := c.kernel.RemoteAddr(fd)
	if err != nil {
		return err
	}
	c.local, c.remote = addrOf(local), addrOf(remote)
	c.peer = c.remote
	c.state = frio.StateOpen
	if c.loop != nil {
		if err := c.reg.Attach(c.loop); err != nil {
			return err
		}
	}
	return c.wish()
}

// drive goes on with connecting; an error says that it is on the way or the end.
func (c *Client) drive() error {
	if c.dial == nil {
		return nil
	}
	return c.step()
}

// Read reads one datagram of the peer.
func (c *Client) Read(p []byte) (int, error) {
	c.ctx.Touch("read")
	if c.err != nil {
		return 0, c.endRead()
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := c.drive(); err != nil {
		return 0, c.driven(err, &c.readEnded)
	}
	n, err := c.readOne(p)
	return n, c.didRead(err)
}

// ReadPackets reads a batch.
func (c *Client) ReadPackets(packets []frio.Packet) (int, error) {
	c.ctx.Touch("read")
	if c.err != nil {
		return 0, c.endRead()
	}
	if err := c.drive(); err != nil {
		return 0, c.driven(err, &c.readEnded)
	}
	n, err := c.readPackets(packets)
	return n, c.didRead(err)
}

// driven marks the end as returned, if err is the end.
func (c *Client) driven(err error, ended *bool) error {
	if err != frio.ErrAgain {
		*ended = true
		c.tell()
	}
	return err
}

// Write sends p to the peer.
func (c *Client) Write(p []byte) (int, error) {
	c.ctx.Touch("write")
	if c.err != nil {
		return 0, c.endWrite()
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := c.drive(); err != nil {
		return 0, c.driven(err, &c.writeEnded)
	}
	return c.sendOne(p)
}

// WritePackets sends the Data of each to the peer. A Remote, where one is set, must be the peer's: another one is EISCONN.
func (c *Client) WritePackets(packets []frio.Packet) (int, error) {
	c.ctx.Touch("write")
	if c.err != nil {
		return 0, c.endWrite()
	}
	if err := c.drive(); err != nil {
		return 0, c.driven(err, &c.writeEnded)
	}
	if len(packets) == 0 {
		return 0, nil
	}
	return c.sendPackets(packets)
}

// Debug writes everything about the client.
func (c *Client) Debug(w io.Writer) {
	fmt.Fprintf(w, "%s\n", c.Describe())
	in := frio.Indent(w)
	c.debugState(in, c.state, "")
	if c.err != nil {
		fmt.Fprintf(in, "ended: %v\n", c.err)
	}
	if c.dial != nil {
		c.dial.Debug(in)
	}
	c.options.debug(in, c.kernel, c.fd)
	if c.fd >= 0 || c.counts.In.Load() > 0 || c.counts.Out.Load() > 0 {
		c.counts.debug(in)
	}
}
