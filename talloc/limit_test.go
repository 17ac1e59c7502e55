package talloc

import (
	"errors"
	"math"
	"sync"
	"testing"
)

func TestLimitBytes(t *testing.T) {
	root := Root("root")
	a := child(t, root, "a")
	b := child(t, a, "b")
	a.SetLimit(2048, 0)
	first := alloc(t, b, 1000)
	alloc(t, a, 1024)
	before := root.Total()
	for _, c := range []*Context{a, b} {
		buf, err := c.Alloc(1)
		if !errors.Is(err, ErrLimit) || !buf.IsZero() {
			t.Errorf("%s: alloc above the limit of a: %v, zero %v", c.name, err, buf.IsZero())
		}
		if err := c.Charge(1); !errors.Is(err, ErrLimit) {
			t.Errorf("%s: charge above the limit of a: %v", c.name, err)
		}
	}
	if got := root.Total(); got != before {
		t.Errorf("a refused alloc changed %+v to %+v", before, got)
	}
	alloc(t, root, 1)
	first.Free()
	if err := b.Charge(1024); err != nil {
		t.Errorf("charge of what was freed: %v", err)
	}
	mustPanic(t, func() { b.Uncharge(1025) }, "uncharge of 1025")
	b.Uncharge(24)
	if got := b.Size().Bytes; got != 1000 {
		t.Errorf("b holds %d bytes, want 1000", got)
	}
	check(t, root)
	b.Free()
	if got := a.Total(); got != (Sizes{1024, 1, 0}) {
		t.Errorf("after Free of what was charged: %+v", got)
	}
	check(t, root)
	mustPanic(t, func() { a.Charge(-1) }, "negative charge")
	mustPanic(t, func() { a.SetLimit(-1, 0) }, "negative limit")
	mustPanic(t, func() { a.Alloc(-1) }, "alloc of -1 bytes")
}

func TestLimitContexts(t *testing.T) {
	root := Root("root")
	a := child(t, root, "a")
	a.SetLimit(0, 2)
	b := child(t, a, "b")
	c := child(t, b, "c")
	for _, parent := range []*Context{a, b, c} {
		var x Context
		if err := x.Init(parent, "x"); !errors.Is(err, ErrLimit) {
			t.Errorf("third context below a, in %s: %v", parent.name, err)
		}
		if x != (Context{}) {
			t.Error("a refused context is not zero")
		}
	}
	child(t, root, "beside")
	c.Free()
	child(t, b, "c again")
	check(t, root)
}

func TestLimitOverflow(t *testing.T) {
	root := Root("root")
	if err := root.Charge(math.MaxInt64); err != nil {
		t.Fatal(err)
	}
	if err := root.Charge(1); !errors.Is(err, ErrLimit) {
		t.Errorf("charge past what can be counted: %v", err)
	}
	check(t, root)
}

func TestSteal(t *testing.T) {
	root := Root("root")
	a, b := child(t, root, "a"), child(t, root, "b")
	x := child(t, a, "x")
	y := child(t, x, "y")
	alloc(t, y, 1024)
	if err := x.Charge(100); err != nil {
		t.Fatal(err)
	}
	if err := x.Steal(b); err != nil {
		t.Fatal(err)
	}
	if a.Total() != (Sizes{}) || b.Total() != (Sizes{1124, 1, 2}) {
		t.Errorf("after Steal a has %+v, b %+v", a.Total(), b.Total())
	}
	check(t, root)

	a.SetLimit(1123, 0)
	if err := x.Steal(a); !errors.Is(err, ErrLimit) {
		t.Errorf("steal past a limit on bytes: %v", err)
	}
	a.SetLimit(0, 1)
	if err := x.Steal(a); !errors.Is(err, ErrLimit) {
		t.Errorf("steal past a limit on contexts: %v", err)
	}
	if x.parent != b || b.Total() != (Sizes{1124, 1, 2}) {
		t.Error("a refused steal moved something")
	}
	check(t, root)

	// A limit above both is not asked, also when it is passed already.
	root.SetLimit(1, 1)
	a.SetLimit(1124, 2)
	if err := x.Steal(a); err != nil {
		t.Errorf("steal below a limit that holds both: %v", err)
	}
	check(t, root)

	mustPanic(t, func() { a.Steal(y) }, "steal of context root/a into its own subtree at root/a/x/y")
	mustPanic(t, func() { a.Steal(a) }, "own subtree")
	mustPanic(t, func() { root.Steal(a) }, "root")
	far := Root("far")
	far.Own(NewThread("other"))
	mustPanic(t, func() { x.Steal(far) }, "of another thread")
	a.Free()
	if !x.Freed() || !y.Freed() {
		t.Error("what was stolen is not freed with its parent")
	}
}

