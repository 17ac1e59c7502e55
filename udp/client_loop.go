package udp

import (
	"fmt"
	"net"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
)

// Event puts the client into a loop, changes its wishes, or takes it out.
func (c *Client) Event(loop *event.Loop, read, write func()) error {
	c.ctx.Touch("event")
	if loop == nil && (read != nil || write != nil) {
		panic("frio: callbacks without a loop: " + c.Describe())
	}
	sock.CheckLoop(c.kernel, loop)
	if c.closed {
		return net.ErrClosed
	}
	if loop != c.loop {
		if err := c.move(loop); err != nil {
			return fmt.Errorf("event %s: %w", c.Describe(), err)
		}
	}
	c.read, c.write = read, write
	if err := c.wish(); err != nil {
		c.leave()
		return fmt.Errorf("event %s: %w", c.Describe(), err)
	}
	return nil
}

func (c *Client) move(loop *event.Loop) error {
	if c.loop != nil && loop != nil {
		return errTwoLoops
	}
	c.leave()
	if loop == nil {
		return nil
	}
	if c.fd >= 0 {
		if err := c.reg.Attach(loop); err != nil {
			return err
		}
	}
	c.loop = loop
	if c.dial != nil && c.state == frio.StateConnecting {
		c.dial.Attach(loop) // it goes on there in the coming turn
	}
	return nil
}

func (c *Client) leave() {
	c.reg.Detach()
	c.timer.Stop()
	c.notice.Cancel()
	if c.dial != nil {
		c.dial.Detach()
	}
	c.loop, c.read, c.write = nil, nil, nil
}

// wish tells the loop what the client waits for.
func (c *Client) wish() error {
	if c.loop == nil {
		return nil
	}
	if c.fd >= 0 {
		var want event.Ready
		if c.read != nil {
			want |= event.Read
		}
		if c.write != nil {
			want |= event.Write
		}
		if err := c.reg.Want(want); err != nil {
			return err
		}
	}
	if c.announces() {
		c.loop.Defer(&c.notice)
	}
	return nil
}

// rewish is wish where the set of wishes is what the poller has already.
func (c *Client) rewish() {
	if err := c.wish(); err != nil {
		c.fail(err)
	}
}

// announces tells whether there is something that the poller does not know of, and somebody to be told.
func (c *Client) announces() bool {
	if c.err == nil {
		return c.read != nil && c.train.pending()
	}
	return c.read != nil && !c.readEnded || c.write != nil && !c.writeEnded
}

// announce is called once a turn while announces.
func (c *Client) announce() {
	loop := c.loop
	if c.read != nil && !c.readEnded && (c.err != nil || c.train.pending()) {
		c.read()
	}
	if c.loop == loop && c.write != nil && !c.writeEnded && c.err != nil {
		c.write()
	}
	if c.loop == loop && loop != nil && c.announces() {
		loop.Defer(&c.notice)
	}
}

// ready is called by the loop.
func (c *Client) ready(r event.Ready) {
	loop := c.loop
	if r&event.Read != 0 && c.read != nil && !c.train.pending() { // else announce does it
		c.read()
	}
	if r&event.Write != 0 && c.loop == loop && c.fd >= 0 && c.write != nil {
		c.write()
	}
}

// fail makes err the result of both directions. What remains is for the caller to see and close.
func (c *Client) fail(err error) {
	if c.err != nil {
		return
	}
	c.err, c.state = err, frio.StateFailed
	c.release()
	if c.loop != nil && c.announces() {
		c.loop.Defer(&c.notice)
	}
}

// release lets go of the socket, or of what is under way to one.
func (c *Client) release() {
	if c.dial != nil {
		c.dial.Abort()
		c.dial = nil
	}
	c.timer.Stop()
	c.reg.Detach()
	c.shut()
}

// Close ends the client.
func (c *Client) Close() error {
	if c.closed {
		return nil
	}
	c.ctx.Touch("close")
	c.end()
	return nil
}

// CloseTail is Close after sending tail, as one datagram, which is tried once.
func (c *Client) CloseTail(tail []byte) error {
	if c.closed {
		return nil
	}
	c.ctx.Touch("close")
	var err error
	if len(tail) > 0 && c.state == frio.StateOpen {
		if _, failed := c.Write(tail); failed != nil {
			err = &frio.UnsentError{Bytes: len(tail)}
		}
	}
	c.end()
	return err
}

func (c *Client) end() {
	if c.closed {
		return
	}
	c.closed, c.state = true, frio.StateClosed
	c.release()
	c.leave()
	c.err, c.readEnded, c.writeEnded = net.ErrClosed, true, true
}
