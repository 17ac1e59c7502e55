package netconn

import (
	"runtime"

	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/thread"
)

// yielder lets the goroutines run whose calls a turn has ended, before the loop goes to wait. Where the poller's wait is a system call, that
// keeps the processor that they are queued for until the runtime notices (0.8 ms for a round trip on two busy cores, and 0.1 ms
// with this); on Linux it is the runtime's own wait, and this costs nothing. Each thread has one, so that it is done once a turn.
type yielder struct {
	task event.Task
	loop *event.Loop
}

// yieldKey is where a thread's root keeps its yielder.
type yieldKey struct{}

// yielderOf is that of t. Thread: t.
func yielderOf(t *thread.Thread) *yielder {
	if y, ok := t.Root().Value(yieldKey{}).(*yielder); ok {
		return y
	}
	y := &yielder{loop: t.Loop()}
	y.task.Init(y)
	t.Root().SetValue(yieldKey{}, y)
	t.Root().OnFree(y)
	return y
}

// soon yields at the end of the turn.
func (y *yielder) soon() { y.loop.Defer(&y.task) }

// RunTask is called by the loop.
func (y *yielder) RunTask() { runtime.Gosched() }

// Destroy takes it out of the loop, which is closed after it.
func (y *yielder) Destroy() { y.task.Cancel() }

// Describe names it in reports.
func (y *yielder) Describe() string { return "netconn" }
