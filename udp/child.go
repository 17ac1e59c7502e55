package udp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
)

// errReplaced is how a child ends whose peer has begun anew.
var errReplaced error = &frio.ResetError{Err: syscall.ECONNRESET}

// errOtherPeer is for a Packet that names somebody else than the peer.
var errOtherPeer = &frio.PacketError{Op: "write", Err: syscall.EISCONN}

// Child is one peer of a listener. It shares the listener's socket, loop and thread: with another loop Event is
// errors.ErrUnsupported, and a listener that leaves its loop takes its children along. What the peer sends waits here, within bounds,
// until it is read; what is more is dropped. It is a frio.IO; what is said there is not repeated here.
type Child struct {
	ctx           talloc.Context
	listener      *Listener
	key           key
	remote, local netip.AddrPort
	ifindex       uint32 // where the peer was heard last
	state         frio.State
	accepted      bool
	slot          bool // it holds one of max_children
	out           bool // it has left the listener's loop by itself
	closed        bool

	inbox       inbox
	catching    *talloc.Context // whose memory takes what still comes while the child gets a socket
	conn        *Connected      // what it became, on any thread; nil with demux
	nextGone    *Child          // in the listener's mailbox
	left        int             // there: the descriptor of what it became; else -1
	timer       event.Timer
	notice      event.Task
	times       base.Deadlines
	read, write func()
	err         error // final, of both directions
	readEnded   bool  // it was returned
	writeEnded  bool

	id     uint64
	link   frio.Link
	places [placeCount]place
	writer bool   // it is in the list of those that want to write
	round  uint64 // when it was told last

	in, sent, dropped, empty, tooLong uint64 // datagrams
	bytesIn, bytesOut                 uint64
}

var (
	_ frio.IO              = (*Child)(nil)
	_ frio.PacketIO        = (*Child)(nil)
	_ frio.Addresser       = (*Child)(nil)
	_ frio.SocketAddresser = (*Child)(nil)
	_ frio.Stater          = (*Child)(nil)
	_ frio.Linked          = (*Child)(nil)
	_ frio.Lingerer        = (*Child)(nil)
	_ frio.Identified      = (*Child)(nil)
	_ frio.Tied            = (*Child)(nil)
)

type (
	childFree   Child
	childTimer  Child
	childNotice Child
)

func (c *childFree) Destroy() { (*Child)(c).end() }

func (c *childTimer) Expire(time.Time) {
	if !(*Child)(c).expired() {
		(*Child)(c).arm()
	}
}
func (c *childTimer) Describe() string { return (*Child)(c).Describe() }

func (c *childNotice) RunTask()         { (*Child)(c).announce() }
func (c *childNotice) Describe() string { return (*Child)(c).Describe() }

// settle gives an accepted child its memory; false if ctx has no room: then nothing changed.
func (c *Child) settle(ctx *talloc.Context) bool {
	if c.ctx.Init(ctx, "udp child") != nil {
		return false
	}
	if !c.inbox.moveTo(&c.ctx) {
		c.ctx.Free()
		c.ctx = talloc.Context{}
		return false
	}
	c.ctx.OnFree((*childFree)(c))
	return true
}

// receive takes a datagram of the peer, which the listener has read.
func (c *Child) receive(p *frio.Packet, now time.Time, from origin) {
	l := c.listener
	c.ifindex = p.Ifindex
	c.times.Got(now)
	mem := &c.ctx
	if c.catching != nil {
		mem = c.catching
	} else if !c.accepted {
		if l.held > waitingBytes {
			l.counts.Held.Add(1)
			return
		}
		mem = &l.ctx
		l.held -= c.inbox.held()
	}
	kept := c.inbox.put(mem, p, from)
	if !c.accepted {
		l.held += c.inbox.held()
	}
	if !kept {
		c.dropped++
		l.counts.Inbox.Add(1)
		if !c.accepted && c.inbox.count == 0 {
			c.end() // without its first datagram it is nobody
		}
		return
	}
	c.in++
	c.bytesIn += uint64(len(p.Data))
	if loop := c.loop(); loop != nil && c.read != nil {
		loop.Defer(&c.notice)
	}
}

// loop is where the child is: the listener's, unless it has left that.
func (c *Child) loop() *event.Loop {
	if c.out {
		return nil
	}
	return c.listener.loop
}

// Describe says "udp 192.0.2.1:1812 <- 198.51.100.7:40112".
func (c *Child) Describe() string { return "udp " + c.local.String() + " <- " + c.remote.String() }

// Kind is Datagram.
func (c *Child) Kind() frio.Kind { return frio.Datagram }

// State tells the state.
func (c *Child) State() frio.State { return c.state }

// Open, Connect, Accept and CloseWrite are not for children.
func (c *Child) Open() error                             { return c.unsupported() }
func (c *Child) Connect() error                          { return c.unsupported() }
func (c *Child) CloseWrite() error                       { return c.unsupported() }
func (c *Child) Accept(*talloc.Context) (frio.IO, error) { return nil, c.unsupported() }

func (c *Child) unsupported() error {
	if c.closed {
		return net.ErrClosed
	}
	return errors.ErrUnsupported
}

