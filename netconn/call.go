package netconn

import (
	"net"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
)

// watchInterval is how often call looks whether the thread is there still: one that ends does not say what it has dropped.
const watchInterval = 100 * time.Millisecond

// call has t call f, and waits until it has. net.ErrClosed if t ends, or has ended, without.
func call(t *thread.Thread, f func()) error {
	done := make(chan struct{})
	run := func() {
		defer close(done)
		f()
	}
	for sent, pause := false, retryDelay; ; {
		if !sent {
			err := t.Send(run)
			if err != nil && err != frio.ErrAgain {
				return err
			}
			if sent = err == nil; sent {
				pause = watchInterval
			}
		}
		timer := time.NewTimer(pause)
		select {
		case <-done:
			timer.Stop()
			return nil
		case <-timer.C:
		}
		if sent && t.Loop().Post(func() {}) == net.ErrClosed {
			select {
			case <-done:
				return nil
			default:
				return net.ErrClosed
			}
		}
	}
}

// enter brings io and ctx, which nobody has, to t, where begin gives them to the pool. With an error they are closed and freed.
func enter(t *thread.Thread, ctx *talloc.Context, io frio.IO, begin func() error) error {
	err := net.ErrClosed
	lost := call(t, func() {
		if err = t.Root().Adopt(ctx); err == nil {
			err = begin()
		}
		if err != nil {
			drop(io, ctx)
		}
	})
	if lost != nil {
		// The thread has ended without taking them: they are still nobody's.
		drop(io, ctx)
		return lost
	}
	return err
}

// drop closes and frees what was not begun.
func drop(io frio.IO, ctx *talloc.Context) {
	_ = io.Close() // nothing was written
	ctx.Free()
}
