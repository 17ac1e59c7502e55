package queue

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
)

// TestMain fails on goroutines that are left.
func TestMain(m *testing.M) {
	code := m.Run()
	// The fuzzing engine leaves its own.
	if flag.Lookup("test.fuzz").Value.String() != "" {
		os.Exit(code)
	}
	// The tests have waited for the goroutines they started; on a busy machine some are still on their way out.
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > 1 && time.Now().Before(end); {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); code == 0 && n > 1 {
		buf := make([]byte, 64<<10)
		fmt.Printf("%d goroutines left:\n%s\n", n-1, buf[:runtime.Stack(buf, true)])
		code = 1
	}
	os.Exit(code)
}

// countingSystem is the machine, with wake-ups counted.
type countingSystem struct{ wakes atomic.Uint64 }

func (s *countingSystem) Now() time.Time { return time.Now() }

func (s *countingSystem) NewPoller() (event.Poller, error) {
	p, err := event.NewPoller()
	return &countingPoller{p, s}, err
}

func (s *countingSystem) Lookup(host string, notify func()) event.Lookup {
	return event.NewLookup(host, notify)
}

type countingPoller struct {
	event.Poller
	sys *countingSystem
}

func (p *countingPoller) Wake() error {
	p.sys.wakes.Add(1)
	return p.Poller.Wake()
}

func newRoot(t testing.TB) *talloc.Context {
	root := talloc.Root(t.Name())
	t.Cleanup(func() {
		if !root.Freed() {
			root.Free()
		}
	})
	return root
}

func newLoop(t testing.TB, cfg event.Config) (*event.Loop, *countingSystem) {
	t.Helper()
	sys := &countingSystem{}
	l, err := event.New(newRoot(t), sys, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l, sys
}

func turnLoop(t testing.TB, l *event.Loop, timeout time.Duration) {
	t.Helper()
	if err := l.Turn(timeout); err != nil {
		t.Fatal(err)
	}
}

// kinds is both queues, for tests that treat them alike.
func kinds[T any](t testing.TB, depth int) map[string]Queue[T] {
	t.Helper()
	mpsc, err := NewMPSC[T](newRoot(t), depth)
	if err != nil {
		t.Fatal(err)
	}
	spsc, err := NewSPSC[T](newRoot(t), depth)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]Queue[T]{"mpsc": mpsc, "spsc": spsc}
}

// mustPanic fails unless f panics with text.
func mustPanic(t *testing.T, text string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if got := fmt.Sprint(recover()); got != text {
			t.Errorf("panic %q, want %q", got, text)
		}
	}()
	f()
}
