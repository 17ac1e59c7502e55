package friotest

import (
	"errors"
	"strings"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/talloc"
)

var parseChecks = []check{
	{name: "parse by section name", run: checkParse},
	{name: "parse reports unknown keys", run: checkUnknown},
	{name: "parse without room for memory", run: checkParseLimit},
	{name: "describe and kind", run: checkDescribe},
	{name: "states of a life", run: checkStates},
	{name: "addresses of both sides", run: checkAddresses},
	{name: "layers have their kind", run: checkLayers},
}

// sections parses text and returns its root and its first section.
func (e *Env) sections(text string) (*conf.Section, *conf.Section) {
	e.Helper()
	root, err := conf.ParseString("conformance.conf", text, conf.Options{})
	if err != nil {
		e.Fatalf("%v in\n%s", err, text)
	}
	for _, kind := range []string{"listen", "home_server", "client"} {
		if found := root.TakeSections(kind); len(found) > 0 {
			return root, found[0]
		}
	}
	e.Fatalf("no section in\n%s", text)
	return nil, nil
}

// checkParse: Parse chooses by the section's name, ParseServer and ParseClient do not; all give the same IO.
func checkParse(e *Env) {
	place := e.Place
	place.Port = 7
	listen, home := e.listenText(place, ""), e.homeText(place)
	ways := []struct {
		name, text string
		parse      func(*talloc.Context, *conf.Section) (frio.IO, error)
		canOpen    bool
	}{
		{"Parse listen", listen, frio.Parse, true},
		{"ParseServer listen", listen, frio.ParseServer, true},
		{"Parse home_server", home, frio.Parse, false},
		{"ParseClient home_server", home, frio.ParseClient, false},
	}
	for _, w := range ways {
		root, cs := e.sections(w.text)
		ctx := e.Context(nil, w.name)
		before := e.world.descriptors()
		io, err := w.parse(ctx, cs)
		if err != nil {
			e.Fatalf("%s: %v", w.name, err)
		}
		if unknown := root.Unknown(); len(unknown) > 0 {
			e.Errorf("%s: keys that nobody took: %v", w.name, unknown)
		}
		if after := e.world.descriptors(); after != before {
			e.Errorf("%s: Parse opened %d descriptors", w.name, after-before)
		}
		p := e.Watch(io, ctx, w.name)
		if p.Kind() != e.Target.Kind {
			e.Errorf("%s: a %v, want a %v", w.name, p.Kind(), e.Target.Kind)
		}
		if !w.canOpen {
			if err := p.Open(); !errors.Is(err, errors.ErrUnsupported) {
				e.Errorf("%s: Open of a client: %v, want ErrUnsupported", w.name, err)
			}
		} else if err := p.Connect(); !errors.Is(err, errors.ErrUnsupported) {
			e.Errorf("%s: Connect of a server: %v, want ErrUnsupported", w.name, err)
		}
		p.Close()
	}
	_, cs := e.sections(strings.Replace(home, "home_server", "client", 1))
	ctx := e.Context(nil, "client section")
	if io, err := frio.Parse(ctx, cs); err == nil || io != nil {
		e.Errorf("Parse of a section called client: %v, %v, want an error", io, err)
	}
	ctx.Free()
}

// checkUnknown: a key that no method takes is left for Unknown, with its line, in each sub-section; with a mistake Parse gives
// conf.Errors and keeps nothing open.
func checkUnknown(e *Env) {
	limit := "no_such_limit = 7\n"
	if e.Target.NoLimits {
		limit = ""
	}
	place := e.Place
	place.Port = 7
	for name, text := range map[string]string{"listen": e.listenText(place, limit), "home_server": e.homeText(place)} {
		text = strings.Replace(text, "protocol =", "no_such_key = 1\nprotocol =", 1)
		root, cs := e.sections(text)
		ctx := e.Context(nil, name)
		io, err := frio.Parse(ctx, cs)
		if io != nil {
			io.Close()
		}
		var found conf.Errors
		if err != nil && !errors.As(err, &found) {
			e.Errorf("%s: Parse: %v, which are not conf.Errors", name, err)
		}
		found = append(found, root.Unknown()...)
		for _, key := range []string{"no_such_key", "no_such_limit"} {
			want := strings.Count(text, key+" =")
			if got := strings.Count(found.Error(), "conformance.conf:"+lineOf(text, key)); got != want {
				e.Errorf("%s: %d errors at the line of %s, want %d:\n%v", name, got, key, want, found)
			}
		}
		if len(found) != strings.Count(text, "no_such_") {
			e.Errorf("%s: %d errors, want %d:\n%v", name, len(found), strings.Count(text, "no_such_"), found)
		}
		ctx.Free()
	}
	_, cs := e.sections(strings.Replace(e.listenText(e.Place, ""), e.Target.Stack, "nosuch+"+e.Target.Stack, 1))
	ctx := e.Context(nil, "no such method")
	io, err := frio.Parse(ctx, cs)
	var found conf.Errors
	if io != nil || !errors.As(err, &found) {
		e.Errorf("Parse of an unknown method: %v, %v, want conf.Errors", io, err)
	}
	ctx.Free()
}

// lineOf is the number of the line where key stands, with a colon.
func lineOf(text, key string) string {
	before, _, ok := strings.Cut(text, key)
	if !ok {
		return "absent"
	}
	return itoa(strings.Count(before, "\n")+1) + ":"
}

