package haproxy

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

func init() {
	frio.Register(frio.Method{Name: "haproxy", Layer: true, Parse: parse})
}

// listenConfig is `haproxy { }` in a listen.
type listenConfig struct {
	Trusted *struct {
		Allow []netip.Prefix `conf:"allow"`
	} `conf:"trusted"`
	Networks     base.NetworksConfig `conf:"networks"`
	MaxPerSource int                 `conf:"max_connections_per_source,min=1,max=1000000,unlimited"` // default unlimited
}

// limitConfig are the keys of `limit { }` that the layer honours.
type limitConfig struct {
	HeaderTimeout    time.Duration `conf:"header_timeout,min=1ms,max=24h,never"`
	FirstByteTimeout time.Duration `conf:"first_byte_timeout,min=1ms,max=24h,never"`
}

// defaultHeaderTimeout is long against a retransmission of the segment that the header is in.
const defaultHeaderTimeout = 10 * time.Second

// clientConfig is `haproxy { }` in a home_server.
type clientConfig struct {
	Version     uint8    `conf:"version,min=1,max=2"`
	Source      addrPort `conf:"source"`
	Destination addrPort `conf:"destination"`
}

// addrPort is an address with a port in a configuration.
type addrPort struct{ netip.AddrPort }

// DecodeConf takes "192.0.2.1:2083" or "[2001:db8::1]:2083".
func (a *addrPort) DecodeConf(p *conf.Pair) error {
	v, err := netip.ParseAddrPort(p.Value)
	if err != nil || v.Addr().Zone() != "" {
		return p.Errorf("%s: %q is not an address with a port, as 192.0.2.1:2083 or [2001:db8::1]:2083", p.Name, p.Value)
	}
	a.AddrPort = v
	return nil
}

// settings are what all connections of one listen, or of one home_server, have in common. They do not change after Parse.
type settings struct {
	kernel   sock.Kernel
	timeouts limitConfig // of a listen

	local    bool // the peers have no addresses: they are trusted by the base method
	trusted  base.Networks
	networks base.Networks
	sources  *base.Sources
	counts   *Counts
	text     string // the rules, for Debug

	header Header // what a home_server sends if nobody says otherwise
}

func parse(ctx *talloc.Context, cs *conf.Section, role frio.Role, lower frio.IO) (frio.IO, error) {
	sub, err := cs.TakeSection("haproxy")
	set := &settings{kernel: sock.KernelOf(ctx)}
	errs := []error{err, streamsOnly(cs, lower)}
	if role == frio.Client {
		if err := base.Join(cs, append(errs, set.decodeClient(sub))...); err != nil {
			return nil, err
		}
		if !frio.Parsed(lower) {
			return nil, nil
		}
		return newClient(ctx, set, lower)
	}
	if sub == nil && err == nil {
		errs = append(errs, cs.Errorf("%s: section haproxy { } is missing, with trusted { allow = ... } in it", cs.Name))
	}
	if err := base.Join(cs, append(errs, set.decodeListen(cs, sub, lower))...); err != nil {
		return nil, err
	}
	if !frio.Parsed(lower) {
		return nil, nil
	}
	sharder, ok := lower.(frio.Sharder)
	if !ok {
		return newListener(ctx, set, lower)
	}
	var shards []frio.IO
	for _, one := range sharder.Shards() {
		l, err := newListener(ctx, set, one)
		if err != nil {
			return nil, err
		}
		shards = append(shards, l)
	}
	return &sharded{base.NewSharded(shards), lower}, nil
}

// streamsOnly refuses datagrams: the header is for connections.
func streamsOnly(cs *conf.Section, lower frio.IO) error {
	if lower.Kind() == frio.Stream {
		return nil
	}
	for _, name := range []string{"protocol", "transport"} {
		for _, p := range cs.Pairs(name) {
			return p.Errorf("%s %s: haproxy stands on a stream, and what is below it gives datagrams", name, p.Value)
		}
	}
	return cs.Errorf("%s: haproxy stands on a stream, and what is below it gives datagrams", cs.Name)
}

