package tls

import (
	"sync"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
)

// waker brings the end of an Await to the loop where the connection is by then.
type waker struct {
	conn *Conn // used on its own thread only
	mu   sync.Mutex
	loop *event.Loop // guarded by mu
	done bool        // guarded by mu
}

func (c *Conn) newWaker() *waker {
	c.s.waker = &waker{conn: c, loop: c.loop()}
	return c.s.waker
}

func (w *waker) set(loop *event.Loop) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loop = loop
}

func (w *waker) due() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done
}

// postPause is how soon a loop whose queue of posts is full is tried again.
const postPause = time.Millisecond

// fire is called by the goroutine that has done the work. Thread: any.
func (w *waker) fire() {
	for {
		w.mu.Lock()
		w.done = true
		loop := w.loop
		w.mu.Unlock()
		if loop == nil {
			return // whoever puts it into a loop, or drives it, finds the answer
		}
		if loop.Post(func() { w.arrive(loop) }) != frio.ErrAgain {
			return
		}
		time.Sleep(postPause)
	}
}

// arrive runs on loop's thread. If the connection has left that it is not ours to touch.
func (w *waker) arrive(loop *event.Loop) {
	w.mu.Lock()
	here := w.loop == loop
	w.done = false
	w.mu.Unlock()
	if here {
		w.conn.resume()
		w.conn.settle()
	}
}
