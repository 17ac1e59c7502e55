package server

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// warnInterval is how far apart a listen's warnings of one kind are at least: what peers cause at line rate must not
// fill a disk. The next warning says how many were left out.
const warnInterval = time.Second

// warner logs warnings of one kind, at most one each warnInterval.
// Thread: any.
type warner struct {
	mu      sync.Mutex
	next    time.Time // guarded by mu
	leftOut int       // guarded by mu
}

func (w *warner) warn(log *slog.Logger, now time.Time, msg string, attrs ...slog.Attr) {
	leftOut, wanted := w.take(now)
	if !wanted {
		return
	}
	if leftOut > 0 {
		attrs = append(attrs, slog.Int("left_out", leftOut))
	}
	log.LogAttrs(context.Background(), slog.LevelWarn, msg, attrs...)
}

// take tells whether it is time for a warning, and how many were left out before it.
func (w *warner) take(now time.Time) (leftOut int, wanted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Before(w.next) {
		w.leftOut++
		return 0, false
	}
	leftOut = w.leftOut
	w.next, w.leftOut = now.Add(warnInterval), 0
	return leftOut, true
}

// tracing tells whether the line per event is wanted, so that nothing is formatted in vain.
func tracing(log *slog.Logger) bool {
	return log.Enabled(context.Background(), slog.LevelDebug)
}
