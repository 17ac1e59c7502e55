package udp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
)

const (
	// wakesMax is how many children are told in one turn that the socket is writable; the others come first in the next.
	wakesMax = 64
	// waitingBytes bounds what waits, in all inboxes together, for children that Accept has not returned: 64 peers that appear
	// at once may fill an inbox each.
	waitingBytes = 64 * (inboxBytes + inboxCount*infoSize)
)

// demux is the part of a Listener that has children: one for each peer and address of ours.
//
// A child begins in waiting, with the first datagrams of its peer, and leaves it through Accept. Both hold one of max_children slots.
// It is in byPeer until it fails or is closed. With `children = connected`, what Accept returns is a Connected, and the child stays as
// the listener's record of it.
type demux struct {
	gate     frio.Gate
	byPeer   map[key]*Child // never ranged over
	waiting  childList      // in order of their first datagrams
	held     int            // memory of the inboxes of those waiting, in bytes
	children childList      // accepted and not closed, oldest first
	count    int            // of those
	writers  childList      // that want to write, who was told longest ago first
	blocked  bool           // the socket had no room
	round    uint64         // of telling them
	nextID   uint64
	behind   bool // a child that has just begun to read holds something
	gaveWay  bool // the socket was left alone for that in the last turn

	mail      mailbox // what connected children send
	returning bool    // it is being emptied
	leavers   leavers
}

// key says whose a datagram is: the peer's address and port, the address of ours that it came to, and for link-local
// peers the interface, without which their address says nothing. It is plain bytes, so that a map of it holds no pointers.
type key struct {
	remote, local [16]byte
	ifindex       uint32
	port          uint16
}

func keyOf(p *frio.Packet) key {
	remote := p.Remote.Addr()
	k := key{remote: remote.As16(), local: p.Local.Addr().As16(), port: p.Remote.Port()}
	if scoped(remote) {
		k.ifindex = p.Ifindex
	}
	return k
}

func scoped(a netip.Addr) bool { return a.IsLinkLocalUnicast() && !a.Is4() }

// take reads a batch from the socket and gives each datagram to whom it is for. It calls no callbacks. One batch a turn is what an inbox
// holds, and what else is in the loop goes on being served.
func (l *Listener) take() {
	if l.fd < 0 {
		return
	}
	s := getSlab()
	defer putSlab(s)
	now := l.now()
	l.returns(s, now)
	packets := s.incoming()
	n, err := l.recv(packets)
	if err != nil {
		if err, final := l.readError(err); final {
			l.fail(err)
		}
	}
	for i := range n {
		l.sort(&packets[i], s, now, arrived)
	}
	l.reply(s)
	if l.train.pending() {
		l.rewish()
	}
}

// takeTurn is take, except that it leaves the socket alone for a turn, never two in a row, where a child has just begun to read and has not
// been told of what it holds.
func (l *Listener) takeTurn() {
	if l.gaveWay = l.behind && !l.gaveWay; !l.gaveWay {
		l.take()
	}
	l.behind = false
}

// sort finds out for whom p is.
func (l *Listener) sort(p *frio.Packet, s *slab, now time.Time, from origin) {
	if !l.admits(p) {
		return
	}
	l.received(1, len(p.Data))
	if p.Err != nil {
		return
	}
	l.give(p, s, now, from)
}

// give gives p to its child, or makes one.
func (l *Listener) give(p *frio.Packet, s *slab, now time.Time, from origin) {
	k := keyOf(p)
	if len(l.leavers.list) > 0 && from != unread {
		l.drainLeaver(k, now) // what is there came before p
	}
	c := l.byPeer[k]
	if c != nil && c.conn != nil {
		if c.late(p, from) {
			return
		}
		// It has ended. What it left comes before p.
		l.returns(s, now)
		l.drainLeaver(k, now)
		if c == l.byPeer[k] {
			l.disclaim(c)
		} else if c = l.byPeer[k]; c != nil && c.conn != nil {
			c.late(p, from)
			return
		}
		c = l.byPeer[k]
	}
	verdict := frio.GateChild
	if l.gate != nil {
		var reply []byte
		scratch := s.scratch()
		reply, verdict = l.gate(p, scratch)
		if verdict == frio.GateReply {
			l.queueReply(p, s, scratch, reply)
			return
		}
	}
	switch {
	case verdict == frio.GateReplace && c != nil:
		l.counts.Replaced.Add(1)
		c.fail(errReplaced)
		c = nil
	case verdict != frio.GateChild && verdict != frio.GateReplace && c == nil:
		l.counts.Gate.Add(1)
		return
	}
	if c == nil {
		if len(p.Data) == 0 {
			l.counts.Empty.Add(1) // nothing that there should be state for
			return
		}
		if !l.claim(p, k, from) {
			return
		}
		if c = l.newChild(p, k, now); c == nil {
			if l.set.owners != nil {
				l.set.owners.forget(k, l)
			}
			return
		}
	}
	c.receive(p, now, from)
}

