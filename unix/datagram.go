package unix

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

// Datagram is a datagram socket of the local domain. On the listening side Write answers the sender of the datagram that
// Read returned last; a sender without a name cannot be answered, which costs that datagram. It is a frio.IO.
type Datagram struct {
	ctx         talloc.Context
	kernel      sock.Kernel
	opts        *options
	role        frio.Role
	file        *file
	state       frio.State
	fd          int
	heir        base.Inheritance
	reg         event.FD
	loop        *event.Loop
	read, write func()
	last        sock.Addr // who sent what Read returned last
	readErr     error     // final
	closed      bool

	in, out, empty, tooLong, failed uint64 // datagrams
}

var (
	_ frio.IO            = (*Datagram)(nil)
	_ frio.Addresser     = (*Datagram)(nil)
	_ frio.PathAddresser = (*Datagram)(nil)
	_ frio.Stater        = (*Datagram)(nil)
	_ frio.Heir          = (*Datagram)(nil)
)

func newDatagram(ctx *talloc.Context, k sock.Kernel, opts *options, role frio.Role, f *file) (frio.IO, error) {
	d := &Datagram{kernel: k, opts: opts, role: role, file: f, fd: -1}
	if err := d.ctx.Init(ctx, "unix"); err != nil {
		return nil, err
	}
	d.ctx.OnFree((*datagramFree)(d))
	if role == frio.Client {
		return &Client{Datagram: d}, nil
	}
	return d, nil
}

type (
	datagramFree  Datagram
	datagramReady Datagram
)

func (d *datagramFree) Destroy() { _ = (*Datagram)(d).Close() }

func (d *datagramReady) Ready(r event.Ready) {
	loop := d.loop
	if r&event.Read != 0 && d.read != nil {
		d.read()
	}
	if r&event.Write != 0 && d.loop == loop && d.write != nil {
		d.write()
	}
}
func (d *datagramReady) Describe() string { return (*Datagram)(d).Describe() }

// Describe says "unix /run/x.sock", with -> before it for the connecting side.
func (d *Datagram) Describe() string {
	if d.role == frio.Client {
		return "unix -> " + d.file.path
	}
	return "unix " + d.file.path
}

// Kind is Datagram.
func (d *Datagram) Kind() frio.Kind { return frio.Datagram }

// State tells the state.
func (d *Datagram) State() frio.State { return d.state }

// Open makes the listening side's socket.
func (d *Datagram) Open() error {
	d.ctx.Touch("open")
	switch {
	case d.closed:
		return net.ErrClosed
	case d.role == frio.Client:
		return errors.ErrUnsupported
	case d.fd >= 0:
		return fmt.Errorf("open %s: it is open", d.Describe())
	}
	fd, err := d.file.open(&d.heir, frio.Datagram, func(fd int) error { return d.opts.setBuffers(d.kernel, fd) },
		func(int) error { return nil })
	if err != nil {
		return fmt.Errorf("open %s: %w", d.Describe(), err)
	}
	return d.adopt(fd, frio.StateListening)
}

// Inherit is frio.Heir's.
func (d *Datagram) Inherit(from frio.IO) (shared bool, err error) {
	d.ctx.Touch("inherit")
	d.heir.Drop(d.kernel)
	old, ok := from.(*Datagram)
	if !ok || d.closed || d.state != frio.StateClosed || d.role == frio.Client || d.kernel != old.kernel || d.file.path != old.file.path ||
		!base.BuffersFit(old.opts.buffers(), d.opts.buffers()) {
		return false, errors.ErrUnsupported
	}
	return false, d.heir.Of(d.kernel, old.fd, func() { old.file.exists = false })
}

// Connect fixes the peer. It succeeds or fails at once. The socket gets a name where the system makes one up, so that the
// peer can answer.
func (d *Datagram) Connect() error {
	d.ctx.Touch("connect")
	switch {
	case d.closed:
		return net.ErrClosed
	case d.role == frio.Server:
		return errors.ErrUnsupported
	case d.state == frio.StateOpen:
		return nil
	case d.state == frio.StateFailed:
		return d.readErr
	}
	err := d.connect()
	if err != nil {
		d.state = frio.StateFailed
		d.readErr = fmt.Errorf("connect unix %s: %w", d.file.path, err)
		return d.readErr
	}
	return nil
}

func (d *Datagram) connect() error {
	fd, err := d.kernel.Socket(sock.Local, frio.Datagram)
	if err != nil {
		return err
	}
	if err = d.opts.setBuffers(d.kernel, fd); err == nil {
		// Only Linux makes up a name; elsewhere the peer cannot answer, and says so to nobody.
		_ = d.kernel.Bind(fd, sock.Addr{})
		err = d.kernel.Connect(fd, sock.Addr{Path: d.file.path})
	}
	if err != nil {
		d.kernel.Close(fd)
		return err
	}
	return d.adopt(fd, frio.StateOpen)
}

func (d *Datagram) adopt(fd int, s frio.State) error {
	d.fd, d.state = fd, s
	d.reg.Init(fd, (*datagramReady)(d))
	if d.loop == nil {
		return nil
	}
	if err := d.reg.Attach(d.loop); err != nil {
		return err
	}
	return d.wish()
}

