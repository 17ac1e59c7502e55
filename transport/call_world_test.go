package transport

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
)

var errEncode = errors.New("cannot be encoded")

// request is a Call and its owner, which notes what it is told.
type request struct {
	Call
	tag     byte
	ids     []int // that it was sent with
	answers int
	losts   []error

	fails  bool                        // to be encoded
	refuse bool                        // the answers
	done   func(r *request)            // in Answer
	gone   func(r *request, err error) // in Lost
}

func (r *request) Encode(c *Call, dst []byte, id int) ([]byte, error) {
	if c != &r.Call || len(dst) != 0 || cap(dst) < proto.MessageMax {
		panic("Encode without room")
	}
	if r.fails {
		return nil, errEncode
	}
	r.ids = append(r.ids, id)
	return append(dst, 0, 4, byte(id), r.tag), nil
}

func (r *request) Answer(c *Call, m *Message) bool {
	if m.Data[3] != r.tag || r.refuse {
		return false
	}
	r.answers++
	if r.done != nil {
		r.done(r)
	}
	return true
}

func (r *request) Lost(c *Call, err error) {
	if c.Active() {
		panic("Lost of an active call")
	}
	r.losts = append(r.losts, err)
	if r.gone != nil {
		r.gone(r, err)
	}
}

func (r *request) Describe() string { return fmt.Sprint("request ", r.tag) }

// over fails unless each was answered, or lost, once.
func (b *bench) over(requests []*request, answers, losts int) {
	b.Helper()
	for i, r := range requests {
		if r.answers != answers || len(r.losts) != losts || r.Active() {
			b.Fatalf("request %d: %d answers, lost by %v, active %v", i, r.answers, r.losts, r.Active())
		}
	}
}

// proto is that of the tests: the third byte is the identifier.
var proto = Protocol{Frame: frame, MessageMax: 64, IDs: 256, ID: func(m []byte) int {
	if len(m) < 4 {
		return -1
	}
	return int(m[2])
}}

// home is a peer that requests go to: a port on the first lane.
type home struct {
	*service
	port   *Port
	silent bool
	seen   []*recorder // who has it, one for each message
	got    [][]byte
	held   []func() // the answers that wait
}

// newHome serves method at port; it answers with what came, when it is not silent.
func (b *bench) newHome(method string, port uint16) *home {
	b.Helper()
	h := &home{service: &service{cfg: Config{Frame: frame, MessageMax: 64}}}
	h.make = func() *recorder {
		r := new(recorder)
		r.message = func(c *Conn, m *Message) {
			data, to := append([]byte(nil), m.Data...), m.Addr
			h.seen, h.got = append(h.seen, r), append(h.got, data)
			h.held = append(h.held, func() { _ = c.Send(&to, data) })
			if !h.silent {
				h.answer()
			}
		}
		r.end = func(c *Conn, _ error) { _ = c.Close() }
		return r
	}
	h.port = b.serve(inet("listen", method, method, port, ""), h.service)
	return h
}

func (h *home) answer() {
	for _, f := range h.held {
		f()
	}
	h.held = nil
}

// connections are those that are open.
func (h *home) connections() (count int) {
	for _, r := range h.users {
		if !r.conn.Over() {
			count++
		}
	}
	return count
}

// peer makes the Peer for a home server's address, for all lanes of b.
func (b *bench) peer(method string, to netip.AddrPort, limits Limits) *Peer {
	b.Helper()
	p := b.ParseText(nil, "home server", inet("home_server", method, method, to.Port(), ""))
	peer := NewPeer("home", p.IO, proto, limits, len(b.lanes))
	b.peers = append(b.peers, peer)
	return peer
}

// start starts count new requests on pool; err is the first error.
func start(pool *Pool, count int) (list []*request, err error) {
	for i := range count {
		r := &request{tag: byte(i)}
		if e := pool.Start(&r.Call, r); e == nil {
			list = append(list, r)
		} else if err == nil {
			err = e
		}
	}
	return list, err
}

func (b *bench) started(pool *Pool, count int) []*request {
	b.Helper()
	list, err := start(pool, count)
	b.must(err)
	return list
}

// many is started in pieces that a socket has room for.
func (b *bench) many(pool *Pool, count int) (list []*request) {
	b.Helper()
	for len(list) < count {
		list = append(list, b.started(pool, min(50, count-len(list)))...)
		b.Spin(2)
	}
	return list
}

// onMethods runs a test over datagrams and over a stream, in a simulated world.
func onMethods(t *testing.T, run func(b *bench, method string)) {
	for _, method := range []string{"udp", "tcp"} {
		t.Run(method, func(t *testing.T) { onSim(t, func(b *bench) { run(b, method) }) })
	}
}
