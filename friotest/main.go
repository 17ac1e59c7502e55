package friotest

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// leakGrace is how long goroutines and descriptors that are on their way out may take after the last test.
const leakGrace = 5 * time.Second

// Main is a package's TestMain: it runs the tests and fails, with exit code 1, on descriptors and goroutines that they left.
// It prints which. It does not return.
func Main(m *testing.M) {
	before := takeStock()
	code := m.Run()
	if left := waitForLeaks(before); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "left over after the tests:\n%s\n", strings.Join(left, "\n"))
		if code == 0 {
			code = 1
		}
	}
	os.Exit(code)
}

// Skip skips t with a reason; where FRIO_REQUIRE is "all", it fails t instead.
func Skip(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("FRIO_REQUIRE") == "all" {
		t.Fatalf("FRIO_REQUIRE=all does not allow to skip: %s", reason)
	}
	t.Skip(reason)
}

// stock is what a process has.
type stock struct {
	descriptors map[int]string    // what each stands for, where the system tells
	goroutines  map[string]string // by "goroutine 7": its stack
}

func takeStock() stock {
	// The runtime's own poller opens its descriptors with the first file it watches, and keeps them.
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
	return stock{descriptors(), goroutines()}
}

// waitForLeaks returns what is there now and was not before, once it stays.
func waitForLeaks(before stock) (left []string) {
	for end := time.Now().Add(leakGrace); ; time.Sleep(5 * time.Millisecond) {
		left = leaks(before, takeStock())
		if len(left) == 0 || time.Now().After(end) {
			return left
		}
		runtime.GC() // finalizers close what an *os.File holds
	}
}

func leaks(before, after stock) (left []string) {
	for fd, name := range after.descriptors {
		if old, ok := before.descriptors[fd]; !ok || old != name {
			left = append(left, fmt.Sprintf("descriptor %d: %s", fd, name))
		}
	}
	for id, stack := range after.goroutines {
		if _, ok := before.goroutines[id]; !ok && !permanent(stack) {
			left = append(left, stack)
		}
	}
	return left
}

// permanent tells whether a goroutine is the runtime's or the test framework's, started once and for ever.
func permanent(stack string) bool {
	for _, own := range []string{"os/signal.signal_recv", "os/signal.loop", "runtime.ensureSigM", "runtime.ReadTrace", "testing.(*M).startAlarm"} {
		if strings.Contains(stack, own) {
			return true
		}
	}
	return false
}

func descriptors() map[int]string {
	open := map[int]string{}
	dir, err := os.Open("/dev/fd")
	if err != nil {
		return open
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil || fd == int(dir.Fd()) {
			continue
		}
		target, _ := os.Readlink("/dev/fd/" + name)
		open[fd] = target
	}
	return open
}

func goroutines() map[string]string {
	b := make([]byte, 64<<10)
	for {
		n := runtime.Stack(b, true)
		if n < len(b) {
			b = b[:n]
			break
		}
		b = make([]byte, 2*len(b))
	}
	running := map[string]string{}
	for _, stack := range strings.Split(string(b), "\n\n") {
		if id, _, ok := strings.Cut(stack, " ["); ok {
			running[id] = stack
		}
	}
	return running
}
