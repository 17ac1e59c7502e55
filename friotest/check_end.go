package friotest

import (
	"errors"
	"io"

	"github.com/frio-io/frio"
)

var endChecks = []check{
	{name: "eof repeats", needs: isStream, run: checkEOF},
	{name: "eof after all data", needs: isStream, run: checkEOFAfterData},
	{name: "write goes on after eof", needs: hasHalf, run: checkHalfClose},
	{name: "close write", needs: hasHalf, run: checkCloseWrite},
	{name: "close write after what was written", needs: hasHalf, run: checkCloseWriteOrder},
	{name: "close write of datagrams", needs: isDatagram, run: checkCloseWriteDatagram},
	{name: "reset", needs: canReset, run: checkReset},
	{name: "reset with data unread", needs: canReset, run: checkResetData},
	{name: "write after the peer is gone", needs: canReset, run: checkBroken},
}

// Reset has aborter lose its connection to victim in a way that victim sees as a reset: its context is freed with data unread, at which
// a stream socket is reset and not ended (RFC 1122, Section 4.2.2.13).
func (e *Env) Reset(aborter, victim *Probe) {
	e.Helper()
	e.Send(victim, []byte("never read"))
	e.Spin(5)
	aborter.wish++
	aborter.Ctx.Free()
}

func checkEOF(e *Env) {
	for _, loop := range []bool{false, true} {
		p := e.Pair(Options{Loop: loop})
		if err := p.Client.Close(); err != nil {
			e.Errorf("Close: %v", err)
		}
		for range 4 {
			if end := e.ExpectEnd(p.Server); end != io.EOF {
				e.Fatalf("Read after the peer's Close: %v, want io.EOF", end)
			}
			e.Spin(1)
		}
		p.Server.Close()
		p.Listener.Close()
	}
}

func checkEOFAfterData(e *Env) {
	p := e.Pair(Options{Loop: true})
	e.Send(p.Client, []byte("the tail"))
	p.Client.Close()
	e.Spin(5)
	e.Expect(p.Server, []byte("the"))
	e.Expect(p.Server, []byte(" tail"))
	if end := e.ExpectEnd(p.Server); end != io.EOF {
		e.Errorf("Read: %v, want io.EOF", end)
	}
}

// checkHalfClose: a client that ends its direction gets every reply.
func checkHalfClose(e *Env) {
	const size = 200_000
	for _, loop := range []bool{false, true} {
		p := e.Pair(Options{Loop: loop})
		e.Send(p.Client, []byte("question"))
		p.Client.CloseWrite()
		e.Expect(p.Server, []byte("question"))
		if end := e.ExpectEnd(p.Server); end != io.EOF {
			e.Fatalf("Read: %v, want io.EOF", end)
		}
		source := Source{Pattern: Pattern{7}, Size: size}
		sink := Sink{Pattern: Pattern{7}}
		e.Until("the whole reply", func() bool {
			if err := source.Put(p.Server); err != nil && err != frio.ErrAgain {
				e.Fatalf("Write after io.EOF: %v", err)
			}
			if _, err := sink.Take(p.Client); err != nil && err != frio.ErrAgain {
				e.Fatalf("Read after CloseWrite: %v", err)
			}
			return sink.Offset == size
		})
		if end := e.ExpectEnd(p.Server); end != io.EOF {
			e.Errorf("Read after the reply: %v, want io.EOF again", end)
		}
		p.Server.CloseWrite()
		if end := e.ExpectEnd(p.Client); end != io.EOF {
			e.Errorf("the client's Read: %v, want io.EOF", end)
		}
		p.Server.Close()
		p.Client.Close()
		p.Listener.Close()
	}
}

