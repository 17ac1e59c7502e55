package gateway

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/tls"
	"github.com/frio-io/frio/transport"
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
