package udp

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

// lane is a thread: a root and a loop that a goroutine of its own turns.
type lane struct {
	*friotest.Side
	t      testing.TB
	halted atomic.Bool
	done   chan struct{}
}

func startLane(e *friotest.Env, name string) *lane {
	l := &lane{Side: e.NewSide(name), t: e.TB, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for !l.halted.Load() {
			if err := l.Loop.Turn(time.Second); err != nil {
				l.t.Errorf("turn: %v", err)
				return
			}
		}
	}()
	return l
}

// do runs f on the lane and waits for it.
func (l *lane) do(f func()) {
	l.t.Helper()
	ran := make(chan struct{})
	if err := l.Loop.Post(func() { defer close(ran); f() }); err != nil {
		l.t.Fatalf("Post: %v", err)
	}
	<-ran
}

func (l *lane) halt() {
	l.do(func() { l.halted.Store(true) })
	<-l.done
}

// stage is a listen whose shards live on lanes, with children that echo what their peers send.
type stage struct {
	e     *friotest.Env
	lanes []*lane
	list  []*Listener
	at    []*lane // where each is
	place func(io frio.IO, home *lane) *lane
	close int // each child is closed after so many datagrams; 0: never

	children           atomic.Int64
	wrong, out, closed atomic.Int64 // datagrams given to another's child, out of order; children closed
	drops              atomic.Int64 // by the kernel, of sockets that were closed
	last               sync.Map     // peer's port: *atomic.Uint32, the last number served
	mu                 sync.Mutex
	homes              map[frio.IO]*resident
}

// resident is a child. Only its lane uses it.
type resident struct {
	io    frio.IO
	ctx   *talloc.Context
	home  *lane
	count int
	buf   [64]byte
}

// newStage opens a listen of the given lines on as many lanes as it has shards, and `more` for children.
func newStage(t testing.TB, lines string, more int, set func(*stage)) *stage {
	e := friotest.NewEnv(t, false, 1)
	s := &stage{e: e, homes: map[frio.IO]*resident{}}
	io := e.ParseText(nil, "listen", "listen {\nprotocol = udp\nudp {\nport = 0\n"+lines+"}\n}\n").IO
	if err := io.Open(); err != nil {
		t.Fatalf("Open: %v", err)
	}
	shards := []frio.IO{io}
	if whole, ok := io.(frio.Sharder); ok {
		shards = whole.Shards()
	}
	for _, one := range shards {
		s.list = append(s.list, one.(*Listener))
	}
	for range len(shards) + more {
		s.lanes = append(s.lanes, startLane(e, "lane"))
	}
	if set != nil {
		set(s)
	}
	s.at = append(s.at, s.lanes[:len(s.list)]...)
	for i, l := range s.list {
		l.Context().Detach()
		home := s.at[i]
		home.do(func() { s.settle(l, home) })
	}
	return s
}

// settle has l live on home.
func (s *stage) settle(l *Listener, home *lane) {
	if err := home.Root.Adopt(l.Context()); err != nil {
		s.e.Errorf("Adopt: %v", err)
	}
	if err := l.Event(home.Loop, func() { s.accept(l, home) }, nil); err != nil {
		s.e.Errorf("Event: %v", err)
	}
}

func (s *stage) accept(l *Listener, home *lane) {
	for {
		ctx, err := home.Root.New("child")
		if err != nil {
			s.e.Error(err)
			return
		}
		io, err := l.Accept(ctx)
		if err != nil {
			ctx.Free()
			if err != frio.ErrAgain {
				s.e.Errorf("Accept: %v", err)
			}
			return
		}
		s.children.Add(1)
		r := &resident{io: io, ctx: ctx, home: home}
		s.mu.Lock()
		s.homes[io] = r
		s.mu.Unlock()
		if s.place == nil {
			s.enter(r, home)
			continue
		}
		s.move(r, s.place(io, home))
	}
}

// move takes r from the lane that calls to another.
func (s *stage) move(r *resident, to *lane) {
	if to == r.home {
		s.enter(r, to)
		return
	}
	if err := r.io.Event(nil, nil, nil); err != nil {
		s.e.Errorf("Event(nil): %v", err)
	}
	r.ctx.Detach()
	if err := to.Loop.Post(func() {
		if err := to.Root.Adopt(r.ctx); err != nil {
			s.e.Errorf("Adopt: %v", err)
		}
		s.enter(r, to)
	}); err != nil {
		s.e.Errorf("Post: %v", err)
	}
}

func (s *stage) enter(r *resident, home *lane) {
	s.mu.Lock()
	r.home = home
	s.mu.Unlock()
	if err := r.io.Event(home.Loop, func() { s.serve(r) }, nil); err != nil && !errors.Is(err, net.ErrClosed) {
		s.e.Errorf("Event: %v", err)
	}
}

