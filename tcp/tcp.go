// Package tcp is the method tcp: listeners and connections over TCP.
package tcp

import (
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

func init() {
	frio.Register(frio.Method{Name: "tcp", Parse: parse})
}

// options are the keys of `tcp { }` on either side.
type options struct {
	RecvBuff          int           `conf:"recv_buff,size,min=1024,max=1G"` // bytes, default the kernel's
	SendBuff          int           `conf:"send_buff,size,min=1024,max=1G"`
	DelayTCPWrites    bool          `conf:"delay_tcp_writes"` // yes: Nagle's algorithm stays on
	Keepalive         bool          `conf:"keepalive"`
	KeepaliveIdle     time.Duration `conf:"keepalive_idle,min=1s,max=9h"` // default the kernel's, as the next two
	KeepaliveInterval time.Duration `conf:"keepalive_interval,min=1s,max=9h"`
	KeepaliveCount    int           `conf:"keepalive_count,min=1,max=127"`
}

// listenConfig is `tcp { }` in a listen.
type listenConfig struct {
	base.ListenConfig
	options
	Backlog int `conf:"backlog,min=1,max=65535"` // default the system's maximum
}

// clientConfig is `tcp { }` in a home_server.
type clientConfig struct {
	base.TargetConfig
	options
}

func parse(ctx *talloc.Context, cs *conf.Section, role frio.Role, _ frio.IO) (frio.IO, error) {
	sub, err := cs.TakeSection("tcp")
	if err != nil {
		return nil, base.Join(cs, err)
	}
	if sub == nil {
		return nil, conf.Errors{cs.Errorf("%s: section tcp { } is missing", cs.Name)}
	}
	if role == frio.Server {
		return parseListen(ctx, cs, sub)
	}
	return parseClient(ctx, sub)
}

func parseListen(ctx *talloc.Context, cs, sub *conf.Section) (frio.IO, error) {
	cfg := listenConfig{options: options{Keepalive: true}}
	err := sub.Decode(&cfg)
	limits, limitErr := base.DecodeLimits(cs)
	var addrErr error
	addrs, addrErr := cfg.Addrs(sub)
	if err := base.Join(sub, err, addrErr, limitErr); err != nil {
		return nil, err
	}
	k := sock.KernelOf(ctx)
	stream := cfg.stream(k)
	stream.Limits = limits
	how := base.Listening{
		Interface: cfg.Interface,
		Networks:  base.NewNetworks(cfg.Networks),
		Slots:     base.NewSlots(limits),
		Counts:    new(base.Counts),
	}
	return base.Shard(ctx, addrs, func(ctx *talloc.Context, addr netip.AddrPort) (frio.IO, error) {
		how := how
		how.Addr = sock.Addr{AddrPort: addr}
		how.Open = func(heir *base.Inheritance) (int, error) { return cfg.open(k, heir, how.Addr) }
		return base.NewListener(ctx, stream, how)
	})
}

func parseClient(ctx *talloc.Context, sub *conf.Section) (frio.IO, error) {
	cfg := clientConfig{options: options{Keepalive: true}}
	cfg.ConnectTimeout = base.DefaultConnect()
	err := sub.Decode(&cfg)
	target, targetErr := cfg.Target(sub)
	if err := base.Join(sub, err, targetErr); err != nil {
		return nil, err
	}
	return base.NewClient(ctx, cfg.stream(sock.KernelOf(ctx)), target)
}

// open makes the listening socket.
func (c *listenConfig) open(k sock.Kernel, heir *base.Inheritance, addr sock.Addr) (int, error) {
	return heir.Open(k, addr, frio.Stream, c.Interface, func(fd int) error {
		// Connections of an earlier process that are still in TIME-WAIT must not keep the port.
		if err := k.SetOption(fd, sock.ReuseAddr, 1); err != nil {
			return err
		}
		// Accepted sockets inherit the buffers, and the window scale is fixed with the SYN.
		return base.SetBuffers(k, fd, c.RecvBuff, c.SendBuff)
	}, func(fd int) error { return k.Listen(fd, c.Backlog) })
}

// stream is what all connections have in common.
func (o *options) stream(k sock.Kernel) *base.Stream {
	return &base.Stream{
		Method:  "tcp",
		Kernel:  k,
		Setup:   func(fd int, before bool) error { return o.setup(k, fd, before) },
		Buffers: [2]int{o.RecvBuff, o.SendBuff},
		Debug:   o.debug,
	}
}

// setup sets the options of one connection: buffers before it connects, the rest when it is up.
func (o *options) setup(k sock.Kernel, fd int, before bool) error {
	if before {
		return base.SetBuffers(k, fd, o.RecvBuff, o.SendBuff)
	}
	set := func(opt sock.Option, value int) error { return k.SetOption(fd, opt, value) }
	if !o.DelayTCPWrites {
		if err := set(sock.NoDelay, 1); err != nil {
			return err
		}
	}
	if !o.Keepalive {
		return nil
	}
	if err := set(sock.KeepAlive, 1); err != nil {
		return err
	}
	for _, t := range []struct {
		opt   sock.Option
		value int
	}{
		{sock.KeepIdle, int(o.KeepaliveIdle / time.Second)},
		{sock.KeepInterval, int(o.KeepaliveInterval / time.Second)},
		{sock.KeepCount, o.KeepaliveCount},
	} {
		if t.value != 0 {
			if err := set(t.opt, t.value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *options) debug(w io.Writer) {
	fmt.Fprintf(w, "delay_tcp_writes %s, keepalive %s\n", base.YesNo(o.DelayTCPWrites), base.YesNo(o.Keepalive))
}
