package thread_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
)

// patience bounds every wait: a test that meets it has failed.
const patience = 60 * time.Second

// pool makes and starts a pool, which the test's end stops; nothing may be left in it then.
func pool(t testing.TB, cfg thread.Config) *thread.Pool {
	t.Helper()
	if cfg.OnError == nil {
		cfg.OnError = func(th *thread.Thread, err error) { t.Errorf("%s: %v", th.Name(), err) }
	}
	if cfg.CloseTimeout == 0 {
		cfg.CloseTimeout = patience // the other end is a thread that waits for a processor, it may be
	}
	p, err := thread.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p.Start()
	t.Cleanup(func() { stop(t, p) })
	return p
}

// stop stops a pool that may be stopped already.
func stop(t testing.TB, p *thread.Pool) *thread.Cut {
	t.Helper()
	c, err := p.Stop(patience)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		t.Errorf("Stop: %v", err)
	}
	if p.Members() != 0 {
		t.Errorf("%d members after Stop", p.Members())
	}
	for _, th := range p.Threads() {
		if n := th.Stats().Members; n != 0 {
			t.Errorf("%s counts %d members after Stop", th.Name(), n)
		}
	}
	return c
}

// on runs f on th and waits for it.
func on(t testing.TB, th *thread.Thread, f func()) {
	t.Helper()
	done := make(chan struct{})
	for {
		err := th.Send(func() { defer close(done); f() })
		if err == nil {
			break
		}
		if err != frio.ErrAgain {
			t.Fatalf("Send to %s: %v", th.Name(), err)
		}
	}
	wait(t, done, "a function sent to "+th.Name())
}

// arrived waits until what is said to have moved is there: a thread says so before it sends it.
func arrived(t testing.TB, from, to *thread.Thread) {
	t.Helper()
	on(t, from, func() {})
	on(t, to, func() {})
}

func wait(t testing.TB, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		panic("still waiting for " + what)
	}
}

// server is a listener on one thread whose children live on all.
type server struct {
	t        testing.TB
	stack    stack
	addr     netip.AddrPort
	m        *thread.Member
	io       frio.IO
	ctx      *talloc.Context
	open     atomic.Int64 // children that are open
	total    atomic.Int64
	message  int             // children answer in pieces of so many bytes; 0: with what they read
	stubborn bool            // children do not end for ErrStopping
	ends     atomic.Int64    // of User.End
	all      *gauge          // of all servers of a test; nil: none
	stays    *sync.WaitGroup // told of each client that has had its answer, and stays; nil: it goes
	onStay   func()          // as well; nil: nobody
	moves    int32           // of 16 callbacks, in how many a child has itself moved
	mu       sync.Mutex
	list     []*thread.Member // guarded by mu: the children's
	clients  []*client        // guarded by mu: those of dial
}

// stack is what the tests run on.
type stack struct {
	name           string
	listen, client string                                     // what stands beside protocol
	secure         func(t testing.TB) (listen, client string) // adds to both; nil: nothing
}

var stacks = []stack{
	{name: "tcp", listen: "tcp {\nipaddr = 127.0.0.1\nport = 0\nbacklog = 4096\n}\n", client: "tcp {\nipaddr = 127.0.0.1\nport = %d\n}\n"},
}

func parse(t testing.TB, ctx *talloc.Context, kind, text string) frio.IO {
	t.Helper()
	root, err := conf.ParseString("test", kind+" x {\n"+text+"}\n", conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	one, err := frio.Parse(ctx, root.Sections(kind)[0])
	if err != nil {
		t.Fatal(err)
	}
	return one
}

// serve opens a listener on th. limit is the inside of its limit section.
func serve(t testing.TB, th *thread.Thread, s stack, limit string) *server {
	t.Helper()
	if s.secure != nil {
		listen, client := s.secure(t)
		s.listen, s.client = s.listen+listen, s.client+client
		// A loaded machine may take a while: what hangs is found by patience.
		limit += "max_handshakes = unlimited\nhandshake_timeout = 10m\n"
		s.client += "limit {\nhandshake_timeout = 10m\n}\n"
	}
	srv := &server{t: t, stack: s}
	on(t, th, func() {
		ctx, err := th.Root().New("listener")
		if err != nil {
			t.Fatal(err)
		}
		srv.ctx = ctx
		srv.io = parse(t, ctx, "listen", fmt.Sprintf("protocol = %s\n%slimit {\n%s}\n", s.name, s.listen, limit))
		if err := srv.io.Open(); err != nil {
			t.Fatal(err)
		}
		srv.addr = srv.io.(frio.Addresser).LocalAddr()
		if srv.m, err = th.Add(srv.io, ctx, nil, srv); err != nil {
			t.Error(err)
		}
	})
	return srv
}

func (s *server) Attach(m *thread.Member) {
	if err := s.io.Event(m.Loop(), func() { s.accept(m) }, nil); err != nil {
		s.t.Errorf("listener: %v", err)
	}
}

func (s *server) Detach(*thread.Member) {}

func (s *server) End(m *thread.Member, reason error) {
	if reason == thread.ErrStopping {
		_ = s.io.Event(m.Loop(), nil, nil)
		return
	}
	s.io.Close()
	s.ctx.Free()
}

func (s *server) accept(m *thread.Member) {
	for {
		th := m.Thread()
		ctx, err := th.Root().New("session")
		if err != nil {
			s.t.Error(err)
			return
		}
		io, err := s.io.Accept(ctx)
		if err != nil {
			ctx.Free()
			if err != frio.ErrAgain {
				s.t.Errorf("Accept: %v", err)
			}
			return
		}
		e := &echo{server: s, io: io, ctx: ctx}
		e.read, e.write = e.readable, e.writable
		s.total.Add(1)
		s.open.Add(1)
		s.all.add(1)
		child, err := th.Add(io, ctx, m, e)
		if err != nil {
			e.end()
			continue
		}
		s.mu.Lock()
		s.list = append(s.list, child)
		s.mu.Unlock()
	}
}

// gauge counts what is open, and the most that was.
type gauge struct{ open, peak atomic.Int64 }

func (g *gauge) add(n int64) {
	if g == nil {
		return
	}
	now := g.open.Add(n)
	for {
		peak := g.peak.Load()
		if now <= peak || g.peak.CompareAndSwap(peak, now) {
			return
		}
	}
}

// until waits for a condition that other threads make true.
func (s *server) until(what string, is func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); !is(); runtime.Gosched() {
		if time.Now().After(end) {
			s.t.Fatalf("still waiting: %s", what)
		}
	}
}

