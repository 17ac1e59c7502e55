package server

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/talloc"
)

// patience ends a test that hangs; nothing is measured by it.
const patience = 30 * time.Second

// watched is a gateway with an echo beside it, that can be looked at.
type watched struct {
	*testing.T
	*Server
	log    safeBuffer
	socket string
	http   *http.Client
}

// safeBuffer is a log that goroutines write.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

const watchedConf = `
log {
	level = debug
}
metrics {
	listen = 127.0.0.1:0
	listen = [::1]:0
}
control {
	filename = SOCKET
}
thread {
	network = 2
}
server gw {
	namespace = radius
	listen u {
		protocol = udp
		udp {
			ipaddr = 127.0.0.1
			port = 0
		}
	}
}
server echo {
	namespace = echo
	listen t {
		protocol = tcp
		tcp {
			ipaddr = 127.0.0.1
			port = 0
		}
	}
}
client nas {
	ipaddr = 127.0.0.1
	secret = marked-secret
}
clients others {
	client nas {
		ipaddr = 127.0.0.2
		secret = marked-secret
	}
}
home_server one {
	ipaddr = 127.0.0.1
	port = 9
	secret = marked-secret
	status_check = none
}
home_server_pool all {
	home_server = one
}
realm DEFAULT {
	pool = all
}
`

