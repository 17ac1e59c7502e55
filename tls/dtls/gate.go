package dtls

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Verdict is what a Gate says of a datagram.
type Verdict uint8

// The verdicts.
const (
	Drop   Verdict = iota // not a hello, or a malformed one: no answer
	Reply                 // send the reply, keep nothing
	Accept                // the hello has a good cookie: make a server Engine and feed it the datagram
)

func (v Verdict) String() string {
	switch v {
	case Reply:
		return "reply"
	case Accept:
		return "accept"
	}
	return "drop"
}

const (
	cookieLen    = 16
	cookiePeriod = time.Minute

	// GateScratch is how many bytes of scratch Check needs.
	GateScratch = recordHeader + messageHeader + 2 + 1 + cookieLen
)

// CookieKeys are the keys of the cookies of one listener, shared by the Gates of its shards: one that makes cookies
// and the one before, changed every 60 s. A cookie is good for 60 to 120 s. Thread: any.
type CookieKeys struct {
	generation atomic.Uint64
	next       atomic.Int64 // when the keys change, Unix nanoseconds; 0: at the first use

	mu   sync.Mutex
	rand io.Reader
	keys [2][sha256.Size]byte
}

// NewCookieKeys takes its keys from r, which is crypto/rand's for nil; now, and at each change. The first change is 60 s
// after the first use.
func NewCookieKeys(r io.Reader) (*CookieKeys, error) {
	if r == nil {
		r = rand.Reader
	}
	k := &CookieKeys{rand: r}
	for i := range k.keys {
		if _, err := io.ReadFull(r, k.keys[i][:]); err != nil {
			return nil, fmt.Errorf("dtls: cookie key: %w", err)
		}
	}
	k.generation.Store(1)
	return k, nil
}

// due is true if it is time to change the keys, or if next is so far off that the clock was set back. The times of
// shards may differ by less than a period.
func (k *CookieKeys) due(now time.Time) bool {
	left := k.next.Load() - now.UnixNano()
	return left <= 0 || left > 2*int64(cookiePeriod)
}

// rotate changes the keys if it is time.
func (k *CookieKeys) rotate(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.due(now) {
		return
	}
	at := now.UnixNano()
	next := k.next.Load()
	if next != 0 {
		var fresh [2][sha256.Size]byte
		fresh[1] = k.keys[0]
		n := 1
		if at >= next+int64(cookiePeriod) {
			n = 2 // quiet for long: both are too old
		}
		for i := range n {
			if _, err := io.ReadFull(k.rand, fresh[i][:]); err != nil {
				return // the keys there are stay: better old than none
			}
		}
		k.keys = fresh
		k.generation.Add(1)
	}
	k.next.Store(at + int64(cookiePeriod))
}

// GateCounts counts what came to a Gate.
type GateCounts struct {
	Replies    uint64
	Accepted   uint64
	Malformed  uint64 // not a hello, or lengths that do not fit
	Fragmented uint64 // a first hello in fragments: a gate without state cannot take it
	BadCookies uint64 // of Replies: a cookie was there, but not ours, or too old
}

// Gate answers first hellos without keeping anything (RFC 6347, Section 4.2.1): a hello without a good cookie gets one,
// for its address only. It belongs to one thread; shards have a Gate each and CookieKeys in common.
type Gate struct {
	keys       *CookieKeys
	generation uint64
	macs       [2]hash.Hash
	mac        [sha256.Size]byte
	input      []byte
	counts     GateCounts
}

// NewGate returns a gate whose cookies are made with keys.
func NewGate(keys *CookieKeys) *Gate {
	return &Gate{keys: keys, input: make([]byte, 0, maxHello+64)}
}

// Counts returns what was counted since the beginning.
func (g *Gate) Counts() GateCounts { return g.counts }

// IsHello is true if a datagram begins like a ClientHello of epoch 0. Such a datagram goes to the gate, even if its
// sender has an association (RFC 6347, Section 4.2.8).
func IsHello(in []byte) bool {
	return len(in) >= recordHeader+messageHeader && in[0] == typeHandshake && in[1] == version12>>8 &&
		in[3] == 0 && in[4] == 0 && in[recordHeader] == typeClientHello
}

