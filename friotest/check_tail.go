package friotest

import (
	"errors"
	"io"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
)

var tailChecks = []check{
	{name: "close delivers what write took", needs: isStream, run: checkTail},
	{name: "close delivers with data unread", needs: isStream, run: checkTailUnread},
	{name: "close delivers after its context is freed", needs: isStream, run: checkTailFreed},
	{name: "close without a loop", needs: isStream, run: checkTailBare},
	{name: "close with a full closing list", needs: isStream, run: checkTailFull},
	{name: "close tail", needs: isStream, run: checkCloseTail},
	{name: "close gives up after close_timeout", on: onSim, needs: isStream, run: checkTailTimeout},
}

// checkTail: a slow reader gets every byte that Write took, then an end in order; also when there was room for all.
func checkTail(e *Env) {
	e.tail(func(p *Probe) int64 { return e.fill(p, 2) })
	e.tail(func(p *Probe) int64 {
		source := Source{Pattern: Pattern{2}, Size: 1000}
		for range 5 {
			if err := source.Put(p); err != nil {
				e.Fatalf("%s: Write: %v", p.Name, err)
			}
		}
		return source.Offset
	})
}

func (e *Env) tail(write func(*Probe) int64) {
	e.Helper()
	for _, who := range []string{"server", "client"} {
		p := e.Pair(Options{Loop: true, Base: e.Target.Buffers})
		from, to := p.Server, p.Client
		if who == "client" {
			from, to = to, from
		}
		written := write(from)
		if err := from.Close(); err != nil {
			e.Errorf("%s: Close: %v", who, err)
		}
		e.slowEnd(to, 2, written)
		to.Close()
		e.Until("the closing list is empty", func() bool { return e.Loop.Stats().Lingering == 0 })
		if s := e.Loop.Stats(); s.Aborted > 0 || s.UnsentBytes > 0 || len(e.errors) > 0 {
			e.Errorf("%s: the loop gave up %d sockets, %d bytes: %v", who, s.Aborted, s.UnsentBytes, e.errors)
		}
		p.Listener.Close()
	}
}

// slowEnd reads one piece a turn, to an io.EOF after written bytes.
func (e *Env) slowEnd(p *Probe, seed uint64, written int64) {
	e.Helper()
	sink := Sink{Pattern: Pattern{seed}}
	e.Until("the end of the tail", func() bool {
		for range 8 {
			_, err := sink.Take(p)
			if err == io.EOF {
				return true
			}
			if err != nil && err != frio.ErrAgain {
				e.Fatalf("%s: Read after %d of %d bytes: %v, want io.EOF", p.Name, sink.Offset, written, err)
			}
		}
		return false
	})
	if sink.Offset != written {
		e.Errorf("%s: read %d of the %d bytes that Write took", p.Name, sink.Offset, written)
	}
}

// checkTailUnread: bytes of the peer that we never read must not turn our end into a reset that destroys the tail.
func checkTailUnread(e *Env) {
	for _, unread := range []int{1, 30_000} {
		p := e.Pair(Options{Loop: true, Base: e.Target.Buffers})
		e.sendSome(p.Client, unread)
		e.Spin(5)
		written := e.fill(p.Server, 8)
		if err := p.Server.Close(); err != nil {
			e.Errorf("Close: %v", err)
		}
		e.Spin(5) // the closing list must wait, though nobody reads
		e.slowEnd(p.Client, 8, written)
		p.Client.Close()
		p.Listener.Close()
	}
}

// sendSome writes at most n bytes, as many as are taken at once.
func (e *Env) sendSome(p *Probe, n int) {
	e.Helper()
	for buf := make([]byte, n); len(buf) > 0; {
		n, err := p.Write(buf)
		if err == frio.ErrAgain {
			return
		}
		if err != nil {
			e.Fatalf("%s: Write: %v", p.Name, err)
		}
		buf = buf[n:]
	}
}

func checkTailFreed(e *Env) {
	p := e.Pair(Options{Loop: true, Base: e.Target.Buffers})
	written := e.fill(p.Server, 2)
	if err := p.Server.Close(); err != nil {
		e.Errorf("Close: %v", err)
	}
	p.Server.Ctx.Free()
	p.Listener.Close()
	p.Listener.Ctx.Free()
	e.slowEnd(p.Client, 2, written)
}

