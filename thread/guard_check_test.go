//go:build race || friocheck

package thread_test

import (
	"fmt"
	"net"
	"regexp"
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

// headers are how the stacks in a panic of the guard begin.
var headers = regexp.MustCompile(`(?m)^goroutine (\d+) (?:\[.*\]:|entered at:|is at:)$`)

// sides returns the stacks that text shows, of the goroutine that is caught and of the one that is inside. With others than two it
// fails the test.
func sides(t *testing.T, what, text string) (caught, inside string) {
	t.Helper()
	stacks := map[string]string{}
	var order []string
	at := headers.FindAllStringSubmatchIndex(text, -1)
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		number := text[m[2]:m[3]]
		if _, known := stacks[number]; !known {
			order = append(order, number)
		}
		stacks[number] += text[m[1]:end]
	}
	if len(order) != 2 {
		t.Errorf("%s: the panic shows the stacks of goroutines %v, want two:\n%s", what, order, text)
		return "", ""
	}
	return stacks[order[0]], stacks[order[1]]
}

// mustSay wants text to show the stacks of two goroutines, with the function that was caught in the first and the loop in the other, the
// rule, and parts: the IO's name, and the threads'.
func mustSay(t *testing.T, what, text, function string, parts ...string) {
	t.Helper()
	for _, part := range append(parts, "one thread at a time") {
		if !strings.Contains(text, part) {
			t.Errorf("%s: the panic lacks %q:\n%s", what, part, text)
		}
	}
	caught, inside := sides(t, what, text)
	if !strings.Contains(caught, function) {
		t.Errorf("%s: the stack of who is caught lacks %s:\n%s", what, function, text)
	}
	if !strings.Contains(inside, "event.(*Loop).Run") || strings.Contains(inside, function) {
		t.Errorf("%s: the stack of who is inside lacks event.(*Loop).Run, or has %s:\n%s", what, function, text)
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
	from := m.Thread()
	if from != th {
		if err := m.Move(th); err != nil {
			t.Fatal(err)
		}
	}
	srv.until("the child is on "+th.Name(), func() bool { return m.Thread() == th })
	arrived(t, from, th)
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
		mustSay(t, what, text, "TestGuardTwoGoroutinesInOneIO", name, "("+what+")", "network 2")
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
		mustSay(t, what, caught(use), "TestGuardLoopFromOutside", "network 2", "("+what+")")
		on(t, p.Threads()[0], func() {
			mustSay(t, what, caught(use), "TestGuardLoopFromOutside", "network 2", "network 1", "("+what+")")
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
		mustSay(t, "write", text, "TestGuardChildUsedOnItsParentsThread", name, "(write)", "network 1", "network 2")
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
		arrived(t, from, to)
		ios := []frio.IO{one.io}
		one.mu.Lock()
		for _, m := range one.list {
			ios = append(ios, m.IO())
		}
		one.mu.Unlock()
		on(t, from, func() {
			for _, io := range ios {
				text := caught(func() { io.Event(nil, nil, nil) })
				mustSay(t, "event", text, "TestGuardShardUsedWhereItWas", "udp "+one.addr.String(), "(event)", from.Name(), to.Name())
			}
		})
	}
}
