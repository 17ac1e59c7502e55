package gateway

import (
	"time"

	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/transport"
)

// request is one request of a client, from its arrival until it is answered or given up; then, over datagrams, its Exchange keeps the
// answer for a while.
//
//	free -begin-> under way -finish-> answered, kept -> free
type request struct {
	transport.Exchange
	branch     *branch
	source     *source
	prev, next *request // of the source; next also of those that are free
	client     *Client
	addr       transport.Addr
	memory     talloc.Buffer
	packet     radius.Packet // in memory, as it came
	code       radius.Code
	id         uint8
	vector     [16]byte // its Request Authenticator
	serial     uint64   // its number in the log
	began      time.Time

	realm    *Realm
	pool     *HomePool
	userName []byte // what User-Name becomes; nil: as it came
	restores bool   // replies get the client's own User-Name back
	skip     uint64 // bit n: home server n of the pool is not asked any more
	calls    [homesMax]call
	sent     int           // of calls
	again    *call         // the one that has the place of one that was lost, mostly to the same home server on another connection; nil: none
	patient  bool          // its last home server has had its time, and gets it once more
	unfit    bool          // a home server has answered what cannot be relayed
	broken   *radius.Error // it cannot be made into a packet for a home server
	trial    bool          // the home server does not answer by what is known: the wait is short
	missing  int           // the home server of the pool that could not be asked last, or was lost with the request; below 0: none
	held     bool          // it waits for that one
	holds    int           // how often that has been tried again without a copy from the client
	holdEnd  time.Time     // it does not after that; zero: it has not
	timer    event.Timer
}

const (
	// homesMax is how many home servers a request is sent to: one, and one more.
	homesMax = 2
	// trialWindow is how long a request waits that was let through to see whether a home server is back.
	trialWindow = 500 * time.Millisecond
	// poolMax is how many home servers a pool has: a bit each in request.skip.
	poolMax = 64
)

// call is a request under way to one home server.
type call struct {
	transport.Call
	request  *request
	home     *homeState
	pool     *HomePool
	index    int      // of home in pool
	userName []byte   // as request.userName
	vector   [16]byte // the Request Authenticator of what was sent
	sentAt   time.Time
	wire     bool        // it was sent
	late     bool        // that its home server has not answered in time was reported
	far      *handedOver // it is on another thread
	handed   bool        // it is, or was
	mark     mark
}

// Describe names the call in panics.
func (c *call) Describe() string { return "request to home_server " + c.home.cfg.Name }

// port is where it goes.
func (c *call) port() *port { return c.home.port(c.request.code) }

// active tells whether an answer may come.
func (c *call) active() bool { return c.Active() || c.far != nil }

// take returns a request's memory.
func (b *branch) take() *request {
	r := b.free
	if r == nil {
		r = &request{branch: b}
		r.timer.Init((*requestTimer)(r))
		for i := range r.calls {
			r.calls[i].request = r
		}
		return r
	}
	b.free, r.next = r.next, nil
	return r
}

// put takes it back.
func (b *branch) put(r *request) {
	r.source, r.client, r.realm, r.pool, r.packet, r.memory, r.userName = nil, nil, nil, nil, nil, talloc.Buffer{}, nil
	r.next = b.free
	b.free = r
}

// begin fills r in; false if there is no memory.
func (r *request) begin(s *source, client *Client, m *transport.Message, p radius.Packet) bool {
	memory, err := r.branch.lane.Context().Alloc(len(p))
	if err != nil {
		return false
	}
	r.memory, r.packet = memory, memory.Bytes()
	copy(r.packet, p)
	r.source, r.client, r.addr = s, client, m.Addr
	r.code, r.id, r.vector = p.Code(), p.ID(), [16]byte(p.Authenticator())
	r.began, r.serial = m.Time, 0
	r.skip, r.sent, r.again, r.patient, r.trial, r.restores, r.unfit, r.broken = 0, 0, nil, false, false, false, false, nil
	r.missing, r.held, r.holds, r.holdEnd = -1, false, 0, time.Time{}
	return true
}

// Forget is called when the kept answer's time is over.
func (r *request) Forget(*transport.Exchange) { r.branch.put(r) }

// duplicate answers a copy of a request again, or sends it on: n copies in, at most n out (RFC 5080, Section 2.2.1: a proxy
// over an unreliable path does not retransmit by itself).
func (r *request) duplicate() {
	r.client.state.Duplicates.Add(1)
	r.source.listen.Counts.Duplicates.Add(1)
	if r.Answered() {
		if r.source.conn.Send(&r.addr, r.Answer()) == nil {
			r.source.listen.Counts.Answers.Add(1)
		}
		return
	}
	if r.held {
		r.resume()
		return
	}
	// The home server that was asked last: the one before has had its time.
	for i := r.sent - 1; i >= 0; i-- {
		if c := &r.calls[i]; c.active() {
			if !r.anew(c) {
				c.sendAgain()
			}
			return
		}
	}
}