// checkTailBare: without a loop Close tells what is lost by it, and the peer gets the rest.
func checkTailBare(e *Env) {
	p := e.Pair(Options{Base: e.Target.Buffers})
	written := e.fill(p.Server, 2)
	err := p.Server.Close()
	var unsent *frio.UnsentError
	switch {
	case err == nil:
	case errors.As(err, &unsent) && unsent.Bytes > 0 && int64(unsent.Bytes) <= written:
		written -= int64(unsent.Bytes)
	default:
		e.Errorf("Close without a loop: %v, want nil or an *UnsentError of at most %d bytes", err, written)
	}
	sink := Sink{Pattern: Pattern{2}}
	if end := e.drain(p.Client, &sink); sink.Offset < written || unsent == nil && (end != io.EOF || sink.Offset != written) {
		e.Errorf("read %d bytes, want %d, then %v", sink.Offset, written, end)
	}
}

// checkTailFull: with no room on the closing list Close does not wait, does not panic, and frees everything.
func checkTailFull(e *Env) {
	small := e.NewSideConfig(event.Config{Name: "small", MaxClosing: 1})
	o := Options{Loop: true, Server: small, Base: e.Target.Buffers}
	p := e.Pair(o)
	pairs := []*Pair{p, e.Join(p.Listener, o), e.Join(p.Listener, o)}
	for _, q := range pairs {
		e.fill(q.Server, 2)
	}
	for i, q := range pairs {
		var unsent *frio.UnsentError
		if err := q.Server.Close(); err != nil && (!errors.As(err, &unsent) || i == 0) {
			e.Errorf("Close %d: %v", i, err)
		}
		if n := small.Loop.Stats().Lingering; n > 1 {
			e.Errorf("%d sockets on a closing list of 1", n)
		}
	}
	for _, q := range pairs {
		sink := Sink{Pattern: Pattern{2}}
		e.drain(q.Client, &sink)
	}
}

// checkCloseTail: the ability Lingerer sends one more piece, which it copies.
func checkCloseTail(e *Env) {
	for _, full := range []bool{false, true} {
		p := e.Pair(Options{Loop: true, Base: e.Target.Buffers})
		lingerer, ok := p.Server.IO.(frio.Lingerer)
		if !ok {
			return
		}
		written := int64(0)
		if full {
			written = e.fill(p.Server, 2)
		}
		tail := make([]byte, 5000)
		Pattern{2}.Fill(tail, written)
		if err := lingerer.CloseTail(tail); err != nil {
			e.Errorf("CloseTail: %v", err)
		}
		clear(tail)
		p.Server.Close()
		e.slowEnd(p.Client, 2, written+int64(len(tail)))
		p.Client.Close()
		p.Listener.Close()
	}
}

// checkTailTimeout: a peer that reads nothing does not keep a socket for ever; what is lost by that is counted and told.
func checkTailTimeout(e *Env) {
	p := e.Pair(Options{Loop: true, Base: e.Target.Buffers})
	before := e.world.descriptors()
	e.fill(p.Server, 2)
	p.Server.Close()
	if n := e.Loop.Stats().Lingering; n != 1 {
		e.Errorf("%d sockets on the closing list, want 1", n)
	}
	e.Pass(4 * time.Second)
	if n := e.Loop.Stats().Lingering; n != 1 {
		e.Errorf("%d sockets on the closing list after 4 s, want 1", n)
	}
	e.Pass(2 * time.Second)
	if n := e.Loop.Stats().Lingering; n != 0 {
		e.Errorf("%d sockets on the closing list after 6 s, want none", n)
	}
	if n := e.Loop.Stats().Aborted; n != 1 || len(e.errors) != 1 {
		e.Errorf("%d sockets given up, %d errors told, want one each", n, len(e.errors))
	}
	if after := e.world.descriptors(); after != before-1 {
		e.Errorf("%d descriptors, want %d", after, before-1)
	}
}
