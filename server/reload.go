package server

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/radius/gateway"
	"github.com/frio-io/frio/transport"
)

// retireTick is how often a listen that ends is looked at, until its connections have ended.
const retireTick = 5 * time.Millisecond

// ReloadFile makes the running Server, which Start has started, what the file says. Listens that are the same keep their sockets and connections, and
// read their certificates and CRLs again; home servers and clients that are the same keep what is known of them; what is new begins. Listens that
// changed or are gone take nobody any more, answer what is under way, at most for Options.Drain, and end. `thread { }` stays as it is.
// With mistakes (conf.Errors), or a listen that cannot be opened, nothing has changed, except where the address of a changed listen
// was taken by somebody meanwhile. Thread: that of the context that the Server was loaded into, which is none of the Server's.
func (s *Server) ReloadFile(path string) error {
	root, err := conf.ParseFile(path, conf.Options{})
	return s.reload(root, err)
}

func (s *Server) reload(root *conf.Section, syntax error) error {
	if s.pool == nil || s.closed {
		return net.ErrClosed
	}
	n, err := load(s.parent, root, syntax, s.opt)
	if err != nil {
		return err
	}
	r := &reload{old: s, new: n}
	if err := r.run(); err != nil {
		for _, l := range r.opened {
			_ = l.io.Close() // a listener that served nobody
		}
		n.ctx.Free()
		return err
	}
	return r.late
}

// reload is one change of configuration.
type reload struct {
	old, new *Server
	kept     map[*listen]*listen // of the new configuration: the same of the old one
	gone     []*listen
	opened   []*listen
	waiting  []*listen        // whose address one that is gone still has
	late     error            // of those
	lost     map[*listen]bool // of those: could not be opened
}

func (r *reload) run() error {
	r.match()
	if err := r.open(); err != nil {
		return err
	}
	if err := r.gateway(); err != nil {
		return err
	}
	if r.new.threads != r.old.threads {
		r.old.opt.Logger.Warn("reload: thread { } changes at the next start only")
	}
	r.refresh()
	for _, l := range r.gone {
		r.old.retire(l)
	}
	if r.new.radius == nil && r.old.gateway != nil {
		r.old.gateway.Load(&gateway.Config{Realms: new(gateway.Realms)}) // it has nobody to ask, nor to answer
	}
	for _, l := range r.waiting {
		if err := l.io.Open(); err != nil {
			r.late = errors.Join(r.late, err)
			r.lose(l)
			l.ctx.Free()
			continue
		}
		r.opened = append(r.opened, l)
	}
	for _, l := range r.opened {
		if err := r.old.begin(l); err != nil {
			r.late = errors.Join(r.late, err)
			r.lose(l) // Spread has closed it
		}
	}
	r.adopt()
	r.late = errors.Join(r.late, r.old.operate(&r.old.operations))
	r.old.publish()
	return nil
}

// lose notes a listen that does not run: the next reload tries it again.
func (r *reload) lose(l *listen) {
	if r.lost == nil {
		r.lost = map[*listen]bool{}
	}
	r.lost[l] = true
}

// match finds the listens that are the same.
func (r *reload) match() {
	before := map[string]*listen{}
	for _, l := range r.old.all() {
		before[l.id()] = l
	}
	r.kept = map[*listen]*listen{}
	for _, l := range r.new.all() {
		if same := before[l.id()]; same != nil && same.text == l.text {
			r.kept[l] = same
			delete(before, l.id())
		}
	}
	for _, l := range r.old.all() {
		if before[l.id()] == l {
			r.gone = append(r.gone, l)
		}
	}
}

// open opens the new listens: all or none, but those whose address one that is gone has.
func (r *reload) open() error {
	for _, l := range r.new.all() {
		if r.kept[l] != nil {
			continue
		}
		err := l.io.Open()
		switch {
		case err == nil:
			r.opened = append(r.opened, l)
		case errors.Is(err, syscall.EADDRINUSE) && len(r.gone) > 0:
			r.waiting = append(r.waiting, l)
		default:
			return err
		}
	}
	return nil
}

// gateway gives the gateway its configuration.
func (r *reload) gateway() error {
	switch {
	case r.new.radius == nil:
	case r.old.gateway == nil:
		r.old.radius = r.new.radius
		return r.old.startGateway()
	default:
		r.old.gateway.Load(r.new.radius)
	}
	return nil
}

