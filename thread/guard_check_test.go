//go:build race || friocheck

package thread_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/thread"
)

// caught returns the text of f's panic.
func caught(f func()) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprint(r)
		}
	}()
	f()
	return ""
}

func mustSay(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s: the panic lacks %q:\n%s", what, part, text)
		}
	}
	if n := strings.Count(text, "goroutine "); n < 2 {
		t.Errorf("%s: the panic names %d goroutines, want both:\n%s", what, n, text)
	}
}

// child returns the only child of srv, whose client is connected, on th.
func child(t *testing.T, p *thread.Pool, srv *server, th *thread.Thread) *thread.Member {
	t.Helper()
	conn, err := net.Dial("tcp", srv.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	srv.until("the child is there", func() bool { return p.Members() == 2 })
	srv.until("it is listed", func() bool { srv.mu.Lock(); defer srv.mu.Unlock(); return len(srv.list) == 1 })
	m := srv.list[0]
	if m.Thread() != th {
		if err := m.Move(th); err != nil {
			t.Fatal(err)
		}
	}
	srv.until("the child is on "+th.Name(), func() bool { return m.Thread() == th })
	on(t, th, func() {})
	return m
}

func TestGuardTwoGoroutinesInOneIO(t *testing.T) {
	p := pool(t, thread.Config{Network: 2})
	srv := serve(t, p.Threads()[0], stacks[0], "")
	m := child(t, p, srv, p.Threads()[1])
	var name string
	on(t, p.Threads()[1], func() { name = m.IO().Describe() })
	uses := map[string]func(io frio.IO){
		"read":  func(io frio.IO) { io.Read(make([]byte, 1)) },
		"write": func(io frio.IO) { io.Write(make([]byte, 1)) },
		"close": func(io frio.IO) { io.Close() },
		"event": func(io frio.IO) { io.Event(nil, nil, nil) },
	}
	for what, use := range uses {
		text := caught(func() { use(m.IO()) })
		mustSay(t, what, text, name, "("+what+")", "network 2", "TestGuardTwoGoroutinesInOneIO", "event.(*Loop).Run", "one thread at a time")
	}
	// On its own thread nothing is said.
	on(t, p.Threads()[1], func() {
		if text := caught(func() { m.IO().Read(make([]byte, 1)) }); text != "" {
			t.Errorf("on its own thread: %s", text)
		}
	})
}

func TestGuardLoopFromOutside(t *testing.T) {
	p := pool(t, thread.Config{Network: 2})
	th := p.Threads()[1]
	var task event.Task
	task.Init(quiet{})
	on(t, th, func() {}) // it runs
	for what, use := range map[string]func(){
		"defer": func() { th.Loop().Defer(&task) },
		"new":   func() { th.Root().New("x") },
	} {
		mustSay(t, what, caught(use), "network 2", "("+what+")", "TestGuardLoopFromOutside", "event.(*Loop).Run", "one thread at a time")
		on(t, p.Threads()[0], func() {
			mustSay(t, what, caught(use), "network 2", "network 1", "("+what+")", "event.(*Loop).Run", "one thread at a time")
		})
	}
	if err := th.Loop().Post(func() {}); err != nil {
		t.Errorf("Post, which may be called from everywhere: %v", err)
	}
}

type quiet struct{}

func (quiet) RunTask()         {}
func (quiet) Describe() string { return "a task" }

// A child that has moved is used on its parent's thread.
func TestGuardChildUsedOnItsParentsThread(t *testing.T) {
	p := pool(t, thread.Config{Network: 2})
	srv := serve(t, p.Threads()[0], stacks[0], "")
	m := child(t, p, srv, p.Threads()[1])
	var name string
	on(t, p.Threads()[1], func() { name = m.IO().Describe() })
	on(t, p.Threads()[0], func() {
		text := caught(func() { m.IO().Write([]byte("x")) })
		mustSay(t, "write", text, name, "(write)", "network 1", "network 2", "TestGuardChildUsedOnItsParentsThread", "event.(*Loop).Run", "one thread at a time")
	})
	if srv.open.Load() != 1 {
		t.Error("the child is gone")
	}
}

// A shard that has moved, or its child, is used on the thread where it was.
func TestGuardShardUsedWhereItWas(t *testing.T) {
	steering(t)
	p := pool(t, thread.Config{Network: 2})
	f := flockOf(t, p, shardStacks[0], "")
	conn, err := net.Dial("udp", f.shards[0].addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	f.shards[0].until("the child is there", func() bool { return f.all.open.Load() == 1 })
	for i, one := range f.shards {
		from := f.members[i].Thread()
		to := p.Threads()[0]
		if from == to {
			to = p.Threads()[1]
		}
		if err := f.members[i].Move(to); err != nil {
			t.Fatal(err)
		}
		one.until("the shard has moved", func() bool { return f.members[i].Thread() == to })
		on(t, to, func() {}) // it has arrived
		ios := []frio.IO{one.io}
		one.mu.Lock()
		for _, m := range one.list {
			ios = append(ios, m.IO())
		}
		one.mu.Unlock()
		on(t, from, func() {
			for _, io := range ios {
				text := caught(func() { io.Event(nil, nil, nil) })
				mustSay(t, "event", text, "udp "+one.addr.String(), "(event)", from.Name(), to.Name(), "event.(*Loop).Run", "one thread at a time")
			}
		})
	}
}
