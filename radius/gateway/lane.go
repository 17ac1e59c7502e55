package gateway

import (
	crand "crypto/rand"
	"math/rand/v2"
	"slices"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/transport"
)

// lane is what the gateway has on one thread.
type lane struct {
	gateway *Gateway
	lane    *transport.Lane
	table   *transport.Table
	keys    map[*Secret]*radius.Keys // hash states; of secrets of old configurations they are dropped at a new one
	serial  uint64                   // the configuration that keys belong to
	random  *rand.ChaCha8
	free    *request // for the next
	active  int      // requests under way, those taken over from other lanes with them

	stopping bool
	pools    []*transport.Pool
	forward  radius.Forward // scratch, as of what follows
	back     radius.Answer
	ttl      radius.TTL
	room     [radius.MaxSize]byte
	kept     []handedList // by the number of the lane that made them
}

func newLane(g *Gateway, t *transport.Lane) *lane {
	var seed [32]byte
	_, _ = crand.Read(seed[:]) // it cannot fail (crypto/rand)
	l := &lane{
		gateway: g, lane: t, table: transport.NewTable(t, exchangesMax),
		keys: map[*Secret]*radius.Keys{}, random: rand.NewChaCha8(seed),
	}
	t.OnEnd(l.end)
	return l
}

// end takes the timers of the home servers that are this lane's out of its loop.
func (l *lane) end() {
	l.gateway.mu.Lock()
	defer l.gateway.mu.Unlock()
	for _, h := range l.gateway.homes {
		for _, p := range h.ports {
			if h.owner == l {
				p.timer.Stop()
			}
		}
	}
}

// keysOf returns the hash states of a secret, of this thread.
func (l *lane) keysOf(s *Secret) *radius.Keys {
	if k := l.keys[s]; k != nil {
		return k
	}
	if serial := l.gateway.current.Load().serial; serial != l.serial {
		clear(l.keys)
		l.serial = serial
	}
	k := radius.NewKeys([]byte(s.Reveal()))
	l.keys[s] = k
	return k
}

// do calls f on the lane's thread, at once if that is the caller's, whose lane is from. A loop that has no room, or has stopped, does not come to
// it.
func (l *lane) do(from *lane, f func()) {
	if l == from {
		f()
		return
	}
	_ = l.lane.Loop().Post(f)
}

// authenticator fills in a Request Authenticator: unpredictable, and unique over the secret's life (RFC 2865, Section 3).
func (l *lane) authenticator(a *[16]byte) { _, _ = l.random.Read(a[:]) }

// pool returns the connections of this lane to a peer.
func (l *lane) pool(p *transport.Peer) *transport.Pool {
	pool := p.Pool(l.lane)
	if pool.OnDrain == nil {
		pool.OnDrain = func() { l.gateway.drain(l) }
		l.pools = append(l.pools, pool)
	}
	return pool
}

// renew is called when there is another configuration.
func (l *lane) renew(gone []*homeState) {
	for _, h := range gone {
		h.retire(l)
	}
	l.pools = slices.DeleteFunc(l.pools, func(p *transport.Pool) bool {
		return slices.ContainsFunc(gone, func(h *homeState) bool { return h.has(p.Peer()) })
	})
	l.lane.Each(func(c *transport.Conn) {
		if s, ok := c.User().(*source); ok && s.one && s.up && !s.drains && !s.identify() {
			s.Drain(c) // what it asked as a client is answered
		}
	})
}

// drained ends the connections to home servers once the program stops and nothing is under way.
func (l *lane) drained() {
	if !l.stopping || l.active > 0 {
		return
	}
	for _, p := range l.pools {
		p.Drain()
	}
}

// hash is FNV-1a with the finalizer of SplitMix64: for spreading, not against those who choose b. The seed keeps what
// is chosen outside from meeting.
func hash(seed uint64, b []byte) uint64 {
	h := 14695981039346656037 ^ seed
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return mix(h)
}

func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
