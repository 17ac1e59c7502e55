package tls

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/tls/dtls"
)

// gate stands before a listener of datagrams: no peer gets a child before it has sent back a cookie. It belongs to the listener's thread.
type gate struct {
	listener *Listener
	cookies  *dtls.Gate
	byPeer   map[peerKey]*Conn // never ranged over
	admit    frio.Admit        // nil: nobody asks
	replaced uint64
}

// setGate gives l its gate, whose cookies are made with keys. The lower said to askGate that it takes one.
func (l *Listener) setGate(keys *dtls.CookieKeys) error {
	gated, ok := l.lower.(frio.Gated)
	if !ok {
		return errors.ErrUnsupported
	}
	l.gate = &gate{listener: l, cookies: dtls.NewGate(keys), byPeer: map[peerKey]*Conn{}}
	return gated.SetGate(l.gate.judge)
}

// askGate tells what of the listen cs keeps lower, of datagrams, from taking a gate. It is asked whatever is wrong in
// `tls { }`, so that neither hides the other, and the lower takes its limits of children.
func askGate(cs *conf.Section, lower frio.IO) error {
	gated, ok := lower.(frio.Gated)
	if ok {
		return gated.SetGate(func(*frio.Packet, []byte) ([]byte, frio.Verdict) { return nil, frio.GateDrop })
	}
	name, _, _ := strings.Cut(lower.Describe(), " ")
	why := fmt.Sprintf("a %s socket for datagrams cannot tell its peers apart, and tls needs a child for each association", name)
	for _, sub := range cs.Sections(name) {
		for _, p := range sub.Pairs("type") {
			return conf.Errors{p.Errorf("type: %s is not possible here: %s", p.Value, why)}
		}
	}
	for _, p := range append(cs.Pairs("protocol"), cs.Pairs("transport")...) {
		return conf.Errors{p.Errorf("%s: %s", p.Name, why)}
	}
	return conf.Errors{cs.Errorf("%s: %s", cs.Name, why)}
}

// judge is the frio.Gate. A good cookie with another random, from a peer that has a child, is the proof of RFC 6347,
// Section 4.2.8: the peer has begun anew.
func (g *gate) judge(p *frio.Packet, scratch []byte) ([]byte, frio.Verdict) {
	if !dtls.IsHello(p.Data) {
		return nil, frio.GateDrop
	}
	now := g.listener.share.now()
	if g.admit != nil && !g.admit(p.Remote, now) {
		return nil, frio.GateDrop
	}
	reply, verdict, random := g.cookies.Check(now, p.Remote, p.Local, p.Data, scratch)
	switch verdict {
	case dtls.Reply:
		return reply, frio.GateReply
	case dtls.Accept:
	default:
		return nil, frio.GateDrop
	}
	c := g.byPeer[peerKey{p.Remote, p.Local.Addr()}]
	if c == nil || c.s == nil || c.s.eng == nil || c.state == frio.StateFailed {
		return nil, frio.GateChild
	}
	if e, ok := c.s.eng.(*dtls.Engine); ok && e.ClientRandom() != random {
		g.replaced++
		return nil, frio.GateReplace
	}
	return nil, frio.GateChild
}

// SetAdmit has admit asked: over datagrams about each hello, before there is a cookie for it; else the listener below asks.
func (l *Listener) SetAdmit(admit frio.Admit) error {
	l.ctx.Touch("set admit")
	if l.gate == nil {
		a, ok := l.lower.(frio.Admitter)
		if !ok {
			return errors.ErrUnsupported
		}
		return a.SetAdmit(admit)
	}
	if l.State() != frio.StateClosed {
		return fmt.Errorf("set admit of %s: it is open", l.Describe())
	}
	l.gate.admit = admit
	return nil
}

func keyOf(c *Conn) peerKey {
	local, remote := socketAddrs(c.lower)
	return peerKey{remote, local.Addr()}
}

func (g *gate) add(c *Conn) { g.byPeer[keyOf(c)] = c }

func (g *gate) remove(c *Conn) {
	if k := keyOf(c); g.byPeer[k] == c {
		delete(g.byPeer, k)
	}
}

func (g *gate) debug(w io.Writer) {
	n := g.cookies.Counts()
	fmt.Fprintf(w, "gate: replied %d, accepted %d, replaced %d, malformed %d, fragmented %d, bad cookies %d\n",
		n.Replies, n.Accepted, g.replaced, n.Malformed, n.Fragmented, n.BadCookies)
}
