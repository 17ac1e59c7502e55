package gateway

import (
	"errors"
	"time"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/transport"
)

// try sends the request to home server i of its pool. False: it could not be, and nothing was sent.
func (r *request) try(i int) bool {
	h := r.pool.home(i)
	now := r.branch.now()
	c := &r.calls[r.sent]
	c.home, c.pool, c.index, c.userName, c.sentAt = h, r.pool, i, r.userName, now
	c.wire, c.late, c.handed, c.far = false, false, false, nil
	r.sent++
	if err := r.branch.pool(h.port(r.code).peer).Start(&c.Call, c); err != nil && !c.handOver(err) {
		r.sent--
		c.refuses(err)
		if err != transport.ErrBusy { // who has enough to do has not been away
			r.missing = i
		}
		return false
	}
	window := r.window(h)
	if r.trial {
		window = min(window, trialWindow)
	}
	if c.IsDatagram() && !r.source.conn.IsDatagram() {
		// The client's stream loses nothing, so nobody but us sends again what is lost from here on (RFC 5080, Section 2.2.1).
		c.Retransmit(h.times)
	}
	r.timer.Set(r.branch.lane.Loop(), now.Add(window))
	return true
}

// window is how long the answer of h is waited for: response_window of h, or that of the client where it is shorter.
func (r *request) window(h *homeState) time.Duration {
	if own := r.client.ResponseWindow; own > 0 {
		return min(own, h.cfg.ResponseWindow)
	}
	return h.cfg.ResponseWindow
}

// expire is called when the home server that was asked last has had its time.
func (r *request) expire(now time.Time) {
	if r.held {
		if r.resends() {
			r.holds++
			r.resume()
		} else {
			r.nobody()
		}
		return
	}
	last := &r.calls[r.sent-1]
	if last.active() && !last.late {
		// One whose connection died was not kept waiting by its home server.
		last.late = true
		last.port().noAnswer(now, last.sentAt, last.wire || last.far != nil)
		last.doubt()
	}
	r.avoid(last.home)
	r.trial = false
	if r.proceed() {
		return
	}
	if last.IsDatagram() && !r.source.conn.IsDatagram() && r.anew(last) {
		return // nobody else sends it again
	}
	if r.sent < homesMax && !r.patient && r.waiting() {
		// There is nobody else to ask: what comes late is better than nothing.
		r.patient = true
		r.timer.Set(r.branch.lane.Loop(), now.Add(r.window(last.home)))
		return
	}
	r.nobody()
}

// anew sends the request to the home server of c once more, on another connection, where the peer of c's may have forgotten that; false: that is not
// so, or it could not be. It is for when it is to be sent again anyway.
func (r *request) anew(c *call) bool {
	if r.again != nil || r.sent == homesMax || c.pool != r.pool || !c.Doubted() {
		return false
	}
	if !r.try(c.index) {
		return false
	}
	r.again = c
	return true
}

// doubt has other requests take another connection.
func (c *call) doubt() {
	if c.far != nil {
		c.far.doubt()
		return
	}
	c.Doubt()
}

// Encode makes the packet for the home server.
func (c *call) Encode(_ *transport.Call, dst []byte, id int) ([]byte, error) {
	r := c.request
	msg, err := r.branch.encode(&outgoing{
		packet: r.packet, client: r.client, proto: r.source.listen.cfg.Load(), home: c.home, userName: c.userName,
	}, dst, uint8(id))
	if err != nil {
		return nil, err
	}
	r.branch.marks(&c.mark, msg[len(dst):])
	copy(c.vector[:], msg[len(dst)+4:])
	c.wire, c.sentAt = true, r.branch.now()
	if r.branch.gateway.tracing() {
		r.branch.traceSent(r.name(), c.home, msg)
	}
	return msg, nil
}

// outgoing is what the packet for a home server is made of.
type outgoing struct {
	packet   radius.Packet
	client   *Client
	proto    *ListenConfig
	home     *homeState
	userName []byte
}

func (b *branch) encode(o *outgoing, dst []byte, id uint8) ([]byte, error) {
	f := &b.forward
	*f = radius.Forward{
		ID: id, ProxyState: b.gateway.instance[:], UserName: o.userName, In: o.client.In, Out: o.home.cfg.Out,
	}
	b.countTTL(f, o)
	b.authenticator(&f.Authenticator)
	return radius.AppendRequest(dst, o.packet, b.keysOf(o.client.secretFor(o.proto.Proto)), b.keysOf(o.home.cfg.Secret), f)
}

// marks notes that the packet that encode made is under way, if it has no room for our Proxy-State.
func (b *branch) marks(k *mark, p radius.Packet) {
	if k.clear(); b.forward.LeftOff {
		k.set(&b.gateway.marks, p)
	}
}

