package server

import (
	"crypto/sha256"
	"io"
	"log/slog"
	"sync"

	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/radius/home"
	"github.com/frio-io/frio/transport"
)

// homeConfig is what a server of namespace home says: a small home server that knows a few users, to try a gateway with.
type homeConfig struct {
	secret conf.Secret
	users  []home.User
	text   string // stands for all that
}

type homeKeys struct {
	Secret conf.Secret     `conf:"secret,required"`
	Users  []*conf.Section `conf:"user"`
}

type userKeys struct {
	Password conf.Secret `conf:"password,required"`
}

// home reads the keys of a server of namespace home.
func (l *loader) home(cs *conf.Section) *homeConfig {
	var k homeKeys
	l.add(cs, cs.Decode(&k))
	cfg := &homeConfig{secret: k.Secret}
	secret := sha256.Sum256([]byte(k.Secret.Reveal()))
	cfg.text = string(secret[:])
	l.names(k.Users)
	for _, u := range k.Users {
		var uk userKeys
		l.add(u, u.Decode(&uk))
		cfg.text += textOf(u)
		cfg.users = append(cfg.users, home.User{Name: u.Name2, Password: uk.Password.Reveal()})
	}
	return cfg
}

// homeListen is the transport.Service of a listen of namespace home. Each lane has a home server of its own.
type homeListen struct {
	*listen
	cfg *homeConfig

	mu    sync.Mutex
	lanes map[*transport.Lane]*homeUser // guarded by mu
}

// Serve gives a connection, or a socket for datagrams, the home server of its thread.
func (h *homeListen) Serve(c *transport.Conn) (transport.User, transport.Config) {
	if c.Port().Near() != c {
		h.counts.Sessions.Add(1)
		h.counts.Open.Add(1)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	u := h.lanes[c.Lane()]
	if u == nil {
		if h.lanes == nil {
			h.lanes = map[*transport.Lane]*homeUser{}
		}
		u = &homeUser{listen: h.listen, server: home.New(home.Config{Users: h.cfg.users, Unsigned: true}),
			keys: radius.NewKeys([]byte(h.cfg.secret.Reveal()))}
		h.lanes[c.Lane()] = u
	}
	return u, transport.Config{Frame: radius.Frame, MessageMax: radius.MaxSize, Timeout: messageTimeout, Counts: &h.counts.Counts}
}

// homeUser is the home server of a thread.
type homeUser struct {
	listen *listen
	server *home.Server
	keys   *radius.Keys
}

func (u *homeUser) Up(*transport.Conn) {}

// Message answers a packet; one that is wrong gets no answer.
func (u *homeUser) Message(c *transport.Conn, m *transport.Message) {
	p, err := radius.Parse(m.Data)
	if err != nil {
		u.Fault(c, err)
		return
	}
	room, err := c.Reserve(radius.MaxSize)
	if err != nil {
		return // it does not take its answers
	}
	reply, err := u.server.Handle(room, p, u.keys)
	if err != nil {
		u.Fault(c, err)
		return
	}
	c.Commit(&m.Addr, reply)
	if c.Full() {
		c.Pause()
	}
}

func (u *homeUser) Room(c *transport.Conn) { c.Resume() }

func (u *homeUser) Fault(c *transport.Conn, err error) {
	u.listen.counts.fault(err)
	u.listen.reading.warn(u.listen.log, c.Lane().Loop().Now(), "packet", slog.Any("error", err))
}

// End closes what the peer has ended.
func (u *homeUser) End(c *transport.Conn, err error) {
	if err != io.EOF {
		u.listen.counts.fault(err)
	}
	u.Drain(c)
}

// Drain closes: every packet was answered when it came.
func (u *homeUser) Drain(c *transport.Conn) {
	if c.Port().Near() == c {
		return
	}
	if err := c.Close(); err != nil {
		u.listen.closing.warn(u.listen.log, c.Lane().Loop().Now(), "close", slog.Any("error", err))
	}
}
