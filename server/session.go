package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
)

// watchInterval is how often a session looks after an IO of which it wishes nothing, because the other side is slow: such a one
// cannot tell that its own limits have ended it.
const watchInterval = time.Second

// session is what belongs to one peer: its IO, in a relay the one to the target, and the flows between them.
//
//	waiting for the peer's handshake -> connecting to the target -> moving -> over
type session struct {
	ctx        talloc.Context
	port       *port
	lane       *lane    // where it lives
	next, prev *session // there
	id         uint64
	peer, far  end // far.io is nil without a target
	flows      [2]flow
	count      int // flows; 0 until both ends are up
	timer      event.Timer
	moved      time.Time // when something was carried last
	began      time.Time
	reason     error          // the first error that did not end the session at once
	child      frio.IO        // until it begins
	member     *thread.Member // nil of a Server that was given a loop
	draining   bool           // it ends when it is quiet
	over       bool
}

// begin takes an accepted IO.
func (s *session) begin(child frio.IO) {
	p := s.port
	s.began = s.lane.loop.Now()
	s.moved = s.began
	s.timer.Init((*sessionTimer)(s))
	s.peer.init(s, child)
	s.peer.counts = &p.listen.counts
	if log := p.listen.log; tracing(log) {
		trace(log, "accept", slog.Uint64("session", s.id), slog.String("io", child.Describe()))
	}
	s.proceed()
}

// proceed brings the ends up, the peer's first: a peer that does not get through its handshake causes no connection.
func (s *session) proceed() {
	if !s.peer.up {
		switch stateOf(s.peer.io) {
		case frio.StateFailed:
			s.fail(ending(s.peer.io, s.lane))
			return
		case frio.StateOpen:
			s.peer.up = true
		}
	}
	if s.peer.up && s.port.listen.service.space == relay && !s.far.up {
		if err := s.connect(); err != nil {
			l := s.port.listen
			l.counts.Faults[FaultConnect].Add(1)
			l.connecting.warn(l.log, s.lane.loop.Now(), "relay", slog.Any("error", err))
			s.end(err)
			return
		}
	}
	if s.peer.up && s.count == 0 {
		s.join()
	}
	s.settle()
}

// stateOf is the state of an accepted or connected IO; one that does not tell is open.
func stateOf(one frio.IO) frio.State {
	if st, ok := one.(frio.Stater); ok {
		return st.State()
	}
	return frio.StateOpen
}

// ending is the error of an IO that has failed.
func ending(one frio.IO, lane *lane) error {
	_, err := one.Write(lane.loop.Scratch()[:1])
	return err
}

// introduce tells a target that asks for it (the PROXY protocol) who the peer is. A peer without an address is the relay itself.
func (s *session) introduce(far frio.IO) {
	near, ok := s.peer.io.(frio.Addresser)
	for ok && far != nil {
		if setter, is := far.(frio.AddrSetter); is {
			if setter.SetAddrs(near.RemoteAddr(), near.LocalAddr()) != nil {
				_ = setter.SetAddrs(netip.AddrPort{}, netip.AddrPort{})
			}
			return
		}
		layer, is := far.(frio.Layer)
		if !is {
			return
		}
		far = layer.Lower()
	}
}

// connect starts the connection to the target, or goes on with it.
func (s *session) connect() error {
	if s.far.io == nil {
		far, err := s.port.listen.service.target.dial(&s.ctx)
		if err != nil {
			return err
		}
		s.introduce(far)
		s.far.init(s, far)
		if err := s.far.wish(s.lane.loop, false, true); err != nil {
			return err
		}
	}
	err := s.far.io.Connect()
	if err == frio.ErrAgain {
		return nil
	}
	if s.far.up = err == nil; s.far.up {
		if log := s.port.listen.log; tracing(log) {
			trace(log, "connect", slog.Uint64("session", s.id), slog.String("io", s.far.io.Describe()))
		}
	}
	return err
}

