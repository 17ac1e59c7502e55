package gateway

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/tls"
	"github.com/frio-io/frio/transport"
)

// Listen is one `listen` of a server of namespace radius: a transport.Service.
type Listen struct {
	gateway *Gateway
	Name    string // "server.listen", for logs and metrics
	cfg     atomic.Pointer[ListenConfig]
	next    atomic.Pointer[nextConfig] // nil: there is none
	message transport.Config
	log     *slog.Logger

	Counts ListenCounts
	lines  lines
}

// ListenConfig is what a configuration says of a listen, beside its IO.
type ListenConfig struct {
	Clients string // the name of its `clients NAME { }`; "": the global ones
	Proto   Proto
	Accepts func(radius.Code) bool // type = lines; nil: every code
	Lenient bool                   // require_client_cert = no: a failed certificate falls back to a client without
	Server  *ServerConfig
}

// ListenCounts are what a listen has counted. Thread: any.
type ListenCounts struct {
	Connections       atomic.Uint64 // begun
	Open              atomic.Int64
	Pending           atomic.Int64  // requests under way
	Failed            atomic.Uint64 // that did not get through their handshake
	Requests, Answers atomic.Uint64
	Duplicates        atomic.Uint64
	UnknownClient     atomic.Uint64
	Lost              atomic.Uint64 // connections that did not end in order
	Faults            atomic.Uint64 // errors that cost a datagram
	Accept            atomic.Uint64 // errors of accepting
	Dropped           [radius.ReasonCount]atomic.Uint64
	Latency           Histogram // from a request to its answer; repeated answers are not in it
}

// NewListen makes the service of a listen.
func (g *Gateway) NewListen(name string, cfg *ListenConfig, message transport.Config) *Listen {
	message.Frame, message.MessageMax = radius.Frame, radius.MaxSize
	l := &Listen{gateway: g, Name: name, message: message, log: g.opt.Logger.With("listen", name)}
	l.cfg.Store(cfg)
	return l
}

// SetConfig changes what the listen does with what comes from then on. Thread: any.
func (l *Listen) SetConfig(cfg *ListenConfig) {
	l.cfg.Store(cfg)
	l.next.Store(nil)
}

// Config returns what the listen does. Thread: any.
func (l *Listen) Config() *ListenConfig { return l.cfg.Load() }

// nextConfig is what holds from a configuration on.
type nextConfig struct {
	cfg    *ListenConfig
	serial uint64
}

// Announce has the listen take the clients that cfg names once the next configuration is loaded, at the same moment: the list that it had may have
// another name there. SetConfig follows. Thread: that of Load.
func (l *Listen) Announce(cfg *ListenConfig) {
	l.next.Store(&nextConfig{cfg, l.gateway.serial.Load() + 1})
}

// under is what the listen does under a configuration.
func (l *Listen) under(current *snapshot) *ListenConfig {
	if next := l.next.Load(); next != nil && current.serial >= next.serial {
		return next.cfg
	}
	return l.cfg.Load()
}

// Serve gives a connection, or a socket for datagrams, its source.
func (l *Listen) Serve(c *transport.Conn) (transport.User, transport.Config) {
	s := &source{listen: l, conn: c, branch: l.gateway.branchOf(c.Lane()), id: l.gateway.ids.Add(1)}
	if s.one = isPeer(c); s.one {
		l.Counts.Connections.Add(1)
		l.Counts.Open.Add(1)
	}
	s.last = s.branch.now()
	s.timer.Init((*sourceTimer)(s))
	return s, l.message
}

// isPeer tells whether c is the connection of one peer, rather than a socket that many send to.
func isPeer(c *transport.Conn) bool { return c.Port() == nil || c.Port().Near() != c }

// Fault tells that nobody could be accepted for a while.
func (l *Listen) Fault(p *transport.Port, err error) {
	l.Counts.Accept.Add(1)
	l.lines.warn(l.log, p.Lane().Loop().Now(), "accept", slog.Any("error", err))
}

