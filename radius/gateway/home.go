package gateway

import (
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/tls"
	"github.com/frio-io/frio/transport"
)

// HomeCounts are what all threads have counted of a port of a home server. Thread: any.
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

// homeState is what is known of a home server.
type homeState struct {
	gateway *Gateway
	owner   *branch // of its ports
	cfg     *Home
	number  uint64 // for rendezvous hashing: of its name, so that it is the same in each instance
	times   transport.Retransmission
	ports   []*port     // main, and accounting where that has one of its own
	tls     *tls.Counts // of its handshakes; nil without TLS
	seenMA  atomic.Bool // an Access reply without EAP-Message had a good Message-Authenticator
	gone    atomic.Bool // it is in no configuration any more
}

func newHomeState(g *Gateway, cfg *Home, owner *branch) *homeState {
	h := &homeState{gateway: g, owner: owner, cfg: cfg, number: hash(0, []byte(cfg.Name)),
		times: transport.Retransmission{Initial: cfg.Retransmit.Initial, Max: cfg.Retransmit.Max, Count: cfg.Retransmit.Count, Duration: cfg.Retransmit.Duration}}
	if c, ok := cfg.IO.(*tls.Conn); ok {
		h.tls = c.Counts()
	}
	h.ports = append(h.ports, newPort(h, portMain, cfg.Name, cfg.IO))
	if cfg.AcctIO != nil && cfg.AcctIO.Describe() != cfg.IO.Describe() {
		h.ports = append(h.ports, newPort(h, portAcct, cfg.Name+" (accounting)", cfg.AcctIO))
	}
	return h
}

// port is where a request with this code goes.
func (h *homeState) port(code radius.Code) *port {
	if code == radius.AccountingRequest {
		return h.ports[len(h.ports)-1]
	}
	return h.ports[0]
}

// watched tells whether it is checked while it lives, too.
func (h *homeState) watched() bool {
	return h.cfg.StatusCheck == CheckStatus || h.cfg.StatusCheck == CheckRequest
}

// has tells whether peer is one of its ports.
func (h *homeState) has(peer *transport.Peer) bool {
	return slices.ContainsFunc(h.ports, func(p *port) bool { return p.peer == peer })
}

// retire ends what a lane has of a home server that is in no configuration any more.
func (h *homeState) retire(b *branch) {
	for _, p := range h.ports {
		if b == h.owner {
			p.timer.Stop()
			p.cancelChecks()
		}
		b.pool(p.peer).Drain()
	}
}

// HomeView is what may be seen of a home server. Thread: any.
type HomeView struct {
	Name  string
	Life  string      // of its ports the worst
	Ports []PortView  // one, or main and accounting
	TLS   *tls.Counts // of its handshakes; nil without TLS
}

// PortView is what may be seen of a port of a home server. Thread: any.
type PortView struct {
	Name        string // main or accounting
	Life        string
	Error       string // why it did not answer, the last time; "" while it lives
	Counts      *HomeCounts
	Peer        *transport.Peer
	Description string
}

// Homes are the home servers of the present configuration, in its order. Thread: any.
func (g *Gateway) Homes() []HomeView {
	var list []HomeView
	for _, cfg := range g.current.Load().Homes {
		list = append(list, cfg.view())
	}
	return list
}

// view does not touch the home server's IOs: another configuration may free them meanwhile.
func (cfg *Home) view() HomeView {
	v := HomeView{Name: cfg.Name, TLS: cfg.state.tls}
	worst := alive
	for _, p := range cfg.state.ports {
		now := p.life()
		worst = max(worst, now)
		v.Ports = append(v.Ports, PortView{Name: p.name, Life: now.String(), Error: p.why(), Counts: &p.counts, Peer: p.peer, Description: p.io})
	}
	v.Life = worst.String()
	return v
}

// Debug writes what is known of the home servers. Thread: any.
func (g *Gateway) Debug(w io.Writer) {
	for _, h := range g.Homes() {
		fmt.Fprintf(w, "home_server %s: %s\n", h.Name, h.Life)
		for _, p := range h.Ports {
			in := frio.Indent(w)
			fmt.Fprintf(in, "%s: %s, %s\n", p.Name, p.Life, p.Description)
			fmt.Fprintf(in, "%d answers, %d not answered, %d failed, %d under way, %d connections\n", p.Counts.Answers.Load(),
				p.Counts.Timeouts.Load(), p.Counts.Failed.Load(), p.Peer.Outstanding(), p.Peer.Connections())
			if p.Error != "" {
				fmt.Fprintf(in, "error: %s\n", p.Error)
			}
		}
	}
}
