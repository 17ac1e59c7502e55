package netconn

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
)

const (
	// heldMax bounds the connections of a listener that Accept has not returned: those in a handshake, and those that are up and that
	// nobody has asked for. It is the default of max_handshakes; who comes later waits where the IO has them wait.
	heldMax = 1024
	// aheadMax is how many connections may be up before Accept is called for them: who connects need not wait for a server that is
	// between two calls.
	aheadMax = 16
	// acceptsMax is how many peers one turn takes, so that those that are there go on being served.
	acceptsMax = 64
	// restDelay is how long a listener rests whose thread has no memory for a connection.
	restDelay = 100 * time.Millisecond
)

// listener is a listening IO as a net.Listener. While nobody calls Accept, few are taken from the kernel.
type listener struct {
	// The thread's where it lives.
	io       frio.IO
	ctx      *talloc.Context
	member   *thread.Member
	wishing  bool
	timer    event.Timer // ends a rest
	spare    *Conn       // whose context the next accepted gets
	shutting bool        // the end of the context is no surprise

	stack string
	addr  net.Addr

	mu       sync.Mutex
	seat     *seat     // guarded by mu; nil on the way
	ready    []*Conn   // guarded by mu: up, for Accept; at most heldMax
	held     int       // guarded by mu: ready, and those that are not up yet
	waiting  int       // guarded by mu: calls of Accept
	err      error     // guarded by mu: of the IO, for the next Accept
	released bool      // guarded by mu: a layer is to be told that a place is free
	closed   bool      // guarded by mu
	gone     bool      // guarded by mu: the IO and its context are
	some     sync.Cond // of mu: ready, err or closed has changed
	end      sync.Cond // of mu: gone has become true
}

// Listen opens one, a listening side, on the thread t, and returns it as a net.Listener whose connections are *Conn. They are placed on the
// network threads of t's pool. mem is the context that one was parsed in, a root that no thread owns. Both are Listen's from then on:
// they are freed after an error, and by Close.
//
// Accept returns connections that are up: whoever does not get through a handshake is never seen, and costs no goroutine.
// Close leaves the streams that were accepted alone, as in package net; datagram peers share the listener's port and end with it.
// Thread: any that is not the pool's.
func Listen(t *thread.Thread, mem *talloc.Context, one frio.IO) (net.Listener, error) {
	l := &listener{io: one, ctx: mem, stack: stackOf(one)}
	l.some.L, l.end.L = &l.mu, &l.mu
	l.timer.Init((*listenerTimer)(l))
	if s, ok := one.(frio.Sharder); ok {
		l.io = &together{IO: one, shards: s.Shards()}
	}
	err := enter(t, mem, one, func() error { return l.begin(t, mem, one) })
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: l.stack, Err: err}
	}
	return l, nil
}

// errManySockets is for a listen whose peers cannot leave the socket that they came by: those would have to move together.
var errManySockets = errors.New("a datagram listen with several sockets")

// begin opens the IO on its thread, and gives it to the pool.
func (l *listener) begin(t *thread.Thread, mem *talloc.Context, one frio.IO) error {
	_, many := one.(frio.Sharder)
	if many && one.Kind() == frio.Datagram {
		return errManySockets
	}
	// Without a gate a datagram listen has no children, unless it was asked for them.
	if gated, ok := one.(frio.Gated); ok && one.Kind() == frio.Datagram {
		err := gated.SetGate(func(*frio.Packet, []byte) ([]byte, frio.Verdict) { return nil, frio.GateChild })
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	if err := one.Open(); err != nil {
		return err
	}
	l.addr = addrsOf(l.io).local
	mem.OnFree((*listenerFree)(l))
	_, err := t.Add(l.io, mem, nil, (*listenerUser)(l))
	return err
}

// The parts of a listener that its thread calls.
type (
	listenerUser  listener
	listenerFree  listener
	listenerTimer listener
)

// Attach begins, or goes on where the member has moved to.
func (u *listenerUser) Attach(m *thread.Member) {
	l := (*listener)(u)
	l.member, l.wishing = m, false
	l.mu.Lock()
	l.seat = newSeat(m.Loop(), l.turn)
	s := l.seat
	l.mu.Unlock()
	l.turn(s)
}

// Detach has nobody touch the IO until Attach.
func (u *listenerUser) Detach(*thread.Member) {
	l := (*listener)(u)
	l.mu.Lock()
	l.seat = nil
	l.mu.Unlock()
	l.clear()
}

// clear leaves nothing on the thread.
func (l *listener) clear() {
	l.timer.Stop()
	if l.spare != nil {
		l.spare.own.Free()
		l.spare = nil
	}
}

// End closes the listener, whyever: what it has accepted goes on.
func (u *listenerUser) End(*thread.Member, error) { (*listener)(u).shut() }

// Destroy is called when the context is freed. Whoever does that without us is done with the thread.
func (f *listenerFree) Destroy() {
	if l := (*listener)(f); !l.shutting {
		l.vanish()
	}
}

// vanish says that the IO and its context are gone.
func (l *listener) vanish() {
	l.mu.Lock()
	ready := l.closeLocked()
	l.gone, l.seat = true, nil
	l.end.Broadcast()
	l.mu.Unlock()
	for _, c := range ready {
		c.c.leave()
	}
}

func (t *listenerTimer) Expire(time.Time) { (*listener)(t).accept() }
func (t *listenerTimer) Describe() string { return t.io.Describe() }

// Accept waits for the next connection that is up.
func (l *listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting++
	defer func() { l.waiting-- }()
	for {
		switch {
		case l.closed:
			return nil, l.wrap("accept", net.ErrClosed)
		case len(l.ready) > 0:
			c := l.ready[0]
			l.ready = append(l.ready[:0], l.ready[1:]...)
			l.held--
			return c, nil
		case l.err != nil:
			err := l.err
			l.err = nil
			return nil, l.wrap("accept", err)
		}
		l.seat.kick()
		l.some.Wait()
	}
}

// Close closes the socket. Connections that Accept has not returned are closed too.
func (l *listener) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return l.wrap("close", net.ErrClosed)
	}
	ready := l.closeLocked()
	l.seat.kick()
	for !l.gone {
		l.end.Wait()
	}
	l.mu.Unlock()
	for _, c := range ready {
		c.c.leave()
	}
	return nil
}

// closeLocked ends all calls of Accept, and returns the connections that nobody gets any more.
func (l *listener) closeLocked() (ready []*Conn) {
	ready, l.ready = l.ready, nil
	l.closed = true
	l.some.Broadcast()
	return ready
}

// Addr is where it listens; of several sockets the first's.
func (l *listener) Addr() net.Addr { return l.addr }

func (l *listener) wrap(op string, err error) error {
	return &net.OpError{Op: op, Net: l.stack, Addr: l.addr, Err: err}
}
