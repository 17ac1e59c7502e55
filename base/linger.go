package base

import (
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

// drainMax is how much a closed connection's peer may still send before we stop reading. What is unread at close(2)
// makes the kernel send a reset, which destroys our tail at the peer; more than this is not politeness any more.
const drainMax = 64 << 10

// closing is a socket that its owner has closed: it sends what is left, ends the writing direction, reads until
// the peer has ended too, and closes the descriptor.
type closing struct {
	kernel  sock.Kernel
	fd      int
	name    string
	buf     talloc.Buffer // of the loop's context
	rest    []byte        // in buf: unsent
	shut    bool          // the writing direction is ended
	drained int
	scratch [2048]byte
}

// closeStream closes c.fd for good: by the loop's closing list where something is left to do, else at once. unsent is
// how many bytes of out and tail cannot be sent any more.
func closeStream(cfg *Stream, loop *event.Loop, c *closing, out, tail []byte, lost, ended bool) (unsent int) {
	c.kernel = cfg.Kernel
	if !lost {
		out = c.send(out)
		if len(out) == 0 {
			tail = c.send(tail)
		}
	}
	left := len(out) + len(tail)
	if left == 0 && !lost {
		c.closeWrite()
	}
	if !lost && loop != nil && (left > 0 || !ended) && c.list(loop, out, tail) {
		return 0
	}
	c.kernel.Close(c.fd)
	return left
}

// list hands the socket to the loop; false if that has no room.
func (c *closing) list(loop *event.Loop, out, tail []byte) bool {
	want := event.Read
	if n := len(out) + len(tail); n > 0 {
		buf, err := loop.Context().Alloc(n)
		if err != nil {
			return false
		}
		c.buf, c.rest = buf, buf.Bytes()
		copy(c.rest[copy(c.rest, out):], tail)
		want = event.Write
	}
	if loop.Linger(c.fd, c, want) != nil {
		c.free()
		return false
	}
	return true
}

// send gives p to the kernel once and returns what it did not take.
func (c *closing) send(p []byte) []byte {
	for len(p) > 0 {
		n, err := c.kernel.Send(c.fd, p)
		if err != nil {
			break
		}
		p = p[n:]
	}
	return p
}

func (c *closing) closeWrite() {
	if !c.shut {
		c.shut = true
		c.kernel.CloseWrite(c.fd)
	}
}

// Step sends, then drains.
func (c *closing) Step(time.Time) event.Ready {
	for len(c.rest) > 0 {
		n, err := c.kernel.Send(c.fd, c.rest)
		if err == frio.ErrAgain {
			return event.Write
		}
		if err != nil {
			return event.Hangup // the peer is gone; Abort counts what it did not get
		}
		c.rest = c.rest[n:]
	}
	c.closeWrite()
	for c.drained < drainMax {
		n, err := c.kernel.Recv(c.fd, c.scratch[:])
		if err == frio.ErrAgain {
			return event.Read
		}
		if err != nil || n == 0 {
			break
		}
		c.drained += n
	}
	c.finish()
	return 0
}

func (c *closing) finish() {
	c.kernel.Close(c.fd)
	c.free()
}

func (c *closing) free() {
	if !c.buf.IsZero() {
		c.buf.Free()
		c.buf = talloc.Buffer{}
	}
}

// Abort closes the descriptor now.
func (c *closing) Abort() (unsent int) {
	unsent = len(c.rest)
	c.rest = nil
	c.finish()
	return unsent
}

// Describe names the connection that was.
func (c *closing) Describe() string { return c.name }