// Check judges the datagram in, sent by peer to local. With Reply, reply is built in scratch (GateScratch bytes at
// least) and is never longer than in. With Accept, random is the client's: a known peer whose Engine has another
// ClientRandom has begun a new association, and has proven its address; with the same random it is a repeated hello,
// for the Engine that is there. Check allocates nothing, but for new keys once a minute, and does not keep in.
func (g *Gate) Check(now time.Time, peer, local netip.AddrPort, in, scratch []byte) (reply []byte, v Verdict, random [32]byte) {
	h, verdict := parseGateHello(in)
	switch verdict {
	case helloFragmented:
		g.counts.Fragmented++
		return nil, Drop, random
	case helloMalformed:
		g.counts.Malformed++
		return nil, Drop, random
	}
	g.rekey(now)
	g.cover(peer, local, &h)
	if len(h.cookie) == cookieLen {
		for i := range g.macs {
			if hmac.Equal(g.cookie(i), h.cookie) {
				g.counts.Accepted++
				copy(random[:], h.random)
				return nil, Accept, random
			}
		}
	}
	if len(h.cookie) > 0 {
		g.counts.BadCookies++
	}
	g.counts.Replies++
	return g.reply(scratch, in, g.cookie(0)), Reply, random
}

// gateHello is what the cookie depends on, pointing into the datagram.
type gateHello struct {
	version, random, sessionID, cookie, suites, compression []byte
}

type helloVerdict uint8

const (
	helloOK helloVerdict = iota
	helloMalformed
	helloFragmented
)

func parseGateHello(in []byte) (h gateHello, v helloVerdict) {
	r, _, ok := parseRecord(in)
	if !ok || r.typ != typeHandshake || r.epoch != 0 || r.seq > maxFirstRecordSeq {
		return h, helloMalformed
	}
	f, _, ok := parseFragment(r.body)
	if !ok || f.typ != typeClientHello || f.seq > maxHelloSeq || f.length > maxHello {
		return h, helloMalformed
	}
	if len(f.data) != f.length {
		return h, helloFragmented
	}
	b := reader{b: f.data}
	h.version = b.take(2)
	h.random = b.take(32)
	h.sessionID = b.vec(1)
	h.cookie = b.vec(1)
	h.suites = b.vec(2)
	h.compression = b.vec(1)
	if b.bad || len(h.sessionID) > 32 || len(h.suites) == 0 || len(h.suites)%2 != 0 || len(h.compression) == 0 {
		return h, helloMalformed
	}
	return h, helloOK
}

// rekey takes the keys of the day.
func (g *Gate) rekey(now time.Time) {
	k := g.keys
	if k.due(now) {
		k.rotate(now)
	}
	if g.generation == k.generation.Load() {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range g.macs {
		g.macs[i] = hmac.New(sha256.New, k.keys[i][:])
	}
	g.generation = k.generation.Load()
}

// cover lays out what the cookie covers; each field of variable length after its length.
func (g *Gate) cover(peer, local netip.AddrPort, h *gateHello) {
	b := appendAddrPort(g.input[:0], peer)
	b = appendAddrPort(b, local)
	b = append(b, h.version...)
	b = append(b, h.random...)
	b = appendVec(b, 1, h.sessionID)
	b = appendVec(b, 2, h.suites)
	g.input = appendVec(b, 1, h.compression)
}

func appendAddrPort(b []byte, a netip.AddrPort) []byte {
	ip := a.Addr().As16()
	b = append(b, byte(a.Addr().BitLen()>>3))
	return append16(append(b, ip[:]...), a.Port())
}

// cookie is valid until the next call.
func (g *Gate) cookie(i int) []byte {
	m := g.macs[i]
	m.Reset()
	m.Write(g.input)
	return m.Sum(g.mac[:0])[:cookieLen]
}

// reply builds a HelloVerifyRequest: 44 bytes, and no hello is shorter than 67. It has the record sequence number of the
// hello (RFC 6347, Section 4.2.1) and its message_seq, so that a client whose cookie got too old can go on.
func (g *Gate) reply(scratch, in, cookie []byte) []byte {
	b := append(scratch[:0], typeHandshake, version10>>8, version10&0xff, 0, 0)
	b = append(b, in[5:11]...)
	const body = 2 + 1 + cookieLen
	b = append16(b, messageHeader+body)
	seq := binary.BigEndian.Uint16(in[recordHeader+4:])
	b = appendMessageHeader(b, typeHelloVerifyRequest, seq, body, 0, body)
	b = append16(b, version10)
	return appendVec(b, 1, cookie)
}
