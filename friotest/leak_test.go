package friotest

import (
	"os"
	"strings"
	"testing"
)

// TestLeaks: what a test leaves open is named, and what was there before, or ended, is not.
func TestLeaks(t *testing.T) {
	before := takeStock()
	if left := leaks(before, takeStock()); len(left) != 0 {
		t.Fatalf("nothing was done, and this is left: %q", left)
	}
	path := t.TempDir() + "/left-open"
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	stop, running := make(chan bool), make(chan bool)
	go leftRunning(running, stop)
	<-running
	text := strings.Join(leaks(before, takeStock()), "\n")
	for _, want := range []string{"descriptor", "leftRunning"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %q", want, text)
		}
	}
	file.Close()
	close(stop)
	if left := waitForLeaks(before); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}

func leftRunning(running, stop chan bool) {
	running <- true
	<-stop
}

// TestInNamespace: the second run is alone in there, and its failure is ours.
func TestInNamespace(t *testing.T) {
	t.Run("a (name) with [characters]+", func(t *testing.T) {
		if !InNamespace(t, "ip link set lo up; ip link add there type veth peer name back") {
			return
		}
		text, err := os.ReadFile("/proc/self/net/dev")
		if err != nil {
			t.Fatal(err)
		}
		if lines := strings.Split(strings.TrimSpace(string(text)), "\n"); len(lines) != 5 || !strings.Contains(string(text), "there:") {
			t.Errorf("lo, there and back, but: %s", text)
		}
		if os.Getuid() != 0 {
			t.Errorf("user %d", os.Getuid())
		}
	})
}

func TestExactly(t *testing.T) {
	for name, want := range map[string]string{
		"TestA":         "^TestA$",
		"TestA/b.c_(1)": `^TestA$/^b\.c_\(1\)$`,
	} {
		if got := exactly(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