func TestStealIntoItsParent(t *testing.T) {
	root := Root("root")
	a, b := child(t, root, "a"), child(t, root, "b")
	if err := a.Steal(root); err != nil {
		t.Fatal(err)
	}
	if root.newest != a || a.older != b {
		t.Error("a stolen context is not the newest child")
	}
	check(t, root)
}

func TestDetachAdopt(t *testing.T) {
	one, two := Root("one"), Root("two")
	one.Own(NewThread("one"))
	two.Own(NewThread("two"))
	one.SetValue("kernel", "K")
	one.SetValue("loop", "root's")
	a := child(t, one, "a")
	a.SetValue("loop", "a's")
	x := child(t, a, "x")
	x.SetValue("own", "mine")
	buf := alloc(t, x, 1000)
	buf.Bytes()[999] = 7

	mustPanic(t, func() { two.Adopt(x) }, "not detached")
	mustPanic(t, func() { two.Adopt(one) }, "which thread one owns")
	x.Detach()
	if got := check(t, one); got != (Sizes{0, 0, 1}) {
		t.Errorf("one holds %+v after Detach", got)
	}
	if x.Thread() != nil {
		t.Error("a detached context is owned")
	}
	for k, want := range map[string]string{"kernel": "K", "loop": "a's", "own": "mine"} {
		if got := x.Value(k); got != want {
			t.Errorf("detached: value %s is %v, want %s", k, got, want)
		}
	}
	loose := alloc(t, x, 100)
	loose.Free()
	if x.root().pool != nil {
		t.Error("a detached root has a free list")
	}

	two.SetLimit(1023, 0)
	if err := two.Adopt(x); !errors.Is(err, ErrLimit) {
		t.Errorf("adopt past a limit: %v", err)
	}
	check(t, two)
	two.SetLimit(1024, 1)
	if err := two.Adopt(x); err != nil {
		t.Fatal(err)
	}
	if got := check(t, two); got != (Sizes{1024, 1, 1}) {
		t.Errorf("two holds %+v after Adopt", got)
	}
	if x.Thread().Name() != "two" || x.Value("kernel") != "K" {
		t.Errorf("adopted: thread %v, kernel %v", x.Thread(), x.Value("kernel"))
	}
	mustPanic(t, func() { two.Adopt(x) }, "not detached")
	if buf.Bytes()[999] != 7 {
		t.Error("the buffer's content was lost")
	}
	mem := &buf.Bytes()[0]
	buf.Free()
	if again := alloc(t, x, 1000); &again.Bytes()[0] != mem {
		t.Error("the buffer did not go to the free list of the thread that freed it")
	}
	mustPanic(t, func() { x.Adopt(x) }, "not detached")
	x.Detach()
	mustPanic(t, func() { x.Adopt(x) }, "own subtree")
	x.Detach() // a root without an owner stays one
	x.Own(NewThread("three"))
	if x.root().pool == nil {
		t.Error("an owned root has no free list")
	}
}

func TestBudget(t *testing.T) {
	b := NewBudget(10)
	if !b.Take(10) || b.Take(1) || b.Used() != 10 || b.Max() != 10 {
		t.Errorf("budget of 10: used %d", b.Used())
	}
	b.Give(6)
	if b.Take(7) || !b.Take(6) || b.Take(1) {
		t.Error("what was given back is not what can be taken")
	}
	mustPanic(t, func() { b.Give(11) }, "give of 11 to a budget of which 10 is taken")
	mustPanic(t, func() { b.Give(-1) }, "give of -1")
	mustPanic(t, func() { b.Take(-1) }, "take of -1")
	free := NewBudget(0)
	if !free.Take(math.MaxInt64) || free.Take(1) {
		t.Error("unlimited: all that can be counted, and no more")
	}
}

func TestBudgetThreads(t *testing.T) {
	b := NewBudget(3)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				if b.Take(1) {
					if used := b.Used(); used < 1 || used > 3 {
						t.Errorf("%d used of 3", used)
					}
					b.Give(1)
				}
			}
		})
	}
	wg.Wait()
	if b.Used() != 0 {
		t.Errorf("%d left", b.Used())
	}
}
