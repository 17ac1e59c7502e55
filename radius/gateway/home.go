package gateway

import (
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/tls"
	"github.com/frio-io/frio/transport"
)

// life is what is thought of a home server (RFC 3539, Section 3.4, in FreeRADIUS's words).
//
//	         a request was not answered in response_window,
//	         or nobody is there                               zombie_period without an answer
//	alive ──────────────────────────────> zombie ──────────────────────────────────────────> dead
//	  ^                                      │ an answer to a request, or                     │
//	  └──────────────────────────────────────┴── num_answers_to_alive answers to checks ──────┘
type life uint32

const (
	alive life = iota
	zombie
	dead
)

var lives = [...]string{"alive", "zombie", "dead"}

func (l life) String() string { return lives[l] }

// Lives are the words of HomeView.Life.
func Lives() []string { return lives[:] }

const (
	// probePace is how often a home server that does not answer is looked at: so that one that is back is used within 2 s.
	probePace = time.Second
	// checksMax is how many checks are under way at a time: the next one does not wait for the time-out of the last.
	checksMax = 2
	// confirmPace is how soon after an answered check the next follows, of those that num_answers_to_alive asks for.
	confirmPace = 100 * time.Millisecond
)

// HomeCounts are what all threads have counted of a home server. Thread: any.
type HomeCounts struct {
	Answers  atomic.Uint64 // good ones, of checks too
	Timeouts atomic.Uint64 // requests that were not answered in response_window
	Failed   atomic.Uint64 // requests that could not be sent, or whose connection failed
	Rejected atomic.Uint64 // replies that could not be relayed
	Bad      [radius.ReasonCount]atomic.Uint64
	Checks   atomic.Uint64
	Deaths   atomic.Uint64
	Latency  Histogram
}

// homeState is what is known of a home server: published by atomics, decided by the one thread that owns it.
type homeState struct {
	gateway *Gateway
	owner   *lane
	cfg     *Home
	number  uint64 // for rendezvous hashing: of its name, so that it is the same in each instance
	times   transport.Retransmission
	main    *transport.Peer
	acct    *transport.Peer // nil: the same
	counts  HomeCounts

	now       atomic.Uint32 // life
	lastReply atomic.Int64  // nanoseconds since 1970
	suspected atomic.Int64  // when it was last reported for not answering
	refused   atomic.Bool   // it was reported for not being there
	asked     atomic.Bool   // the owner is to look
	knows     atomic.Bool   // it has answered a Status-Server
	seenMA    atomic.Bool   // an Access reply with a good Message-Authenticator came
	trialAt   atomic.Int64  // when the next request may be let through to see whether it is back
	gone      atomic.Bool   // it is in no configuration any more

	// The owner's:
	since   time.Time // of the present life
	timer   event.Timer
	checks  [checksMax]check
	turn    int // of checks: the next one's place
	answers int // to checks, one after the other
}

func newHomeState(g *Gateway, cfg *Home, owner *lane) *homeState {
	h := &homeState{gateway: g, owner: owner, cfg: cfg, number: hash(0, []byte(cfg.Name)),
		times: transport.Retransmission{Initial: cfg.Retransmit.Initial, Max: cfg.Retransmit.Max, Count: cfg.Retransmit.Count, Duration: cfg.Retransmit.Duration}}
	limits := transport.Limits{
		Connections: cfg.Limit.MaxConnections, Outstanding: cfg.MaxOutstanding, Uses: cfg.Limit.MaxRequests, Connecting: cfg.Limit.Connecting,
		Start: cfg.Limit.Start, Min: cfg.Limit.Min, OpenDelay: cfg.Limit.OpenDelay, CloseDelay: cfg.Limit.CloseDelay,
		IdleTimeout: cfg.Limit.IdleTimeout, Lifetime: cfg.Limit.Lifetime,
	}
	proto := transport.Protocol{Frame: radius.Frame, MessageMax: radius.MaxSize, IDs: 256, ID: idOf}
	h.main = transport.NewPeer(cfg.Name, cfg.IO, proto, limits, len(g.lanes))
	if cfg.AcctIO != nil {
		h.acct = transport.NewPeer(cfg.Name+" (accounting)", cfg.AcctIO, proto, limits, len(g.lanes))
	}
	h.timer.Init((*homeTimer)(h))
	for i := range h.checks {
		h.checks[i].home = h
	}
	if h.watched() {
		h.asked.Store(true)
		_ = owner.lane.Loop().Post(h.begin) // a loop that has just been made takes it
	}
	return h
}

