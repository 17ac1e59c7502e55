package friotest

import (
	"errors"
	"net/netip"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
)

// Options of the two sides of a Pair; the zero value is usual.
type Options struct {
	Limit          string // lines of the listen's limit section
	Base           string // lines of the base method's sub-section, both sides
	Server, Client *Side  // where they live; nil: the environment's first side
	Loop           bool   // both are attached to their loops, without wishes; else nobody drives them
}

// Pair is a listener, a client that is connected to it, and the server's end of that connection: an accepted child, or the
// listener itself where a stack has no children.
type Pair struct{ Listener, Client, Server *Probe }

// ParseText parses a listen or a home_server section, which must be without mistakes, and watches what comes of it.
func (e *Env) ParseText(side *Side, name, text string) *Probe {
	e.Helper()
	root, err := conf.ParseString("conformance.conf", text, conf.Options{})
	if err != nil {
		e.Fatalf("%v in\n%s", err, text)
	}
	ctx := e.Context(side, name)
	sections := append(root.TakeSections("listen"), root.TakeSections("home_server")...)
	if len(sections) == 0 {
		e.Fatalf("neither listen nor home_server in\n%s", text)
	}
	io, err := frio.Parse(ctx, sections[0])
	if err != nil {
		e.Fatalf("%v in\n%s", err, text)
	}
	if unknown := root.Unknown(); len(unknown) > 0 {
		e.Fatalf("keys that nobody took: %v in\n%s", unknown, text)
	}
	return e.Watch(io, ctx, name)
}

// ParseListener parses the target's listen without opening it.
func (e *Env) ParseListener(o Options) *Probe {
	e.Helper()
	p := e.Place
	p.Base = o.Base
	return e.ParseText(o.Server, "listener", e.listenText(p, o.Limit))
}

// Listener parses and opens the target's listen, without a loop.
func (e *Env) Listener(o Options) *Probe {
	e.Helper()
	l := e.ParseListener(o)
	if err := l.Open(); err != nil {
		e.Fatalf("Open: %v", err)
	}
	return l
}

// ParseClient parses the target's home_server, which connects to where the listener is.
func (e *Env) ParseClient(listener *Probe, o Options) *Probe {
	e.Helper()
	p := e.Place
	p.Base = o.Base
	if listener != nil {
		p.Port = e.Port(listener)
	}
	return e.ParseText(o.Client, "client", e.homeText(p))
}

// Port is the port that listener really has, 0 if it has none.
func (e *Env) Port(listener *Probe) uint16 {
	e.Helper()
	if e.Target.NoAddress {
		return 0
	}
	a := e.Local(listener)
	if a.Port() == 0 {
		e.Fatalf("%s has no port: %v", listener.Name, a)
	}
	return a.Port()
}

// Local is p's own address.
func (e *Env) Local(p *Probe) netip.AddrPort {
	e.Helper()
	a, ok := p.IO.(frio.Addresser)
	if !ok {
		e.Fatalf("%s: no Addresser", p.Name)
	}
	return a.LocalAddr()
}

// Remote is the address of p's peer.
func (e *Env) Remote(p *Probe) netip.AddrPort {
	e.Helper()
	a, ok := p.IO.(frio.Addresser)
	if !ok {
		e.Fatalf("%s: no Addresser", p.Name)
	}
	return a.RemoteAddr()
}

// Pair opens a listener, connects a client to it and accepts the child.
func (e *Env) Pair(o Options) *Pair {
	e.Helper()
	l := e.Listener(o)
	if o.Loop {
		l.Wish(o.Server, nil, nil)
	}
	return e.Join(l, o)
}

// Join connects one more client to an open listener and accepts its child.
func (e *Env) Join(l *Probe, o Options) *Pair {
	e.Helper()
	p := &Pair{Listener: l, Client: e.Dial(l, o)}
	if !e.Target.Children {
		p.Server = l
		return p
	}
	e.greet(p.Client)
	p.Server = e.AcceptFrom(l, o.Server)
	if o.Loop {
		p.Server.Wish(o.Server, nil, nil)
	}
	e.Until("both sides are open", func() bool {
		client, server := e.Step(p.Client), e.Step(p.Server) // each may wait for the other's step
		return client && server
	})
	e.greeted(p.Client, p.Server)
	return p
}

var greeting = []byte("greeting of the suite")

// greet has the listener hear of c: a child comes of its peer's first datagram. Where there is a handshake, Connect has sent that.
func (e *Env) greet(c *Probe) {
	e.Helper()
	if e.Target.Kind == frio.Datagram && !e.Target.Handshake {
		e.Until("the first datagram is written", func() bool { return e.tryWrite(c, greeting) })
	}
}

// greeted has server, the child of c, read the greeting.
func (e *Env) greeted(c, server *Probe) {
	e.Helper()
	if e.Target.Kind != frio.Datagram {
		return
	}
	if e.Target.Handshake {
		e.Send(c, greeting)
	}
	e.Expect(server, greeting)
}

