package udp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/talloc"
)

// youngFor is for how long a child reads with buffers for any datagram, and not with its caller's: the kernel may still be about to put
// others' datagrams into its socket, which must not be cut. It is many times what that can take.
const youngFor = 100 * time.Millisecond

// Connected is one peer of a listener with `children = connected`. It has a socket of its own, which the kernel has connected, and after
// Accept nothing to do with its listener's loop: it may live in any loop, on any thread. That the peer does not listen any more is a
// *frio.PacketError, as with a Client. What it has not read at its Close goes back to the listener, as the beginning of another child.
// It is a frio.IO; what is said there is not repeated here.
type Connected struct {
	ctx talloc.Context
	end
	listener *Listener // of which only what is safe from any thread is used here
	record   *Child    // the listener's
	mail     mailbox
	inbox    inbox
	ifindex  uint32 // of a link-local peer
	born     time.Time
	young    bool
	life     atomic.Uint32 // the frio.State
	slot     bool          // it holds one of max_children
	times    base.Deadlines

	id   uint64
	link frio.Link
	away atomic.Pointer[frio.Remote] // link, if it is one
}

var (
	_ frio.IO              = (*Connected)(nil)
	_ frio.PacketIO        = (*Connected)(nil)
	_ frio.Addresser       = (*Connected)(nil)
	_ frio.SocketAddresser = (*Connected)(nil)
	_ frio.Stater          = (*Connected)(nil)
	_ frio.Linked          = (*Connected)(nil)
	_ frio.Lingerer        = (*Connected)(nil)
	_ frio.Identified      = (*Connected)(nil)
	_ frio.Tied            = (*Connected)(nil)
)

// newConnected makes the child that c becomes. It has no socket yet.
func newConnected(ctx *talloc.Context, l *Listener, c *Child) (*Connected, error) {
	conn := &Connected{listener: l, record: c}
	if err := conn.ctx.Init(ctx, "udp child"); err != nil {
		return nil, err
	}
	conn.socket = socket{mem: &conn.ctx, kernel: l.kernel, opts: &l.set.options, fd: -1}
	conn.of, conn.local, conn.remote = conn, c.local, c.remote
	conn.inbox.roomy = true
	if scoped(c.remote.Addr()) {
		conn.ifindex = c.ifindex
	}
	return conn, nil
}

// begin takes over from the record.
func (c *Connected) begin(record *Child) {
	c.times, c.id, c.link = record.times, record.id, record.listener
	c.slot, record.slot = record.slot, false
	c.born, c.young = record.listener.now(), true
	c.life.Store(uint32(frio.StateOpen))
	if a, err := c.kernel.LocalAddr(c.fd); err == nil {
		c.local = addrOf(a)
		record.local = c.local
	}
	c.reg.Init(c.fd, (*endReady)(&c.end))
	c.timer.Init((*connectedTimer)(c))
	c.notice.Init((*endNotice)(&c.end))
	c.ctx.OnFree((*connectedFree)(c))
}

// The parts of a Connected that its loop calls.
type (
	connectedFree  Connected
	connectedTimer Connected
)

func (c *connectedFree) Destroy() { (*Connected)(c).finish() }

func (c *connectedTimer) Expire(time.Time) {
	if !(*Connected)(c).expired() {
		(*Connected)(c).arm()
	}
}
func (c *connectedTimer) Describe() string { return (*Connected)(c).Describe() }

// Describe says "udp 192.0.2.1:1812 <- 198.51.100.7:40112".
func (c *Connected) Describe() string { return "udp " + c.local.String() + " <- " + c.remote.String() }

// State tells the state.
func (c *Connected) State() frio.State {
	if c.mail.ordered() {
		return frio.StateClosed
	}
	return frio.State(c.life.Load())
}

// Open, Connect, Accept and CloseWrite are not for children.
func (c *Connected) Open() error                             { return c.unsupported() }
func (c *Connected) Connect() error                          { return c.unsupported() }
func (c *Connected) CloseWrite() error                       { return c.unsupported() }
func (c *Connected) Accept(*talloc.Context) (frio.IO, error) { return nil, c.unsupported() }

