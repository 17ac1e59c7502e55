package server

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A listen that is gone refuses who comes at once, though one of its connections still has something under way: nobody waits in a backlog
// that is cut off later. One at an address that has that of before in it begins at once.
func TestReloadQuits(t *testing.T) {
	for _, gone := range []bool{true, false} {
		t.Run(fmt.Sprintf("gone=%v", gone), func(t *testing.T) {
			arrived, release, always := make(chan struct{}, 100), make(chan struct{}), make(chan struct{})
			close(always)
			free := sync.OnceFunc(func() { close(release) })
			defer free()
			slow, fast := homeOf(t, "b", arrived, release), homeOf(t, "b", nil, always)
			port := freePort(t)
			text := func(listens string) string {
				return "thread {\nnetwork = 2\n}\nserver gateway {\nnamespace = radius\n" + listens + tcpOn("other", 0, "") + "}\n" +
					"client any {\nipaddr = 127.0.0.1\nproto = tcp\nsecret = a\n}\n" + homeText("slow", slow) + homeText("fast", fast)
			}
			a := tcpOn("a", port, "")
			r := startFile(t, text(a))
			addr := fmt.Sprintf("127.0.0.1:%d", port)
			first := r.dial("tcp", addr)
			asked, loaded := make(chan error, 1), make(chan error, 1)
			go func() { asked <- askFor(first, 1, "bob@slow") }()
			<-arrived
			next, want := "", error(syscall.ECONNREFUSED)
			if !gone {
				next, want = strings.Replace(a, "127.0.0.1", "0.0.0.0", 1), nil
			}
			before := r.services[0].listens[0]
			go func() { loaded <- r.load(text(next)) }()
			for end := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
				taken := before.radius.listen.Counts.Requests.Load()
				c, err := net.Dial("tcp", addr)
				if err == nil {
					r.must(c.SetDeadline(time.Now().Add(10 * time.Second)))
					err = askFor(c, 2, "ann@fast")
					c.Close()
				}
				if errors.Is(err, want) && before.radius.listen.Counts.Requests.Load() == taken {
					break // by the new one, or nobody
				}
				if time.Now().After(end) {
					t.Fatalf("who comes: %v, want %v", err, want)
				}
			}
			select {
			case err := <-loaded:
				t.Fatalf("it has not waited for what is under way: %v", err)
			default:
			}
			free()
			if err := <-asked; err != nil {
				t.Errorf("what was under way: %v", err)
			}
			r.must(<-loaded)
		})
	}
}
