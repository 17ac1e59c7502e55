package server

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
)

// reloadable is a running Server and its file.
type reloadable struct {
	*testing.T
	*Server
	file string
}

func startFile(t *testing.T, text string) *reloadable {
	t.Helper()
	r := &reloadable{T: t, Server: spread(t, text), file: filepath.Join(t.TempDir(), "test.conf")}
	return r
}

func (r *reloadable) load(text string) error {
	r.Helper()
	if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
		r.Fatal(err)
	}
	return r.ReloadFile(r.file)
}

func (r *reloadable) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// echoes sends text over a connection and fails unless it comes back.
func (r *reloadable) echoes(c net.Conn, text string) {
	r.Helper()
	got := make([]byte, len(text))
	r.must(c.SetDeadline(time.Now().Add(10 * time.Second)))
	if _, err := c.Write([]byte(text)); err != nil {
		r.Fatal(err)
	}
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		r.Errorf("%q came back, %v", got, err)
	}
}

func (r *reloadable) dial(network, addr string) net.Conn {
	r.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { c.Close() })
	return c
}

// dialSoon connects to a port that is being opened.
func (r *reloadable) dialSoon(port int) net.Conn {
	r.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	for end := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		if c, err := net.Dial("tcp", addr); err == nil {
			r.Cleanup(func() { c.Close() })
			return c
		} else if time.Now().After(end) {
			r.Fatal(err)
		}
	}
}

func echoOn(listens ...string) string {
	return "thread {\nnetwork = 2\n}\nserver e {\nnamespace = echo\n" + strings.Join(listens, "") + "}\n"
}

func tcpOn(name string, port int, more string) string {
	return fmt.Sprintf("listen %s {\nprotocol = tcp\ntcp {\nipaddr = 127.0.0.1\nport = %d\n}\n%s}\n", name, port, more)
}

// freePort is one that nobody has right now.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// What stays the same goes on, what is new begins, what is gone ends; a bad file changes nothing and says where it is wrong.
func TestReload(t *testing.T) {
	a, b, c := freePort(t), freePort(t), freePort(t)
	r := startFile(t, echoOn(tcpOn("a", a, ""), tcpOn("b", b, "")))
	ca, cb := r.dial("tcp", fmt.Sprintf("127.0.0.1:%d", a)), r.dial("tcp", fmt.Sprintf("127.0.0.1:%d", b))
	r.echoes(ca, "one")
	r.echoes(cb, "one")

	err := r.load(echoOn(tcpOn("a", a, "")) + "server x {\nnamespace = ehco\n" + tcpOn("x", 0, "") + "}\n")
	if err == nil || !strings.Contains(err.Error(), "test.conf:15:13: namespace") {
		t.Errorf("a bad file: %v", err)
	}
	r.echoes(cb, "two")

	r.must(r.load(echoOn(tcpOn("a", a, ""), tcpOn("c", c, ""))))
	r.echoes(ca, "three")
	r.echoes(r.dial("tcp", fmt.Sprintf("127.0.0.1:%d", a)), "new")
	r.echoes(r.dial("tcp", fmt.Sprintf("127.0.0.1:%d", c)), "new")
	r.must(cb.SetDeadline(time.Now().Add(10 * time.Second)))
	if n, err := cb.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the connection of a listen that is gone: %d, %v, want EOF", n, err)
	}
	if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", b)); err == nil {
		c.Close()
		t.Error("a listen that is gone accepts")
	}

	// A listen that changed gives its address to itself.
	r.must(r.load(echoOn(tcpOn("a", a, "limit {\nmax_connections = 7\n}\n"))))
	r.echoes(r.dial("tcp", fmt.Sprintf("127.0.0.1:%d", a)), "changed")
	if n := len(r.before); n > 2 {
		t.Errorf("%d configurations are kept", n)
	}
}

// A listen that cannot be opened leaves everything as it was.
func TestReloadTaken(t *testing.T) {
	a := freePort(t)
	r := startFile(t, echoOn(tcpOn("a", a, "")))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	r.must(err)
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).Port
	if err := r.load(echoOn(tcpOn("a", a, ""), tcpOn("b", freePort(t), ""), tcpOn("c", taken, ""))); err == nil || !strings.Contains(err.Error(), fmt.Sprint(taken)) {
		t.Errorf("an address that is taken: %v", err)
	}
	r.echoes(r.dial("tcp", fmt.Sprintf("127.0.0.1:%d", a)), "goes on")
	if n := len(r.all()); n != 1 {
		t.Errorf("%d listens", n)
	}
}

func radiusOn(port, home int, secret string) string {
	return fmt.Sprintf(`thread {
network = 2
}
server r {
namespace = radius
listen u {
protocol = udp
udp {
ipaddr = 127.0.0.1
port = %d
}
}
}
client c {
ipaddr = 127.0.0.1
secret = %s
}
home_server h {
ipaddr = 127.0.0.1
port = %d
secret = testing123
}
home_server_pool p {
home_server = h
}
realm DEFAULT {
pool = p
}
`, port, secret, home)
}