// sendAgain passes on a copy that the client sent. What comes over a stream was not lost.
func (c *call) sendAgain() {
	switch {
	case !c.request.source.conn.IsDatagram():
	case c.far != nil:
		c.far.sendAgain()
	default:
		c.Again()
	}
}

// supersede ends a request whose identifier the client has used for another.
func (r *request) supersede() {
	if r.Answered() {
		r.branch.table.Remove(&r.Exchange)
		r.branch.put(r)
		return
	}
	r.finish(OutcomeSuperseded)
}

// requestTimer is the request as its timer sees it.
type requestTimer request

func (t *requestTimer) Expire(now time.Time) { (*request)(t).expire(now) }
func (t *requestTimer) Describe() string     { return "request of client " + t.client.Name }

// finish ends a request that was under way. What it has sent to home servers is forgotten; an answer was sent before, or none is.
func (r *request) finish(outcome Outcome) {
	b, s := r.branch, r.source
	b.record(r, outcome)
	r.timer.Stop()
	for i := range r.calls {
		if i < r.sent {
			r.calls[i].cancel()
		}
		r.calls[i].mark.clear()
	}
	r.memory.Free()
	r.memory, r.packet = talloc.Buffer{}, nil
	s.remove(r)
	s.last = b.now()
	b.active--
	if !r.Answered() {
		b.table.Remove(&r.Exchange)
		b.put(r)
	}
	if s.drains || s.ended {
		s.settled()
	}
	if b.stopping {
		b.drained()
	}
}

// cancel ends the call, wherever it is.
func (c *call) cancel() {
	if c.far != nil {
		c.far.cancel()
		c.far = nil
	}
	c.Call.Cancel()
}

// reply sends msg, which was made in what Reserve of the source's connection returned, and ends the request.
func (r *request) reply(msg []byte, outcome Outcome) {
	r.source.conn.Commit(&r.addr, msg)
	now := r.branch.now()
	r.source.listen.Counts.Answers.Add(1)
	took := now.Sub(r.began)
	r.source.listen.Counts.Latency.Observe(took)
	r.client.state.Latency.Observe(took)
	if r.branch.gateway.tracing() {
		r.branch.traceOut(r, msg)
	}
	if r.source.conn.IsDatagram() {
		// RFC 5080, Section 2.2.2: a copy that comes later gets the same answer.
		r.branch.table.Keep(&r.Exchange, msg, r.client.Dedup)
	}
	r.finish(outcome)
}

// answer builds a reply here and sends it.
func (r *request) answer(code radius.Code, outcome Outcome, add func(b *radius.Builder)) {
	dst, err := r.source.conn.Reserve(radius.MaxSize)
	if err != nil {
		r.finish(OutcomeFailed)
		return
	}
	b := radius.NewReply(dst, code, r.packet)
	if add != nil {
		add(&b)
	}
	msg, err := b.Seal(r.keys())
	if err != nil && add != nil {
		r.answer(code, outcome, nil) // the Proxy-State attributes leave no room for it: the answer counts
		return
	}
	if err != nil {
		r.finish(OutcomeFailed)
		return
	}
	r.reply(msg, outcome)
}

// keys are those of the client, on this lane.
func (r *request) keys() *radius.Keys {
	return r.branch.keysOf(r.client.secretFor(r.source.listen.cfg.Load().Proto))
}

// reject answers as one who has nobody to ask: Access-Reject, or NAK; silence for Accounting-Request, which must not be
// taken for recorded (RFC 2866, Section 4.2).
func (r *request) reject(outcome Outcome, message string) {
	switch r.code {
	case radius.AccessRequest:
		r.answer(radius.AccessReject, outcome, func(b *radius.Builder) {
			if message != "" {
				b.AddString(radius.ReplyMessage, message)
			}
		})
	case radius.CoARequest:
		r.nak(radius.CoANAK, outcome)
	case radius.DisconnectRequest:
		r.nak(radius.DisconnectNAK, outcome)
	default:
		r.finish(outcome)
	}
}

func (r *request) nak(code radius.Code, outcome Outcome) {
	r.answer(code, outcome, func(b *radius.Builder) { b.AddUint32(radius.ErrorCause, radius.CauseNotRoutable) })
}