// checkCloseWrite: no bytes go out afterwards, reading goes on, twice is fine.
func checkCloseWrite(e *Env) {
	p := e.Pair(Options{})
	for range 2 {
		if err := p.Client.CloseWrite(); err != nil {
			e.Errorf("CloseWrite: %v", err)
		}
	}
	if n, err := p.Client.Write([]byte("x")); n != 0 || err == nil || err == frio.ErrAgain {
		e.Errorf("Write after CloseWrite: %d, %v, want an error", n, err)
	}
	e.Send(p.Server, []byte("still"))
	e.Expect(p.Client, []byte("still"))
	if end := e.ExpectEnd(p.Server); end != io.EOF {
		e.Errorf("Read: %v, want io.EOF", end)
	}
	if s := p.Client.State(); s != frio.StateOpen {
		e.Errorf("state %v after CloseWrite", s)
	}
}

// checkCloseWriteOrder: with output waiting, CloseWrite comes after it.
func checkCloseWriteOrder(e *Env) {
	p := e.Pair(Options{Loop: true, Base: e.Target.Buffers})
	written := e.fill(p.Client, 3)
	if err := p.Client.CloseWrite(); err != nil {
		e.Fatalf("CloseWrite with output waiting: %v", err)
	}
	sink := Sink{Pattern: Pattern{3}}
	end := e.drain(p.Server, &sink)
	if end != io.EOF || sink.Offset != written {
		e.Errorf("read %d of %d bytes, then %v, want io.EOF", sink.Offset, written, end)
	}
}

func checkCloseWriteDatagram(e *Env) {
	p := e.Pair(Options{})
	for _, one := range []*Probe{p.Client, p.Server} {
		c, ok := one.IO.(frio.CloseWriter)
		if !ok {
			continue
		}
		if err := c.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
			e.Errorf("%s: CloseWrite: %v, want ErrUnsupported", one.Name, err)
		}
	}
	e.Send(p.Client, []byte("after"))
	e.Expect(p.Server, []byte("after"))
}

// checkReset: both directions end with ErrReset, which is no end in order, and repeats.
func checkReset(e *Env) {
	for _, loop := range []bool{false, true} {
		p := e.Pair(Options{Loop: loop})
		e.Reset(p.Client, p.Server)
		for range 3 {
			end := e.ExpectEnd(p.Server)
			if !errors.Is(end, frio.ErrReset) || errors.Is(end, io.EOF) {
				e.Fatalf("Read after a reset: %v, want ErrReset", end)
			}
			var r *frio.ResetError
			if !errors.As(end, &r) || r.Err == nil {
				e.Errorf("%v does not carry its errno", end)
			}
		}
		if n, err := p.Server.Write([]byte("x")); n != 0 || err == nil || err == frio.ErrAgain {
			e.Errorf("Write after a reset: %d, %v, want an error", n, err)
		}
		if s := p.Server.State(); s != frio.StateFailed {
			e.Errorf("state %v after a reset, want failed", s)
		}
		e.Spin(3)
		p.Server.Close()
		p.Listener.Close()
	}
}

// checkResetData: what arrived before a reset may be lost with it, but the end is a reset.
func checkResetData(e *Env) {
	p := e.Pair(Options{})
	e.Send(p.Client, []byte("sent before"))
	e.Spin(3)
	e.Reset(p.Client, p.Server)
	var buf [64]byte
	got := ""
	for {
		n, err := p.Server.Read(buf[:])
		if err == frio.ErrAgain {
			e.Turn()
			continue
		}
		if err != nil {
			if !errors.Is(err, frio.ErrReset) {
				e.Errorf("Read: %v, want ErrReset", err)
			}
			break
		}
		got += string(buf[:n])
	}
	if got != "" && got != "sent before" {
		e.Errorf("read %q", got)
	}
}

// checkBroken: writing to a peer that is gone fails with ErrReset, raises no signal, and reading fails as well.
func checkBroken(e *Env) {
	p := e.Pair(Options{})
	e.Reset(p.Client, p.Server)
	var end error
	e.Until("Write fails", func() bool {
		_, err := p.Server.Write([]byte("into the void"))
		if err == nil || err == frio.ErrAgain {
			return false
		}
		end = err
		return true
	})
	if !errors.Is(end, frio.ErrReset) {
		e.Errorf("Write: %v, want ErrReset", end)
	}
	if end := e.ExpectEnd(p.Server); !errors.Is(end, frio.ErrReset) {
		e.Errorf("Read after that: %v, want ErrReset", end)
	}
}
