package base

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
)

// Event puts the connection into a loop, changes its wishes, or takes it out.
func (c *Conn) Event(loop *event.Loop, read, write func()) error {
	c.ctx.Touch("event")
	if loop == nil && (read != nil || write != nil) {
		panic("frio: callbacks without a loop: " + c.Describe())
	}
	sock.CheckLoop(c.cfg.Kernel, loop)
	if c.closed() {
		return net.ErrClosed
	}
	if loop != c.loop {
		if loop != nil && c.loop != nil {
			panic("frio: Event with a second loop; Event(nil, nil, nil) leaves the first: " + c.Describe())
		}
		if err := c.move(loop); err != nil {
			return err
		}
	}
	c.read, c.write = read, write
	err := c.wish()
	if err != nil {
		c.leave()
	}
	return err
}

// move leaves one loop for another, with its deadlines.
func (c *Conn) move(loop *event.Loop) error {
	c.leave()
	c.loop = loop
	if loop == nil {
		return nil
	}
	if c.fd >= 0 {
		if err := c.reg.Attach(loop); err != nil {
			c.loop = nil
			return err
		}
	}
	if c.dial != nil && c.state == frio.StateConnecting {
		c.dial.Attach(loop)
	}
	c.arm()
	return nil
}

func (c *Conn) leave() {
	c.reg.Detach()
	c.timer.Stop()
	c.notice.Cancel()
	if c.dial != nil {
		c.dial.Detach()
	}
	c.loop, c.read, c.write = nil, nil, nil
}

// wish tells the loop what the connection waits for.
func (c *Conn) wish() error {
	if c.loop == nil {
		return nil
	}
	if c.fd < 0 {
		if c.unannounced() {
			c.loop.Defer(&c.notice)
		}
		return nil
	}
	var want event.Ready
	if c.read != nil && !c.readEnded {
		want |= event.Read
	}
	if (c.write != nil && !c.writeEnded) || (c.out.len() > 0 && c.writeErr == nil) {
		want |= event.Write
	}
	if err := c.reg.Want(want); err != nil {
		return fmt.Errorf("event %s: %w", c.Describe(), err)
	}
	if c.unannounced() {
		c.loop.Defer(&c.notice)
	}
	return nil
}

// rewish is wish where nobody is there to take an error: the connection fails by it, and the callbacks tell.
func (c *Conn) rewish() {
	if err := c.wish(); err != nil {
		c.fail(err)
	}
}

// unannounced tells whether an end is known that its callback has not yet been told.
func (c *Conn) unannounced() bool {
	return (c.readErr != nil && !c.readEnded && c.read != nil) || (c.writeErr != nil && !c.writeEnded && c.write != nil)
}

// announce calls the callbacks of ends that were not returned, one a turn: of two ends the reading one first, then in turn.
func (c *Conn) announce() {
	// What the callback leaves behind is not looked at: it may have closed the connection, or given it to another thread.
	read := c.readErr != nil && !c.readEnded && c.read != nil
	write := c.writeErr != nil && !c.writeEnded && c.write != nil
	if !read && !write {
		return
	}
	c.loop.Defer(&c.notice)
	if c.toldRead = read && !(write && c.toldRead); c.toldRead {
		c.read()
	} else {
		c.write()
	}
}

// ready is called by the loop.
func (c *Conn) ready(r event.Ready) {
	if r == event.Read {
		if c.read != nil && !c.readEnded {
			c.read()
		}
		return
	}
	if c.out.len() > 0 && c.writeErr == nil {
		if c.flush() != frio.ErrAgain {
			c.rewish() // nothing waits any more: all is sent, or lost
		}
	}
	if c.write != nil && !c.writeEnded && c.out.len() == 0 {
		c.write()
	}
}

// arm sets the one timer to the nearest deadline.
func (c *Conn) arm() {
	if c.loop == nil {
		return
	}
	var at time.Time
	switch {
	case c.dial != nil && c.state == frio.StateConnecting:
		at = c.dial.Next()
	case c.fd >= 0:
		at = c.times.Next()
	}
	c.timer.Set(c.loop, at)
}

// advance goes on with connecting; the loop calls it.
func (c *Conn) advance() {
	if c.dial != nil {
		c.dialed(c.dial.Step(c.now()))
	}
}

func (c *Conn) expire(now time.Time) {
	if c.dial != nil {
		c.advance()
		return
	}
	if limit := c.times.Expired(now); limit != "" {
		c.timeout(limit)
		return
	}
	c.arm()
}

// timeout ends the connection in order, because a limit of time has run out.
func (c *Conn) timeout(limit string) {
	if c.counts != nil {
		c.counts.Timeouts.Add(1)
	}
	c.fail(&frio.TimeoutError{Limit: limit})
}