// A request that is under way while the configuration changes is answered; the next one meets the new secret.
func TestReloadRadius(t *testing.T) {
	home, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	port, homePort := freePort(t), home.LocalAddr().(*net.UDPAddr).Port
	r := startFile(t, radiusOn(port, homePort, "testing123"))
	nas := r.dial("udp", fmt.Sprintf("127.0.0.1:%d", port))
	keys := radius.NewKeys([]byte("testing123"))
	ask := func(id uint8, keys *radius.Keys) []byte {
		b := radius.NewRequest(nil, radius.AccessRequest, id, [16]byte{id, 9})
		b.AddString(radius.UserName, "bob")
		p, err := b.Seal(keys)
		r.must(err)
		_, err = nas.Write(p)
		r.must(err)
		return p
	}
	var buf [4096]byte
	taken := func() (radius.Packet, net.Addr) {
		r.must(home.SetDeadline(time.Now().Add(10 * time.Second)))
		n, from, err := home.ReadFrom(buf[:])
		r.must(err)
		p, err := radius.Parse(buf[:n])
		r.must(err)
		return p, from
	}
	answer := func(p radius.Packet, to net.Addr) {
		b := radius.NewReply(nil, radius.AccessAccept, p)
		out, err := b.Seal(keys)
		r.must(err)
		_, err = home.WriteTo(out, to)
		r.must(err)
	}
	answered := func(req []byte, keys *radius.Keys) {
		t.Helper()
		r.must(nas.SetDeadline(time.Now().Add(10 * time.Second)))
		n, err := nas.Read(buf[:])
		r.must(err)
		p, err := radius.Parse(buf[:n])
		r.must(err)
		if err := keys.CheckReply(p, req[4:20], true); err != nil || p.Code() != radius.AccessAccept {
			t.Errorf("the answer is %v: %v", p.Code(), err)
		}
	}
	first := ask(1, keys)
	p, from := taken()
	p = append(radius.Packet(nil), p...)
	r.must(r.load(radiusOn(port, homePort, "another")))
	answer(p, from)
	answered(first, keys)

	other := radius.NewKeys([]byte("another"))
	second := ask(2, other)
	p, again := taken()
	answer(p, again)
	answered(second, other)
	if from.String() != again.String() {
		t.Error("the connection to a home server that is the same did not stay")
	}
	for range 5 {
		r.must(r.load(radiusOn(port, homePort, "another")))
	}
	if n := len(r.before); n > 1 {
		t.Errorf("%d configurations are kept", n)
	}
}

// What a listen says beside its socket changes while it is open: nobody's connection ends.
func TestReloadKeysOfListen(t *testing.T) {
	always := make(chan struct{})
	close(always)
	home, port := homeOf(t, "b", nil, always), freePort(t)
	text := func(keys string) string {
		return "server gateway {\nnamespace = radius\n" + tcpOn("t", port, keys) + "}\n" +
			"client any {\nipaddr = 127.0.0.1\nproto = tcp\nsecret = other\n}\nclients own {\nclient any {\nipaddr = 127.0.0.1\nproto = tcp\nsecret = a\n}\n}\n" +
			homeText("h", home) + "realm NULL {\npool = h\n}\n"
	}
	r := startFile(t, text("clients = own\n"))
	one := r.services[0].listens[0]
	c := r.dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	r.must(ask(c, 1))
	for i, change := range []struct {
		keys    string
		answers bool
		reason  radius.Reason
	}{
		{"clients = own\ntype = acct\n", false, radius.ReasonCode},
		{"clients = own\ntype = acct\ntype = auth\n", true, 0},
		{"", false, radius.ReasonMessageAuthenticator}, // of the client with the other secret
		{"clients = own\n", true, 0},
	} {
		r.must(r.load(text(change.keys)))
		if r.services[0].listens[0] != one {
			t.Fatalf("%q: it is another listen", change.keys)
		}
		if change.answers {
			r.must(ask(c, uint8(i)+2))
			continue
		}
		count := &one.radius.listen.Counts.Dropped[change.reason]
		before := count.Load()
		_, err := c.Write(accessRequest(uint8(i)+2, "bob"))
		r.must(err)
		for end := time.Now().Add(10 * time.Second); count.Load() == before; runtime.Gosched() {
			if time.Now().After(end) {
				t.Fatalf("%q: it was not dropped", change.keys)
			}
		}
	}
}

// When the last server of namespace radius is gone its home servers are asked nothing any more.
func TestReloadEndsGateway(t *testing.T) {
	port, a := freePort(t), freePort(t)
	r := startFile(t, radiusOn(port, freePort(t), "testing123"))
	r.must(r.load(echoOn(tcpOn("a", a, ""))))
	if n := len(r.gateway.Homes()); n != 0 {
		t.Errorf("%d home servers", n)
	}
	r.must(r.load(radiusOn(port, freePort(t), "testing123")))
	if n := len(r.gateway.Homes()); n != 1 {
		t.Errorf("%d home servers, after it is back", n)
	}
}
