package transport

import (
	"fmt"
	"strings"
	"testing"

	"github.com/frio-io/frio"
)

// quiet is a User that allocates nothing: an echo, or who counts what comes.
type quiet struct {
	echo  bool
	count int
}

func (q *quiet) Up(*Conn) {}
func (q *quiet) Message(c *Conn, m *Message) {
	q.count++
	if q.echo {
		_ = c.Send(&m.Addr, m.Data) // a test that gets no answer says so
	}
}
func (q *quiet) Room(*Conn)             {}
func (q *quiet) Fault(*Conn, error)     {}
func (q *quiet) End(c *Conn, err error) { _ = c.Close() }
func (q *quiet) Drain(*Conn)            {}

// mute serves quiet echoes.
type mute struct{ cfg Config }

func (s *mute) Serve(*Conn) (User, Config) { return &quiet{echo: true}, s.cfg }
func (s *mute) Fault(*Port, error)         {}
func (s *mute) Gone(*Conn)                 {}

// stacks are those that are measured: over a layer each message is a Write of its own.
var stacks = []string{"udp", "tcp", "haproxy+tcp"}

// echoOver is an echo, and what connects to it, over a stack.
func (b *bench) echoOver(stack string) (listening *Port, connecting frio.IO) {
	b.Helper()
	method, more := stack[len(stack)-3:], ""
	if stack != method {
		more = "haproxy {\ntrusted {\nallow = 127/8\n}\n}\n"
	}
	p := b.ParseText(nil, "listener", layeredInet("listen", stack, method, 0, more))
	b.must(p.Open())
	port := NewPort("test", nil, p.IO, p.Ctx, &mute{Config{Frame: frame, MessageMax: 4096}})
	b.must(port.Join(b.lane))
	b.ports = append(b.ports, port)
	c := b.ParseText(nil, "connecting", layeredInet("home_server", stack, method, at(port).Port(), ""))
	return port, c.IO
}

// layeredInet is inet with the sections of a layer.
func layeredInet(kind, stack, method string, port uint16, more string) string {
	return strings.TrimSuffix(inet(kind, stack, method, port, ""), "}\n") + more + "}\n"
}

// echoTrip returns what sends a message to the echo and waits until it is back.
func (b *bench) echoTrip(stack string, n int) func() {
	b.Helper()
	_, one := b.echoOver(stack)
	near := new(quiet)
	c, err := Dial(b.lane, b.ctxs[0], "connection", one.(frio.Copier).Copy, Config{Frame: frame, MessageMax: 4096}, near)
	b.must(err)
	m := message(1, n)
	want := 0
	return func() {
		want++
		if err := c.Send(nil, m); err != nil {
			b.Fatal(err)
		}
		for turns := 0; near.count < want; turns++ {
			if turns > 1000 || b.Loop.Turn(0) != nil {
				b.Fatal("it does not come back")
			}
		}
	}
}

// lean is a request that allocates nothing.
type lean struct {
	Call
	answers int
}

func (r *lean) Encode(_ *Call, dst []byte, id int) ([]byte, error) {
	return append(dst, 0, 4, byte(id), 0), nil
}
func (r *lean) Answer(*Call, *Message) bool { r.answers++; return true }
func (r *lean) Lost(*Call, error)           {}
func (r *lean) Describe() string            { return "request" }

// callTrip returns what makes a call and waits for its answer.
func (b *bench) callTrip(stack string) func() {
	b.Helper()
	_, one := b.echoOver(stack)
	peer := NewPeer("home", one, proto, Limits{}, 1)
	b.peers = append(b.peers, peer)
	pool, r := peer.Pool(b.lane), new(lean)
	times := Retransmission{Initial: 1 << 40}
	return func() {
		want := r.answers + 1
		if err := pool.Start(&r.Call, r); err != nil {
			b.Fatal(err)
		}
		r.Retransmit(times)
		for turns := 0; r.answers < want; turns++ {
			if turns > 1000 || b.Loop.Turn(0) != nil {
				b.Fatal("no answer comes")
			}
		}
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	if checked {
		t.Log("builds with checks allocate") // the counts are those of the others
		return
	}
	for _, stack := range stacks {
		for name, trip := range map[string]func(b *bench) func(){
			"echo": func(b *bench) func() { return b.echoTrip(stack, 200) },
			"call": func(b *bench) func() { return b.callTrip(stack) },
		} {
			t.Run(fmt.Sprint(name, " over ", stack), func(t *testing.T) {
				b := newBench(t, false, 1)
				f := trip(b)
				for range 300 {
					f()
				}
				if n := testing.AllocsPerRun(500, f); n != 0 {
					t.Errorf("%v allocations each", n)
				}
			})
		}
	}
}
