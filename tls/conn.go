package tls

import (
	ctls "crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

// Conn is one connection or association: the layer on an IO that was accepted below, or that connects. It is the plumbing of both
// engines, and is what a peer that says nothing costs; the rest is in session. It is a frio.IO; what is said there is not repeated
// here. Over datagrams, Event of an accepted one with another loop than its listener's is errors.ErrUnsupported, as below.
type Conn struct {
	ctx                  talloc.Context
	share                *share
	lower                frio.IO
	s                    *session // nil until the first whole record
	read, write          func()
	onRead               func()    // fromBelow, made once
	since                int64     // when the handshake began, nanoseconds since 1970
	link                 frio.Link // who is told that it is gone; its listener at first
	id                   uint64
	next, prev           *Conn // in its listener
	shareNext, sharePrev *Conn
	tail                 *tail // of the first record, while that is not whole
	state                frio.State
	role                 frio.Role
	told                 event.Ready // what the lower was asked for
	listed               bool        // it is in a list of its share
	slot                 bool        // it holds one of max_handshakes
	mine                 bool        // link is the listener that lists it
	over                 bool        // Close was called, or the context freed
	away                 bool        // a child over datagrams that left its listener's loop by itself
}

// session is what a connection has from its first whole record on.
type session struct {
	conn    *Conn
	eng     engine
	timer   event.Timer
	task    event.Task // announces what the layer below does not know of
	onWrite func()
	in      input // from the first whole record on
	out     output
	times   base.Deadlines
	link    frio.Link // over datagrams, in place of the listener
	waker   *waker
	checked uint32 // the reload after which it was checked last, or its handshake began

	readErr, writeErr     error // the final result of that direction
	readEnded, writeEnded bool  // it was returned: the wish is gone
	fed                   bool  // a record came
	stalled               bool  // a handshake step waits for its turn
	calling               bool  // the upper's callbacks run
	shut, shutSent        bool  // CloseWrite was asked, and done below
	corked                bool
	heard                 bool // the peer has sent something
	identity              *frio.Identity
	offered               *ctls.Config // of a handshake that offers a session
	bytesIn, bytesOut     uint64       // of the application
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
	_ frio.Noter           = (*Conn)(nil)
	_ frio.Reloader        = (*Conn)(nil)
)

// The parts of a Conn that its loop calls.
type (
	connFree     Conn
	sessionTask  session
	sessionTimer session
)

func (c *connFree) Destroy() { (*Conn)(c).abort() }

func (s *sessionTask) RunTask()         { s.conn.run() }
func (s *sessionTask) Describe() string { return s.conn.Describe() }

func (s *sessionTimer) Expire(now time.Time) { s.conn.expire(now) }
func (s *sessionTimer) Describe() string     { return s.conn.Describe() }

// init makes the zero c a connection in ctx that stands on nothing yet.
func (c *Conn) init(ctx *talloc.Context, l *share, role frio.Role) error {
	if err := c.ctx.Init(ctx, "tls"); err != nil {
		return err
	}
	c.share, c.role = l, role
	c.ctx.OnFree((*connFree)(c))
	return nil
}

// newClient makes the connecting side on lower.
func newClient(ctx *talloc.Context, how *shared, lower frio.IO) (*Conn, error) {
	c := new(Conn)
	if err := c.init(ctx, how.bare, frio.Client); err != nil {
		return nil, err
	}
	c.lower = lower
	c.onRead = c.fromBelow
	c.session()
	how.use()
	return c, nil
}

// Copy makes another connecting side on a copy of the lower, with the same settings: it may resume the sessions of its siblings.
func (c *Conn) Copy(ctx *talloc.Context) (frio.IO, error) {
	below, ok := c.lower.(frio.Copier)
	if !ok || c.role == frio.Server {
		return nil, errors.ErrUnsupported
	}
	lower, err := below.Copy(ctx)
	if err != nil {
		return nil, err
	}
	return newClient(ctx, c.how(), lower)
}

// session is c's, made if there is none.
func (c *Conn) session() *session {
	if c.s == nil {
		s := &session{conn: c}
		s.timer.Init((*sessionTimer)(s))
		s.task.Init((*sessionTask)(s))
		s.onWrite = c.writable
		c.s = s
	}
	return c.s
}

// how is what the connection shares with its siblings.
func (c *Conn) how() *shared { return c.share.how }

func (c *Conn) loop() *event.Loop { return c.share.loop }

func (c *Conn) now() time.Time { return c.share.now() }

func (c *Conn) datagram() bool { return c.how().kind == frio.Datagram }

// Describe says "tls+tcp 127.0.0.1:2083 <- 127.0.0.1:40112".
func (c *Conn) Describe() string { return "tls+" + c.lower.Describe() }

// Kind is that of the layer below.
func (c *Conn) Kind() frio.Kind { return c.how().kind }

// Lower is what the layer stands on.
func (c *Conn) Lower() frio.IO { return c.lower }

// State tells the state. A connection that is lost below is failed, also before anybody has seen it.
func (c *Conn) State() frio.State {
	if !c.over && (c.state == frio.StateOpen || c.state == frio.StateHandshaking) {
		if s, ok := c.lower.(frio.Stater); ok && s.State() == frio.StateFailed {
			return frio.StateFailed
		}
	}
	return c.state
}

// Open is not for connections.
func (c *Conn) Open() error { return c.unsupported() }

// Accept is not for connections.
func (c *Conn) Accept(*talloc.Context) (frio.IO, error) { return nil, c.unsupported() }

func (c *Conn) unsupported() error {
	if c.over {
		return net.ErrClosed
	}
	return errors.ErrUnsupported
}

// Connect brings up the layer below, and then the handshake.
func (c *Conn) Connect() error {
	c.ctx.Touch("connect")
	if c.over {
		return net.ErrClosed
	}
	if c.role == frio.Server {
		return errors.ErrUnsupported
	}
	err := c.drive()
	switch {
	case err == frio.ErrAgain:
		return err
	case c.s.writeErr == nil || c.state == frio.StateOpen:
		return nil
	}
	// The caller knows by this result: no callback has to announce it.
	c.s.readEnded, c.s.writeEnded = true, true
	c.s.task.Cancel()
	return c.s.writeErr
}

// drive does what a loop would do, as one step: connect, handshake, flush and time-outs. ErrAgain until the connection is open; what
// went wrong is in readErr and writeErr.
func (c *Conn) drive() error {
	if c.loop() == nil {
		c.checkDeadlines()
	}
	switch c.state {
	case frio.StateClosed, frio.StateConnecting:
		if c.state == frio.StateClosed || c.loop() == nil {
			c.connect()
		}
	case frio.StateHandshaking:
		if c.loop() == nil {
			c.flush()
			c.resume()
			c.pump()
		}
	case frio.StateOpen:
		if c.loop() == nil {
			c.flush()
		}
		c.catchUp()
	}
	switch c.state {
	case frio.StateOpen, frio.StateFailed:
		return nil
	}
	return frio.ErrAgain
}

// Read reads application data.
func (c *Conn) Read(p []byte) (int, error) {
	c.ctx.Touch("read")
	if c.over {
		return 0, net.ErrClosed
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := c.drive(); err != nil {
		return 0, err
	}
	n, err := c.take(p)
	if !c.s.calling {
		c.settle()
	}
	return n, err
}

// takeRounds bounds how often one Read goes on after records that are no data.
const takeRounds = 16

func (c *Conn) take(p []byte) (int, error) {
	s := c.s
	for range takeRounds {
		if s.readErr == nil && s.eng.Held() {
			n, err := s.eng.Read(p)
			if n > 0 {
				s.bytesIn += uint64(n)
				s.times.Got(c.now())
				return n, nil
			}
			if err == io.ErrShortBuffer {
				return 0, &frio.PacketError{Op: "read", Remote: c.RemoteAddr(), Err: frio.ErrTooLong}
			}
			c.noticeEngine(err)
		}
		if s.readErr != nil {
			return 0, c.endRead()
		}
		if more, err := c.advance(); !more {
			return 0, err
		}
	}
	return 0, frio.ErrAgain
}

// endRead returns the end of the reading direction, which from now on counts as announced.
func (c *Conn) endRead() error {
	c.s.readEnded = true
	return c.s.readErr
}

func (c *Conn) endWrite() error {
	c.s.writeEnded = true
	return c.s.writeErr
}

// Write seals p, or a part of it, and sends it or keeps it. Above the high-water mark it takes nothing.
func (c *Conn) Write(p []byte) (int, error) {
	c.ctx.Touch("write")
	if c.over {
		return 0, net.ErrClosed
	}
	if err := c.drive(); err != nil {
		if len(p) == 0 {
			err = nil
		}
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := c.put(p)
	if !c.s.calling {
		c.settle()
	}
	return n, err
}

func (c *Conn) put(p []byte) (int, error) {
	s := c.s
	if s.writeErr == nil && s.shut {
		s.writeErr = syscall.EPIPE
	}
	if s.writeErr != nil {
		return 0, c.endWrite()
	}
	if !s.corked && s.out.len() > 0 {
		c.flush()
		if s.writeErr != nil {
			return 0, c.endWrite()
		}
	}
	var n int
	var err error
	if c.datagram() {
		n, err = c.putDatagram(p)
	} else {
		n, err = c.putStream(p)
	}
	if n > 0 {
		s.bytesOut += uint64(n)
		s.times.Took(c.now())
	} else if s.writeErr != nil {
		return 0, c.endWrite()
	}
	return n, err
}

func (c *Conn) putStream(p []byte) (int, error) {
	s := c.s
	room := highWater - s.out.len()
	if room < sealRoom {
		if !s.corked {
			return 0, frio.ErrAgain
		}
		if c.flushAll(); s.writeErr != nil || highWater-s.out.len() < sealRoom {
			return 0, frio.ErrAgain
		}
		room = highWater - s.out.len()
	}
	p = p[:min(len(p), sealable(room))]
	dst, err := s.out.reserve(&c.ctx, min(room, len(p)*10/9+256))
	if err != nil {
		return 0, c.broken(err)
	}
	sealed, n, err := s.eng.Seal(dst, p)
	if err == nil {
		err = s.out.took(&c.ctx, sealed)
	}
	if err != nil {
		return 0, c.broken(err)
	}
	if !s.corked {
		c.flush()
	}
	return n, nil
}

// broken ends the connection by an error of the engine or of memory, and returns it.
func (c *Conn) broken(err error) error {
	c.fail(err)
	return c.endWrite()
}

// Cork gathers what is written, up to 64 KiB, until Uncork; more goes out at once.
func (c *Conn) Cork() {
	if !c.over {
		c.session().corked = true
	}
}

// Uncork sends what was gathered. What is not taken below is kept and sent by the loop, or by the next Write.
func (c *Conn) Uncork() error {
	if c.over || c.s == nil {
		return nil
	}
	c.s.corked = false
	var lost error
	if c.state == frio.StateOpen {
		if c.datagram() {
			lost = c.sendDatagrams()
		} else {
			c.flush()
		}
		c.settle()
	}
	if c.s.writeErr != nil {
		return c.s.writeErr
	}
	return lost
}

// CloseWrite ends our direction after what was written: close_notify, then the end below.
func (c *Conn) CloseWrite() error {
	c.ctx.Touch("close write")
	switch {
	case c.over:
		return net.ErrClosed
	case c.datagram():
		return errors.ErrUnsupported // there close_notify ends both directions
	}
	if err := c.drive(); err != nil {
		return err
	}
	s := c.s
	if s.writeErr != nil && !s.shut {
		return c.endWrite()
	}
	if !s.shut {
		s.eng.CloseNotify()
		c.collect()
		s.shut = true
	}
	s.corked = false
	c.flush()
	c.settle()
	if s.writeErr != nil && s.writeErr != syscall.EPIPE {
		return c.endWrite()
	}
	return nil
}

// checkKernel panics if loop is of another kernel.
func (c *Conn) checkKernel(loop *event.Loop) { sock.CheckLoop(c.how().kernel, loop) }
