package server

import (
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/transport"
)

const (
	// drainQuiet is how long a session must have moved nothing before one that drains ends: long enough that an answer
	// under way arrives, short against what a service manager waits.
	drainQuiet = time.Second
	// drainTick is how often it looks.
	drainTick = 100 * time.Millisecond
)

// errEcho is for what an echo must not answer. One datagram with a forged sender would keep two of them busy for ever, or one
// with itself (CERT Advisory CA-1996-01): the other end of such a loop has our port, and few honest clients do.
var errEcho = &frio.PacketError{Op: "echo", Err: errors.New("the sender has the port of an echo itself")}

// errCut ends a session that was still busy when its listen was closed. That is our own doing, and no fault of either end.
var errCut = errors.New("cut with its listen")

// session is what belongs to one peer of namespace echo, discard or relay; or, without peers of its own, to a socket for datagrams.
//
//	waiting for the peer's handshake -> connecting to the target -> moving -> over
type session struct {
	listen   *listen
	id       uint64
	peer     *transport.Conn
	far      *transport.Conn // to the target of a relay; nil: none yet
	dialed   *transport.Conn // the same, while it is on its way
	ended    [2]bool         // peer, far: nothing more comes from it
	timer    event.Timer
	moved    time.Time // when something was carried last
	draining bool      // it ends when it is quiet
	over     bool
}

// alone tells whether it is a socket that many send to.
func (s *session) alone() bool { return s.peer.Port().Near() == s.peer }

func (s *session) loop() *event.Loop { return s.peer.Lane().Loop() }

// Up is called when an end is open. A peer that does not get through its handshake causes no connection to the target.
func (s *session) Up(c *transport.Conn) {
	switch {
	case c == s.far:
		s.trace("connect", c)
		s.peer.Resume()
	case s.listen.service.space == relay:
		s.peer.Pause()
		if err := s.connect(); err != nil {
			s.refused(err)
		}
	}
}

// connect starts to connect to the target.
func (s *session) connect() error {
	dialed, err := transport.Dial(s.peer.Lane(), s.peer.Context(), "target", func(ctx *talloc.Context) (frio.IO, error) {
		far, err := s.listen.service.target.dial(ctx)
		if err == nil {
			s.introduce(far)
		}
		return far, err
	}, transport.Config{}, (*farEnd)(s))
	if err == nil && s.far == nil && !s.over {
		s.dialed = dialed
	}
	return err
}

// refused ends a session whose target cannot be had.
func (s *session) refused(err error) {
	l := s.listen
	l.counts.Faults[faultConnect].Add(1)
	l.connecting.warn(l.log, s.loop().Now(), "relay", slog.Any("error", err))
	s.end(err)
}

// introduce tells a target that asks for it (the PROXY protocol) who the peer is. A peer without an address is the relay itself.
func (s *session) introduce(far frio.IO) {
	near, ok := s.peer.IO().(frio.Addresser)
	if !ok {
		return
	}
	for one := range frio.Stack(far) {
		if setter, is := one.(frio.AddrSetter); is {
			if setter.SetAddrs(near.RemoteAddr(), near.LocalAddr()) != nil {
				_ = setter.SetAddrs(netip.AddrPort{}, netip.AddrPort{})
			}
			return
		}
	}
}

// farEnd is the session as the user of its connection to the target.
type farEnd session

func (f *farEnd) Up(c *transport.Conn) {
	f.far, f.dialed = c, nil
	(*session)(f).Up(c)
}

func (f *farEnd) Message(c *transport.Conn, m *transport.Message) { (*session)(f).Message(c, m) }
func (f *farEnd) Room(c *transport.Conn)                          { (*session)(f).Room(c) }
func (f *farEnd) Fault(c *transport.Conn, err error)              { (*session)(f).Fault(c, err) }
func (f *farEnd) Drain(*transport.Conn)                           {}

func (f *farEnd) End(c *transport.Conn, err error) {
	if s := (*session)(f); s.far == nil {
		s.far, s.dialed = c, nil // it never was up
		s.refused(err)
	} else {
		s.End(c, err)
	}
}

// Message carries what has come.
func (s *session) Message(c *transport.Conn, m *transport.Message) {
	s.moved = m.Time
	to := c
	addr := &m.Addr
	switch s.listen.service.space {
	case discard:
		return
	case relay:
		to, addr = s.other(c), nil
		if to == nil {
			return // it is lost: nobody is there to take this
		}
	default:
		if c.IsDatagram() && m.Remote.IsValid() && m.Remote.Port() == m.Local.Port() {
			s.Fault(c, errEcho)
			return
		}
	}
	if to.Send(addr, m.Data) == nil && to.Full() {
		c.Pause()
	}
}

// other is the opposite end.
func (s *session) other(c *transport.Conn) *transport.Conn {
	if c == s.peer {
		return s.far
	}
	return s.peer
}

// Room goes on with what waited for it.
func (s *session) Room(c *transport.Conn) {
	s.moved = s.loop().Now() // what was held up went: there may be more of it
	from := c
	if s.listen.service.space == relay {
		from = s.other(c)
	}
	if from != nil {
		from.Resume()
	}
	s.settle()
}

// Fault counts an error that cost one datagram.
func (s *session) Fault(_ *transport.Conn, err error) {
	if err == error(transport.ErrNoRoom) {
		return // counted as dropped
	}
	l := s.listen
	l.counts.fault(err)
	l.reading.warn(l.log, s.loop().Now(), "datagram", slog.Any("error", err))
}

