package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strconv"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
	"github.com/frio-io/frio/transport"
)

// threadsMax is the most threads of each kind.
const threadsMax = 256

// threads is what `thread { }` says.
type threads struct {
	network  int // as many as there are cores, for auto
	workers  int
	coalesce time.Duration // below 0 until the file is read: not said
}

// radiusCoalesce is the default of coalesce where packets of RADIUS are relayed: so little time is nothing to whom they are for, and saves more than
// half of what a steady load costs.
const radiusCoalesce = 1500 * time.Microsecond

// pause is how long a busy thread lets packets come together.
func (s *Server) pause() time.Duration {
	switch {
	case s.threads.coalesce >= 0:
		return s.threads.coalesce
	case s.radius != nil:
		return radiusCoalesce
	}
	return 0
}

// threadConfig is `thread { }` at the top level.
type threadConfig struct {
	Network  *conf.Pair     `conf:"network"`                 // auto, or 1 to 256; default auto: one per core
	Workers  int            `conf:"workers,min=0,max=256"`   // default 0
	Coalesce *time.Duration `conf:"coalesce,min=0,max=10ms"` // default radiusCoalesce with a server of namespace radius, else 0: each packet at once
}

func (l *loader) threads(root *conf.Section) {
	s := l.server
	l.network(root)
	// A port of udp has a socket for each thread, where one peer can be kept to one of them.
	if sock.CanSteer(s.kernel) {
		sock.SetShards(&s.ctx, s.threads.network)
	}
}

func (l *loader) network(root *conf.Section) {
	s := l.server
	s.threads.network, s.threads.coalesce = min(runtime.GOMAXPROCS(0), threadsMax), -1
	cs, err := root.TakeSection("thread")
	if err != nil || cs == nil {
		l.add(root, err)
		return
	}
	var cfg threadConfig
	l.add(cs, cs.Decode(&cfg))
	s.threads.workers = cfg.Workers
	if cfg.Coalesce != nil {
		s.threads.coalesce = *cfg.Coalesce
	}
	if p := cfg.Network; p != nil && p.Value != "auto" {
		n, err := strconv.Atoi(p.Value)
		if err != nil || n < 1 || n > threadsMax {
			l.errs = append(l.errs, p.Errorf("network: `%s` is neither `auto` nor a number from 1 to %d", p.Value, threadsMax))
			return
		}
		s.threads.network = n
	}
}

// threadOf is the network thread, counted from 0, that a socket of a listen is on at the start: listens begin one after the other, and the sockets of
// each follow.
func (s *Server) threadOf(listen, shard int) int { return (listen + shard) % s.threads.network }

// DebugThreads writes which thread has what: its numbers, the sockets of the listens and the sessions. Before Start it is what each
// will have; the sessions are placed on the least loaded. Thread: any that is none of the Server's.
func (s *Server) DebugThreads(w io.Writer) {
	if pool := s.running.Load(); pool != nil {
		pool.Debug(w)
		return
	}
	all := s.all()
	for i := range s.threads.network {
		fmt.Fprintf(w, "thread network %d\n", i+1)
		for number, l := range all {
			for shard := range l.shards() {
				if s.threadOf(number, shard) == i {
					fmt.Fprintln(frio.Indent(w), l.named(shard))
				}
			}
		}
	}
	for i := range s.threads.workers {
		fmt.Fprintf(w, "thread worker %d\n", i+1)
	}
}

// Start opens all listeners, or none, and serves them on the threads that the configuration asks for: each socket of a listen has
// a network thread, and what is accepted is placed on all. The error is that of the first that could not be opened. report is told, on any
// thread, what a loop could not do.
func (s *Server) Start(report func(error)) error {
	if s.lanes != nil || s.closed {
		return errors.New("start server: it was started already")
	}
	if err := s.operate(&s.operations); err != nil {
		s.watch.close()
		return err
	}
	pool, err := thread.New(thread.Config{Network: s.threads.network, Workers: s.threads.workers, Coalesce: s.threads.coalesce, Kernel: s.kernel,
		OnError: func(t *thread.Thread, err error) { report(fmt.Errorf("thread %s: %w", t.Name(), err)) }})
	if err != nil {
		s.watch.close()
		return err
	}
	s.pool = pool
	s.running.Store(pool)
	if s.lanes, err = transport.NewLanes(pool); err == nil {
		err = s.startGateway(&s.contents)
	}
	pool.Start()
	for number, l := range s.all() {
		if err != nil {
			break
		}
		l.meet(s.gateway)
		err = l.start(pool, s.lanes, number)
	}
	if err != nil {
		s.watch.close()
		_, _ = pool.Stop(0)
		s.closed = true
		s.ctx.Free()
		return err
	}
	s.publish()
	return nil
}

// Hasten says that Shutdown is to come. A reload that waits for what is under way ends at once, and leaves that to Shutdown. Thread: any, after
// Start.
func (s *Server) Hasten() {
	s.hasty.Store(true)
	s.watch.drains()
}

// Shutdown ends what Start began: nobody is accepted any more, sessions go on until they are quiet for a second or Options.Drain has
// passed, then everything is closed. It waits for that; cut is what it could not wait for. The memory is freed, that of a Server
// that was not started too. Twice is fine. Thread: any but the Server's own.
func (s *Server) Shutdown() (cut *thread.Cut, err error) {
	cut = new(thread.Cut)
	if s.closed {
		return cut, nil
	}
	s.closed = true
	if s.pool != nil {
		s.watch.drains()
		cut, err = s.pool.Stop(s.opt.Drain)
		s.watch.close()
	}
	for _, ctx := range s.before {
		ctx.Free()
	}
	s.ctx.Free()
	return cut, err
}

// start opens the socket, or sockets, and gives them to the threads from number first on.
func (l *listen) start(pool *thread.Pool, lanes transport.Lanes, first int) error {
	if err := l.open(); err != nil {
		return err
	}
	return l.spread(pool, lanes, first)
}

// open opens the socket, or sockets. Its error says of what listen: files have many, and some of one address.
func (l *listen) open() error {
	if err := l.io.Open(); err != nil {
		return fmt.Errorf("listen %s of server %s: %w", l.name, l.service.name, err)
	}
	return nil
}

// spread gives the open socket, or sockets, to the threads.
func (l *listen) spread(pool *thread.Pool, lanes transport.Lanes, first int) (err error) {
	for _, one := range l.shards() {
		trace(l.log, "open", slog.String("io", one.Describe()))
	}
	l.members, err = pool.Spread(l.io, l.ctx, first, func(shard int, one frio.IO, ctx *talloc.Context) thread.User {
		return l.port(shard, lanes, one, ctx)
	})
	return err
}

// named is what a socket of l is called: "listen u of server first", or "shard 2 of 4 of listen u of server first".
func (l *listen) named(shard int) string {
	name := fmt.Sprintf("listen %s of server %s", l.name, l.service.name)
	if n := len(l.shards()); n > 1 {
		name = fmt.Sprintf("shard %d of %d of %s", shard+1, n, name)
	}
	return name
}
