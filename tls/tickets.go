package tls

import (
	"crypto/rand"
	"sync/atomic"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/tls/dtls"
)

const (
	// clientSessions is how many sessions a client keeps: one server, and its tickets are used once each.
	clientSessions = 8

	defaultCacheLifetime = 24 * time.Hour
	maxCacheLifetime     = 7 * 24 * time.Hour // RFC 8446, Section 4.6.1
)

// tickets are the keys that seal the session tickets of one listener. Its shards and threads share them, nobody else
// has them. There are two: one seals, both open. They change each half lifetime, so that no ticket opens after a whole
// one. Fields other than next belong to the settings' mu.
type tickets struct {
	half time.Duration
	next atomic.Int64 // when to change, Unix nanoseconds
	keys [2][32]byte
	// datagram is a server's over datagrams. It outlives a snapshot, with the clients' chains that it keeps for tickets.
	datagram *dtls.TicketKeys
}

func newTickets(lifetime time.Duration) *tickets {
	return &tickets{half: lifetime / 2, datagram: dtls.NewTicketKeys()}
}

// due tells whether it is time for change: also when the clock was set back. Thread: any.
func (t *tickets) due(now time.Time) bool {
	left := t.next.Load() - now.UnixNano()
	return left <= 0 || left > int64(t.half)
}

// change puts a fresh key before the sealing one; if that is too old as well, both are fresh.
func (t *tickets) change(now time.Time) {
	if now.UnixNano() >= t.next.Load()+int64(t.half) {
		t.drop(now)
		return
	}
	t.keys[1] = t.keys[0]
	rand.Read(t.keys[0][:])
	t.next.Store(now.Add(t.half).UnixNano())
}

// drop makes all tickets void.
func (t *tickets) drop(now time.Time) {
	for i := range t.keys {
		rand.Read(t.keys[i][:])
	}
	t.next.Store(now.Add(t.half).UnixNano())
}

// ticketCounts tells of the clients' chains that are kept for tickets. It is false where there are none: over streams, and without
// resumption. Thread: any.
func (s *settings) ticketCounts() (n dtls.TicketCounts, ok bool) {
	if t := s.snap.Load().tickets; t != nil && s.role == frio.Server && s.kind == frio.Datagram {
		return t.datagram.Counts(), true
	}
	return n, false
}

// give hands the keys to the configurations of snap.
func (t *tickets) give(snap *snapshot) {
	snap.stream.SetSessionTicketKeys(t.keys[:])
	t.datagram.Set(t.keys[:]...)
}
