package friotest

import (
	"github.com/frio-io/frio"
)

var dataChecks = []check{
	{name: "data without a loop", run: checkDataBare},
	{name: "data with a loop", run: checkDataLoop},
	{name: "data between two loops", run: checkDataTwoLoops},
	{name: "nothing to read", run: checkAgain},
	{name: "no bytes asked for", run: checkZero},
	{name: "read keeps nothing", run: checkKeepsNothing},
	{name: "short reads", needs: isStream, run: checkShortReads},
	{name: "pattern both ways", needs: isStream, run: checkDuplex},
	{name: "cork", needs: isStream, run: checkCork},
}

// answer sends b from the server's end: Write, or a reply to the last datagram where the listener is that end.
func (e *Env) answer(p *Pair, b []byte) bool {
	e.Helper()
	if e.Target.Children {
		e.Send(p.Server, b)
		return true
	}
	if e.Target.NoReply {
		return false
	}
	packets := []frio.Packet{{Data: b, Remote: e.Local(p.Client)}}
	e.Until("room for a reply", func() bool {
		n, err := p.Server.WritePackets(packets)
		if err != nil && err != frio.ErrAgain {
			e.Fatalf("WritePackets: %v", err)
		}
		return n == 1
	})
	return true
}

// checkDataBare: nobody drives; each call is one step.
func checkDataBare(e *Env) {
	p := e.Pair(Options{})
	for i := range 10 {
		ask, reply := []byte("ask "+itoa(i)), []byte("reply "+itoa(i))
		e.Send(p.Client, ask)
		e.Expect(p.Server, ask)
		if e.answer(p, reply) {
			e.Expect(p.Client, reply)
		}
		e.Nothing(p.Client)
		e.Nothing(p.Server)
	}
}

// checkDataLoop: the read callbacks do it.
func checkDataLoop(e *Env) { e.pingPong(&e.Side, &e.Side) }

// checkDataTwoLoops is the same with each side on a thread of its own.
func checkDataTwoLoops(e *Env) { e.pingPong(&e.Side, e.NewSide("other")) }

func (e *Env) pingPong(server, client *Side) {
	const rounds = 20
	p := e.Pair(Options{Server: server, Client: client, Loop: true})
	if e.Target.Children {
		p.Listener.Wish(server, func() { e.Errorf("the listener's callback for its child's data") }, nil)
	}
	got, answered := 0, 0
	var buf [64]byte
	p.Server.Wish(server, func() {
		for {
			n, err := p.Server.Read(buf[:])
			if err == frio.ErrAgain {
				return
			}
			if err != nil || string(buf[:n]) != "ask "+itoa(got) {
				e.Fatalf("round %d: the server read %q, %v", got, buf[:n], err)
			}
			got++
			if e.Target.Children {
				if n, err := p.Server.Write(buf[:n]); err != nil || n == 0 {
					e.Fatalf("round %d: Write: %d, %v", got, n, err)
				}
			}
		}
	}, nil)
	var cbuf [64]byte
	p.Client.Wish(client, func() {
		for {
			n, err := p.Client.Read(cbuf[:])
			if err == frio.ErrAgain {
				return
			}
			if err != nil || string(cbuf[:n]) != "ask "+itoa(answered) {
				e.Fatalf("round %d: the client read %q, %v", answered, cbuf[:n], err)
			}
			answered++
		}
	}, nil)
	for i := range rounds {
		e.Send(p.Client, []byte("ask "+itoa(i)))
		e.Until("the server's callback", func() bool { return got == i+1 })
		if e.Target.Children {
			e.Until("the client's callback", func() bool { return answered == i+1 })
		}
	}
	reads := p.Server.Reads + p.Client.Reads
	e.Spin(10)
	if n := p.Server.Reads + p.Client.Reads - reads; n > 0 {
		e.Errorf("%d read callbacks with everything read", n)
	}
}

func checkAgain(e *Env) {
	p := e.Pair(Options{})
	for _, one := range []*Probe{p.Client, p.Server} {
		for range 3 {
			e.Nothing(one)
		}
	}
	e.Spin(5)
	e.Nothing(p.Client)
	e.Nothing(p.Server)
}

// checkZero: a Read of nothing takes nothing, a Write of nothing on a stream sends nothing.
func checkZero(e *Env) {
	p := e.Pair(Options{})
	zero := func(one *Probe, op string, n int, err error) {
		e.Helper()
		if n != 0 || err != nil {
			e.Errorf("%s: %s of no bytes: %d, %v, want 0, nil", one.Name, op, n, err)
		}
	}
	ends := []*Probe{p.Client}
	if e.Target.Children || e.Target.Kind == frio.Datagram {
		ends = append(ends, p.Server)
	}
	for _, one := range ends {
		n, err := one.Read(nil)
		zero(one, "Read", n, err)
		if e.Target.Kind == frio.Stream {
			n, err = one.Write(nil)
			zero(one, "Write", n, err)
		}
	}
	e.Send(p.Client, []byte("kept"))
	e.Spin(3)
	n, err := p.Server.Read([]byte{})
	zero(p.Server, "Read with data there", n, err)
	e.Expect(p.Server, []byte("kept"))
	e.Nothing(p.Client)
}

