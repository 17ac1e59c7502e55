package server

import (
	"fmt"
	"testing"
)

// Listens that begin in a reload are spread over the threads as at a start.
func TestReloadSpreads(t *testing.T) {
	first := tcpOn("a", 0, "")
	r := startFile(t, echoOn(first))
	text := []string{first}
	for i := range 3 {
		text = append(text, tcpOn(fmt.Sprint("b", i), 0, ""))
	}
	r.must(r.load(echoOn(text...)))
	for i, l := range r.all() {
		if at := l.ports[0].Lane().Index(); at != i%2 {
			t.Errorf("listen %s is on thread %d, want %d", l.name, at, i%2)
		}
	}
}
