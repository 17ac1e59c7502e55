package friotest

import (
	"errors"
	"io"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sim"
)

func dials(t *Target) bool { return isStream(t) && !t.NoAddress && canRefuse(t) }

var connectChecks = []check{
	{name: "connect is nil when up", run: checkConnectUp},
	{name: "connect driven by each operation", run: checkConnectDriven},
	{name: "connect refused", needs: canRefuse, run: checkRefused},
	{name: "connect refused on a loop", needs: canRefuse, run: checkRefusedLoop},
	{name: "connect unreachable", on: onSim, needs: dials, run: checkUnreachable},
	{name: "connect timed out", on: onSim, needs: dials, run: checkConnectTimeout},
	{name: "close while an attempt is on its way", on: onSim, needs: dials, run: checkCloseAttempt},
	{name: "data waits for the connect", on: onSim, needs: dials, run: checkConnectSlow},
}

func checkConnectUp(e *Env) {
	for _, loop := range []bool{false, true} {
		p := e.Pair(Options{Loop: loop})
		for range 3 {
			if err := p.Client.Connect(); err != nil {
				e.Errorf("Connect of what is up: %v", err)
			}
		}
		p.Client.Close()
		p.Server.Close()
		p.Listener.Close()
	}
}

// checkConnectDriven: without a loop Connect, Read and Write each carry the attempt on; with one, nobody needs to.
func checkConnectDriven(e *Env) {
	for _, by := range []string{"Connect", "Read", "Write", "loop"} {
		l := e.Listener(Options{})
		l.Wish(nil, nil, nil)
		c := e.ParseClient(l, Options{})
		if by == "loop" {
			c.Wish(nil, nil, nil)
		}
		if err := c.Connect(); err != nil && err != frio.ErrAgain {
			e.Fatalf("Connect: %v", err)
		}
		var child *Probe
		sent := 0
		e.Until("the connection, by "+by, func() bool {
			var err error
			var buf [8]byte
			switch by {
			case "Connect":
				err = c.Connect()
			case "Read":
				_, err = c.Read(buf[:])
			case "Write":
				if sent == 0 {
					sent, err = c.Write([]byte("written"))
				}
			}
			if err != nil && err != frio.ErrAgain {
				e.Fatalf("by %s: %v", by, err)
			}
			if e.Target.Children && (e.Target.Kind == frio.Stream || e.Target.Handshake) && child == nil {
				if got, err := l.Accept(nil); err == nil {
					child = got
					child.Wish(nil, nil, nil)
				}
			}
			return c.State() == frio.StateOpen
		})
		if sent == 0 {
			e.Send(c, []byte("written"))
		}
		if child == nil && e.Target.Children {
			child = e.AcceptFrom(l, nil)
		} else if child == nil {
			child = l
		}
		e.Expect(child, []byte("written"))
		c.Close()
		l.Close()
	}
}

// refusedBy wants err to be final and to say why.
func (e *Env) refusedBy(c *Probe, err error) {
	e.Helper()
	if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ENOENT) {
		e.Errorf("%v, want ECONNREFUSED", err)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, frio.ErrReset) {
		e.Errorf("a refused connection is no lost one: %v", err)
	}
	var buf [8]byte
	for range 2 {
		if again := c.Connect(); again == nil || again.Error() != err.Error() {
			e.Errorf("Connect: %v, and again: %v", err, again)
		}
		if _, again := c.Read(buf[:]); again == nil || again.Error() != err.Error() {
			e.Errorf("Connect: %v, then Read: %v", err, again)
		}
		if _, again := c.Write(buf[:]); again == nil || again.Error() != err.Error() {
			e.Errorf("Connect: %v, then Write: %v", err, again)
		}
	}
	if s := c.State(); s != frio.StateFailed {
		e.Errorf("state %v after %v, want failed", s, err)
	}
	if !strings.Contains(c.DebugText(), "failed") {
		e.Errorf("Debug does not tell of the failure:\n%s", c.DebugText())
	}
}

func checkRefused(e *Env) {
	c := e.nobody(Options{})
	before := e.world.descriptors()
	var err error
	e.Until("the refusal", func() bool {
		err = c.Connect()
		return err != frio.ErrAgain
	})
	if err == nil {
		e.Fatalf("Connect to nobody succeeded")
	}
	e.refusedBy(c, err)
	c.Close()
	if after := e.world.descriptors(); after != before {
		e.Errorf("%d descriptors after a refused connect was closed, %d before", after, before)
	}
}

func checkRefusedLoop(e *Env) {
	c := e.nobody(Options{})
	c.Wish(nil, nil, nil)
	if err := c.Connect(); err == nil {
		e.Fatalf("Connect to nobody succeeded")
	}
	e.Until("the failure", func() bool { return c.State() == frio.StateFailed })
	e.refusedBy(c, c.Connect())
	before := e.Loop.Stats().Events
	e.Spin(20)
	if n := e.Loop.Stats().Events - before; n > 1 {
		e.Errorf("%d events of a failed connect", n)
	}
}

