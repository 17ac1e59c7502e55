package server

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/transport"
)

// spread starts a server of text on threads of its own; the test's end shuts it down.
func spread(t *testing.T, text string) *Server {
	t.Helper()
	root := talloc.Root("test")
	s, err := LoadString(root, "test.conf", text, Options{Logger: slog.New(slog.DiscardHandler), Drain: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cut, err := s.Shutdown()
		if err != nil || !cut.None() || s.Sessions() != 0 {
			t.Errorf("Shutdown: %v, %v, %d sessions", cut, err, s.Sessions())
		}
		root.Free()
	})
	return s
}

// bound is the address of listen number i.
func bound(s *Server, i int) string {
	text := s.all()[i].shards()[0].Describe()
	return text[strings.LastIndex(text, " ")+1:]
}

const spreadConf = `thread {
	network = 4
}
server echo {
	namespace = echo
	listen tcp {
		protocol = tcp
		tcp {
			ipaddr = 127.0.0.1
			port = 0
		}
	}
	listen udp {
		protocol = udp
		udp {
			ipaddr = 127.0.0.1
			port = 0
		}
	}
}
`

func TestThreads(t *testing.T) {
	s := spread(t, spreadConf)
	addr := bound(s, 0)
	const clients, size = 40, 20_000
	var running sync.WaitGroup
	var held [clients]net.Conn
	for i := range held {
		running.Go(func() {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			held[i] = conn
			want := bytes.Repeat([]byte(fmt.Sprintf("client %d ", i)), size/10)
			go conn.Write(want) // an error is one of reading
			got := make([]byte, len(want))
			if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	running.Wait()
	if n := s.Sessions(); n != clients {
		t.Errorf("%d sessions, want %d", n, clients)
	}
	used := 0
	for _, th := range s.pool.Threads() {
		if n := th.Stats().Members; n > 0 {
			used++
			if n > clients/2 {
				t.Errorf("%s has %d of %d sessions", th.Name(), n, clients)
			}
		}
	}
	if used != 4 {
		t.Errorf("%d threads of 4 have something", used)
	}
	for i, conn := range held {
		if i%2 == 0 && conn != nil {
			conn.Close()
		}
	}
	conn, err := net.Dial("udp", bound(s, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var buf [16]byte
	conn.Write([]byte("datagram"))
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := conn.Read(buf[:]); err != nil || string(buf[:n]) != "datagram" {
		t.Errorf("udp: %q, %v", buf[:n], err)
	}
	// The others stay: Shutdown ends them when they are quiet.
	t.Cleanup(func() {
		for _, conn := range held {
			if conn != nil {
				conn.Close()
			}
		}
	})
}

// A relay's session has two connections; they move together.
func TestThreadsRelay(t *testing.T) {
	up := spread(t, spreadConf)
	_, port, _ := net.SplitHostPort(bound(up, 0))
	s := spread(t, `thread {
	network = 3
	workers = 1
}
home_server up {
	protocol = tcp
	tcp {
		ipaddr = 127.0.0.1
		port = `+port+`
	}
}
server relay {
	namespace = relay
	target = up
	listen tcp {
		protocol = tcp
		tcp {
			ipaddr = 127.0.0.1
			port = 0
		}
	}
}
`)
	stop := make(chan struct{})
	var moving, running sync.WaitGroup
	for range 12 {
		running.Go(func() {
			conn, err := net.Dial("tcp", bound(s, 0))
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			for i := range 200 {
				want := fmt.Sprintf("request %d", i)
				got := make([]byte, len(want))
				if _, err := conn.Write([]byte(want)); err != nil {
					t.Error(err)
					return
				}
				if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
					t.Errorf("%q, %v", got, err)
					return
				}
			}
		})
	}
	moving.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			threads := s.pool.Threads()
			from, to := s.lanes[i%3], threads[(i+1)%3]
			done := make(chan struct{})
			if from.Thread().Send(func() {
				defer close(done)
				moved := false
				from.Each(func(c *transport.Conn) {
					if m := c.Member(); m != nil && !moved {
						moved = true
						_ = m.Move(to) // one without room stays
					}
				})
			}) == nil {
				<-done
			}
		}
	})
	running.Wait()
	close(stop)
	moving.Wait()
	var left uint64
	for _, th := range s.pool.Threads() {
		left += th.Stats().Left
	}
	if left < 12 {
		t.Errorf("%d moves", left)
	}
}

func TestThreadsDebug(t *testing.T) {
	root := talloc.Root("test")
	defer root.Free()
	s, err := LoadString(root, "test.conf", strings.Replace(spreadConf, "network = 4", "network = 2\nworkers = 1", 1), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var b bytes.Buffer
	s.Debug(&b)
	want := "thread network 1\n\tlisten tcp of server echo\n\tshard 2 of 2 of listen udp of server echo\n" +
		"thread network 2\n\tshard 1 of 2 of listen udp of server echo\nthread worker 1\n"
	if !strings.HasSuffix(b.String(), want) {
		t.Errorf("got\n%s\nwant at its end\n%s", b.String(), want)
	}
}

// A listener that cannot be opened leaves nothing.
func TestThreadsStartFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	root := talloc.Root("test")
	defer root.Free()
	text := spreadConf + "server two {\nnamespace = discard\nlisten b {\nprotocol = tcp\ntcp {\nipaddr = 127.0.0.1\nport = " + port + "\n}\n}\n}\n"
	s, err := LoadString(root, "test.conf", text, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(func(err error) { t.Error(err) }); err == nil || !strings.Contains(err.Error(), port) {
		t.Errorf("Start: %v", err)
	}
}