// fail makes err the result of both directions. The socket goes at once; what remains is for the caller to see and close.
func (c *Conn) fail(err error) {
	if c.closed() || c.state == frio.StateFailed {
		return
	}
	c.state = frio.StateFailed
	if c.readErr == nil {
		c.readErr = err
	}
	if c.writeErr == nil {
		c.writeErr = err
	}
	c.unsent = c.release(nil)
	if c.loop != nil && c.unannounced() {
		c.loop.Defer(&c.notice)
	}
}

// Close ends the connection; see frio.IO.
func (c *Conn) Close() error { return c.CloseTail(nil) }

// CloseTail is Close after sending tail.
func (c *Conn) CloseTail(tail []byte) error {
	if c.closed() {
		return nil
	}
	c.ctx.Touch("close")
	left := c.unsent + c.release(tail)
	c.gone()
	if left > 0 {
		return &frio.UnsentError{Bytes: left}
	}
	return nil
}

// gone makes the connection closed for its caller.
func (c *Conn) gone() {
	c.leave()
	c.state = frio.StateClosed
	c.readErr, c.writeErr = net.ErrClosed, net.ErrClosed
	c.readEnded, c.writeEnded = true, true
	if c.listener != nil {
		c.listener.remove(c)
	}
	if link := c.link; link != nil {
		c.link = nil
		link.ChildClosed(c.id)
	}
}

// release lets go of the socket: what is unsent, and tail, goes with it to the loop's closing list. unsent is how many bytes
// nobody sends any more.
func (c *Conn) release(tail []byte) (unsent int) {
	if c.dial != nil {
		c.dial.Abort()
		c.dial = nil
	}
	c.timer.Stop()
	unsent = len(tail)
	if fd := c.fd; fd >= 0 {
		c.reg.Detach()
		c.fd = -1
		var out []byte
		if c.out.len() > 0 {
			out = c.out.bytes()
		}
		lost := errors.Is(c.writeErr, frio.ErrReset)
		unsent = closeStream(c.cfg, c.loop, &closing{fd: fd, name: c.Describe(), shut: c.shutSent}, out, tail, lost, c.readErr == io.EOF)
	}
	c.out.release()
	c.freeSlot()
	return unsent
}

// abort is what freeing the context of an open connection does: no flush, no announcement.
func (c *Conn) abort() {
	if c.closed() {
		return
	}
	if c.dial != nil {
		c.dial.Abort()
		c.dial = nil
	}
	if c.fd >= 0 {
		c.reg.Detach()
		c.cfg.Kernel.Close(c.fd)
		c.fd = -1
	}
	c.out.release()
	c.freeSlot()
	c.gone()
}

// freeSlot gives back the place that max_connections counts, on whatever thread.
func (c *Conn) freeSlot() {
	if c.slots == nil {
		return
	}
	c.slots.giveChild(c.remote.AddrPort.Addr())
	c.slots = nil
	if c.link != nil {
		c.link.Release()
	}
}

// Debug writes everything about the connection.
func (c *Conn) Debug(w io.Writer) {
	fmt.Fprintf(w, "%s\n", c.Describe())
	in := frio.Indent(w)
	fmt.Fprintf(in, "state %v, in %d bytes, out %d bytes\n", c.state, c.bytesIn, c.bytesOut)
	fmt.Fprintf(in, "%s\n", wishes(c.loop, c.read != nil && !c.readEnded, c.write != nil && !c.writeEnded))
	if n := c.out.len(); n > 0 {
		fmt.Fprintf(in, "holds %d bytes unsent\n", n)
	}
	if c.readErr != nil || c.writeErr != nil {
		fmt.Fprintf(in, "read ended: %v, write ended: %v\n", c.readErr, c.writeErr)
	}
	if c.dial != nil {
		c.dial.Debug(in)
	}
	if c.fd >= 0 && c.loop != nil {
		if at := c.times.Next(); !at.IsZero() {
			fmt.Fprintf(in, "next deadline in %v\n", at.Sub(c.now()).Round(time.Millisecond))
		}
	}
	if c.fd >= 0 {
		fmt.Fprintf(in, "%s\n", Granted(c.cfg.Kernel, c.fd, c.cfg.Buffers[0], c.cfg.Buffers[1]))
	}
	if c.cfg.Debug != nil && c.role == frio.Client {
		c.cfg.Debug(in)
	}
}

// wishes says what an IO waits for.
func wishes(loop *event.Loop, read, write bool) string {
	switch {
	case loop == nil:
		return "in no loop"
	case !read && !write:
		return "in a loop, wants nothing"
	}
	return "wants" + word(read, " read") + word(write, " write")
}

func word(is bool, w string) string {
	if is {
		return w
	}
	return ""
}
