package friotest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sock"
)

// TestEnvLeaks: Finish finds what a test leaves, on both kernels, and nothing where nothing is left.
func TestEnvLeaks(t *testing.T) {
	tests := []struct {
		name  string
		leave func(*Env) (undo func()) // nil: Finish frees it all the same
		says  string
	}{
		{"nothing", func(*Env) func() { return nil }, ""},
		{"a context", func(e *Env) func() {
			e.Context(nil, "forgotten")
			return nil
		}, "forgotten"},
		{"a buffer", func(e *Env) func() {
			if _, err := e.Root.Alloc(100); err != nil {
				t.Fatal(err)
			}
			return nil
		}, "contexts left"},
		{"a descriptor", func(e *Env) func() {
			fd, err := e.Kernel.Socket(sock.Inet4, frio.Stream)
			if err != nil {
				t.Fatal(err)
			}
			return func() { e.Kernel.Close(fd) }
		}, "descriptors at the end"},
	}
	for _, test := range tests {
		for _, k := range []kernels{onSystem, onSim} {
			t.Run(fmt.Sprintf("%s/%d", test.name, k), func(t *testing.T) {
				r := &recorder{TB: t}
				e := newEnv(r, k, 1)
				undo := test.leave(e)
				e.Finish()
				if undo != nil {
					undo()
				}
				for _, f := range slices.Backward(r.cleanups) {
					f()
				}
				found := strings.Join(r.failures, "\n")
				if test.says == "" && found != "" || !strings.Contains(found, test.says) {
					t.Errorf("Finish found %q, want %q", found, test.says)
				}
			})
		}
	}
}

// TestEnvPass: virtual time passes by exactly what was asked, with one side and with several, also when a loop never waits.
func TestEnvPass(t *testing.T) {
	e := NewEnv(t, true, 1)
	for sides := range 3 {
		start := e.Kernel.Now()
		e.Pass(90 * time.Minute / (1 << (10 * min(sides, 1))))
		if got, want := e.Kernel.Now().Sub(start), 90*time.Minute/(1<<(10*min(sides, 1))); got != want {
			t.Errorf("with %d sides %v passed, want %v", sides+1, got, want)
		}
		e.NewSide("more")
	}
}

func TestPattern(t *testing.T) {
	p := Pattern{7}
	whole := make([]byte, 1000)
	p.Fill(whole, 0)
	for _, at := range []int{0, 1, 7, 8, 9, 500} {
		part := make([]byte, 100)
		p.Fill(part, int64(at))
		if string(part) != string(whole[at:at+100]) {
			t.Errorf("Fill at %d is not a part of the whole", at)
		}
		if err := p.Check(part, int64(at)); err != nil {
			t.Errorf("Check at %d: %v", at, err)
		}
		for what, spoil := range map[string]func([]byte) []byte{
			"a byte lost":     func(b []byte) []byte { return slices.Delete(b, 50, 51) },
			"a byte repeated": func(b []byte) []byte { return slices.Insert(b, 50, b[50]) },
			"a bit turned":    func(b []byte) []byte { b[50] ^= 4; return b },
			"a block swapped": func(b []byte) []byte { return slices.Concat(b[:16], b[24:32], b[16:24], b[32:]) },
		} {
			if p.Check(spoil(slices.Clone(part)), int64(at)) == nil {
				t.Errorf("Check at %d does not see %s", at, what)
			}
		}
	}
}
