package friotest

import (
	"io"

	"github.com/frio-io/frio"
)

var pressureChecks = []check{
	{name: "back-pressure", needs: isStream, run: checkPressure},
	{name: "write callback when there is room", needs: isStream, run: checkPressureCallback},
	{name: "a slow reader gets everything", needs: isStream, run: checkSlowReader},
	{name: "paused reader", needs: isStream, run: checkPaused},
	{name: "datagrams in a burst", needs: isDatagram, run: checkBurst},
}

// unreadMax bounds what may be on its way to a peer that does not read: twice 6 MiB, Linux's largest buffers on loopback
// (tcp_wmem, tcp_rmem), and what a layer holds.
const unreadMax = 16 << 20

// fill writes a pattern until ErrAgain is all that comes for some turns, and returns how many bytes were taken. The system's kernel may make
// room now and then while what was sent is still under way to the peer's buffer.
func (e *Env) fill(p *Probe, seed uint64) int64 {
	e.Helper()
	source := Source{Pattern: Pattern{seed}, Size: 1 << 40}
	for again := 0; again < 5; {
		before := source.Offset
		err := source.Put(p)
		if source.Offset != before {
			again = 0
		}
		switch {
		case err == frio.ErrAgain:
			again++
			e.Spin(3)
		case err != nil:
			e.Fatalf("%s: Write after %d bytes: %v", p.Name, source.Offset, err)
		case source.Offset > unreadMax:
			e.Fatalf("%s: Write took %d bytes that nobody read", p.Name, source.Offset)
		}
	}
	return source.Offset
}

// drain reads to the end, which it returns.
func (e *Env) drain(p *Probe, sink *Sink) (end error) {
	e.Helper()
	e.Until("the end of the stream", func() bool {
		for {
			_, err := sink.Take(p)
			if err == frio.ErrAgain {
				return false
			}
			if err != nil {
				end = err
				return true
			}
		}
	})
	return end
}

// checkPressure: bounded bytes, then ErrAgain for as long as nobody reads; then all of it, once.
func checkPressure(e *Env) {
	for _, loop := range []bool{false, true} {
		p := e.Pair(Options{Loop: loop, Base: e.Target.Buffers})
		memory := e.Root.Total().Bytes
		written := e.fill(p.Client, 9)
		if grown := e.Root.Total().Bytes - memory; grown > 1<<20 {
			e.Errorf("the contexts grew by %d bytes", grown)
		}
		sink := Sink{Pattern: Pattern{9}}
		e.Until("all that was written", func() bool {
			if _, err := sink.Take(p.Server); err != nil && err != frio.ErrAgain {
				e.Fatalf("Read: %v", err)
			}
			if !loop && sink.Offset < written {
				p.Client.Write(nil) // a step for what a layer holds
			}
			return sink.Offset >= written
		})
		e.Spin(3)
		e.Nothing(p.Server)
		e.Send(p.Client, []byte("goes on"))
		e.Expect(p.Server, []byte("goes on"))
		p.Client.Close()
		p.Server.Close()
		p.Listener.Close()
	}
}

// checkPressureCallback: no write callback while full, one soon after the peer drains.
func checkPressureCallback(e *Env) {
	p := e.Pair(Options{Loop: true, Base: e.Target.Buffers})
	written := e.fill(p.Client, 4)
	// Room may still come of what is under way to the peer's buffer; then it is filled again.
	source := Source{Pattern: Pattern{4}, Offset: written, Size: 1 << 40}
	write := func() {
		for !source.Done() {
			if err := source.Put(p.Client); err == frio.ErrAgain {
				return
			} else if err != nil {
				e.Fatalf("Write: %v", err)
			}
		}
	}
	p.Client.Wish(nil, nil, write)
	quiet := 0
	e.Until("no more room", func() bool {
		before := p.Client.Writes
		e.Spin(1)
		if quiet++; p.Client.Writes != before {
			quiet = 0
		}
		return quiet >= 10
	})
	if source.Offset > unreadMax {
		e.Errorf("%d bytes that nobody read", source.Offset)
	}
	before, held := p.Client.Writes, source.Offset
	sink := Sink{Pattern: Pattern{4}}
	e.Until("the write callback after the peer read", func() bool {
		if sink.Offset < held {
			sink.Take(p.Server)
		}
		return p.Client.Writes > before && source.Offset > held
	})
	source.Size = source.Offset // no more
	e.Until("all of it", func() bool {
		sink.Take(p.Server)
		return sink.Offset == source.Offset
	})
	// With room for everything and the wish removed, nothing comes.
	p.Client.Wish(nil, nil, nil)
	before = p.Client.Writes
	e.Spin(10)
	if n := p.Client.Writes - before; n > 0 {
		e.Errorf("%d write callbacks after the wish was removed", n)
	}
}

