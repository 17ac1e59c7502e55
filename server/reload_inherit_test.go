package server

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A listen whose section changed, at the same address, loses nobody: who comes while the old one still has something under way is answered
// by the new one, and what is under way is answered. Only DTLS waits for the old one's sessions.
func TestReloadInherits(t *testing.T) {
	unixPath := filepath.Join(t.TempDir(), "socket")
	for _, c := range []struct {
		name, network string
		listen        func(port int) string
		changed       string
	}{
		{"udp", "udp", func(port int) string {
			return fmt.Sprintf("listen a {\nprotocol = udp\nudp {\nipaddr = 127.0.0.1\nport = %d\n%%s}\n}\n", port)
		}, "recv_buff = 100k\n"},
		{"udp whose port may be shared", "udp", func(port int) string {
			return fmt.Sprintf("listen a {\nprotocol = udp\nudp {\nipaddr = 127.0.0.1\nport = %d\nreuse_port = yes\n%%s}\n}\n", port)
		}, "recv_buff = 100k\n"},
		{"tcp", "tcp", func(port int) string {
			return fmt.Sprintf("listen a {\nprotocol = tcp\ntcp {\nipaddr = 127.0.0.1\nport = %d\n%%s}\n}\n", port)
		}, "backlog = 100\n"},
		{"unix", "unix", func(int) string {
			return fmt.Sprintf("listen a {\nprotocol = unix\nunix {\nfilename = %s\n%%s}\n}\n", unixPath)
		}, "mode = 0666\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			arrived, release := make(chan struct{}, 1), make(chan struct{})
			free := sync.OnceFunc(func() { close(release) })
			always := make(chan struct{})
			close(always)
			slow, fast := homeOf(t, "b", arrived, release), homeOf(t, "b", nil, always)
			port := freePort(t)
			text := func(more string) string {
				return "thread {\nnetwork = 2\n}\nserver gateway {\nnamespace = radius\n" + fmt.Sprintf(c.listen(port), more) + "}\n" +
					"client any {\nipaddr = 127.0.0.1\nproto = *\nsecret = a\n}\nclient local {\nipaddr = *\nsecret = a\n}\n" +
					homeText("slow", slow) + homeText("fast", fast)
			}
			r := startFile(t, text(""))
			addr := fmt.Sprintf("127.0.0.1:%d", port)
			if c.network == "unix" {
				addr = unixPath
			}
			first := r.dial(c.network, addr)
			asked := make(chan error, 1)
			go func() { asked <- askFor(first, 1, "bob@slow") }()
			<-arrived
			loaded := make(chan error, 1)
			before := &r.services[0].listens[0].radius.listen.Counts.Requests
			go func() { loaded <- r.load(text(c.changed)) }()
			for after := 0; after < 20; { // that many of the new one
				count := before.Load()
				second := r.dial(c.network, addr)
				r.must(second.SetDeadline(time.Now().Add(10 * time.Second)))
				if err := askFor(second, 2, "ann@fast"); err != nil {
					t.Errorf("request %d after the change: %v", after, err)
					break
				}
				second.Close()
				if before.Load() == count {
					after++
				}
			}
			free()
			if err := <-asked; err != nil {
				t.Errorf("what was under way: %v", err)
			}
			r.must(<-loaded)
		})
	}
}

func homeText(name string, port int) string {
	return fmt.Sprintf("home_server %s {\nipaddr = 127.0.0.1\nport = %d\nsecret = b\nstatus_check = none\n}\n"+
		"home_server_pool %s {\nhome_server = %s\n}\nrealm %s {\npool = %s\n}\n", name, port, name, name, name, name)
}
