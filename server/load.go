package server

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/radius/gateway"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

// relayIdle ends a peer's session of a relay over datagrams where the listen says nothing: the ends of a datagram session
// cannot be seen.
const relayIdle = 60 * time.Second

// space is what a server does with what it reads: its namespace.
type space uint8

const (
	discard space = iota
	echo
	relay
	radiusSpace
	homeSpace
	spaceCount
)

var spaceNames = [spaceCount]string{"discard", "echo", "relay", "radius", "home"}

func (s space) String() string { return spaceNames[s] }

// LoadFile makes the objects of a configuration, of a file and what it includes, and opens nothing. What is in it that has no effect is
// a mistake as well. The objects' memory comes from ctx, that of sessions from the threads of Start. An error is conf.Errors: every
// mistake, in order, also where the file cannot be read. The methods that the stacks name must be registered (package all).
func LoadFile(ctx *talloc.Context, path string, opt Options) (*Server, error) {
	root, err := conf.ParseFile(path, conf.Options{})
	return load(ctx, root, err, opt)
}

// LoadString is LoadFile of text, whose positions are called name.
func LoadString(ctx *talloc.Context, name, text string, opt Options) (*Server, error) {
	root, err := conf.ParseString(name, text, conf.Options{})
	return load(ctx, root, err, opt)
}

// load makes a Server of root, the whole of a file. syntax is what its parser found.
func load(ctx *talloc.Context, root *conf.Section, syntax error, opt Options) (*Server, error) {
	s := &Server{parent: ctx, opt: opt.withDefaults(), kernel: sock.KernelOf(ctx)}
	if err := s.ctx.Init(ctx, "server"); err != nil {
		return nil, err
	}
	l := &loader{server: s}
	l.add(root, syntax)
	l.threads(root)
	list := root.TakeSections("server")
	l.gatewaySections(root, list)
	l.names(list)
	l.operations(root)
	for _, cs := range list {
		l.service(cs)
	}
	if len(s.services) == 0 && syntax == nil {
		l.errs = append(l.errs, root.Errorf("no server: nothing would run (`server NAME { ... }`)"))
	}
	for _, cs := range root.TakeSections("listen") {
		cs.TakeAll()
		l.errs = append(l.errs, cs.Errorf("listen: it stands in a server, as in `server NAME { listen %s { ... } }`", cmp.Or(cs.Name2, "NAME")))
	}
	l.addresses()
	l.errs = append(l.errs, l.unknown(root)...)
	if err := l.errs.Err(); err != nil {
		s.ctx.Free()
		return nil, err
	}
	s.threads.coalesce = s.pause()
	s.watchReloads()
	return s, nil
}

// watchReloads has a reload of an IO by itself that failed leave a line.
func (s *Server) watchReloads() {
	list := s.stacks()
	if s.radius != nil {
		for _, h := range s.radius.Homes {
			list = append(list, h.IO, h.AcctIO)
		}
	}
	for _, top := range list {
		for io := range frio.Stack(top) {
			if r, ok := io.(frio.Reloader); ok {
				name := io.Describe()
				r.OnReload(func(err error) { s.opt.Logger.Warn("reload", "io", name, "error", err) })
			}
		}
	}
}

// loader gathers mistakes while it makes the objects.
type loader struct {
	server  *Server
	errs    conf.Errors
	excused []*conf.Section // could not be read because of another mistake
	bound   []binding
	open    bool // no server, or one without a namespace, leaves it open whether there is a gateway
}

// add notes the mistakes in err, those without a position at cs.
func (l *loader) add(cs *conf.Section, err error) {
	var found conf.Errors
	switch {
	case err == nil:
	case errors.As(err, &found):
		l.errs = append(l.errs, found...)
	default:
		l.errs = append(l.errs, cs.Errorf("%s: %v", cs.Name, err))
	}
}

// names checks that each of list has a name of its own.
func (l *loader) names(list []*conf.Section) {
	first := map[string]*conf.Section{}
	for _, cs := range list {
		switch before := first[cs.Name2]; {
		case cs.Name2 == "":
			l.errs = append(l.errs, cs.Errorf("%s: it needs a name, as in `%s one { ... }`", cs.Name, cs.Name))
		case before != nil:
			l.errs = append(l.errs, cs.Errorf("%s %s: defined already at %v", cs.Name, cs.Name2, before.Pos))
		default:
			first[cs.Name2] = cs
		}
	}
}

