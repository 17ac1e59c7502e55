package gateway

import (
	"net/netip"
	"time"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/transport"
)

// request takes a packet of a client.
func (s *source) request(client *Client, m *transport.Message) {
	p, err := radius.Parse(m.Data)
	if err == nil {
		err = s.check(client, p)
	}
	if err != nil {
		s.drop(client, m, err)
		return
	}
	client.state.Requests.Add(1)
	s.listen.Counts.Requests.Add(1)
	b := s.branch
	// A client may have a counter for each code, as where they go to ports of their own, and take one port for all here.
	key := transport.Key{Via: s.id, Peer: m.Remote, Local: m.Local, ID: uint16(p.Code())<<8 | uint16(p.ID())}
	if e := b.table.Find(&key); e != nil {
		before := e.Owner().(*request)
		if [16]byte(p.Authenticator()) == before.vector {
			before.duplicate()
			return
		}
		// RFC 5080, Section 2.2.2: another authenticator is another request. The client has given up the one before.
		before.supersede()
	}
	if p.LoopBy(b.gateway.instance[:]) || b.gateway.marks.loops(p) {
		client.state.Outcomes[OutcomeLoop].Add(1)
		s.listen.lines.packet(s.listen.log, m.Time, "loop", "loop", client, m.From(s.conn), nil)
		return
	}
	r := b.take()
	if !r.begin(s, client, m, p) || !b.table.Add(&key, &r.Exchange, r) {
		client.state.Outcomes[OutcomeFailed].Add(1)
		s.listen.lines.packet(s.listen.log, m.Time, "too many requests", "too many requests", client, m.From(s.conn), nil)
		r.memory.Free()
		b.put(r)
		return
	}
	s.add(r)
	b.active++
	if b.gateway.tracing() {
		b.traceIn(r)
	}
	r.route()
}

// check finds what is wrong with a packet of client.
func (s *source) check(client *Client, p radius.Packet) error {
	cfg := s.listen.cfg.Load()
	if cfg.Accepts != nil && !cfg.Accepts(p.Code()) && p.Code() != radius.StatusServer {
		return radius.ErrCode
	}
	state := client.state
	need := client.RequireMessageAuthenticator == DemandYes || client.RequireMessageAuthenticator == DemandAuto && state.seenMA.Load()
	if err := s.branch.keysOf(client.secretFor(cfg.Proto)).CheckRequest(p, need); err != nil {
		return err
	}
	if p.Code() != radius.AccessRequest {
		return nil
	}
	limit := client.LimitProxyState == DemandYes || client.LimitProxyState == DemandAuto && state.seenProxyState.Load()
	if limit {
		if err := p.CheckProxyState(); err != nil {
			return err
		}
	}
	if client.RequireMessageAuthenticator == DemandAuto && !need || client.LimitProxyState == DemandAuto && !limit {
		if client.isOne() {
			state.learn(p)
		}
	}
	return nil
}

// isOne tells whether what one packet shows holds for all of the client's: it is of one address. What one device of a network can do says nothing of
// the others, which have the same secret.
func (c *Client) isOne() bool { return len(c.Prefixes) == 1 && c.Prefixes[0].IsSingleIP() }

// signs tells whether p shows that its sender puts a Message-Authenticator into all of its Access packets. Beside EAP-Message those that do
// not have one too (RFC 3579, Section 3.1).
func signs(p radius.Packet) bool {
	if _, eap := p.Find(radius.EAPMessage); eap {
		return false
	}
	_, signed := p.Find(radius.MessageAuthenticator)
	return signed
}

// learn notes what a good packet shows the client to be able to (CVE-2024-3596).
func (c *ClientState) learn(p radius.Packet) {
	if signs(p) {
		c.seenMA.Store(true)
		if _, proxied := p.Find(radius.ProxyState); proxied {
			c.seenProxyState.Store(true)
		}
	}
}

// secretFor is the secret of packets that come this way.
func (c *Client) secretFor(proto Proto) *Secret {
	if proto == ProtoDTLS && c.DTLSSecret != nil {
		return c.DTLSSecret
	}
	return c.Secret
}

// drop counts a packet that is answered by silence.
func (s *source) drop(client *Client, m *transport.Message, err error) {
	s.dropped(client, m.Time, m.From(s.conn), err)
}

func (s *source) dropped(client *Client, now time.Time, peer netip.AddrPort, err error) {
	reason := radius.ReasonOf(err)
	client.state.Dropped[reason].Add(1)
	s.listen.Counts.Dropped[reason].Add(1)
	s.listen.lines.packet(s.listen.log, now, err.Error(), "dropped", client, peer, err)
}

func (s *source) add(r *request) {
	r.prev, r.next = nil, s.first
	if s.first != nil {
		s.first.prev = r
	}
	s.first = r
	s.count++
	s.listen.Counts.Pending.Add(1)
}

func (s *source) remove(r *request) {
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		s.first = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	}
	r.prev, r.next = nil, nil
	s.count--
	s.listen.Counts.Pending.Add(-1)
}