// join makes the flows, when all ends are up.
func (s *session) join() {
	switch s.port.listen.service.space {
	case discard:
		s.flows[0].from, s.count = &s.peer, 1
	case echo:
		s.flows[0].from, s.flows[0].to, s.count = &s.peer, &s.peer, 1
	case relay:
		if s.far.up {
			s.flows[0].from, s.flows[0].to = &s.peer, &s.far
			s.flows[1].from, s.flows[1].to = &s.far, &s.peer
			s.count = 2
		}
	}
}

// readable and writable are called by the loop.
func (s *session) readable(e *end) {
	for i := range s.flows[:s.count] {
		if f := &s.flows[i]; f.from == e {
			s.move(f)
		}
	}
	s.settle()
}

func (s *session) writable(e *end) {
	if !e.up {
		s.proceed()
		return
	}
	for i := range s.flows[:s.count] {
		if f := &s.flows[i]; f.to == e && len(f.held) > 0 {
			s.move(f)
		}
	}
	s.settle()
}

// move carries what can be carried, and looks after what goes wrong.
func (s *session) move(f *flow) {
	if f.done || s.over {
		return
	}
	if s.peer.io.Kind() == frio.Datagram {
		s.moved = s.lane.loop.Now()
		if err := f.datagrams(s.lane, s.failed); err != nil {
			s.fail(err)
		}
		return
	}
	lost, err := f.stream(s)
	switch {
	case err == nil:
	case lost == f.to && f.to != f.from:
		// That end takes nothing any more, but what it sent before is still to be read: its own flow finds the end.
		if errors.Is(err, errors.ErrUnsupported) {
			s.end(nil) // it cannot end one direction alone
			return
		}
		s.fault(err)
		f.done = true
		if len(f.held) > 0 {
			f.forget()
		}
	default:
		s.fail(err)
	}
}

// fail ends the session because an end is lost. The other end gets what was read before.
func (s *session) fail(err error) {
	if err == io.EOF {
		s.end(nil) // a layer over datagrams ends both directions
		return
	}
	s.fault(err)
	s.end(s.reason)
}

// failed counts an error that cost one datagram.
func (s *session) failed(err error) {
	l := s.port.listen
	l.counts.fault(err)
	l.reading.warn(l.log, s.lane.loop.Now(), "datagram", slog.Any("error", err))
}

func (s *session) fault(err error) {
	s.port.listen.counts.fault(err)
	if s.reason == nil {
		s.reason = err
	}
}

// settle tells the loop what the session waits for, or ends it.
func (s *session) settle() {
	if s.over {
		return
	}
	if s.count > 0 && s.isDone() {
		s.end(s.reason)
		return
	}
	for _, e := range [...]*end{&s.peer, &s.far} {
		if e.io == nil {
			continue
		}
		reads, writes := s.wishes(e)
		if err := e.wish(s.lane.loop, reads, writes); err != nil {
			s.fail(err)
			return
		}
	}
	s.arm()
}

func (s *session) isDone() bool {
	for i := range s.flows[:s.count] {
		if !s.flows[i].done {
			return false
		}
	}
	return true
}

// wishes are what e waits for: bytes while what was read from it is taken, room while something is kept for it.
func (s *session) wishes(e *end) (reads, writes bool) {
	writes = !e.up
	for i := range s.flows[:s.count] {
		f := &s.flows[i]
		if f.from == e && !f.done && len(f.held) == 0 {
			reads = true
		}
		if f.to == e && len(f.held) > 0 {
			writes = true
		}
	}
	return reads, writes
}

// arm sets the timer where it is not running and has something to wait for.
func (s *session) arm() {
	if !s.timer.When().IsZero() {
		return
	}
	loop, idle := s.lane.loop, s.port.listen.idle
	switch {
	case s.draining:
		s.timer.Set(loop, loop.Now().Add(drainTick))
	case idle > 0:
		s.timer.Set(loop, s.moved.Add(idle))
	case s.unwatched() != nil:
		s.timer.Set(loop, loop.Now().Add(watchInterval))
	}
}

