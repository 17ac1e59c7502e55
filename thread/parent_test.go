package thread_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/thread"
)

// crowd is a server with many clients that stay, when all are connected and have had an answer.
type crowd struct {
	*server
	clients []*thread.Member
	gone    sync.WaitGroup // the clients
}

func gather(t *testing.T, p *thread.Pool, s stack, count int) *crowd {
	t.Helper()
	threads := p.Threads()
	c := &crowd{server: serve(t, threads[0], s, "max_connections = unlimited\n")}
	c.gone.Add(count)
	c.stays = new(sync.WaitGroup)
	c.stays.Add(count)
	for i, th := range threads {
		share := count / len(threads)
		c.clients = append(c.clients, c.dial(th, i*share, share, 100, func(*client) { c.gone.Done() })...)
	}
	c.stays.Wait()
	return c
}

// handles are what the listener knows of its children, by thread.
func (c *crowd) handles() map[string]int {
	found := map[string]int{}
	on(c.t, c.m.Thread(), func() {
		seen := map[uint64]bool{}
		c.io.(frio.Parent).Children(func(h frio.Handle) bool {
			found[h.Thread]++
			if seen[h.ID] || h.ID == 0 || h.Name == "" {
				c.t.Errorf("handle %+v", h)
			}
			seen[h.ID] = true
			return true
		})
	})
	return found
}

func (c *crowd) over() {
	c.t.Helper()
	done := make(chan struct{})
	go func() { c.gone.Wait(); close(done) }()
	wait(c.t, done, "the clients to see the end")
}

func TestParentKnowsChildrenElsewhere(t *testing.T) {
	p := pool(t, thread.Config{Network: 4})
	c := gather(t, p, stacks[0], 40)
	sum := 0
	for name, n := range c.handles() {
		sum += n
		if n == 40 {
			t.Errorf("all children are on thread %q", name)
		}
	}
	if sum != 40 {
		t.Errorf("%d children known, want 40", sum)
	}
	for _, m := range c.clients {
		on(t, m.Thread(), func() { m.IO().Close(); m.Context().Free() })
		c.gone.Done()
	}
	c.until("the children are gone", func() bool { return c.open.Load() == 0 })
	c.until("the listener has forgotten them", func() bool { return len(c.handles()) == 0 })
}

// A parent that closes, or whose context is freed, while its children live on other threads has them closed there.
func TestParentClosed(t *testing.T) {
	for _, how := range []string{"Close", "Free"} {
		t.Run(how, func(t *testing.T) {
			p := pool(t, thread.Config{Network: 4})
			c := gather(t, p, stacks[0], 200)
			c.clients = nil
			on(t, p.Threads()[0], func() {
				if how == "Close" {
					c.io.Close()
				}
				c.ctx.Free() // at once: who waits for the answers is not in it
			})
			c.over()
			c.until("the children are closed", func() bool { return c.open.Load() == 0 })
			if n := c.ends.Load(); n != 200 {
				t.Errorf("%d children were told to end, want 200", n)
			}
			c.until("nobody is left", func() bool { return p.Members() == 0 })
		})
	}
}

// Children close by themselves, because their clients go, while the parent closes and both are being moved.
func TestChildClosedWhileParentCloses(t *testing.T) {
	for round := range 5 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			p := pool(t, thread.Config{Network: 4})
			c := gather(t, p, stacks[0], 200)
			stop, moved := make(chan struct{}), make(chan int)
			c.mu.Lock()
			list := append(append(c.clients, c.list...), c.m)
			c.mu.Unlock()
			go func() { moved <- shuffle(t, p, uint64(round), func() []*thread.Member { return list }, stop) }()
			for i, m := range c.clients {
				if i%2 == 0 {
					_ = m.Move(p.Threads()[i/2%4])
				}
				c.quit(m)
				if i == 40*round {
					c.quit(c.m)
				}
			}
			c.over()
			c.until("nobody is left", func() bool { return p.Members() == 0 })
			close(stop)
			<-moved
			if n := c.open.Load(); n != 0 {
				t.Errorf("%d children open", n)
			}
			if n := c.ends.Load(); n > 200 {
				t.Errorf("%d children were told to end of 200", n)
			}
		})
	}
}

// A thread is removed while children are placed on it: they go on elsewhere, and so does the listener.
func TestRemove(t *testing.T) {
	for _, s := range stacks {
		t.Run(s.name, func(t *testing.T) {
			p := pool(t, thread.Config{Network: 4})
			threads := p.Threads()
			srv := serve(t, threads[0], s, "max_connections = unlimited\n")
			srv.moves = 2
			count := 400
			if s.secure != nil {
				count = 80 // the last handshake must not wait for its turn longer than handshake_timeout
			}
			var running sync.WaitGroup
			running.Add(count)
			for i := range 8 {
				srv.dial(threads[3], i*count/8, count/8, 8_000, func(*client) { running.Done() })
				if i == 2 || i == 5 {
					// The listener's own thread first.
					if err := p.Remove(threads[i/3], patience); err != nil {
						t.Fatal(err)
					}
				}
			}
			done := make(chan struct{})
			go func() { running.Wait(); close(done) }()
			wait(t, done, "all bytes to come back")
			for _, th := range threads[:2] {
				if err := th.Send(func() {}); err == nil {
					t.Errorf("%s takes a function after it was removed", th.Name())
				}
				if n := th.Stats().Members; n != 0 {
					t.Errorf("%d members on %s", n, th.Name())
				}
			}
			if len(p.Threads()) != 2 || srv.m.Thread() == threads[0] {
				t.Errorf("%d threads are left, the listener is on %s", len(p.Threads()), srv.m.Thread().Name())
			}
			srv.until("the children are closed", func() bool { return srv.open.Load() == 0 })
			if err := p.Remove(threads[2], patience); err != nil {
				t.Fatal(err)
			}
			if err := p.Remove(threads[3], patience); err == nil {
				t.Error("the last thread was removed")
			}
			if cut := stop(t, p); !cut.None() {
				t.Errorf("%v", cut)
			}
		})
	}
}
