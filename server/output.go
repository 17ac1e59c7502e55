package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Output is where a program's log goes: what `log { }` of the present configuration says. Thread: any.
type Output struct {
	stderr  io.Writer
	debug   bool
	handler atomic.Pointer[slog.Handler]
	dropped atomic.Uint64 // of sinks that have ended

	mu    sync.Mutex
	lines *sink // guarded by mu; nil: written at once
	ticks *sink // guarded by mu; nil: F-Ticks have no file
}

// NewOutput makes an Output that writes text to stderr, until a Server with log { } starts. With debug it goes on so whatever that says, with
// a line for each event, and without the time, to be read by a person.
func NewOutput(stderr io.Writer, debug bool) *Output {
	o := &Output{stderr: stderr, debug: debug}
	var h slog.Handler = slog.NewTextHandler(stderr, nil)
	if debug {
		to := &lockedWriter{w: stderr}
		h = &packetHandler{slog.NewTextHandler(to, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: bare}), to}
	}
	o.handler.Store(&h)
	return o
}

// lockedWriter keeps writes apart. Thread: any.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer // guarded by mu
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// packetHandler writes a message of several lines, which is a packet, as it is: as text between quotes nobody could read it. What peers sent
// was made printable before (package dict).
type packetHandler struct {
	slog.Handler
	to *lockedWriter
}

func (h *packetHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.NumAttrs() > 0 || !strings.Contains(r.Message, "\n") {
		return h.Handler.Handle(ctx, r)
	}
	_, err := io.WriteString(h.to, strings.TrimSuffix(r.Message, "\n")+"\n")
	return err
}

// bare leaves out what a person who looks on does not need.
func bare(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey && a.Value.Any() == slog.LevelDebug) {
		return slog.Attr{}
	}
	return a
}

// Logger writes to wherever the log goes at the time.
func (o *Output) Logger() *slog.Logger { return slog.New(&handler{output: o}) }

// change makes cfg what the Output does. Files are opened anew, so that one that was moved away is left; with an error nothing changes.
func (o *Output) change(cfg *logConfig) error {
	var lines, ticks *sink
	to := o.stderr
	if cfg.filename != "" && !o.debug {
		f, err := openLog(cfg.filename)
		if err != nil {
			return fmt.Errorf("log: %w", err)
		}
		to = f
	}
	if cfg.ticks != nil && cfg.ticks.Filename != "" {
		f, err := openLog(cfg.ticks.Filename)
		if err != nil {
			if c, ok := to.(io.Closer); ok && cfg.filename != "" && !o.debug {
				_ = c.Close()
			}
			return fmt.Errorf("fticks: %w", err)
		}
		ticks = newSink(f)
	}
	if !o.debug {
		if cfg.filename == "" {
			to = struct{ io.Writer }{to} // it is not ours to close
		}
		lines = newSink(to)
		h := cfg.handler(lines)
		o.handler.Store(&h)
	}
	o.mu.Lock()
	old := []*sink{o.lines, o.ticks}
	o.lines, o.ticks = lines, ticks
	o.mu.Unlock()
	o.end(old)
	return nil
}

// openLog opens a file to add lines to.
func openLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
}

func (o *Output) end(sinks []*sink) {
	for _, s := range sinks {
		if s != nil {
			s.close()
			o.dropped.Add(s.dropped.Load())
		}
	}
}

// Close writes what waits, for at most a second each; lines go straight to stderr from then on.
func (o *Output) Close() {
	o.mu.Lock()
	old := []*sink{o.lines, o.ticks}
	o.lines, o.ticks = nil, nil
	o.mu.Unlock()
	if !o.debug {
		var h slog.Handler = slog.NewTextHandler(o.stderr, nil)
		o.handler.Store(&h)
	}
	o.end(old)
}

// Dropped is how many lines were lost because their file took nothing, or failed.
func (o *Output) Dropped() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.dropped.Load()
	for _, s := range []*sink{o.lines, o.ticks} {
		if s != nil {
			n += s.dropped.Load()
		}
	}
	return n
}

// tick takes a line of F-Ticks for the file that they have; false if they have none.
func (o *Output) tick(line string) bool {
	o.mu.Lock()
	s := o.ticks
	o.mu.Unlock()
	if s == nil {
		return false
	}
	_, _ = s.Write([]byte(line + "\n"))
	return true
}

// handler is the slog.Handler of an Output: it looks where lines go when they come.
type handler struct {
	output *Output
	with   []func(slog.Handler) slog.Handler
}

func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return (*h.output.handler.Load()).Enabled(ctx, level)
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	to := *h.output.handler.Load()
	for _, with := range h.with {
		to = with(to)
	}
	return to.Handle(ctx, r)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.and(func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
}

func (h *handler) WithGroup(name string) slog.Handler {
	return h.and(func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}

func (h *handler) and(with func(slog.Handler) slog.Handler) slog.Handler {
	return &handler{h.output, append(slices.Clip(h.with), with)}
}
