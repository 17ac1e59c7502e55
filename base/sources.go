package base

import (
	"net/netip"
	"sync"
)

// sourceShards is how many locks the table has: enough that a few accepting threads rarely meet.
const sourceShards = 16

// Sources counts what each source address holds, exactly, over threads. It has an entry only for addresses that
// hold something, so its size is bounded by max_connections. Thread: any.
type Sources struct {
	max    int
	shards [sourceShards]sourceShard
}

type sourceShard struct {
	mu    sync.Mutex
	count map[netip.Addr]int // guarded by mu
}

// NewSources allows max for each address; 0 is unlimited.
func NewSources(max int) *Sources { return &Sources{max: max} }

func (s *Sources) shard(a netip.Addr) *sourceShard {
	b := a.As16()
	h := uint32(2166136261) // FNV-1a
	for _, c := range b {
		h = (h ^ uint32(c)) * 16777619
	}
	return &s.shards[h%sourceShards]
}

// Take takes a slot of address a, or returns false if it has all it may have.
func (s *Sources) Take(a netip.Addr) bool {
	if s == nil || s.max == 0 {
		return true
	}
	sh := s.shard(a)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.count[a] >= s.max {
		return false
	}
	if sh.count == nil {
		sh.count = make(map[netip.Addr]int)
	}
	sh.count[a]++
	return true
}

// Give gives a slot back.
func (s *Sources) Give(a netip.Addr) {
	if s == nil || s.max == 0 {
		return
	}
	sh := s.shard(a)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	switch n := sh.count[a]; {
	case n <= 0:
		panic("base: a source slot was given back twice")
	case n == 1:
		delete(sh.count, a)
	default:
		sh.count[a] = n - 1
	}
}
