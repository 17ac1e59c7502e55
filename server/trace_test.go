package server

import (
	"bytes"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frio-io/frio/talloc"
)

// lines is a log that is read while threads write it.
type lines struct {
	mu  sync.Mutex
	out bytes.Buffer // guarded by mu
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

// of returns those of msg.
func (l *lines) of(msg string) (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.out.String()) {
		if strings.Contains(line, "msg="+msg+" ") {
			list = append(list, line)
		}
	}
	return list
}

// TestTraceNamesThreads: -X shows which thread a session is on: when it is accepted, and when it moves.
func TestTraceNamesThreads(t *testing.T) {
	log := new(lines)
	root := talloc.Root("test")
	defer root.Free()
	s, err := LoadString(root, "test.conf", spreadConf, Options{Drain: 10 * time.Second,
		Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	const clients = 12
	var conns []net.Conn
	echo := func(conn net.Conn) {
		t.Helper()
		var buf [1]byte
		conn.Write([]byte("x")) // an error is one of reading
		if _, err := conn.Read(buf[:]); err != nil {
			t.Fatal(err)
		}
	}
	for range clients {
		conn, err := net.Dial("tcp", bound(s, 0))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(time.Minute))
		echo(conn)
		conns = append(conns, conn)
	}
	named := regexp.MustCompile(` session=(\d+) io="tcp .*" thread="(network [1-4])"\n$`)
	at := map[string]string{} // the thread of each session
	count := map[string]int{}
	read := func(msg string) {
		for _, line := range log.of(msg) {
			m := named.FindStringSubmatch(line)
			if m == nil {
				t.Fatalf("no session and thread in %s", line)
			}
			count[at[m[1]]]--
			at[m[1]] = m[2]
			count[m[2]]++
		}
	}
	read("accept")
	if len(at) != clients {
		t.Fatalf("%d sessions in the lines of accept, want %d", len(at), clients)
	}
	for _, th := range s.pool.Threads() {
		if n := count[th.Name()]; n == 0 || n > th.Stats().Members {
			t.Errorf("%s: %d sessions by the log, it has %d members", th.Name(), n, th.Stats().Members)
		}
	}
	last := s.pool.Threads()[3]
	moving := count[last.Name()]
	if err := s.pool.Remove(last, time.Minute); err != nil {
		t.Fatal(err)
	}
	for _, conn := range conns {
		echo(conn) // who answers has arrived
	}
	if n := len(log.of("move")); n != moving {
		t.Errorf("%d lines of sessions that move, want %d", n, moving)
	}
	read("move")
	if n := count[last.Name()]; n != 0 || len(at) != clients {
		t.Errorf("%d sessions on %s by the log, which has ended", n, last.Name())
	}
}

// The connections of a gateway leave a line when they come and when they are gone, as those of an echo do; its sockets for datagrams leave none.
func TestTraceRadius(t *testing.T) {
	log := new(lines)
	root := talloc.Root("test")
	defer root.Free()
	release := make(chan struct{})
	close(release)
	s, err := LoadString(root, "test.conf", gatewayText(homeOf(t, "b", nil, release)), Options{Drain: 10 * time.Second,
		Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	for i, network := range []string{"tcp", "udp"} {
		conn, err := net.Dial(network, bound(s, i))
		if err != nil {
			t.Fatal(err)
		}
		if err := ask(conn, 1); err != nil {
			t.Error(err)
		}
		conn.Close()
	}
	if cut, err := s.Shutdown(); err != nil || !cut.None() {
		t.Errorf("Shutdown: %v, %v", cut, err)
	}
	for msg, want := range map[string]string{
		"accept": `level=DEBUG msg=accept listen=gateway.tcp io="tcp .*" thread="network [1-4]"\n$`,
		"close":  `level=DEBUG msg=close listen=gateway.tcp io="tcp .*" in=[1-9]\d* out=[1-9]\d*\n$`,
	} {
		if list := log.of(msg); len(list) != 1 || !regexp.MustCompile(want).MatchString(list[0]) {
			t.Errorf("%s: %q", msg, list)
		}
	}
}
