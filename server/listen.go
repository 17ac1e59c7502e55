package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
)

const (
	// acceptsMax is how many peers one turn takes, so that those that are there go on being served.
	acceptsMax = 64
	// restDelay is how long a listener is left alone after an error that nothing is known about: it neither spins nor ends.
	restDelay = time.Second
)

// listen is one `listen NAME { }`.
type listen struct {
	service *service
	name    string
	ctx     *talloc.Context
	io      frio.IO
	idle    time.Duration // that the sessions keep themselves; 0: their IO does
	ports   []*port
	counts  Counts
	log     *slog.Logger

	accepting, refusing, connecting, closing, reading warner
}

// port is one socket of a listen, on its loop.
type port struct {
	listen *listen
	lane   *lane
	io     frio.IO
	near   end      // of a listener that has no children: it is its own peer
	flow   flow     // what such a one reads
	spare  *session // whose context the next Accept uses
	nextID uint64
	timer  event.Timer     // ends a rest
	ctx    *talloc.Context // of the listen; it is the port's where that has a thread of its own
	member *thread.Member  // nil of a Server that was given a loop
}

// open opens the socket, or sockets, and serves them on the loop of a lane.
func (l *listen) open(lane *lane) error {
	if err := l.io.Open(); err != nil {
		return err
	}
	shards := []frio.IO{l.io}
	if s, ok := l.io.(frio.Sharder); ok {
		shards = s.Shards()
	}
	for _, one := range shards {
		p := &port{listen: l, lane: lane, io: one, ctx: l.ctx}
		p.timer.Init((*portTimer)(p))
		l.ports = append(l.ports, p)
		if err := p.serve(p.accept); err != nil {
			return err
		}
		trace(l.log, "open", slog.String("io", one.Describe()))
	}
	return nil
}

// refuse has the ports take nobody any more. One without children sends the answers to what has come, and closes.
func (l *listen) refuse() {
	for _, p := range l.ports {
		p.refuse()
	}
}

func (p *port) refuse() {
	if p.flow.from != nil {
		p.packets()
	}
	p.timer.Stop()
	if err := p.io.Event(p.lane.loop, nil, nil); err != nil {
		p.listen.log.Error("refuse", "io", p.io.Describe(), "error", err)
	}
}

// drain ends the sessions that are quiet, or all, and returns how many are left.
func (l *listen) drain(now time.Time, all bool) (left int) {
	for _, p := range l.ports {
		p.lane.each(p, func(s *session) {
			switch {
			case all:
				s.end(errStopped)
			case s.quiet(now):
				s.end(nil)
			default:
				left++
			}
		})
	}
	return left
}

func (l *listen) close() {
	for _, p := range l.ports {
		p.timer.Stop()
		p.lane.each(p, func(s *session) { s.end(errStopped) })
	}
	if l.io != nil {
		if err := l.io.Close(); err != nil {
			l.log.Error("close", "io", l.io.Describe(), "error", err)
		}
	}
}

func (l *listen) debug(w io.Writer) {
	fmt.Fprintf(w, "listen %s\n", l.name)
	in := frio.Indent(w)
	if l.idle > 0 {
		fmt.Fprintf(in, "a peer's session ends after %v without a datagram\n", l.idle)
	}
	if len(l.ports) > 0 {
		l.counts.debug(in)
	}
	l.io.Debug(in)
	for _, p := range l.ports {
		p.lane.each(p, func(s *session) { s.debug(in) })
	}
}

// serve has read called while there is somebody to accept, or something to read.
func (p *port) serve(read func()) error {
	if err := p.io.Event(p.lane.loop, read, nil); err != nil {
		return fmt.Errorf("serve %s: %w", p.io.Describe(), err)
	}
	return nil
}

// accept takes the peers that wait. A listener that has no children answers datagrams itself from then on.
func (p *port) accept() {
	for range acceptsMax {
		s, err := p.fresh()
		if err != nil {
			p.rest(err)
			return
		}
		child, err := p.io.Accept(&s.ctx)
		switch {
		case err == nil:
			p.spare = nil
			p.welcome(s, child)
		case err == frio.ErrAgain:
			return
		case errors.Is(err, errors.ErrUnsupported):
			p.alone()
			return
		default:
			p.rest(err)
			return
		}
	}
}

// fresh returns the session that the next peer gets.
func (p *port) fresh() (*session, error) {
	if p.spare == nil {
		s := &session{port: p}
		if err := s.ctx.Init(p.ctx, "session"); err != nil {
			return nil, err
		}
		p.spare = s
	}
	return p.spare, nil
}

// welcome gives an accepted IO its session, which lives here or where the pool places it.
func (p *port) welcome(s *session, child frio.IO) {
	p.nextID++
	s.id = p.nextID
	p.listen.counts.Sessions.Add(1)
	p.listen.counts.Open.Add(1)
	if p.member == nil {
		p.lane.add(s)
		s.begin(child)
		return
	}
	s.child = child
	if _, err := p.lane.thread.Add(child, &s.ctx, p.member, s); err != nil {
		// The pool stops.
		p.listen.counts.Open.Add(-1)
		_ = child.Close() // nothing was written
		s.ctx.Free()
	}
}

// rest leaves the listener alone for a while. A listener does not end because of an error.
func (p *port) rest(err error) {
	l := p.listen
	if errors.Is(err, net.ErrClosed) {
		return
	}
	l.counts.Faults[FaultAccept].Add(1)
	l.accepting.warn(l.log, p.lane.loop.Now(), "accept", slog.Any("error", err))
	if p.io.Event(p.lane.loop, nil, nil) == nil {
		p.timer.Set(p.lane.loop, p.lane.loop.Now().Add(restDelay))
	}
}

// portTimer is the port as its timer sees it.
type portTimer port

func (t *portTimer) Expire(time.Time) {
	p := (*port)(t)
	read := p.accept
	if p.flow.from != nil {
		read = p.packets
	}
	if err := p.serve(read); err != nil {
		p.rest(err)
	}
}

func (t *portTimer) Describe() string { return t.io.Describe() }

// alone makes the listener its own only peer: it has no children, its datagrams are answered from itself.
func (p *port) alone() {
	p.spare.ctx.Free()
	p.spare = nil
	p.near.init(nil, p.io)
	if a, ok := p.io.(frio.Addresser); !ok || !a.LocalAddr().IsValid() {
		// Its peers have no addresses that a Packet holds (unix): only Write knows whom to answer, one at a time.
		p.near.packets = nil
	}
	p.near.counts = &p.listen.counts
	p.flow.from = &p.near
	if p.listen.service.space == echo {
		p.flow.to = &p.near
	}
	if err := p.serve(p.packets); err != nil {
		p.rest(err)
		return
	}
	p.packets()
}

// packets answers the datagrams that wait.
func (p *port) packets() {
	if err := p.flow.datagrams(p.lane, p.failed); err != nil {
		p.rest(err)
	}
}

// failed counts an error that cost one datagram.
func (p *port) failed(err error) {
	p.listen.counts.fault(err)
	p.listen.reading.warn(p.listen.log, p.lane.loop.Now(), "datagram", slog.Any("error", err))
}
