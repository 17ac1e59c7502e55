package gateway

import (
	"time"

	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/transport"
)

// handedMax is how many calls that came back a lane keeps for each other one, for the next: as many as one connection has identifiers.
const handedMax = 256

// handedOver is a call that another thread makes, because that has a connection to the home server and this one may have none, or cannot
// connect. The lane that hands it over fills it in, and has it back when it has ended; what is below the line belongs to the one that makes it. It
// goes between the same two lanes all its life, so that a word about it that comes late meets it where it is.
type handedOver struct {
	from, to *branch
	begins   func() // begin, ends and returns as values that cost nothing to post
	ends     func()
	returns  func()
	next     *handedOver // of those kept

	call     *call
	home     *homeState
	port     *port // of home
	client   *Client
	cfg      *ListenConfig
	memory   []byte // of the next three
	packet   radius.Packet
	userName []byte
	ownName  []byte // as request.ownName
	code     radius.Code
	window   time.Duration
	stream   bool   // the client's connection is one
	name     string // of the request, for the trace; "" without

	// to's, and from's again when it is back:
	inner  transport.Call
	sent   [16]byte
	sentAt time.Time
	timer  event.Timer
	live   bool
	mark   mark
	reply  []byte      // the client's
	answer radius.Code // of reply; 0: there is none
	err    error       // it was lost
}

// handedList are the calls that a lane keeps for another.
type handedList struct {
	first *handedOver
	count int
}

// handed returns memory for a call that lane number i makes.
func (b *branch) handed(i int) *handedOver {
	if b.kept == nil {
		b.kept = make([]handedList, len(b.gateway.branches))
	}
	list := &b.kept[i]
	if f := list.first; f != nil {
		list.first = f.next
		list.count--
		return f
	}
	f := &handedOver{from: b, to: b.gateway.branches[i]}
	f.begins, f.ends, f.returns = f.begin, f.end, f.back
	f.timer.Init((*farTimer)(f))
	return f
}

// keep takes it back.
func (b *branch) keep(f *handedOver) {
	f.call, f.home, f.port, f.client, f.cfg, f.err = nil, nil, nil, nil, nil, nil
	if list := &b.kept[f.to.lane.Index()]; list.count < handedMax {
		f.next, list.first = list.first, f
		list.count++
	}
}

// handOver gives the call, which could not be sent here because of err, to a thread that has a connection; false if there is none, or it has no
// room for more work, or the call has been there before.
func (c *call) handOver(err error) bool {
	r := c.request
	i, ok := c.port().peer.Elsewhere(r.branch.lane, err)
	if !ok || c.handed {
		return false
	}
	f := r.branch.handed(i)
	f.call, f.home, f.port, f.client, f.cfg = c, c.home, c.port(), r.client, r.source.listen.cfg.Load()
	f.code, f.window, f.stream, f.name = r.code, r.window(c.home), !r.source.conn.IsDatagram(), ""
	own := r.ownName()
	f.memory = append(append(append(f.memory[:0], r.packet...), c.userName...), own...)
	packet, user := len(r.packet), len(r.packet)+len(c.userName)
	f.packet, f.userName, f.ownName = f.memory[:packet], nil, nil
	if c.userName != nil {
		f.userName = f.memory[packet:user]
	}
	if own != nil {
		f.ownName = f.memory[user:]
	}
	if r.branch.gateway.tracing() {
		f.name = r.name()
	}
	if f.to.lane.Loop().Post(f.begins) != nil {
		r.branch.keep(f)
		return false
	}
	c.far, c.handed = f, true
	return true
}

// begin is called on the thread that makes the call.
func (f *handedOver) begin() {
	f.live, f.sentAt, f.answer, f.err = true, time.Time{}, 0, nil
	f.to.active++
	if err := f.to.pool(f.port.peer).Start(&f.inner, f); err != nil {
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
		f.sentAt = f.to.now()
		if f.name != "" {
			f.to.traceSent(f.name, f.home, msg)
		}
	}
	return msg, err
}

// Answer makes the client's reply and gives it to the thread that has the client.
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
		f.reply, f.answer = f.reply[:0], p.Code()
		f.end()
		return true
	}
	msg, err := f.to.decode(p, f.to.room[:0], f.client, f.cfg, f.home, f.packet, f.sent[:], f.ownName)
	if err != nil {
		f.port.unfit(f.to, m.Time, err) // as in Answer of call
		_ = f.from.lane.Loop().Post(f.isUnfit)
		return false
	}
	if state, ok := p.Find(radius.State); ok && p.Code() == radius.AccessChallenge {
		f.to.gateway.sticky.put(state, f.home)
	}
	f.reply, f.answer = append(f.reply[:0], msg...), p.Code()
	f.end()
	return true
}

// Lost ends the call.
func (f *handedOver) Lost(_ *transport.Call, err error) {
	if err != transport.ErrNoAnswer { // as of call
		f.lost(err)
	}
}

func (f *handedOver) lost(err error) {
	f.err = err
	f.end()
}

// end frees what the call has on its thread, and gives it back. A loop that takes nothing has stopped; one that is full leaves the request to its
// own time.
func (f *handedOver) end() {
	if !f.live {
		return
	}
	f.live = false
	f.mark.clear()
	f.timer.Stop()
	f.inner.Cancel()
	f.to.active--
	if f.to.stopping {
		f.to.drained()
	}
	_ = f.from.lane.Loop().Post(f.returns)
}

// back tells the request, if that still waits for this call. Thread: the request's, as of what follows.
func (f *handedOver) back() {
	if c := f.call; c.far == f {
		c.far = nil
		switch {
		case f.answer == radius.ProtocolError:
			c.declined()
		case f.answer != 0:
			c.answeredFar(f)
		case f.err != nil:
			c.wire = !f.sentAt.IsZero()
			c.gone(f.err)
		}
	}
	f.from.keep(f)
}

// answeredFar sends the reply that another thread has made.
func (c *call) answeredFar(f *handedOver) {
	r := c.request
	r.branch.gateway.backUp(c.pool, r.code)
	dst, err := r.source.conn.Reserve(len(f.reply))
	if err != nil {
		r.finish(OutcomeFailed)
		return
	}
	r.reply(append(dst, f.reply...), outcomeOf(f.answer))
}

// isUnfit notes that an answer came that cannot be relayed.
func (f *handedOver) isUnfit() {
	if c := f.call; c != nil && c.far == f {
		c.request.unfit = true
	}
}

// cancel ends the call over there.
func (f *handedOver) cancel() { _ = f.to.lane.Loop().Post(f.ends) }

// sendAgain passes on a copy that the client sent.
func (f *handedOver) sendAgain() { _ = f.to.lane.Loop().Post(func() { f.inner.Again() }) }

// doubt has other requests take another connection.
func (f *handedOver) doubt() { _ = f.to.lane.Loop().Post(func() { f.inner.Doubt() }) }
