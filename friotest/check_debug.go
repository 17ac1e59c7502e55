package friotest

import (
	"io"
	"strings"

	"github.com/frio-io/frio"
)

var debugChecks = []check{
	{name: "debug in every state", run: checkDebug},
	{name: "debug nests", run: checkDebugNests},
	{name: "debug after a failure", needs: canReset, run: checkDebugFailed},
	{name: "identity", run: checkIdentity},
}

// debugs checks what Debug prints of p.
func (e *Env) debugs(p *Probe, when string, parts ...string) string {
	e.Helper()
	text := p.DebugText()
	if text == "" || !strings.HasSuffix(text, "\n") {
		e.Errorf("%s, %s: Debug printed %q, want lines", p.Name, when, text)
	}
	for _, part := range append(parts, p.State().String()) {
		if !strings.Contains(text, part) {
			e.Errorf("%s, %s: Debug does not tell %q:\n%s", p.Name, when, part, text)
		}
	}
	if strings.HasPrefix(text, "\t") {
		e.Errorf("%s, %s: Debug's first line is indented:\n%s", p.Name, when, text)
	}
	if err := panics(func() { p.IO.Debug(brokenWriter{}) }); err != nil {
		e.Errorf("%s, %s: Debug into a writer that fails: %v", p.Name, when, err)
	}
	return text
}

// brokenWriter takes nothing.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func checkDebug(e *Env) {
	l := e.ParseListener(Options{})
	e.debugs(l, "parsed")
	if err := l.Open(); err != nil {
		e.Fatalf("Open: %v", err)
	}
	where := e.where(l)
	e.debugs(l, "open", where)
	c := e.ParseClient(l, Options{})
	e.debugs(c, "parsed", where)
	if err := c.Connect(); err != nil && err != frio.ErrAgain {
		e.Fatalf("Connect: %v", err)
	}
	e.debugs(c, "connecting", where)
	c.Close()
	e.debugs(c, "closed on the way")
	// The next client is not to meet what that one left in the backlog.
	l.Close()
	e.debugs(l, "closed")
	for _, loop := range []bool{false, true} {
		p := e.Pair(Options{Loop: loop})
		where := e.where(p.Listener)
		e.debugs(p.Client, "open", where)
		e.debugs(p.Server, "open", where)
		if loop {
			p.Client.Wish(nil, func() { e.debugs(p.Client, "in its callback") }, func() { e.debugs(p.Client, "in its callback") })
			e.Turn()
		}
		for _, one := range []*Probe{p.Client, p.Server} {
			if one != p.Listener {
				one.Close()
				e.debugs(one, "closed")
			}
		}
		p.Listener.Close()
	}
}

// where is what every text about l and its peers must tell.
func (e *Env) where(l *Probe) string {
	if e.Target.NoAddress {
		return e.Place.File
	}
	return e.Local(l).String()
}

// checkDebugNests: each layer below is one tab deeper, and so are children under their parent.
func checkDebugNests(e *Env) {
	p := e.Pair(Options{})
	depth := strings.Count(e.Target.Stack, "+")
	if text := p.Client.DebugText(); !strings.Contains(text, "\n"+strings.Repeat("\t", depth)) && depth > 0 {
		e.Errorf("Debug of %s has no line %d deep:\n%s", e.Target.Stack, depth, text)
	}
	if !e.Target.Children {
		return
	}
	text := p.Listener.DebugText()
	if !strings.Contains(text, "\n\t") {
		e.Errorf("Debug of a parent indents nothing:\n%s", text)
	}
	peer := ""
	if !e.Target.NoAddress {
		peer = e.Local(p.Client).String()
	}
	found := false
	for _, line := range strings.Split(text, "\n") {
		found = found || strings.HasPrefix(line, "\t") && strings.Contains(line, peer) && strings.Contains(line, "<-")
	}
	if !found {
		e.Errorf("Debug of a parent does not show its child (peer %s):\n%s", peer, text)
	}
	p.Server.Close()
	if after := p.Listener.DebugText(); peer != "" && strings.Contains(after, "<- "+peer) {
		e.Errorf("Debug of a parent shows a child that is closed:\n%s", after)
	}
}

func checkDebugFailed(e *Env) {
	p := e.Pair(Options{Loop: true})
	e.Reset(p.Client, p.Server)
	end := e.ExpectEnd(p.Server)
	e.debugs(p.Server, "failed", end.Error())
}

// checkIdentity: asking who the peer is never fails, and gives the same each time.
func checkIdentity(e *Env) {
	p := e.Pair(Options{})
	for _, one := range []*Probe{p.Listener, p.Client, p.Server} {
		peer, ok := one.IO.(frio.Peer)
		if !ok {
			continue
		}
		if a, b := peer.PeerIdentity(), peer.PeerIdentity(); a != nil && (b == nil || *a != *b) {
			e.Errorf("%s: the peer is %+v, then %+v", one.Name, a, b)
		}
		one.Close()
		peer.PeerIdentity()
	}
}
