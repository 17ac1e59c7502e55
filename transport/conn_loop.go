package transport

import (
	"time"

	"github.com/frio-io/frio"
)

// settle tells the loop what the connection waits for, if that is another than before.
func (c *Conn) settle() {
	if c.over || c.io == nil {
		return
	}
	reads := c.listens() && !c.starved && !c.in.whole
	writes := c.failed == nil && (!c.up || c.out.waiting > 0 || c.out.shut && !c.out.ended)
	if reads && !c.reads && !c.in.began.IsZero() {
		c.in.began = c.lane.loop.Now() // while nothing was read the peer could do nothing about it
	}
	if c.attached && reads == c.reads && writes == c.writes {
		return
	}
	var read, write func()
	if reads {
		read = c.read
	}
	if writes {
		write = c.write
	}
	if err := c.io.Event(c.lane.loop, read, write); err != nil {
		c.fail(err)
		return
	}
	c.attached, c.reads, c.writes = true, reads, writes
	c.arm()
}

// listens tells whether the user is there for what comes.
func (c *Conn) listens() bool {
	return c.up && !c.paused && !c.ended && !c.over && c.failed == nil
}

const (
	// watchInterval is how often an IO is looked after of which nothing is wished: such a one cannot tell that its own limits ended it.
	watchInterval = time.Second
	// starveDelay is how soon the ring is tried again after it had no room: those who hold its messages are on other threads, and
	// 1024 messages in 10 ms are more than they work on.
	starveDelay = 10 * time.Millisecond
)

// arm sets the timer to the nearest of what it is for; it is never moved to later, but looks again.
func (c *Conn) arm() {
	now := c.lane.loop.Now()
	var at time.Time
	switch due := c.due(); {
	case c.told:
		return
	case c.starved:
		at = now.Add(starveDelay)
	case !due.IsZero():
		at = due
	case !c.reads && !c.writes:
		at = now.Add(watchInterval)
	default:
		return
	}
	if when := c.timer.When(); when.IsZero() || at.Before(when) {
		c.timer.Set(c.lane.loop, at)
	}
}

func (c *Conn) expire(now time.Time) {
	switch due := c.due(); {
	case c.failed != nil:
		return
	case !c.reads && !c.writes && stateOf(c.io) == frio.StateFailed:
		c.fail(c.ending())
		return
	case c.starved:
		c.starved = false
		if c.in.whole {
			c.lane.loop.Defer(&c.notice)
		}
		c.settle()
	case !due.IsZero() && !now.Before(due):
		c.fail(&frio.TimeoutError{Limit: "message_timeout"})
		return
	}
	c.arm()
}

// due is when the message that has begun must be whole; zero while none is read.
func (c *Conn) due() time.Time {
	if c.in.began.IsZero() || c.cfg.Timeout == 0 || !c.reads {
		return time.Time{}
	}
	return c.in.began.Add(c.cfg.Timeout)
}

// starve has the connection wait until others let go of what they hold of the ring. The loop would tell of what waits in the
// socket again and again.
func (c *Conn) starve() {
	c.starved = true
	c.settle()
	c.arm()
}

// fail notes that the connection is lost; the user is told by a task.
func (c *Conn) fail(err error) {
	if c.failed == nil && !c.over {
		c.failed = err
		c.lane.loop.Defer(&c.notice)
		c.settle()
	}
}

// fault tells the user of an error that cost a datagram; by a task, if output is being sent.
func (c *Conn) fault(err error) {
	c.stats.Faults++
	if !c.lane.flushing {
		c.user.Fault(c, err)
		return
	}
	if c.faulted == nil {
		c.faulted = err
	}
	c.lane.loop.Defer(&c.notice)
}

// tell is what a callback of the loop is for that no descriptor causes. The user may close the connection in any of its calls.
func (c *Conn) tell() {
	if err := c.faulted; err != nil && !c.over {
		c.faulted = nil
		c.user.Fault(c, err)
	}
	if !c.over && c.failed == nil {
		c.goOn()
	}
	if !c.over && c.failed != nil {
		c.end(c.failed)
	}
}

// goOn does what was put off.
func (c *Conn) goOn() {
	if !c.up {
		c.proceed()
	}
	if c.over {
		return
	}
	if relieved := c.out.relieved(); relieved || c.out.ended && !c.out.told {
		c.out.pressed = c.out.pressed && !relieved
		c.out.told = c.out.ended
		c.user.Room(c)
	}
	if c.in.whole && c.listens() {
		c.cutInput()
	}
	c.settle()
}
