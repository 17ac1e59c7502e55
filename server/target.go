package server

import (
	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/talloc"
)

// target is one `home_server NAME { }`. It has a context of its own, so that it may outlive the configuration that it is from.
type target struct {
	name string
	at   conf.Pos
	text string // stands for its section
	ctx  *talloc.Context
	io   frio.IO // as parsed, never connected: each connection is a copy of it
}

// dial makes a connection to the target, not connected yet, with memory of ctx. Thread: any.
func (t *target) dial(ctx *talloc.Context) (frio.IO, error) {
	return t.io.(frio.Copier).Copy(ctx)
}

// targets reads the home_servers, or, where names are given, those of them that are called so.
func (l *loader) targets(root *conf.Section, names map[string]bool) {
	list := root.TakeSections("home_server")
	l.names(list)
	for _, cs := range list {
		if names != nil && !names[cs.Name2] {
			continue
		}
		t := &target{name: cs.Name2, at: cs.Pos, text: textOf(cs)}
		var err error
		if t.ctx, err = l.server.ctx.New("home_server " + cs.Name2); err == nil {
			t.io, err = frio.ParseClient(t.ctx, cs)
		}
		if err != nil {
			l.add(cs, err)
			l.excuse(cs)
		}
		l.server.targets = append(l.server.targets, t)
	}
}

// target looks up a home_server by name.
func (l *loader) target(p *conf.Pair) *target {
	var names []string
	for _, t := range l.server.targets {
		if t.name == p.Value {
			return t
		}
		names = append(names, t.name)
	}
	err := p.Errorf("target: no home_server `%s`", p.Value)
	err.Hint = conf.DidYouMean(p.Value, names)
	l.errs = append(l.errs, err)
	return nil
}