func (c *Connected) unsupported() error {
	if c.closed || c.mail.ordered() {
		return net.ErrClosed
	}
	return errors.ErrUnsupported
}

// alive ends a child whose listener was closed, or whose time is over; false: it has ended.
func (c *Connected) alive() bool {
	if c.mail.ordered() {
		c.finish()
	}
	return c.err == nil && (c.loop != nil || !c.expired())
}

// Read reads the next datagram of the peer that is not empty.
func (c *Connected) Read(p []byte) (int, error) {
	c.ctx.Touch("read")
	if !c.alive() {
		return 0, c.endRead()
	}
	if len(p) == 0 {
		return 0, nil
	}
	one := &c.one[0]
	defer clear(c.one[:])
	for range skipsMax {
		one.Data = p[:0:len(p)]
		if _, err := c.next(c.one[:]); err != nil {
			return 0, c.didRead(err)
		}
		if one.Err != nil {
			return 0, c.didRead(one.Err)
		}
		if n := len(one.Data); n > 0 {
			return n, c.didRead(nil)
		}
		c.counts.Empty.Add(1)
	}
	return 0, c.didRead(frio.ErrAgain)
}

// ReadPackets reads a batch, all of it from the peer.
func (c *Connected) ReadPackets(packets []frio.Packet) (int, error) {
	c.ctx.Touch("read")
	if !c.alive() {
		return 0, c.endRead()
	}
	if len(packets) == 0 {
		return 0, nil
	}
	n, err := c.next(packets)
	return n, c.didRead(err)
}

// next fills packets with what the listener had, with what came late, and then from the socket.
func (c *Connected) next(packets []frio.Packet) (count int, err error) {
	if c.young && c.inbox.count == 0 && !c.mail.holds() {
		if c.young = c.now().Sub(c.born) < youngFor; c.young {
			if err := c.gather(); err != nil && c.inbox.count == 0 {
				return 0, err
			}
		}
	}
	for count < len(packets) && c.nextHeld(&packets[count]) {
		count++
	}
	for skips := 0; count == 0 && !c.young && skips < skipsMax; skips++ {
		n, err := c.recv(packets)
		if err != nil {
			return 0, err
		}
		count = c.own(packets[:n])
	}
	if count == 0 {
		return 0, frio.ErrAgain
	}
	return count, nil
}

// nextHeld takes from the inbox, and then from the mailbox.
func (c *Connected) nextHeld(p *frio.Packet) bool {
	buf := p.Data[:0]
	if c.inbox.count > 0 {
		*p = frio.Packet{Data: buf, Remote: c.remote, Local: c.local}
		if !c.inbox.take(p) {
			c.tooLong(p)
		}
		return true
	}
	one, ok := c.mail.take()
	if !ok {
		return false
	}
	*p = one.packet()
	p.Data = buf
	if len(one.data) <= cap(buf) {
		p.Data = append(buf, one.data...)
	} else {
		c.tooLong(p)
	}
	return true
}

func (c *Connected) tooLong(p *frio.Packet) {
	p.Err = errTooLong
	c.counts.TooLong.Add(1)
}

// own keeps the peer's datagrams of those that the socket gave, in front, and sends the others back.
func (c *Connected) own(packets []frio.Packet) (count int) {
	bytes := 0
	for i := range packets {
		p := &packets[i]
		if !c.mine(p) {
			c.foreign(p)
			p.Data = p.Data[:0]
			continue
		}
		if p.Err != nil {
			c.counts.TooLong.Add(1)
		}
		bytes += len(p.Data)
		if i != count {
			packets[i], packets[count] = packets[count], packets[i]
		}
		count++
	}
	if count > 0 {
		c.received(count, bytes)
		c.times.Got(c.now())
	}
	return count
}

func (c *Connected) mine(p *frio.Packet) bool {
	return p.Remote == c.remote && p.Local == c.local && (c.ifindex == 0 || p.Ifindex == c.ifindex)
}

