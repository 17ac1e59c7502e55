package netconn

import (
	"net"
	"os"
	"sync"
	"time"

	"github.com/frio-io/frio"
)

// half is one direction: at most one call of another goroutine, which waits in doLocked, and the deadline of such calls. The memory of the
// call is its caller's, and touched under mu only, while the call lasts: nothing is kept here.
type half struct {
	turn sync.Mutex // held by whose call it is; the others wait
	core *core
	// try makes one step of the call on the thread, with mu held: it returns ErrAgain until the call is done, with what was moved so far.
	try func() (n int, err error)

	// Guarded by mu of the core:
	ended    sync.Cond // active has become false
	active   bool
	n        int
	err      error
	deadline time.Time
	timer    *time.Timer // made with the first deadline
	wished   bool        // the loop is to tell
	// stays has the wish stay after a call, until the loop tells and nobody waits: most who read do it again, and a poller that is asked
	// for nothing else in between costs nothing. Who has written is told at once that there is room: that wish goes.
	stays bool
}

// doLocked makes a call on the thread and waits for it. Thread: any that is not the pool's; h.turn is held too.
func (h *half) doLocked() (int, error) {
	c := h.core
	switch {
	case c.closed || c.gone:
		return 0, net.ErrClosed
	case c.failed != nil:
		return 0, c.failed
	case h.expiredLocked():
		return 0, os.ErrDeadlineExceeded
	}
	h.active, h.n, h.err = true, 0, nil
	c.seat.kick()
	for h.active {
		h.ended.Wait()
	}
	return h.n, h.err
}

// stepLocked goes on with the call, if there is one, and says in wished whether it waits for the IO.
func (h *half) stepLocked() {
	if !h.active {
		return
	}
	n, err := h.try()
	h.n = n
	if err == frio.ErrAgain {
		h.wished = true
		return
	}
	h.finishLocked(err)
	h.core.done.soon()
	h.wished = h.wished && h.stays && err == nil
}

// finishLocked ends the call, if there is one.
func (h *half) finishLocked(err error) {
	if h.active {
		h.active, h.err = false, err
		h.ended.Signal()
	}
}

func (h *half) expiredLocked() bool { return !h.deadline.IsZero() && !time.Now().Before(h.deadline) }

// setDeadlineLocked has calls end at t, those under way too; zero: never.
func (h *half) setDeadlineLocked(t time.Time) {
	h.deadline = t
	switch {
	case t.IsZero():
		h.stopLocked()
	case h.expiredLocked():
		h.stopLocked()
		h.finishLocked(os.ErrDeadlineExceeded)
	case h.timer == nil:
		h.timer = time.AfterFunc(time.Until(t), h.expire)
	default:
		h.timer.Reset(time.Until(t))
	}
}

// expire is called when a deadline may have come: it may have been moved meanwhile, and the clock may have been set.
func (h *half) expire() {
	c := h.core
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed || c.gone || h.deadline.IsZero():
	case h.expiredLocked():
		h.finishLocked(os.ErrDeadlineExceeded)
	default:
		h.timer.Reset(time.Until(h.deadline))
	}
}

// stopLocked stops the timer.
func (h *half) stopLocked() {
	if h.timer != nil {
		h.timer.Stop()
	}
}
