//go:build !race

// The machines of package regexp live in a sync.Pool, which drops one in four with -race.

package radius

import "testing"

// TestRewriteAllocs: a pattern that does not match costs no memory.
func TestRewriteAllocs(t *testing.T) {
	client, home := both()
	p := typical(t, client)
	buf := make([]byte, 0, MaxSize)
	f := Forward{In: rewrite(t, Rules{Modify: []Modify{modify(0, 1, `^(.*)@nowhere$`, `\1`)}, Remove: []ID{{0, 4}}, Supplement: []Value{{ID{9, 1}, []byte("x")}}, Add: []Value{{ID{0, 18}, []byte("x")}}})}
	f.Out = f.In
	if n := testing.AllocsPerRun(100, func() {
		if _, err := AppendRequest(buf, p, client, home, &f); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