// unwatched returns an end of which nothing is wished, nil if there is none.
func (s *session) unwatched() *end {
	for _, e := range [...]*end{&s.peer, &s.far} {
		if e.io != nil && !e.reads && !e.writes {
			return e
		}
	}
	return nil
}

// sessionTimer is the session as its timer sees it.
type sessionTimer session

func (t *sessionTimer) Expire(now time.Time) { (*session)(t).expire(now) }
func (t *sessionTimer) Describe() string     { return (*session)(t).peer.io.Describe() }

func (s *session) expire(now time.Time) {
	if s.draining && s.quiet(now) {
		s.end(nil)
		return
	}
	idle := s.port.listen.idle
	if idle > 0 && !now.Before(s.moved.Add(idle)) {
		s.fail(&frio.TimeoutError{Limit: "idle_timeout"})
		return
	}
	for _, e := range [...]*end{&s.peer, &s.far} {
		if e.io == nil || e.reads || e.writes {
			continue
		}
		if stateOf(e.io) == frio.StateFailed {
			s.fail(ending(e.io, s.lane))
			return
		}
	}
	s.arm()
}

// quiet tells whether nothing is under way as far as can be seen.
func (s *session) quiet(now time.Time) bool {
	for i := range s.flows[:s.count] {
		if f := &s.flows[i]; len(f.held) > 0 || f.ended != s.flows[0].ended {
			return false
		}
	}
	return now.Sub(s.moved) >= drainQuiet
}

// end closes the session. What was read and not yet written is sent by the closing. Reason is nil for an end in order.
func (s *session) end(reason error) {
	if s.over {
		return
	}
	s.over = true
	s.timer.Stop()
	l := s.port.listen
	if reason != nil && !s.peer.up {
		// Who did not get through: a wrong certificate, plain text where TLS is spoken, no PROXY header, nothing in time.
		l.refusing.warn(l.log, s.lane.loop.Now(), "refused", slog.String("io", s.peer.io.Describe()), slog.Any("error", reason))
	}
	if tracing(l.log) {
		s.traceEnd(reason)
	}
	s.close(&s.far)
	s.close(&s.peer)
	s.lane.remove(s)
	l.counts.Open.Add(-1)
	s.ctx.Free()
}

func (s *session) close(e *end) {
	if e.io == nil {
		return
	}
	var tail []byte
	for i := range s.flows[:s.count] {
		if f := &s.flows[i]; f.to == e && !f.done {
			tail = f.held
		}
	}
	if err := closeTail(e.io, tail); err != nil {
		l := s.port.listen
		l.counts.Faults[FaultUnsent].Add(1)
		l.closing.warn(l.log, s.lane.loop.Now(), "close", slog.Any("error", err))
	}
}

func closeTail(one frio.IO, tail []byte) error {
	if len(tail) == 0 {
		return one.Close()
	}
	if l, ok := one.(frio.Lingerer); ok {
		return l.CloseTail(tail)
	}
	if err := one.Close(); err != nil {
		return err
	}
	return &frio.UnsentError{Bytes: len(tail)}
}

func (s *session) traceEnd(reason error) {
	text := "end"
	if reason != nil {
		text = reason.Error()
	}
	trace(s.port.listen.log, "close", slog.Uint64("session", s.id), slog.String("io", s.peer.io.Describe()),
		slog.String("reason", text), slog.Uint64("in", s.peer.in), slog.Uint64("out", s.peer.out),
		slog.Duration("after", s.lane.loop.Now().Sub(s.began)))
}

// debug writes what the peer's own IO, which its listener prints, does not say.
func (s *session) debug(w io.Writer) {
	fmt.Fprintf(w, "session %d: %s, in %d bytes, out %d bytes\n", s.id, s.peer.io.Describe(), s.peer.in, s.peer.out)
	in := frio.Indent(w)
	for i := range s.flows[:s.count] {
		if f := &s.flows[i]; len(f.held) > 0 {
			fmt.Fprintf(in, "holds %d bytes for %s\n", len(f.held), f.to.io.Describe())
		}
	}
	if s.far.io != nil {
		s.far.io.Debug(in)
	}
}
