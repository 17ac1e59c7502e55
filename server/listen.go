package server

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/radius/gateway"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
	"github.com/frio-io/frio/transport"
)

// listen is one `listen NAME { }`. It is the transport.Service of namespace echo, discard and relay.
type listen struct {
	service *service
	name    string
	ctx     *talloc.Context
	io      frio.IO
	idle    time.Duration // that the sessions keep themselves; 0: their IO does
	text    string        // stands for what it is made of
	ports   []*transport.Port
	members thread.Shards
	counts  listenCounts
	log     *slog.Logger
	radius  *radiusListen // of namespace radius
	home    *homeListen   // of namespace home

	accepting, refusing, connecting, closing, reading warner
}

var _ transport.Service = (*listen)(nil)

// served is who is told of the peers.
func (l *listen) served() transport.Service {
	if l.radius != nil {
		return traced{l.radius.listen, l.log}
	}
	if l.home != nil {
		return traced{l.home, l.log}
	}
	return l
}

// traced is a Service whose connections leave a line when they come and when they are gone, as sessions do.
type traced struct {
	transport.Service
	log *slog.Logger
}

func (t traced) Serve(c *transport.Conn) (transport.User, transport.Config) {
	if t.wanted(c) {
		trace(t.log, "accept", slog.String("io", c.Describe()), slog.Group("", onThread(c)...))
	}
	return t.Service.Serve(c)
}

func (t traced) Gone(c *transport.Conn) {
	if t.wanted(c) {
		n := c.Stats()
		trace(t.log, "close", slog.String("io", c.Describe()), slog.Uint64("in", n.BytesIn), slog.Uint64("out", n.BytesOut))
	}
	t.Service.Gone(c)
}

// wanted is false of a socket that many send to: nobody has come by it.
func (t traced) wanted(c *transport.Conn) bool { return c.Port().Near() != c && tracing(t.log) }

// port makes the port of one of the sockets.
func (l *listen) port(shard int, lanes transport.Lanes, one frio.IO, ctx *talloc.Context) *transport.Port {
	p := transport.NewPort(l.named(shard), lanes, one, ctx, l.served())
	l.ports = append(l.ports, p)
	return p
}

// shards are the sockets.
func (l *listen) shards() []frio.IO {
	if s, ok := l.io.(frio.Sharder); ok {
		return s.Shards()
	}
	return []frio.IO{l.io}
}

// Serve gives a peer's connection its session, on its thread.
func (l *listen) Serve(c *transport.Conn) (transport.User, transport.Config) {
	s := &session{listen: l, peer: c, moved: c.Since()}
	s.timer.Init((*sessionTimer)(s))
	if !s.alone() {
		s.id = l.counts.Sessions.Add(1)
		l.counts.Open.Add(1)
		s.trace("accept", c)
		s.arm()
	}
	return s, transport.Config{Counts: &l.counts.Counts}
}

// Fault leaves a line: a listener does not end because of an error.
func (l *listen) Fault(p *transport.Port, err error) {
	l.counts.Faults[faultAccept].Add(1)
	l.accepting.warn(l.log, p.Lane().Loop().Now(), "accept", slog.Any("error", err))
}

// Gone counts a connection that was closed.
func (l *listen) Gone(c *transport.Conn) {
	if c.Port().Near() == c {
		return
	}
	l.counts.Open.Add(-1)
}

// addressed tells whether it listens at addresses, not at the name of a Unix socket.
func (l *listen) addressed() bool {
	a, ok := frio.Socket(l.shards()[0]).(frio.Addresser)
	return ok && a.LocalAddr().IsValid()
}

// inherit has l go on with the sockets of old, one that will be gone; ok is false where l's are others. shared: old's connections go on reading them.
func (l *listen) inherit(old *listen) (shared, ok bool) {
	to, from := l.shards(), old.shards()
	if len(to) != len(from) {
		return false, false
	}
	for i, one := range to {
		heir, is := frio.Socket(one).(frio.Heir)
		if !is {
			return false, false
		}
		s, err := heir.Inherit(frio.Socket(from[i]))
		if err != nil {
			for _, one := range to[:i] {
				_, _ = frio.Socket(one).(frio.Heir).Inherit(nil)
			}
			return false, false
		}
		shared = shared || s
	}
	return shared, true
}

func (l *listen) debug(w io.Writer, deep bool) {
	fmt.Fprintf(w, "listen %s\n", l.name)
	in := frio.Indent(w)
	if l.idle > 0 {
		fmt.Fprintf(in, "a peer's session ends after %v without a datagram\n", l.idle)
	}
	if len(l.ports) > 0 {
		l.counts.debug(in)
	}
	if l.radius != nil {
		l.radius.debug(in)
		if timeout := l.radius.config.Timeout; l.io.Kind() == frio.Stream {
			fmt.Fprintf(in, "message_timeout %s\n", map[bool]string{false: "never", true: timeout.String()}[timeout > 0])
		}
	}
	debugIO(in, l.io, deep)
}

// radiusListen is what a listen of namespace radius has besides.
type radiusListen struct {
	cfg    *gateway.ListenConfig // as read; the listen's own once it is there
	config transport.Config
	listen *gateway.Listen // from Start on
}

func (r *radiusListen) debug(w io.Writer) {
	cfg := r.cfg
	if r.listen != nil {
		cfg = r.listen.Config()
	}
	clients := "the global clients"
	if cfg.Clients != "" {
		clients = "clients " + cfg.Clients
	}
	fmt.Fprintf(w, "takes requests of %s\n", clients)
}
