//go:build !race && !friocheck

package thread_test

import (
	"testing"

	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
)

// In normal builds the guard is nothing: it says nothing, and what it hangs on does not allocate.
func TestGuardIsOff(t *testing.T) {
	p := pool(t, thread.Config{Network: 1})
	th := p.Threads()[0]
	done := make(chan struct{})
	on(t, th, func() { close(done) })
	<-done
	root, token := th.Root(), talloc.NewThread("another")
	if n := testing.AllocsPerRun(100, func() {
		token.Enter()
		root.Touch("read") // of a thread that another goroutine is inside of
		token.Leave()
		token.Leave() // one too many
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkTouch(b *testing.B) {
	root := talloc.Root("root")
	b.ReportAllocs()
	for b.Loop() {
		root.Touch("read")
	}
}
