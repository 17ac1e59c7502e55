package gateway

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/transport"
)

// The names of a home server's ports.
const (
	portMain = "main"
	portAcct = "accounting"
)

// port is one place where a home server is: it lives and dies by itself, as the servers behind two ports may be two programs. What is known
// of it is published by atomics, and decided by the one thread that owns the home server.
type port struct {
	home   *homeState
	name   string
	io     string // what its IO is
	peer   *transport.Peer
	counts HomeCounts

	now       atomic.Uint32          // life
	lastReply atomic.Int64           // nanoseconds since 1970
	suspected atomic.Int64           // when it was last reported for not answering
	missed    atomic.Int64           // when an attempt began that was last reported for finding nobody
	asked     atomic.Bool            // the owner is to look
	knows     atomic.Bool            // it has answered a Status-Server
	lostAt    atomic.Int64           // when it became a zombie
	trialAt   atomic.Int64           // when the next request may be let through to see whether it is back
	failure   atomic.Pointer[string] // why it did not answer, the last time
	told      atomic.Bool            // since its last answer a line said that a connection was lost
	used      atomic.Bool            // a realm sends it something, so that it is watched if its home server is

	lost lines // of connections

	// The owner's:
	since   time.Time // of the present life
	timer   event.Timer
	checks  [checksMax]*check
	turn    int // of checks: the next one's place
	answers int // to checks, one after the other
}

// newPort makes a port; called is what its connections are called.
func newPort(h *homeState, name, called string, one frio.IO) *port {
	limit := &h.cfg.Limit
	p := &port{home: h, name: name, io: one.Describe(), peer: transport.NewPeer(called, one,
		transport.Protocol{Frame: radius.Frame, MessageMax: radius.MaxSize, IDs: 256, ID: idOf},
		transport.Limits{
			Connections: limit.MaxConnections, Outstanding: h.cfg.MaxOutstanding, Uses: limit.MaxRequests, Connecting: limit.Connecting,
			Start: limit.Start, Min: limit.Min, OpenDelay: limit.OpenDelay, CloseDelay: limit.CloseDelay,
			IdleTimeout: limit.IdleTimeout, Lifetime: limit.Lifetime,
		}, len(h.gateway.branches))}
	p.timer.Init((*portTimer)(p))
	return p
}

// idOf is a packet's identifier.
func idOf(msg []byte) int {
	if len(msg) < radius.HeaderSize {
		return -1
	}
	return int(msg[1])
}

// use has the port watched, if its home server is. Thread: any.
func (p *port) use() {
	if p.home.watched() && !p.used.Swap(true) && p.home.owner.lane.Loop().Post(p.begin) != nil {
		p.used.Store(false) // a loop that is full takes it at the next reload, or when the port has been dead
	}
}

// begin starts the checks of a port that is to be checked while it lives, too.
func (p *port) begin() {
	if p.life() == alive && !p.home.gone.Load() {
		p.arm(p.home.cfg.CheckInterval)
	}
}

// describe names the port to people.
func (p *port) describe() string {
	if len(p.home.ports) == 1 {
		return "home_server " + p.home.cfg.Name
	}
	return p.name + " port of home_server " + p.home.cfg.Name
}

// attrs names the port in lines of the log, by its home server alone where that has one only.
func (p *port) attrs(more ...slog.Attr) []slog.Attr {
	list := []slog.Attr{slog.String("home_server", p.home.cfg.Name)}
	if len(p.home.ports) > 1 {
		list = append(list, slog.String("port", p.name))
	}
	return append(list, more...)
}

// accept checks a reply; nil, counted and logged, if it is not one to the request.
func (p *port) accept(b *branch, m *transport.Message, code radius.Code, vector []byte) radius.Packet {
	h := p.home
	reply, err := radius.Parse(m.Data)
	need := h.cfg.RequireMessageAuthenticator == DemandYes || h.cfg.RequireMessageAuthenticator == DemandAuto && h.seenMA.Load()
	if err == nil {
		err = b.keysOf(h.cfg.Secret).CheckReply(reply, vector, need)
	}
	if err == nil && !reply.Code().Answers(code) {
		err = radius.ErrCode
	}
	if err == nil {
		if !need && code == radius.AccessRequest && h.cfg.RequireMessageAuthenticator == DemandAuto && signs(reply) {
			h.seenMA.Store(true)
		}
		return reply
	}
	p.counts.Bad[radius.ReasonOf(err)].Add(1)
	b.gateway.lines.warn(b.gateway.opt.Logger, m.Time, "bad reply", p.attrs(slog.Any("error", err))...)
	return nil
}

// whyMax bounds the text of why a port did not answer: some of it is from the home server's certificate. In bytes.
const whyMax = 256

// blame keeps why the port did not answer, for the log and those who look on. Thread: any.
func (p *port) blame(err error) {
	text := err.Error()
	if len(text) > whyMax {
		text = text[:whyMax]
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
	p.failure.Store(&text)
}

// why is what was kept, of a port that does not live; else "". Thread: any.
func (p *port) why() string {
	if text := p.failure.Load(); text != nil && p.life() != alive {
		return *text
	}
	return ""
}

// unfit reports a good reply that cannot be made into one for the client.
func (p *port) unfit(b *branch, now time.Time, err error) {
	p.counts.Rejected.Add(1)
	b.gateway.lines.warn(b.gateway.opt.Logger, now, "reply cannot be relayed", p.attrs(slog.Any("error", err))...)
}