// checkKeepsNothing: what is lent to Write may change after it, what Read gave does not change by later reads.
func checkKeepsNothing(e *Env) {
	for _, loop := range []bool{false, true} {
		p := e.Pair(Options{Loop: loop})
		lent := make([]byte, 0, 64)
		for _, s := range []string{"first 1", "second2", "third 3"} {
			lent = append(lent[:0], s...)
			e.Send(p.Client, lent)
			clear(lent)
		}
		var bufs [3][7]byte
		for i := range bufs {
			e.Until("data", func() bool {
				n, err := p.Server.Read(bufs[i][:])
				if err != nil && err != frio.ErrAgain || n != 0 && n != len(bufs[i]) {
					e.Fatalf("Read: %d, %v", n, err)
				}
				return n > 0
			})
		}
		e.Spin(3)
		if got := string(bufs[0][:]) + string(bufs[1][:]) + string(bufs[2][:]); got != "first 1second2third 3" {
			e.Errorf("read %q", got)
		}
		p.Client.Close()
		p.Server.Close()
		p.Listener.Close()
	}
}

// checkShortReads: bytes one at a time, and no boundary is kept.
func checkShortReads(e *Env) {
	p := e.Pair(Options{})
	e.Send(p.Client, []byte("one"))
	e.Send(p.Client, []byte("two"))
	e.Until("all of it", func() bool { return e.readable(p.Server) })
	for _, want := range []byte("onetwo") {
		e.Expect(p.Server, []byte{want})
	}
	e.Nothing(p.Server)
}

// readable gives what was sent the time to arrive.
func (e *Env) readable(p *Probe) bool {
	e.Spin(5)
	_, err := p.Read(nil)
	return err == nil
}

// checkDuplex: a lot both ways at once on loops, each side in its callbacks.
func checkDuplex(e *Env) {
	const size = 300_000
	p := e.Pair(Options{Loop: true})
	up, down := e.flow(p.Client, size, 1), e.flow(p.Server, size, 2)
	up.sink, down.sink = down.sink, up.sink // each reads what the other wrote
	up.start(nil)
	down.start(nil)
	e.Until("all bytes both ways", func() bool { return up.complete() && down.complete() })
	e.Spin(3)
	for _, one := range []*Probe{p.Client, p.Server} {
		e.Nothing(one)
	}
}

// flow is one end of a stream that writes and reads patterns in its callbacks.
type flow struct {
	p      *Probe
	source Source
	sink   *Sink
	size   int64
	end    error
	side   *Side
}

// flowBurst is how many pieces a flow writes in one callback: so few that a transfer takes many turns.
const flowBurst = 4

func (e *Env) flow(p *Probe, size int64, seed uint64) *flow {
	return &flow{p: p, source: Source{Pattern: Pattern{seed}, Size: size}, sink: &Sink{Pattern: Pattern{seed}}, size: size}
}

func (f *flow) start(side *Side) {
	f.side = side
	f.wish()
}

func (f *flow) wish() {
	var w func()
	if !f.source.Done() {
		w = f.write
	}
	f.p.Wish(f.side, f.read, w)
}

func (f *flow) write() {
	for range flowBurst {
		if err := f.source.Put(f.p); err == frio.ErrAgain {
			return
		} else if err != nil {
			f.p.env.Fatalf("%s: Write after %d bytes: %v", f.p.Name, f.source.Offset, err)
		}
	}
	if f.source.Done() {
		f.wish()
	}
}

func (f *flow) read() {
	for f.end == nil {
		_, err := f.sink.Take(f.p)
		if err == frio.ErrAgain {
			return
		}
		f.end = err
	}
}

func (f *flow) complete() bool {
	if f.end != nil {
		f.p.env.Fatalf("%s: Read after %d bytes: %v", f.p.Name, f.sink.Offset, f.end)
	}
	return f.source.Done() && f.sink.Offset == f.size
}

// checkCork: what is corked comes at Uncork, whole and in order.
func checkCork(e *Env) {
	p := e.Pair(Options{Loop: true})
	c, ok := p.Client.IO.(frio.Corker)
	if !ok {
		return
	}
	c.Cork()
	e.Send(p.Client, []byte("corked "))
	e.Send(p.Client, []byte("together"))
	if err := c.Uncork(); err != nil && err != frio.ErrAgain {
		e.Fatalf("Uncork: %v", err)
	}
	e.Expect(p.Server, []byte("corked together"))
	e.Send(p.Client, []byte("loose"))
	e.Expect(p.Server, []byte("loose"))
}
