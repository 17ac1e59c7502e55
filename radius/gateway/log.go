package gateway

import (
	"context"
	"log/slog"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/frio-io/frio/radius"
)

const (
	// lineInterval is how far apart lines of one kind are at least: what peers cause at line rate must not fill a disk. The next line says how
	// many were left out.
	lineInterval = time.Second
	// kindsMax bounds the kinds of lines of home servers with names, of which there are three each; further home servers share one of each.
	// All else are words of this package, with the reasons of package radius, fewer than 64.
	kindsMax = 1024
	// homeAttr is the attribute that names a home server, the first of a line about one.
	homeAttr = "home_server"
)

// lines keeps what is logged of one place to a line of each kind in lineInterval. Thread: any.
type lines struct {
	mu    sync.Mutex
	kinds map[kind]*limit // guarded by mu
}

// kind is what a line says, and which home server it is about, if any: one that has much to be said of does not hide what is said of others.
type kind struct{ what, home string }

type limit struct {
	next    time.Time
	leftOut int
}

// take tells whether it is time for a line, and how many were left out before it.
func (l *lines) take(k kind, now time.Time) (leftOut int, wanted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kinds[k] == nil && len(l.kinds) >= kindsMax {
		k.home = ""
	}
	m := l.kinds[k]
	if m == nil {
		if l.kinds == nil {
			l.kinds = map[kind]*limit{}
		}
		m = new(limit)
		l.kinds[k] = m
	}
	if now.Before(m.next) {
		m.leftOut++
		return 0, false
	}
	leftOut = m.leftOut
	m.next, m.leftOut = now.Add(lineInterval), 0
	return leftOut, true
}

// warn logs a line about what somebody else did.
func (l *lines) warn(log *slog.Logger, now time.Time, what string, attrs ...slog.Attr) {
	k := kind{what: what}
	if len(attrs) > 0 && attrs[0].Key == homeAttr {
		k.home = attrs[0].Value.String()
	}
	if leftOut, wanted := l.take(k, now); wanted {
		say(log, leftOut, what, attrs...)
	}
}

// packet logs what became of a packet. why tells lines apart that are limited by themselves; nothing is made for one that is not
// wanted, as there may be one for each packet.
func (l *lines) packet(log *slog.Logger, now time.Time, why, what string, client *Client, peer netip.AddrPort, err error) {
	leftOut, wanted := l.take(kind{what: why}, now)
	if !wanted {
		return
	}
	var attrs []slog.Attr
	if client != nil {
		attrs = append(attrs, slog.String("client", client.Name))
	}
	attrs = append(attrs, slog.String("peer", peerName(peer)))
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	say(log, leftOut, what, attrs...)
}

// peerName is what lines call a peer. One on a Unix socket has no address.
func peerName(addr netip.AddrPort) string {
	if !addr.IsValid() {
		return "unix"
	}
	return addr.String()
}

func say(log *slog.Logger, leftOut int, what string, attrs ...slog.Attr) {
	if leftOut > 0 {
		attrs = append(attrs, slog.Int("left_out", leftOut))
	}
	log.LogAttrs(context.Background(), slog.LevelWarn, what, attrs...)
}

func (g *Gateway) log(level slog.Level, msg string, attrs ...slog.Attr) {
	g.opt.Logger.LogAttrs(context.Background(), level, msg, attrs...)
}

// allDown says once that no home server of a pool lives, at the port of requests with this code, and what they get.
func (g *Gateway) allDown(p *HomePool, code radius.Code, answer string) {
	if !p.downOf(code).Swap(true) {
		g.log(slog.LevelError, "no home server lives", p.attrs(code, slog.String("answer", answer))...)
	}
}

// backUp says once that one does again.
func (g *Gateway) backUp(p *HomePool, code radius.Code) {
	if down := p.downOf(code); down.Load() && down.Swap(false) {
		g.log(slog.LevelInfo, "a home server lives again", p.attrs(code)...)
	}
}

// attrs names the pool in lines of the log, and the port if its home servers have two.
func (p *HomePool) attrs(code radius.Code, more ...slog.Attr) []slog.Attr {
	list := []slog.Attr{slog.String("home_server_pool", p.Name)}
	if p.split {
		list = append(list, slog.String("port", map[bool]string{false: portMain, true: portAcct}[code == radius.AccountingRequest]))
	}
	return append(list, more...)
}

// Log says which lines about requests are wanted.
type Log struct {
	Requests bool      // one for each request that was answered, or was not
	Trace    bool      // the text of each packet, at level Debug
	UserName UserNames // how much of a user's name a line shows
	Stations *Stations // how lines show Calling-Station-Id; nil: those about requests do not, those of accounting as it came
	FTicks   *FTicks   // nil: none
}

// SetLog changes that, for the lines from then on. Thread: any.
func (g *Gateway) SetLog(l Log) { g.wanted.Store(&l) }

func (g *Gateway) tracing() bool { return g.wanted.Load().Trace }

// record counts how a request ended, and logs it if that is wanted.
func (b *branch) record(r *request, outcome Outcome) {
	r.client.state.Outcomes[outcome].Add(1)
	g := b.gateway
	wanted := g.wanted.Load()
	if wanted.FTicks != nil && r.code == radius.AccessRequest && (outcome == OutcomeAccept || outcome == OutcomeReject) {
		wanted.FTicks.write(r, outcome)
	}
	if !wanted.Requests {
		return
	}
	attrs := make([]slog.Attr, 0, 9)
	attrs = append(attrs, slog.String("request", r.name()), slog.String("code", r.code.String()), slog.String("client", r.client.Name),
		slog.String("peer", peerName(r.peer())), slog.String("outcome", outcome.String()))
	if r.sent > 0 {
		attrs = append(attrs, slog.String("home_server", r.calls[r.sent-1].home.cfg.Name))
	}
	if user, ok := r.packet.Find(radius.UserName); ok {
		attrs = append(attrs, slog.String("user", wanted.UserName.show(user)))
	}
	if station, ok := r.packet.Find(radius.CallingStationID); ok && wanted.Stations != nil {
		attrs = append(attrs, slog.String("station", wanted.Stations.show(station)))
	}
	attrs = append(attrs, slog.Duration("after", b.now().Sub(r.began)))
	g.log(slog.LevelInfo, "request", attrs...)
}

// name ties the lines of one request together.
func (r *request) name() string {
	if r.serial == 0 {
		r.serial = r.branch.gateway.ids.Add(1)
	}
	return strconv.FormatUint(r.serial, 16)
}
