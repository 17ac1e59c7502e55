package event

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

const (
	// lookupsMax is how many resolutions are under way at one time: each is a goroutine and often a thread in the
	// C library; 32 keep a slow name server busy and are no burden here.
	lookupsMax = 32
	// lookupsWaitingMax bounds those that wait: at 5 s for a name that times out, the last of 1024 is tried after 160 s,
	// when whoever asked has given up.
	lookupsWaitingMax = 1024
)

// errLookupsFull is the result of a look-up for which there was no room.
var errLookupsFull = errors.New("event: too many name resolutions are waiting")

// resolve is the system's resolver; tests replace it.
var resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// resolver runs look-ups, the first to come first.
type resolver struct {
	mu          sync.Mutex
	underWay    int
	waiting     int
	first, last *lookup
}

var resolutions resolver

// lookup is one name on its way. The resolver's lock guards prev, next and queued.
type lookup struct {
	host       string
	ctx        context.Context
	stop       context.CancelFunc
	prev, next *lookup
	queued     bool

	mu     sync.Mutex
	done   bool
	addrs  []netip.Addr
	err    error
	notify func()
}

var _ Lookup = (*lookup)(nil)

// NewLookup resolves host with the system's resolver on another goroutine: IPv4 and IPv6 addresses in the resolver's order, mapped
// ones as IPv4, without zones. An IP literal has its result at once. 32 are under way at one time and 1024 wait; more
// fail at once. notify is as in System.Lookup. Thread: any.
func NewLookup(host string, notify func()) Lookup {
	l := &lookup{host: host, notify: notify}
	if addr, err := netip.ParseAddr(host); err == nil {
		l.finish([]netip.Addr{addr}, nil)
		return l
	}
	l.ctx, l.stop = context.WithCancel(context.Background())
	if !resolutions.start(l) {
		l.finish(nil, errLookupsFull)
	}
	return l
}

// Result returns the addresses; see Lookup.
func (l *lookup) Result() ([]netip.Addr, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.done {
		return nil, syscall.EAGAIN
	}
	return l.addrs, l.err
}

// SetNotify replaces notify; see Lookup.
func (l *lookup) SetNotify(notify func()) {
	l.mu.Lock()
	if !l.done {
		l.notify = notify
		l.mu.Unlock()
		return
	}
	cancelled := l.err == net.ErrClosed
	l.mu.Unlock()
	if notify != nil && !cancelled {
		notify()
	}
}

// Cancel gives the look-up up; its result is net.ErrClosed if there was none yet.
func (l *lookup) Cancel() {
	l.mu.Lock()
	l.notify = nil
	if l.done {
		l.mu.Unlock()
		return
	}
	l.done, l.err = true, net.ErrClosed
	l.mu.Unlock()
	l.stop()
	resolutions.forget(l)
}

// finish keeps the result and tells, unless the look-up was cancelled.
func (l *lookup) finish(addrs []netip.Addr, err error) {
	for i, a := range addrs {
		addrs[i] = a.Unmap().WithZone("")
	}
	l.mu.Lock()
	if l.done {
		l.mu.Unlock()
		return
	}
	l.done, l.addrs, l.err = true, addrs, err
	notify := l.notify
	l.notify = nil
	l.mu.Unlock()
	if l.stop != nil {
		l.stop()
	}
	if notify != nil {
		notify()
	}
}

// start runs l, or lets it wait; false if there is no room.
func (r *resolver) start(l *lookup) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.underWay < lookupsMax {
		r.underWay++
		go r.run(l)
		return true
	}
	if r.waiting == lookupsWaitingMax {
		return false
	}
	l.queued, l.prev = true, r.last
	if r.last != nil {
		r.last.next = l
	} else {
		r.first = l
	}
	r.last = l
	r.waiting++
	return true
}

// run resolves l and then what waits, until nothing does.
func (r *resolver) run(l *lookup) {
	for l != nil {
		l.finish(resolve(l.ctx, l.host))
		l = r.take()
	}
}

// take returns the first that waits. Without one the caller ends.
func (r *resolver) take() *lookup {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.first
	if l == nil {
		r.underWay--
		return nil
	}
	r.unlinkLocked(l)
	return l
}

// forget takes l out of those that wait.
func (r *resolver) forget(l *lookup) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.queued {
		r.unlinkLocked(l)
	}
}

func (r *resolver) unlinkLocked(l *lookup) {
	if l.prev != nil {
		l.prev.next = l.next
	} else {
		r.first = l.next
	}
	if l.next != nil {
		l.next.prev = l.prev
	} else {
		r.last = l.prev
	}
	l.prev, l.next, l.queued = nil, nil, false
	r.waiting--
}
