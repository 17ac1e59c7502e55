package tls

import (
	"fmt"
	"net"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/tls/dtls"
)

// Event puts the connection into a loop, changes its wishes, or takes it out, with its handshake.
func (c *Conn) Event(loop *event.Loop, read, write func()) error {
	c.ctx.Touch("event")
	if loop == nil && (read != nil || write != nil) {
		panic("frio: callbacks without a loop: " + c.Describe())
	}
	c.checkKernel(loop)
	if c.over {
		return net.ErrClosed
	}
	if loop != c.loop() {
		if err := c.move(loop); err != nil {
			return err
		}
	}
	c.away = loop == nil && c.datagram() && c.mine
	c.read, c.write = read, write
	if err := c.wish(); err != nil {
		c.leave()
		return err
	}
	c.arm()
	c.tell()
	return nil
}

// move leaves one loop for another, with its deadlines.
func (c *Conn) move(loop *event.Loop) error {
	child := c.datagram() && c.mine
	if loop != nil && c.loop() != nil && !child {
		panic("frio: Event with a second loop; Event(nil, nil, nil) leaves the first: " + c.Describe())
	}
	if child && loop != nil && c.listener().share.loop == nil {
		// Below they share a socket, which goes into the loop with them.
		if err := c.listener().Event(loop, nil, nil); err != nil {
			return err
		}
	}
	if c.state != frio.StateFailed {
		if err := c.lower.Event(loop, nil, nil); err != nil {
			return err
		}
	}
	c.leaveShare()
	c.told = 0
	c.enterShare(loop)
	return nil
}

// leave takes the connection out of its loop, with what is below it.
func (c *Conn) leave() {
	if c.state != frio.StateFailed {
		_ = c.lower.Event(nil, nil, nil)
	}
	c.leaveShare()
	c.told, c.read, c.write = 0, nil, nil
}

// leaveShare takes this layer out of its loop.
func (c *Conn) leaveShare() {
	if s := c.s; s != nil {
		s.timer.Stop()
		s.task.Cancel()
		if s.waker != nil {
			s.waker.set(nil)
		}
	}
	l := c.share
	if c.s != nil && c.s.stalled && l.loop != nil {
		l.waiting--
	}
	l.remove(c, c.state == frio.StateHandshaking)
	c.share = l.how.bare
	l.leave()
}

func (c *Conn) enterShare(loop *event.Loop) {
	c.share = c.how().enter(loop)
	if c.state == frio.StateHandshaking || c.state == frio.StateOpen {
		c.share.add(c)
	}
	if s := c.s; s != nil {
		// Without a loop nobody waits; whoever comes back with a record waits for its turn, since nothing below announces that.
		s.stalled = loop != nil && c.state == frio.StateHandshaking && (s.stalled || c.wholeHeld())
		if s.stalled {
			c.share.waiting++
		}
	}
	if c.s != nil && c.s.waker != nil {
		c.s.waker.set(loop)
	}
}

// wants is what the connection needs from below.
func (c *Conn) wants() (want event.Ready) {
	s := c.s
	switch {
	case c.state == frio.StateFailed || c.state == frio.StateClosed:
		return 0
	case c.state == frio.StateConnecting:
		return event.Read | event.Write
	case s == nil || s.eng == nil:
		return event.Read
	}
	reads := c.state == frio.StateHandshaking || c.read != nil && !s.readEnded
	if reads && s.readErr == nil && !s.stalled && !s.eng.Held() && s.eng.State() != dtls.Awaiting && s.out.len() < highWater && !c.wholeHeld() {
		want |= event.Read
	}
	if s.writeErr == nil && (s.out.len() > 0 && !s.corked || c.state == frio.StateOpen && c.write != nil && !s.writeEnded) {
		want |= event.Write
	}
	return want
}

// wholeHeld tells whether there is something for the engine without reading.
func (c *Conn) wholeHeld() bool {
	if c.s == nil || c.s.in.len() == 0 {
		return false
	}
	n, err := cut(c.s.in.bytes(), false)
	return n > 0 || err != nil
}

// wish tells the layer below.
func (c *Conn) wish() error {
	loop := c.loop()
	if loop == nil {
		return nil
	}
	want := c.wants()
	if want == c.told || c.state == frio.StateFailed {
		return nil
	}
	var read, write func()
	if want&event.Read != 0 {
		read = c.onRead
	}
	if want&event.Write != 0 {
		write = c.session().onWrite
	}
	if err := c.lower.Event(loop, read, write); err != nil {
		return fmt.Errorf("event %s: %w", c.Describe(), err)
	}
	c.told = want
	return nil
}

// rewish is wish where nobody can be told of an error.
func (c *Conn) rewish() {
	if err := c.wish(); err != nil {
		c.failed(err)
	}
}

// tells tells whether there is something that the layer below does not announce, and somebody for it.
func (c *Conn) tells() bool {
	s := c.s
	if s == nil || c.loop() == nil {
		return false
	}
	if s.stalled || s.eng != nil && s.eng.State() == dtls.Awaiting && s.waker != nil && s.waker.due() {
		return true
	}
	if c.read != nil && !s.readEnded && (s.readErr != nil || c.state == frio.StateOpen && (s.eng.Held() || c.wholeHeld())) {
		return true
	}
	return c.write != nil && !s.writeEnded && s.writeErr != nil
}

