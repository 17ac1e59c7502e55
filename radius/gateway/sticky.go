package gateway

import (
	"hash/maphash"
	"sync"
)

const (
	// stickyMax is how many states are remembered: the EAP sessions of a minute at 4,000 a second.
	stickyMax = stickyShards * stickyShard
	// stickyShards is how many threads may look at the same time, as a rule.
	stickyShards = 64
	stickyShard  = 4 << 10
)

// sticky remembers which home server gave a State, so that the session's next request meets it again, whatever thread that comes to. One that
// falls on the place of another takes it: that one is then routed as if it had no State. Thread: any.
type sticky struct {
	seed   maphash.Seed
	shards [stickyShards]stickyPart
}

type stickyPart struct {
	mu      sync.Mutex
	entries []stickyEntry // guarded by mu; nil before the first
}

type stickyEntry struct {
	hash uint64
	home *homeState
}

// at is the part for a state, and the place in it.
func (s *sticky) at(state []byte) (p *stickyPart, place int, hash uint64) {
	hash = maphash.Bytes(s.seed, state)
	n := hash % stickyMax
	return &s.shards[n%stickyShards], int(n / stickyShards), hash
}

// put remembers that home gave state.
func (s *sticky) put(state []byte, home *homeState) {
	p, place, hash := s.at(state)
	p.mu.Lock()
	defer p.mu.Unlock()
	if home.gone.Load() {
		return // forget may have been here
	}
	if p.entries == nil {
		p.entries = make([]stickyEntry, stickyShard)
	}
	p.entries[place] = stickyEntry{hash, home}
}

// get returns who gave state, nil if that is not known.
func (s *sticky) get(state []byte) *homeState {
	p, place, hash := s.at(state)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.entries == nil || p.entries[place].hash != hash {
		return nil
	}
	return p.entries[place].home
}

// forget leaves out the home servers that are in no configuration any more.
func (s *sticky) forget() {
	for i := range s.shards {
		p := &s.shards[i]
		p.mu.Lock()
		for n := range p.entries {
			if e := &p.entries[n]; e.home != nil && e.home.gone.Load() {
				*e = stickyEntry{}
			}
		}
		p.mu.Unlock()
	}
}