// serve echoes, and checks whose each datagram is: it begins with its sender's port and a number.
func (s *stage) serve(r *resident) {
	port := r.io.(frio.Addresser).RemoteAddr().Port()
	for {
		n, err := r.io.Read(r.buf[:])
		if err != nil {
			var lost *frio.PacketError
			if err != frio.ErrAgain && !errors.As(err, &lost) {
				s.e.Errorf("Read: %v", err)
			}
			return
		}
		if n < 8 || binary.BigEndian.Uint16(r.buf[:]) != port {
			s.wrong.Add(1)
			continue
		}
		number := binary.BigEndian.Uint32(r.buf[4:])
		v, _ := s.last.LoadOrStore(port, new(atomic.Uint32))
		if before := v.(*atomic.Uint32).Swap(number); number != before+1 {
			s.out.Add(1)
		}
		if _, err := r.io.Write(r.buf[:n]); err != nil {
			s.e.Errorf("Write: %v", err)
		}
		if r.count++; s.close > 0 && r.count >= s.close {
			s.end(r)
			return
		}
	}
}

// end closes a child on its lane.
func (s *stage) end(r *resident) {
	s.mu.Lock()
	delete(s.homes, r.io)
	s.mu.Unlock()
	if c, ok := r.io.(*Connected); ok && c.fd >= 0 {
		s.drops.Add(dropped(&c.socket))
	}
	if err := r.io.Close(); err != nil {
		s.e.Errorf("Close: %v", err)
	}
	s.closed.Add(1)
	r.ctx.Free()
}

// dropped is how many datagrams the kernel had no room for.
func dropped(s *socket) int64 {
	n, err := s.kernel.Option(s.fd, sock.RecvDropped)
	if err != nil {
		return 0
	}
	return int64(n)
}

// finish ends everything and returns what the kernel dropped.
func (s *stage) finish() int64 {
	for _, l := range s.lanes {
		l.do(func() {
			s.mu.Lock()
			var mine []*resident
			for _, r := range s.homes {
				if r.home == l {
					mine = append(mine, r)
				}
			}
			s.mu.Unlock()
			for _, r := range mine {
				s.end(r)
			}
		})
	}
	for i, l := range s.list {
		s.at[i].do(func() {
			s.drops.Add(dropped(&l.socket))
			if err := l.Close(); err != nil {
				s.e.Errorf("Close: %v", err)
			}
			l.Context().Free()
		})
	}
	if n := s.list[0].set.demux; n {
		if used := s.list[0].set.slots.Used(); used != 0 {
			s.e.Errorf("%d of max_children are taken at the end", used)
		}
	}
	for _, l := range s.lanes {
		l.halt()
	}
	s.e.Finish()
	return s.drops.Load()
}

// peer sends count datagrams, window of them under way, and expects each back, once. It returns how many did not come.
func peer(t testing.TB, to netip.AddrPort, count, window int) (lost int) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Error(err)
		return count
	}
	defer c.Close()
	port := uint16(c.LocalAddr().(*net.UDPAddr).Port)
	var out, in [32]byte
	binary.BigEndian.PutUint16(out[:], port)
	under := map[uint32]bool{}
	for sent := 0; sent < count || len(under) > 0; {
		for sent < count && len(under) < window {
			sent++
			under[uint32(sent)] = true
			binary.BigEndian.PutUint32(out[4:], uint32(sent))
			if _, err := c.Write(out[:]); err != nil {
				t.Errorf("peer: write: %v", err)
			}
		}
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := c.Read(in[:])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			lost += len(under)
			clear(under)
			continue
		}
		if err != nil {
			t.Errorf("peer: read: %v", err)
			return lost + count - sent + len(under)
		}
		number := binary.BigEndian.Uint32(in[4:])
		if n != len(out) || binary.BigEndian.Uint16(in[:]) != port || !under[number] {
			t.Errorf("peer %d: %d bytes, of %d, number %d, which is not awaited", port, n, binary.BigEndian.Uint16(in[:]), number)
		}
		delete(under, number)
	}
	return lost
}

// storm has so many peers begin at the same time.
func (s *stage) storm(peers, each, window int) (lost int64) {
	var wg sync.WaitGroup
	var sum atomic.Int64
	start := make(chan struct{})
	to := s.list[0].LocalAddr()
	for range peers {
		wg.Go(func() {
			<-start
			sum.Add(int64(peer(s.e.TB, to, each, window)))
		})
	}
	close(start)
	wg.Wait()
	return sum.Load()
}