// quit has the user of m end it, on its thread.
func (s *server) quit(m *thread.Member) { m.End(errQuit) }

var errQuit = errors.New("quit")

// echo is one child, which sends back what it reads.
type echo struct {
	server      *server
	io          frio.IO
	ctx         *talloc.Context
	m           *thread.Member
	held        []byte
	read, write func()
	moving      atomic.Int32 // 1 between Detach and Attach
	over        bool
	ended       bool // by End
}

func (e *echo) Attach(m *thread.Member) {
	e.m = m
	e.moving.Store(0)
	e.wish()
}

func (e *echo) Detach(*thread.Member) { e.moving.Store(1) }

func (e *echo) End(m *thread.Member, reason error) {
	e.server.ends.Add(1)
	if e.ended && reason != thread.ErrStopped {
		e.server.t.Errorf("%s was ended twice: %v", e.io.Describe(), reason)
	}
	if reason == thread.ErrStopping && e.server.stubborn {
		return
	}
	e.ended = true
	e.end()
}

func (e *echo) wish() {
	if e.over {
		return
	}
	read, write := e.read, e.write
	if len(e.held) == 0 {
		write = nil
	} else {
		read = nil
	}
	if err := e.io.Event(e.m.Loop(), read, write); err != nil {
		e.server.t.Errorf("Event: %v", err)
	}
}

func (e *echo) check() {
	if e.over || e.moving.Load() != 0 {
		e.server.t.Errorf("a callback after the end (%v) or on the way (%d)", e.over, e.moving.Load())
	}
}

func (e *echo) readable() {
	e.check()
	buf := e.m.Loop().Scratch()
	for len(e.held) == 0 {
		n, err := e.io.Read(buf)
		if err == frio.ErrAgain {
			break
		}
		if err != nil {
			e.end()
			return
		}
		e.put(buf[:n])
	}
	wander(e.server, e.m)
	e.wish()
}

// wander has m go to a thread by chance, from inside its callback.
func wander(s *server, m *thread.Member) {
	if rand.Int32N(16) >= s.moves {
		return
	}
	threads := m.Thread().Pool().Threads()
	switch err := m.Move(threads[rand.IntN(len(threads))]); {
	case err == nil, err == frio.ErrAgain, errors.Is(err, net.ErrClosed):
	default:
		s.t.Errorf("Move: %v", err)
	}
}

func (e *echo) put(p []byte) {
	for len(p) > 0 {
		piece := p
		if size := e.server.message; size > 0 {
			piece = p[:min(size, len(p))]
		}
		n, err := e.io.Write(piece)
		if err == frio.ErrAgain {
			e.held = append([]byte(nil), p...)
			return
		}
		if err != nil {
			return // reading tells
		}
		p = p[n:]
	}
	e.held = nil
}

func (e *echo) writable() {
	e.check()
	e.put(e.held)
	e.wish()
}

func (e *echo) end() {
	if e.over {
		return
	}
	e.over = true
	e.server.open.Add(-1)
	e.server.all.add(-1)
	e.io.Close()
	e.ctx.Free()
}

// shuffle moves what it is given at random until stop is closed, and returns how many moves were taken. After a hundred it lets every thread
// take a turn: what is moved without a pause never gets to read, and who asks without a pause takes the processor from those who do it.
func shuffle(t testing.TB, p *thread.Pool, seed uint64, members func() []*thread.Member, stop <-chan struct{}) (moves int) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	for {
		list := members()
		for range 100 {
			select {
			case <-stop:
				return moves
			default:
			}
			if len(list) == 0 {
				break
			}
			m := list[rnd.IntN(len(list))]
			threads := p.Threads()
			switch err := m.Move(threads[rnd.IntN(len(threads))]); {
			case err == nil:
				moves++
			case err == frio.ErrAgain, errors.Is(err, net.ErrClosed):
			default:
				t.Errorf("Move: %v", err)
			}
		}
		var turned sync.WaitGroup
		for _, th := range p.Threads() {
			turned.Add(1)
			if th.Send(turned.Done) != nil {
				turned.Done()
			}
		}
		turned.Wait()
	}
}

func addrPort(i int) netip.AddrPort {
	return addrPortOf(netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}), uint16(1000+i))
}

func addrPortOf(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }
