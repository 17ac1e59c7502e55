package thread

import (
	"errors"
	"fmt"
	"hash/maphash"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/queue"
	"github.com/frio-io/frio/sock"
)

// networkMax bounds the threads of each kind: what is asked of all of them is a scan.
const networkMax = 256

// Placement says how a thread is found for a new child.
type Placement uint8

const (
	LeastLoaded Placement = iota // the thread with the fewest members; of equal ones the first
	ByPeer                       // by the hash of the peer's address: one address is served by one thread
)

// Config of a Pool; the zero value is the default of each.
type Config struct {
	Network   int         // network threads, 1 to 256; 0: one per core
	Workers   int         // worker threads, 0 to 256
	Depth     int         // functions and members that may wait for a thread: a power of two from 2 to 512 Ki; default queue.Depth
	Placement Placement   // default LeastLoaded
	Kernel    sock.Kernel // default the system's
	// CloseTimeout, MaxClosing and Coalesce are those of event.Config.
	CloseTimeout time.Duration
	MaxClosing   int
	Coalesce     time.Duration
	// OnError is told what a thread's loop could not do (event.Config), and what ended a thread; nil: nobody. It runs on that
	// thread and must not block.
	OnError func(t *Thread, err error)
}

// Pool is the threads of a program.
//
//	made -Start-> running -Stop-> stopped
//	made -Stop-> stopped
type Pool struct {
	cfg      Config
	workers  []*Thread
	seed     maphash.Seed
	serving  atomic.Int64 // members that are no listeners: what Stop waits for
	members  atomic.Int64
	stopping atomic.Bool
	cutting  atomic.Bool // Stop waits no more
	cut      cut

	mu      sync.Mutex
	started bool                      // guarded by mu
	network atomic.Pointer[[]*Thread] // replaced under mu; those that Remove takes out are not in it
	all     []*Thread                 // guarded by mu; until they are cleared
	quiet   chan struct{}             // guarded by mu: closed when serving is 0; nil: nobody waits
}

// New makes the threads of a pool, which do nothing before Start. Errors are those of the loops.
func New(cfg Config) (*Pool, error) {
	if cfg.Network == 0 {
		cfg.Network = min(runtime.GOMAXPROCS(0), networkMax)
	}
	if cfg.Depth == 0 {
		cfg.Depth = queue.Depth
	}
	if cfg.Kernel == nil {
		cfg.Kernel = sock.System
	}
	if cfg.Network < 1 || cfg.Network > networkMax || cfg.Workers < 0 || cfg.Workers > networkMax {
		return nil, fmt.Errorf("thread: %d network and %d worker threads: 1 to %d and 0 to %d are possible", cfg.Network, cfg.Workers, networkMax, networkMax)
	}
	p := &Pool{cfg: cfg, seed: maphash.MakeSeed()}
	var network []*Thread
	for i := range cfg.Network + cfg.Workers {
		name, worker := "network "+strconv.Itoa(i+1), i >= cfg.Network
		if worker {
			name = "worker " + strconv.Itoa(i-cfg.Network+1)
		}
		t, err := newThread(p, name, worker)
		if err != nil {
			for _, made := range p.all {
				made.clear()
			}
			return nil, err
		}
		p.all = append(p.all, t)
		if worker {
			p.workers = append(p.workers, t)
		} else {
			network = append(network, t)
		}
	}
	p.network.Store(&network)
	return p, nil
}

// Start starts the threads. What was sent to them before is done first. A second Start panics.
func (p *Pool) Start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.started || p.stopping.Load() {
		panic("thread: Start of a pool that was started or stopped")
	}
	p.started = true
	for _, t := range p.all {
		go t.run()
	}
}

// Threads returns the network threads, without those that Remove has taken out. It is not to be changed. Thread: any.
func (p *Pool) Threads() []*Thread { return *p.network.Load() }

// Workers returns the worker threads. It is not to be changed. Thread: any.
func (p *Pool) Workers() []*Thread { return p.workers }

// Members is how many IOs the pool looks after. Thread: any.
func (p *Pool) Members() int { return int(p.members.Load()) }

// Place returns the thread for a child of peer, which ByPeer asks for: the least loaded, or that of the peer's address. Thread: any.
func (p *Pool) Place(peer netip.AddrPort) *Thread {
	list := p.Threads()
	if p.cfg.Placement == ByPeer && peer.IsValid() {
		// The highest of a number for each thread: when one goes, only its own peers move.
		peer := maphash.Comparable(p.seed, peer.Addr().Unmap())
		best, high := list[0], uint64(0)
		for _, t := range list {
			if h := mix(peer + uint64(t.index)); h >= high {
				best, high = t, h
			}
		}
		return best
	}
	return leastLoaded(list)
}

// mix spreads neighbouring numbers over all of 64 bits (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x *= 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func leastLoaded(list []*Thread) *Thread {
	best, low := list[0], list[0].load.Load()
	for _, t := range list[1:] {
		if n := t.load.Load(); n < low {
			best, low = t, n
		}
	}
	return best
}

// find returns a thread for a child of peer with a place taken in its mailbox, or here, where none is needed. other asks for one that
// is not here; nil if there is none with room.
func (p *Pool) find(peer netip.AddrPort, here *Thread, other bool) *Thread {
	first := p.Place(peer)
	if first == here && !other || first != here && first.reserve() == nil {
		return first
	}
	// The thread that it should be has no room: whoever has will do, rather than nobody.
	for _, t := range p.Threads() {
		if t != here && t != first && t.reserve() == nil {
			return t
		}
	}
	if other {
		return nil
	}
	return here
}

// Remove takes a network thread out: its members move to the others, listeners included, and it ends. It waits for that, at most
// limit; the error then says how many are left, and they go on moving: call it again to wait for them. Where the other threads have no room, their
// members wait. The last thread cannot be removed. Thread: any that is not the pool's.
func (p *Pool) Remove(t *Thread, limit time.Duration) error {
	if err := p.retire(t); err != nil {
		return err
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-t.ended:
	case <-timer.C:
		return fmt.Errorf("thread: remove %s: %d left after %v", t.name, t.load.Load(), limit)
	}
	t.clear()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, one := range p.all {
		if one == t {
			p.all = append(p.all[:i:i], p.all[i+1:]...)
			break
		}
	}
	return t.err
}

// retire has nothing be placed on t any more, and t give away what it has.
func (p *Pool) retire(t *Thread) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.Threads()
	switch {
	case t.pool != p || t.worker:
		return errors.ErrUnsupported
	case p.stopping.Load() || !p.started:
		return net.ErrClosed
	case t.leaving.Load():
		return nil
	case len(list) == 1:
		return errors.New("thread: remove " + t.name + ": it is the last")
	}
	rest := make([]*Thread, 0, len(list)-1)
	for _, one := range list {
		if one != t {
			rest = append(rest, one)
		}
	}
	p.network.Store(&rest)
	t.leaving.Store(true)
	t.order(orderLeave)
	return nil
}

// joined and left count the members.
func (p *Pool) joined(m *Member) {
	p.members.Add(1)
	if !m.listener {
		p.serving.Add(1)
	}
}

func (p *Pool) left(m *Member) {
	p.members.Add(-1)
	if m.listener || p.serving.Add(-1) > 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quiet != nil {
		close(p.quiet)
		p.quiet = nil
	}
}

// peerOf is the peer that an IO was accepted from, or tries; none if it does not tell.
func peerOf(io frio.IO) netip.AddrPort {
	if a, ok := io.(frio.Addresser); ok {
		return a.RemoteAddr()
	}
	return netip.AddrPort{}
}
