package gateway

import (
	crand "crypto/rand"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/transport"
)

// branch is what the gateway has on one thread.
type branch struct {
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

func newBranch(g *Gateway, t *transport.Lane) *branch {
	var seed [32]byte
	_, _ = crand.Read(seed[:]) // it cannot fail (crypto/rand)
	b := &branch{
		gateway: g, lane: t, table: transport.NewTable(t, exchangesMax),
		keys: map[*Secret]*radius.Keys{}, random: rand.NewChaCha8(seed),
	}
	t.OnEnd(b.end)
	return b
}

// end takes the timers of the home servers that are this lane's out of its loop.
func (b *branch) end() {
	b.gateway.mu.Lock()
	defer b.gateway.mu.Unlock()
	for _, h := range b.gateway.homes {
		for _, p := range h.ports {
			if h.owner == b {
				p.timer.Stop()
			}
		}
	}
}

// keysOf returns the hash states of a secret, of this thread.
func (b *branch) keysOf(s *Secret) *radius.Keys {
	if k := b.keys[s]; k != nil {
		return k
	}
	if serial := b.gateway.current.Load().serial; serial != b.serial {
		clear(b.keys)
		b.serial = serial
	}
	k := radius.NewKeys([]byte(s.Reveal()))
	b.keys[s] = k
	return k
}

// do calls f on the lane's thread, at once if that is the caller's, whose lane is from. A loop that has no room, or has stopped, does not come to
// it.
func (b *branch) do(from *branch, f func()) {
	if b == from {
		f()
		return
	}
	_ = b.lane.Loop().Post(f)
}

// now is the time of its loop.
func (b *branch) now() time.Time { return b.lane.Loop().Now() }

// authenticator fills in a Request Authenticator: unpredictable, and unique over the secret's life (RFC 2865, Section 3).
func (b *branch) authenticator(a *[16]byte) { _, _ = b.random.Read(a[:]) }

// pool returns the connections of this lane to a peer.
func (b *branch) pool(p *transport.Peer) *transport.Pool {
	pool := p.Pool(b.lane)
	if pool.OnDrain == nil {
		pool.OnDrain = b.drain
		b.pools = append(b.pools, pool)
	}
	return pool
}

// renew is called when there is another configuration.
func (b *branch) renew(gone []*homeState) {
	for _, h := range gone {
		h.retire(b)
	}
	b.pools = slices.DeleteFunc(b.pools, func(p *transport.Pool) bool {
		return slices.ContainsFunc(gone, func(h *homeState) bool { return h.has(p.Peer()) })
	})
	b.lane.Each(func(c *transport.Conn) {
		if s, ok := c.User().(*source); ok && s.one && s.up && !s.drains && !s.identify() {
			s.drain() // what it asked as a client is answered
		}
	})
}

// drain is called as the program stops.
func (b *branch) drain() {
	b.stopping = true
	b.drained()
}

// drained ends the connections to home servers once the program stops and nothing is under way.
func (b *branch) drained() {
	if !b.stopping || b.active > 0 {
		return
	}
	for _, p := range b.pools {
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