// Accept is for streams.
func (d *Datagram) Accept(*talloc.Context) (frio.IO, error) {
	if d.closed {
		return nil, net.ErrClosed
	}
	return nil, errors.ErrUnsupported
}

// ready tells whether data can move; a client that was not connected is now.
func (d *Datagram) ready() error {
	switch {
	case d.closed:
		return net.ErrClosed
	case d.readErr != nil:
		return d.readErr
	case d.fd >= 0:
		return nil
	case d.role == frio.Client:
		return d.Connect()
	}
	return fmt.Errorf("%s: %w", d.Describe(), syscall.ENOTCONN)
}

// Read reads one datagram. Empty ones are skipped and counted.
func (d *Datagram) Read(p []byte) (int, error) {
	d.ctx.Touch("read")
	if err := d.ready(); err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	for range skipMax {
		n, err := d.recv(p)
		if n == 0 && err == nil {
			d.empty++
			continue
		}
		if err == nil {
			d.in++
		}
		return n, err
	}
	return 0, frio.ErrAgain
}

// skipMax is how many empty datagrams one Read passes over.
const skipMax = 64

func (d *Datagram) recv(p []byte) (n int, err error) {
	if d.role == frio.Server {
		n, d.last, err = d.kernel.RecvFrom(d.fd, p)
	} else {
		n, err = d.kernel.Recv(d.fd, p)
	}
	switch {
	case err == nil || err == frio.ErrAgain:
		return n, err
	case err == syscall.EMSGSIZE:
		d.tooLong++
		return 0, &frio.PacketError{Op: "read", Err: frio.ErrTooLong}
	}
	d.failed++
	return 0, &frio.PacketError{Op: "read", Err: err}
}

// Write sends p as one datagram.
func (d *Datagram) Write(p []byte) (int, error) {
	d.ctx.Touch("write")
	if err := d.ready(); err != nil {
		return 0, err
	}
	n, err := d.send(p)
	switch {
	case err == nil:
		d.out++
	case err != frio.ErrAgain:
		d.failed++
		err = &frio.PacketError{Op: "write", Err: err}
	}
	return n, err
}

func (d *Datagram) send(p []byte) (int, error) {
	if d.role == frio.Client {
		return d.kernel.Send(d.fd, p)
	}
	if d.last.Path == "" {
		return 0, syscall.ENOTCONN
	}
	return d.kernel.SendTo(d.fd, p, d.last)
}

// LocalAddr and RemoteAddr are zero: a name is not a netip address.
func (d *Datagram) LocalAddr() netip.AddrPort  { return netip.AddrPort{} }
func (d *Datagram) RemoteAddr() netip.AddrPort { return netip.AddrPort{} }

// SocketPaths are the names of our end and the peer's; what the system has made up for the connecting side is not asked for.
func (d *Datagram) SocketPaths() (local, remote string) {
	if d.role == frio.Client {
		return "", d.file.path
	}
	return d.file.path, ""
}

// Event puts the socket into a loop, changes its wishes, or takes it out.
func (d *Datagram) Event(loop *event.Loop, read, write func()) error {
	d.ctx.Touch("event")
	if loop == nil && (read != nil || write != nil) {
		panic("frio: callbacks without a loop: " + d.Describe())
	}
	sock.CheckLoop(d.kernel, loop)
	if d.closed {
		return net.ErrClosed
	}
	if loop != d.loop {
		if loop != nil && d.loop != nil {
			panic("frio: Event with a second loop; Event(nil, nil, nil) leaves the first: " + d.Describe())
		}
		d.reg.Detach()
		d.loop = loop
		if loop != nil && d.fd >= 0 {
			if err := d.reg.Attach(loop); err != nil {
				d.loop = nil
				return fmt.Errorf("event %s: %w", d.Describe(), err)
			}
		}
	}
	d.read, d.write = read, write
	return d.wish()
}

func (d *Datagram) wish() error {
	if d.loop == nil || d.fd < 0 {
		return nil
	}
	var want event.Ready
	if d.read != nil {
		want |= event.Read
	}
	if d.write != nil {
		want |= event.Write
	}
	return d.reg.Want(want)
}

// Close closes the socket and removes the listening side's file.
func (d *Datagram) Close() error {
	if d.closed {
		return nil
	}
	d.ctx.Touch("close")
	d.closed, d.state = true, frio.StateClosed
	d.reg.Detach()
	d.loop, d.read, d.write = nil, nil, nil
	d.heir.Drop(d.kernel)
	if d.fd >= 0 {
		d.kernel.Close(d.fd)
		d.fd = -1
		d.file.remove()
	}
	return nil
}

// Debug writes everything about the socket.
func (d *Datagram) Debug(w io.Writer) {
	fmt.Fprintf(w, "%s\n", d.Describe())
	in := frio.Indent(w)
	fmt.Fprintf(in, "type datagram, state %v, in %d, out %d, empty %d, too long %d, failed %d\n",
		d.state, d.in, d.out, d.empty, d.tooLong, d.failed)
	if d.fd >= 0 {
		fmt.Fprintf(in, "%s\n", base.Granted(d.kernel, d.fd, d.opts.RecvBuff, d.opts.SendBuff))
	}
}
