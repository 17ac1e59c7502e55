package server

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"slices"
	"syscall"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/radius/gateway"
	"github.com/frio-io/frio/talloc"
)

// ReloadFile makes the running Server, which Start has started, what the file says. Listens whose sockets are the same keep them and their
// connections, whatever changed in `tls { }`, its files, and the keys of the gateway; home servers and clients that are the same keep what is known of
// them; what is new begins. Listens that changed otherwise, or are gone, take nobody any more, answer what is under way, at most for Options.Drain,
// and end. `thread { }` stays as it is.
// With mistakes (conf.Errors), or a listen that cannot be opened, nothing has changed, but that the log's files are opened anew. A
// *LateError says that the new configuration holds, and what of it does not run. Thread: that of the context that the Server was
// loaded into, which is none of the Server's.
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
		return s.refuse(err)
	}
	r := &reload{old: s, new: n, heirs: map[*listen]estate{}}
	if err := r.run(); err != nil {
		for _, l := range r.opened {
			_ = l.io.Close() // a listener that served nobody
		}
		n.ctx.Free()
		return s.refuse(err)
	}
	if r.late != nil {
		return &LateError{r.late}
	}
	return nil
}

// refuse is the end of a reload that changes nothing by err.
func (s *Server) refuse(err error) error {
	if again := s.reopen(); again != nil {
		return errors.Join(err, again)
	}
	return err
}

// LateError is what could not be done of a new configuration that holds: a listen that was not opened, whose address somebody took
// meanwhile, or a log, metrics or control that could not be changed. The next reload tries them again.
type LateError struct{ Err error }

func (e *LateError) Error() string { return e.Err.Error() }
func (e *LateError) Unwrap() error { return e.Err }

// reload is one change of configuration.
type reload struct {
	old, new *Server
	kept     map[*listen]*listen // of the new configuration: that of the old one whose sockets are the same
	gone     []*listen
	opened   []*listen
	waiting  []*listen          // whose address one that is gone has
	heirs    map[*listen]estate // those of them that go on with its sockets
	late     error              // of those
	lost     map[*listen]bool   // of those: could not be opened
}

func (r *reload) run() error {
	r.match()
	if err := r.open(); err != nil {
		return err
	}
	starts := r.new.radius != nil && r.old.gateway == nil
	if starts {
		if err := r.old.startGateway(&r.new.contents); err != nil {
			return err
		}
	}
	if r.new.threads != r.old.threads {
		r.old.opt.Logger.Warn("reload: thread { } changes at the next start only")
	}
	// Who goes takes what has come by what holds still.
	late := r.old.retire(r.gone, r.goesOn)
	if r.new.radius != nil && !starts {
		r.load()
	}
	left := r.targets()
	r.refresh()
	r.begin(r.opened)
	r.begin(r.openEarly())
	if r.old.closeRetired(r.gone, late) {
		for _, t := range left {
			t.ctx.Free()
		}
	}
	if r.new.radius == nil && r.old.gateway != nil {
		r.old.gateway.Load(&gateway.Config{Realms: new(gateway.Realms)}) // it has nobody to ask, nor to answer
	}
	r.begin(r.openWaiting())
	r.adopt()
	r.late = errors.Join(r.late, r.old.operate(&r.old.operations))
	r.old.before = append(r.old.before, &r.new.ctx)
	r.old.forget()
	r.old.publish()
	return nil
}

// load gives the gateway, and the listens that stay, their configuration.
func (r *reload) load() {
	for l, same := range r.kept {
		if l.radius != nil {
			same.radius.listen.Announce(l.radius.cfg)
		}
	}
	r.old.gateway.Load(r.new.radius)
	for l, same := range r.kept {
		if l.radius != nil {
			same.radius.listen.SetConfig(l.radius.cfg)
		}
	}
}

// errStopped is why a listen was not opened whose address is not free before Shutdown.
var errStopped = errors.New("the server stops")

// estate is what a listen goes on with.
type estate struct {
	of     *listen
	shared bool // that one's connections go on reading its sockets
}

// inherits tells whether l, a new listen, is to go on with the sockets of one that is gone.
func (r *reload) inherits(l *listen) bool {
	for _, old := range r.gone {
		if shared, ok := l.inherit(old); ok {
			r.heirs[l] = estate{old, shared}
			return true
		}
	}
	return false
}

// goesOn tells whether a listen that waits goes on with the sockets of old.
func (r *reload) goesOn(old *listen) bool {
	return anyOf(r.waiting, func(l *listen) bool { return r.heirs[l].of == old })
}

