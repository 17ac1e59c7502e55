package transport

import (
	"fmt"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/talloc"
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

// stacks are those that are measured: a layer makes each message a Write of its own.
var stacks = []string{"udp", "tcp", "layer+tcp"}

// thinLayer is a layer that does nothing.
type thinLayer struct{ frio.IO }

func (l *thinLayer) Lower() frio.IO    { return l.IO }
func (l *thinLayer) State() frio.State { return StateOf(l.IO) }
func (l *thinLayer) Cork()             { l.IO.(frio.Corker).Cork() }
func (l *thinLayer) Uncork() error     { return l.IO.(frio.Corker).Uncork() }
func (l *thinLayer) Copy(ctx *talloc.Context) (frio.IO, error) {
	one, err := l.IO.(frio.Copier).Copy(ctx)
	return &thinLayer{one}, err
}

// echoOver is an echo, and what connects to it, over a stack.
func (b *bench) echoOver(stack string) (listening *Port, connecting frio.IO) {
	b.Helper()
	method := stack[len(stack)-3:]
	cfg := Config{Frame: frame, MessageMax: 4096}
	p := b.ParseText(nil, "listener", inet("listen", method, method, 0, ""))
	b.must(p.Open())
	port := NewPort("test", nil, p.IO, p.Ctx, &mute{cfg})
	b.must(port.Join(b.lane))
	b.ports = append(b.ports, port)
	c := b.ParseText(nil, "connecting", inet("home_server", method, method, at(port).Port(), ""))
	if stack != method {
		return port, &thinLayer{c.IO}
	}
	return port, c.IO
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
