package udp

import (
	"net"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
)

// Event puts the client into a loop, changes its wishes, or takes it out.
func (c *Client) Event(loop *event.Loop, read, write func()) error {
	c.ctx.Touch("event")
	if loop == nil && (read != nil || write != nil) {
		panic("frio: callbacks without a loop: " + c.Describe())
	}
	return c.event(loop, read, write)
}

func (c *Client) move(loop *event.Loop) error {
	if err := c.enter(loop); err != nil {
		return err
	}
	if loop != nil && c.dial != nil && c.state == frio.StateConnecting {
		c.dial.Attach(loop) // it goes on there in the coming turn
	}
	return nil
}

func (c *Client) leave() {
	if c.dial != nil {
		c.dial.Detach()
	}
	c.exit()
}

func (c *Client) holds() bool { return c.train.pending() }

// fail makes err the result of both directions. What remains is for the caller to see and close.
func (c *Client) fail(err error) {
	if c.err != nil {
		return
	}
	c.err, c.state = err, frio.StateFailed
	c.release()
	c.tell()
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
	c.finish()
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
	c.finish()
	return err
}

func (c *Client) finish() {
	if c.closed {
		return
	}
	c.closed, c.state = true, frio.StateClosed
	c.release()
	c.leave()
	c.err, c.readEnded, c.writeEnded = net.ErrClosed, true, true
}
