package friotest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
)

// Probe is an IO that is watched: each call and each callback is held against what the contract says of all of them, whatever
// the check is about. It counts callbacks.
type Probe struct {
	frio.IO
	Ctx  *talloc.Context
	Name string

	Reads, Writes int // callbacks so far

	env      *Env
	wish     int // counts Event calls: a callback of an earlier one must not come
	closed   bool
	readEnd  error // what Read ended with; it repeats
	writeEnd error
	inRead   bool // inside the read callback
	inWrite  bool
	loop     *event.Loop
}

// Watch wraps io, whose memory is ctx, and has Finish close and free it.
func (e *Env) Watch(io frio.IO, ctx *talloc.Context, name string) *Probe {
	p := &Probe{IO: io, Ctx: ctx, Name: name, env: e}
	e.probes = append(e.probes, p)
	return p
}

func (p *Probe) enter() { p.env.inCall++ }
func (p *Probe) leave() { p.env.inCall-- }

func (p *Probe) errorf(format string, args ...any) {
	p.env.Helper()
	p.env.Errorf("%s: %s", p.Name, fmt.Sprintf(format, args...))
}

// Open, Connect, Read and the others call the IO's and check the result.
func (p *Probe) Open() error {
	p.env.Helper()
	p.enter()
	defer p.leave()
	err := p.IO.Open()
	p.afterClose("Open", err)
	return err
}

// Connect is the IO's.
func (p *Probe) Connect() error {
	p.env.Helper()
	p.enter()
	defer p.leave()
	err := p.IO.Connect()
	p.again("Connect", err)
	p.afterClose("Connect", err)
	return err
}

// Close is the IO's.
func (p *Probe) Close() error {
	p.env.Helper()
	p.enter()
	defer p.leave()
	err := p.IO.Close()
	p.again("Close", err)
	p.closed = true
	p.wish++
	if s := p.State(); s != frio.StateClosed {
		p.errorf("State is %v after Close", s)
	}
	return err
}

// Accept is the IO's, on a context made on side. The child is watched.
func (p *Probe) Accept(side *Side) (*Probe, error) {
	p.env.Helper()
	ctx := p.env.Context(side, "child")
	before := ctx.Total()
	p.enter()
	child, err := p.IO.Accept(ctx)
	p.leave()
	p.again("Accept", err)
	p.afterClose("Accept", err)
	if err != nil {
		if child != nil {
			p.errorf("Accept returned a child and %v", err)
		}
		if after := ctx.Total(); after != before {
			p.errorf("Accept failed (%v) and left %+v in its context, %+v before", err, after, before)
		}
		ctx.Free()
		return nil, err
	}
	if child == nil {
		p.env.Fatalf("%s: Accept returned neither a child nor an error", p.Name)
	}
	if k, want := child.Kind(), p.IO.Kind(); k != want {
		p.errorf("its child is a %v, it a %v", k, want)
	}
	return p.env.Watch(child, ctx, "server"), nil
}

// Read is the IO's.
func (p *Probe) Read(b []byte) (int, error) {
	p.env.Helper()
	p.enter()
	n, err := p.IO.Read(b)
	p.leave()
	p.result("Read", len(b), n, err)
	p.afterClose("Read", err)
	if p.closed || len(b) == 0 {
		return n, err
	}
	if p.readEnd != nil && !sameEnd(p.readEnd, err) {
		p.errorf("Read ended with %v, and after that gave %d, %v", p.readEnd, n, err)
	}
	if isEnd(err) {
		p.readEnd = err
	}
	return n, err
}

// Write is the IO's.
func (p *Probe) Write(b []byte) (int, error) {
	p.env.Helper()
	p.enter()
	n, err := p.IO.Write(b)
	p.leave()
	p.result("Write", len(b), n, err)
	p.afterClose("Write", err)
	if p.IO.Kind() == frio.Datagram && n > 0 && n != len(b) {
		p.errorf("Write took %d of a datagram's %d bytes", n, len(b))
	}
	if p.closed || len(b) == 0 {
		return n, err
	}
	if p.writeEnd != nil && !sameEnd(p.writeEnd, err) {
		p.errorf("Write ended with %v, and after that gave %d, %v", p.writeEnd, n, err)
	}
	if isEnd(err) {
		if err == io.EOF {
			p.errorf("Write gave io.EOF")
		}
		p.writeEnd = err
	}
	return n, err
}

// CloseWrite is the ability's; a failure is fatal.
func (p *Probe) CloseWrite() error {
	p.env.Helper()
	c, ok := p.IO.(frio.CloseWriter)
	if !ok {
		p.env.Fatalf("%s: no CloseWriter", p.Name)
	}
	p.enter()
	err := c.CloseWrite()
	p.leave()
	p.again("CloseWrite", err)
	p.afterClose("CloseWrite", err)
	return err
}