func checkUnreachable(e *Env) {
	l := e.Listener(Options{})
	for _, errno := range []syscall.Errno{syscall.ENETUNREACH, syscall.EHOSTUNREACH} {
		e.Host().Reject(netip.PrefixFrom(e.Place.Addr, e.Place.Addr.BitLen()), errno)
		for _, loop := range []bool{false, true} {
			c := e.ParseClient(l, Options{})
			if loop {
				c.Wish(nil, nil, nil)
			}
			var err error
			e.Until("the failure", func() bool {
				err = c.Connect()
				return err != frio.ErrAgain
			})
			if !errors.Is(err, errno) || errors.Is(err, frio.ErrReset) {
				e.Errorf("Connect: %v, want %v", err, errno)
			}
			if s := c.State(); s != frio.StateFailed {
				e.Errorf("state %v after %v, want failed", s, err)
			}
			c.Close()
		}
	}
	e.Host().Reject(netip.PrefixFrom(e.Place.Addr, e.Place.Addr.BitLen()), 0)
	p := e.Join(l, Options{})
	e.Send(p.Client, []byte("reached"))
	e.Expect(p.Server, []byte("reached"))
}

// checkConnectTimeout: packets vanish; after connect_timeout the attempt is given up, with a loop by itself.
func checkConnectTimeout(e *Env) {
	l := e.Listener(Options{})
	e.World().SetLink(e.Host(), e.Host(), sim.Link{Loss: 1})
	for _, loop := range []bool{false, true} {
		c := e.ParseClient(l, Options{Base: "connect_timeout = 3s\n"})
		calls := 0
		if loop {
			c.Wish(nil, nil, func() { calls++ })
		}
		for range 29 {
			if err := c.Connect(); err != frio.ErrAgain {
				e.Fatalf("Connect: %v, want ErrAgain", err)
			}
			e.Pass(100 * time.Millisecond)
		}
		if s := c.State(); s != frio.StateConnecting {
			e.Errorf("state %v on the way, want connecting", s)
		}
		if calls > 0 {
			e.Errorf("%d callbacks on the way", calls)
		}
		e.Pass(200 * time.Millisecond)
		if loop {
			e.onePerTurn("the time-out of a connect", &calls)
		}
		err := c.Connect()
		if !errors.Is(err, frio.ErrTimeout) || !strings.Contains(err.Error(), "connect_timeout") {
			e.Errorf("Connect: %v, want the time-out of connect_timeout", err)
		}
		if s := c.State(); s != frio.StateFailed {
			e.Errorf("state %v after %v, want failed", s, err)
		}
		c.Close()
	}
}

// checkCloseAttempt: nothing of the attempt is left, now or when its answer comes.
func checkCloseAttempt(e *Env) {
	l := e.Listener(Options{})
	e.World().SetLink(e.Host(), e.Host(), sim.Link{DelayMin: time.Second, DelayMax: time.Second})
	before := e.world.descriptors()
	for _, loop := range []bool{false, true} {
		for _, free := range []bool{false, true} {
			c := e.ParseClient(l, Options{})
			if loop {
				c.Wish(nil, func() {}, func() {})
			}
			if err := c.Connect(); err != frio.ErrAgain {
				e.Fatalf("Connect: %v, want ErrAgain", err)
			}
			e.Pass(500 * time.Millisecond)
			if free {
				c.wish++
				c.Ctx.Free()
			} else if err := c.Close(); err != nil {
				e.Errorf("Close: %v", err)
			}
			if after := e.world.descriptors(); after != before {
				e.Errorf("%d descriptors after Close, %d before the attempt", after, before)
			}
			e.Pass(5 * time.Second)
		}
	}
}

// checkConnectSlow: until it is up Read and Write take nothing and give ErrAgain; the callbacks come when it is.
func checkConnectSlow(e *Env) {
	l := e.Listener(Options{})
	l.Wish(nil, nil, nil)
	e.World().SetLink(e.Host(), e.Host(), sim.Link{DelayMin: 100 * time.Millisecond, DelayMax: 100 * time.Millisecond})
	c := e.ParseClient(l, Options{})
	calls := 0
	c.Wish(nil, func() { e.Errorf("read callback with nothing sent") }, func() { calls++ })
	e.Spin(3)
	if calls > 0 {
		e.Errorf("%d write callbacks before Connect", calls)
	}
	if err := c.Connect(); err != frio.ErrAgain {
		e.Fatalf("Connect: %v, want ErrAgain", err)
	}
	var buf [8]byte
	for range 5 {
		if n, err := c.Read(buf[:]); n != 0 || err != frio.ErrAgain {
			e.Errorf("Read on the way: %d, %v, want ErrAgain", n, err)
		}
		if n, err := c.Write(buf[:]); n != 0 || err != frio.ErrAgain {
			e.Errorf("Write on the way: %d, %v, want ErrAgain", n, err)
		}
		if s := c.State(); s != frio.StateConnecting {
			e.Errorf("state %v on the way, want connecting", s)
		}
		e.Pass(10 * time.Millisecond)
	}
	if calls > 0 {
		e.Errorf("%d write callbacks on the way", calls)
	}
	server := e.AcceptFrom(l, nil)
	server.Wish(nil, nil, nil)
	e.Until("the write callback", func() bool { return calls > 0 })
	e.Send(c, []byte("at last"))
	e.Expect(server, []byte("at last"))
}
