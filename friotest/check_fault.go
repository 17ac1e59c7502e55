package friotest

import (
	"errors"
	"io"
	"syscall"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sim"
)

var faultChecks = []check{
	{name: "echo under faults", on: onSim, needs: isStream, run: checkFaultEcho},
	{name: "datagrams under faults", on: onSim, needs: isDatagram, run: checkFaultDatagrams},
	{name: "resets at any call", on: onSim, needs: canReset, run: checkFaultReset},
	{name: "no descriptors", on: onSim, needs: func(t *Target) bool { return hasChildren(t) && isStream(t) }, run: checkFaultExhaust},
}

// seeds runs f in fresh worlds, each seed twice: the same seed gives the same run.
func (e *Env) seeds(f func(sub *Env)) {
	e.Helper()
	count := e.Target.Seeds
	if count == 0 {
		count = 20
	}
	for i := range count {
		seed := e.Seed*1_000_003 + uint64(i)
		var hash [2]uint64
		for k := range hash {
			sub := newEnv(e.TB, onSim, seed)
			sub.Target, sub.setupListen, sub.setupHome = e.Target, e.setupListen, e.setupHome
			f(sub)
			sub.Finish()
			hash[k] = sub.World().Hash()
			if e.Failed() {
				e.Fatalf("seed %d", seed)
			}
			if i > 2 {
				break // twice is for a few
			}
			if k == 1 && hash[0] != hash[1] {
				e.Fatalf("seed %d ran in two ways: %#x, %#x", seed, hash[0], hash[1])
			}
		}
	}
}

// troubled makes the world's calls and ways as bad as they may be, drawn from its seed.
func (e *Env) troubled() {
	roll := func(n uint64) float64 { return float64(mix(e.Seed+n)%100) / 100 }
	e.Host().SetFaults(sim.Faults{
		Again: 0.4 * roll(1), Partial: 0.8 * roll(2), Interrupt: 0.2 * roll(3), Shuffle: roll(4),
	})
	e.World().SetLink(e.Host(), e.Host(), sim.Link{
		DelayMax: time.Duration(roll(5)*20) * time.Millisecond, Loss: 0.1 * roll(6), Duplicate: 0.1 * roll(7), Reorder: 0.2 * roll(8),
	})
}

// checkFaultEcho: EAGAIN, short reads and writes, delays and interrupts at any call; not a byte is lost, both ways, to the end.
func checkFaultEcho(e *Env) {
	const size = 60_000
	e.seeds(func(e *Env) {
		e.troubled()
		p := e.Pair(Options{Loop: true})
		up, down := e.flow(p.Client, size, e.Seed), e.flow(p.Server, size, e.Seed+1)
		up.sink, down.sink = down.sink, up.sink
		up.start(nil)
		down.start(nil)
		e.Until("all bytes both ways", func() bool { return up.complete() && down.complete() })
		if e.Target.HalfClose {
			p.Client.CloseWrite()
			e.Until("the end of one direction", func() bool { return down.end != nil })
			e.Send(p.Server, []byte{}) // nothing: the direction back is open
		}
		p.Server.Close()
		e.Until("the end of the other", func() bool { return up.end != nil })
		if up.end != io.EOF || down.end != nil && down.end != io.EOF {
			e.Errorf("the ends are %v and %v, want io.EOF", up.end, down.end)
		}
	})
}

// checkFaultDatagrams: loss, doubles, other orders; what arrives is whole and was sent.
func checkFaultDatagrams(e *Env) {
	const count = 200
	e.seeds(func(e *Env) {
		p := e.Pair(Options{Loop: true})
		e.troubled()
		got := 0
		var seen [count]int
		p.Server.Wish(nil, func() {
			var buf [256]byte
			for {
				n, err := p.Server.Read(buf[:])
				if err == frio.ErrAgain {
					return
				}
				if err != nil || n < 8 {
					e.Fatalf("Read: %d, %v", n, err)
				}
				at := int(buf[0])
				if at >= count || n != 8+at || (Pattern{uint64(at)}).Check(buf[1:n], 0) != nil {
					e.Fatalf("a datagram that nobody sent: %q", buf[:n])
				}
				seen[at]++
				got++
			}
		}, nil)
		for i := range count {
			b := make([]byte, 8+i)
			b[0] = byte(i)
			Pattern{uint64(i)}.Fill(b[1:], 0)
			e.Until("room", func() bool {
				n, err := p.Client.Write(b)
				if isEnd(err) {
					e.Fatalf("Write: %v", err)
				}
				return n > 0 || err != frio.ErrAgain
			})
		}
		e.Pass(time.Second)
		if got == 0 {
			e.Errorf("none of %d datagrams came", count)
		}
	})
}

// checkFaultReset: whenever the connection is lost, it ends with ErrReset, and what was read is the beginning of what was sent.
func checkFaultReset(e *Env) {
	const size = 30_000
	resets := 0
	e.seeds(func(e *Env) {
		p := e.Pair(Options{Loop: true})
		e.Host().SetFaults(sim.Faults{Reset: 0.02, Partial: 0.5, Again: 0.1})
		source := Source{Pattern: Pattern{e.Seed}, Size: size}
		sink := Sink{Pattern: Pattern{e.Seed}}
		var wrote, read error
		p.Client.Wish(nil, nil, func() {
			if wrote = source.Put(p.Client); wrote == frio.ErrAgain {
				wrote = nil
			}
			if wrote != nil || source.Done() {
				p.Client.Close()
			}
		})
		p.Server.Wish(nil, func() {
			if _, read = sink.Take(p.Server); read == frio.ErrAgain {
				read = nil
			}
		}, nil)
		e.Until("an end", func() bool { return read != nil })
		switch {
		case errors.Is(read, frio.ErrReset):
			resets++
		case read != io.EOF:
			e.Errorf("Read: %v, want io.EOF or ErrReset", read)
		case sink.Offset != size:
			e.Errorf("an end in order after %d of %d bytes", sink.Offset, size)
		}
		if wrote != nil && !errors.Is(wrote, frio.ErrReset) {
			e.Errorf("Write: %v, want ErrReset", wrote)
		}
		e.Host().SetFaults(sim.Faults{})
	})
	if resets == 0 {
		e.Errorf("no connection was reset: the seeds test nothing")
	}
}

// checkFaultExhaust: without descriptors a listener neither fails nor spins, and goes on when there are some.
func checkFaultExhaust(e *Env) {
	l := e.Listener(Options{})
	calls := 0
	l.Wish(nil, func() {
		calls++
		if _, err := l.Accept(nil); err != frio.ErrAgain {
			e.Errorf("Accept without descriptors: %v, want ErrAgain", err)
		}
	}, nil)
	e.Host().InjectAll("Accept", syscall.EMFILE)
	before := e.Host().Calls("Accept")
	c := e.Dial(l, Options{Loop: true})
	e.Pass(time.Second)
	if n := e.Host().Calls("Accept") - before; n > 20 || n == 0 {
		e.Errorf("%d accept calls in a second without descriptors, want 1 to 20", n)
	}
	if s := l.State(); s != frio.StateListening {
		e.Errorf("state %v without descriptors, want listening", s)
	}
	e.Host().InjectAll("Accept", 0)
	var child *Probe
	l.Wish(nil, func() {
		if got, err := l.Accept(nil); err == nil {
			child = got
			child.Wish(nil, nil, nil)
		}
	}, nil)
	e.Until("the child when there are descriptors", func() bool { return child != nil })
	e.Send(c, []byte("at last"))
	e.Expect(child, []byte("at last"))
}