// Gone says that the IO was closed by another's Close: its parent's. From here on it must behave as closed.
func (p *Probe) Gone() {
	p.env.Helper()
	p.closed = true
	p.wish++
	if s := p.State(); s != frio.StateClosed {
		p.errorf("State is %v after its parent's Close", s)
	}
}

// Event is the IO's. The callbacks are watched: none inside of a call, after Close, after a change of wishes, or after the end
// of its direction was returned.
func (p *Probe) Event(loop *event.Loop, read, write func()) error {
	p.env.Helper()
	p.wish++
	wish := p.wish
	var r, w func()
	if read != nil {
		r = func() {
			p.Reads++
			p.called("read", wish, p.readEnd)
			if p.inRead {
				p.errorf("read callback inside of its read callback")
			}
			p.inRead = true
			read()
			p.inRead = false
		}
	}
	if write != nil {
		w = func() {
			p.Writes++
			p.called("write", wish, p.writeEnd)
			if p.inWrite {
				p.errorf("write callback inside of its write callback")
			}
			p.inWrite = true
			write()
			p.inWrite = false
		}
	}
	p.enter()
	err := p.IO.Event(loop, r, w)
	p.leave()
	p.again("Event", err)
	if err == nil {
		p.loop = loop
	}
	return err
}

func (p *Probe) called(which string, wish int, end error) {
	switch {
	case p.closed:
		p.errorf("%s callback after Close", which)
	case p.env.inCall > 0:
		p.errorf("%s callback inside of a call", which)
	case wish != p.wish:
		p.errorf("%s callback of a wish that was replaced or removed", which)
	case end != nil:
		p.errorf("%s callback after the end was returned (%v)", which, end)
	}
}

// Wish is Event with the loop of side, the first one if side is nil, and must succeed.
func (p *Probe) Wish(side *Side, read, write func()) {
	p.env.Helper()
	if err := p.Event(p.env.sideOr(side).Loop, read, write); err != nil {
		p.env.Fatalf("%s: Event: %v", p.Name, err)
	}
}

// Leave leaves the loop, and must succeed.
func (p *Probe) Leave() {
	p.env.Helper()
	if err := p.Event(nil, nil, nil); err != nil {
		p.env.Fatalf("%s: Event(nil, nil, nil): %v", p.Name, err)
	}
}

// State is the ability's.
func (p *Probe) State() frio.State {
	p.env.Helper()
	s, ok := p.IO.(frio.Stater)
	if !ok {
		p.env.Fatalf("%s: no Stater", p.Name)
	}
	return s.State()
}

// DebugText is what Debug writes.
func (p *Probe) DebugText() string {
	var b strings.Builder
	p.IO.Debug(&b)
	return b.String()
}

// result checks what holds of every Read and Write.
func (p *Probe) result(op string, length, n int, err error) {
	p.env.Helper()
	p.again(op, err)
	switch {
	case n < 0 || n > length:
		p.errorf("%s of %d bytes returned %d", op, length, n)
	case n > 0 && err != nil:
		p.errorf("%s returned %d and %v", op, n, err)
	case n == 0 && err == nil && length > 0:
		p.errorf("%s of %d bytes returned 0 and nil", op, length)
	}
	if errors.Is(err, io.EOF) && err != io.EOF {
		p.errorf("%s wrapped io.EOF: %v", op, err)
	}
	if errors.Is(err, frio.ErrReset) && errors.Is(err, io.EOF) {
		p.errorf("%s: %v is both a reset and an end", op, err)
	}
}

func (p *Probe) again(op string, err error) {
	p.env.Helper()
	if errors.Is(err, syscall.EAGAIN) && err != frio.ErrAgain {
		p.errorf("%s wrapped ErrAgain: %v", op, err)
	}
}

func (p *Probe) afterClose(op string, err error) {
	p.env.Helper()
	if p.closed && !errors.Is(err, net.ErrClosed) && !(op == "Accept" && errors.Is(err, errors.ErrUnsupported)) {
		p.errorf("%s after Close: %v, want net.ErrClosed", op, err)
	}
}

// isEnd tells whether err is final for its direction.
func isEnd(err error) bool {
	var packet *frio.PacketError
	return err != nil && err != frio.ErrAgain && !errors.As(err, &packet) && !errors.Is(err, errors.ErrUnsupported)
}

// sameEnd tells whether an end repeats. After io.EOF the connection may still be lost or time out.
func sameEnd(first, next error) bool {
	if next == nil {
		return false
	}
	if first == io.EOF {
		return next == io.EOF || errors.Is(next, frio.ErrReset) || errors.Is(next, frio.ErrTimeout)
	}
	return first.Error() == next.Error()
}
