package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
)

const (
	// metricsTimeout is for a request, and for its answer: of a peer that does neither send nor read.
	metricsTimeout = 10 * time.Second
	// metricsIdle is how long a connection waits for its next request: longer than scrapes are apart.
	metricsIdle = 2 * time.Minute
	// metricsConnections are at a time; further peers wait in the backlog.
	metricsConnections = 32
	// metricsHeaderMax is the most bytes of a request: there is nothing to say in it.
	metricsHeaderMax = 16 << 10
	// metricsScrapes are at a time; further ones get 503.
	metricsScrapes = 4
)

// metricsConfig is `metrics { }` at the top level.
type metricsConfig struct {
	listen []netip.AddrPort // none: off
}

func (l *loader) metrics(root *conf.Section) (cfg metricsConfig) {
	cs, err := root.TakeSection("metrics")
	l.add(root, err)
	if cs == nil {
		return cfg
	}
	var k struct {
		Listen []*conf.Pair `conf:"listen,required"`
	}
	l.add(cs, cs.Decode(&k))
	for _, p := range k.Listen {
		at, err := netip.ParseAddrPort(p.Value)
		switch {
		case err != nil:
			l.errs = append(l.errs, p.Errorf("listen: `%s` is no address with port, as in 127.0.0.1:9812 or [::1]:9812", p.Value))
		case slices.Contains(cfg.listen, at) && at.Port() != 0:
			l.errs = append(l.errs, p.Errorf("listen: %v is there already", at))
		default:
			cfg.listen = append(cfg.listen, at)
		}
	}
	return cfg
}

func (cfg *metricsConfig) debug(w io.Writer) {
	for _, at := range cfg.listen {
		fmt.Fprintf(w, "metrics\n")
		fmt.Fprintf(frio.Indent(w), "http://%v/metrics, /healthz, /readyz\n", at)
	}
}

// metricsServer answers HTTP at one address, on goroutines of its own.
type metricsServer struct {
	at    netip.AddrPort // as configured
	http  http.Server
	ended chan struct{}
}

// changeMetrics returns the servers that cfg asks for: those of old, the present ones, that it goes on with, and others; the rest of old is
// closed. With an error old goes on, but for those whose address a new one needed.
func (w *watch) changeMetrics(old []*metricsServer, cfg *metricsConfig) ([]*metricsServer, error) {
	var kept, gone, opened []*metricsServer
	for _, m := range old {
		if slices.Contains(cfg.listen, m.at) {
			kept = append(kept, m)
		} else {
			gone = append(gone, m)
		}
	}
	for _, at := range cfg.listen {
		if slices.ContainsFunc(kept, func(m *metricsServer) bool { return m.at == at }) {
			continue
		}
		one, err := net.Listen("tcp", at.String())
		if errors.Is(err, syscall.EADDRINUSE) && len(gone) > 0 {
			closeAll(gone)
			gone = nil
			one, err = net.Listen("tcp", at.String())
		}
		if err != nil {
			closeAll(opened)
			return append(kept, gone...), fmt.Errorf("metrics: %w", err)
		}
		opened = append(opened, w.serveMetrics(at, one))
	}
	closeAll(gone)
	return append(kept, opened...), nil
}

func closeAll(list []*metricsServer) {
	for _, m := range list {
		m.close()
	}
}

func (w *watch) serveMetrics(at netip.AddrPort, one net.Listener) *metricsServer {
	log := w.server.opt.Logger.With("metrics", one.Addr().String())
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), w)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: metricsScrapes, Timeout: metricsTimeout, ErrorLog: scrapeLog{log},
	}))
	mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprintln(rw, "running") })
	mux.HandleFunc("GET /readyz", func(rw http.ResponseWriter, _ *http.Request) {
		at := w.at()
		if at != stageReady {
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintln(rw, at)
	})
	m := &metricsServer{at: at, ended: make(chan struct{}), http: http.Server{
		Handler: mux, ReadTimeout: metricsTimeout, WriteTimeout: 2 * metricsTimeout, IdleTimeout: metricsIdle,
		MaxHeaderBytes: metricsHeaderMax, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	log.Info("open")
	go func() {
		defer close(m.ended)
		if err := m.http.Serve(netutil.LimitListener(one, metricsConnections)); !errors.Is(err, http.ErrServerClosed) {
			log.Error("closed", "error", err)
		}
	}()
	return m
}

// close ends the server once what is under way is answered, or after a second.
func (m *metricsServer) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if m.http.Shutdown(ctx) != nil {
		_ = m.http.Close()
	}
	<-m.ended
}

// scrapeLog is told what a scrape could not gather.
type scrapeLog struct{ *slog.Logger }

func (l scrapeLog) Println(v ...any) {
	l.Warn("scrape", "error", strings.TrimSpace(fmt.Sprintln(v...)))
}