// newChild makes a child of a peer that has none, to wait for Accept.
func (l *Listener) newChild(p *frio.Packet, k key, now time.Time) *Child {
	if l.held > waitingBytes {
		l.counts.Held.Add(1)
		return nil
	}
	if !l.set.slots.Take(1) {
		l.counts.Full.Add(1)
		return nil
	}
	c := &Child{listener: l, key: k, remote: p.Remote, local: p.Local, state: frio.StateOpen, slot: true, left: -1}
	if !c.local.IsValid() {
		c.local = l.local // the kernel did not tell
	}
	c.inbox.roomy = l.set.connected
	c.timer.Init((*childTimer)(c))
	c.notice.Init((*childNotice)(c))
	c.times.Start(now, &l.set.times)
	if l.byPeer == nil {
		l.byPeer = make(map[key]*Child)
	}
	l.byPeer[k] = c
	l.waiting.add(c, inParent)
	c.arm()
	if l.loop != nil && l.announces() {
		l.loop.Defer(&l.notice)
	}
	return c
}

// queueReply has reply sent to where p came from. It is copied: a gate's memory may be used for the next one.
func (l *Listener) queueReply(p *frio.Packet, s *slab, scratch, reply []byte) {
	if len(reply) > len(scratch) {
		l.counts.RepliesLost.Add(1)
		return
	}
	n := copy(scratch, reply)
	s.out[s.outCount] = frio.Packet{Data: scratch[:n], Remote: p.Remote, Local: p.Local, Ifindex: p.Ifindex}
	s.outCount++
}

// reply sends the gate's replies. What cannot be sent now is lost: nothing is kept of those peers.
func (l *Listener) reply(s *slab) {
	for out := s.out[:s.outCount]; len(out) > 0; {
		n, err := l.send(out)
		l.counts.Replies.Add(uint64(n))
		out = out[n:]
		if err == nil {
			continue
		}
		if err == frio.ErrAgain {
			l.counts.RepliesLost.Add(uint64(len(out)))
			break
		}
		l.counts.RepliesLost.Add(1)
		out = out[1:]
		if err, final := l.writeError(err); final {
			l.fail(err)
			break
		}
	}
	s.forget()
}

// Accept returns the child of the next peer that has none, with that peer's first datagrams.
func (l *Listener) Accept(ctx *talloc.Context) (frio.IO, error) {
	l.ctx.Touch("accept")
	switch {
	case l.closed:
		return nil, net.ErrClosed
	case !l.set.demux:
		return nil, errors.ErrUnsupported
	case l.err != nil:
		return nil, l.endRead(l.err)
	case l.state != frio.StateListening:
		return nil, fmt.Errorf("accept %s: it is not open", l.Describe())
	}
	ctx.Touch("accept into")
	if l.resting() {
		return nil, frio.ErrAgain
	}
	if l.set.connected {
		return l.acceptConnected(ctx)
	}
	c := l.nextToAccept()
	if c == nil || l.err != nil {
		return nil, l.acceptEnd()
	}
	held := c.inbox.held()
	if !c.settle(ctx) {
		// The context is at its limit: no reason to stop listening, nor to lose the child.
		l.counts.NoMemory.Add(1)
		l.pause()
		return nil, frio.ErrAgain
	}
	l.held -= held
	l.waiting.remove(c, inParent)
	l.children.add(c, inParent)
	l.count++
	l.nextID++
	c.accepted, c.id, c.link = true, l.nextID, l
	l.counts.Accepted.Add(1)
	l.rewish()
	return c, nil
}

// nextToAccept is nextWaiting, after reading where no loop does that.
func (l *Listener) nextToAccept() *Child {
	c := l.nextWaiting()
	if c == nil && (l.loop == nil || !l.reading()) {
		l.take()
		c = l.nextWaiting()
	}
	return c
}

