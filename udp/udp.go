// Package udp is the method udp: sockets that take datagrams of everybody, children of theirs for one peer each, and
// connected sockets.
//
//	listen {                          home_server {
//		protocol = udp                    protocol = udp
//		udp {                             udp {
//			ipaddr = *                        ipaddr = radius.example.org
//			port = 1812                       port = 1812
//			children = demux              }
//		}                             }
//		limit {
//			max_children = 1024
//			idle_timeout = 5m
//		}
//	}
//
// `shards = N` opens N sockets on the port, so that N threads can share the load. Each is a listener of its own with its own children
// (frio.Sharder); one peer always meets the same. A shard moves to another thread with all its children; the limits are those of the whole.
//
// A Listener, its Children and what stands on them belong to one thread, that of the loop they are in. From anywhere may be called: Counts. Shards
// have nothing to do with each other after Open but what is safe from any thread: the limits, the counts, and where peers have sockets.
//
// With `children = connected` each child has a socket that the kernel has connected, and is a Connected that may live on any thread.
//
// That no datagram is lost or given to another's child is shown by 10 million of them, over children that come and go on several threads:
//
//	go test ./udp -run TestStorm -udp.datagrams 10000000 -timeout 2h -v
//
// A listener without children is read and written as a whole, best in batches (frio.PacketIO). With `children = demux`, or with
// a gate, it reads by itself and hands what comes from one peer to that peer's Child, which Accept returns. Children share the
// socket, the loop and the thread of their listener.
//
// UDP has no end: a child lives until it is closed, or until idle_timeout if that is set. Without one, max_children peers that
// went away keep all others out for ever.
package udp

