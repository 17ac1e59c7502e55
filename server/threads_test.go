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

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/transport"
	"github.com/frio-io/frio/udp"
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
		if err != nil || !cut.None() || s.sessions() != 0 {
			t.Errorf("Shutdown: %v, %v, %d sessions", cut, err, s.sessions())
		}
		root.Free()
	})
	return s
}

// bound is the address of listen number i.
func bound(s *Server, i int) string {
	return strings.Fields(s.all()[i].io.Describe())[1]
}

var spreadConf = `thread {
	network = 4
}
server echo {
	namespace = echo
	listen tcp {
		protocol = tcp
		tcp {
			ipaddr = 127.0.0.1
			port = 0
			` + bounded("tcp") + `
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
	if n := s.sessions(); n != clients {
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

// A relay's session has two connections; they move together. One that moved without a pause would never get to read: each answer pays for
// three moves, which meet the requests that are on their way by then.
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
	answered := make(chan struct{})
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
				answered <- struct{}{}
			}
		})
	}
	moving.Go(func() {
		for range answered {
			for i, from := range s.lanes[:3] {
				to := s.pool.Threads()[(i+1)%3]
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
		}
	})
	running.Wait()
	close(answered)
	moving.Wait()
	var left uint64
	for _, th := range s.pool.Threads() {
		left += th.Stats().Left
	}
	if left < 12 {
		t.Errorf("%d moves", left)
	}
}

// TestThreadsRelayDatagrams: the shards of a relay have their sessions, with the connections to the target, on their own threads.
func TestThreadsRelayDatagrams(t *testing.T) {
	up := spread(t, spreadConf)
	_, port, _ := net.SplitHostPort(bound(up, 1))
	s := spread(t, `thread {
	network = 3
}
home_server up {
	protocol = udp
	udp {
		ipaddr = 127.0.0.1
		port = `+port+`
	}
}
server relay {
	namespace = relay
	target = up
	listen udp {
		protocol = udp
		udp {
			ipaddr = 127.0.0.1
			port = 0
		}
	}
}
`)
	const peers = 48
	var running sync.WaitGroup
	for i := range peers {
		running.Go(func() {
			conn, err := net.Dial("udp", bound(s, 0))
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			var buf [64]byte
			for n := range 50 {
				want := fmt.Sprintf("datagram %d of %d", n, i)
				conn.Write([]byte(want))
				if n, err := conn.Read(buf[:]); err != nil || string(buf[:n]) != want {
					t.Errorf("%q, %v, want %q", buf[:n], err, want)
					return
				}
			}
		})
	}
	running.Wait()
	if n := s.sessions(); n != peers {
		t.Errorf("%d sessions, want %d", n, peers)
	}
	for _, th := range s.pool.Threads() {
		// Each peer stays with its shard, which the kernel has chosen.
		if n := th.Stats().Members; sock.CanSteer(sock.System) && (n < 2 || n > peers) {
			t.Errorf("%s has %d of %d sessions", th.Name(), n, peers)
		}
	}
}

// TestThreadsDebug: what check and -X show of the threads, with the sockets that each listen comes to.
func TestThreadsDebug(t *testing.T) {
	udp := "listen udp of server echo"
	for _, c := range []struct {
		name, network, lines string
		want                 string
		steers               bool // the case is one of systems that keep a peer to one socket
	}{
		{"one thread", "1", "", "1:listen tcp of server echo\n1:" + udp + "\n", false},
		{"two threads", "2", "", "1:listen tcp of server echo\n1:shard 2 of 2 of " + udp + "\n2:shard 1 of 2 of " + udp + "\n", true},
		{"the file's own", "2", "shards = 3\n", "1:listen tcp of server echo\n1:shard 2 of 3 of " + udp + "\n" +
			"2:shard 1 of 3 of " + udp + "\n2:shard 3 of 3 of " + udp + "\n", false},
		{"one socket", "2", "shards = 1\n", "1:listen tcp of server echo\n2:" + udp + "\n", false},
		{"two addresses", "3", "ipv6addr = ::1\nshards = 1\n", "1:listen tcp of server echo\n2:shard 1 of 2 of " + udp + "\n3:shard 2 of 2 of " + udp + "\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.steers && !sock.CanSteer(sock.System) {
				friotest.Skip(t, "this system cannot keep a peer to one of several sockets")
			}
			root := talloc.Root("test")
			defer root.Free()
			text := strings.Replace(spreadConf, "network = 4", "workers = 1\nnetwork = "+c.network, 1)
			text = strings.Replace(text, "\t\tudp {\n", "\t\tudp {\n"+c.lines, 1)
			s, err := LoadString(root, "test.conf", text, Options{})
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			s.Debug(&b)
			var got strings.Builder
			at := ""
			for line := range strings.Lines(b.String()) {
				if name, ok := strings.CutPrefix(line, "thread network "); ok {
					at = strings.TrimSpace(name)
				} else if at != "" && strings.HasPrefix(line, "\t") {
					got.WriteString(at + ":" + strings.TrimSpace(line) + "\n")
				}
			}
			if got.String() != c.want {
				t.Errorf("got\n%s\nwant\n%s", got.String(), c.want)
			}
			if !strings.HasSuffix(b.String(), "thread worker 1\n") {
				t.Errorf("no worker:\n%s", b.String())
			}
		})
	}
}

// TestThreadsShards: each shard of a udp listen lives on a thread of its own, answers there, and DebugThreads shows it at any time.
func TestThreadsShards(t *testing.T) {
	if !sock.CanSteer(sock.System) {
		friotest.Skip(t, "this system cannot keep a peer to one of several sockets")
	}
	for _, children := range []string{"none", "demux", "connected"} {
		t.Run(children, func(t *testing.T) { threadsShards(t, children) })
	}
}

func threadsShards(t *testing.T, children string) {
	s := spread(t, strings.Replace(spreadConf, "\t\tudp {\n", "\t\tudp {\nchildren = "+children+"\n", 1))
	addr := bound(s, 1)
	var text bytes.Buffer
	s.DebugThreads(&text)
	for i, want := range []int{2, 3, 4, 1} {
		at := fmt.Sprintf("thread network %d:", want)
		_, part, _ := strings.Cut(text.String(), at)
		part, _, _ = strings.Cut(part, "\nthread ")
		if name := fmt.Sprintf("\tshard %d of 4 of listen udp of server echo: udp %s\n", i+1, addr); !strings.Contains(part+"\n", name) {
			t.Errorf("%s has no %q:\n%s", at, name, text.String())
		}
	}
	stop := make(chan struct{})
	var watching, running sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				s.DebugThreads(io.Discard)
			}
		}
	})
	for range 64 {
		running.Go(func() {
			conn, err := net.Dial("udp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			var buf [32]byte
			for i := range 20 {
				want := fmt.Sprintf("datagram %d", i)
				conn.Write([]byte(want))
				if n, err := conn.Read(buf[:]); err != nil || string(buf[:n]) != want {
					t.Errorf("%q, %v", buf[:n], err)
					return
				}
			}
		})
	}
	running.Wait()
	close(stop)
	watching.Wait()
	for i, p := range s.all()[1].ports {
		if n := p.IO().(*udp.Listener).Counts().In.Load(); n == 0 {
			t.Errorf("shard %d got nothing", i+1)
		}
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
	first := s.all()[0].io
	err = s.Start(func(err error) { t.Error(err) })
	if want := "listen b of server two: open tcp 127.0.0.1:" + port + ": bind: address already in use"; err == nil || err.Error() != want {
		t.Errorf("Start: got %v, want %s", err, want)
	}
	if s := first.(frio.Stater).State(); s != frio.StateClosed {
		t.Errorf("the first listener is %v", s)
	}
}

// Where it is not said a gateway coalesces, and nothing else.
func TestThreadsCoalesceDefault(t *testing.T) {
	root := talloc.Root("test")
	defer root.Free()
	for text, want := range map[string]time.Duration{
		gatewayText(1812): 1500 * time.Microsecond,
		strings.Replace(gatewayText(1812), "network = 4", "coalesce = 2ms", 1): 2 * time.Millisecond,
		strings.Replace(gatewayText(1812), "network = 4", "coalesce = 0", 1):   0,
		echoOn(tcpOn("a", 0, "")): 0,
	} {
		s, err := LoadString(root, "test.conf", text, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.threads.coalesce; got != want {
			t.Errorf("%v, want %v:\n%s", got, want, text)
		}
		var shown bytes.Buffer
		s.Debug(&shown)
		if line := fmt.Sprintf("workers 0, coalesce %v\n", want); !strings.Contains(shown.String(), line) {
			t.Errorf("no %q in\n%s", line, shown.String())
		}
		if _, err := s.Shutdown(); err != nil {
			t.Error(err)
		}
	}
}

// TestThreadsCoalesce: with `coalesce` a thread that packets keep busy lets them come together, without it it does not.
func TestThreadsCoalesce(t *testing.T) {
	for _, c := range []struct {
		line  string
		rests bool
	}{{"coalesce = 10ms", true}, {"coalesce = 0", false}} {
		s := spread(t, strings.Replace(spreadConf, "network = 4", "network = 1\n"+c.line, 1))
		conn, err := net.Dial("udp", bound(s, 1))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		var text bytes.Buffer
		rests := func() bool {
			text.Reset()
			s.DebugThreads(&text)
			_, after, _ := strings.Cut(text.String(), ", rests ")
			return after != "" && after[0] != '0'
		}
		var buf [1]byte
		// A machine that is busy otherwise needs more than one series of quick answers.
		for range 200 {
			for range 64 {
				conn.Write(buf[:])
				if _, err := conn.Read(buf[:]); err != nil {
					t.Fatal(err)
				}
			}
			if !c.rests || rests() {
				break
			}
		}
		if rests() != c.rests {
			t.Errorf("%s:\n%s", c.line, &text)
		}
	}
}

func TestThreadsCoalesceWrong(t *testing.T) {
	root := talloc.Root("test")
	defer root.Free()
	_, err := LoadString(root, "test.conf", "thread {\n\tcoalesce = 11ms\n}\n", Options{})
	if err == nil || !strings.Contains(err.Error(), "test.conf:2:13: coalesce: 11ms") {
		t.Errorf("%v", err)
	}
}
