package transport

import (
	"fmt"
	"sync"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/queue"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
)

const (
	// batchMax is how many datagrams are moved in a call, and reserveMax what a batch may take of the ring: a quarter.
	batchMax   = 64
	reserveMax = queue.RingBytes / 4
	// turnReads and turnDatagrams, four batches, bound what one callback reads, so that one busy connection does not hold up the
	// others of its thread.
	turnReads     = 8
	turnDatagrams = 4 * batchMax
	// arenaBytes is what the datagrams of a turn may take before they are sent: 64 of the largest RADIUS packets.
	arenaBytes = 256 << 10
)

// Lane is what the connections of one thread share: the ring that they read into, and what is to be sent at the end of the turn.
type Lane struct {
	loop   *event.Loop
	thread *thread.Thread // nil of one that was given a loop
	ctx    *talloc.Context
	set    *queue.Set[header]
	index  int

	message Message // that is lent
	conns   *Conn   // the newest of those that live here
	in      [batchMax]frio.Packet
	out     [batchMax]frio.Packet
	task    event.Task
	dirty   []*Conn // with something to send
	posts   []post  // datagrams to be sent
	arena   []byte  // their data
	used    int     // of arena
	mu      sync.Mutex
	ends    []func() // guarded by mu
	// flushing: no user is called, what there is to tell is told later. reading: the reservation of set is in use.
	flushing, reading bool
}

// post is a datagram to be sent, in the list of its Conn.
type post struct {
	packet frio.Packet
	next   int32 // -1: none
}

// NewLane makes the lane of a loop, whose memory belongs to ctx. index is its number among its like, for Peer.
func NewLane(loop *event.Loop, ctx *talloc.Context, index int) (*Lane, error) {
	own, err := ctx.New("lane")
	if err != nil {
		return nil, fmt.Errorf("transport: %w", err)
	}
	l := &Lane{loop: loop, ctx: own, index: index}
	if l.set, err = queue.NewSet[header](own, queue.Headers, queue.RingBytes); err != nil {
		own.Free()
		return nil, fmt.Errorf("transport: memory of messages: %w", err)
	}
	own.OnFree(l)
	l.task.Init((*flusher)(l))
	return l, nil
}

// Destroy takes what the lane has out of its loop, when its context is freed: before the loop ends.
func (l *Lane) Destroy() {
	l.task.Cancel()
	l.mu.Lock()
	ends := l.ends
	l.mu.Unlock()
	for _, end := range ends {
		end()
	}
}

// OnEnd has f called on the lane's thread when it ends, to take timers out of the loop. Thread: any.
func (l *Lane) OnEnd(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends = append(l.ends, f)
}

// Loop returns the loop. Thread: any.
func (l *Lane) Loop() *event.Loop { return l.loop }

// Thread returns the thread, nil of a lane that was given a loop. Thread: any.
func (l *Lane) Thread() *thread.Thread { return l.thread }

// Context owns what lives as long as the lane; freeing it ends the lane.
func (l *Lane) Context() *talloc.Context { return l.ctx }

// Index is the lane's number, from 0. Thread: any.
func (l *Lane) Index() int { return l.index }

// Lanes are those of a pool's network threads. They do not change. Thread: any.
type Lanes []*Lane

// NewLanes makes a lane for each network thread of a pool that has not been started.
func NewLanes(pool *thread.Pool) (Lanes, error) {
	var list Lanes
	for i, t := range pool.Threads() {
		l, err := NewLane(t.Loop(), t.Root(), i)
		if err != nil {
			return nil, err
		}
		l.thread = t
		list = append(list, l)
	}
	return list, nil
}

// postPause is how soon Do tries a loop again that has too much to do.
const postPause = 5 * time.Millisecond

// Do calls f on each lane's thread, with the lane's number, and waits for that until late; false: one has not come to it, or its loop has
// ended. Thread: none of the lanes'.
func (s Lanes) Do(late time.Time, f func(at int)) bool {
	done := make(chan struct{}, len(s))
	count := 0
	for i, l := range s {
		run := func() {
			f(i)
			done <- struct{}{}
		}
		err := l.loop.Post(run)
		for err == frio.ErrAgain && time.Now().Before(late) {
			time.Sleep(postPause)
			err = l.loop.Post(run)
		}
		if err == nil {
			count++
		}
	}
	timer := time.NewTimer(time.Until(late))
	defer timer.Stop()
	for range count {
		select {
		case <-done:
		case <-timer.C:
			return false
		}
	}
	return count == len(s)
}

// of returns the lane of a thread. A thread of another pool panics.
func (s Lanes) of(t *thread.Thread) *Lane {
	for _, l := range s {
		if l.thread == t {
			return l
		}
	}
	panic("transport: " + t.Name() + " is of another pool")
}

// flusher is the lane as its task sees it.
type flusher Lane

func (f *flusher) RunTask()         { (*Lane)(f).Flush() }
func (f *flusher) Describe() string { return "what a lane has to send" }

// soil has c flushed at the end of the turn.
func (l *Lane) soil(c *Conn) {
	if c.dirty {
		return
	}
	c.dirty = true
	l.dirty = append(l.dirty, c)
	l.loop.Defer(&l.task)
}

// Flush sends what waits to be sent now, not at the end of the turn.
func (l *Lane) Flush() {
	if l.flushing {
		return
	}
	l.flushing = true
	for i := 0; i < len(l.dirty); i++ {
		c := l.dirty[i]
		l.dirty[i] = nil
		if c == nil || !c.dirty {
			continue // closed meanwhile
		}
		c.dirty = false
		if c.datagram {
			c.flushPosts()
		} else {
			c.flush()
		}
	}
	l.dirty, l.posts, l.used = l.dirty[:0], l.posts[:0], 0
	l.flushing = false
}

// room returns n bytes of the arena; what is in it is sent first if they do not fit. The bytes are the caller's only after take.
func (l *Lane) room(n int) []byte {
	if l.arena == nil {
		l.arena = make([]byte, arenaBytes)
	}
	if len(l.arena)-l.used < n {
		l.Flush()
	}
	end := min(l.used+n, len(l.arena))
	return l.arena[l.used:l.used:end]
}

// add and remove keep the list of those that live on the lane.
func (l *Lane) add(c *Conn) {
	c.prev, c.next = nil, l.conns
	if c.next != nil {
		c.next.prev = c
	}
	l.conns = c
}

func (l *Lane) remove(c *Conn) {
	if c.prev != nil {
		c.prev.next = c.next
	} else if l.conns == c {
		l.conns = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.next, c.prev = nil, nil
}

// Each calls f for the connections that live here; f may close any of them.
func (l *Lane) Each(f func(c *Conn)) {
	var list []*Conn
	for c := l.conns; c != nil; c = c.next {
		list = append(list, c)
	}
	for _, c := range list {
		if c.lane == l && !c.over {
			f(c)
		}
	}
}
