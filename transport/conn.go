package transport

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
	"github.com/frio-io/frio/thread"
)

// User is told of a Conn, on its thread and never inside one of the Conn's own methods.
type User interface {
	// Up says that the connection is open, its handshake over. It is the first call; a socket without peers of its own is up at once.
	Up(c *Conn)
	// Message gives a message, whose data is lent until Message returns.
	Message(c *Conn, m *Message)
	// Room says that output which had been full (Full) has room again, or that all was sent after CloseWrite.
	Room(c *Conn)
	// Fault tells an error that cost a datagram and nothing else.
	Fault(c *Conn, err error)
	// End says that nothing more comes: io.EOF, the peer has ended its direction, and writing may go on; any other error, the connection is
	// lost; it may follow the first. The user calls Close, then or soon.
	End(c *Conn, err error)
	// Drain asks to end in order, soon: the program stops, or, where Conn.Retires says so, the connection's port does. It may be called again.
	Drain(c *Conn)
}

// Mover is a User whose connection may go to another thread. Leave comes before, on the old thread; Arrive after, on the new one.
type Mover interface {
	Leave(c *Conn)
	Arrive(c *Conn)
}

// Conn is one IO with its messages.
//
//	opening -> up -> ended (io.EOF) -> over
//	opening, up -> lost -> over
type Conn struct {
	ctx      talloc.Context
	lane     *Lane // nil: on its way to another
	io       frio.IO
	packets  frio.PacketIO // nil: a stream, or one datagram at a time
	datagram bool
	layered  bool // each message gets a Write of its own
	user     User
	cfg      Config
	port     *Port          // where it was accepted; nil: connecting side
	member   *thread.Member // nil on a lane that was given a loop

	begun, up, over, paused bool
	stops                   bool  // the program does
	starved                 bool  // the ring had no room: it is tried again by the timer
	ended                   bool  // nothing more is read
	told                    bool  // End was called
	failed                  error // the connection is lost
	broken                  error // nothing can be written to it
	faulted                 error // to be told

	attached      bool
	reads, writes bool // the wishes that the loop was told
	read, write   func()
	notice        event.Task
	timer         event.Timer

	in          input
	out         output
	first, last int32 // datagrams to be sent, in the lane's posts
	dirty       bool  // it is in the lane's list of those with something to send

	next, prev *Conn // on the lane
	lanes      Lanes
	stats      Stats
	since      time.Time
}

// newConn makes a Conn whose context is below parent.
func newConn(lane *Lane, parent *talloc.Context, name string) (*Conn, error) {
	c := &Conn{lane: lane, first: -1, last: -1}
	if err := c.ctx.Init(parent, name); err != nil {
		return nil, err
	}
	return c, nil
}

// begin gives c its IO, on the thread where it lives.
func (c *Conn) begin(one frio.IO) {
	c.io = one
	if c.datagram = one.Kind() == frio.Datagram; c.datagram {
		c.packets, _ = one.(frio.PacketIO)
	}
	if a, ok := one.(frio.Addresser); c.port != nil && c.port.near == c && (!ok || !a.LocalAddr().IsValid()) {
		// Its peers have no addresses that a Packet holds (unix): only Write knows whom to answer, one at a time.
		c.packets = nil
	}
	_, c.layered = one.(frio.Layer)
	c.notice.Init((*connNotice)(c))
	c.timer.Init((*connTimer)(c))
	c.read, c.write = c.readable, c.writable
	c.since = c.lane.loop.Now()
}

// The parts of a Conn that its loop calls.
type (
	connNotice Conn
	connTimer  Conn
)

func (n *connNotice) RunTask()         { (*Conn)(n).tell() }
func (n *connNotice) Describe() string { return n.io.Describe() }

func (t *connTimer) Expire(now time.Time) { (*Conn)(t).expire(now) }
func (t *connTimer) Describe() string     { return t.io.Describe() }

// IO returns the IO. Its Event, Read, Write and Close are the Conn's.
func (c *Conn) IO() frio.IO { return c.io }

// Lane returns where it lives.
func (c *Conn) Lane() *Lane { return c.lane }

// Port returns where it was accepted, nil for a connecting side.
func (c *Conn) Port() *Port { return c.port }

// Context is what the Conn and all that lives as long as it belongs to.
func (c *Conn) Context() *talloc.Context { return &c.ctx }

// Since is when it began.
func (c *Conn) Since() time.Time { return c.since }

// Stats returns the counts.
func (c *Conn) Stats() Stats { return c.stats }

// IsUp tells whether it is open and not lost.
func (c *Conn) IsUp() bool { return c.up && !c.over && c.failed == nil }

// User returns who is told of it.
func (c *Conn) User() User { return c.user }

