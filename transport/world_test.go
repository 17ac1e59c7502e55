package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

// bench is lanes on the loops of an environment.
type bench struct {
	*friotest.Env
	lane  *Lane
	lanes Lanes
	ctxs  []*talloc.Context
	ports []*Port
	peers []*Peer
}

// newBench makes so many lanes, each with a loop of its own, all turned by the test.
func newBench(t testing.TB, sim bool, lanes int) *bench {
	t.Helper()
	return newBenchSeed(t, sim, lanes, 1)
}

func newBenchSeed(t testing.TB, sim bool, lanes int, seed uint64) *bench {
	t.Helper()
	b := &bench{Env: friotest.NewEnv(t, sim, seed)}
	for i := range lanes {
		side := &b.Env.Side
		if i > 0 {
			side = b.NewSide(fmt.Sprint("lane ", i))
		}
		ctx := b.Context(side, "lane")
		lane, err := NewLane(side.Loop, ctx, i)
		b.must(err)
		b.lanes, b.ctxs = append(b.lanes, lane), append(b.ctxs, ctx)
	}
	b.lane = b.lanes[0]
	t.Cleanup(b.close)
	return b
}

// onSim runs a test in a simulated world, onBoth on the system's kernel too.
func onSim(t *testing.T, run func(b *bench)) {
	t.Helper()
	run(newBench(t, true, 1))
}

func onBoth(t *testing.T, run func(b *bench)) {
	t.Run("system", func(t *testing.T) { run(newBench(t, false, 1)) })
	t.Run("sim", func(t *testing.T) { run(newBench(t, true, 1)) })
}

