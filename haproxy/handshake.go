package haproxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

// inputSize holds every header of usual length: version 1, and version 2 with the longest addresses and a few TLVs.
const inputSize = 256

// step does what can be done now for the header to get through: nil when it is, ErrAgain when it is not, else what ended the
// connection.
func (c *Conn) step() error {
	if c.err != nil {
		return c.err
	}
	if c.loop == nil {
		if now := c.now(); past(c.nearest(), now) {
			c.expire(now)
			return c.err
		}
	}
	if c.open {
		return nil
	}
	var err error
	if c.role == frio.Server {
		err = c.receive()
	} else {
		err = c.connect()
	}
	switch err {
	case nil:
		return c.through()
	case frio.ErrAgain:
		return err
	}
	c.fail(err)
	return err
}

// connect brings the lower up and sends the header as its first bytes.
func (c *Conn) connect() error {
	if err := c.lower.Connect(); err != nil {
		return err
	}
	for b := c.header.append(nil); c.sent < len(b); {
		n, err := c.lower.Write(b[c.sent:])
		if err != nil {
			return err
		}
		c.sent += n
	}
	return nil
}

// receive reads the header, and not a byte more.
func (c *Conn) receive() error {
	for {
		if err := c.room(); err != nil {
			return c.refuse(Lost, err)
		}
		n, err := c.lower.Read(c.in.Bytes()[c.got : c.got+c.more])
		switch {
		case err == frio.ErrAgain:
			if c.got == 0 {
				c.freeInput() // whoever is silent holds no buffer
			}
			return err
		case err == io.EOF:
			return c.refuse(Truncated, fmt.Errorf("haproxy: end after %d bytes of the header: %w", c.got, frio.ErrTruncated))
		case err != nil:
			return c.refuse(Lost, err)
		}
		c.got += n
		var h Header
		used, more, err := h.parse(c.in.Bytes()[:c.got])
		if err != nil {
			var wrong *HeaderError
			errors.As(err, &wrong)
			return c.refuse(wrong.why, err)
		}
		if c.more = more; used > 0 {
			return c.admit(h)
		}
	}
}

// room sees to it that the bytes that are missing can be read.
func (c *Conn) room() error {
	if c.got == 0 {
		c.more = v1Min
	}
	old := c.in
	if !old.IsZero() && len(old.Bytes()) >= c.got+c.more {
		return nil
	}
	in, err := c.ctx.Alloc(max(inputSize, c.got+c.more))
	if err != nil {
		return err
	}
	copy(in.Bytes(), old.Bytes()[:c.got])
	old.Free()
	c.in = in
	return nil
}

// admit decides about the real peer.
func (c *Conn) admit(h Header) error {
	c.header = h
	peer := c.RemoteAddr().Addr()
	if !c.set.networks.Allowed(peer) {
		return c.refuse(Denied, fmt.Errorf("haproxy: source address %v: not allowed by networks: %w", peer, frio.ErrDenied))
	}
	if peer.IsValid() {
		if !c.set.sources.Take(peer) {
			return c.refuse(PerSource, fmt.Errorf("haproxy: source address %v: above max_connections_per_source: %w", peer, frio.ErrDenied))
		}
		c.source = peer
	}
	c.set.counts.Headers.Add(1)
	if !h.real() {
		c.set.counts.Local.Add(1)
	}
	return nil
}

// refuse counts why a connection fails.
func (c *Conn) refuse(why Refusal, err error) error {
	c.set.counts.Refused[why].Add(1)
	return err
}

// through has the lower serve the caller, now that the header is through.
func (c *Conn) through() error {
	if len(c.header.TLVs) == 0 {
		c.freeInput()
	}
	c.open, c.headerBy = true, time.Time{}
	if c.loop != nil {
		if err := c.lower.Event(c.loop, c.read, c.write); err != nil {
			c.fail(err)
			return err
		}
	}
	c.settle()
	return nil
}

// first notes that the first byte behind the header was read.
func (c *Conn) first() {
	c.firstBy = time.Time{}
	c.settle()
}

// settle ends the layer's part if nothing is left of it; else it waits for what is.
func (c *Conn) settle() {
	c.arm()
	c.plain = c.firstBy.IsZero()
}

