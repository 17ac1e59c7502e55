package gateway

import (
	"sync/atomic"
	"time"

	"github.com/frio-io/frio/radius"
)

// Outcome is how a request of a client ended.
type Outcome uint8

const (
	OutcomeAccept     Outcome = iota // Access-Accept, ACK, Accounting-Response
	OutcomeReject                    // Access-Reject or NAK
	OutcomeChallenge                 // Access-Challenge
	OutcomeLocal                     // answered here: Status-Server, a realm's own answer
	OutcomeNoAnswer                  // no home server answered
	OutcomeNoHome                    // none lives, or the pool is empty
	OutcomeSuperseded                // the client used its identifier for another
	OutcomeGone                      // the client's connection ended before
	OutcomeLoop                      // it had been here before
	OutcomeFailed                    // it could not be relayed: too long, a malformed hidden attribute, no memory
	OutcomeCount
)

var outcomes = [OutcomeCount]string{"accept", "reject", "challenge", "local", "no-answer", "no-home", "superseded", "gone", "loop", "failed"}

// String is a word for labels.
func (o Outcome) String() string {
	if o < OutcomeCount {
		return outcomes[o]
	}
	return "unknown"
}

// ClientState is what is known of a client of all threads together. Thread: any.
type ClientState struct {
	Open       atomic.Int64  // connections, and sessions of DTLS
	Refused    atomic.Uint64 // of these, closed because of limit { max_connections }
	Requests   atomic.Uint64
	Duplicates atomic.Uint64
	Outcomes   [OutcomeCount]atomic.Uint64
	Dropped    [radius.ReasonCount]atomic.Uint64 // requests, by what was wrong with them
	Latency    Histogram                         // as of ListenCounts

	of             *Client     // of the configuration that was loaded last; guarded by Gateway.mu
	seenMA         atomic.Bool // an Access-Request without EAP-Message had a good Message-Authenticator
	seenProxyState atomic.Bool // one with Proxy-State had it
}

// buckets are the upper bounds of the latency histogram in microseconds.
var buckets = [...]int64{100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000}

// Histogram counts times by size. Thread: any.
type Histogram struct {
	counts [len(buckets) + 1]atomic.Uint64
	sum    atomic.Int64 // microseconds
}

// Observe counts d.
func (h *Histogram) Observe(d time.Duration) {
	us := d.Microseconds()
	i := 0
	for i < len(buckets) && us > buckets[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(us)
}

// Cumulative returns how many were at most each bound, in seconds, and the count and sum of all.
func (h *Histogram) Cumulative() (at map[float64]uint64, count uint64, seconds float64) {
	at = make(map[float64]uint64, len(buckets))
	for i := range buckets {
		count += h.counts[i].Load()
		at[float64(buckets[i])/1e6] = count
	}
	count += h.counts[len(buckets)].Load()
	return at, count, float64(h.sum.Load()) / 1e6
}
