package server

import (
	"context"
	"log/slog"
	"time"
)

// warnInterval is how far apart a listen's warnings of one kind are at least: what peers cause at line rate must not
// fill a disk. The next warning says how many were left out.
const warnInterval = time.Second

// warner logs warnings of one kind, at most one each warnInterval.
type warner struct {
	next    time.Time
	leftOut int
}

func (w *warner) warn(log *slog.Logger, now time.Time, msg string, attrs ...slog.Attr) {
	if now.Before(w.next) {
		w.leftOut++
		return
	}
	if w.leftOut > 0 {
		attrs = append(attrs, slog.Int("left_out", w.leftOut))
	}
	w.next, w.leftOut = now.Add(warnInterval), 0
	log.LogAttrs(context.Background(), slog.LevelWarn, msg, attrs...)
}

// tracing tells whether the line per event is wanted, so that nothing is formatted in vain.
func tracing(log *slog.Logger) bool {
	return log.Enabled(context.Background(), slog.LevelDebug)
}