// refresh has what stays read its files, and do what the new configuration says.
func (r *reload) refresh() {
	for l, same := range r.kept {
		if l.radius != nil && same.radius != nil {
			same.radius.listen.SetConfig(l.radius.cfg)
			same.radius.cfg = l.radius.cfg
		}
		refreshed(same.io, r.old.opt.Logger)
		l.ctx.Free()
	}
	if r.old.gateway == nil {
		return
	}
	for _, h := range r.old.gateway.Config().Homes {
		refreshed(h.IO, r.old.opt.Logger)
		refreshed(h.AcctIO, r.old.opt.Logger)
	}
}

// refreshed has an IO, and what it stands on, read its files again.
func refreshed(one frio.IO, log *slog.Logger) {
	for one != nil {
		if f, ok := one.(frio.Reloader); ok {
			if err := f.Reload(); err != nil {
				log.Warn("reload", "io", one.Describe(), "error", err)
			}
		}
		layer, ok := one.(frio.Layer)
		if !ok {
			return
		}
		one = layer.Lower()
	}
}

// adopt makes the new configuration that of the old Server.
func (r *reload) adopt() {
	s, n := r.old, r.new
	for _, v := range n.services {
		v.server = s
		list := v.listens[:0]
		for _, l := range v.listens {
			if same := r.kept[l]; same != nil {
				l = same
			}
			if !r.lost[l] {
				list = append(list, l)
			}
		}
		v.listens = list
	}
	s.mu.Lock()
	s.services, s.targets, s.notes, s.radius = n.services, n.targets, n.notes, n.radius
	s.mu.Unlock()
	s.operations = n.operations
	s.before = append(s.before, &n.ctx)
	left := s.before[:0]
	for _, ctx := range s.before {
		if ctx.Total().Contexts == 0 {
			ctx.Free() // nothing of that configuration is in use any more
			continue
		}
		left = append(left, ctx)
	}
	s.before = left
}

// begin serves a listen that is open.
func (s *Server) begin(l *listen) error {
	if l.radius != nil {
		l.radius.listen = s.gateway.NewListen(l.id(), l.radius.cfg, l.radius.config)
	}
	return l.spread(s.pool, s.lanes, 0)
}

// retire ends a listen: it takes nobody any more, its connections end when what is under way is answered.
func (s *Server) retire(l *listen) {
	for _, lane := range s.lanes {
		// A loop that takes nothing has stopped.
		_ = lane.Loop().Post(func() {
			for _, p := range l.ports {
				if p.Lane() == lane {
					p.Refuse()
				}
			}
			lane.Each(func(c *transport.Conn) {
				if p := c.Port(); p != nil && p.Near() != c && l.has(p) {
					c.User().Drain(c)
				}
			})
		})
	}
	end := time.Now().Add(s.opt.Drain)
	for l.busy() && time.Now().Before(end) {
		time.Sleep(retireTick)
	}
	l.members.End(net.ErrClosed)
	for !l.ended() && time.Now().Before(end.Add(time.Second)) {
		time.Sleep(retireTick) // its address is free then
	}
}

// busy tells whether something is under way. Thread: any.
func (l *listen) busy() bool {
	if l.counts.Open.Load() > 0 {
		return true
	}
	r := l.radius
	return r != nil && r.listen != nil && r.listen.Counts.Open.Load()+r.listen.Counts.Pending.Load() > 0
}

// ended tells whether all sockets are closed. Thread: any.
func (l *listen) ended() bool {
	for _, p := range l.ports {
		if !p.Ended() {
			return false
		}
	}
	return true
}

func (l *listen) has(p *transport.Port) bool {
	for _, one := range l.ports {
		if one == p {
			return true
		}
	}
	return false
}

// id is "server.listen".
func (l *listen) id() string { return l.service.name + "." + l.name }

// textOf stands for what a listen is made of: its section, and what its server says. Secrets cannot be read from it.
func textOf(cs *conf.Section, more ...any) string {
	h := sha256.New()
	_ = cs.Format(h) // a hash takes everything
	fmt.Fprint(h, more...)
	return string(h.Sum(nil))
}