// Gone counts a connection that was closed.
func (l *Listen) Gone(c *transport.Conn) {
	if isPeer(c) {
		l.Counts.Open.Add(-1)
	}
	s, ok := c.User().(*source)
	if !ok {
		return
	}
	s.abandon()
	s.gone()
}

// source is where requests come from: a connection, or a socket for datagrams. It belongs to the connection's thread.
type source struct {
	listen *Listen
	branch *branch
	conn   *transport.Conn
	id     uint64
	one    bool // it is one peer's: the client is known from the beginning
	client *Client
	serial uint64 // of the configuration that client is of
	first  *request
	count  int       // of requests under way
	leaves time.Time // since when it is to end once nothing comes; zero: it is not
	drains bool
	ended  bool // the peer has ended its direction: when all is answered it is closed
	up     bool

	counted *ClientState // whose connection it is; nil: nobody's yet
	last    time.Time    // when a request came or ended, or could first come
	timer   event.Timer  // for idle_timeout and lifetime of the client
}

// Up looks who the peer is.
func (s *source) Up(c *transport.Conn) {
	s.up = true
	if !s.one {
		return
	}
	s.last = s.branch.now() // its peer could not ask before
	if !s.identify() {
		s.close()
	}
}

// identify finds the client of a connection, again after a new configuration. False: there is none, or none that may have it.
func (s *source) identify() bool {
	current := s.branch.gateway.current.Load()
	if s.serial == current.serial {
		return s.client != nil
	}
	s.serial = current.serial
	var leaf *x509.Certificate
	cert := certificateOf(s.conn.IO())
	if cert != nil {
		leaf = cert.State.PeerCertificates[0]
	}
	client, err := s.find(current, s.conn.RemoteAddr().Addr(), leaf)
	if err == ErrClientCert && cert != nil {
		err = fmt.Errorf("%w: %v", err, cert)
	}
	s.client = nil
	switch {
	case err != nil:
		s.unknown(s.conn.RemoteAddr(), err)
		return false
	case !s.belongs(client):
		return false
	}
	s.client = client
	s.arm()
	return true
}

func (s *source) find(current *snapshot, addr netip.Addr, cert *x509.Certificate) (*Client, error) {
	cfg := s.listen.under(current)
	list := current.Clients[cfg.Clients]
	if list == nil {
		return nil, errNoClients
	}
	switch {
	case cfg.Lenient:
		return list.FindLax(addr, cfg.Proto, cert)
	case cert == nil && cfg.Proto&(ProtoTLS|ProtoDTLS) != 0:
		return nil, ErrClientCert // it has come when that was possible
	}
	return list.Find(addr, cfg.Proto, cert)
}

var errNoClients = errors.New("there are no clients")

// certificateOf is the peer's certificate, nil without one.
func certificateOf(one frio.IO) *tls.Certificate {
	p, ok := one.(frio.Peer)
	if !ok {
		return nil
	}
	id := p.PeerIdentity()
	if id == nil {
		return nil
	}
	c, _ := id.Certificate.(*tls.Certificate)
	return c
}

// Admit is the frio.Admit of the listen's IO: a peer whose address no client has does not get as far as a handshake.
func (l *Listen) Admit(peer netip.AddrPort, now time.Time) bool {
	current := l.gateway.current.Load()
	list := current.Clients[l.under(current).Clients]
	switch {
	case list == nil:
		l.unknown(peer, now, errNoClients)
	case !list.HasAddr(peer.Addr()):
		l.unknown(peer, now, ErrNoClient)
	default:
		return true
	}
	return false
}

// unknown counts who is no client. There is no state for it.
func (l *Listen) unknown(peer netip.AddrPort, now time.Time, err error) {
	l.Counts.UnknownClient.Add(1)
	l.gateway.Refused.UnknownClient.Add(1)
	l.lines.packet(l.log, now, "unknown client", "unknown client", nil, peer, err)
}

