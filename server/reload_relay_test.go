package server

import (
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/talloc"
)

// kept counts the configurations of which something is in use.
func (r *reloadable) kept() (count int) {
	for _, ctx := range append([]*talloc.Context{&r.ctx}, r.before...) {
		if ctx.Total().Contexts > 0 {
			count++
		}
	}
	return count
}

func portOf(s *Server) int { return int(s.all()[0].io.(frio.Addresser).LocalAddr().Port()) }

func relayOn(port, to int, limit string) string {
	return fmt.Sprintf(`thread {
network = 2
}
home_server up {
protocol = tcp
tcp {
ipaddr = 127.0.0.1
port = %d
}
}
server r {
namespace = relay
target = up
%s}
`, to, tcpOn("a", port, limit))
}

// A relay keeps one configuration, that of its target, however often the file is read; and none of those before once their last connection is gone.
func TestReloadRelay(t *testing.T) {
	first, second := spread(t, spreadConf), spread(t, spreadConf)
	a := freePort(t)
	r := startFile(t, relayOn(a, portOf(first), ""))
	conn := r.dial("tcp", fmt.Sprintf("127.0.0.1:%d", a))
	r.echoes(conn, "before")
	for range 5 {
		r.must(r.load(relayOn(a, portOf(first), "")))
		r.echoes(conn, "the same")
	}
	if n := r.kept(); n != 1 {
		t.Errorf("%d configurations are kept after five reloads that changed nothing", n)
	}
	for i := range 3 {
		r.must(r.load(relayOn(a, portOf(first), fmt.Sprintf("limit {\nmax_connections = %d\n}\n", 10+i))))
		r.echoes(r.dial("tcp", fmt.Sprintf("127.0.0.1:%d", a)), "another listen")
		if n := r.kept(); n != 1 {
			t.Errorf("%d configurations are kept after %d of the listen", n, i+1)
		}
	}
	r.must(r.load(relayOn(a, portOf(second), "")))
	r.echoes(r.dial("tcp", fmt.Sprintf("127.0.0.1:%d", a)), "another target")
	if n := r.kept(); n != 1 || r.ctx.Total().Contexts > 0 {
		t.Errorf("%d configurations are kept, the first has %d contexts", n, r.ctx.Total().Contexts)
	}
	if n := first.sessions(); n != 0 {
		t.Errorf("%d connections to the target that is gone", n)
	}
}

// reloads counts how often its files are read.
type reloads struct {
	frio.IO
	count int
}

func (r *reloads) Reload(frio.IO) error { r.count++; return nil }
func (r *reloads) OnReload(func(error)) {}

// The target of a relay reads its certificates again, as listens do.
func TestReloadRelayTarget(t *testing.T) {
	text := relayOn(freePort(t), freePort(t), "")
	r := startFile(t, text)
	files := &reloads{IO: r.targets[0].io}
	r.targets[0].io = files
	for range 2 {
		r.must(r.load(text))
	}
	if files.count != 2 {
		t.Errorf("its files were read %d times in 2 reloads", files.count)
	}
}

// Nothing is kept for a control socket that is the same, nor for a listen with several sockets that is gone.
func TestReloadKeepsNothing(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "control")
	text := func(port int) string {
		return fmt.Sprintf("thread {\nnetwork = 2\n}\ncontrol {\nfilename = %s\n}\nserver e {\nnamespace = echo\nlisten u {\nprotocol = udp\n"+
			"udp {\nipaddr = 127.0.0.1\nipv6addr = ::1\nport = %d\n}\n}\n}\n", socket, port)
	}
	a := freePort(t)
	r := startFile(t, text(a))
	for range 5 {
		r.must(r.load(text(a)))
	}
	if n := len(r.before); n > 0 {
		t.Errorf("%d configurations are kept after five reloads that changed nothing", n)
	}
	for range 3 {
		a = freePort(t)
		r.must(r.load(text(a)))
		r.echoes(r.dial("udp", fmt.Sprintf("127.0.0.1:%d", a)), "hello")
	}
	if n := r.kept(); n != 1 {
		t.Errorf("%d configurations are kept after three of the listen", n)
	}
	c, err := net.Dial("unix", socket)
	r.must(err)
	c.Close()
}
