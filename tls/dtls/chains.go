package dtls

import (
	"container/list"
	"crypto/sha256"
	"sync"
	"time"
)

// chainID is the SHA-256 of a chain as it stands in a Certificate message, lengths included.
type chainID [sha256.Size]byte

// chainCache keeps the chains of clients that have tickets: a chain does not fit a hello, so that a ticket names it only. Each is kept
// once, whatever number of tickets and associations has it, up to the end of its last ticket; above the limit the least used one goes
// first, and whoever comes back with a ticket of it makes a full handshake. Thread: any.
type chainCache struct {
	mu      sync.Mutex
	max     int // bytes
	n       int // bytes, each chain with chainOverhead
	entries map[chainID]*list.Element
	order   *list.List // of *keptChain, newest use first
	counts  TicketCounts
}

type keptChain struct {
	id    chainID
	certs [][]byte // never changed: associations have it too
	n     int
	until time.Time
}

func newChainCache(max int) *chainCache {
	return &chainCache{max: max, entries: make(map[chainID]*list.Element), order: list.New()}
}

// keep keeps a copy of chain for a ticket that is sealed at now, and returns the one that is kept, which nobody may change. It is false
// for a chain above maxChainKept. A client without certificate has a chain of none, and nothing to keep.
func (c *chainCache) keep(now time.Time, chain [][]byte) (kept [][]byte, id chainID, ok bool) {
	if len(chain) == 0 {
		return nil, id, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	body := certificateBody(chain)
	if len(body) > min(maxChainKept, c.max-chainOverhead) {
		c.counts.TooLong++
		return nil, id, false
	}
	id = sha256.Sum256(body)
	until := now.Add(ticketLifetime)
	if el := c.entries[id]; el != nil {
		k := el.Value.(*keptChain)
		if until.After(k.until) { // the clocks of shards differ a little
			k.until = until
		}
		c.order.MoveToFront(el)
		return k.certs, id, true
	}
	certs, err := parseCertificateBody(body)
	if err != nil {
		panic(err) // it came in a message of this form: never
	}
	k := &keptChain{id: id, certs: certs, n: len(body) + chainOverhead, until: until}
	c.dropLocked(now, k.n)
	c.entries[id] = c.order.PushFront(k)
	c.n += k.n
	return certs, id, true
}

// dropLocked drops what is over at the end of the order, and as much more as is needed for n bytes.
func (c *chainCache) dropLocked(now time.Time, n int) {
	for el := c.order.Back(); el != nil; el = c.order.Back() {
		over := !now.Before(el.Value.(*keptChain).until)
		if !over && c.n+n <= c.max {
			return
		}
		if !over {
			c.counts.Displaced++
		}
		c.removeLocked(el)
	}
}

func (c *chainCache) removeLocked(el *list.Element) {
	k := c.order.Remove(el).(*keptChain)
	delete(c.entries, k.id)
	c.n -= k.n
}

// get returns the chain of a ticket, nil if it is not kept any more.
func (c *chainCache) get(now time.Time, id chainID) [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	el := c.entries[id]
	if el != nil && !now.Before(el.Value.(*keptChain).until) {
		c.removeLocked(el)
		el = nil
	}
	if el == nil {
		c.counts.Missed++
		return nil
	}
	c.order.MoveToFront(el)
	return el.Value.(*keptChain).certs
}

// TicketCounts tells of the chains of clients that are kept for tickets.
type TicketCounts struct {
	Chains    int    // kept
	Bytes     int    // of them
	Displaced uint64 // for want of room
	Missed    uint64 // tickets whose chain was not there: a full handshake instead
	TooLong   uint64 // no ticket, because the chain is too long to be kept
}

func (c *chainCache) count() TicketCounts {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.counts
	n.Chains, n.Bytes = len(c.entries), c.n
	return n
}
