package talloc

import (
	"fmt"
	"strings"
	"testing"
)

// mustPanic fails unless f panics with a text that holds all of parts.
func mustPanic(t *testing.T, f func(), parts ...string) {
	t.Helper()
	defer func() {
		t.Helper()
		r := recover()
		if r == nil {
			t.Errorf("no panic, want one with %q", parts)
			return
		}
		for _, p := range parts {
			if !strings.Contains(fmt.Sprint(r), p) {
				t.Errorf("panic %q lacks %q", r, p)
			}
		}
	}()
	f()
}

func child(t *testing.T, parent *Context, name string) *Context {
	t.Helper()
	c, err := parent.New(name)
	if err != nil {
		t.Fatalf("new %s: %v", name, err)
	}
	return c
}

func alloc(t *testing.T, c *Context, n int) Buffer {
	t.Helper()
	b, err := c.Alloc(n)
	if err != nil {
		t.Fatalf("alloc %d: %v", n, err)
	}
	return b
}

// check walks the tree and compares every total with the sum of what is below.
func check(t *testing.T, c *Context) Sizes {
	t.Helper()
	var s Sizes
	for h := c.buffers; h != nil; h = h.next {
		s.Bytes += int64(len(h.mem))
		s.Buffers++
		if h.owner != c {
			t.Errorf("%s: a buffer is owned by %s", c.path(), h.owner.path())
		}
	}
	if own := (Sizes{c.ownBytes - c.charged, int(c.ownBuffers), 0}); own != s {
		t.Errorf("%s: own sizes %+v, counted %+v", c.path(), own, s)
	}
	s.Bytes += c.charged
	for x := c.newest; x != nil; x = x.older {
		if x.parent != c {
			t.Errorf("%s: parent is %v", x.path(), x.parent)
		}
		below := check(t, x)
		s.Bytes += below.Bytes
		s.Buffers += below.Buffers
		s.Contexts += below.Contexts + 1
	}
	if got := c.Total(); got != s {
		t.Errorf("%s: total %+v, counted %+v", c.path(), got, s)
	}
	return s
}
