package gateway

import "github.com/frio-io/frio/radius"

// proceed sends the request to the next home server that takes it, of its pool or of realm DEFAULT's; false if there is none.
func (r *request) proceed() bool {
	return r.advance() || r.fallBack() && r.advance()
}

// advance sends the request to the next home server of its pool that takes it; false if there is none.
func (r *request) advance() bool {
	for r.sent < homesMax && r.broken == nil {
		i, trial := r.choose()
		if i < 0 {
			return false
		}
		r.trial = trial
		if r.try(i) {
			return true
		}
		r.skip |= 1 << i
	}
	return false
}

// fallBack gives a request of another realm to realm DEFAULT, if default_fallback says so; false if there is nobody to ask there.
func (r *request) fallBack() bool {
	cfg := r.branch.gateway.current.Load()
	other := cfg.Realms.Default
	if !cfg.DefaultFallback || other == nil || r.realm == nil || r.realm == other || r.broken != nil || r.sent == homesMax {
		return false
	}
	pool := other.Auth
	switch r.code {
	case radius.AccountingRequest:
		pool = other.Acct
	case radius.CoARequest, radius.DisconnectRequest:
		pool = other.CoA
	}
	if pool == nil {
		return false
	}
	user, err := r.newName() // without the strip of the realm before
	if err != nil {
		return false
	}
	if other.Strip {
		_, end := cfg.Realms.Find(user)
		r.userName = user[:end]
	}
	if !r.pool.lives(r.code) {
		r.branch.gateway.allDown(r.pool, r.code, "realm DEFAULT")
	}
	before, had := r.pool, r.skip
	r.realm, r.pool, r.skip, r.missing = other, pool, 0, -1
	for i := range before.size() {
		if had>>i&1 != 0 {
			r.avoid(before.home(i))
		}
	}
	return true
}

// avoid has h not be asked any more, whichever pool it was asked for.
func (r *request) avoid(h *homeState) {
	for i := range r.pool.size() {
		if r.pool.home(i) == h {
			r.skip |= 1 << i
		}
	}
}

// size is how many home servers the pool has, its fallback with them.
func (p *HomePool) size() int {
	if p.FallbackHome != nil {
		return len(p.Homes) + 1
	}
	return len(p.Homes)
}

// lives tells whether one of them does, at the port of requests with this code.
func (p *HomePool) lives(code radius.Code) bool {
	for i := range p.size() {
		if p.home(i).port(code).life() == alive {
			return true
		}
	}
	return false
}
