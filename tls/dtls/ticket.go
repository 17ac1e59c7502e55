package dtls

import (
	"container/list"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Session is what resumption needs of an association. It is opaque.
type Session struct {
	ticket []byte // client
	suite  uint16
	master [masterLen]byte
	name   string   // server: the SNI
	peer   [][]byte // the other side's certificates
	peerID chainID  // server: what peer is kept by, if there are certificates
	until  time.Time
}

func (s *Session) wipe() { clear(s.master[:]) }

// TicketKeys seal a server's session tickets (RFC 5077), and keep the chains of the clients that have them. One is shared by all shards
// and threads of a listener, before and after a reload; a ticket is good only where its key and its chain are known. Thread: any.
type TicketKeys struct {
	keys   atomic.Pointer[[]ticketKey]
	chains *chainCache
}

const (
	ticketVersion  = 2
	ticketNameLen  = 16
	ticketNonceLen = 12 // of AES-GCM
	ticketTagLen   = 16
)

type ticketKey struct {
	name [ticketNameLen]byte
	aead cipher.AEAD
}

var errNoTicket = errors.New("dtls: no ticket")

// NewTicketKeys returns a store with keys; see Set.
func NewTicketKeys(keys ...[32]byte) *TicketKeys {
	t := &TicketKeys{chains: newChainCache(maxChainsKept)}
	t.Set(keys...)
	return t
}

// Set replaces all keys: the first seals, each of them opens. To rotate, put a new one before the old; to make all
// tickets void, as on a change of CA, leave the old ones out. Without keys there are no tickets. A key is random and
// should seal for a day at most. Set keeps no copy of the keys themselves.
func (t *TicketKeys) Set(keys ...[32]byte) {
	list := make([]ticketKey, len(keys))
	for i := range keys {
		name := derive(&keys[i], "ticket name")
		copy(list[i].name[:], name)
		key := derive(&keys[i], "ticket key")
		b, err := aes.NewCipher(key)
		if err != nil {
			panic(err) // 32 bytes: never
		}
		if list[i].aead, err = cipher.NewGCM(b); err != nil {
			panic(err) // AES: never
		}
		clear(key)
	}
	t.keys.Store(&list)
}

// Counts returns what is kept, and what was counted since the beginning.
func (t *TicketKeys) Counts() TicketCounts { return t.chains.count() }

func derive(key *[32]byte, label string) []byte {
	h := hmac.New(sha256.New, key[:])
	h.Write([]byte("frio dtls " + label))
	return h.Sum(nil)
}

// seal makes a ticket: name of the key, nonce, sealed session. errNoTicket if there is no key, or if the name would make
// it too long for a hello.
func (t *TicketKeys) seal(now time.Time, s *Session, rand io.Reader) ([]byte, error) {
	keys := *t.keys.Load()
	if len(keys) == 0 || len(s.name) > MaxServerName {
		return nil, errNoTicket
	}
	k := &keys[0]
	var peer []byte
	if len(s.peer) > 0 {
		peer = s.peerID[:]
	}
	plain := make([]byte, 0, maxTicketPlain) // with a greater one append would leave secrets behind
	defer clear(plain[:maxTicketPlain])
	plain = append16(append(plain, ticketVersion), s.suite)
	plain = binary.BigEndian.AppendUint64(plain, uint64(now.Add(ticketLifetime).Unix()))
	plain = append(plain, s.master[:]...)
	plain = appendVec(plain, 1, []byte(s.name))
	plain = appendVec(plain, 1, peer)
	n := len(k.name) + ticketNonceLen
	b := make([]byte, n, n+len(plain)+ticketTagLen)
	copy(b, k.name[:])
	if _, err := io.ReadFull(rand, b[len(k.name):]); err != nil {
		return nil, fmt.Errorf("nonce: %w", err)
	}
	return k.aead.Seal(b, b[len(k.name):n], plain, b[:len(k.name)]), nil
}

// open returns the session of a ticket, nil if it is not ours, or over, or if the client's chain is not kept any more.
func (t *TicketKeys) open(now time.Time, ticket []byte) *Session {
	keys := *t.keys.Load()
	for i := range keys {
		k := &keys[i]
		n := len(k.name) + ticketNonceLen
		if len(ticket) < n || !equal(ticket[:len(k.name)], k.name[:]) {
			continue
		}
		plain, err := k.aead.Open(nil, ticket[len(k.name):n], ticket[n:], k.name[:])
		if err != nil {
			return nil
		}
		defer clear(plain)
		s := parseSession(now, plain)
		if s == nil || s.peerID == (chainID{}) {
			return s
		}
		if s.peer = t.chains.get(now, s.peerID); s.peer == nil {
			s.wipe()
			return nil
		}
		return s
	}
	return nil
}

func parseSession(now time.Time, plain []byte) *Session {
	r := reader{b: plain}
	version := r.u8()
	s := &Session{suite: r.u16()}
	until := r.take(8)
	copy(s.master[:], r.take(masterLen))
	s.name = string(r.vec(1))
	peer := r.vec(1)
	copy(s.peerID[:], peer)
	if !r.done() || version != ticketVersion || suiteByID(s.suite) == nil || len(peer) != 0 && len(peer) != len(s.peerID) {
		s.wipe()
		return nil
	}
	s.until = time.Unix(int64(binary.BigEndian.Uint64(until)), 0)
	if !now.Before(s.until) {
		s.wipe()
		return nil
	}
	return s
}

// SessionCache keeps sessions of a client, the newest for each name, the least used one going first. Once a server has refused one by an
// alert it keeps none any more. The secrets of what it does not keep are wiped. A cache belongs to one set of trusted CAs: drop it with them. Thread: any.
type SessionCache struct {
	mu      sync.Mutex
	size    int
	entries map[string]*list.Element
	order   *list.List // of *cacheEntry, newest use first
	refused bool       // nothing is kept
}

type cacheEntry struct {
	name    string
	session *Session
}

// NewSessionCache returns a cache for up to size names, at least one.
func NewSessionCache(size int) *SessionCache {
	return &SessionCache{size: max(size, 1), entries: make(map[string]*list.Element), order: list.New()}
}

// get returns a copy, which the caller wipes.
func (c *SessionCache) get(name string, now time.Time) *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	el := c.entries[name]
	if el == nil {
		return nil
	}
	s := el.Value.(*cacheEntry).session
	if !now.Before(s.until) {
		c.removeLocked(el)
		return nil
	}
	c.order.MoveToFront(el)
	own := *s
	return &own
}

// put keeps s, which it owns from here on.
func (c *SessionCache) put(name string, s *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused {
		s.wipe()
		return
	}
	if el := c.entries[name]; el != nil {
		c.removeLocked(el)
	}
	for len(c.entries) >= c.size {
		c.removeLocked(c.order.Back())
	}
	c.entries[name] = c.order.PushFront(&cacheEntry{name, s})
}

func (c *SessionCache) removeLocked(el *list.Element) {
	entry := c.order.Remove(el).(*cacheEntry)
	delete(c.entries, entry.name)
	entry.session.wipe()
}

// Remove forgets the session for name.
func (c *SessionCache) Remove(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el := c.entries[name]; el != nil {
		c.removeLocked(el)
	}
}

// refuse forgets all and keeps nothing any more.
func (c *SessionCache) refuse() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = true
	for el := c.order.Back(); el != nil; el = c.order.Back() {
		c.removeLocked(el)
	}
}