// countTTL has the TTL attribute counted down, and added where it is missing and somebody wants it.
func (b *branch) countTTL(f *radius.Forward, o *outgoing) {
	server := o.proto.Server
	if server == nil || server.TTL.Type == 0 {
		return
	}
	b.ttl = server.TTL
	for _, start := range []uint8{o.home.cfg.AddTTL, o.client.AddTTL} {
		if start != 0 {
			b.ttl.Start = uint32(start)
			break
		}
	}
	f.TTL = &b.ttl
}

// Answer takes the reply of a home server. One that is not what it should be costs itself only.
func (c *call) Answer(_ *transport.Call, m *transport.Message) bool {
	r := c.request
	p := c.port().accept(r.branch, m, r.code, c.vector[:])
	if p == nil {
		return false
	}
	if r.branch.gateway.tracing() {
		r.branch.traceBack(r.name(), c.home, p)
	}
	c.port().answered(m.Time, m.Time.Sub(c.sentAt))
	if p.Code() == radius.ProtocolError {
		c.port().unfit(r.branch, m.Time, errProtocol)
		c.cancel()
		c.declined()
		return true
	}
	dst, err := r.source.conn.Reserve(radius.MaxSize)
	if err != nil {
		r.finish(OutcomeFailed) // a client that reads nothing: its connection is closed by its own limits
		return true
	}
	msg, err := r.branch.decode(p, dst, r.client, r.source.listen.cfg.Load(), c.home, r.packet, c.vector[:], r.ownName())
	if err != nil {
		// As if it had not come, but that its home server lives: what the rest of it means is not ours to say.
		c.port().unfit(r.branch, m.Time, err)
		r.unfit = true
		return false
	}
	r.branch.gateway.backUp(c.pool, r.code)
	if p.Code() == radius.AccessChallenge {
		if state, ok := p.Find(radius.State); ok {
			r.branch.gateway.sticky.put(state, c.home)
		}
	}
	r.reply(msg, outcomeOf(p.Code()))
	return true
}

// errProtocol is said of a Protocol-Error: RFC 7930, Section 4, forbids to forward it.
var errProtocol = errors.New("Protocol-Error concerns this hop alone (RFC 7930, Section 4)")

// declined has the request go to another home server at once: this one lives, and has said that it cannot do anything with it.
func (c *call) declined() {
	c.request.avoid(c.home)
	c.request.ask()
}

// ownName is what replies call the user: the client's own name for it, if it was rewritten; else nil, as they came.
func (r *request) ownName() []byte {
	if !r.restores {
		return nil
	}
	user, _ := r.packet.Find(radius.UserName)
	return user
}

func (b *branch) decode(p radius.Packet, dst []byte, client *Client, cfg *ListenConfig, h *homeState, request radius.Packet, sent, userName []byte) ([]byte, error) {
	a := &b.back
	*a = radius.Answer{UserName: userName, Request: request, HomeRequest: sent, In: h.cfg.In, Out: client.Out}
	return radius.AppendReply(dst, p, b.keysOf(h.cfg.Secret), b.keysOf(client.secretFor(cfg.Proto)), a)
}

func outcomeOf(code radius.Code) Outcome {
	switch code {
	case radius.AccessReject, radius.CoANAK, radius.DisconnectNAK:
		return OutcomeReject
	case radius.AccessChallenge:
		return OutcomeChallenge
	}
	return OutcomeAccept
}

// Lost is called when the request's connection is gone, or could not be had.
func (c *call) Lost(_ *transport.Call, err error) {
	if err == transport.ErrNoAnswer {
		return // the last retransmission is done; the request's own time goes on
	}
	c.gone(err)
}

// refuses notes why a request could not be sent: that is the home server's matter, or its own.
func (c *call) refuses(err error) {
	if e, own := err.(*radius.Error); own {
		c.request.broken = e
		return
	}
	c.port().failed(c.sentAt, err)
}

// gone has the request go on over a connection of another thread, to another home server at once, or once more to the same one on another
// connection.
func (c *call) gone(err error) {
	if !c.wire && c.handOver(err) {
		return
	}
	r := c.request
	refused := errors.Is(err, transport.ErrRefused)
	if !c.wire || refused {
		c.refuses(err)
	} else {
		c.port().broke(r.branch.now(), err)
	}
	r.avoid(c.home)
	if c.pool == r.pool {
		r.missing = c.index
	}
	last := c == &r.calls[r.sent-1]
	if last && !c.wire && c != r.again {
		r.sent-- // nothing was sent
	}
	if r.advance() || r.waiting() {
		return
	}
	if last && c.wire && !refused && r.again == nil && c.port().peer.Stateful() {
		r.again = c
		r.sent--
		if c.pool == r.pool && r.try(c.index) {
			return
		}
		r.sent++
	}
	r.ask()
}
