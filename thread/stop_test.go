package thread_test

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
)

// What connections on several threads had left to send when Stop's time was over is added up, byte for byte.
func TestStopTellsUnsent(t *testing.T) {
	const conns, tail = 6, 256 << 10
	var mu sync.Mutex
	lost, count := 0, 0
	p := pool(t, thread.Config{Network: 3, CloseTimeout: patience, OnError: func(_ *thread.Thread, err error) {
		var gone *event.AbortError
		if errors.As(err, &gone) {
			mu.Lock()
			defer mu.Unlock()
			lost, count = lost+gone.Unsent, count+1
		}
	}})
	// A peer that reads nothing: the system takes what fits, and no more.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for i := range conns {
		th := p.Threads()[i%len(p.Threads())]
		var io frio.IO
		var ctx *talloc.Context
		full := make(chan struct{})
		on(t, th, func() {
			var err error
			if ctx, err = th.Root().New("client"); err != nil {
				t.Error(err)
				return
			}
			io = parse(t, ctx, "home_server", fmt.Sprintf("protocol = tcp\n"+stacks[0].client, l.Addr().(*net.TCPAddr).Port))
			filled := false
			write := func() {
				for !filled {
					if _, err := io.Write(make([]byte, 64<<10)); err == frio.ErrAgain {
						filled = io.(frio.Stater).State() == frio.StateOpen
						break
					} else if err != nil {
						t.Error(err)
						break
					}
				}
				if filled {
					_ = io.Event(th.Loop(), nil, nil)
					close(full)
				}
			}
			if err := io.Event(th.Loop(), nil, write); err != nil {
				t.Error(err)
			}
			if err := io.Connect(); err != nil && err != frio.ErrAgain {
				t.Error(err)
			}
		})
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		wait(t, full, "the system to take no more")
		on(t, th, func() {
			if err := io.(frio.Lingerer).CloseTail(make([]byte, tail)); err != nil {
				t.Errorf("CloseTail: %v", err)
			}
			ctx.Free()
		})
	}
	cut, err := p.Stop(time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if cut.Closing != conns || count != conns || cut.Unsent != lost || lost <= tail || lost > conns*tail {
		t.Errorf("%v; %d connections were given up with %d bytes", cut, count, lost)
	}
	if want := fmt.Sprintf("cut: 0 open, %d closing with %d bytes unsent, 0 functions: tcp ", conns, lost); cut.None() || !strings.HasPrefix(cut.String(), want) {
		t.Errorf("%q, want %q", cut, want)
	}
}

// A Cut counts all members, and names the first 16.
func TestStopNamesSome(t *testing.T) {
	const members, names = 24, 16
	p := pool(t, thread.Config{Network: 2, OnError: func(*thread.Thread, error) {}})
	srv := serve(t, p.Threads()[0], stacks[0], "")
	srv.stubborn = true
	var peers []string
	for range members {
		conn, err := net.Dial("tcp", srv.addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		peers = append(peers, fmt.Sprintf("tcp %v <- %v", srv.addr, conn.LocalAddr()))
	}
	srv.until("all are accepted", func() bool { return p.Members() == members+1 })
	arrived(t, p.Threads()[0], p.Threads()[1])
	cut, err := p.Stop(time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if cut.Members != members || len(cut.Names) != names {
		t.Errorf("%d members and %d names, want %d and %d: %v", cut.Members, len(cut.Names), members, names, cut)
	}
	for _, name := range cut.Names { // of a member, or of its connection, which is closing then
		if !slices.Contains(peers, name) {
			t.Errorf("%q is the name of nobody", name)
		}
	}
}

// slow is an IO that takes its time to say what it is.
type slow struct {
	frio.IO
	asked func()
}

func (s *slow) Kind() frio.Kind {
	s.asked()
	return s.IO.Kind()
}

// stubborn is a member that does not end for ErrStopping.
type stubborn struct {
	relocated
	reasons []error
}

func (s *stubborn) End(m *thread.Member, reason error) {
	s.reasons = append(s.reasons, reason)
	if reason != thread.ErrStopping {
		s.relocated.End(m, reason)
	}
}

// Who was on the way when Stop began, and arrives at a thread that was told to cut already, is cut as well: its user is told, and it is in
// the Cut.
func TestStopCutsWhoArrives(t *testing.T) {
	p := pool(t, thread.Config{Network: 3})
	to, from, idle := p.Threads()[0], p.Threads()[1], p.Threads()[2]
	srv := serve(t, from, stacks[0], "")
	busy, free := make(chan struct{}), make(chan struct{})
	if err := to.Send(func() { close(busy); <-free }); err != nil {
		t.Fatal(err)
	}
	wait(t, busy, "the thread to be busy")
	adding, stopped, sent := make(chan struct{}), make(chan struct{}), make(chan struct{})
	user := new(stubborn)
	err := from.Send(func() {
		defer close(sent)
		ctx, err := from.Root().New("child")
		if err != nil {
			t.Error(err)
			return
		}
		io := parse(t, ctx, "home_server", "protocol = tcp\ntcp {\nipaddr = 127.0.0.1\nport = 9\n}\n")
		first := true
		child := &slow{io, func() {
			if first {
				first = false
				close(adding)
				<-stopped
			}
		}}
		if _, err := from.Add(child, ctx, srv.m, user); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, adding, "Add")
	result := make(chan *thread.Cut)
	go func() { result <- stop(t, p) }()
	idle.Wait() // all have their orders: this one had them last
	// On the busy thread the child comes behind them, in the same turn.
	if err := to.Send(func() { <-sent }); err != nil {
		t.Fatal(err)
	}
	close(stopped)
	close(free)
	cut := <-result
	if cut.Members != 1 || len(cut.Stuck) > 0 || !slices.Equal(user.reasons, []error{thread.ErrStopped}) || user.on.Load() != to {
		t.Errorf("%v; it was told %v", cut, user.reasons)
	}
}
