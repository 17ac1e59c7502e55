package udp

import (
	"sync"
	"sync/atomic"

	"github.com/frio-io/frio"
)

// registry tells which of several listeners has the child of a peer. Steering decides that, also for what strayed into another shard's
// socket; it is noted for the sake of peers of whom Steered is wrong.
type registry struct {
	// opening is set while one of them has a socket between bind and catchUp: what it takes of others' peers is in their mailboxes before the
	// next one accepts, who puts it in order there.
	opening atomic.Bool

	mu     sync.Mutex
	owners map[key]*Listener // guarded by mu
}

// begin tells whether nobody else is opening a socket; then end must follow. A nil registry is that of a single listener.
func (r *registry) begin() bool { return r == nil || r.opening.CompareAndSwap(false, true) }

func (r *registry) end() {
	if r != nil {
		r.opening.Store(false)
	}
}

// claim makes l the owner, unless there is one.
func (r *registry) claim(k key, l *Listener) (owner *Listener) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if owner = r.owners[k]; owner != nil {
		return owner
	}
	if r.owners == nil {
		r.owners = make(map[key]*Listener)
	}
	r.owners[k] = l
	return l
}

// of returns the owner; nil: there is none.
func (r *registry) of(k key) *Listener {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.owners[k]
}

func (r *registry) forget(k key, l *Listener) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.owners[k] == l {
		delete(r.owners, k)
	}
}

// claim tells whether l may make a child of p's peer. If another shard has one, or will get what the peer sends next, p goes there.
func (l *Listener) claim(p *frio.Packet, k key, from origin) bool {
	owners := l.set.owners
	if owners == nil {
		return true
	}
	owner := owners.of(k)
	if owner == nil && from == strayed {
		owner = l.group.members[l.kernel.Steered(p.Remote, len(l.group.members))]
	}
	if owner == nil || owner == l {
		owner = owners.claim(k, l)
	}
	if owner == l {
		return true
	}
	switch owner.mail.put(p, from) {
	case delivered:
		return false
	case noRoom:
		l.counts.Inbox.Add(1)
		return false
	}
	owners.forget(k, owner) // it is closed
	return owners.claim(k, l) == l
}

// disclaim forgets the record of a peer.
func (l *Listener) disclaim(c *Child) {
	if l.byPeer[c.key] == c {
		delete(l.byPeer, c.key)
		if l.set.owners != nil {
			l.set.owners.forget(c.key, l)
		}
	}
}