func (s *source) unknown(peer netip.AddrPort, err error) {
	s.listen.unknown(peer, s.branch.now(), err)
}

// Message takes a packet.
func (s *source) Message(c *transport.Conn, m *transport.Message) {
	var client *Client
	switch {
	case !s.one:
		var err error
		if client, err = s.find(s.branch.gateway.current.Load(), m.Remote.Addr(), nil); err != nil {
			s.unknown(m.Remote, err)
			return
		}
	case !s.drains && !s.identify():
		s.drain() // it was a client of the configuration before
		return
	case s.client == nil:
		return // what came in one batch with that
	}
	if s.one {
		client, s.last = s.client, m.Time
	}
	s.request(client, m)
	if c.Full() {
		c.Pause() // it does not take what it asks for
	}
}

// Room goes on with what waited for it.
func (s *source) Room(c *transport.Conn) {
	if !s.drains {
		c.Resume()
	}
}

// Fault counts an error that cost a datagram.
func (s *source) Fault(c *transport.Conn, err error) {
	l := s.listen
	l.Counts.Faults.Add(1)
	if errors.Is(err, frio.ErrTooLong) {
		l.Counts.Dropped[radius.ReasonTooLong].Add(1)
	}
	l.lines.warn(l.log, s.branch.now(), "datagram", slog.Any("error", err))
}

// End is called when the peer has ended its direction, or is lost.
func (s *source) End(c *transport.Conn, err error) {
	l := s.listen
	if err == io.EOF && s.count > 0 && !c.IsDatagram() {
		s.ended = true // what is under way is answered first
		return
	}
	switch {
	case err == io.EOF, transport.IsCut(err):
	case !s.up:
		// Who did not get through: a wrong certificate, plain text where TLS is spoken, no PROXY header, nothing in time.
		l.Counts.Failed.Add(1)
		l.lines.warn(l.log, s.branch.now(), "refused", slog.String("io", c.Describe()), slog.Any("error", err))
	default:
		l.Counts.Lost.Add(1)
		var framing *radius.Error
		if errors.As(err, &framing) {
			l.Counts.Dropped[framing.Reason].Add(1)
		}
		l.lines.warn(l.log, s.branch.now(), "lost", slog.String("io", c.Describe()), slog.Any("error", err))
	}
	s.close()
}

// Drain has the connection end: when its listen does once nothing comes any more, or what its client has on the way were lost; when the program
// stops, which may come after that, now. What is on the way to a child of a udp listen comes to the listen that replaces that.
func (s *source) Drain(c *transport.Conn) {
	switch {
	case !c.Retires(), s.listen.Config().Proto == ProtoUDP:
		s.drain()
	case s.leaves.IsZero():
		s.leaves = s.branch.now()
		s.arm()
	}
}

// drain answers what is under way and closes.
func (s *source) drain() {
	c := s.conn
	s.drains = true
	if c.IsUp() {
		c.Pause()
	}
	s.settled()
}

// abandon ends what is under way, which has nobody to be answered to.
func (s *source) abandon() {
	for r := s.first; r != nil; r = s.first {
		r.finish(OutcomeGone)
	}
}

// Leave abandons what is under way on the thread that the connection leaves: its memory and time-outs are there.
func (s *source) Leave(*transport.Conn) {
	s.abandon()
	s.timer.Stop()
}

// Arrive goes on with the connection on another thread.
func (s *source) Arrive(c *transport.Conn) {
	s.branch = s.listen.gateway.branchOf(c.Lane())
	s.arm()
}

// settled closes what waited for its last answer.
func (s *source) settled() {
	if s.count == 0 && s.one && (s.drains || s.ended) {
		s.close()
	}
}

// close ends the connection.
func (s *source) close() {
	if err := s.conn.Close(); err != nil {
		s.listen.lines.warn(s.listen.log, s.branch.now(), "close", slog.Any("error", err))
	}
}
