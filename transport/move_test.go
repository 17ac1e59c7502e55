package transport

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/thread"
)

// wanderer echoes on whatever thread it is, and counts its moves.
type wanderer struct {
	recorder
	members *sync.Map
	moves   *atomic.Int64
}

func (w *wanderer) Up(c *Conn) {
	if c.Member() != nil {
		w.members.Store(c.Member(), true)
	}
}

func (w *wanderer) Message(c *Conn, m *Message) {
	if c.Send(&m.Addr, m.Data) == nil && c.Full() {
		c.Pause()
	}
}

func (w *wanderer) Room(c *Conn) { c.Resume() }
func (w *wanderer) Leave(*Conn)  { w.moves.Add(1) }
func (w *wanderer) Arrive(*Conn) {}

func (w *wanderer) End(c *Conn, err error) {
	w.members.Delete(c.Member())
	_ = c.Close()
}

func (w *wanderer) Drain(c *Conn) { _ = c.Close() }

// roaming is a Service of wanderers on a pool.
type roaming struct {
	testing.TB
	members sync.Map
	moves   atomic.Int64
	gone    atomic.Int64
}

func (s *roaming) Serve(c *Conn) (User, Config) {
	return &wanderer{members: &s.members, moves: &s.moves}, Config{Frame: frame, MessageMax: 4096}
}
func (s *roaming) Fault(_ *Port, err error) { s.Error(err) }
func (s *roaming) Gone(*Conn)               { s.gone.Add(1) }

// roam starts a pool that serves text, and moves all its connections, and its port, from thread to thread until the test ends.
func roam(t *testing.T, text string, s *roaming) (address string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pool, err := thread.New(thread.Config{Network: 3, OnError: func(_ *thread.Thread, err error) { t.Error(err) }})
	must(err)
	lanes, err := NewLanes(pool)
	must(err)
	ctx, err := pool.Threads()[0].Root().New("port")
	must(err)
	root, err := conf.ParseString("test.conf", text, conf.Options{})
	must(err)
	one, err := frio.Parse(ctx, root.TakeSections("listen")[0])
	must(err)
	must(one.Open())
	address = one.(frio.Addresser).LocalAddr().String()
	port := NewPort("test", lanes, one, ctx, s)
	must(port.Join(lanes[0]))
	s.members.Store(port.member, true)
	pool.Start()
	stop := make(chan struct{})
	var movers sync.WaitGroup
	movers.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Microsecond):
			}
			s.members.Range(func(m, _ any) bool {
				_ = m.(*thread.Member).Move(pool.Threads()[i%3]) // a full mailbox, or one that has ended
				i++
				return true
			})
		}
	})
	t.Cleanup(func() {
		close(stop)
		movers.Wait()
		if cut, err := pool.Stop(10 * time.Second); err != nil || !cut.None() {
			t.Errorf("Stop: %v, %v", cut, err)
		}
	})
	return address
}

// Connections that go from thread to thread all the while, with parts of messages, output and ends in them, lose nothing.
func TestMoveStreams(t *testing.T) {
	s := &roaming{TB: t}
	address := roam(t, inet("listen", "tcp", "tcp", 0, ""), s)
	const clients, count, moves = 6, 100, 60
	var running sync.WaitGroup
	for i := range clients {
		running.Go(func() {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(30 * time.Second)) // the emergency exit
			var want []byte
			for k := range count {
				want = append(want, message(byte(i+k), 100+k)...)
			}
			got := make([]byte, len(want))
			for s.moves.Load() < moves && !t.Failed() {
				var sending sync.WaitGroup
				sending.Go(func() {
					for rest := want; len(rest) > 0; {
						n, err := conn.Write(rest[:min(len(rest), 97)])
						if err != nil {
							t.Error(err)
							return
						}
						rest = rest[n:]
					}
				})
				if n, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes came back, %d were sent: %v", n, len(want), err)
				}
				sending.Wait()
			}
		})
	}
	running.Wait()
}

// A socket for datagrams moves with its port.
func TestMovePort(t *testing.T) {
	s := &roaming{TB: t}
	address := roam(t, inet("listen", "udp", "udp", 0, ""), s)
	conn, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil { // the emergency exit
		t.Fatal(err)
	}
	b := make([]byte, 1000)
	for i := 0; s.moves.Load() < 30; i++ {
		want := fmt.Sprint("datagram ", i)
		if _, err := conn.Write([]byte(want)); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.Read(b); err != nil || string(b[:n]) != want {
			t.Fatalf("%q came back for %q: %v", b[:n], want, err)
		}
	}
}
