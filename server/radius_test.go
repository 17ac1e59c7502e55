package server

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/talloc"
)

// homeOf is a home server on udp that answers each request when release is closed; it tells each on arrived.
func homeOf(t *testing.T, secret string, arrived chan<- struct{}, release <-chan struct{}) (port int) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() { conn.Close(); running.Wait() })
	running.Go(func() {
		for {
			buf := make([]byte, radius.MaxSize)
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if arrived != nil {
				arrived <- struct{}{}
			}
			running.Go(func() {
				<-release
				req, err := radius.Parse(buf[:n])
				if err != nil {
					t.Error(err)
					return
				}
				b := radius.NewReply(nil, radius.AccessAccept, req)
				reply, err := b.Seal(radius.NewKeys([]byte(secret)))
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = conn.WriteToUDPAddrPort(reply, from) // the test's end closes it
			})
		}
	})
	return conn.LocalAddr().(*net.UDPAddr).Port
}

func gatewayText(home int) string {
	return fmt.Sprintf(`thread {
	network = 4
}
server gateway {
	namespace = radius
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
client any {
	ipaddr = 127.0.0.1
	proto = *
	secret = a
}
home_server one {
	ipaddr = 127.0.0.1
	port = %d
	secret = b
	status_check = none
}
home_server_pool one {
	home_server = one
}
realm DEFAULT {
	pool = one
}
`, home)
}

// ask sends a request to a gateway and reads its answer.
func ask(conn net.Conn, id uint8) error { return askFor(conn, id, "bob") }

// keysA are of the secret of the tests' clients.
func keysA() *radius.Keys { return radius.NewKeys([]byte("a")) }

func accessRequest(id uint8, user string) []byte {
	b := radius.NewRequest(nil, radius.AccessRequest, id, [16]byte{id, 1})
	b.AddString(radius.UserName, user)
	p, err := b.Seal(keysA())
	if err != nil {
		panic(err)
	}
	return p
}

func askFor(conn net.Conn, id uint8, user string) error {
	request := accessRequest(id, user)
	if _, err := conn.Write(request); err != nil {
		return err
	}
	buf := make([]byte, radius.MaxSize)
	n, err := io.ReadAtLeast(conn, buf, radius.HeaderSize)
	if err != nil {
		return err
	}
	reply, err := radius.Parse(buf[:n])
	if err != nil {
		return err
	}
	if err := keysA().CheckReply(reply, request[4:20], true); err != nil {
		return err
	}
	if reply.Code() != radius.AccessAccept || reply.ID() != id {
		return fmt.Errorf("got %v of id %d, want Access-Accept of %d", reply.Code(), reply.ID(), id)
	}
	return nil
}

// Clients on each thread are answered, and what a stopping gateway has under way is answered first. Nothing is left on its threads then.
func TestRadiusThreads(t *testing.T) {
	const clients = 16
	arrived, release := make(chan struct{}, clients), make(chan struct{})
	s := spread(t, gatewayText(homeOf(t, "b", arrived, release)))
	var running sync.WaitGroup
	for i := range clients {
		conn, err := net.Dial([]string{"tcp", "udp"}[i%2], bound(s, i%2))
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() {
			defer conn.Close()
			if err := ask(conn, uint8(i)); err != nil {
				t.Error(err)
			}
		})
	}
	for range clients {
		<-arrived
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		if cut, err := s.Shutdown(); err != nil || !cut.None() {
			t.Errorf("Shutdown: %v, %v", cut, err)
		}
	}()
	close(release)
	running.Wait()
	<-stopped
}

// A client that reads nothing is let go after 10 s unless the file says otherwise, on every stream of namespace radius, and there only.
func TestRadiusWriteTimeout(t *testing.T) {
	for _, c := range []struct{ name, namespace, protocol, more, want string }{
		{"tcp", "radius", "tcp", "", "write_timeout 10s"},
		{"a layer", "radius", "haproxy+tcp", "haproxy {\ntrusted {\nallow = 127.0.0.1\n}\n}\n", "write_timeout 10s"},
		{"another limit", "radius", "tcp", "limit {\nmax_connections = 5\n}\n", "write_timeout 10s"},
		{"another time", "radius", "tcp", "limit {\nwrite_timeout = 3s\n}\n", "write_timeout 3s"},
		{"never", "radius", "tcp", "limit {\nwrite_timeout = never\n}\n", "write_timeout never"},
		{"echo", "echo", "tcp", "", "write_timeout never"},
	} {
		t.Run(c.name, func(t *testing.T) {
			clients := ""
			if c.namespace == "radius" {
				clients = "client nas {\nipaddr = 127.0.0.1\nsecret = testing123\n}\nrealm DEFAULT {\n}\n"
			}
			root := talloc.Root("test")
			defer root.Free()
			s, err := LoadString(root, "test.conf", fmt.Sprintf("server s {\nnamespace = %s\nlisten a {\nprotocol = %s\ntcp {\nipaddr = 127.0.0.1\nport = 0\n}\n%s}\n}\n",
				c.namespace, c.protocol, c.more)+clients, Options{})
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			if s.Debug(&out); !strings.Contains(out.String(), c.want) {
				t.Errorf("no %s in\n%s", c.want, out.String())
			}
		})
	}
}

// message_timeout: a listen of streams lets go of who has sent half a packet, after 10 s if its file says nothing else.
func TestRadiusMessageTimeout(t *testing.T) {
	for _, c := range []struct {
		more string
		want time.Duration
	}{
		{"", 10 * time.Second}, {"limit {\nmax_connections = 5\n}\n", 10 * time.Second},
		{"limit {\nmessage_timeout = 2s\n}\n", 2 * time.Second}, {"limit {\nmessage_timeout = never\n}\n", 0},
	} {
		root := talloc.Root("test")
		defer root.Free()
		s, err := LoadString(root, "test.conf", "server s {\nnamespace = radius\nlisten a {\nprotocol = tcp\ntcp {\nipaddr = 127.0.0.1\nport = 0\n}\n"+c.more+
			"}\n}\nclient nas {\nipaddr = 127.0.0.1\nsecret = testing123\n}\nrealm DEFAULT {\n}\n", Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.services[0].listens[0].radius.config.Timeout; got != c.want {
			t.Errorf("%q: %v, want %v", c.more, got, c.want)
		}
		var text bytes.Buffer
		s.Debug(&text)
		if want := "message_timeout " + map[bool]string{false: "never", true: c.want.String()}[c.want > 0] + "\n"; !strings.Contains(text.String(), want) {
			t.Errorf("%q: Debug has no %q", c.more, want)
		}
	}
}
