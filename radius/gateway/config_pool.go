package gateway

import (
	"slices"
	"strings"

	"github.com/frio-io/frio/conf"
)

// defaultKey is what keyed-balance goes by: the same for all packets of one EAP session.
const defaultKey = "Calling-Station-Id"

type poolKeys struct {
	Type       Balance      `conf:"type"`
	HomeServer []*conf.Pair `conf:"home_server"`
	Key        *conf.Pair   `conf:"key"`
	Fallback   *conf.Pair   `conf:"fallback"`
}

func (r *reader) readPools(root *conf.Section) {
	for _, cs := range r.named(root, "home_server_pool") {
		pool := r.pool(cs)
		r.cfg.Pools = append(r.cfg.Pools, pool)
		if _, taken := r.pools[pool.Name]; !taken {
			r.pools[pool.Name] = pool
		}
	}
}

// pool reads one home_server_pool.
func (r *reader) pool(cs *conf.Section) *HomePool {
	pool := &HomePool{Name: cs.Name2, At: cs.Pos, Key: defaultKey}
	var k poolKeys
	r.foreign(cs, foreignPool)
	r.add(cs, cs.Decode(&k))
	pool.Balance = k.Type
	seen := map[string]*conf.Pair{}
	for _, p := range k.HomeServer {
		if before := seen[p.Value]; before != nil {
			r.fail(p, "`%s` is given already at %v", p.Value, before.Pos)
			continue
		}
		seen[p.Value] = p
		if h := pick(r, p, r.homes, "home_server"); h != nil {
			pool.Homes = append(pool.Homes, h)
		}
	}
	if len(cs.Pairs("home_server")) == 0 {
		r.failSection(cs, "home_server is missing: a pool needs at least one")
	}
	if len(pool.Homes) >= poolMax { // one more place is for the fallback
		r.fail(k.HomeServer[poolMax-1], "more than %d are not possible", poolMax-1)
	}
	if k.Key != nil {
		if r.key(k.Key); pool.Balance != KeyedBalance {
			r.fail(k.Key, "has no effect: it is for type = keyed-balance")
		}
		pool.Key = k.Key.Value
	}
	if k.Fallback != nil {
		r.fallback(pool, k.Fallback)
	}
	return pool
}

// fallback reads what happens when no home server of the pool lives: a word, or as in FreeRADIUS a home_server's name.
func (r *reader) fallback(pool *HomePool, p *conf.Pair) {
	switch strings.ToLower(p.Value) {
	case "reject":
		pool.Fallback = FallbackReject
		return
	case "drop":
		pool.Fallback = FallbackDrop
		return
	}
	h := r.homes[p.Value]
	if h == nil {
		e := r.fail(p, "`%s` is neither reject, drop nor a home_server", p.Value)
		e.Hint = conf.DidYouMean(p.Value, append(namesOf(r.homes), "reject", "drop"))
		return
	}
	if slices.Contains(pool.Homes, h) {
		r.fail(p, "`%s` is in the pool already", p.Value)
		return
	}
	pool.FallbackHome = h
}

// takes reports a home server of pool that p wants for what it does not take.
func (r *reader) takes(p *conf.Pair, pool *HomePool, want HomeType) {
	if pool == nil {
		return
	}
	for _, h := range pool.Homes {
		if missing := want &^ h.Type; missing != 0 {
			r.fail(p, "home_server %s in pool %s takes %v, not %v (%v)", h.Name, pool.Name, h.Type, missing, h.At)
		}
	}
	if h := pool.FallbackHome; h != nil && want&h.Type == 0 {
		r.fail(p, "home_server %s, the fallback of pool %s, takes %v, not %v (%v)", h.Name, pool.Name, h.Type, want, h.At)
	}
}