// End is called when an end says nothing more, or is lost.
func (s *session) End(c *transport.Conn, err error) {
	to := c
	if s.listen.service.space == relay {
		to = s.other(c)
	}
	if err != io.EOF {
		s.lost(err)
		return
	}
	if c == s.peer {
		s.ended[0] = true
	} else {
		s.ended[1] = true
	}
	if to == nil || s.listen.service.space == discard {
		s.end(nil)
		return
	}
	if err := to.CloseWrite(); err != nil {
		s.end(nil) // it cannot end one direction alone
		return
	}
	s.settle()
}

// lost ends the session because an end is lost, or cut. The other end gets what was read from it before.
func (s *session) lost(err error) {
	if transport.IsCut(err) {
		s.end(errCut)
		return
	}
	s.listen.counts.fault(err)
	s.end(err)
}

// settle ends the session when both directions have ended and all was sent.
func (s *session) settle() {
	switch {
	case s.over:
	case s.listen.service.space == echo && s.ended[0] && s.peer.Unsent() == 0,
		s.far != nil && s.done(0, s.far) && s.done(1, s.peer):
		s.end(nil)
	}
}

// done tells whether nothing more goes from an end to the other: it has ended and all was sent, or the other takes no more.
func (s *session) done(from int, to *transport.Conn) bool {
	return to.Broken() != nil || s.ended[from] && to.Unsent() == 0
}

// Drain has the session end when it is quiet.
func (s *session) Drain(c *transport.Conn) {
	if s.alone() || s.over || s.draining {
		return
	}
	s.draining = true
	s.timer.Stop()
	s.expire(s.loop().Now())
}

// Leave and Arrive take the connection to the target along.
func (s *session) Leave(*transport.Conn) {
	s.timer.Stop()
	for _, far := range []*transport.Conn{s.far, s.dialed} {
		if far != nil {
			far.Leave()
		}
	}
}

func (s *session) Arrive(c *transport.Conn) {
	for _, far := range []*transport.Conn{s.far, s.dialed} {
		if far != nil && !far.Over() {
			far.Arrive(c.Lane())
		}
	}
	if !s.alone() {
		s.trace("move", c)
	}
	s.arm()
}

// sessionTimer is the session as its timer sees it.
type sessionTimer session

func (t *sessionTimer) Expire(now time.Time) { (*session)(t).expire(now) }
func (t *sessionTimer) Describe() string     { return (*session)(t).peer.Describe() }

func (s *session) expire(now time.Time) {
	if s.draining && s.quiet(now) {
		s.end(nil)
		return
	}
	if idle := s.listen.idle; idle > 0 && !now.Before(s.moved.Add(idle)) {
		err := &frio.TimeoutError{Limit: "idle_timeout"}
		s.listen.counts.fault(err)
		s.end(err)
		return
	}
	s.arm()
}

// arm sets the timer, where it has something to wait for.
func (s *session) arm() {
	if s.over || s.alone() {
		return
	}
	switch idle := s.listen.idle; {
	case s.draining:
		s.timer.Set(s.loop(), s.loop().Now().Add(drainTick))
	case idle > 0:
		s.timer.Set(s.loop(), s.moved.Add(idle))
	}
}

// quiet tells whether nothing has been under way for a while, as far as can be seen.
func (s *session) quiet(now time.Time) bool {
	if s.peer.Unsent() > 0 || s.far != nil && (s.far.Unsent() > 0 || !s.far.IsUp()) || s.ended[0] != s.ended[1] && s.far != nil {
		s.moved = now // when all of it has gone there may be more behind it, which is not read yet
	}
	return now.Sub(s.moved) >= drainQuiet
}

// end closes the session. What was read and not yet sent is sent by the closing. Reason is nil for an end in order.
func (s *session) end(reason error) {
	if s.over {
		return
	}
	s.over = true
	s.timer.Stop()
	l := s.listen
	now := s.loop().Now()
	if reason != nil && reason != errCut && s.far == nil && !s.peer.IsUp() && !s.peer.WasUp() {
		// Who did not get through: a wrong certificate, plain text where TLS is spoken, no PROXY header, nothing in time.
		l.refusing.warn(l.log, now, "refused", slog.String("io", s.peer.Describe()), slog.Any("error", reason))
	}
	if tracing(l.log) {
		s.traceEnd(reason)
	}
	for _, c := range []*transport.Conn{s.dialed, s.far, s.peer} {
		if c == nil {
			continue
		}
		if err := c.Close(); err != nil {
			l.counts.Faults[faultUnsent].Add(1)
			l.closing.warn(l.log, now, "close", slog.Any("error", err))
		}
	}
}

func (s *session) trace(what string, c *transport.Conn) {
	if log := s.listen.log; tracing(log) {
		trace(log, what, slog.Uint64("session", s.id), slog.String("io", c.Describe()), slog.Group("", onThread(c)...))
	}
}

// onThread names the thread that c lives on, if it has one.
func onThread(c *transport.Conn) []any {
	if t := c.Lane().Thread(); t != nil {
		return []any{slog.String("thread", t.Name())}
	}
	return nil
}

func (s *session) traceEnd(reason error) {
	text := "end"
	if reason != nil {
		text = reason.Error()
	}
	n := s.peer.Stats()
	trace(s.listen.log, "close", slog.Uint64("session", s.id), slog.String("io", s.peer.Describe()),
		slog.String("reason", text), slog.Uint64("in", n.BytesIn), slog.Uint64("out", n.BytesOut+uint64(s.peer.Unsent())),
		slog.Duration("after", s.loop().Now().Sub(s.peer.Since())))
}
