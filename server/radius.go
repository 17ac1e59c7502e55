package server

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/radius/gateway"
)

// namespaceOf is what a server's namespace key says, however it is written, or was probably meant to say, so that what stands in a
// server of namespace raduis is no mistake as well; "" without one.
func namespaceOf(cs *conf.Section) string {
	p := cs.Pairs("namespace")
	if len(p) == 0 {
		return ""
	}
	name := strings.ToLower(p[0].Value)
	if slices.Contains(spaceNames[:], name) {
		return name
	}
	return cmp.Or(conf.Nearest(name, spaceNames[:]), name)
}

// gatewayNames are the sections that nobody but the gateway reads.
var gatewayNames = []string{"client", "clients", "home_server_pool", "realm", "proxy", "rewrite"}

// gatewaySections reads the sections of the gateway, if there is one: home_servers that are a relay's target are not its. Where no
// server, or one without a namespace, leaves that open, they are read for their mistakes.
func (l *loader) gatewaySections(root *conf.Section, servers []*conf.Section) {
	others := map[string]bool{}
	wanted := false
	l.open = len(servers) == 0
	for _, cs := range servers {
		name := namespaceOf(cs)
		l.open = l.open || !slices.Contains(spaceNames[:], name)
		switch name {
		case spaceNames[radiusSpace]:
			wanted = true
		case spaceNames[relay]:
			for _, p := range cs.Pairs("target") {
				others[p.Value] = true
			}
		}
	}
	given := slices.DeleteFunc(root.Sections(""), func(cs *conf.Section) bool { return !slices.Contains(gatewayNames, cs.Name) })
	if !wanted && (!l.open || len(given) == 0) {
		l.targets(root, nil)
		for _, cs := range given {
			root.TakeSections(cs.Name)
			cs.TakeAll()
			l.errs = append(l.errs, cs.Errorf("section `%s` has no effect: there is no server with namespace radius", cs.Name))
		}
		return
	}
	l.targets(root, others)
	cfg, errs := gateway.ParseConfig(&l.server.ctx, root, others)
	l.errs = append(l.errs, errs...)
	l.server.radius = cfg
	l.server.notes = append(l.server.notes, cfg.Notes...)
}

// radiusKeys is what a listen of namespace radius says besides its IO.
type radiusKeys struct {
	Clients *conf.Pair   `conf:"clients"`
	Types   []*conf.Pair `conf:"type"`
}

// messageKeys are the keys of limit { } that are the transport's.
type messageKeys struct {
	MessageTimeout time.Duration `conf:"message_timeout,min=1ms,max=24h,never"`
}

// messageTimeout is for the rest of a packet that has begun, where the listen does not say.
const messageTimeout = 10 * time.Second

// radius reads what a listen of namespace radius has besides its IO. io is nil if that had mistakes.
func (l *loader) radius(cs *conf.Section, one *listen, server *gateway.ServerConfig, clients *conf.Pair) {
	r := &radiusListen{cfg: &gateway.ListenConfig{Server: server}}
	one.radius = r
	var keys radiusKeys
	l.add(cs, cs.Decode(&keys))
	limits := messageKeys{MessageTimeout: messageTimeout}
	for _, limit := range cs.Sections("limit") {
		if one.io == nil || one.io.Kind() == frio.Stream { // a datagram has no rest to wait for
			l.add(limit, limit.Decode(&limits))
		}
	}
	r.config.Timeout = limits.MessageTimeout
	r.cfg.Accepts = l.types(keys.Types)
	if keys.Clients != nil {
		clients = keys.Clients
	}
	list := l.server.radius.Clients[""]
	if clients != nil {
		r.cfg.Clients = clients.Value
		list = l.server.radius.Clients[clients.Value]
		if list == nil {
			e := clients.Errorf("clients: no clients `%s`", clients.Value)
			var names []string
			for name := range l.server.radius.Clients {
				names = append(names, name)
			}
			slices.Sort(names)
			e.Hint = conf.DidYouMean(clients.Value, names)
			l.errs = append(l.errs, e)
		}
	}
	if one.io == nil || list == nil {
		return
	}
	at := protocolOf(cs)
	r.cfg.Proto = gateway.ProtoOf(at.Value, one.io.Kind() == frio.Datagram)
	r.cfg.Lenient = lenient(cs)
	if a, ok := one.io.(frio.Admitter); ok {
		if err := a.SetAdmit(r.admit); err != nil && !errors.Is(err, errors.ErrUnsupported) { // behind a proxy the address comes later
			l.add(cs, err)
		}
	}
	l.errs = append(l.errs, gateway.CheckListen(cs, list, r.cfg.Proto)...)
	l.server.notes = append(l.server.notes, gateway.ListenNotes(cs, list, r.cfg.Proto)...)
}

// lenient tells whether the listen takes peers without a certificate.
func lenient(cs *conf.Section) bool {
	for _, tls := range cs.Sections("tls") {
		for _, p := range tls.Pairs("require_client_cert") {
			switch strings.ToLower(p.Value) {
			case "yes", "true", "on":
			default:
				return true
			}
		}
	}
	return false
}

// types are the codes that the lines `type = auth` of a listen let in; nil without any: all.
func (l *loader) types(lines []*conf.Pair) func(radius.Code) bool {
	if len(lines) == 0 {
		return nil
	}
	codes := map[string][]radius.Code{
		"auth":       {radius.AccessRequest},
		"acct":       {radius.AccountingRequest},
		"coa":        {radius.CoARequest, radius.DisconnectRequest},
		"auth+acct":  {radius.AccessRequest, radius.AccountingRequest},
		"status":     {radius.StatusServer},
		"disconnect": {radius.DisconnectRequest},
	}
	var set [256]bool
	for _, p := range lines {
		list, ok := codes[strings.ToLower(p.Value)]
		if !ok {
			e := p.Errorf("type: `%s` is none of auth, acct, auth+acct, coa, disconnect, status", p.Value)
			e.Hint = conf.DidYouMean(p.Value, []string{"auth", "acct", "auth+acct", "coa", "disconnect", "status"})
			l.errs = append(l.errs, e)
		}
		for _, code := range list {
			set[code] = true
		}
	}
	return func(c radius.Code) bool { return set[c] }
}

// safely adds what a listen of namespace radius has by default where its file does not say: a client that reads nothing is let go.
func safely(cs *conf.Section) {
	if at := protocolOf(cs); at != nil && !strings.HasSuffix(at.Value, "udp") {
		cs.Sub("limit").Default("write_timeout", "10s")
	}
}

// startGateway makes the gateway, if there is a server of namespace radius in c.
func (s *Server) startGateway(c *contents) error {
	if c.radius == nil {
		return nil
	}
	g, err := gateway.New(s.lanes, c.radius, gateway.Options{Logger: s.opt.Logger, Log: s.gatewayLog(&c.operations.log)})
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	s.gateway = g
	return nil
}

// meet gives a listen of namespace radius, which is to begin, to the gateway.
func (l *listen) meet(g *gateway.Gateway) {
	if r := l.radius; r != nil {
		r.listen = g.NewListen(l.id(), r.cfg, r.config)
	}
}

// admit is the frio.Admit of the IO. Nobody is accepted before meet.
func (r *radiusListen) admit(peer netip.AddrPort, now time.Time) bool {
	return r.listen.Admit(peer, now)
}
