package server

import (
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/haproxy"
	"github.com/frio-io/frio/radius/gateway"
	"github.com/frio-io/frio/tls"
	"github.com/frio-io/frio/udp"
)

// operations is what a configuration says besides its servers: log { }, metrics { } and control { }.
type operations struct {
	log     logConfig
	metrics metricsConfig
	control *controlConfig // nil without
}

func (l *loader) operations(root *conf.Section) {
	l.server.operations = operations{
		log: l.log(root, l.server.radius != nil || l.open), metrics: l.metrics(root), control: l.control(root),
	}
}

func (w *watch) debug(to io.Writer, o *operations) {
	w.mu.Lock()
	defer w.mu.Unlock()
	o.log.debug(to)
	o.metrics.debug(to)
	if o.control != nil {
		o.control.debug(to)
	}
}

// stage is how far a Server is.
type stage int32

const (
	stageStarting stage = iota
	stageReady          // every listener is open
	stageDraining
)

func (s stage) String() string { return [...]string{"starting", "ready", "draining"}[s] }

// watch is how people look at a Server while it runs. What it shows are counters that threads count in, and what publish said last, so
// it holds up no thread.
type watch struct {
	server *Server
	began  time.Time
	stage  atomic.Int32
	shown  atomic.Pointer[shown]

	mu      sync.Mutex
	metrics []*metricsServer // guarded by mu
	control *controlServer   // guarded by mu; nil: none
}

// shown is what runs, as it was when it began.
type shown struct {
	listens []shownListen
	gateway *gateway.Gateway // nil without
}

type shownListen struct {
	name    string // server.listen
	space   space
	io      string
	counts  *listenCounts
	gateway *gateway.Listen // of namespace radius

	// What its stack counts; of each socket where that is a socket's own.
	streams []*base.Counts
	udp     []*udp.Counts
	tls     *tls.Listener
	haproxy *haproxy.Counts
}

// operate makes ops what holds: where the log goes, the addresses of metrics, the control socket. It is called at the start and after each
// reload. Each of the three that cannot be changed stays what it was, and is in the error.
func (s *Server) operate(ops *operations) error {
	w := &s.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.server == nil {
		w.server, w.began = s, s.kernel.Now()
	}
	var errs []error
	if s.opt.Output != nil {
		errs = append(errs, s.opt.Output.change(&ops.log))
	}
	if s.gateway != nil {
		s.gateway.SetLog(s.gatewayLog(&ops.log))
	}
	var err error
	w.metrics, err = w.changeMetrics(w.metrics, &ops.metrics)
	errs = append(errs, err)
	w.control, err = w.control.change(w, ops.control)
	return errors.Join(append(errs, err)...)
}

// reopen opens the files of the log anew, so that ones that were moved away are left.
func (s *Server) reopen() error {
	if s.opt.Output == nil {
		return nil
	}
	return s.opt.Output.change(&s.operations.log)
}

// publish shows what runs from then on. All listeners are open.
func (s *Server) publish() {
	next := &shown{gateway: s.gateway}
	for _, l := range s.all() {
		next.listens = append(next.listens, l.shown())
	}
	s.watch.shown.Store(next)
	s.watch.stage.CompareAndSwap(int32(stageStarting), int32(stageReady))
}

func (l *listen) shown() shownListen {
	one := shownListen{name: l.service.name + "." + l.name, space: l.service.space, io: l.io.Describe(), counts: &l.counts}
	if l.radius != nil {
		one.gateway = l.radius.listen
	}
	for _, socket := range l.shards() {
		for layer := range frio.Stack(socket) {
			switch x := layer.(type) {
			case *base.Listener:
				if n := x.Counts(); !slices.Contains(one.streams, n) {
					one.streams = append(one.streams, n)
				}
			case *udp.Listener:
				one.udp = append(one.udp, x.Counts())
			case *tls.Listener:
				one.tls = x
			case *haproxy.Listener:
				one.haproxy = x.Counts()
			}
		}
	}
	return one
}

// gateway is the one that runs; nil without.
func (w *watch) gateway() *gateway.Gateway {
	if now := w.shown.Load(); now != nil {
		return now.gateway
	}
	return nil
}

// drains says that nobody is taken any more.
func (w *watch) drains() { w.stage.Store(int32(stageDraining)) }

func (w *watch) at() stage { return stage(w.stage.Load()) }

// close ends what operate began.
func (w *watch) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.metrics {
		m.close()
	}
	w.control.close()
	w.metrics, w.control = nil, nil
	w.shown.Store(nil)
}
