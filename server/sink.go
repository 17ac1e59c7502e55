package server

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// sinkMax is how many bytes of lines wait for a file: five thousand lines of 200 bytes, half a second of a busy gateway's requests.
	sinkMax = 1 << 20
	// sinkPatience is how long the end of a sink waits for a file that takes nothing.
	sinkPatience = time.Second
)

// sink writes lines to a file on a goroutine of its own, so that a file that takes nothing holds up nobody: what it has no room for
// is dropped and counted. Thread: any.
type sink struct {
	file    io.Writer
	dropped atomic.Uint64 // lines
	ended   chan struct{} // closed when the goroutine has ended

	mu     sync.Mutex
	some   sync.Cond // of mu: there are lines, or closed is set
	lines  []byte    // guarded by mu
	spare  []byte    // guarded by mu: the memory of lines to come
	closed bool      // guarded by mu
}

// newSink writes to file, which is closed at the end if it is an io.Closer.
func newSink(file io.Writer) *sink {
	s := &sink{file: file, ended: make(chan struct{})}
	s.some.L = &s.mu
	go s.run()
	return s
}

// Write takes a line, with its end. There is never an error, and p is not kept.
func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.lines)+len(p) > sinkMax {
		s.dropped.Add(1)
		return len(p), nil
	}
	s.lines = append(s.lines, p...)
	s.some.Signal()
	return len(p), nil
}

// next waits for lines; nil: there are none, and none come any more.
func (s *sink) next() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.lines) == 0 && !s.closed {
		s.some.Wait()
	}
	lines := s.lines
	s.lines, s.spare = s.spare[:0], nil
	return lines
}

func (s *sink) run() {
	defer close(s.ended)
	for {
		lines := s.next()
		if len(lines) == 0 {
			break
		}
		if n, err := s.file.Write(lines); err != nil {
			s.dropped.Add(countLines(lines[n:]))
		}
		s.mu.Lock()
		s.spare = lines[:0]
		s.mu.Unlock()
	}
	if c, ok := s.file.(io.Closer); ok {
		_ = c.Close() // nobody is left to be told
	}
}

func countLines(b []byte) (count uint64) {
	for _, c := range b {
		if c == '\n' {
			count++
		}
	}
	return count
}

// close ends the sink when all lines are written, or after sinkPatience without that.
func (s *sink) close() {
	s.mu.Lock()
	s.closed = true
	s.some.Signal()
	s.mu.Unlock()
	timer := time.NewTimer(sinkPatience)
	defer timer.Stop()
	select {
	case <-s.ended:
	case <-timer.C:
	}
}
