package gateway

import (
	"time"

	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/transport"
)

// handedOver is a call that another thread makes, because that has a connection to the home server and this one may have none, or cannot
// connect. What is above the line does not change; what is below belongs to the thread that makes it.
type handedOver struct {
	from, to   *lane
	request    *request // of from, together with its generation
	generation uint32
	call       *call // of the request
	home       *homeState
	port       *port // of home
	client     *Client
	cfg        *ListenConfig
	userName   []byte
	ownName    []byte // as request.ownName
	code       radius.Code
	window     time.Duration
	stream     bool   // the client's connection is one
	name       string // of the request, for the trace; "" without

	// to's:
	inner  transport.Call
	packet radius.Packet
	memory talloc.Buffer
	sent   [16]byte
	sentAt time.Time
	timer  event.Timer
	over   bool
	mark   mark
}

// handOver gives the call, which could not be sent here because of err, to a thread that has a connection; false if there is none, or it has no
// room for more work, or the call has been there before.
func (c *call) handOver(err error) bool {
	r := c.request
	i, ok := c.port().peer.Elsewhere(r.lane.lane, err)
	if !ok || c.handed {
		return false
	}
	f := &handedOver{
		from: r.lane, to: r.lane.gateway.lanes[i], request: r, generation: r.generation, call: c, home: c.home, port: c.port(),
		client: r.client, cfg: r.source.listen.cfg.Load(), code: r.code, window: r.window(c.home),
		userName: append([]byte(nil), c.userName...), packet: append(radius.Packet(nil), r.packet...), stream: !r.source.conn.IsDatagram(),
	}
	if c.userName == nil {
		f.userName = nil
	}
	if r.restores {
		f.ownName = append([]byte{}, r.ownName()...)
	}
	if r.lane.gateway.tracing() {
		f.name = r.name()
	}
	if f.to.lane.Loop().Post(f.begin) != nil {
		return false
	}
	c.far, c.handed = f, true
	return true
}

// begin is called on the thread that makes the call.
func (f *handedOver) begin() {
	if f.over {
		return // cancelled before it began
	}
	memory, err := f.to.lane.Context().Alloc(len(f.packet))
	if err == nil {
		copy(memory.Bytes(), f.packet)
		f.memory, f.packet = memory, memory.Bytes()
		f.timer.Init((*farTimer)(f))
		f.to.active++
		err = f.to.pool(f.port.peer).Start(&f.inner, f)
	}
	if err != nil {
		f.lost(err)
		return
	}
	if f.stream && f.inner.IsDatagram() {
		f.inner.Retransmit(f.home.times) // as in try
	}
	// The request keeps its own time: this is for one whose word that it is over does not come through.
	loop := f.to.lane.Loop()
	f.timer.Set(loop, loop.Now().Add(2*f.window+time.Second))
}

// Describe names the call in panics.
func (f *handedOver) Describe() string {
	return "request handed over to home_server " + f.home.cfg.Name
}

// farTimer is the call as its timer sees it.
type farTimer handedOver

func (t *farTimer) Expire(time.Time) { (*handedOver)(t).end() }
func (t *farTimer) Describe() string { return (*handedOver)(t).Describe() }

// Encode makes the packet for the home server.
func (f *handedOver) Encode(_ *transport.Call, dst []byte, id int) ([]byte, error) {
	msg, err := f.to.encode(&outgoing{packet: f.packet, client: f.client, proto: f.cfg, home: f.home, userName: f.userName}, dst, uint8(id))
	if err == nil {
		f.to.marks(&f.mark, msg[len(dst):])
		copy(f.sent[:], msg[len(dst)+4:])
		f.sentAt = f.to.lane.Loop().Now()
		if f.name != "" {
			f.to.traceSent(f.name, f.home, msg)
		}
	}
	return msg, err
}

// Answer makes the client's reply and sends it to the thread that has the client.
func (f *handedOver) Answer(_ *transport.Call, m *transport.Message) bool {
	p := f.port.accept(f.to, m, f.code, f.sent[:])
	if p == nil {
		return false
	}
	if f.name != "" {
		f.to.traceBack(f.name, f.home, p)
	}
	f.port.answered(m.Time, m.Time.Sub(f.sentAt))
	if p.Code() == radius.ProtocolError {
		f.port.unfit(f.to, m.Time, errProtocol) // as in Answer of call
		f.end()
		f.back(func(_ *request, c *call) { c.declined() })
		return true
	}
	msg, err := f.to.decode(p, make([]byte, 0, radius.MaxSize), f.client, f.cfg, f.home, f.packet, f.sent[:], f.ownName)
	if err != nil {
		f.port.unfit(f.to, m.Time, err) // as in Answer of call
		f.tell(func(r *request, c *call) { r.unfit = true })
		return false
	}
	if state, ok := p.Find(radius.State); ok && p.Code() == radius.AccessChallenge {
		f.to.gateway.sticky.put(state, f.home)
	}
	code := p.Code()
	f.end()
	f.back(func(r *request, c *call) {
		r.lane.gateway.backUp(c.pool, r.code)
		dst, err := r.source.conn.Reserve(len(msg))
		if err != nil {
			r.finish(OutcomeFailed)
			return
		}
		r.reply(append(dst, msg...), outcomeOf(code))
	})
	return true
}

// Lost tells the request.
func (f *handedOver) Lost(_ *transport.Call, err error) {
	if err != transport.ErrNoAnswer { // as of call
		f.lost(err)
	}
}

func (f *handedOver) lost(err error) {
	wire := !f.sentAt.IsZero()
	f.end()
	f.back(func(r *request, c *call) {
		c.wire = wire
		c.gone(err)
	})
}

// end frees what the call has on its thread.
func (f *handedOver) end() {
	if f.over {
		return
	}
	f.over = true
	f.mark.clear()
	f.timer.Stop()
	f.inner.Cancel()
	if !f.memory.IsZero() {
		f.memory.Free()
		f.to.active--
		if f.to.stopping {
			f.to.drained()
		}
	}
}

// back ends the call for the request, and calls do as tell does.
func (f *handedOver) back(do func(r *request, c *call)) {
	f.tell(func(r *request, c *call) {
		c.far = nil
		do(r, c)
	})
}

// tell calls do on the request's thread, if the request still waits for this call. A loop that takes nothing has stopped; one that is full
// leaves the request to its own time.
func (f *handedOver) tell(do func(r *request, c *call)) {
	_ = f.from.lane.Loop().Post(func() {
		r := f.request
		if r.generation != f.generation || r.source == nil || r.Answered() {
			return
		}
		if c := f.call; c.far == f {
			do(r, c)
		}
	})
}

// cancel ends the call over there. Thread: the request's, as of sendAgain.
func (f *handedOver) cancel() { _ = f.to.lane.Loop().Post(f.end) }

// sendAgain passes on a copy that the client sent.
func (f *handedOver) sendAgain() { _ = f.to.lane.Loop().Post(func() { f.inner.Again() }) }

// doubt has other requests take another connection.
func (f *handedOver) doubt() { _ = f.to.lane.Loop().Post(func() { f.inner.Doubt() }) }