// foreign sends p to the listener, who knows its owner.
func (c *Connected) foreign(p *frio.Packet) {
	c.counts.Foreign.Add(1)
	if p.Err != nil || c.listener.mail.put(p, strayed) != delivered {
		c.listener.counts.Inbox.Add(1)
	}
}

// gather reads the socket into the inbox, as far as any datagram would fit, so that none is cut.
func (c *Connected) gather() error {
	s := getSlab()
	defer putSlab(s)
	for c.inbox.fits(datagramMax) {
		packets := s.incoming()[:1]
		if _, err := c.recv(packets); err != nil {
			return err
		}
		if p := &packets[0]; c.mine(p) {
			c.keep(p)
		} else {
			c.foreign(p)
		}
	}
	return nil
}

// keep puts a datagram of the peer into the inbox.
func (c *Connected) keep(p *frio.Packet) {
	c.received(1, len(p.Data))
	c.times.Got(c.now())
	if p.Err != nil {
		c.counts.TooLong.Add(1)
	} else if !c.inbox.put(&c.ctx, p, arrived) {
		c.counts.Inbox.Add(1)
	}
}

// takeAll reads what a socket holds that was connected a moment ago. What is more than there is room for stays there. Its errors are met again.
func (c *Connected) takeAll(s *slab) (taken []letter) {
	for bytes := 0; len(taken) < roomyCount/2 && bytes < roomyBytes/4; {
		packets := s.incoming()
		n, err := c.recv(packets)
		if err != nil {
			break
		}
		for i := range packets[:n] {
			p := &packets[i]
			if p.Err != nil {
				c.counts.TooLong.Add(1)
				continue
			}
			bytes += len(p.Data)
			taken = append(taken, letterOf(p, strayed))
		}
	}
	return taken
}

// Write sends p to the peer.
func (c *Connected) Write(p []byte) (int, error) {
	c.ctx.Touch("write")
	if !c.alive() {
		return 0, c.endWrite()
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := c.sendOne(p)
	if err == nil {
		c.times.Took(c.now())
	}
	return n, err
}

// WritePackets sends the Data of each to the peer. A Remote, where one is set, must be the peer's: another one is EISCONN.
func (c *Connected) WritePackets(packets []frio.Packet) (int, error) {
	c.ctx.Touch("write")
	if !c.alive() {
		return 0, c.endWrite()
	}
	if len(packets) == 0 {
		return 0, nil
	}
	n, err := c.sendPackets(packets)
	if err == nil {
		c.times.Took(c.now())
	}
	return n, err
}

// ID is the number that the listener gave to the child.
func (c *Connected) ID() uint64 { return c.id }

// Tied is false: the child has a socket of its own, and may live on any thread.
func (c *Connected) Tied() bool { return false }

// SetLink replaces whom the child tells that it is gone. The listener goes on by itself, with a Remote or without: it asks that only for
// the child's handle, and tells it when it closes.
func (c *Connected) SetLink(l frio.Link) {
	c.link = l
	if r, ok := l.(frio.Remote); ok {
		c.away.Store(&r)
	} else {
		c.away.Store(nil)
	}
}

// handle is what the listener tells of the child. Thread: the listener's.
func (c *Connected) handle(id uint64) frio.Handle {
	if r := c.away.Load(); r != nil {
		return (*r).Handle()
	}
	return frio.Handle{ID: id, Name: c.Describe(), State: c.State()}
}

// Debug writes everything about the child.
func (c *Connected) Debug(w io.Writer) {
	fmt.Fprintf(w, "%s\n", c.Describe())
	in := frio.Indent(w)
	c.debugState(in, c.State(), ", connected")
	if c.inbox.count > 0 {
		fmt.Fprintf(in, "holds %d datagrams, %d bytes\n", c.inbox.count, c.inbox.used)
	}
	c.opts.debug(in, c.kernel, c.fd)
	c.counts.debug(in)
	if c.err != nil {
		fmt.Fprintf(in, "ended: %v\n", c.err)
	} else if at := c.times.Next(); !at.IsZero() {
		fmt.Fprintf(in, "next deadline in %v\n", at.Sub(c.now()).Round(time.Millisecond))
	}
}