// service reads one `server NAME { }`.
func (l *loader) service(cs *conf.Section) {
	v := &service{name: cs.Name2}
	l.server.services = append(l.server.services, v)
	l.namespace(cs, v)
	l.outside(cs)
	listens := cs.TakeSections("listen")
	if len(listens) == 0 {
		l.errs = append(l.errs, cs.Errorf("server %s: no listen: it would read nothing (`listen NAME { ... }`)", cs.Name2))
	}
	l.names(listens)
	for _, ls := range listens {
		l.listen(ls, v)
	}
}

// serviceConfig is what a server says beside its listens.
type serviceConfig struct {
	Namespace string     `conf:"namespace,enum=discard|echo|relay|radius|home"`
	Target    *conf.Pair `conf:"target"`
	Clients   *conf.Pair `conf:"clients"` // of namespace radius: the name of a `clients NAME { }`
}

func (l *loader) namespace(cs *conf.Section, v *service) {
	var cfg serviceConfig
	if err := cs.Decode(&cfg); err != nil {
		l.add(cs, err)
		if cfg.Namespace = namespaceOf(cs); !slices.Contains(spaceNames[:], cfg.Namespace) {
			return
		}
	}
	if cfg.Namespace == "" {
		l.errs = append(l.errs, cs.Errorf("%s: namespace is missing (one of %s)",
			strings.TrimSpace("server "+cs.Name2), strings.Join(spaceNames[:], ", ")))
		return
	}
	v.space = space(slices.Index(spaceNames[:], cfg.Namespace))
	switch {
	case v.space == relay && cfg.Target == nil:
		l.errs = append(l.errs, cs.Errorf("server %s: namespace relay needs `target = NAME`, the name of a home_server", cs.Name2))
	case v.space == relay:
		v.target = l.target(cfg.Target)
	case v.space == radiusSpace:
		var errs conf.Errors
		v.radius, errs = gateway.ParseServerConfig(cs)
		v.clients = cfg.Clients
		l.errs = append(l.errs, errs...)
	}
	if v.space == homeSpace {
		v.home = l.home(cs)
	}
	if v.space != relay {
		l.ineffective(cfg.Target, v.space)
	}
	if v.space != radiusSpace {
		l.ineffective(cfg.Clients, v.space)
	}
}

// topLevel are the sections that FreeRADIUS has also in a server, or that look as if they stood there.
var topLevel = []string{"client", "clients", "home_server", "home_server_pool", "realm", "rewrite", "proxy", "templates", "thread", "log", "metrics", "control"}

// outside reports sections of a server that stand beside it.
func (l *loader) outside(cs *conf.Section) {
	for _, name := range topLevel {
		for _, sub := range cs.TakeSections(name) {
			sub.TakeAll()
			l.errs = append(l.errs, sub.Errorf("%s: it stands beside server, not in it", name))
		}
	}
}

// ineffective reports a key that another namespace has.
func (l *loader) ineffective(p *conf.Pair, in space) {
	if p == nil {
		return
	}
	e := p.Errorf("`%s` has no effect in namespace %v", p.Name, in)
	e.Pos = p.Pos
	l.errs = append(l.errs, e)
}

// listen reads one `listen NAME { }`.
func (l *loader) listen(cs *conf.Section, v *service) {
	one := &listen{service: v, name: cs.Name2, log: l.server.opt.Logger.With("listen", v.name+"."+cs.Name2)}
	v.listens = append(v.listens, one)
	if v.radius != nil {
		safely(cs)
		defer l.radius(cs, one, v.radius, v.clients)
	}
	if v.home != nil {
		one.home = &homeListen{listen: one, cfg: v.home}
	}
	ctx, err := l.server.ctx.New("listen " + cs.Name2)
	if err == nil {
		one.ctx = ctx
		one.io, err = frio.ParseServer(ctx, cs)
	}
	l.misplaced(cs)
	if err != nil {
		l.add(cs, err)
		l.excuse(cs)
		return
	}
	one.text = v.textOf(cs, one.io)
	l.bind(cs, one.io)
	at := protocolOf(cs)
	if v.target != nil && v.target.io != nil && v.target.io.Kind() != one.io.Kind() {
		l.errs = append(l.errs, at.Errorf("protocol: a relay cannot carry a %v to home_server %s, a %v (%v)",
			one.io.Kind(), v.target.name, v.target.io.Kind(), v.target.at))
		return
	}
	if one.io.Kind() == frio.Datagram {
		l.datagrams(cs, one, at)
	}
}