// stepHandshakes lets what nobody drives take a step towards being open, where datagrams go to and fro for that.
func (e *Env) stepHandshakes() {
	if !e.Target.Handshake || e.Target.Kind != frio.Datagram {
		return
	}
	for _, p := range e.probes {
		if !p.closed && !p.Ctx.Freed() && p.loop == nil && p.State() == frio.StateHandshaking {
			var none [1]byte
			if err := p.IO.Connect(); errors.Is(err, errors.ErrUnsupported) {
				p.IO.Read(none[:])
			}
		}
	}
}

// Dial makes a client and starts its Connect; with Options.Loop the loop drives it until it is open. Where a layer below needs the
// other side for that, it may return while that is under way.
func (e *Env) Dial(l *Probe, o Options) *Probe {
	e.Helper()
	c := e.ParseClient(l, o)
	if o.Loop {
		c.Wish(o.Client, nil, nil)
	}
	if err := c.Connect(); err != nil && err != frio.ErrAgain {
		e.Fatalf("Connect: %v", err)
	}
	return c
}

// AcceptFrom accepts a child onto side.
func (e *Env) AcceptFrom(l *Probe, side *Side) (child *Probe) {
	e.Helper()
	e.Until("a child to accept", func() bool {
		c, err := l.Accept(side)
		if err != nil && err != frio.ErrAgain {
			e.Fatalf("Accept: %v", err)
		}
		child = c
		return err == nil
	})
	return child
}

// Step lets an IO without a loop take one step towards being open, and tells whether it is.
func (e *Env) Step(p *Probe) bool {
	e.Helper()
	switch s := p.State(); s {
	case frio.StateOpen, frio.StateListening:
		return true
	case frio.StateConnecting, frio.StateHandshaking:
		if p.loop != nil {
			return false
		}
		err := p.Connect()
		if errors.Is(err, errors.ErrUnsupported) { // a child: Read is its step
			var none [1]byte
			_, err = p.Read(none[:])
		}
		if err != nil && err != frio.ErrAgain {
			e.Fatalf("%s: on the way to open: %v", p.Name, err)
		}
		return p.State() == frio.StateOpen
	default:
		e.Fatalf("%s: state %v on the way to open", p.Name, s)
		return false
	}
}

// tryWrite writes all of b as one, or tells that it is not the time.
func (e *Env) tryWrite(p *Probe, b []byte) bool {
	e.Helper()
	n, err := p.Write(b)
	if err != nil && err != frio.ErrAgain {
		e.Fatalf("%s: Write: %v", p.Name, err)
	}
	if err == nil && n != len(b) {
		e.Fatalf("%s: Write took %d of %d bytes", p.Name, n, len(b))
	}
	return err == nil
}

// Send writes all of b, turning the loops while the IO says ErrAgain.
func (e *Env) Send(p *Probe, b []byte) {
	e.Helper()
	e.Until("room to write", func() bool {
		n, err := p.Write(b)
		if err != nil && err != frio.ErrAgain {
			e.Fatalf("%s: Write: %v", p.Name, err)
		}
		b = b[n:]
		return len(b) == 0
	})
}

// Expect reads until it has what must be want: those bytes of a stream, or that datagram.
func (e *Env) Expect(p *Probe, want []byte) {
	e.Helper()
	got := make([]byte, 0, len(want))
	buf := make([]byte, len(want)+1)
	e.Until("bytes to read", func() bool {
		room := len(want) - len(got)
		if p.Kind() == frio.Datagram {
			room++ // a longer one must show
		}
		n, err := p.Read(buf[:room])
		if err != nil && err != frio.ErrAgain {
			e.Fatalf("%s: Read after %d of %d bytes: %v", p.Name, len(got), len(want), err)
		}
		got = append(got, buf[:n]...)
		return len(got) >= len(want) || n > 0 && p.Kind() == frio.Datagram
	})
	if string(got) != string(want) {
		e.Fatalf("%s: read %q, want %q", p.Name, cut(got), cut(want))
	}
}

// ExpectEnd reads until something other than ErrAgain comes, which must be an error: it returns that.
func (e *Env) ExpectEnd(p *Probe) (end error) {
	e.Helper()
	var buf [64]byte
	e.Until("the end", func() bool {
		n, err := p.Read(buf[:])
		if n > 0 {
			e.Fatalf("%s: read %q, want an end", p.Name, buf[:n])
		}
		end = err
		return err != frio.ErrAgain
	})
	return end
}

// Nothing fails the test if p has something to read.
func (e *Env) Nothing(p *Probe) {
	e.Helper()
	var buf [64]byte
	if n, err := p.Read(buf[:]); err != frio.ErrAgain {
		e.Fatalf("%s: Read gave %q, %v, want ErrAgain", p.Name, buf[:n], err)
	}
}

// cut shortens what a failure prints.
func cut(b []byte) []byte { return b[:min(len(b), 80)] }
