package udp

import (
	"errors"
	"fmt"
	"math"
	"syscall"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

// How a peer gets a connected socket, without a datagram lost or misled.
//
// A child begins as with demux: a record of the listener with an inbox. Accept makes its socket, bound to the address that the peer asked and
// then connected. Between these two calls the socket is one of the port like the listener's, and the kernel gives it the
// datagrams of others. Measured on Linux, with a listener and children bound to
//
//	every address                  half of all datagrams; none with a steering program, which does not know the socket
//	every address, and one         all
//	one address                    half; with a program none for the first child, but all from the second on
//
// No order of the calls avoids that: a connected socket cannot be bound. Children bound to every address, with a program, would take
// none; but the connect of such a socket moves it to another table, and a datagram that is just then looked up among its old
// neighbours may find nobody at all and is refused, which nobody can undo. What a child's socket takes of others can be given back:
//
//   - Before Accept returns, it reads what is in the child's socket, and then what is in the listener's, which is all that the peer sent
//     before the connect, into the inbox. Others' datagrams go to their owners, in the order in which they arrived. Of several shards one does this
//     at a time, so that what it found of another's peers is there when that shard accepts.
//   - The kernel may have chosen the socket for a datagram before the connect and put it there afterwards. So a child compares the sender
//     of everything it reads with its peer, and sends what is foreign to the listener's mailbox; and the listener sends a late
//     datagram of a peer that has a child to that child's mailbox.
//   - A child that ends connects its socket to itself, so that the listener gets what comes from there on, and sends what it has not read
//     to the listener's mailbox, the socket's queue included. That makes a child of the peer anew. What was not read a second time is
//     dropped, or a caller that closes all children unread would do so for ever.
//   - The listener closes the socket a little later, for the sake of a datagram that the kernel was about to put into it.
//
// So what waited at the listener reaches the child in order. A datagram that was in another's socket can be overtaken in one case: if the
// kernel put it there after it was read.
//
// Connected children use only what is safe from any thread: mailboxes, counts, the budget of max_children.

// called is what the mailbox has the loop call.
func (l *Listener) called() {
	if l.closed || l.fd < 0 {
		return
	}
	s := getSlab()
	defer putSlab(s)
	l.returns(s, l.now())
}

// returns takes what connected children sent.
func (l *Listener) returns(s *slab, now time.Time) {
	if l.returning || !l.mail.filled.Load() {
		return
	}
	l.returning = true
	defer func() { l.returning = false }()
	for c := l.mail.takeGone(); c != nil; c = l.mail.takeGone() {
		l.addLeaver(c)
		l.forgetChild(c)
	}
	for range lettersMax {
		one, ok := l.mail.take()
		if !ok {
			break
		}
		p := one.packet()
		if one.from == unread {
			l.give(&p, s, now, unread)
		} else {
			l.sort(&p, s, now, strayed) // nobody has counted it, nor asked whether its peer may speak
		}
	}
}

// forgetChild ends the record of a child that has ended.
func (l *Listener) forgetChild(c *Child) {
	if c.closed {
		return
	}
	c.closed = true
	l.disclaim(c)
	l.children.remove(c, inParent)
	l.count--
	l.rewish()
}

// late gives a datagram that came here to the connected child of its peer; false: that one has ended.
func (c *Child) late(p *frio.Packet, from origin) bool {
	switch c.conn.mail.put(p, from) {
	case nobody:
		return false
	case noRoom:
		c.listener.counts.Inbox.Add(1)
	}
	return true
}

// acceptConnected gives the child of the next peer a socket.
func (l *Listener) acceptConnected(ctx *talloc.Context) (frio.IO, error) {
	if !l.set.owners.begin() {
		l.rewish() // in the next turn
		return nil, frio.ErrAgain
	}
	defer l.set.owners.end()
	if l.set.owners != nil {
		s := getSlab()
		l.returns(s, l.now())
		putSlab(s)
	}
	for range acceptSkips {
		c := l.nextToAccept()
		if c == nil || l.err != nil {
			return nil, l.acceptEnd()
		}
		conn, err := l.connect(ctx, c)
		if err == frio.ErrAgain {
			l.counts.NoMemory.Add(1)
			l.pause()
			return nil, frio.ErrAgain
		}
		if err != nil {
			// There is no socket for this peer: its address is not one to be connected to, or ours is gone.
			l.counts.Errors.add(errnoOf(err))
			c.end()
			continue
		}
		return conn, nil
	}
	return nil, frio.ErrAgain
}

// acceptSkips is how many peers that cannot have a socket one Accept passes over.
const acceptSkips = 64

func (l *Listener) acceptEnd() error {
	if l.err != nil {
		return l.endRead(l.err)
	}
	return frio.ErrAgain
}

// connect makes c a connected child. ErrAgain says that there is no memory or descriptor for it now: then nothing changed.
func (l *Listener) connect(ctx *talloc.Context, c *Child) (*Connected, error) {
	conn, err := newConnected(ctx, l, c)
	if err != nil {
		return nil, frio.ErrAgain
	}
	held := c.inbox.held()
	if !c.inbox.moveTo(&conn.ctx) {
		conn.ctx.Free()
		return nil, frio.ErrAgain
	}
	c.catching = &conn.ctx
	fd, err := l.openConnected(c)
	if err != nil {
		c.catching = nil
		if !c.inbox.moveTo(&l.ctx) {
			c.inbox.release()
			err = errNoWay
		}
		l.held += c.inbox.held() - held
		conn.ctx.Free()
		if exhausted(err) {
			return nil, frio.ErrAgain
		}
		return nil, err
	}
	l.held -= held
	l.waiting.remove(c, inParent)
	l.children.add(c, inParent)
	l.count++
	l.nextID++
	c.accepted, c.id = true, l.nextID
	c.timer.Stop()
	conn.fd = fd
	conn.begin(c)
	l.catchUp(c, conn)
	c.conn, c.catching = conn, nil
	if l.loop != nil {
		_ = conn.move(l.loop) // its deadlines run there until it is given another; a loop without room says so to Event
	}
	l.counts.Accepted.Add(1)
	l.rewish()
	return conn, nil
}

// openConnected makes the socket of c.
func (l *Listener) openConnected(c *Child) (fd int, err error) {
	k := l.kernel
	local := sock.Addr{AddrPort: c.local}
	remote := sock.Addr{AddrPort: c.remote}
	if scoped(c.local.Addr()) {
		local.Ifindex = c.ifindex
	}
	if scoped(c.remote.Addr()) {
		remote.Ifindex = c.ifindex
	}
	return base.OpenSocket(k, local, frio.Datagram, l.set.Interface, func(fd int) error {
		if err := k.SetOption(fd, sock.ReusePort, 1); err != nil {
			return fmt.Errorf("reuse_port: %w", err)
		}
		return l.set.set(k, fd)
	}, func(fd int) error { return k.Connect(fd, remote) })
}

// drain gives what the socket has to their owners.
func (l *Listener) drain(fd int, now time.Time) {
	s := getSlab()
	defer putSlab(s)
	old := socket{mem: &l.ctx, kernel: l.kernel, opts: l.opts, fd: fd}
	for range settleRounds {
		packets := s.incoming()
		n, err := old.recv(packets)
		if err != nil {
			break
		}
		for i := range n {
			l.sort(&packets[i], s, now, strayed)
		}
	}
	old.train.release()
}

// catchUp brings to the inbox what the peer sent before it had a socket: what is in the listener's, and then what is in its own. What
// others sent is in these two as well, and is put in order by its time of arrival. The child's is read last, for the kernel may have been
// about to put something there: so that this comes before what its sender sent next.
func (l *Listener) catchUp(c *Child, conn *Connected) {
	s := getSlab()
	defer putSlab(s)
	now := l.now()
	queued := l.takeQueue(s)
	taken := conn.takeAll(s)
	evenTimes(queued)
	evenTimes(taken)
	for i := range queued {
		p := queued[i].packet()
		taken = l.sortUntil(taken, conn, p.Time, s, now)
		l.sort(&p, s, now, arrived)
	}
	taken = l.sortUntil(taken, conn, math.MaxInt64, s, now)
	c.inbox.moveInto(&conn.inbox)
	conn.inbox.arrange()
	for i := range taken {
		p := taken[i].packet()
		conn.keep(&p)
	}
	if l.train.pending() {
		l.rewish()
	}
}

// evenTimes makes the times of what one socket held those of a queue. The kernel begins to note times a little after the first socket has
// asked for them, and what it has no time of gets that of its reading, which may be later than what came behind it.
func evenTimes(queue []letter) {
	for i := len(queue) - 1; i > 0; i-- {
		queue[i-1].time = min(queue[i-1].time, queue[i].time)
	}
}

// takeQueue reads what the listener's socket holds: no more than can have been in its queue; what comes meanwhile is of others.
func (l *Listener) takeQueue(s *slab) (queued []letter) {
	for left := l.queueMax(); left > 0 && l.fd >= 0; {
		packets := s.incoming()
		n, err := l.recv(packets)
		if err != nil {
			if err, final := l.readError(err); final {
				l.fail(err)
			}
			break
		}
		for i := range packets[:n] {
			if p := &packets[i]; p.Err != nil {
				l.sort(p, s, l.now(), arrived) // it is counted
			} else {
				queued = append(queued, letterOf(p, arrived))
			}
		}
		if left -= n; n < batchCount {
			break
		}
	}
	return queued
}

// sortUntil gives those of taken that arrived before end to their owners, and leaves those of the peer.
func (l *Listener) sortUntil(taken []letter, conn *Connected, end int64, s *slab, now time.Time) (rest []letter) {
	if len(taken) == 0 {
		return nil
	}
	rest = taken[:0]
	for i := range taken {
		p := taken[i].packet()
		if conn.mine(&p) || p.Time > end {
			rest = append(rest, taken[i])
			continue
		}
		conn.counts.Foreign.Add(1)
		l.sort(&p, s, now, strayed)
	}
	return rest
}

// datagramCost is the least that a kernel charges a receive buffer for a datagram: Linux for the smallest 256 bytes and more.
const datagramCost = 256

// queueMax is how many datagrams the receive buffer can hold.
func (l *Listener) queueMax() int {
	n, err := l.kernel.Option(l.fd, sock.RecvBuff)
	if err != nil {
		return lettersMax
	}
	return 2*n/datagramCost + batchCount // Linux doubles it for its book-keeping
}

// closeConnected closes the connected children: those of this loop at once, the others on their threads.
func (l *Listener) closeConnected(loop *event.Loop) {
	for c := l.children.first; c != nil; c = l.children.first {
		if r := c.conn.away.Load(); r != nil {
			(*r).CloseNow() // by who has it
		} else if c.conn.mail.close(loop) {
			c.conn.finish()
		}
		l.forgetChild(c)
	}
}

// errNoWay is for a child whose datagrams have no place: neither in its context nor in the listener's.
var errNoWay = errors.New("no memory")

// exhausted tells whether there are no descriptors or no memory for a socket, which passes.
func exhausted(err error) bool {
	switch errnoOf(err) {
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM:
		return true
	}
	return false
}

func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	errors.As(err, &errno)
	return errno
}
