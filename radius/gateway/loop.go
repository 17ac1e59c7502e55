package gateway

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/frio-io/frio/radius"
)

const (
	// fullMin is how long a packet is at least that has no room for our Proxy-State, with a Message-Authenticator that others take off.
	fullMin = radius.MaxSize - (2 + instanceBytes) - (2 + 16) + 1
	// sameMax is how many packets without our Proxy-State that look the same may be under way: clients that repeat themselves with another
	// identifier look as a loop does, and a loop costs no more than that.
	sameMax = 4
	// marksMax is how many hashes are told apart: with 2,000 such packets under way, one meets four others of its hash
	// by chance once in 28 million times.
	marksMax = 1 << 16
)

// marks are what tells the loops of packets that have no room for our Proxy-State: how many of them are under way, by the hash of what no hop
// changes. Thread: any.
type marks struct {
	seed  maphash.Seed
	count [marksMax]atomic.Int32
}

// of is the place of a packet.
func (m *marks) of(p radius.Packet) *atomic.Int32 { return &m.count[p.Essence(m.seed)%marksMax] }

// loops tells whether p, which comes in, has been here before.
func (m *marks) loops(p radius.Packet) bool { return len(p) >= fullMin && m.of(p).Load() >= sameMax }

// mark is the place of one packet under way; nil: it has none.
type mark struct{ at *atomic.Int32 }

// set counts p, which goes out. k has none.
func (k *mark) set(m *marks, p radius.Packet) {
	k.at = m.of(p)
	k.at.Add(1)
}

// clear is called when it is not under way any more.
func (k *mark) clear() {
	if k.at != nil {
		k.at.Add(-1)
		k.at = nil
	}
}