// nextWaiting is the first child to be accepted that has not timed out.
func (l *Listener) nextWaiting() *Child {
	for c := l.waiting.first; c != nil; c = l.waiting.first {
		if !c.expired() {
			return c
		}
	}
	return nil
}

// wake tells children that the socket is writable.
func (l *Listener) wake() {
	l.round++
	loop := l.loop
	for range wakesMax {
		c := l.writers.first
		// A callback may have closed any of them, the listener, or filled the socket.
		if c == nil || c.round == l.round || l.loop != loop || l.blocked {
			break
		}
		c.round = l.round
		l.writers.remove(c, inWriters)
		l.writers.add(c, inWriters)
		c.write()
	}
}

// enterChildren and leaveChildren take along the children that are in the listener's loop. Connected ones go where they are told.
func (l *Listener) enterChildren() {
	for _, list := range []*childList{&l.waiting, &l.children} {
		for c := list.first; c != nil; c = c.places[inParent].next {
			if !c.out && c.conn == nil {
				c.arm()
				c.wish()
			}
		}
	}
}

func (l *Listener) leaveChildren() {
	for _, list := range []*childList{&l.waiting, &l.children} {
		for c := list.first; c != nil; c = c.places[inParent].next {
			c.timer.Stop()
			c.notice.Cancel()
		}
	}
}

// closeChildren is called when the listener has left loop.
func (l *Listener) closeChildren(loop *event.Loop) {
	for l.waiting.first != nil {
		l.waiting.first.end()
	}
	if l.set.connected {
		l.closeConnected(loop)
	}
	for l.children.first != nil {
		l.children.first.end()
	}
	l.byPeer = nil
}

func (l *Listener) failChildren(err error) {
	for l.waiting.first != nil {
		l.waiting.first.end()
	}
	for c := l.children.first; c != nil; c = c.places[inParent].next {
		if c.conn == nil { // else it has a socket of its own
			c.fail(err)
		}
	}
}

// ChildClosed is told by a child that it is gone.
func (l *Listener) ChildClosed(uint64) {}

// Release is told that a slot is free. The next datagram of a peer without a child takes it.
func (l *Listener) Release() {}

// Children visits the children that Accept has returned, the oldest first.
func (l *Listener) Children(visit func(frio.Handle) bool) {
	for c := l.children.first; c != nil; c = c.places[inParent].next {
		h := frio.Handle{ID: c.id, Name: c.Describe(), State: c.state}
		if c.conn != nil {
			if c.conn.State() == frio.StateClosed {
				continue // it is about to tell
			}
			h = c.conn.handle(c.id)
		}
		if !visit(h) {
			return
		}
	}
}

func (l *Listener) debugChildren(w io.Writer) {
	max := "unlimited"
	if n := l.set.slots.Max(); n > 0 {
		max = strconv.FormatInt(n, 10)
	}
	fmt.Fprintf(w, "open %d, waiting %d with %d bytes, max_children %s, idle_timeout %s, lifetime %s\n", l.count, l.waiting.count, l.held,
		max, never(l.set.times.IdleTimeout), never(l.set.times.Lifetime))
	for c := l.children.first; c != nil; c = c.places[inParent].next {
		if c.conn != nil { // it may be on another thread, where it tells more
			if state := c.conn.State(); state != frio.StateClosed {
				fmt.Fprintf(w, "%s, connected, state %v\n", c.Describe(), state)
			}
			continue
		}
		c.Debug(w)
	}
}

func never(d time.Duration) string {
	if d == 0 {
		return "never"
	}
	return d.String()
}

// place is where a child stands in a list.
type place struct{ prev, next *Child }

// Each child has a place in two lists: of those waiting or accepted, and of those that want to write.
const (
	inParent = iota
	inWriters
	placeCount
)

// childList is a list through one of the places.
type childList struct {
	first, last *Child
	count       int
}

func (l *childList) add(c *Child, at int) {
	c.places[at] = place{prev: l.last}
	if l.last != nil {
		l.last.places[at].next = c
	} else {
		l.first = c
	}
	l.last = c
	l.count++
}

func (l *childList) remove(c *Child, at int) {
	p := c.places[at]
	if p.prev != nil {
		p.prev.places[at].next = p.next
	} else {
		l.first = p.next
	}
	if p.next != nil {
		p.next.places[at].prev = p.prev
	} else {
		l.last = p.prev
	}
	c.places[at] = place{}
	l.count--
}
