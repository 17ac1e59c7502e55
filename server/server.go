package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/radius/gateway"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
	"github.com/frio-io/frio/transport"
)

// DefaultDrain is how long a stopping server waits for its sessions.
const DefaultDrain = 5 * time.Second

// Options of a Server; the zero value is the default of each.
type Options struct {
	Logger *slog.Logger  // default: silence. An event is a line of level Debug, what an operator should see a Warn
	Drain  time.Duration // how long Shutdown waits for sessions, default DefaultDrain
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
//	loaded -Start-> running -Shutdown-> closed
//	loaded -Shutdown-> closed
type Server struct {
	ctx    talloc.Context
	parent *talloc.Context // of ctx
	opt    Options
	kernel sock.Kernel
	before []*talloc.Context // of earlier configurations, of which something is in use

	mu       sync.Mutex
	contents // guarded by mu, once it is running: a reload replaces it

	threads threads
	watch   watch
	lanes   transport.Lanes
	pool    *thread.Pool // nil before Start
	running atomic.Pointer[thread.Pool]
	hasty   atomic.Bool      // Shutdown is to come: a reload waits for nothing
	gateway *gateway.Gateway // of namespace radius, from Start on; nil without
	closed  bool
}

// contents is what a configuration has in it.
type contents struct {
	services   []*service
	targets    []*target
	notes      conf.Errors     // of reading
	radius     *gateway.Config // nil without a server of namespace radius
	operations operations
}

// present returns the contents of the configuration that holds. Thread: any.
func (s *Server) present() contents {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.contents
}

// Notes are what the configuration's methods have to say that is no mistake: keys without effect, certificates that end soon. Thread: any.
func (s *Server) Notes() conf.Errors {
	now := s.present()
	notes := slices.Clone(now.notes)
	for _, top := range now.stacks() {
		for io := range frio.Stack(top) {
			if n, ok := io.(frio.Noter); ok {
				notes = append(notes, n.Notes()...)
			}
		}
	}
	return notes.Sorted()
}

// stacks are the IOs of listens and targets.
func (c contents) stacks() (list []frio.IO) {
	for _, l := range c.all() {
		list = append(list, l.io)
	}
	for _, t := range c.targets {
		list = append(list, t.io)
	}
	return list
}

// service is one `server NAME { }`.
type service struct {
	name    string
	space   space
	target  *target               // of a relay
	radius  *gateway.ServerConfig // of namespace radius
	home    *homeConfig           // of namespace home
	clients *conf.Pair            // the same: the name of its clients; nil: the global ones
	listens []*listen
}

// all returns all listens. Thread: any.
func (s *Server) all() []*listen { return s.present().all() }

func (c contents) all() (list []*listen) {
	for _, v := range c.services {
		list = append(list, v.listens...)
	}
	return list
}

// Debug writes everything about the server, nested. Of what its threads have it writes names and counts only. Thread: any that is none
// of the Server's.
func (s *Server) Debug(w io.Writer) {
	now, in := s.present(), frio.Indent(w)
	deep := s.running.Load() == nil // nothing is on another thread
	for _, v := range now.services {
		fmt.Fprintf(w, "server %s\n", v.name)
		fmt.Fprintf(in, "namespace %v", v.space)
		if v.target != nil {
			fmt.Fprintf(in, ", target %s", v.target.name)
		}
		fmt.Fprintln(in)
		for _, l := range v.listens {
			l.debug(in, deep)
		}
	}
	for _, t := range now.targets {
		fmt.Fprintf(w, "home_server %s\n", t.name)
		debugIO(in, t.io, deep)
	}
	if g := s.watch.gateway(); g != nil {
		g.Debug(w)
	} else if now.radius != nil {
		now.radius.Debug(w)
	}
	s.watch.debug(w, &now.operations)
	fmt.Fprintf(w, "thread\n\tnetwork %d, workers %d, coalesce %v\n", s.threads.network, s.threads.workers, s.threads.coalesce)
	s.DebugThreads(w)
}

// debugIO writes all about an IO, or only its name.
func debugIO(w io.Writer, one frio.IO, deep bool) {
	if deep {
		one.Debug(w)
	} else {
		fmt.Fprintln(w, one.Describe())
	}
}

// trace logs the line of an event, if somebody wants it.
func trace(log *slog.Logger, msg string, attrs ...slog.Attr) {
	log.LogAttrs(context.Background(), slog.LevelDebug, msg, attrs...)
}