// idOf is a packet's identifier.
func idOf(msg []byte) int {
	if len(msg) < radius.HeaderSize {
		return -1
	}
	return int(msg[1])
}

// begin starts the checks of a home server that is to be checked while it lives, too.
func (h *homeState) begin() {
	h.asked.Store(false)
	h.arm(h.cfg.CheckInterval)
}

// peer is where a request with this code goes.
func (h *homeState) peer(code radius.Code) *transport.Peer {
	if code == radius.AccountingRequest && h.acct != nil {
		return h.acct
	}
	return h.main
}

// life is the present one. Thread: any.
func (h *homeState) life() life { return life(h.now.Load()) }

// takesTrial tells, once each probePace, that a request may be let through to a home server that seems not to be there: where checks
// cannot tell. Thread: any.
func (h *homeState) takesTrial(now time.Time) bool {
	if h.knows.Load() || h.watched() ||
		h.cfg.StatusCheck == CheckNone && h.cfg.ReviveInterval > 0 {
		return false
	}
	at := h.trialAt.Load()
	return now.UnixNano() >= at && h.trialAt.CompareAndSwap(at, now.Add(probePace).UnixNano())
}

// noAnswer reports a request that was sent at the time sentAt and has not been answered by now. Thread: any.
func (h *homeState) noAnswer(now, sentAt time.Time) {
	h.counts.Timeouts.Add(1)
	if h.life() == alive && h.lastReply.Load() < sentAt.UnixNano() {
		h.suspected.Store(now.UnixNano())
		h.look()
	}
}

// failed reports a request that could not be sent. Thread: any.
func (h *homeState) failed(now time.Time, err error) {
	h.counts.Failed.Add(1)
	if err == transport.ErrBusy || err == transport.ErrNoConnection || h.life() != alive {
		return
	}
	h.refused.Store(true)
	h.look()
}

// answered reports a good reply. Thread: any.
func (h *homeState) answered(now time.Time, after time.Duration) {
	h.counts.Answers.Add(1)
	h.counts.Latency.Observe(after)
	h.lastReply.Store(now.UnixNano())
	if h.life() != alive {
		h.look()
	}
}

// look has the owner look at what was reported. If its loop has no room now, the next report comes soon.
func (h *homeState) look() {
	if !h.asked.CompareAndSwap(false, true) {
		return
	}
	if h.owner.lane.Loop().Post(h.decide) != nil {
		h.asked.Store(false)
	}
}

// decide looks at what was reported.
func (h *homeState) decide() {
	h.asked.Store(false)
	if h.gone.Load() {
		return
	}
	now := h.owner.lane.Loop().Now()
	refused := h.refused.Swap(false)
	reply := h.lastReply.Load()
	switch h.life() {
	case alive:
		if refused || h.suspected.Load() > reply {
			h.become(zombie, now)
		}
	default:
		if reply > h.since.UnixNano() {
			h.become(alive, now)
		}
	}
}

// become changes the life and says so, once.
func (h *homeState) become(next life, now time.Time) {
	h.now.Store(uint32(next))
	level := slog.LevelWarn
	if next == alive {
		level = slog.LevelInfo
	}
	if next == dead {
		h.counts.Deaths.Add(1)
	}
	h.gateway.log(level, "home server "+next.String(), slog.String("home_server", h.cfg.Name))
	if next == alive {
		h.answers = 0
		h.timer.Stop()
		h.cancelChecks()
		if h.watched() {
			h.arm(h.cfg.CheckInterval)
		}
	}
	if next != dead {
		h.since = now
	}
	if next == zombie {
		h.trialAt.Store(now.Add(probePace).UnixNano())
		h.answers = 0
		h.arm(0)
	}
}

// watched tells whether it is checked while it lives, too.
func (h *homeState) watched() bool {
	return h.cfg.StatusCheck == CheckStatus || h.cfg.StatusCheck == CheckRequest
}