func (c *Conn) tell() {
	if c.tells() {
		c.loop().Defer(&c.s.task)
	}
}

// settle is the end of whatever may have changed what the connection waits for.
func (c *Conn) settle() {
	if c.over || c.loop() == nil {
		return
	}
	c.rewish()
	c.tell()
}

// run is the task: once a turn while there is something to be told.
func (c *Conn) run() {
	s, l := c.s, c.share
	c.resume()
	if s.stalled {
		c.unstall()
		l.serving = c
		c.pump()
		l.serving = nil
		c.arm()
	}
	c.catchUp()
	if c.state == frio.StateOpen && s.readErr == nil && !s.eng.Held() {
		c.feedHeld()
	}
	c.call()
}

// call calls the upper for what there is.
func (c *Conn) call() {
	s, l := c.s, c.share
	s.calling = true
	if c.read != nil && !s.readEnded && (s.readErr != nil || c.state == frio.StateOpen && s.eng.Held()) {
		c.read()
	}
	if !c.over && c.share == l && c.write != nil && !s.writeEnded && s.writeErr != nil {
		c.write()
	}
	s.calling = false
	c.settle()
}

// fromBelow is called when the layer below is readable.
func (c *Conn) fromBelow() {
	switch c.state {
	case frio.StateConnecting:
		c.connect()
	case frio.StateHandshaking, frio.StateOpen:
		c.pump()
	}
	switch {
	case c.over:
	case c.s == nil:
		c.settle()
	default:
		c.call() // now, not in the next turn: that brings more to a layer below whose room is bounded
	}
}

// writable is called when the layer below is.
func (c *Conn) writable() {
	s, l := c.s, c.share
	if c.state == frio.StateConnecting {
		c.connect()
		c.settle()
		return
	}
	c.flush()
	s.calling = true
	if c.state == frio.StateOpen && s.writeErr == nil && s.out.len() < lowWater && c.write != nil && !s.writeEnded {
		c.write()
	}
	s.calling = false
	if !c.over && c.share == l {
		c.settle()
	}
}

// arm sets the one timer to the nearest deadline. That of the handshake is the share's.
func (c *Conn) arm() {
	s := c.s
	if s == nil || c.loop() == nil || c.state == frio.StateFailed {
		return
	}
	s.timer.Set(c.loop(), c.nextDeadline())
}

func (c *Conn) nextDeadline() (at time.Time) {
	s := c.s
	if s.eng != nil {
		at = s.eng.Deadline()
	}
	if c.state == frio.StateOpen {
		if t := s.times.Next(); at.IsZero() || !t.IsZero() && t.Before(at) {
			at = t
		}
	}
	return at
}

// expire is called by the loop.
func (c *Conn) expire(now time.Time) {
	c.expired(now)
	if !c.over {
		c.arm()
		c.settle()
	}
}

// expired does what is due.
func (c *Conn) expired(now time.Time) {
	s := c.s
	if s.eng != nil && (c.state == frio.StateHandshaking || c.state == frio.StateOpen) {
		if at := s.eng.Deadline(); !at.IsZero() && !now.Before(at) {
			err := s.eng.Expire(now)
			c.collect()
			if err != nil {
				c.failed(err)
			}
		}
	}
	if c.state == frio.StateOpen {
		if limit := s.times.Expired(now); limit != "" {
			s.eng.CloseNotify() // an end in order
			c.fail(&frio.TimeoutError{Limit: limit})
		}
	}
}

// checkDeadlines is for a connection without a loop.
func (c *Conn) checkDeadlines() {
	now := c.now()
	if c.state == frio.StateHandshaking {
		if at := c.share.deadline(c); !at.IsZero() && !now.Before(at) {
			c.late()
			return
		}
	}
	if c.s != nil {
		c.expired(now)
	}
}

// late ends a handshake that took too long.
func (c *Conn) late() {
	c.failed(&frio.TimeoutError{Limit: "handshake_timeout"})
	c.settle()
}

// catchUp checks a connection that has missed a reload.
func (c *Conn) catchUp() {
	if c.state == frio.StateOpen && c.s.checked != uint32(c.how().reloads.Load()) {
		c.recheck()
	}
}

// recheck looks at the peer's certificate again, with what was read after the handshake.
func (c *Conn) recheck() {
	how := c.how()
	c.s.checked = uint32(how.reloads.Load())
	if err := how.set.recheck(c.s.eng.ConnectionState()); err != nil {
		how.counts.Rechecked.Add(1)
		c.fail(fmt.Errorf("checked again after a reload: %w", err))
		c.settle()
	}
}

// resume goes on with a handshake that awaited an answer.
func (c *Conn) resume() {
	if c.state != frio.StateHandshaking || c.s == nil || c.s.eng == nil || c.s.eng.State() != dtls.Awaiting {
		return
	}
	err := c.s.eng.Resume(c.now())
	c.collect()
	if c.afterFeed(err) {
		c.feedHeld()
		c.arm()
	}
}