// close leaves nothing behind; what does is found by the environment.
func (b *bench) close() {
	if b.Failed() {
		return
	}
	for _, p := range b.peers {
		for _, l := range b.lanes {
			p.Pool(l).close(net.ErrClosed)
		}
		if n, m := p.Connections(), p.Outstanding(); n != 0 || m != 0 {
			b.Errorf("at the end the peer has %d connections, %d requests", n, m)
		}
	}
	for _, l := range b.lanes {
		l.Each(func(c *Conn) { _ = c.Close() }) // what is unsent at the end of a test is no matter
	}
	for _, p := range b.ports {
		b.must(p.Close())
	}
	b.Spin(2)
	for _, ctx := range b.ctxs {
		ctx.Free()
	}
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// frame is the framing of the tests: two bytes of length, which count themselves.
func frame(b []byte) (int, error) {
	if len(b) < 2 {
		return 0, nil
	}
	n := int(binary.BigEndian.Uint16(b))
	if n < 2 {
		return 0, errLength
	}
	return n, nil
}

var errLength = errors.New("length below 2")

// message makes a message of n bytes, at least 3, that begins with id.
func message(id byte, n int) []byte {
	m := make([]byte, n)
	binary.BigEndian.PutUint16(m, uint16(n))
	for i := 2; i < n; i++ {
		m[i] = id + byte(i-2)
	}
	return m
}

// recorder is a User that notes what it is told.
type recorder struct {
	conn   *Conn
	got    [][]byte
	addrs  []Addr
	ups    int
	rooms  int
	drains int
	faults []error
	ends   []error

	up, room func(c *Conn)
	message  func(c *Conn, m *Message)
	fault    func(c *Conn, err error)
	end      func(c *Conn, err error)
}

func (r *recorder) Up(c *Conn) {
	r.ups++
	r.conn = c
	if r.up != nil {
		r.up(c)
	}
}

func (r *recorder) Message(c *Conn, m *Message) {
	r.got = append(r.got, append([]byte(nil), m.Data...))
	r.addrs = append(r.addrs, m.Addr)
	if r.message != nil {
		r.message(c, m)
	}
}

func (r *recorder) Room(c *Conn) {
	r.rooms++
	if r.room != nil {
		r.room(c)
	}
}

func (r *recorder) Fault(c *Conn, err error) {
	r.faults = append(r.faults, err)
	if r.fault != nil {
		r.fault(c, err)
	}
}

func (r *recorder) End(c *Conn, err error) {
	r.ends = append(r.ends, err)
	if r.end != nil {
		r.end(c, err)
	}
}

func (r *recorder) Drain(*Conn) { r.drains++ }

// echo answers what comes, as soon as the peer takes it.
func (r *recorder) echo() *recorder {
	r.message = func(c *Conn, m *Message) {
		if err := c.Send(&m.Addr, m.Data); err == nil && c.Full() {
			c.Pause()
		}
	}
	r.room = func(c *Conn) { c.Resume() }
	return r
}

// service serves recorders.
type service struct {
	cfg    Config
	make   func() *recorder
	users  []*recorder
	faults []error
	gone   int
}

func (s *service) Serve(c *Conn) (User, Config) {
	r := new(recorder)
	if s.make != nil {
		r = s.make()
	}
	r.conn = c
	s.users = append(s.users, r)
	return r, s.cfg
}

func (s *service) Fault(_ *Port, err error) { s.faults = append(s.faults, err) }
func (s *service) Gone(*Conn)               { s.gone++ }

// inet is a section of listen or home_server.
func inet(kind, stack, method string, port uint16, more string) string {
	return fmt.Sprintf("%s x {\nprotocol = %s\n%s {\nipaddr = 127.0.0.1\nport = %d\n%s}\n}\n", kind, stack, method, port, more)
}

// serve listens by text and serves s.
func (b *bench) serve(text string, s *service) *Port {
	b.Helper()
	p := b.ParseText(nil, "listener", text)
	b.must(p.Open())
	port := NewPort("test", nil, p.IO, p.Ctx, s)
	b.must(port.Join(b.lane))
	b.ports = append(b.ports, port)
	return port
}

// at is where a port listens.
func at(p *Port) netip.AddrPort { return p.IO().(frio.Addresser).LocalAddr() }

// dial connects by text.
func (b *bench) dial(text string, cfg Config, user User) *Conn {
	b.Helper()
	p := b.ParseText(nil, "connecting", text)
	c, err := Dial(b.lane, p.Ctx, "connection", func(ctx *talloc.Context) (frio.IO, error) { return p.IO.(frio.Copier).Copy(ctx) }, cfg, user)
	b.must(err)
	return c
}

// raw is a socket of the test's own, driven by calls.
type raw struct {
	*bench
	fd int
}

// connect makes a raw connection to where a port listens.
func (b *bench) connect(to netip.AddrPort) *raw { return b.socket(frio.Stream, netip.AddrPort{}, to) }

func (b *bench) socket(kind frio.Kind, at, to netip.AddrPort) *raw {
	b.Helper()
	fd, err := b.Kernel.Socket(sock.Inet4, kind)
	b.must(err)
	r := &raw{b, fd}
	b.Cleanup(r.close)
	if at.IsValid() {
		b.must(b.Kernel.Bind(fd, sock.Addr{AddrPort: at}))
	}
	if to.IsValid() {
		if err := b.Kernel.Connect(fd, sock.Addr{AddrPort: to}); err != nil && err != frio.ErrAgain && err != syscall.EINPROGRESS {
			b.Fatal(err)
		}
	}
	return r
}

func (r *raw) close() {
	if r.fd >= 0 {
		r.Kernel.Close(r.fd)
		r.fd = -1
	}
}

// send writes all of p.
func (r *raw) send(p []byte) {
	r.Helper()
	r.Until("the peer takes it", func() bool {
		n, err := r.Kernel.Send(r.fd, p)
		if err != nil && err != frio.ErrAgain {
			r.Fatal(err)
		}
		p = p[max(n, 0):]
		return len(p) == 0
	})
}

// receive waits for n bytes.
func (r *raw) receive(n int) []byte {
	r.Helper()
	var got []byte
	r.Until(fmt.Sprintf("%d bytes come", n), func() bool {
		got = append(got, r.take(n-len(got))...)
		return len(got) == n
	})
	return got
}

// take is what is there, at most n bytes.
func (r *raw) take(n int) []byte {
	p := make([]byte, n)
	n, err := r.Kernel.Recv(r.fd, p)
	if err != nil && err != frio.ErrAgain {
		r.Fatal(err)
	}
	return p[:max(n, 0)]
}

// ended waits for the end and returns it.
func (r *raw) ended() (end error) {
	r.Helper()
	p := make([]byte, 4096)
	r.Until("the end", func() bool {
		n, err := r.Kernel.Recv(r.fd, p)
		switch {
		case n == 0 && err == nil:
			end = io.EOF
		case err != nil && err != frio.ErrAgain:
			end = err
		}
		return end != nil
	})
	return end
}

// close closes all connections; what is under way is lost, by err.
func (p *Pool) close(err error) {
	p.closing, p.start = true, 0
	p.abandon(err)
	for _, l := range append([]*link(nil), p.links...) {
		l.end(err)
	}
	p.timer.Stop()
}

// close forgets all answers.
func (t *Table) close() {
	t.timer.Stop()
	for t.kept > 0 {
		t.forget(t.soonest())
	}
}