// Member is what its pool knows it as; nil of one that has no pool, or goes along with another.
func (c *Conn) Member() *thread.Member { return c.member }

// WasUp tells whether it has been open.
func (c *Conn) WasUp() bool { return c.up }

// Over tells whether it was closed.
func (c *Conn) Over() bool { return c.over }

// IsDatagram tells whether its messages are datagrams.
func (c *Conn) IsDatagram() bool { return c.datagram }

// Describe is that of the IO.
func (c *Conn) Describe() string { return c.io.Describe() }

// RemoteAddr is the peer's, the real one after a PROXY header; zero if it has none.
func (c *Conn) RemoteAddr() netip.AddrPort {
	if a, ok := c.io.(frio.Addresser); ok {
		return a.RemoteAddr()
	}
	return netip.AddrPort{}
}

// proceed looks whether the connection is open by now.
func (c *Conn) proceed() {
	if c.up || c.over || c.failed != nil {
		return
	}
	switch stateOf(c.io) {
	case frio.StateFailed:
		c.fail(c.ending())
	case frio.StateOpen, frio.StateListening:
		c.up = true
		c.user.Up(c)
	}
	c.settle()
}

// stateOf is the state of an accepted or connected IO; one that does not tell is open.
func stateOf(one frio.IO) frio.State {
	if st, ok := one.(frio.Stater); ok {
		return st.State()
	}
	return frio.StateOpen
}

// ending is the error of an IO that has failed.
func (c *Conn) ending() error {
	if _, err := c.io.Write(c.lane.loop.Scratch()[:1]); err != nil {
		return err
	}
	return net.ErrClosed
}

// connect starts to connect, or goes on with it.
func (c *Conn) connect() {
	switch err := c.io.Connect(); {
	case err == nil:
		c.up = true
		c.user.Up(c)
		c.settle()
	case err != frio.ErrAgain:
		c.fail(err)
	default:
		c.settle()
	}
}

// Pause has nothing more be read until Resume. Of a stream, what was read and not given waits; of datagrams, those that were read together with
// the one that is being given, 63 at most, still come.
func (c *Conn) Pause() {
	c.paused = true
	c.settle()
}

// Resume takes Pause back.
func (c *Conn) Resume() {
	if !c.paused || c.over {
		return
	}
	c.paused = false
	if c.in.whole {
		c.lane.loop.Defer(&c.notice)
	}
	c.settle()
}

// end tells the user, once each, of the end in order and of the loss.
func (c *Conn) end(err error) {
	if c.told || err == io.EOF && c.ended {
		return
	}
	c.ended, c.told = true, err != io.EOF
	c.settle()
	c.user.End(c, err)
}

// CloseWrite ends the writing direction after what was sent. errors.ErrUnsupported of datagrams, and of an IO that cannot.
func (c *Conn) CloseWrite() error {
	if _, ok := c.io.(frio.CloseWriter); !ok || c.datagram {
		return errors.ErrUnsupported
	}
	if c.out.shut || c.over || c.failed != nil || c.broken != nil {
		return nil
	}
	c.out.shut = true
	c.lane.soil(c)
	return nil
}

// Close ends it: what was sent before goes on being delivered, and the memory of its context is freed. The error tells how much could
// not be sent. Twice is fine.
func (c *Conn) Close() error {
	if c.over {
		return nil
	}
	if c.datagram && c.first >= 0 {
		c.lane.Flush()
	}
	c.over = true
	c.dirty = false
	c.first, c.last = -1, -1
	var err error
	if c.io != nil {
		c.notice.Cancel()
		c.timer.Stop()
		err = c.closeIO()
	}
	if c.begun && c.lane != nil {
		c.lane.remove(c)
	}
	c.gone()
	c.ctx.Free()
	return err
}

func (c *Conn) closeIO() error {
	if c.out.waiting == 0 {
		return c.io.Close()
	}
	tail := c.out.bytes()
	if l, ok := c.io.(frio.Lingerer); ok {
		return l.CloseTail(tail)
	}
	if err := c.io.Close(); err != nil {
		return err
	}
	return &frio.UnsentError{Bytes: len(tail)}
}

// Debug writes everything about it, and the IO below.
func (c *Conn) Debug(w io.Writer) {
	fmt.Fprintf(w, "%s: in %d messages, %d bytes, out %d messages, %d bytes\n", c.io.Describe(),
		c.stats.In, c.stats.BytesIn, c.stats.Out, c.stats.BytesOut)
	in := frio.Indent(w)
	if c.in.n > 0 || c.out.waiting > 0 || c.paused {
		fmt.Fprintf(in, "holds %d bytes that came, %d bytes to send%s\n", c.in.n, c.out.waiting, map[bool]string{true: ", paused"}[c.paused])
	}
	c.io.Debug(in)
}
