package sim

import (
	"fmt"
	"strings"
	"syscall"
	"time"
)

// record is one call or one event of the network.
type record struct {
	at   time.Duration
	host string
	what string
	fd   int
	n    int
	err  error
}

func (r record) String() string {
	s := fmt.Sprintf("%v %s %s", r.at, r.host, r.what)
	if r.fd >= 0 {
		s += fmt.Sprintf(" fd=%d", r.fd)
	}
	s += fmt.Sprintf(" n=%d", r.n)
	if r.err != nil {
		s += " " + r.err.Error()
	}
	return s
}

// trace is a hash over all records and a ring of the last ones.
type trace struct {
	hash  uint64
	ring  []record
	count int
}

func (t *trace) init(lines int) { t.ring, t.hash = make([]record, lines), 14695981039346656037 }

func (t *trace) mix(x uint64) {
	t.hash = (t.hash ^ x) * 0x9e3779b97f4a7c15
	t.hash ^= t.hash >> 29
}

func (t *trace) mixBytes(p []byte) {
	t.mix(uint64(len(p)))
	for len(p) >= 8 {
		t.mix(uint64(p[0]) | uint64(p[1])<<8 | uint64(p[2])<<16 | uint64(p[3])<<24 |
			uint64(p[4])<<32 | uint64(p[5])<<40 | uint64(p[6])<<48 | uint64(p[7])<<56)
		p = p[8:]
	}
	for _, b := range p {
		t.mix(uint64(b))
	}
}

func (t *trace) mixString(s string) {
	for i := 0; i < len(s); i++ {
		t.mix(uint64(s[i]))
	}
}

// tail returns the last n lines.
func (t *trace) tail(n int) string {
	lines := t.lines()
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func (t *trace) lines() []string {
	n := min(t.count, len(t.ring))
	lines := make([]string, 0, n)
	for i := t.count - n; i < t.count; i++ {
		lines = append(lines, t.ring[i%len(t.ring)].String())
	}
	return lines
}

// note puts a call or an event into the trace.
func (w *World) note(k *Kernel, what string, fd, n int, err error) {
	t := &w.trace
	t.mix(uint64(w.now))
	t.mix(uint64(k.index)<<32 | uint64(uint32(fd)))
	t.mix(uint64(n))
	t.mixString(what)
	if errno, ok := err.(syscall.Errno); ok {
		t.mix(uint64(errno))
	}
	t.ring[t.count%len(t.ring)] = record{w.now, k.name, what, fd, n, err}
	t.count++
}

// Hash is over every call with its result, the bytes it moved and every event of the network so far. Two runs with the
// same hash did the same.
func (w *World) Hash() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trace.hash
}

// Trace returns the last calls and events, at most Options.Trace, one a line: time since the start, host, what, descriptor, count, error.
func (w *World) Trace() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trace.lines()
}
