package event

import (
	"net"
	"syscall"
)

// Post has f called in the next turn. EAGAIN if too many wait, net.ErrClosed after Close. Functions run in the order in
// which they were posted. Thread: any.
func (l *Loop) Post(f func()) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return net.ErrClosed
	}
	if len(l.posted) >= l.cfg.MaxPosted {
		return syscall.EAGAIN
	}
	l.posted = append(l.posted, f)
	// Who found the queue empty wakes the loop, which takes all that is there by then.
	if len(l.posted) == 1 {
		l.wakeLocked()
	}
	return nil
}

func (l *Loop) postedWaits() bool {
	if l.done < len(l.current) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.posted) > 0
}

// runPosted runs what was posted before. If an earlier turn ended in a panic, what it left comes first.
func (l *Loop) runPosted() {
	if l.closed {
		return
	}
	if l.done == len(l.current) {
		l.takePosted()
	}
	for l.done < len(l.current) && !l.closed {
		f := l.current[l.done]
		l.current[l.done] = nil
		l.done++
		l.stats.Posted++
		l.running.function(f)
		f()
	}
}

func (l *Loop) takePosted() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current, l.posted = l.posted, l.current[:0]
	l.done = 0
}