// arm sets the timer, by up to a tenth earlier, so that gateways that began together do not check together; and to when a check ends.
func (h *homeState) arm(d time.Duration) {
	loop := h.owner.lane.Loop()
	if d > 0 {
		d -= time.Duration(h.owner.random.Uint64() % uint64(d/10+1))
	}
	at := loop.Now().Add(d)
	for i := range h.checks {
		if c := &h.checks[i]; c.Active() && c.expires.Before(at) {
			at = c.expires
		}
	}
	h.timer.Set(loop, at)
}

// homeTimer is the home server as its timer sees it.
type homeTimer homeState

func (t *homeTimer) Describe() string { return "home_server " + t.cfg.Name }

func (t *homeTimer) Expire(now time.Time) {
	h := (*homeState)(t)
	if h.gone.Load() {
		return
	}
	h.endChecks(now)
	switch h.life() {
	case alive:
		if now.UnixNano()-h.lastReply.Load() >= int64(h.cfg.CheckInterval) && !h.checking() {
			h.probe(now)
		}
		h.arm(h.cfg.CheckInterval)
		return
	case zombie:
		if now.Sub(h.since) >= h.cfg.ZombiePeriod {
			h.become(dead, now)
		}
	case dead:
		if h.cfg.StatusCheck == CheckNone && h.cfg.ReviveInterval > 0 && now.Sub(h.since) >= h.cfg.ReviveInterval {
			h.become(alive, now)
			return
		}
	}
	if h.cfg.StatusCheck != CheckNone {
		h.probe(now)
	}
	h.arm(probePace)
}

// accept checks a reply; nil, counted and logged, if it is not one to the request.
func (h *homeState) accept(l *lane, m *transport.Message, code radius.Code, vector []byte) radius.Packet {
	p, err := radius.Parse(m.Data)
	need := h.cfg.RequireMessageAuthenticator == DemandYes || h.cfg.RequireMessageAuthenticator == DemandAuto && h.seenMA.Load()
	if err == nil {
		err = l.keysOf(h.cfg.Secret).CheckReply(p, vector, need)
	}
	if err == nil && !p.Code().Answers(code) {
		err = radius.ErrCode
	}
	if err == nil {
		if !need && code == radius.AccessRequest && h.cfg.RequireMessageAuthenticator == DemandAuto {
			if _, signed := p.Find(radius.MessageAuthenticator); signed {
				h.seenMA.Store(true)
			}
		}
		return p
	}
	if e, ok := err.(*radius.Error); ok {
		h.counts.Bad[e.Reason].Add(1)
	}
	l.gateway.lines.warn(l.gateway.opt.Logger, m.Time, "bad reply", homeAttrs(h, err)...)
	return nil
}

// unfit reports a good reply that cannot be made into one for the client.
func (h *homeState) unfit(l *lane, now time.Time, err error) {
	h.counts.Rejected.Add(1)
	l.gateway.lines.warn(l.gateway.opt.Logger, now, "reply cannot be relayed", homeAttrs(h, err)...)
}

// retire ends what a lane has of a home server that is in no configuration any more.
func (h *homeState) retire(l *lane) {
	if l == h.owner {
		h.timer.Stop()
		h.cancelChecks()
	}
	for _, p := range []*transport.Peer{h.main, h.acct} {
		if p != nil {
			l.pool(p).Drain()
		}
	}
}

// HomeView is what may be seen of a home server. Thread: any.
type HomeView struct {
	Name        string
	Life        string
	Counts      *HomeCounts
	Peer, Acct  *transport.Peer // Acct is nil where accounting has no port of its own
	Description string
	TLS         *tls.Counts // of its handshakes; nil without TLS
}

// Homes are the home servers of the present configuration, in its order. Thread: any.
func (g *Gateway) Homes() []HomeView {
	var list []HomeView
	for _, cfg := range g.current.Load().Homes {
		list = append(list, cfg.view())
	}
	return list
}

// Debug writes what is known of the home servers. Thread: any.
func (g *Gateway) Debug(w io.Writer) {
	for _, h := range g.Homes() {
		fmt.Fprintf(w, "home_server %s: %s\n", h.Name, h.Life)
		in := frio.Indent(w)
		fmt.Fprintf(in, "%s\n", h.Description)
		fmt.Fprintf(in, "%d answers, %d not answered, %d failed, %d under way, %d connections\n", h.Counts.Answers.Load(),
			h.Counts.Timeouts.Load(), h.Counts.Failed.Load(), h.Peer.Outstanding(), h.Peer.Connections())
	}
}
