package transport

import (
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
)

// Pool is the connections of one lane to one Peer.
type Pool struct {
	peer  *Peer
	lane  *Lane
	links []*link // oldest first
	first *Call   // those that wait for a connection
	last  *Call
	waits int

	opening int          // of links: on their way
	start   int          // of Limits.Start: still to be opened
	count   atomic.Int64 // of links, for other threads, as of what follows
	ups     atomic.Int64 // of them that are up and take requests
	busy    atomic.Int64 // Calls
	need    time.Time    // since when all connections have been busy; zero: they are not
	pause   time.Duration
	next    time.Time      // no connection is opened before
	failed  bool           // a connection has failed since the last answer
	failure error          // of the last
	downErr error          // ErrDown with it
	random  func() float64 // for what must not be the same everywhere
	timer   event.Timer
	used    bool
	kept    bool // of the budget for connections one is kept, from gone to refill
	closing bool

	// OnDrain is called once when the program stops; Drain is then the owner's to call, when nothing more will come. nil: at once.
	OnDrain  func()
	draining bool
}

func newPool(peer *Peer, lane *Lane) *Pool {
	p := &Pool{peer: peer, lane: lane, random: rand.Float64}
	p.timer.Init((*upkeep)(p))
	return p
}

// Peer returns whose connections they are.
func (p *Pool) Peer() *Peer { return p.peer }

// Start has owner's request sent, now or when a connection is up. Errors: ErrBusy, ErrNoConnection, ErrDown, or that of Encode; then
// nothing has begun. c must be idle.
func (p *Pool) Start(c *Call, owner Caller) error {
	if c.pool != nil {
		panic("transport: Start of a call that is under way: " + c.owner.Describe())
	}
	if !p.peer.outstanding.Take(1) {
		return ErrBusy
	}
	c.pool, c.owner, c.since = p, owner, p.lane.loop.Now()
	p.busy.Add(1)
	err := p.begin(c)
	if err != nil && c.pool != nil {
		c.over()
	}
	return err
}

func (p *Pool) begin(c *Call) error {
	if p.closing {
		return ErrDown
	}
	if !p.used {
		p.used, p.start = true, p.peer.limits.Start
		p.openFirst()
	}
	if p.first == nil {
		if l := p.pick(); l != nil {
			return l.send(c)
		}
	}
	err := p.more(1)
	if p.first == nil {
		if l := p.pick(); l != nil { // datagrams: a socket is up at once
			return l.send(c)
		}
	}
	if err != nil && (len(p.links) == 0 || p.allRetire()) && (err != ErrNoConnection || !p.makesRoom()) {
		return err
	}
	if p.waits >= waitingMax {
		return ErrBusy
	}
	p.wait(c)
	return nil
}

// pick returns the oldest connection that takes one more request, nil if none does: so that those that are not needed become idle.
func (p *Pool) pick() *link {
	for _, l := range p.links {
		if l.takes() {
			p.need = time.Time{}
			return l
		}
	}
	return nil
}

func (p *Pool) allRetire() bool {
	for _, l := range p.links {
		if !l.retires {
			return false
		}
	}
	return true
}

// makesRoom tells whether a connection that takes no more gives its place to another one when what is under way on it is answered: it has served its
// time or its uses. One that is in doubt may keep its place for long.
func (p *Pool) makesRoom() bool {
	for _, l := range p.links {
		if l.retires && !l.doubted {
			return true
		}
	}
	return false
}

// openFirst opens what Limits.Start asks for, not more at a time than Limits.Connecting.
func (p *Pool) openFirst() {
	for p.start > 0 && p.opening < p.peer.limits.Connecting {
		p.start--
		if p.open() != nil {
			p.start = 0 // the request's own attempt tells what is the matter
		}
	}
}

// more opens a connection because all are busy, if that is due. count requests come to those that wait.
func (p *Pool) more(count int) error {
	limits := &p.peer.limits
	each := limits.Requests
	if limits.Uses > 0 {
		each = min(each, limits.Uses)
	}
	if p.opening >= limits.Connecting || p.waits+count <= p.opening*each {
		return nil // it waits for one of those that are on their way
	}
	if limits.OpenDelay > 0 && !p.allRetire() {
		now := p.lane.loop.Now()
		if p.need.IsZero() {
			p.need = now
		}
		if due := p.need.Add(limits.OpenDelay); now.Before(due) {
			p.arm(due)
			return nil
		}
	}
	return p.open()
}

// open opens a connection.
func (p *Pool) open() error {
	now := p.lane.loop.Now()
	switch {
	case p.closing:
		return ErrDown
	case now.Before(p.next):
		return p.down()
	case p.kept:
		p.kept = false
	case !p.peer.conns.Take(1):
		return ErrNoConnection
	}
	l := &link{pool: p, calls: make([]*Call, p.peer.proto.IDs), since: now, last: now}
	p.links = append(p.links, l)
	p.opening++
	p.publish()
	p.peer.Counts.Opened.Add(1)
	p.arm(now.Add(upkeepInterval))
	if err := l.dial(); err != nil {
		l.end(err)
		return p.down()
	}
	return nil
}

// publish tells other threads how many connections there are.
func (p *Pool) publish() {
	p.count.Store(int64(len(p.links)))
	p.ups.Store(int64(p.Up()))
}

// arm has upkeep come at the latest at a time.
func (p *Pool) arm(at time.Time) {
	if when := p.timer.When(); when.IsZero() || at.Before(when) {
		p.timer.Set(p.lane.loop, at)
	}
}

