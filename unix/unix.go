// Package unix is the method unix: stream and datagram sockets of the local domain, with names in the file system or
// abstract ones ("@name", Linux).
package unix

import (
	"fmt"
	"io"
	"strings"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

func init() {
	frio.Register(frio.Method{Name: "unix", Parse: parse})
}

// pathMax is sizeof(sun_path) less its end, the smallest of the systems: the BSDs have 104.
const pathMax = 103

// options are the keys of `unix { }` on either side.
type options struct {
	Filename string `conf:"filename,required"`
	Type     string `conf:"type,enum=stream|datagram"`
	RecvBuff int    `conf:"recv_buff,size,min=1024,max=1G"` // bytes, default the kernel's
	SendBuff int    `conf:"send_buff,size,min=1024,max=1G"`
}

func (o *options) kind() frio.Kind {
	if o.Type == "datagram" {
		return frio.Datagram
	}
	return frio.Stream
}

// check is what the tags cannot say.
func (o *options) check(sub *conf.Section) error {
	for _, p := range sub.Pairs("filename") {
		switch n := len(p.Value); {
		case n > pathMax:
			return conf.Errors{p.Errorf("filename: %d bytes are above %d, the longest name of a Unix socket", n, pathMax)}
		case p.Value == "" || p.Value == "@":
			return conf.Errors{p.Errorf("filename: the name is empty")}
		}
	}
	return nil
}

// listenConfig is `unix { }` in a listen.
type listenConfig struct {
	options
	Backlog  int            `conf:"backlog,min=1,max=65535"` // default the system's maximum
	Mode     uint32         `conf:"mode,mode"`
	UID      *int           `conf:"uid,user"`  // owner of the file, default the process's
	GID      *int           `conf:"gid,group"` // group of the file, default the directory's rules
	Peercred peercredConfig `conf:"peercred"`
}

// peercredConfig says who may connect. Each key that is given must match; of a repeated key one must.
type peercredConfig struct {
	UID []int `conf:"uid,user"`
	GID []int `conf:"gid,group"`
}

// clientConfig is `unix { }` in a home_server.
type clientConfig struct {
	options
	base.ConnectTimeout
}

func parse(ctx *talloc.Context, cs *conf.Section, role frio.Role, _ frio.IO) (frio.IO, error) {
	sub, err := cs.TakeSection("unix")
	if err != nil {
		return nil, base.Join(cs, err)
	}
	if sub == nil {
		return nil, conf.Errors{cs.Errorf("%s: section unix { } is missing", cs.Name)}
	}
	if role == frio.Server {
		return parseListen(ctx, cs, sub)
	}
	return parseClient(ctx, sub)
}

func parseListen(ctx *talloc.Context, cs, sub *conf.Section) (frio.IO, error) {
	cfg := listenConfig{Mode: 0600}
	errs := []error{sub.Decode(&cfg), cfg.check(sub), cfg.checkListen(sub)}
	var limits base.Limits
	if cfg.kind() == frio.Stream {
		var err error
		limits, err = base.DecodeLimits(cs)
		errs = append(errs, err)
	}
	if err := base.Join(sub, errs...); err != nil {
		return nil, err
	}
	k := sock.KernelOf(ctx)
	f := &file{kernel: k, path: cfg.Filename, mode: cfg.Mode, uid: -1, gid: -1}
	if cfg.UID != nil {
		f.uid = *cfg.UID
	}
	if cfg.GID != nil {
		f.gid = *cfg.GID
	}
	if cfg.kind() == frio.Datagram {
		return newDatagram(ctx, k, &cfg.options, frio.Server, f)
	}
	stream := cfg.stream(k)
	stream.Limits = limits
	kind := stream.Debug
	stream.Debug = func(w io.Writer) {
		kind(w)
		cfg.Peercred.debug(w)
	}
	addr := sock.Addr{Path: cfg.Filename}
	return base.NewListener(ctx, stream, base.Listening{
		Addr: addr,
		Open: func(heir *base.Inheritance) (int, error) {
			return f.open(heir, frio.Stream, func(fd int) error { return cfg.setBuffers(k, fd) },
				func(fd int) error { return k.Listen(fd, cfg.Backlog) })
		},
		Closed:   f.remove,
		Identify: func(fd int) (*frio.Identity, error) { return cfg.Peercred.identify(k, fd) },
		Slots:    base.NewSlots(limits),
		Counts:   new(base.Counts),
	})
}

func parseClient(ctx *talloc.Context, sub *conf.Section) (frio.IO, error) {
	cfg := clientConfig{ConnectTimeout: base.DefaultConnect()}
	if err := base.Join(sub, sub.Decode(&cfg), cfg.check(sub)); err != nil {
		return nil, err
	}
	k := sock.KernelOf(ctx)
	if cfg.kind() == frio.Datagram {
		return newDatagram(ctx, k, &cfg.options, frio.Client, &file{kernel: k, path: cfg.Filename})
	}
	return base.NewClient(ctx, cfg.stream(k), &base.Target{Path: cfg.Filename, Timeout: cfg.Timeout, Retry: cfg.Retry})
}

// checkListen refuses what has no effect.
func (c *listenConfig) checkListen(sub *conf.Section) error {
	var errs conf.Errors
	if len(c.Filename) > 0 && c.Filename[0] == '@' {
		for _, key := range []string{"mode", "uid", "gid"} {
			for _, p := range sub.Pairs(key) {
				errs = append(errs, p.Errorf("%s: an abstract name has no file", key))
			}
		}
	}
	if c.kind() == frio.Datagram {
		for _, p := range sub.Pairs("backlog") {
			errs = append(errs, p.Errorf("backlog: a datagram socket has none"))
		}
		for _, s := range sub.Sections("peercred") {
			errs = append(errs, s.Errorf("peercred: a datagram socket does not know who its peers are"))
		}
	}
	return errs.Err()
}

// identify asks the kernel who the peer is, and refuses one that peercred does not name. Root is no exception.
func (p *peercredConfig) identify(k sock.Kernel, fd int) (*frio.Identity, error) {
	cred, err := k.PeerCred(fd)
	if err != nil {
		return nil, err
	}
	if !match(p.UID, cred.UID) || !match(p.GID, cred.GID) {
		return nil, frio.ErrDenied
	}
	return &frio.Identity{HasCred: true, UID: cred.UID, GID: cred.GID, PID: cred.PID}, nil
}

// debug says who may connect, where that is not everybody.
func (p *peercredConfig) debug(w io.Writer) {
	for _, one := range []struct {
		key     string
		allowed []int
	}{{"uid", p.UID}, {"gid", p.GID}} {
		if len(one.allowed) > 0 {
			fmt.Fprintf(w, "peercred: %s %s\n", one.key, strings.Trim(fmt.Sprint(one.allowed), "[]"))
		}
	}
}

func match(allowed []int, id uint32) bool {
	for _, a := range allowed {
		if uint32(a) == id {
			return true
		}
	}
	return len(allowed) == 0
}

func (o *options) buffers() [2]int { return [2]int{o.RecvBuff, o.SendBuff} }

func (o *options) setBuffers(k sock.Kernel, fd int) error {
	return base.SetBuffers(k, fd, o.RecvBuff, o.SendBuff)
}

func (o *options) stream(k sock.Kernel) *base.Stream {
	return &base.Stream{
		Method: "unix",
		Kernel: k,
		Setup: func(fd int, before bool) error {
			if before {
				return o.setBuffers(k, fd)
			}
			return nil
		},
		Buffers: o.buffers(),
		Debug:   func(w io.Writer) { fmt.Fprintf(w, "type %s\n", o.kind()) },
	}
}
