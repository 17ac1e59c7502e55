package udp

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
)

const (
	// lettersMax and letterBytes bound a mailbox: the socket of a child that is closed may hold a full receive buffer, of
	// some hundreds of datagrams by default, and a few children may be closed in one turn of another thread.
	lettersMax  = 4096
	letterBytes = 4 << 20
)

// mailbox is how datagrams and notices reach a listener or a connected child from another thread. It holds copies, on the heap:
// no context may be used from two threads, and what comes this way is rare. Thread: any, except where it says the owner's.
type mailbox struct {
	filled atomic.Bool // there is something; so that the owner asks without mu

	mu      sync.Mutex
	letters []letter // guarded by mu, as all below
	head    int      // the first of letters that is not taken
	bytes   int
	gone    *Child // a listener's children that have ended, through nextGone
	order   bool   // a child's: it is to close
	closed  bool
	loop    *event.Loop // the owner's
	wake    func()      // what is posted there
	posted  bool
}

// origin is where a datagram was read.
type origin uint8

const (
	arrived origin = iota // in the listener's socket
	strayed               // in a socket that is another peer's, or was of a child that has ended
	unread                // by the peer's child, which was closed with it
)

// letter is one datagram.
type letter struct {
	data          []byte
	remote, local netip.AddrPort
	ifindex       uint32
	ecn           uint8
	from          origin
	time          int64
}

// delivery is what became of a letter.
type delivery uint8

const (
	delivered delivery = iota
	noRoom
	nobody // the mailbox is closed
)

// put copies p into the mailbox and wakes its owner.
func (m *mailbox) put(p *frio.Packet, from origin) delivery {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return nobody
	case m.fullLocked(len(p.Data)):
		return noRoom
	}
	m.letters = append(m.letters, letterOf(p, from))
	m.bytes += len(p.Data)
	m.wakeLocked()
	return delivered
}

// close orders a child to close; true if it is on loop, so that the caller, who is there, may close it at once.
func (m *mailbox) close(loop *event.Loop) (here bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.order = true
	here = loop != nil && m.loop == loop
	if !here {
		m.wakeLocked()
	}
	return here
}

// ordered tells whether the owner is to close.
func (m *mailbox) ordered() bool {
	if !m.filled.Load() {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.order
}

// wakeLocked posts wake unless that is under way. A loop that has no room for it, or none at all, is no loss: the owner looks
// when it is called next, and when it enters a loop.
func (m *mailbox) wakeLocked() {
	m.filled.Store(true)
	if m.loop != nil && !m.posted {
		m.posted = m.loop.Post(m.wake) == nil
	}
}

// enter has run called in loop when there is something. Thread: the owner's.
func (m *mailbox) enter(loop *event.Loop, run func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loop, m.posted = loop, false
	m.wake = func() {
		// The owner may have moved to another thread since this was posted.
		if m.arrived(loop) {
			run()
		}
	}
	if m.filled.Load() {
		m.wakeLocked()
	}
}

func (m *mailbox) arrived(loop *event.Loop) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.loop != loop {
		return false
	}
	m.posted = false
	return true
}

// leave ends enter. Thread: the owner's.
func (m *mailbox) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loop, m.wake, m.posted = nil, nil, false
}

// take returns the first letter, whose memory is then the caller's. Thread: the owner's.
func (m *mailbox) take() (one letter, ok bool) {
	if !m.filled.Load() {
		return letter{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.head == len(m.letters) {
		return letter{}, false
	}
	one = m.letters[m.head]
	m.letters[m.head] = letter{}
	m.head++
	m.bytes -= len(one.data)
	if m.head == len(m.letters) {
		m.letters, m.head = nil, 0
		m.emptyLocked()
	}
	return one, true
}

// takeGone returns one of the children that have ended; nil: no more. Thread: the owner's.
func (m *mailbox) takeGone() *Child {
	if !m.filled.Load() {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.gone
	if c != nil {
		m.gone, c.nextGone = c.nextGone, nil
		m.emptyLocked()
	}
	return c
}

func (m *mailbox) emptyLocked() {
	m.filled.Store(m.head < len(m.letters) || m.gone != nil || m.order)
}

// holds tells whether there are letters.
func (m *mailbox) holds() bool {
	if !m.filled.Load() {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.head < len(m.letters)
}

// shut lets nothing in any more. What is there can be taken. Thread: the owner's.
func (m *mailbox) shut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed, m.loop, m.wake = true, nil, nil
}

// shutInto is shut, and gives to the listener's mailbox list and then what is here, and c, the child's record, with its descriptor. All of it
// at once: who finds m shut finds it there, and before that the listener, who would send it back to the child, does not see it. It tells
// how many letters went, and how many did not because they were unread before or had no room, and whether there is a listener.
func (m *mailbox) shutInto(to *mailbox, list []letter, c *Child, fd int) (returned, dropped uint64, ok bool) {
	m.mu.Lock() // a child's before its listener's
	defer m.mu.Unlock()
	to.mu.Lock()
	defer to.mu.Unlock()
	m.closed, m.loop, m.wake = true, nil, nil
	own := len(list)
	list = append(list, m.letters[m.head:]...)
	m.letters, m.head, m.bytes = nil, 0, 0
	m.emptyLocked()
	if to.closed {
		return 0, 0, false
	}
	for i := range list {
		if i >= own && list[i].from == unread || to.fullLocked(len(list[i].data)) {
			dropped++
			continue
		}
		to.letters = append(to.letters, list[i])
		to.bytes += len(list[i].data)
		if i >= own {
			to.letters[len(to.letters)-1].from = unread
		}
		returned++
	}
	c.left, c.nextGone, to.gone = fd, to.gone, c
	to.wakeLocked()
	return returned, dropped, true
}

// fullLocked tells whether there is no room for n bytes more.
func (m *mailbox) fullLocked(n int) bool {
	return len(m.letters)-m.head >= lettersMax || m.bytes+n > letterBytes
}

func letterOf(p *frio.Packet, from origin) letter {
	return letter{append([]byte(nil), p.Data...), p.Remote, p.Local, p.Ifindex, p.ECN, from, p.Time}
}

// packet gives o as it was read.
func (o *letter) packet() frio.Packet {
	return frio.Packet{Data: o.data, Remote: o.remote, Local: o.local, Ifindex: o.ifindex, Time: o.time, ECN: o.ecn}
}