// Read reads the next datagram that is not empty.
func (c *Child) Read(p []byte) (int, error) {
	c.ctx.Touch("read")
	if c.err != nil {
		return 0, c.endRead()
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := c.drive(); err != nil {
		return 0, err
	}
	one := &c.listener.one[0]
	defer clear(c.listener.one[:])
	for c.inbox.count > 0 {
		one.Data = p[:0:len(p)]
		fits := c.inbox.take(one)
		switch {
		case !fits:
			c.countTooLong()
			return 0, errTooLong
		case len(one.Data) > 0:
			return len(one.Data), nil
		}
		c.empty++
		c.listener.counts.Empty.Add(1)
	}
	return 0, frio.ErrAgain
}

// ReadPackets reads what waits, all of it from the peer.
func (c *Child) ReadPackets(packets []frio.Packet) (count int, err error) {
	c.ctx.Touch("read")
	if c.err != nil {
		return 0, c.endRead()
	}
	if len(packets) == 0 {
		return 0, nil
	}
	if err := c.drive(); err != nil {
		return 0, err
	}
	for ; count < len(packets) && c.inbox.count > 0; count++ {
		p := &packets[count]
		*p = frio.Packet{Data: p.Data, Remote: c.remote, Local: c.local}
		if !c.inbox.take(p) {
			p.Err = errTooLong
			c.countTooLong()
		}
	}
	if count == 0 {
		return 0, frio.ErrAgain
	}
	return count, nil
}

func (c *Child) countTooLong() {
	c.tooLong++
	c.listener.counts.TooLong.Add(1)
}

// drive does what a loop would do: time-outs, and reading the socket. An error is the end.
func (c *Child) drive() error {
	if c.loop() != nil {
		return nil
	}
	if c.expired(); c.err == nil && c.inbox.count == 0 {
		c.listener.take()
	}
	if c.err != nil {
		return c.endRead()
	}
	return nil
}

// Write sends p to the peer, from the address that the peer used.
func (c *Child) Write(p []byte) (int, error) {
	c.ctx.Touch("write")
	if c.err != nil {
		return 0, c.endWrite()
	}
	if len(p) == 0 {
		return 0, nil
	}
	l := c.listener
	l.one[0] = c.outgoing(p)
	_, err := c.send(l.one[:])
	clear(l.one[:])
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// WritePackets sends the Data of each to the peer. A Remote, where one is set, must be the peer's: another one is EISCONN.
func (c *Child) WritePackets(packets []frio.Packet) (count int, err error) {
	c.ctx.Touch("write")
	if c.err != nil {
		return 0, c.endWrite()
	}
	if len(packets) == 0 {
		return 0, nil
	}
	s := getSlab()
	defer putSlab(s)
	if !s.address(packets, c.remote, c.outgoing(nil)) {
		c.listener.counts.Errors.add(errOtherPeer.Err)
		return 0, errOtherPeer
	}
	return c.send(s.out[:s.outCount])
}

// outgoing is a datagram to the peer.
func (c *Child) outgoing(p []byte) frio.Packet {
	return frio.Packet{Data: p, Remote: c.remote, Local: c.local, Ifindex: c.ifindex}
}

// send gives packets to the listener's socket.
func (c *Child) send(packets []frio.Packet) (int, error) {
	l := c.listener
	if c.loop() == nil && c.expired() {
		return 0, c.endWrite()
	}
	count, err := l.send(packets)
	if err != nil {
		err, final := l.writeError(err)
		switch {
		case err == frio.ErrAgain:
			l.blocked = true
		case final:
			l.fail(err)
			return 0, c.endWrite()
		}
		return 0, err
	}
	c.times.Took(l.now())
	c.sent += uint64(count)
	for i := range count {
		c.bytesOut += uint64(len(packets[i].Data))
	}
	return count, nil
}

// endRead returns the end, which from now on counts as announced to the reader.
func (c *Child) endRead() error {
	c.readEnded = true
	return c.err
}

func (c *Child) endWrite() error {
	c.writeEnded = true
	return c.err
}

// LocalAddr is the address of ours that the peer speaks to, RemoteAddr the peer's.
func (c *Child) LocalAddr() netip.AddrPort  { return c.local }
func (c *Child) RemoteAddr() netip.AddrPort { return c.remote }

// SocketAddr is LocalAddr and RemoteAddr.
func (c *Child) SocketAddr() (local, remote netip.AddrPort) { return c.local, c.remote }

// Tied is true: the child has no descriptor of its own.
func (c *Child) Tied() bool { return true }

// ID is the number that the listener gave to the child.
func (c *Child) ID() uint64 { return c.id }

// SetLink replaces whom the child tells that it is gone.
func (c *Child) SetLink(l frio.Link) { c.link = l }

// Debug writes everything about the child.
func (c *Child) Debug(w io.Writer) {
	fmt.Fprintf(w, "%s\n", c.Describe())
	in := frio.Indent(w)
	fmt.Fprintf(in, "state %v%s%s%s, in %d datagrams, %d bytes, out %d datagrams, %d bytes\n", c.state,
		word(c.read != nil, ", wants read"), word(c.write != nil, ", wants write"), word(c.loop() == nil, ", no loop"),
		c.in, c.bytesIn, c.sent, c.bytesOut)
	if c.inbox.count > 0 {
		fmt.Fprintf(in, "holds %d datagrams, %d bytes\n", c.inbox.count, c.inbox.used)
	}
	if c.dropped+c.empty+c.tooLong > 0 {
		fmt.Fprintf(in, "dropped with a full inbox %d, empty %d, longer than the reader's buffer %d\n", c.dropped, c.empty, c.tooLong)
	}
	if c.err != nil {
		fmt.Fprintf(in, "ended: %v\n", c.err)
	} else if at := c.times.Next(); !at.IsZero() {
		fmt.Fprintf(in, "next deadline in %v\n", at.Sub(c.listener.now()).Round(time.Millisecond))
	}
}