import (
	"fmt"
	"io"
	"net/netip"
	"syscall"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

func init() {
	frio.Register(frio.Method{Name: "udp", Kind: frio.Datagram, Parse: parse})
}

// options are the keys of `udp { }` on either side.
type options struct {
	RecvBuff int `conf:"recv_buff,size,min=1024,max=1G"` // bytes, default the kernel's
	SendBuff int `conf:"send_buff,size,min=1024,max=1G"`
	// ExceedMTU yes, the default: datagrams above the path's MTU leave in fragments. no: they do not leave, and Write says EMSGSIZE.
	ExceedMTU bool `conf:"exceed_mtu"`
	// GRO has the kernel join datagrams of one peer and one size on reading. It pays where few peers send much: then a call brings
	// up to 64 of them with one walk through the network stack. It is off by default, because a call brings one train only, so that
	// with many peers who send one datagram each it costs a call for each datagram where a batch costs one for 64; and a
	// train is copied once more to be cut.
	GRO bool `conf:"gro"`
}

// listenConfig is `udp { }` in a listen.
type listenConfig struct {
	base.ListenConfig
	options
	ReusePort bool   `conf:"reuse_port"`                         // yes: other sockets of this user may take the same port
	Children  string `conf:"children,enum=none|demux|connected"` // default none; demux with a gate
	Shards    int    `conf:"shards,min=1,max=256"`               // sockets for each address, default sock.ShardsOf; shardsMax
}

// clientConfig is `udp { }` in a home_server.
type clientConfig struct {
	base.TargetConfig
	options
}

// limitConfig is what a listen with children honours of `limit { }`.
type limitConfig struct {
	MaxChildren int           `conf:"max_children,min=1,max=1000000,unlimited"` // 0: unlimited
	IdleTimeout time.Duration `conf:"idle_timeout,min=1ms,max=8760h,never"`     // 0: never
	Lifetime    time.Duration `conf:"lifetime,min=1ms,max=8760h,never"`
}

// maxChildren is the default of max_children.
const maxChildren = 1024

// settings are what the sockets of one listen have in common. They do not change after Open.
type settings struct {
	listenConfig
	networks  base.Networks
	demux     bool
	connected bool          // demux is true as well
	owners    *registry     // of connected children in several shards
	children  *conf.Pair    // the line of `children`; nil: the default
	limit     *conf.Section // of the listen; nil: none, or decoded
	times     base.Limits   // of each child
	slots     *talloc.Budget
}

func parse(ctx *talloc.Context, cs *conf.Section, role frio.Role, _ frio.IO) (frio.IO, error) {
	sub, err := cs.TakeSection("udp")
	if sub == nil {
		return nil, base.Join(cs, err, cs.Errorf("%s: section udp { } is missing", cs.Name))
	}
	if role == frio.Server {
		return parseListen(ctx, cs, sub, err)
	}
	return parseClient(ctx, sub, err)
}

func parseListen(ctx *talloc.Context, cs, sub *conf.Section, again error) (frio.IO, error) {
	set := &settings{listenConfig: listenConfig{options: options{ExceedMTU: true}, Children: "none", Shards: sock.ShardsOf(ctx)}}
	decodeErr := sub.Decode(&set.listenConfig)
	addrs, addrErr := set.Addrs(sub)
	if p := sub.Pairs("children"); len(p) > 0 {
		set.children = p[0]
	}
	// Which keys of limit are honoured is known when the layers above had their say: SetGate.
	limit, limitErr := cs.TakeSection("limit")
	set.limit = limit
	if set.Children != "none" {
		set.connected = set.Children == "connected"
		if set.connected && set.Shards > 1 {
			set.owners = new(registry)
		}
		limitErr = base.Join(cs, limitErr, set.openChildren())
	}
	set.networks = base.NewNetworks(set.Networks)
	mistakes := base.Join(sub, again, decodeErr, addrErr, limitErr)
	if len(addrs) == 0 {
		addrs = append(addrs, netip.AddrPort{}) // never opened, but the layers above find their own mistakes
	}
	// Each address has a group of its own; together they are one IO.
	var all []netip.AddrPort
	groups := make(map[netip.AddrPort]*group)
	for _, addr := range addrs {
		groups[addr] = &group{addr: addr}
		for range max(1, min(set.Shards, shardsMax)) { // out of range is a mistake that was noted
			all = append(all, addr)
		}
	}
	io, err := base.Shard(ctx, all, func(ctx *talloc.Context, addr netip.AddrPort) (frio.IO, error) {
		return newListener(ctx, set, groups[addr])
	})
	if err != nil {
		return nil, base.Join(sub, mistakes, err)
	}
	return io, mistakes
}

func parseClient(ctx *talloc.Context, sub *conf.Section, again error) (frio.IO, error) {
	cfg := clientConfig{options: options{ExceedMTU: true}}
	cfg.ConnectTimeout = base.DefaultConnect()
	decodeErr := sub.Decode(&cfg)
	target, targetErr := cfg.Target(sub)
	mistakes := base.Join(sub, again, decodeErr, targetErr)
	c, err := newClient(ctx, &cfg.options, target)
	if err != nil {
		return nil, base.Join(sub, mistakes, err)
	}
	return c, mistakes
}

// openChildren makes the listen one with children: that is what its limits are for.
func (s *settings) openChildren() error {
	s.demux = true
	cfg := limitConfig{MaxChildren: maxChildren}
	var err error
	if s.limit != nil {
		err = s.limit.Decode(&cfg)
		s.limit = nil
	}
	s.times = base.Limits{IdleTimeout: cfg.IdleTimeout, Lifetime: cfg.Lifetime}
	s.slots = talloc.NewBudget(int64(cfg.MaxChildren))
	return err
}

// gated makes the listen one with children because of a gate, unless the file has it otherwise.
func (s *settings) gated() error {
	switch {
	case s.connected:
		return conf.Errors{s.children.Errorf("children: connected is not possible here: what stands on udp has to see every datagram of a peer at its listener")}
	case s.demux:
		return nil
	case s.children != nil:
		return conf.Errors{s.children.Errorf("children: %s is not possible here: what stands on udp needs a child for each peer",
			s.children.Value)}
	}
	return s.openChildren()
}

// set gives a socket its options, before it is bound.
func (o *options) set(k sock.Kernel, fd int) error {
	if err := base.SetBuffers(k, fd, o.RecvBuff, o.SendBuff); err != nil {
		return err
	}
	fragment := 1
	if o.ExceedMTU {
		fragment = 0
	}
	for _, one := range []struct {
		name   string
		option sock.Option
		value  int
		must   bool // else a system that does not have it goes without
	}{
		{"packet info", sock.PacketInfo, 1, true},
		{"exceed_mtu", sock.DontFragment, fragment, !o.ExceedMTU},
		{"timestamp", sock.Timestamp, 1, false},
		{"ecn", sock.RecvECN, 1, false},
		{"dropped", sock.RecvDropped, 1, false},
	} {
		if err := k.SetOption(fd, one.option, one.value); err != nil && (one.must || err != syscall.ENOPROTOOPT) {
			return fmt.Errorf("%s: %w", one.name, err)
		}
	}
	if o.GRO {
		// A kernel without it gives the datagrams one by one; RecvTrain reads those as well.
		if err := k.SetOption(fd, sock.GRO, 1); err != nil && err != syscall.ENOPROTOOPT {
			return fmt.Errorf("gro: %w", err)
		}
	}
	return nil
}

// debug prints the settings, and what the socket was granted.
func (o *options) debug(w io.Writer, k sock.Kernel, fd int) {
	fmt.Fprintf(w, "exceed_mtu %s, gro %s\n", base.YesNo(o.ExceedMTU), base.YesNo(o.GRO))
	if fd < 0 {
		return
	}
	fmt.Fprintf(w, "%s\n", base.Granted(k, fd, o.RecvBuff, o.SendBuff))
	if n, err := k.Option(fd, sock.RecvDropped); err == nil && n > 0 {
		fmt.Fprintf(w, "dropped by the kernel: %d\n", n)
	}
}
