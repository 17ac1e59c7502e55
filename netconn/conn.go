package netconn

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/talloc"
)

// writesMax is how many writes to the IO a turn makes for one Write, at 64 KiB or so each: who shares the loop waits no longer.
const writesMax = 16

// Conn is an IO as a net.Conn. Over datagrams Read returns one of them, and Write sends one. Results are those of frio.IO, io.EOF as it
// is and others in a *net.OpError: errors.Is finds frio.ErrReset, frio.ErrTruncated, os.ErrDeadlineExceeded and net.ErrClosed.
// All its methods may be called from any goroutine that is not the pool's, at once.
type Conn struct {
	c     core
	own   talloc.Context // of an accepted one
	stack string

	// What the calls under way are about; guarded by mu of c.
	reading []byte
	writing []byte
	ending  bool // the call is CloseWrite

	// Set before the Conn is handed out.
	addr, socket addrs
	identity     *frio.Identity
}

var _ net.Conn = (*Conn)(nil)

// init makes c a Conn on one, which ctx owns. It is not up yet: rise brings it there.
func (c *Conn) init(one frio.IO, ctx *talloc.Context, rise func() error, risen func(error)) {
	c.stack = stackOf(one)
	c.c.in.try, c.c.out.try = c.tryReadLocked, c.tryWriteLocked
	c.c.rise = func() error {
		err := rise()
		if err == nil {
			c.know()
		}
		return err
	}
	c.c.risen = risen
	c.c.init(one, ctx)
}

// know asks the IO what Conn tells without it.
func (c *Conn) know() {
	one := c.c.io
	c.addr, c.socket = addrsOf(one), socketAddrsOf(one)
	if p, ok := one.(frio.Peer); ok {
		c.identity = p.PeerIdentity()
	}
}

// Read reads what has come, or waits until something comes.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	h := &c.c.in
	h.turn.Lock()
	defer h.turn.Unlock()
	c.c.mu.Lock()
	c.reading = p
	n, err := h.doLocked()
	c.reading = nil
	c.c.mu.Unlock()
	return n, c.wrap("read", err)
}

func (c *Conn) tryReadLocked() (int, error) { return c.c.io.Read(c.reading) }

// Write waits until the IO has taken all of p, which is not yet sent then. After an error it returns how much was taken.
func (c *Conn) Write(p []byte) (int, error) {
	h := &c.c.out
	h.turn.Lock()
	defer h.turn.Unlock()
	c.c.mu.Lock()
	c.writing = p
	n, err := h.doLocked()
	c.writing = nil
	c.c.mu.Unlock()
	return n, c.wrap("write", err)
}

// CloseWrite ends our direction, after what was written. Reading goes on. Over datagrams it is errors.ErrUnsupported.
func (c *Conn) CloseWrite() error {
	h := &c.c.out
	h.turn.Lock()
	defer h.turn.Unlock()
	c.c.mu.Lock()
	c.ending = true
	_, err := h.doLocked()
	c.ending = false
	c.c.mu.Unlock()
	return c.wrap("close", err)
}

func (c *Conn) tryWriteLocked() (int, error) {
	if c.ending {
		if half, ok := c.c.io.(frio.CloseWriter); ok {
			return 0, half.CloseWrite()
		}
		return 0, errors.ErrUnsupported
	}
	n := c.c.out.n
	for range writesMax {
		took, err := c.c.io.Write(c.writing[n:])
		n += took
		if err != nil || n == len(c.writing) {
			return n, err
		}
	}
	return n, frio.ErrAgain
}

// Close ends the connection, and all calls under way with net.ErrClosed. What Write took goes on being sent by the loop, within its
// close time-out; what it could not take over is an *frio.UnsentError.
func (c *Conn) Close() error { return c.wrap("close", c.c.close()) }

// LocalAddr is our end, RemoteAddr the peer's: after a PROXY header the real ones.
func (c *Conn) LocalAddr() net.Addr  { return c.addr.local }
func (c *Conn) RemoteAddr() net.Addr { return c.addr.remote }

// SocketAddr are the ends of the socket itself, whatever a PROXY header said.
func (c *Conn) SocketAddr() (local, remote net.Addr) { return c.socket.local, c.socket.remote }

// PeerIdentity is who the peer proved to be; nil if it did not.
func (c *Conn) PeerIdentity() *frio.Identity { return c.identity }

// SetDeadline has Read and Write end with os.ErrDeadlineExceeded at t, those under way too; the zero time is never.
func (c *Conn) SetDeadline(t time.Time) error {
	return c.wrap("set", c.c.deadline(t, &c.c.in, &c.c.out))
}

// SetReadDeadline is SetDeadline for Read.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.wrap("set", c.c.deadline(t, &c.c.in)) }

// SetWriteDeadline is SetDeadline for Write and CloseWrite.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.wrap("set", c.c.deadline(t, &c.c.out)) }

// wrap says what was done, with whom.
func (c *Conn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: c.stack, Source: c.addr.local, Addr: c.addr.remote, Err: err}
}