// checkSlowReader: a reader that takes one read a turn gets a megabyte and its end.
func checkSlowReader(e *Env) {
	const size = 1 << 20
	p := e.Pair(Options{Loop: true, Base: e.Target.Buffers})
	f := e.flow(p.Client, size, 5)
	f.sink = &Sink{}
	f.start(nil)
	sink := Sink{Pattern: Pattern{5}}
	p.Server.Wish(nil, func() {
		if _, err := sink.Take(p.Server); err != nil {
			e.Fatalf("Read in the read callback: %v", err)
		}
	}, nil)
	e.Until("everything", func() bool { return sink.Offset == size })
	p.Server.Wish(nil, nil, nil)
	p.Client.Close()
	if end := e.ExpectEnd(p.Server); end != io.EOF {
		e.Errorf("Read: %v, want io.EOF", end)
	}
}

// checkPaused: a reader that takes its wish back stops the sender, and nothing is lost.
func checkPaused(e *Env) {
	p := e.Pair(Options{Loop: true, Base: e.Target.Buffers})
	f := e.flow(p.Client, unreadMax, 6)
	f.sink = &Sink{}
	f.start(nil)
	sink := Sink{Pattern: Pattern{6}}
	read := func() {
		if sink.Take(p.Server); sink.Offset > 50_000 {
			p.Server.Wish(nil, nil, nil)
		}
	}
	p.Server.Wish(nil, read, nil)
	e.Until("the pause", func() bool { return sink.Offset > 50_000 })
	held, quiet, last := sink.Offset, 0, int64(-1)
	e.Until("the sender stops", func() bool {
		if quiet++; f.source.Offset != last {
			quiet, last = 0, f.source.Offset
		}
		return quiet >= 10
	})
	if f.source.Done() {
		e.Errorf("all %d bytes were taken with the reader paused", f.source.Offset)
	}
	if sink.Offset != held {
		e.Errorf("%d bytes were read with the reader paused", sink.Offset-held)
	}
	f.source.Size = f.source.Offset
	p.Server.Wish(nil, func() { sink.Take(p.Server) }, nil)
	e.Until("the rest", func() bool { return sink.Offset == f.source.Offset })
}

// checkBurst: a reader that is late may lose datagrams, but none is cut, changed, doubled or joined, and the path goes on.
func checkBurst(e *Env) {
	p := e.Pair(Options{Loop: true})
	length := min(1000, e.Target.datagramMax())
	out, in := make([]byte, length), make([]byte, length+1)
	sent := 0
	for range 2000 {
		Pattern{uint64(sent)}.Fill(out, 0)
		n, err := p.Client.Write(out)
		if err == frio.ErrAgain {
			break
		}
		if isEnd(err) {
			e.Fatalf("Write %d: %v", sent, err)
		}
		if n > 0 {
			sent++
		}
	}
	last, got, idle := -1, 0, 0
	e.Until("what is left of the burst", func() bool {
		n, err := p.Server.Read(in)
		switch {
		case err == frio.ErrAgain:
			idle++
		case err != nil:
			e.Fatalf("Read: %v", err)
		default:
			idle = 0
			got++
			at := last + 1
			for n != length || (Pattern{uint64(at)}).Check(in[:n], 0) != nil {
				if at++; at >= sent {
					e.Fatalf("datagram %d is none of those after the %dth", got, last)
				}
			}
			last = at
		}
		return idle > 10
	})
	if got == 0 {
		e.Errorf("none of %d datagrams came", sent)
	}
	e.Send(p.Client, []byte("goes on"))
	e.Expect(p.Server, []byte("goes on"))
}