// down is ErrDown with the reason. It is made once: while a peer is down each request asks.
func (p *Pool) down() error {
	if p.failure == nil {
		return ErrDown
	}
	if p.downErr == nil {
		p.downErr = fmt.Errorf("%w: %w", ErrDown, p.failure)
	}
	return p.downErr
}

// wait puts c at the end of those that wait for a connection.
func (p *Pool) wait(c *Call) {
	c.waiting, c.prev, c.next = true, p.last, nil
	if p.last != nil {
		p.last.next = c
	} else {
		p.first = c
	}
	p.last = c
	p.waits++
}

func (p *Pool) unwait(c *Call) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		p.first = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		p.last = c.prev
	}
	c.waiting, c.prev, c.next = false, nil, nil
	p.waits--
	p.rest()
}

// rest stops the timer of a Pool that has no connection and nothing that waits for one: a loop that ends would find it left.
func (p *Pool) rest() {
	if len(p.links) == 0 && p.first == nil {
		p.timer.Stop()
	}
}

// serve gives what waits to connections that take it.
func (p *Pool) serve() {
	for p.first != nil {
		l := p.pick()
		if l == nil {
			return
		}
		c := p.first
		p.unwait(c)
		if err := l.send(c); err != nil && c.pool != nil {
			c.lost(err)
		}
	}
}

// gone takes a connection out. err is why it failed, nil if it ended in order.
func (p *Pool) gone(l *link, err error) {
	for i, one := range p.links {
		if one == l {
			p.links = append(p.links[:i], p.links[i+1:]...)
			break
		}
	}
	if !l.up {
		p.opening--
	}
	p.publish()
	if err == nil && p.first != nil && !p.kept {
		p.kept = true // if another lane took the place now, what waits here would have none to wait for
	} else {
		p.peer.conns.Give(1)
	}
	p.rest()
	if err == nil {
		return
	}
	p.peer.Counts.Failed.Add(1)
	p.failure, p.downErr = err, nil
	if !p.failed {
		// One failure may be of that connection alone: its peer was just restarted, or did not want its session resumed.
		p.failed = true
		return
	}
	// Connections that fail together are one failure.
	if now := p.lane.loop.Now(); !now.Before(p.next) {
		from := now
		if !l.up {
			from = l.since // an attempt that took its time has been the pause: the peer may be back by now
		}
		p.pause = min(max(2*p.pause, backoffMin), backoffMax)
		p.next = from.Add(p.pause - time.Duration(p.random()*float64(p.pause)/4))
	}
}

// refill goes on after a connection has come up or gone: with what waits, and what Start asks for.
func (p *Pool) refill() {
	p.openFirst()
	p.serve()
	if p.first != nil {
		if err := p.more(0); err != nil && len(p.links) == 0 {
			p.abandon(err)
		}
	}
	if p.kept {
		p.kept = false
		p.peer.conns.Give(1)
	}
}

// abandon tells those that wait that no connection comes, but not those that begin to wait meanwhile.
func (p *Pool) abandon(err error) {
	for count := p.waits; count > 0 && p.first != nil; count-- {
		p.first.lost(err)
	}
}

// proven is called when an answer was seen: only then a connection counts as good.
func (p *Pool) proven() {
	p.pause, p.next, p.failed, p.failure, p.downErr = 0, time.Time{}, false, nil, nil
}

// upkeep is the Pool as its timer sees it.
type upkeep Pool

func (u *upkeep) Describe() string { return "connections to " + u.peer.name }

func (u *upkeep) Expire(now time.Time) {
	p := (*Pool)(u)
	limits := &p.peer.limits
	keep := len(p.links)
	for _, l := range append([]*link(nil), p.links...) {
		idle := now.Sub(l.last)
		switch {
		case l.over:
			continue
		case l.count > 0 || !l.up:
		case l.retires,
			keep > limits.Min && limits.IdleTimeout > 0 && idle >= limits.IdleTimeout,
			keep > max(1, limits.Min) && idle >= limits.CloseDelay:
			keep--
			l.close()
			continue
		}
		if limits.Lifetime > 0 && now.Sub(l.since) >= limits.Lifetime {
			l.retire()
		}
	}
	p.refill()
	if len(p.links) > 0 || p.first != nil {
		p.arm(now.Add(upkeepInterval))
	}
}

// Drain closes the connections as they become idle, and opens none any more: Start gives ErrDown. What waits goes on those that
// there are, those on their way with them.
func (p *Pool) Drain() {
	p.closing, p.start = true, 0
	for _, l := range append([]*link(nil), p.links...) {
		l.leaveIdle()
	}
}

// Up is how many connections are open and take requests.
func (p *Pool) Up() (count int) {
	for _, l := range p.links {
		if l.up && !l.retires {
			count++
		}
	}
	return count
}

// Debug writes everything about the connections.
func (p *Pool) Debug(w io.Writer) {
	fmt.Fprintf(w, "%s: %d connections, %d on their way, %d requests under way, %d waiting\n", p.lane.loop.Context().Name(),
		len(p.links), p.opening, p.busy.Load(), p.waits)
	in := frio.Indent(w)
	if p.failure != nil {
		fmt.Fprintf(in, "last failure: %v\n", p.failure)
	}
	for _, l := range p.links {
		fmt.Fprintf(in, "%d under way, %d carried\n", l.count, l.uses)
		if l.conn != nil && l.conn.io != nil {
			l.conn.Debug(frio.Indent(in))
		}
	}
}