func watch1(t *testing.T) *watched {
	t.Helper()
	dir, err := os.MkdirTemp("", "frio") // a Unix socket's name is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &watched{T: t, socket: filepath.Join(dir, "control"), http: &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}}
	output := NewOutput(&w.log, true)
	root := talloc.Root("test")
	w.Server, err = LoadString(root, "test.conf", strings.Replace(watchedConf, "SOCKET", w.socket, 1),
		Options{Logger: output.Logger(), Output: output, Drain: patience, Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Start(func(err error) { t.Log(err) }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := w.Shutdown(); err != nil {
			t.Error(err)
		}
		root.Free()
		if _, err := os.Stat(w.socket); err == nil {
			t.Error("the control socket is still there")
		}
		if strings.Contains(w.log.String(), "marked") {
			t.Errorf("the log shows a secret:\n%s", w.log.String())
		}
	})
	return w
}

// addresses are those of metrics.
func (w *watched) addresses() (all []string) {
	for _, m := range regexp.MustCompile(`msg=open metrics=(\S+)`).FindAllStringSubmatch(w.log.String(), -1) {
		all = append(all, strings.Trim(m[1], `"`))
	}
	return all
}

// get fetches a page of metrics.
func (w *watched) get(path string) (status int, body string) {
	w.Helper()
	resp, err := w.http.Get("http://" + w.addresses()[0] + path)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// ask sends commands on one connection and returns the answers.
func (w *watched) ask(lines ...string) (answers []string) {
	w.Helper()
	c, err := net.Dial("unix", w.socket)
	if err != nil {
		w.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	in := bufio.NewReader(c)
	for _, line := range lines {
		fmt.Fprintln(c, line)
		var b strings.Builder
		for {
			text, err := in.ReadString('\n')
			if err != nil {
				w.Fatalf("%s: %q, %v", line, b.String(), err)
			}
			if text == "\n" {
				break
			}
			b.WriteString(text)
		}
		answers = append(answers, b.String())
	}
	return answers
}

// status sends a Status-Server and wants its answer; with the wrong secret it sends what is dropped, and before it a good one's copy.
func (w *watched) status() {
	w.Helper()
	c, err := net.Dial("udp", bound(w.Server, 0))
	if err != nil {
		w.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	for _, secret := range []string{"wrong", "marked-secret", "marked-secret"} {
		b := radius.NewRequest(nil, radius.StatusServer, 7, [16]byte{1})
		p, err := b.Seal(radius.NewKeys([]byte(secret)))
		if err != nil {
			w.Fatal(err)
		}
		if _, err := c.Write(p); err != nil {
			w.Fatal(err)
		}
		if secret == "wrong" {
			continue
		}
		if _, err := c.Read(make([]byte, 100)); err != nil {
			w.Fatal(err)
		}
	}
}

func TestMetrics(t *testing.T) {
	w := watch1(t)
	w.status()
	for path, want := range map[string]string{"/healthz": "running\n", "/readyz": "ready\n"} {
		if status, body := w.get(path); status != 200 || body != want {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	if status, _ := w.get("/debug/pprof/"); status != 404 {
		t.Errorf("a page that is none: %d", status)
	}
	status, body := w.get("/metrics")
	if status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	for _, line := range []string{
		`frio_build_info{goversion="go1.`,
		`frio_ready 1`,
		`frio_log_dropped_lines_total 0`,
		`frio_listen_requests_total{listen="gw.u"} 2`,
		`frio_listen_answers_total{listen="gw.u"} 2`,
		`frio_listen_duplicates_total{listen="gw.u"} 1`,
		`frio_listen_dropped_total{listen="gw.u",reason="message-authenticator-wrong"} 1`,
		`frio_listen_latency_seconds_bucket{listen="gw.u",le="+Inf"} 1`,
		`frio_listen_latency_seconds_count{listen="gw.u"} 1`,
		`frio_listen_connections{listen="echo.t"} 0`,
		`frio_listen_bytes_total{direction="in",listen="echo.t"} 0`,
		`frio_socket_events_total{event="accepted",listen="echo.t"} 0`,
		`frio_datagram_events_total{event="in",listen="gw.u"} 3`,
		`frio_client_requests_total{client="nas",clients=""} 2`,
		`frio_client_requests_total{client="nas",clients="others"} 0`,
		`frio_client_outcomes_total{client="nas",clients="",outcome="local"} 1`,
		`frio_client_refused_connections_total{client="nas",clients=""} 0`,
		`frio_client_dropped_total{client="nas",clients="",reason="message-authenticator-wrong"} 1`,
		`frio_client_latency_seconds_bucket{client="nas",clients="",le="+Inf"} 1`,
		`frio_client_latency_seconds_count{client="nas",clients=""} 1`,
		`frio_client_latency_seconds_count{client="nas",clients="others"} 0`,
		`frio_home_server_state{home_server="one",port="main",state="alive"} 1`,
		`frio_home_server_state{home_server="one",port="accounting",state="alive"} 1`,
		`frio_home_server_state{home_server="one",port="main",state="dead"} 0`,
		`frio_home_server_latency_seconds_bucket{home_server="one",port="main",le="0.0001"} 0`,
		`frio_home_server_latency_seconds_count{home_server="one",port="main"} 0`,
		`frio_home_server_outstanding{home_server="one",port="main"} 0`,
		`frio_home_server_outstanding{home_server="one",port="accounting"} 0`,
		`frio_home_server_pool_down{home_server_pool="all"} 0`,
		`frio_thread_queue{thread="network_2"} 0`,
		`go_goroutines `,
	} {
		if !strings.Contains(body, "\n"+line) {
			t.Errorf("no line %s", line)
		}
	}
	if strings.Contains(body, "marked") || strings.Contains(body, "127.0.0.1") {
		t.Error("it shows a secret, or a peer")
	}
	if t.Failed() {
		t.Log(body)
	}
	if n := len(w.addresses()); n != 2 {
		t.Errorf("%d addresses, want 2", n)
	}
	w.watch.drains()
	if status, body := w.get("/readyz"); status != 503 || body != "draining\n" {
		t.Errorf("draining: %d %q", status, body)
	}
	if status, _ := w.get("/healthz"); status != 200 {
		t.Errorf("draining, but running: %d", status)
	}
}

// An address in use is an error of the start, and leaves nothing behind.
func TestMetricsAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	root := talloc.Root("test")
	defer root.Free()
	s, err := LoadString(root, "test.conf", fmt.Sprintf("metrics {\nlisten = 127.0.0.1:0\nlisten = %v\n}\n", l.Addr())+echoText(tcpListen("a", "127.0.0.1", 0)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Start(nil)
	if want := fmt.Sprintf("metrics: listen tcp %v: bind: address already in use", l.Addr()); fmt.Sprint(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestControl(t *testing.T) {
	w := watch1(t)
	w.status()
	if info, err := os.Stat(w.socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	for _, tt := range []struct{ line, want string }{
		{"help", `(?m)^homes +each port of each home_server$`},
		{"status", `(?m)^state +ready$`},
		{"status", `(?m)^home servers alive +1$`},
		{"version", `^version\nv1\n$`},
		{"stats", `(?m)^outcome local +1$`},
		{"listens", `(?m)^gw\.u +radius +udp 127\.0\.0\.1:\d+ .*0 +0 +0 +2 +2 +1 +0 +1$`},
		{"listens", `(?m)^echo\.t +echo +tcp 127\.0\.0\.1:\d+ +0 +0`},
		{"clients", `(?m)^- +nas +127\.0\.0\.1 +\S+ +2 +1 +0 +0 +0 +1 +0 +1$`},
		{"clients", `(?m)^others +nas +127\.0\.0\.2 `},
		{"homes", `(?m)^one +main +alive +udp -> 127\.0\.0\.1:9 +0 +0 +0 +0 +0 +0 +0 +0 +-$`},
		{"homes", `(?m)^one +accounting +alive +udp -> 127\.0\.0\.1:10 +0 +0 +0 +0 +0 +0 +0 +0 +-$`},
		{"pools", `(?m)^all +fail-over +false +one +alive$`},
		{"threads", `(?m)^thread network 1: members `},
		{"threads", `listen t of server echo`},
		{"restart", `^error: there is no such command; try help\n$`},
		{"homes one", `^error: homes takes no argument but json\n$`},
		{"threads json", `^error: threads is text only\n$`},
		{"", `^error: no command; try help\n$`},
	} {
		if got := w.ask(tt.line)[0]; !regexp.MustCompile(tt.want).MatchString(got) {
			t.Errorf("%s: no %s in\n%s", tt.line, tt.want, got)
		}
	}
	var homes []map[string]any
	answers := w.ask("status", "homes json", "version")
	if err := json.Unmarshal([]byte(answers[1]), &homes); err != nil || len(homes) != 2 || homes[0]["home_server"] != "one" || homes[0]["outstanding"] != 0.0 {
		t.Errorf("%q: %v", answers[1], err)
	}
	for _, c := range commands {
		if answer := w.ask(c.name)[0]; strings.Contains(answer, "marked") {
			t.Errorf("%s shows a secret:\n%s", c.name, answer)
		}
	}
	w.longLine()
}

// longLine sends a command that is longer than any: the connection ends, and the next is served.
func (w *watched) longLine() {
	w.Helper()
	c, err := net.Dial("unix", w.socket)
	if err != nil {
		w.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	_, _ = c.Write(bytes.Repeat([]byte("x"), 2*controlLineMax)) // it may end before all is written
	if got, err := io.ReadAll(c); len(got) > 0 {
		w.Errorf("a line without end: %q, %v", got, err)
	}
	w.ask("version")
}

// controlClient is a connection to the control socket that stays.
type controlClient struct {
	net.Conn
	in *bufio.Reader
}

func (w *watched) controlClient() *controlClient {
	w.Helper()
	c, err := net.Dial("unix", w.socket)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &controlClient{c, bufio.NewReader(c)}
}

// answers asks for the version.
func (c *controlClient) answers() error {
	fmt.Fprintln(c, "version") // an error is one of reading
	for {
		if line, err := c.in.ReadString('\n'); err != nil || line == "\n" {
			return err
		}
	}
}

// Whoever keeps connections open and says nothing keeps nobody out: the one that has been idle longest goes.
func TestControlIdle(t *testing.T) {
	w := watch1(t)
	var list []*controlClient
	for i := range controlConnections {
		list = append(list, w.controlClient())
		if err := list[i].answers(); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
	if err := list[0].answers(); err != nil {
		t.Fatal(err)
	}
	if err := w.controlClient().answers(); err != nil {
		t.Fatalf("one more than %d: %v", controlConnections, err)
	}
	if _, err := list[1].in.ReadByte(); err != io.EOF {
		t.Errorf("the idlest ended with %v", err)
	}
	for i, c := range list {
		if i == 1 {
			continue
		}
		if err := c.answers(); err != nil {
			t.Errorf("connection %d: %v", i, err)
		}
	}
}

// What is the same in the next configuration stays open, the rest is closed, and what cannot be opened leaves the others as they are.
func TestOperateAgain(t *testing.T) {
	w := watch1(t)
	before := w.watch.metrics
	c, err := net.Dial("unix", w.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	next := w.operations
	next.metrics.listen = next.metrics.listen[:1]
	if err := w.operate(&next); err != nil {
		t.Fatal(err)
	}
	if now := w.watch.metrics; len(now) != 1 || now[0] != before[0] {
		t.Error("the address that stayed was opened again, or the other was not closed")
	}
	if _, err := w.http.Get("http://" + w.addresses()[1] + "/healthz"); err == nil {
		t.Error("the address that is gone still answers")
	}
	if got := w.ask("version"); got[0] != "version\nv1\n" {
		t.Errorf("control: %q", got)
	}
	fmt.Fprintln(c, "version")
	c.SetDeadline(time.Now().Add(patience))
	if line, err := bufio.NewReader(c).ReadString('\n'); line != "version\n" {
		t.Errorf("a connection did not outlive it: %q, %v", line, err)
	}
	next.control = nil
	next.log.filename = filepath.Join(t.TempDir(), "no", "file")
	w.opt.Output.debug = false // so that the file counts
	if err := w.operate(&next); err == nil || !strings.HasPrefix(err.Error(), "log: open ") {
		t.Errorf("operate: %v", err)
	}
	if _, err := net.Dial("unix", w.socket); err == nil {
		t.Error("control still answers")
	}
	if status, _ := w.get("/readyz"); status != 200 {
		t.Errorf("metrics: %d", status)
	}
}

// Who is neither root nor of this user cannot connect; nobody else can be played here, so the rule itself is looked at.
func TestControlPeers(t *testing.T) {
	root := talloc.Root("test")
	defer root.Free()
	for _, tt := range []struct{ more, want string }{
		{"", strings.TrimSuffix(fmt.Sprintf("peercred: uid 0 %d", os.Geteuid()), " 0") + "\n"},
		{"peercred {\nuid = 65534\n}\n", "peercred: uid 65534\n"},
	} {
		s, err := LoadString(root, "test.conf", "control {\nfilename = /tmp/frio-test\n"+tt.more+"}\n"+echoText(tcpListen("a", "127.0.0.1", 0)), Options{})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		s.Debug(&b)
		if !strings.Contains(b.String(), tt.want) {
			t.Errorf("no %q in\n%s", tt.want, b.String())
		}
	}
}

// A command that is longer than any is, is not kept until it ends: its connection is closed, and others are answered.
func TestControlLongLine(t *testing.T) {
	w := watch1(t)
	c, err := net.Dial("unix", w.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write(bytes.Repeat([]byte("x"), controlLineMax+1)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes, %v", n, err)
	}
	if got := w.ask("version")[0]; !strings.Contains(got, "v1") {
		t.Errorf("another is told %q", got)
	}
}
