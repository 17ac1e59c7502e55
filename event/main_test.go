package event

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// TestMain fails on descriptors and goroutines that are left.
func TestMain(m *testing.M) {
	// The runtime opens its own poller once, for the first pipe or socket of packages os and net.
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
	before := openDescriptors()
	code := m.Run()
	if after := openDescriptors(); code == 0 && after != before {
		fmt.Printf("%d descriptors open, %d at the start\n", after, before)
		code = 1
	}
	// The tests have waited for the goroutines they started; on a busy machine some are still on their way out.
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > 1 && time.Now().Before(end); {
		yield()
	}
	if n := runtime.NumGoroutine(); code == 0 && n > 1 {
		buf := make([]byte, 64<<10)
		fmt.Printf("%d goroutines left:\n%s\n", n-1, buf[:runtime.Stack(buf, true)])
		code = 1
	}
	os.Exit(code)
}

func openDescriptors() int {
	names, err := os.ReadDir("/dev/fd")
	if err != nil {
		return 0
	}
	return len(names)
}

// yield lets other goroutines run.
func yield() { runtime.Gosched() }
