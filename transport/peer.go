package transport

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/talloc"
)

var (
	// ErrBusy: the peer has all the requests that it may have under way (Limits.Outstanding).
	ErrBusy = errors.New("too many requests are under way to the peer")
	// ErrNoConnection: this thread has no connection to the peer, and may open none (Limits.Connections): another thread may have one.
	ErrNoConnection = errors.New("no connection to the peer is left")
	// ErrDown: this thread's last connections failed, and it is too early to try again: another thread may have one that is up.
	ErrDown = errors.New("the peer cannot be reached")
	// ErrRefused: nobody is there, by the word of the peer's system or of one on the way to it. What is told wraps the errno too.
	ErrRefused = errors.New("nobody is there")
	// ErrNoAnswer: all retransmissions are done.
	ErrNoAnswer = errors.New("no answer")
)

// Protocol is what must be known of messages to match an answer with its request.
type Protocol struct {
	Frame      Framer               // of streams
	MessageMax int                  // the longest message in bytes
	IDs        int                  // identifiers that a connection has, from 0
	ID         func(msg []byte) int // of a whole message; below 0: it has none
}

// Limits of a Peer. Zero is the default of each.
type Limits struct {
	Connections int // of all threads together; 0: unlimited
	Outstanding int // requests under way, of all threads together; 0: unlimited
	Requests    int // under way on a connection; default Protocol.IDs
	Uses        int // requests that a connection carries in its life; 0: unlimited
	Connecting  int // connections of a thread on their way at a time; default 4
	Start, Min  int // connections of a thread: when it first uses the peer, and that are kept however idle

	OpenDelay   time.Duration // how long all must have been busy before one more is opened
	CloseDelay  time.Duration // how long one that is not needed besides others lives; default 30 s
	IdleTimeout time.Duration // since the last request or answer; 0: never
	Lifetime    time.Duration // of a connection; 0: for ever
}

const (
	// backoffMin to backoffMax is how long after a failure a thread tries again, or after the beginning of an attempt that never was a
	// connection: doubled each time, less up to a quarter at random, so that the threads and gateways that lost one peer do not come back
	// together. It is below a second, so that who tries once a second always does.
	backoffMin = 100 * time.Millisecond
	backoffMax = 800 * time.Millisecond
	// upkeepInterval is how often connections are looked after.
	upkeepInterval = time.Second
	// waitingMax is how many requests of a thread wait for a connection: as many as FreeRADIUS has under way by default.
	waitingMax = 65536
)

// Peer is one place that requests go to: what the threads' Pools of connections to it share. Thread: any.
type Peer struct {
	name        string
	io          frio.IO
	proto       Protocol
	limits      Limits
	datagram    bool
	stateful    bool
	conns       *talloc.Budget
	outstanding *talloc.Budget
	pools       []atomic.Pointer[Pool] // by the lane's index

	Counts PeerCounts
}

// PeerCounts are what all threads have counted. Thread: any.
type PeerCounts struct {
	Requests, Answers atomic.Uint64 // sent the first time; taken by their owner
	Resent            atomic.Uint64 // sent again
	Unmatched         atomic.Uint64 // answers to nothing that is under way
	Rejected          atomic.Uint64 // answers that their owner did not take
	Opened, Failed    atomic.Uint64 // connections tried; lost, or never up
	Faults            atomic.Uint64 // errors that cost a datagram
}

// NewPeer makes a Peer. one is a connecting IO as parsed, never connected: each connection is a Copy of it. lanes is how many threads
// will use it.
func NewPeer(name string, one frio.IO, proto Protocol, limits Limits, lanes int) *Peer {
	if limits.Requests <= 0 || limits.Requests > proto.IDs {
		limits.Requests = proto.IDs
	}
	if limits.Connecting <= 0 {
		limits.Connecting = 4
	}
	if limits.CloseDelay <= 0 {
		limits.CloseDelay = 30 * time.Second
	}
	datagram := one.Kind() == frio.Datagram
	_, layered := one.(frio.Layer)
	return &Peer{
		name: name, io: one, proto: proto, limits: limits, datagram: datagram, stateful: !datagram || layered,
		conns: talloc.NewBudget(int64(limits.Connections)), outstanding: talloc.NewBudget(int64(limits.Outstanding)),
		pools: make([]atomic.Pointer[Pool], lanes),
	}
}

// Stateful tells whether a connection to it has another end, which can be lost: a stream, or a layer on datagrams. A plain socket for datagrams
// has a peer that remembers nothing.
func (p *Peer) Stateful() bool { return p.stateful }

// Outstanding is how many requests are under way.
func (p *Peer) Outstanding() int { return int(p.outstanding.Used()) }

// Connections is how many connections there are, those on their way with them.
func (p *Peer) Connections() int { return int(p.conns.Used()) }

// Pool returns the connections of a lane, none at first. Thread: the lane's.
func (p *Peer) Pool(l *Lane) *Pool {
	if pool := p.pools[l.index].Load(); pool != nil {
		return pool
	}
	pool := newPool(p, l)
	p.pools[l.index].Store(pool)
	return pool
}

// Elsewhere returns the index of another lane that may take a request for which Start has given err: after ErrNoConnection one that has
// connections, after ErrDown one that has some that are up and take requests; of several the one with the fewest requests under way. False if none may.
func (p *Peer) Elsewhere(l *Lane, err error) (index int, ok bool) {
	down := errors.Is(err, ErrDown)
	if !down && err != ErrNoConnection {
		return 0, false
	}
	least := int64(0)
	for i := range p.pools {
		pool := p.pools[i].Load()
		if i == l.index || pool == nil || pool.count.Load() == 0 || down && pool.ups.Load() == 0 {
			continue
		}
		if n := pool.busy.Load(); !ok || n < least {
			index, least, ok = i, n, true
		}
	}
	return index, ok
}