// Event puts the connection into a loop, changes its wishes, or takes it out.
func (c *Conn) Event(loop *event.Loop, read, write func()) error {
	if c.plain {
		err := c.lower.Event(loop, read, write)
		if err == nil {
			c.loop, c.read, c.write = loop, read, write
		}
		return err
	}
	c.ctx.Touch("event")
	if loop == nil && (read != nil || write != nil) {
		panic("frio: callbacks without a loop: " + c.Describe())
	}
	sock.CheckLoop(c.set.kernel, loop)
	if c.err == net.ErrClosed {
		return c.err
	}
	if loop != nil && c.loop != nil && loop != c.loop {
		panic("frio: Event with a second loop; Event(nil, nil, nil) leaves the first: " + c.Describe())
	}
	if c.err == nil {
		r, w := read, write
		if !c.open {
			r, w = c.drives(loop)
		}
		if err := c.lower.Event(loop, r, w); err != nil {
			return err
		}
	}
	c.read, c.write = read, write
	if loop != c.loop {
		c.timer.Stop()
		c.notice.Cancel()
		c.loop = loop
		c.arm()
	}
	if c.unannounced() {
		c.loop.Defer(&c.notice)
	}
	return nil
}

// drives is what the lower calls, on loop, for the header to get through.
func (c *Conn) drives(loop *event.Loop) (read, write func()) {
	switch {
	case loop == nil:
		return nil, nil
	case c.role == frio.Server:
		return c.wake, nil
	}
	return nil, c.wake
}

// fail makes err the result of both directions. The lower goes at once; what remains is for the caller to see and close.
func (c *Conn) fail(err error) {
	c.err, c.plain = err, false
	c.timer.Stop()
	if unsent := c.lower.Close(); c.open {
		c.unsent = unsent
	}
	c.freeInput()
	c.header.TLVs = nil
	c.freeSource()
	if c.unannounced() {
		c.loop.Defer(&c.notice)
	}
}

// unannounced tells whether a failure is known that a callback has not yet been told.
func (c *Conn) unannounced() bool {
	return c.loop != nil && c.err != nil && (c.read != nil && !c.readEnded || c.write != nil && !c.writeEnded)
}

// announce calls the callbacks that were not told of the failure, once a turn.
func (c *Conn) announce() {
	loop := c.loop
	if c.read != nil && !c.readEnded {
		c.read()
	}
	if c.loop != loop || loop == nil {
		return // it was closed or moved, perhaps to another thread
	}
	if c.write != nil && !c.writeEnded {
		c.write()
	}
	if c.loop == loop && c.unannounced() {
		loop.Defer(&c.notice)
	}
}

// nearest is the deadline that comes first; zero: none.
func (c *Conn) nearest() time.Time {
	if c.headerBy.IsZero() || !c.firstBy.IsZero() && c.firstBy.Before(c.headerBy) {
		return c.firstBy
	}
	return c.headerBy
}

func past(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// arm sets the timer to the nearest deadline.
func (c *Conn) arm() {
	if c.loop != nil {
		c.timer.Set(c.loop, c.nearest())
	}
}

// expire fails the connection if a limit of time has run out.
func (c *Conn) expire(now time.Time) {
	switch {
	case c.err != nil:
	case past(c.headerBy, now):
		c.fail(c.refuse(Late, &frio.TimeoutError{Limit: "header_timeout"}))
	case past(c.firstBy, now):
		if c.open {
			c.set.counts.Timeouts.Add(1)
		} else {
			c.set.counts.Refused[Late].Add(1)
		}
		c.fail(&frio.TimeoutError{Limit: "first_byte_timeout"})
	default:
		c.arm()
	}
}

// now is the loop's time, or the system's without one.
func (c *Conn) now() time.Time {
	if c.loop != nil {
		return c.loop.Now()
	}
	return c.set.kernel.Now()
}

// freeInput gives the buffer back.
func (c *Conn) freeInput() {
	if !c.in.IsZero() {
		c.in.Free()
		c.in = talloc.Buffer{}
	}
}

// freeSource gives back the place that max_connections_per_source counts, on whatever thread.
func (c *Conn) freeSource() {
	if c.source.IsValid() {
		c.set.sources.Give(c.source)
		c.source = netip.Addr{}
	}
}
