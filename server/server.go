package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/radius/gateway"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
	"github.com/frio-io/frio/transport"
)

const (
	// drainQuiet is how long a session must have moved nothing before a stopping server ends it: long enough that an answer
	// under way arrives, short against what a service manager waits.
	drainQuiet = time.Second
	// drainTick is how often a stopping server looks.
	drainTick = 100 * time.Millisecond
	// DefaultDrain is how long a stopping server waits for its sessions.
	DefaultDrain = 5 * time.Second
)

// errStopped is why a session ends that a stopping server could not wait for.
var errStopped = errors.New("the server stops")

// Options of a Server; the zero value is the default of each.
type Options struct {
	Logger *slog.Logger  // default: silence. An event is a line of level Debug, what an operator should see a Warn
	Drain  time.Duration // how long Stop waits for sessions, default DefaultDrain
	Trace  bool          // namespace radius: the text of each packet, at level Debug
	// Output is where Logger writes to, and what log { } changes; nil: that has no effect, but for the requests that it asks for.
	Output  *Output
	Version string // of the program, for metrics and the control socket
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Drain == 0 {
		o.Drain = DefaultDrain
	}
	return o
}

// Server is the objects of one configuration.
//
//	loaded -> open -> draining -> closed
//	loaded, open -> closed (Close)
type Server struct {
	ctx    talloc.Context
	parent *talloc.Context // of ctx
	opt    Options
	kernel sock.Kernel
	before []*talloc.Context // of earlier configurations, of which something is in use

	mu       sync.Mutex
	services []*service      // guarded by mu, once it is running: a reload replaces it, as of what follows
	targets  []*target       // guarded by mu
	notes    conf.Errors     // guarded by mu: of reading
	radius   *gateway.Config // guarded by mu: nil without a server of namespace radius

	threads    threads
	operations operations
	watch      watch
	lanes      transport.Lanes // one, of a Server that was given a loop
	pool       *thread.Pool    // nil of such a one
	running    atomic.Pointer[thread.Pool]
	gateway    *gateway.Gateway // of namespace radius, from Start on; nil without
	drain      event.Timer
	deadline   time.Time // of draining; zero: not draining
	drained    func()
	closed     bool
}

// Notes are what the configuration's methods have to say that is no mistake: keys without effect, certificates that end soon.
func (s *Server) Notes() conf.Errors {
	notes := s.notes
	s.visit(func(io frio.IO) {
		if n, ok := io.(frio.Noter); ok {
			notes = append(notes, n.Notes()...)
		}
	})
	return notes.Sorted()
}

// visit shows every configured IO and what it stands on.
func (s *Server) visit(see func(frio.IO)) {
	down := func(io frio.IO) {
		for io != nil {
			see(io)
			layer, ok := io.(frio.Layer)
			if !ok {
				return
			}
			io = layer.Lower()
		}
	}
	for _, l := range s.all() {
		down(l.io)
	}
	for _, t := range s.targets {
		down(t.io)
	}
}

// service is one `server NAME { }`.
type service struct {
	server  *Server
	name    string
	space   space
	target  *target               // of a relay
	radius  *gateway.ServerConfig // of namespace radius
	home    *homeConfig           // of namespace home
	clients *conf.Pair            // the same: the name of its clients; nil: the global ones
	listens []*listen
}

// target is one `home_server NAME { }`.
type target struct {
	name string
	at   conf.Pos
	text string  // stands for its section
	io   frio.IO // as parsed, never connected: each connection is a copy of it
}

// dial makes a connection to the target, not connected yet, with memory of ctx. Thread: any.
func (t *target) dial(ctx *talloc.Context) (frio.IO, error) {
	return t.io.(frio.Copier).Copy(ctx)
}

