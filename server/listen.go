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
	members thread.Shards // nil on a lane that was given a loop
	counts  Counts
	log     *slog.Logger
	radius  *radiusListen // of namespace radius
	home    *homeListen   // of namespace home

	accepting, refusing, connecting, closing, reading warner
}

var _ transport.Service = (*listen)(nil)

// served is who is told of the peers.
func (l *listen) served() transport.Service {
	if l.radius != nil {
		return l.radius.listen
	}
	if l.home != nil {
		return l.home
	}
	return l
}

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

// open opens the socket, or sockets, and serves them on a lane that was given a loop.
func (l *listen) open(lane *transport.Lane) error {
	if err := l.io.Open(); err != nil {
		return err
	}
	for i, one := range l.shards() {
		if err := l.port(i, nil, one, l.ctx).Join(lane); err != nil {
			return err
		}
		trace(l.log, "open", slog.String("io", one.Describe()))
	}
	return nil
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
	l.counts.Faults[FaultAccept].Add(1)
	l.accepting.warn(l.log, p.Lane().Loop().Now(), "accept", slog.Any("error", err))
}

// Gone counts a connection that was closed.
func (l *listen) Gone(c *transport.Conn) {
	if c.Port().Near() == c {
		return
	}
	l.counts.Open.Add(-1)
}

// drain ends the sessions that are quiet, or all, and returns how many are left, on a lane that was given a loop.
func (l *listen) drain(lane *transport.Lane, all bool) (left int) {
	lane.Each(func(c *transport.Conn) {
		s, ok := c.User().(*session)
		if !ok || s.listen != l || s.alone() {
			return
		}
		if all {
			s.end(errStopped)
			return
		}
		s.Drain(c)
		if !s.over {
			left++
		}
	})
	return left
}

// close closes the ports of a Server that was given a loop.
func (l *listen) close(lane *transport.Lane) {
	if lane != nil {
		l.drain(lane, true)
	}
	for _, p := range l.ports {
		if err := p.Close(); err != nil {
			l.log.Error("close", "io", p.IO().Describe(), "error", err)
		}
	}
	if l.io != nil {
		if err := l.io.Close(); err != nil {
			l.log.Error("close", "io", l.io.Describe(), "error", err)
		}
	}
}

func (l *listen) debug(w io.Writer, lanes transport.Lanes, deep bool) {
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
	}
	debugIO(in, l.io, deep)
	if !deep {
		return
	}
	for _, lane := range lanes {
		lane.Each(func(c *transport.Conn) {
			if s, ok := c.User().(*session); ok && s.listen == l && !s.alone() {
				s.debug(in)
			}
		})
	}
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
