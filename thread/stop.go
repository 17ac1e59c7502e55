package thread

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/frio-io/frio/event"
)

const (
	// stuckGrace is how long Stop waits, after its limit, for threads that are in a callback.
	stuckGrace = time.Second
	// namesMax bounds the names in a Cut.
	namesMax = 16
)

// Cut is what Stop could not wait for.
type Cut struct {
	Members   int      // IOs that were open when the time was over, listeners not counted
	Unsent    int      // bytes that closed connections had left to send
	Closing   int      // closed connections that were given up
	Functions int      // of Send, not called
	Stuck     []string // threads whose callback did not return: what they have is not freed
	Names     []string // of the first 16 members and connections
}

// None tells whether nothing was cut.
func (c *Cut) None() bool {
	return c.Members == 0 && c.Closing == 0 && c.Functions == 0 && len(c.Stuck) == 0
}

// String says it in one line.
func (c *Cut) String() string {
	if c.None() {
		return "nothing was cut"
	}
	text := fmt.Sprintf("cut: %d open, %d closing with %d bytes unsent, %d functions", c.Members, c.Closing, c.Unsent, c.Functions)
	if len(c.Stuck) > 0 {
		text += ", stuck: " + strings.Join(c.Stuck, ", ")
	}
	if len(c.Names) > 0 {
		text += ": " + strings.Join(c.Names, ", ")
	}
	return text
}

// cut gathers a Cut from all threads.
type cut struct {
	mu sync.Mutex
	Cut
}

func (c *cut) nameLocked(name string) {
	if len(c.Names) < namesMax {
		c.Names = append(c.Names, name)
	}
}

func (c *cut) member(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Members++
	c.nameLocked(name)
}

func (c *cut) aborted(e *event.AbortError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Closing++
	c.Unsent += e.Unsent
	c.nameLocked(e.Closer)
}

func (c *cut) function() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Functions++
}

// Stop ends the pool. It asks all members to end (User.End with ErrStopping) and waits, at most limit, until those that are no
// listeners are over; then it ends what is left (ErrStopped), waits for the rest of limit until what is closed was sent, and ends the threads.
// What it could not wait for is in the Cut. All memory of the threads is freed. The error is that of threads that had failed. A second
// Stop returns net.ErrClosed. Thread: any that is not the pool's.
func (p *Pool) Stop(limit time.Duration) (*Cut, error) {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	all, quiet, err := p.begin()
	if err != nil {
		return nil, err
	}
	late := false
	select {
	case <-quiet:
	case <-deadline.C:
		late = true
	}
	p.cutting.Store(true)
	for _, t := range all {
		t.order(orderCut)
	}
	for _, t := range all {
		if !late {
			select {
			case <-t.ended:
				continue
			case <-deadline.C:
				late = true
			}
		}
	}
	if late {
		for _, t := range all {
			t.order(orderAbort)
		}
	}
	return p.finish(all)
}

// begin asks the members to end. quiet is closed when they have.
func (p *Pool) begin() (all []*Thread, quiet chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping.Swap(true) {
		return nil, nil, net.ErrClosed
	}
	quiet = make(chan struct{})
	if !p.started {
		for _, t := range p.all {
			close(t.ended)
		}
	}
	if p.serving.Load() == 0 || !p.started {
		close(quiet)
	} else {
		p.quiet = quiet
	}
	for _, t := range p.all {
		t.order(orderDrain)
	}
	return p.all, quiet, nil
}

// finish waits for the threads to end and clears up.
func (p *Pool) finish(all []*Thread) (*Cut, error) {
	grace := time.NewTimer(stuckGrace)
	defer grace.Stop()
	gone := false
	var errs []error
	for _, t := range all {
		select {
		case <-t.ended:
		default:
			if !gone {
				select {
				case <-t.ended:
				case <-grace.C:
					gone = true
				}
			}
		}
		select {
		case <-t.ended:
			t.clear()
			errs = append(errs, t.err)
		default:
			p.cut.mu.Lock()
			p.cut.Stuck = append(p.cut.Stuck, t.name)
			p.cut.mu.Unlock()
		}
	}
	p.cut.mu.Lock()
	defer p.cut.mu.Unlock()
	result := p.cut.Cut
	return &result, errors.Join(errs...)
}

// Wait waits until the thread has ended, and frees what it had: for one that Stop reported as stuck. Thread: any that is not the pool's.
func (t *Thread) Wait() {
	<-t.ended
	t.clear()
}

// endAll tells all members, children first, to end.
func (t *Thread) endAll(tell func(m *Member)) {
	list := t.list()
	for _, listeners := range []bool{false, true} {
		for _, m := range list {
			if m.listener == listeners && !m.isOver() {
				tell(m)
			}
		}
	}
}

// recalled gets what was in the mailbox of a thread that has ended.
func (t *Thread) recalled(m message) {
	switch {
	case m.member != nil:
		t.room.Give(1)
		m.member.abandon()
	case m.run != nil:
		t.room.Give(1)
		t.pool.cut.function()
	}
}
