package netconn

import (
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
)

// core is an IO on its thread, of which other goroutines make calls: at most one in each direction, the others wait. It moves with
// its thread.Member.
//
//	rising -> up -> closed -> gone
//	rising -> failed -> gone
//	any -> gone, when the pool ends it
type core struct {
	// The thread's where it lives.
	io   frio.IO
	ctx  *talloc.Context
	loop *event.Loop
	done *yielder    // of the loop
	told event.Ready // what the loop was asked for
	rise func() error
	// shutting has the end of the context be no surprise.
	shutting bool
	// risen is told once, that the IO is up (nil) or why not, in which case it is closed: it has not been handed out.
	risen       func(error)
	read, write func() // callbacks, made once

	mu       sync.Mutex
	in, out  half      // guarded by mu
	seat     *seat     // guarded by mu; nil before it lives anywhere, and on the way
	up       bool      // guarded by mu: it can be read and written
	rose     bool      // guarded by mu: risen was told
	closed   bool      // guarded by mu: by Close, or because it did not rise
	gone     bool      // guarded by mu: the IO and its context are
	failed   error     // guarded by mu: the loop refuses it
	closeErr error     // guarded by mu: what Close returns
	end      sync.Cond // of mu: gone has become true
}

func (c *core) init(io frio.IO, ctx *talloc.Context) {
	c.in.stays = true
	c.io, c.ctx = io, ctx
	c.end.L = &c.mu
	for _, h := range [...]*half{&c.in, &c.out} {
		h.core = c
		h.ended.L = &c.mu
	}
	c.read = func() { c.ready(&c.in) }
	c.write = func() { c.ready(&c.out) }
	ctx.OnFree((*coreFree)(c))
}

// The parts of a core that its thread calls.
type (
	coreUser core
	coreFree core
)

// Attach begins, or goes on where the member has moved to.
func (u *coreUser) Attach(m *thread.Member) {
	c := (*core)(u)
	c.loop, c.told, c.done = m.Loop(), 0, yielderOf(m.Thread())
	c.mu.Lock()
	c.seat = newSeat(c.loop, c.turn)
	s := c.seat
	c.mu.Unlock()
	c.turn(s)
}

// Detach has nobody touch the IO until Attach.
func (u *coreUser) Detach(*thread.Member) {
	c := (*core)(u)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seat = nil
	c.in.wished, c.out.wished = false, false
}

// End ends the connection: its calls are ended with net.ErrClosed. A pool that stops waits for those that are up to be closed by
// whoever has them.
func (u *coreUser) End(_ *thread.Member, reason error) {
	c := (*core)(u)
	c.mu.Lock()
	stay := c.up && !c.closed && reason == thread.ErrStopping
	c.mu.Unlock()
	if !stay {
		c.shut()
	}
}

// Destroy is called when the context is freed. Whoever does that without us is done with the thread.
func (f *coreFree) Destroy() {
	if c := (*core)(f); !c.shutting {
		c.vanish()
	}
}

// vanish says that the IO and its context are gone.
func (c *core) vanish() {
	c.mu.Lock()
	rose := c.rose
	c.gone, c.seat, c.rose = true, nil, true
	c.finishLocked(net.ErrClosed)
	c.end.Broadcast()
	c.mu.Unlock()
	if !rose {
		c.risen(net.ErrClosed)
	}
}

// finishLocked ends all calls, and the timers.
func (c *core) finishLocked(err error) {
	for _, h := range [...]*half{&c.in, &c.out} {
		h.finishLocked(err)
		h.stopLocked()
	}
}

// turn does what has been asked for. s is the seat it was asked at.
func (c *core) turn(s *seat) {
	c.mu.Lock()
	if c.seat != s {
		c.mu.Unlock()
		return // it has moved, or is gone
	}
	rose, err := c.liftLocked()
	if c.up {
		c.in.stepLocked()
		c.out.stepLocked()
	}
	c.settleLocked(rose, err)
}

// ready is called by the loop for one direction.
func (c *core) ready(h *half) {
	c.mu.Lock()
	rose, err := c.liftLocked()
	if !h.active {
		h.wished = false
	}
	if c.up {
		h.stepLocked()
	}
	c.settleLocked(rose, err)
}

// liftLocked goes on with what comes before reading and writing, and tells whether that is over, and how.
func (c *core) liftLocked() (rose bool, err error) {
	if c.up || c.closed {
		return false, nil
	}
	if err = c.rise(); err == frio.ErrAgain {
		return false, nil
	}
	c.up, c.closed, c.rose = err == nil, err != nil, true
	return true, err
}

// settleLocked is the end of a turn: it tells the loop what is waited for, or closes. It gives mu back.
func (c *core) settleLocked(rose bool, err error) {
	over := c.closed
	if !over {
		if wrong := c.wishLocked(); wrong != nil {
			c.failed = wrong
			c.finishLocked(wrong)
		}
	}
	c.mu.Unlock()
	if rose {
		c.risen(err)
	}
	if over {
		c.shut()
	}
}

// wishLocked tells the loop what is waited for.
func (c *core) wishLocked() error {
	var want event.Ready
	if c.up && c.in.wished {
		want |= event.Read
	}
	if !c.up || c.out.wished {
		want |= event.Write
	}
	if want == c.told || c.failed != nil {
		return nil
	}
	var read, write func()
	if want&event.Read != 0 {
		read = c.read
	}
	if want&event.Write != 0 {
		write = c.write
	}
	if err := c.io.Event(c.loop, read, write); err != nil {
		return fmt.Errorf("event %s: %w", c.io.Describe(), err)
	}
	c.told = want
	return nil
}

// shut closes the IO and frees it. Thread: the IO's.
func (c *core) shut() {
	if c.shutting {
		return
	}
	c.shutting = true
	c.mu.Lock()
	c.closed = true
	c.finishLocked(net.ErrClosed)
	c.mu.Unlock()
	err := c.io.Close()
	c.mu.Lock()
	c.closeErr = err
	c.mu.Unlock()
	c.ctx.Free()
	c.vanish()
}

// close closes and waits until that is done. Thread: any that is not the pool's.
func (c *core) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.leaveLocked()
	return c.waitLocked()
}

// waitLocked waits until the IO and its context are gone, and returns what Close said.
func (c *core) waitLocked() error {
	for !c.gone {
		c.end.Wait()
	}
	return c.closeErr
}

// leave closes, and does not wait. Thread: any.
func (c *core) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaveLocked()
}

func (c *core) leaveLocked() {
	c.closed = true
	c.finishLocked(net.ErrClosed)
	c.seat.kick()
}

// deadline sets the deadlines of halves. Thread: any.
func (c *core) deadline(t time.Time, halves ...*half) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.gone {
		return net.ErrClosed
	}
	for _, h := range halves {
		h.setDeadlineLocked(t)
	}
	return nil
}