// checkParseLimit: memory that is not there is an error, not a panic, and leaves nothing.
func checkParseLimit(e *Env) {
	_, cs := e.sections(e.listenText(e.Place, ""))
	ctx := e.Context(nil, "full")
	ctx.SetLimit(1, 1)
	one, err := ctx.New("one")
	if err != nil {
		e.Fatalf("the one context that is allowed: %v", err)
	}
	before := ctx.Total()
	io, err := frio.Parse(ctx, cs)
	if err == nil {
		io.Close()
		e.Errorf("Parse in a full context succeeded: it takes its memory elsewhere")
	} else if io != nil {
		e.Errorf("Parse returned an IO and %v", err)
	}
	if after := ctx.Total(); err != nil && after != before {
		e.Errorf("Parse failed and left %+v, before %+v", after, before)
	}
	one.Free()
	ctx.Free()
}

// checkDescribe: one line, the stack's name first, the real addresses once known.
func checkDescribe(e *Env) {
	l := e.ParseListener(Options{})
	e.describes(l, "before Open")
	if err := l.Open(); err != nil {
		e.Fatalf("Open: %v", err)
	}
	where := e.Place.File
	if !e.Target.NoAddress {
		where = e.Local(l).String()
	}
	e.describes(l, "open", where)
	c := e.ParseClient(l, Options{})
	e.describes(c, "before Connect", where)
	c.Close()
	p := e.Join(l, Options{})
	e.describes(p.Client, "connected", where)
	if !e.Target.NoAddress {
		e.describes(p.Client, "connected", e.Local(p.Client).String())
	}
	if e.Target.Children {
		e.describes(p.Server, "accepted", where)
		if !e.Target.NoAddress {
			e.describes(p.Server, "accepted", "<- "+e.Local(p.Client).String())
		}
	}
	for _, one := range []*Probe{p.Client, p.Server, l} {
		one.Close()
		e.describes(one, "closed")
		if one.Kind() != e.Target.Kind {
			e.Errorf("%s: Kind is %v after Close", one.Name, one.Kind())
		}
	}
}

func (e *Env) describes(p *Probe, when string, parts ...string) {
	e.Helper()
	got := p.Describe()
	if !strings.HasPrefix(got, e.Target.Stack) {
		e.Errorf("%s, %s: Describe %q does not begin with %q", p.Name, when, got, e.Target.Stack)
	}
	if strings.ContainsAny(got, "\n\t") {
		e.Errorf("%s, %s: Describe %q is not one line", p.Name, when, got)
	}
	for _, part := range parts {
		if !strings.Contains(got, part) {
			e.Errorf("%s, %s: Describe %q does not tell %q", p.Name, when, got, part)
		}
	}
}

func checkStates(e *Env) {
	state := func(p *Probe, when string, want frio.State) {
		e.Helper()
		if got := p.State(); got != want {
			e.Errorf("%s, %s: state %v, want %v", p.Name, when, got, want)
		}
	}
	l := e.ParseListener(Options{})
	state(l, "parsed", frio.StateClosed)
	if err := l.Open(); err != nil {
		e.Fatalf("Open: %v", err)
	}
	state(l, "opened", frio.StateListening)
	c := e.ParseClient(l, Options{})
	state(c, "parsed", frio.StateClosed)
	c.Close()
	state(c, "closed without Connect", frio.StateClosed)
	p := e.Join(l, Options{})
	state(p.Client, "connected", frio.StateOpen)
	if e.Target.Children {
		state(p.Server, "accepted", frio.StateOpen)
		p.Server.Close()
	}
	p.Client.Close()
	state(l, "after a child", frio.StateListening)
	l.Close()
}

// checkAddresses: what one side calls its own is the other's remote; they do not change.
func checkAddresses(e *Env) {
	p := e.Pair(Options{})
	if e.Target.NoAddress {
		for _, one := range []*Probe{p.Client, p.Server} {
			if a, ok := one.IO.(frio.Addresser); ok && (a.LocalAddr().IsValid() || a.RemoteAddr().IsValid()) {
				e.Errorf("%s has addresses: %v, %v", one.Name, a.LocalAddr(), a.RemoteAddr())
			}
		}
		return
	}
	if got, want := e.Remote(p.Client), e.Local(p.Listener); got != want {
		e.Errorf("the client's remote address is %v, the listener's %v", got, want)
	}
	if got := e.Remote(p.Listener); got.IsValid() {
		e.Errorf("the listener has the remote address %v", got)
	}
	if e.Target.Children {
		if got, want := e.Remote(p.Server), e.Local(p.Client); got != want {
			e.Errorf("the child's remote address is %v, the client's own %v", got, want)
		}
		if got, want := e.Local(p.Server), e.Local(p.Listener); got != want {
			e.Errorf("the child's own address is %v, the listener's %v", got, want)
		}
	}
	for _, one := range []*Probe{p.Client, p.Server} {
		if s, ok := one.IO.(frio.SocketAddresser); ok {
			local, remote := s.SocketAddr()
			if local != e.Local(one) || remote != e.Remote(one) {
				e.Errorf("%s: SocketAddr %v, %v, Addresser %v, %v", one.Name, local, remote, e.Local(one), e.Remote(one))
			}
		}
	}
}

// checkLayers: a stack has as many layers as its name says, and Lower leads to the base.
func checkLayers(e *Env) {
	p := e.Pair(Options{})
	for _, one := range []*Probe{p.Listener, p.Client, p.Server} {
		layers := 0
		for io := one.IO; ; layers++ {
			l, ok := io.(frio.Layer)
			if !ok {
				break
			}
			if io = l.Lower(); io == nil {
				e.Fatalf("%s: layer %d has no lower", one.Name, layers)
			}
		}
		if want := strings.Count(e.Target.Stack, "+"); layers != want {
			e.Errorf("%s: %d layers, want %d", one.Name, layers, want)
		}
	}
}
