package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strconv"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/thread"
)

// threadsMax is the most threads of each kind.
const threadsMax = 256

// threads is what `thread { }` says.
type threads struct {
	network int // as many as there are cores, for auto
	workers int
}

// threadConfig is `thread { }` at the top level.
type threadConfig struct {
	Network *conf.Pair `conf:"network"`               // auto, or 1 to 256; default auto: one per core
	Workers int        `conf:"workers,min=0,max=256"` // default 0
}

func (l *loader) threads(root *conf.Section) {
	s := l.server
	s.threads.network = min(runtime.GOMAXPROCS(0), threadsMax)
	cs, err := root.TakeSection("thread")
	if err != nil || cs == nil {
		l.add(root, err)
		return
	}
	var cfg threadConfig
	l.add(cs, cs.Decode(&cfg))
	s.threads.workers = cfg.Workers
	if p := cfg.Network; p != nil && p.Value != "auto" {
		n, err := strconv.Atoi(p.Value)
		if err != nil || n < 1 || n > threadsMax {
			l.errs = append(l.errs, p.Errorf("network: `%s` is neither `auto` nor a number from 1 to %d", p.Value, threadsMax))
			return
		}
		s.threads.network = n
	}
}

// home is on which network thread a listen is at the start: one after the other.
func (s *Server) home(number int) int { return number % s.threads.network }

// debugThreads writes which thread has what. The sessions are placed on the least loaded.
func (s *Server) debugThreads(w io.Writer) {
	all := s.all()
	for i := range s.threads.network {
		fmt.Fprintf(w, "thread network %d\n", i+1)
		for number, l := range all {
			if s.home(number) == i {
				fmt.Fprintf(frio.Indent(w), "listen %s of server %s\n", l.name, l.service.name)
			}
		}
	}
	for i := range s.threads.workers {
		fmt.Fprintf(w, "thread worker %d\n", i+1)
	}
}

// Start opens all listeners, or none, and serves them on the threads that the configuration asks for: each listen has a network thread,
// and the sessions are placed on all. The error is that of the first that could not be opened. report is told, on any thread, what
// a loop could not do.
func (s *Server) Start(report func(error)) error {
	if len(s.lanes) > 0 || s.closed {
		return errors.New("start server: it was opened already")
	}
	pool, err := thread.New(thread.Config{Network: s.threads.network, Workers: s.threads.workers, Kernel: s.kernel,
		OnError: func(t *thread.Thread, err error) { report(fmt.Errorf("thread %s: %w", t.Name(), err)) }})
	if err != nil {
		return err
	}
	s.pool = pool
	for _, t := range pool.Threads() {
		lane := newLane(t.Loop())
		lane.thread = t
		s.lanes = append(s.lanes, lane)
	}
	pool.Start()
	for number, l := range s.all() {
		if err = l.start(s.lanes[s.home(number)]); err != nil {
			break
		}
	}
	if err != nil {
		_, _ = pool.Stop(0)
		s.closed = true
		s.ctx.Free()
	}
	return err
}

// Shutdown ends what Start began: nobody is accepted any more, sessions go on until they are quiet for a second or Options.Drain has
// passed, then everything is closed. It waits for that; cut is what it could not wait for. Thread: any but the Server's own.
func (s *Server) Shutdown() (cut *thread.Cut, err error) {
	if s.pool == nil || s.closed {
		return new(thread.Cut), nil
	}
	s.closed = true
	cut, err = s.pool.Stop(s.opt.Drain)
	s.ctx.Free()
	return cut, err
}

// laneOf is the lane of a member's thread.
func (s *Server) laneOf(m *thread.Member) *lane {
	t := m.Thread()
	for _, l := range s.lanes {
		if l.thread == t {
			return l
		}
	}
	panic("server: a member on a thread of another pool")
}

// start opens the socket, or sockets, and gives them to the thread of a lane.
func (l *listen) start(lane *lane) error {
	if err := l.io.Open(); err != nil {
		return err
	}
	l.ctx.Detach()
	done := make(chan error, 1)
	err := lane.thread.Send(func() { done <- l.join(lane) })
	if err != nil {
		return err
	}
	return <-done
}

// join is start on the thread.
func (l *listen) join(lane *lane) error {
	if err := lane.thread.Root().Adopt(l.ctx); err != nil {
		return err
	}
	shards := []frio.IO{l.io}
	if s, ok := l.io.(frio.Sharder); ok {
		shards = s.Shards()
	}
	for _, one := range shards {
		ctx := l.ctx
		if len(shards) > 1 {
			// The shards lie together in the context of the listen, so each port has a small one of its own there.
			var err error
			if ctx, err = l.ctx.New("port"); err != nil {
				return err
			}
		}
		var err error
		p := &port{listen: l, lane: lane, io: one, ctx: ctx}
		p.timer.Init((*portTimer)(p))
		l.ports = append(l.ports, p)
		if p.member, err = lane.thread.Add(one, ctx, nil, p); err != nil {
			return err
		}
		trace(l.log, "open", slog.String("io", one.Describe()))
	}
	return nil
}

// Attach has the port served by the thread that it lives on.
func (p *port) Attach(m *thread.Member) {
	p.member, p.lane = m, p.listen.service.server.laneOf(m)
	read := p.accept
	if p.flow.from != nil {
		read = p.packets
	}
	if err := p.serve(read); err != nil {
		p.rest(err)
	}
}

// Detach stops what runs on the thread that the port leaves.
func (p *port) Detach(*thread.Member) { p.timer.Stop() }

// End closes the port; for thread.ErrStopping it only takes nobody any more, so that the sessions can end.
func (p *port) End(m *thread.Member, reason error) {
	if reason == thread.ErrStopping {
		p.refuse()
		return
	}
	p.timer.Stop()
	if err := p.io.Close(); err != nil {
		p.listen.log.Error("close", "io", p.io.Describe(), "error", err)
	}
	p.ctx.Free()
}

// Attach begins the session, or goes on with it on another thread.
func (s *session) Attach(m *thread.Member) {
	s.member = m
	s.port.listen.service.server.laneOf(m).add(s)
	if child := s.child; child != nil {
		s.child = nil
		s.begin(child)
		return
	}
	s.peer.attached, s.far.attached = false, false
	s.settle()
}

// Detach takes out of the loop what the session has besides its peer.
func (s *session) Detach(*thread.Member) {
	if s.child != nil {
		return // it has not begun
	}
	s.timer.Stop()
	if s.far.io != nil {
		_ = s.far.io.Event(nil, nil, nil) // a closed one is in no loop
	}
	s.lane.remove(s)
	s.lane = nil
}

// lost ends a session that is on no thread: it was on its way when the pool stopped.
func (s *session) lost() {
	s.over = true
	for _, one := range [...]frio.IO{s.child, s.peer.io, s.far.io} {
		if one != nil {
			_ = one.Close() // the pool says what it cut
		}
	}
	s.port.listen.counts.Open.Add(-1)
	s.ctx.Free()
}

// End ends the session: when it is quiet, for thread.ErrStopping.
func (s *session) End(m *thread.Member, reason error) {
	switch {
	case s.over:
	case s.lane == nil:
		s.lost()
	case reason == thread.ErrStopping && !s.quiet(s.lane.loop.Now()):
		s.draining = true
		s.timer.Stop()
		s.arm()
	case reason == thread.ErrStopping:
		s.end(nil)
	default:
		s.end(errStopped)
	}
}
