package thread_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/frio-io/frio/thread"
)

// titled is a member that has a name of its own.
type titled struct {
	relocated
	name string
}

func (u *titled) Describe() string { return u.name }

// TestDebug: each thread is shown with its numbers and what lives there, the oldest first, and no more than 256 of them.
func TestDebug(t *testing.T) {
	const many = 300
	p := pool(t, thread.Config{Network: 2, Workers: 1})
	th := p.Threads()[1]
	on(t, th, func() {
		for i := range many {
			ctx, err := th.Root().New("client")
			if err != nil {
				t.Error(err)
				return
			}
			one := parse(t, ctx, "home_server", "protocol = tcp\ntcp {\nipaddr = 127.0.0.1\nport = 9\n}\n")
			user := thread.User(&relocated{io: one})
			if i == 0 {
				user = &titled{relocated{io: one}, "the first"}
			}
			if _, err := th.Add(one, ctx, nil, user); err != nil {
				t.Error(err)
			}
		}
	})
	var b bytes.Buffer
	p.Debug(&b)
	lines := strings.Split(b.String(), "\n")
	at := -1
	for i, line := range lines {
		if strings.HasPrefix(line, "thread network 2: members 300, arrived 0, left 0, sent 1, refused 0, ") {
			at = i
		}
	}
	if at < 0 || at+258 >= len(lines) || !strings.HasPrefix(lines[at+1], "\tloop: turns ") || lines[at+2] != "\tthe first" ||
		lines[at+3] != "\ttcp -> 127.0.0.1:9" || lines[at+258] != "\tand 44 more" {
		t.Errorf("got\n%s", b.String())
	}
	if !strings.HasPrefix(lines[0], "thread network 1: members 0, ") || !strings.Contains(b.String(), "\nthread worker 1: members 0, ") {
		t.Errorf("got\n%s", b.String())
	}
}

// TestDebugOfStalledThread: a thread that does not answer, and whose mailbox is full, is shown as such; the others answer.
func TestDebugOfStalledThread(t *testing.T) {
	p := pool(t, thread.Config{Network: 2, Depth: 2})
	th := p.Threads()[0]
	release, in := make(chan struct{}), make(chan struct{})
	if err := th.Send(func() { close(in); <-release }); err != nil {
		t.Fatal(err)
	}
	wait(t, in, "the thread to stall")
	for th.Send(func() {}) == nil {
	}
	var b bytes.Buffer
	p.Debug(&b)
	close(release)
	first, second, _ := strings.Cut(b.String(), "thread network 2: ")
	if !strings.Contains(first, "refused 1, told 0, waiting 2") || !strings.HasSuffix(first, "\n\tit does not answer\n") || !strings.Contains(second, "\tloop: turns ") {
		t.Errorf("got\n%s", b.String())
	}
}

// TestDebugAtAnyTime: while connections move, threads are removed, and the pool stops. It is counted as nothing that was cut.
func TestDebugAtAnyTime(t *testing.T) {
	p := pool(t, thread.Config{Network: 4})
	srv := serve(t, p.Threads()[0], stacks[0], "max_connections = unlimited\n")
	on(t, p.Threads()[0], func() { srv.moves = 4 })
	stop := make(chan struct{})
	var watching, running sync.WaitGroup
	for range 2 {
		watching.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					p.Debug(io.Discard)
				}
			}
		})
	}
	const count = 60
	running.Add(count)
	srv.dial(p.Threads()[3], 0, count, 20_000, func(*client) { running.Done() })
	if err := p.Remove(p.Threads()[1], patience); err != nil {
		t.Error(err)
	}
	running.Wait()
	srv.until("the children are closed", func() bool { return srv.open.Load() == 0 })
	cut, err := p.Stop(patience)
	if err != nil || !cut.None() {
		t.Errorf("Stop: %v, %v", cut, err)
	}
	close(stop)
	watching.Wait()
	var b bytes.Buffer
	p.Debug(&b)
	if n := strings.Count(b.String(), ": members 0, "); n != 3 {
		t.Errorf("after Stop:\n%s", b.String())
	}
}

// TestRemoveShards: threads are removed on which shards live with children, which answer meanwhile.
func TestRemoveShards(t *testing.T) {
	steering(t)
	for i, s := range shardStacks {
		t.Run(fmt.Sprint(i, s.name), func(t *testing.T) {
			const count = 32
			size := 60_000
			if checked {
				size /= 4
			}
			p := pool(t, thread.Config{Network: 4})
			threads := p.Threads()
			f := flockOf(t, p, s, "")
			first := f.shards[0]
			var asked sync.WaitGroup
			asked.Add(count)
			clients := &server{t: t, stack: first.stack, addr: first.addr, stays: &asked}
			list := clients.dial(threads[3], 0, count, size, nil)
			for _, th := range threads[:3] {
				if err := p.Remove(th, patience); err != nil {
					t.Fatal(err)
				}
			}
			done := make(chan struct{})
			go func() { asked.Wait(); close(done) }()
			wait(t, done, "all bytes to come back")
			for i, m := range f.members {
				if m.Thread() != threads[3] {
					t.Errorf("shard %d is on %s", i, m.Thread().Name())
				}
			}
			if n := f.all.open.Load(); n != count {
				t.Errorf("%d children of %d peers", n, count)
			}
			for _, m := range append(list, f.members...) {
				m.End(errQuit)
			}
			first.until("nobody is left", func() bool { return p.Members() == 0 })
			if n := f.all.open.Load(); n != 0 {
				t.Errorf("%d children are open", n)
			}
		})
	}
}