// Open opens all listeners, or none, and serves them on loop. The error is that of the first that could not be opened. loop must run
// on the Kernel of the context that the Server was loaded into.
func (s *Server) Open(loop *event.Loop) error {
	if len(s.lanes) > 0 || s.closed {
		return errors.New("open server: it was opened already")
	}
	lane, err := transport.NewLane(loop, s.parent, 0)
	if err != nil {
		return err
	}
	s.lanes = transport.Lanes{lane}
	s.drain.Init((*drainer)(s))
	if err := s.startGateway(); err != nil {
		return err
	}
	for _, l := range s.all() {
		if err := l.open(lane); err != nil {
			s.Close()
			return err
		}
	}
	return nil
}

// all returns all listens. Thread: any.
func (s *Server) all() []*listen {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*listen
	for _, v := range s.services {
		list = append(list, v.listens...)
	}
	return list
}

// Stop has the loop drain: nobody is accepted any more, sessions go on until they are quiet for a second or Options.Drain
// has passed, then everything is closed and done, if it is not nil, is called on the loop. An error means that the loop could not be
// told. Thread: any, after Open.
func (s *Server) Stop(done func()) error {
	return s.lanes[0].Loop().Post(func() { s.stop(done) })
}

func (s *Server) stop(done func()) {
	if s.closed || !s.deadline.IsZero() {
		return
	}
	s.drained = done
	s.deadline = s.lanes[0].Loop().Now().Add(s.opt.Drain)
	for _, l := range s.all() {
		for _, p := range l.ports {
			p.Refuse()
		}
	}
	s.step(s.lanes[0].Loop().Now())
}

// drainer is the Server as its timer sees it.
type drainer Server

func (d *drainer) Expire(now time.Time) { (*Server)(d).step(now) }
func (d *drainer) Describe() string     { return "draining server" }

// step ends the sessions that are quiet, and all when the time is up.
func (s *Server) step(now time.Time) {
	late := !now.Before(s.deadline)
	left := 0
	for _, l := range s.all() {
		left += l.drain(s.lanes[0], late)
	}
	if left > 0 {
		s.drain.Set(s.lanes[0].Loop(), now.Add(drainTick))
		return
	}
	s.Close()
	if s.drained != nil {
		s.drained()
	}
}

// Close closes everything at once, in order: what was written goes on being delivered by the loop. Twice is fine. The memory
// is freed.
func (s *Server) Close() {
	if s.closed {
		return
	}
	s.closed = true
	for _, ctx := range s.before {
		defer ctx.Free()
	}
	if len(s.lanes) > 0 {
		s.drain.Stop()
	}
	for _, l := range s.all() {
		if len(s.lanes) > 0 {
			l.close(s.lanes[0])
		} else {
			l.close(nil)
		}
	}
	s.ctx.Free()
	if len(s.lanes) > 0 && s.pool == nil {
		s.lanes[0].Context().Free()
	}
}

// Sessions is how many sessions are under way.
func (s *Server) Sessions() int {
	count := 0
	for _, l := range s.all() {
		count += int(l.counts.Open.Load())
		if l.radius != nil && l.radius.listen != nil {
			count += int(l.radius.listen.Counts.Open.Load())
		}
	}
	return count
}

// Debug writes everything about the server, nested.
func (s *Server) Debug(w io.Writer) {
	for _, v := range s.services {
		fmt.Fprintf(w, "server %s\n", v.name)
		in := frio.Indent(w)
		fmt.Fprintf(in, "namespace %v", v.space)
		if v.target != nil {
			fmt.Fprintf(in, ", target %s", v.target.name)
		}
		fmt.Fprintln(in)
		for _, l := range v.listens {
			l.debug(in, s.lanes)
		}
	}
	for _, t := range s.targets {
		fmt.Fprintf(w, "home_server %s\n", t.name)
		t.io.Debug(frio.Indent(w))
	}
	if s.radius != nil {
		s.radius.Debug(w)
	}
	s.operations.debug(w)
	s.DebugThreads(w)
}

// trace logs the line of an event, if somebody wants it.
func trace(log *slog.Logger, msg string, attrs ...slog.Attr) {
	log.LogAttrs(context.Background(), slog.LevelDebug, msg, attrs...)
}
