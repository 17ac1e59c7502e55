package gateway

import (
	"net/netip"
	"sync/atomic"

	"github.com/frio-io/frio/radius"
)

// home returns home server i of the pool; the one behind the last is its fallback.
func (p *HomePool) home(i int) *homeState {
	if i == len(p.Homes) {
		return p.FallbackHome.state
	}
	return p.Homes[i].state
}

// each calls do for each home server of the pool, its fallback with them.
func (p *HomePool) each(do func(*homeState)) {
	for _, h := range p.Homes {
		do(h.state)
	}
	if p.FallbackHome != nil {
		do(p.FallbackHome.state)
	}
}

// downOf is whether none lives where requests with this code go.
func (p *HomePool) downOf(code radius.Code) *atomic.Bool {
	if p.split && code == radius.AccountingRequest {
		return &p.down[1]
	}
	return &p.down[0]
}

// choose returns the number of the home server that the request goes to next, below 0 if there is none: the one that has the session; one
// that may be back, now and then, which is the trial; of those that live the one that the pool's type says; of those that may be dead
// the same.
func (r *request) choose() (i int, trial bool) {
	p := r.pool
	if i := r.holder(); i >= 0 {
		return i, false
	}
	now := r.branch.now()
	living, zombies := uint64(0), uint64(0)
	for i := range p.Homes {
		h := p.home(i)
		if r.skip>>i&1 != 0 || r.loops(h) {
			continue
		}
		to := h.port(r.code)
		switch to.life() {
		case alive:
			living |= 1 << i
		case zombie:
			zombies |= 1 << i
		}
		if to.life() != alive && r.sent == 0 && to.takesTrial(now) {
			return i, true
		}
	}
	switch {
	case living != 0:
		return r.among(living), false
	case zombies != 0:
		return r.among(zombies), false
	case p.FallbackHome != nil && r.skip>>len(p.Homes)&1 == 0 && !r.loops(p.FallbackHome.state):
		return len(p.Homes), false
	}
	return -1, false
}

// holder is the home server that gave the State in the request, while it lives.
func (r *request) holder() int {
	if r.code != radius.AccessRequest || r.sent > 0 {
		return -1
	}
	state, ok := r.packet.Find(radius.State)
	if !ok {
		return -1
	}
	h := r.branch.gateway.sticky.get(state)
	if h == nil || h.port(r.code).life() == dead {
		return -1
	}
	for i := range r.pool.Homes {
		if r.pool.home(i) == h && r.skip>>i&1 == 0 {
			return i
		}
	}
	return -1
}

// loops tells whether h is the client itself, by its name.
func (r *request) loops(h *homeState) bool {
	if h.cfg.Name != r.client.Name {
		return false
	}
	switch h.cfg.LoopPrevention {
	case DemandYes:
		return true
	case DemandNo:
		return false
	}
	server := r.source.listen.cfg.Load().Server
	return server != nil && server.LoopPrevention
}

// among picks one of the home servers whose bits are set.
func (r *request) among(set uint64) int {
	p := r.pool
	if p.Balance == FailOver {
		for i := range p.Homes {
			if set>>i&1 != 0 {
				return i
			}
		}
	}
	if p.Balance == LoadBalance {
		return r.least(set)
	}
	// Rendezvous hashing: each home server has a number for each key, and the highest has it. When one goes only its own keys move.
	key, best, high := r.key(), -1, uint64(0)
	for i, h := range p.Homes {
		if set>>i&1 == 0 {
			continue
		}
		if n := mix(key ^ h.state.number); best < 0 || n > high {
			best, high = i, n
		}
	}
	return best
}

// least picks the one with the fewest requests under way, of equal ones any.
func (r *request) least(set uint64) int {
	best, low := -1, 0
	from := int(r.branch.random.Uint64() % uint64(len(r.pool.Homes)))
	for n := range r.pool.Homes {
		i := (from + n) % len(r.pool.Homes)
		if set>>i&1 == 0 {
			continue
		}
		if busy := r.pool.home(i).port(r.code).peer.Outstanding(); best < 0 || busy < low {
			best, low = i, busy
		}
	}
	return best
}

// key is what a pool's type shares the requests out by.
func (r *request) key() uint64 {
	switch r.pool.Balance {
	case ClientBalance:
		return hashAddr(netip.AddrPortFrom(r.peer().Addr(), 0))
	case ClientPortBalance:
		return hashAddr(r.peer())
	}
	var value []byte
	var ok bool
	if id := r.pool.key; id.Vendor != 0 {
		value, ok = r.packet.FindVendor(id.Vendor, id.Type)
	} else {
		value, ok = r.packet.Find(radius.Type(id.Type))
	}
	if !ok {
		// Without it what else all packets of a session have: the user and the NAS.
		user, _ := r.packet.Find(radius.UserName)
		nas, _ := r.packet.Find(radius.NASIdentifier)
		return hash(0, user) ^ hash(1, nas) ^ hashAddr(netip.AddrPortFrom(r.peer().Addr(), 0))
	}
	return hash(0, value)
}

// peer is where the request came from.
func (r *request) peer() netip.AddrPort {
	if r.addr.Remote.IsValid() {
		return r.addr.Remote
	}
	return r.source.conn.RemoteAddr()
}

func hashAddr(a netip.AddrPort) uint64 {
	b := a.Addr().As16()
	return hash(uint64(a.Port()), b[:])
}