// textOf stands for what cannot change while the listen cs is open.
func (v *service) textOf(cs *conf.Section, io frio.IO) string {
	var changes []string
	methods := strings.Split(protocolOf(cs).Value, "+")
	for one := range frio.Stack(io) {
		if _, ok := one.(frio.Reloader); ok {
			changes = append(changes, methods[0])
		}
		methods = methods[1:]
	}
	if v.radius != nil {
		changes = append(changes, "clients", "type")
	}
	text := textOf(cs.Without(changes...), v.space)
	if v.target != nil {
		text += v.target.text
	}
	if v.home != nil {
		text += v.home.text
	}
	return text
}

// misplaced reports keys that stand in a listen of FreeRADIUS, and here in the section of the method.
func (l *loader) misplaced(cs *conf.Section) {
	method := "udp"
	if at := protocolOf(cs); at != nil {
		method = at.Value[strings.LastIndexByte(at.Value, '+')+1:]
	} else if p := cs.Pairs("proto"); len(p) > 0 && strings.EqualFold(p[0].Value, "tcp") {
		method = "tcp"
	}
	for _, name := range []string{"ipaddr", "ipv4addr", "ipv6addr", "port", "interface"} {
		for _, p := range cs.Take(name) {
			l.errs = append(l.errs, &conf.Error{Pos: p.Pos, Msg: fmt.Sprintf("%s: it stands in the section of the method, as in %s { %s = ... }", name, method, name)})
		}
	}
	for _, p := range cs.Take("proto") {
		l.errs = append(l.errs, &conf.Error{Pos: p.Pos, Msg: "proto: write protocol, a stack like udp or tls+tcp"})
	}
	l.withoutLayer(cs)
}

// withoutLayer reports the section of a layer that is not in protocol, as of one that FreeRADIUS puts on by the section alone.
func (l *loader) withoutLayer(cs *conf.Section) {
	at := protocolOf(cs)
	if at == nil {
		return
	}
	for _, name := range []string{"tls", "haproxy"} {
		if slices.Contains(strings.Split(at.Value, "+"), name) {
			continue
		}
		for _, sub := range cs.TakeSections(name) {
			sub.TakeAll()
			l.errs = append(l.errs, sub.Errorf("%s: protocol = %s is without it", name, at.Value))
		}
	}
}

// datagrams sees to it that what a namespace needs of a datagram listener is there.
func (l *loader) datagrams(cs *conf.Section, one *listen, at *conf.Pair) {
	if _, layered := one.io.(frio.Layer); layered {
		return // its children are connections
	}
	if one.service.space != relay {
		return
	}
	one.idle = relayIdle
	if limit := cs.Sections("limit"); len(limit) > 0 && len(limit[0].Pairs("idle_timeout")) > 0 {
		one.idle = 0 // the child's own
	}
	var found conf.Errors
	switch err := setGate(one.io, everyPeer); {
	case errors.Is(err, errors.ErrUnsupported):
		l.errs = append(l.errs, at.Errorf("protocol: a %s socket for datagrams cannot tell its peers apart, which namespace relay needs", at.Value))
	case errors.As(err, &found):
		l.errs = append(l.errs, found...)
	case err != nil:
		l.errs = append(l.errs, at.Errorf("protocol: namespace relay needs a child for each peer: %v", err))
	}
}

// everyPeer is the gate of a relay: whoever sends gets a child. What bounds them is max_children of the listen.
func everyPeer(*frio.Packet, []byte) ([]byte, frio.Verdict) { return nil, frio.GateChild }

func setGate(io frio.IO, g frio.Gate) error {
	gated, ok := io.(frio.Gated)
	if !ok {
		return errors.ErrUnsupported
	}
	return gated.SetGate(g)
}

// protocolOf is the pair that names the stack; a section that was parsed without mistakes has one.
func protocolOf(cs *conf.Section) *conf.Pair {
	for _, name := range []string{"protocol", "transport"} {
		if p := cs.Pairs(name); len(p) > 0 {
			return p[0]
		}
	}
	return nil
}

// excuse notes the sub-sections of cs that belong to its stack, and were not read if a mistake there kept their reader from
// it: that they are untaken is no mistake of their own.
func (l *loader) excuse(cs *conf.Section) {
	names := []string{"limit"}
	if at := protocolOf(cs); at != nil {
		names = append(names, strings.Split(at.Value, "+")...)
	}
	for _, sub := range cs.Sections("") {
		if slices.Contains(names, sub.Name) {
			l.excused = append(l.excused, sub)
		}
	}
}

// unknown is root.Unknown without what is excused.
func (l *loader) unknown(root *conf.Section) conf.Errors {
	return slices.DeleteFunc(root.Unknown(), func(e *conf.Error) bool {
		return slices.ContainsFunc(l.excused, func(cs *conf.Section) bool { return cs.Pos == e.Pos })
	})
}
