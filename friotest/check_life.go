package friotest

import (
	"errors"
	"net"
	"strconv"

	"github.com/frio-io/frio"
)

var lifeChecks = []check{
	{name: "open twice", run: checkOpenTwice},
	{name: "open after close", run: checkOpenClosed},
	{name: "open where somebody listens", run: checkOpenTaken},
	{name: "open with the socket of another listener", run: checkInherit},
	{name: "operations of the other side", run: checkOtherSide},
	{name: "accept without children", needs: noChildren, run: checkNoAccept},
	{name: "accept with nobody there", needs: hasChildren, run: checkAcceptNobody},
}

func itoa(n int) string { return strconv.Itoa(n) }

// checkOpenTwice: a second Open is an error that costs nothing.
func checkOpenTwice(e *Env) {
	l := e.Listener(Options{})
	before := e.world.descriptors()
	if err := l.Open(); err == nil {
		e.Errorf("a second Open succeeded")
	}
	if after := e.world.descriptors(); after != before {
		e.Errorf("a second Open: %d descriptors, before %d", after, before)
	}
	if s := l.State(); s != frio.StateListening {
		e.Errorf("state %v after a second Open", s)
	}
	p := e.Join(l, Options{})
	e.Send(p.Client, []byte("still there"))
	e.Expect(p.Server, []byte("still there"))
}

func checkOpenClosed(e *Env) {
	l := e.Listener(Options{})
	l.Close()
	before := e.world.descriptors()
	if err := l.Open(); !errors.Is(err, net.ErrClosed) {
		e.Errorf("Open after Close: %v, want net.ErrClosed", err)
	}
	if after := e.world.descriptors(); after != before {
		e.Errorf("Open after Close opened %d descriptors", after-before)
	}
}

// checkOpenTaken: a second listener on the same place is refused, names what it was about, and opens nothing.
func checkOpenTaken(e *Env) {
	l := e.Listener(Options{})
	place := e.Place
	place.Port = e.Port(l)
	other := e.ParseText(nil, "second listener", e.listenText(place, ""))
	before := e.world.descriptors()
	err := other.Open()
	if err == nil {
		e.Fatalf("two listeners at %s", l.Describe())
	}
	if after := e.world.descriptors(); after != before {
		e.Errorf("a refused Open left %d descriptors", after-before)
	}
	if other.State() == frio.StateListening {
		e.Errorf("listening after %v", err)
	}
	other.Close()
	// The first one is none the worse for it.
	p := e.Join(l, Options{})
	e.Send(p.Client, []byte("first"))
	e.Expect(p.Server, []byte("first"))
}

// checkOtherSide: what belongs to the other side is ErrUnsupported, on an IO that is parsed, and on one that is open.
func checkOtherSide(e *Env) {
	unsupported := func(p *Probe, op string, err error) {
		e.Helper()
		if !errors.Is(err, errors.ErrUnsupported) {
			e.Errorf("%s, %v: %s: %v, want ErrUnsupported", p.Name, p.State(), op, err)
		}
	}
	l := e.ParseListener(Options{})
	unsupported(l, "Connect", l.Connect())
	if err := l.Open(); err != nil {
		e.Fatalf("Open: %v", err)
	}
	unsupported(l, "Connect", l.Connect())
	c := e.ParseClient(l, Options{})
	unsupported(c, "Open", c.Open())
	_, err := c.Accept(nil)
	unsupported(c, "Accept", err)
	c.Close()
	p := e.Join(l, Options{})
	unsupported(p.Client, "Open", p.Client.Open())
	_, err = p.Client.Accept(nil)
	unsupported(p.Client, "Accept", err)
	if err := p.Client.Connect(); err != nil {
		e.Errorf("Connect of a client that is open: %v", err)
	}
	if e.Target.Children {
		unsupported(p.Server, "Open", p.Server.Open())
		unsupported(p.Server, "Connect", p.Server.Connect())
		_, err = p.Server.Accept(nil)
		unsupported(p.Server, "Accept", err)
	}
	if e.Target.Kind == frio.Stream {
		var buf [8]byte
		_, err = l.Read(buf[:])
		unsupported(l, "Read", err)
		_, err = l.Write(buf[:])
		unsupported(l, "Write", err)
	}
}

func checkNoAccept(e *Env) {
	l := e.Listener(Options{})
	if _, err := l.Accept(nil); !errors.Is(err, errors.ErrUnsupported) {
		e.Errorf("Accept: %v, want ErrUnsupported", err)
	}
}

func checkAcceptNobody(e *Env) {
	l := e.Listener(Options{})
	for range 3 {
		if _, err := l.Accept(nil); err != frio.ErrAgain {
			e.Errorf("Accept with nobody there: %v, want ErrAgain", err)
		}
	}
	calls := 0
	l.Wish(nil, func() { calls++ }, nil)
	e.Spin(10)
	if calls > 0 {
		e.Errorf("%d callbacks with nobody there", calls)
	}
}
