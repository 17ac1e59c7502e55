package netconn

import (
	"sync/atomic"
	"syscall"
	"time"

	"github.com/frio-io/frio/event"
)

// retryDelay is how soon a thread that could take no more functions is asked again.
const retryDelay = time.Millisecond

// seat is one stay of somebody on one thread. Who wants something of him there kicks it, and turn is called, soon. It is posted at most
// once at a time, so what waits in a loop is bounded by who lives there.
type seat struct {
	loop   *event.Loop
	turn   func(*seat) // on the thread; who has left by then must do nothing
	run    func()
	posted atomic.Bool
}

func newSeat(loop *event.Loop, turn func(*seat)) *seat {
	s := &seat{loop: loop, turn: turn}
	s.run = func() {
		s.posted.Store(false)
		s.turn(s)
	}
	return s
}

// kick has turn called. A nil seat is that of somebody on the way: he looks at everything when he arrives. Thread: any.
func (s *seat) kick() {
	if s != nil && !s.posted.Swap(true) {
		s.post()
	}
}

// post tries until the loop has room. A loop that is closed has freed whoever lived there, and that tells.
func (s *seat) post() {
	if s.loop.Post(s.run) == syscall.EAGAIN {
		time.AfterFunc(retryDelay, s.post)
	}
}