// openEarly opens the listens that need not wait until those that are gone have ended.
func (r *reload) openEarly() (opened []*listen) {
	r.waiting = slices.DeleteFunc(r.waiting, func(l *listen) bool {
		if r.heirs[l].shared {
			return false
		}
		err := l.open()
		switch {
		case r.heirs[l].of == nil && errors.Is(err, syscall.EADDRINUSE):
			return false // by sockets that connections need
		case err != nil:
			r.lose(l, err)
			l.ctx.Free()
			return true
		}
		opened = append(opened, l)
		return true
	})
	return opened
}

// openWaiting opens the listens whose addresses are free by now.
func (r *reload) openWaiting() (opened []*listen) {
	hasty := r.old.hasty.Load()
	if hasty && len(r.waiting) > 0 {
		r.late = errors.Join(r.late, errStopped) // who has their addresses goes on until Shutdown
	}
	for _, l := range r.waiting {
		if hasty {
			r.lose(l, nil)
			l.ctx.Free()
			continue
		}
		if err := l.open(); err != nil {
			r.lose(l, err)
			l.ctx.Free()
			continue
		}
		opened = append(opened, l)
	}
	return opened
}

// begin serves listens that are open, on the threads that they would have at a start.
func (r *reload) begin(list []*listen) {
	all := r.new.all()
	for _, l := range list {
		l.meet(r.old.gateway)
		if err := l.spread(r.old.pool, r.old.lanes, slices.Index(all, l)); err != nil {
			r.lose(l, err) // Spread has closed it
			l.release()
		}
	}
}

// lose notes a listen that does not run, and why, where that is to be told: the next reload tries it again.
func (r *reload) lose(l *listen, err error) {
	r.late = errors.Join(r.late, err)
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

// open opens the new listens: all or none, but those whose socket or address one that is gone has.
func (r *reload) open() error {
	for _, l := range r.new.all() {
		if r.kept[l] != nil {
			continue
		}
		// Whether a Unix socket is still to be found by its name Open finds out.
		if l.addressed() && r.inherits(l) {
			// With reuse_port there could be both for a while, and what came to the old one were lost; and a low port may not be ours to bind any more.
			r.waiting = append(r.waiting, l)
			continue
		}
		err := l.open()
		switch {
		case err == nil:
			r.opened = append(r.opened, l)
		case errors.Is(err, syscall.EADDRINUSE) && len(r.gone) > 0:
			r.inherits(l)
			r.waiting = append(r.waiting, l)
		default:
			return err
		}
	}
	return nil
}

// targets has relays go on with the targets that are the same, and these read their files again. What it returns only listens that are gone use.
func (r *reload) targets() (left []*target) {
	before := map[string]*target{}
	for _, t := range r.old.targets {
		before[t.name] = t
	}
	for i, t := range r.new.targets {
		same := before[t.name]
		if same == nil || same.text != t.text {
			continue
		}
		delete(before, t.name)
		refresh(same.io, t.io, r.old.opt.Logger)
		for _, v := range r.new.services {
			if v.target == t {
				v.target = same
			}
		}
		r.new.targets[i] = same
		t.ctx.Free()
	}
	for _, t := range before {
		left = append(left, t)
	}
	return left
}

// refresh has what stays do what the new sections say.
func (r *reload) refresh() {
	for l, same := range r.kept {
		refresh(same.io, l.io, r.old.opt.Logger)
		l.ctx.Free()
	}
	if r.old.gateway == nil {
		return
	}
	for _, h := range r.old.gateway.Config().Homes {
		refresh(h.IO, nil, r.old.opt.Logger)
		refresh(h.AcctIO, nil, r.old.opt.Logger)
	}
}

// refresh has an IO, and what it stands on, do what the sections of another one say; of nil it reads its files again.
func refresh(top, as frio.IO, log *slog.Logger) {
	next, stop := iter.Pull(frio.Stack(as))
	defer stop()
	for one := range frio.Stack(top) {
		as, _ := next()
		if f, ok := one.(frio.Reloader); ok {
			if err := f.Reload(as); err != nil {
				log.Warn("reload", "io", one.Describe(), "error", err)
			}
		}
	}
}

// adopt makes the new configuration that of the old Server.
func (r *reload) adopt() {
	s, n := r.old, r.new
	for _, v := range n.services {
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
	s.contents = n.contents
	s.mu.Unlock()
}

// forget frees what is in use no more of the earlier configurations.
func (s *Server) forget() {
	s.before = slices.DeleteFunc(s.before, func(ctx *talloc.Context) bool {
		if ctx.Total().Contexts > 0 {
			return false
		}
		ctx.Free()
		return true
	})
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