func (s *settings) decodeListen(cs, sub *conf.Section, lower frio.IO) error {
	s.timeouts = limitConfig{HeaderTimeout: defaultHeaderTimeout}
	limit, err := cs.TakeSection("limit")
	if limit != nil && err == nil {
		err = limit.Decode(&s.timeouts)
	}
	if sub == nil {
		return err
	}
	var cfg listenConfig
	errs := []error{err, sub.Decode(&cfg)}
	below := frio.Parsed(lower)
	if at, ok := lower.(frio.Addresser); ok && below {
		s.local = !at.LocalAddr().IsValid()
	}
	errs = append(errs, s.checkTrusted(sub, below))
	if cfg.Trusted != nil {
		s.trusted = base.NewNetworks(base.NetworksConfig{Allow: cfg.Trusted.Allow})
		s.text = rules(&cfg, s.local)
	}
	s.networks = base.NewNetworks(cfg.Networks)
	s.sources = base.NewSources(cfg.MaxPerSource)
	s.counts = new(Counts)
	return base.Join(sub, errs...)
}

// checkTrusted wants trusted { } to say who is, and nothing without effect.
func (s *settings) checkTrusted(sub *conf.Section, known bool) error {
	trusted := sub.Sections("trusted")
	switch {
	case len(trusted) == 0 && s.local:
		return sub.Errorf("haproxy: trusted { } is missing; empty, it says that whoever may use the Unix socket is trusted")
	case len(trusted) == 0:
		return sub.Errorf("haproxy: trusted { allow = ... } is missing: the senders whose headers count")
	case !known:
		return nil
	}
	allow := trusted[0].Pairs("allow")
	switch {
	case s.local && len(allow) > 0:
		return allow[0].Errorf("allow: the peers of a Unix socket have no address; its mode, uid, gid and peercred say who is trusted")
	case !s.local && len(allow) == 0:
		return trusted[0].Errorf("trusted: allow is missing: the addresses of the senders whose headers count")
	}
	return nil
}

// rules prints who may do what.
func rules(cfg *listenConfig, local bool) string {
	list := func(prefixes []netip.Prefix) string {
		texts := make([]string, len(prefixes))
		for i, p := range prefixes {
			texts[i] = p.String()
		}
		return strings.Join(texts, " ")
	}
	text := "trusted " + list(cfg.Trusted.Allow)
	if local {
		text = "trusted whoever may use the socket"
	}
	if n := cfg.Networks; len(n.Allow)+len(n.Deny) > 0 {
		text += fmt.Sprintf(", networks allow %s deny %s", or(list(n.Allow), "everybody else"), or(list(n.Deny), "nobody"))
	}
	if cfg.MaxPerSource > 0 {
		text += fmt.Sprintf(", per source %d", cfg.MaxPerSource)
	}
	return text
}

func or(text, empty string) string {
	if text == "" {
		return empty
	}
	return text
}

func (s *settings) decodeClient(sub *conf.Section) error {
	cfg := clientConfig{Version: 2}
	if sub != nil {
		if err := sub.Decode(&cfg); err != nil {
			return err
		}
	}
	var err error
	if s.header, err = headerOf(cfg.Version, cfg.Source.AddrPort, cfg.Destination.AddrPort); err != nil {
		return sub.Errorf("%v", err)
	}
	return nil
}

// headerOf is the header of a connection from source to destination; LOCAL or UNKNOWN if both are zero.
func headerOf(version uint8, source, destination netip.AddrPort) (Header, error) {
	h := Header{Version: version}
	source, destination = unmap(source), unmap(destination)
	from, to := source.Addr(), destination.Addr()
	switch {
	case !from.IsValid() && !to.IsValid():
		h.Local = version == 2
		return h, nil
	case !from.IsValid() || !to.IsValid():
		return h, fmt.Errorf("haproxy: of source and destination only one is given")
	case from.Is4() != to.Is4():
		return h, fmt.Errorf("haproxy: source %v and destination %v are of different families", source, destination)
	case from.Zone() != "" || to.Zone() != "":
		return h, fmt.Errorf("haproxy: source %v and destination %v: a header has no zones", source, destination)
	case from.Is4():
		h.Family = INET
	default:
		h.Family = INET6
	}
	h.Source, h.Destination = source, destination
	return h, nil
}

// sharded is a listen with several sockets, each with the layer on it.
type sharded struct {
	*base.Sharded // of the Listeners
	lower         frio.IO
}

var (
	_ frio.Sharder = (*sharded)(nil)
	_ frio.Layer   = (*sharded)(nil)
)

// Lower is what the sockets were, as one.
func (s *sharded) Lower() frio.IO { return s.lower }

// debug writes the settings of a listen.
func (s *settings) debug(w io.Writer) {
	fmt.Fprintf(w, "%s\n", s.text)
	fmt.Fprintf(w, "header_timeout %s, first_byte_timeout %s\n", never(s.timeouts.HeaderTimeout), never(s.timeouts.FirstByteTimeout))
}

func never(d time.Duration) string {
	if d == 0 {
		return "never"
	}
	return d.String()
}
