package talloc

import (
	"slices"
	"strings"
	"testing"
	"unsafe"
)

func TestContextSize(t *testing.T) {
	if n := unsafe.Sizeof(Context{}); n > 144 {
		t.Errorf("a Context is %d bytes, want at most 144: every IO has one", n)
	}
}

func TestEmbedded(t *testing.T) {
	type conn struct {
		ctx Context
	}
	root := Root("root")
	c := new(conn)
	if !c.ctx.Freed() {
		t.Error("a zero context does not report as freed")
	}
	mustPanic(t, func() { c.ctx.Touch("read") }, "before Init", "read")
	if err := c.ctx.Init(root, "conn"); err != nil {
		t.Fatal(err)
	}
	if c.ctx.Freed() || c.ctx.Name() != "conn" {
		t.Errorf("after Init: freed %v, name %q", c.ctx.Freed(), c.ctx.Name())
	}
	mustPanic(t, func() { c.ctx.Init(root, "again") }, "Init of context root/conn")
	c.ctx.SetName("conn 7")
	c.ctx.Free()
	if !c.ctx.Freed() {
		t.Error("not freed")
	}
	mustPanic(t, func() { c.ctx.Init(root, "again") }, "Init of context root/conn 7")
	check(t, root)
}

func TestInitAllocatesNothing(t *testing.T) {
	root := Root("root")
	var c Context
	got := testing.AllocsPerRun(100, func() {
		c = Context{}
		c.Init(root, "c")
		c.OnFree((*nothing)(nil))
		c.Free()
	})
	if got != 0 {
		t.Errorf("Init, OnFree and Free allocate %v times", got)
	}
}

type nothing struct{}

func (*nothing) Destroy() {}

func TestUseAfterFree(t *testing.T) {
	root := Root("radsec")
	other := child(t, root, "other")
	uses := []struct {
		name string
		use  func(c *Context)
	}{
		{"free", func(c *Context) { c.Free() }},
		{"new", func(c *Context) { c.New("x") }},
		{"on free", func(c *Context) { c.OnFree(DestructorFunc(func() {})) }},
		{"alloc", func(c *Context) { c.Alloc(1) }},
		{"charge", func(c *Context) { c.Charge(1) }},
		{"uncharge", func(c *Context) { c.Uncharge(0) }},
		{"steal", func(c *Context) { c.Steal(other) }},
		{"steal into", func(c *Context) { other.Steal(c) }},
		{"detach", func(c *Context) { c.Detach() }},
		{"adopt", func(c *Context) { other.Adopt(c) }},
		{"adopt into", func(c *Context) { c.Adopt(other) }},
		{"set limit", func(c *Context) { c.SetLimit(1, 1) }},
		{"size", func(c *Context) { c.Size() }},
		{"total", func(c *Context) { c.Total() }},
		{"report", func(c *Context) { c.Report(nil) }},
		{"set value", func(c *Context) { c.SetValue(1, 2) }},
		{"value", func(c *Context) { c.Value(1) }},
		{"own", func(c *Context) { c.Own(nil) }},
		{"thread", func(c *Context) { c.Thread() }},
		{"read", func(c *Context) { c.Touch("read") }},
	}
	for _, u := range uses {
		t.Run(u.name, func(t *testing.T) {
			c := child(t, root, "conn 7")
			c.Free()
			mustPanic(t, func() { u.use(c) }, "talloc: use of freed context radsec/conn 7 ("+u.name+")")
			if got := check(t, root); got.Contexts != 1 {
				t.Errorf("the tree holds %d contexts, want other only", got.Contexts)
			}
		})
	}
}

func TestUseOfChildAfterFreeOfParent(t *testing.T) {
	root := Root("root")
	a := child(t, root, "a")
	b := child(t, a, "b")
	a.Free()
	mustPanic(t, func() { b.Touch("write") }, "freed context root/a/b (write)")
	mustPanic(t, func() { b.Free() }, "freed context root/a/b (free)")
}

func TestValue(t *testing.T) {
	type key int
	root := Root("root")
	a := child(t, root, "a")
	b := child(t, a, "b")
	if v := b.Value(key(1)); v != nil {
		t.Errorf("value of nothing is %v", v)
	}
	root.SetValue(key(1), "root 1")
	root.SetValue(key(2), "root 2")
	a.SetValue(key(1), "a 1")
	if v := b.Value(key(1)); v != "a 1" {
		t.Errorf("value 1 is %v", v)
	}
	if v := b.Value(key(2)); v != "root 2" {
		t.Errorf("value 2 is %v", v)
	}
	a.SetValue(key(1), "a one")
	if v := b.Value(key(1)); v != "a one" {
		t.Errorf("replaced value 1 is %v", v)
	}
	a.SetValue(key(1), nil)
	if v := b.Value(key(1)); v != "root 1" {
		t.Errorf("value 1 without that of a is %v", v)
	}
}

func TestReport(t *testing.T) {
	root := Root("thread 1")
	a := child(t, root, "listener")
	b := child(t, a, "conn 1")
	child(t, a, "conn 2")
	child(t, root, "loop")
	alloc(t, b, 1000)
	if err := a.Charge(7); err != nil {
		t.Fatal(err)
	}
	root.SetLimit(4096, 10)
	var got strings.Builder
	root.Report(&got)
	want := `thread 1: 0 bytes in 0 buffers; total 1031 bytes in 1 buffers, 4 contexts; limit 4096 bytes; limit 10 contexts
  listener: 7 bytes in 0 buffers and 7 charged; total 1031 bytes in 1 buffers, 2 contexts
    conn 1: 1024 bytes in 1 buffers
    conn 2: 0 bytes in 0 buffers
  loop: 0 bytes in 0 buffers
`
	if got.String() != want {
		t.Errorf("report:\n%s\nwant:\n%s", got.String(), want)
	}
	got.Reset()
	b.Report(&got)
	if want := "conn 1: 1024 bytes in 1 buffers\n"; got.String() != want {
		t.Errorf("report of a leaf: %q, want %q", got.String(), want)
	}
	if s := a.Size(); s != (Sizes{7, 0, 2}) {
		t.Errorf("size %+v", s)
	}
}

func TestFreeOrder(t *testing.T) {
	var got []string
	say := func(s string) Destructor { return DestructorFunc(func() { got = append(got, s) }) }
	root := Root("root")
	a := child(t, root, "a")
	a.OnFree(say("a first"))
	b := child(t, a, "b")
	b.OnFree(say("b"))
	a.OnFree(say("a second"))
	c := child(t, a, "c")
	c.OnFree(say("c"))
	d := child(t, b, "d")
	d.OnFree(say("d"))
	a.OnFree(say("a third"))
	buf := alloc(t, a, 10)
	a.OnFree(DestructorFunc(func() {
		if len(buf.Bytes()) != 10 {
			t.Error("the buffer is gone before the destructor ran")
		}
	}))
	a.Free()
	want := []string{"c", "d", "b", "a third", "a second", "a first"}
	if !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	mustPanic(t, func() { a.Free() }, "freed context root/a")
	root.Free()
	if !slices.Equal(got, want) {
		t.Errorf("after Free of the root: %v, want no destructor twice", got)
	}
	mustPanic(t, func() { buf.Bytes() }, "freed buffer")
}

func TestFreeInDestructor(t *testing.T) {
	// parent has children 0 1 2 3; the destructor of 2 does what the case says while parent is freed.
	cases := []struct {
		name  string
		do    func(parent *Context, kids []*Context)
		panic string
	}{
		{"older sibling", func(p *Context, k []*Context) { k[1].Free() }, ""},
		{"all siblings left", func(p *Context, k []*Context) { k[0].Free(); k[1].Free() }, ""},
		{"oldest", func(p *Context, k []*Context) { k[0].Free() }, ""},
		{"newer sibling, freed already", func(p *Context, k []*Context) { k[3].Free() }, "use of freed context"},
		{"itself", func(p *Context, k []*Context) { k[2].Free() }, "it is being freed already"},
		{"parent", func(p *Context, k []*Context) { p.Free() }, "it is being freed already"},
		{"root", func(p *Context, k []*Context) { p.parent.Free() }, "it is being freed already"},
		{"child of itself", func(p *Context, k []*Context) { k[2].New("x") }, "takes nothing (new)"},
		{"buffer of itself", func(p *Context, k []*Context) { k[2].Alloc(1) }, "takes nothing (alloc)"},
		{"child of parent", func(p *Context, k []*Context) { p.New("x") }, "takes nothing (new)"},
		{"steal a sibling into parent", func(p *Context, k []*Context) { k[1].Steal(p) }, "takes nothing (steal into)"},
		{"steal itself", func(p *Context, k []*Context) { k[2].Steal(p.parent) }, "takes nothing (steal)"},
		{"steal a sibling away", func(p *Context, k []*Context) { k[1].Steal(p.parent); k[1].Free() }, ""},
		{"detach root", func(p *Context, k []*Context) { p.parent.Detach() }, "it is being freed already"},
		{"adopt root", func(p *Context, k []*Context) { Root("x").Adopt(p.parent) }, "it is being freed already"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			root := Root("root")
			parent := child(t, root, "parent")
			var kids []*Context
			destroyed := make([]int, 4)
			for i := range 4 {
				k := child(t, parent, "kid")
				alloc(t, k, 100)
				k.OnFree(DestructorFunc(func() { destroyed[i]++ }))
				kids = append(kids, k)
			}
			ran := 0
			kids[2].OnFree(DestructorFunc(func() {
				ran++
				tc.do(parent, kids)
			}))
			if tc.panic != "" {
				mustPanic(t, parent.Free, tc.panic)
				parent.Free() // the rest
			} else {
				parent.Free()
			}
			if ran != 1 || !slices.Equal(destroyed, []int{1, 1, 1, 1}) {
				t.Errorf("destructors ran %d, %v times, want once each", ran, destroyed)
			}
			if got := check(t, root); got != (Sizes{}) {
				t.Errorf("left: %+v", got)
			}
		})
	}
}

func TestFreeOfNeighbourInDestructor(t *testing.T) {
	root := Root("root")
	a, b := child(t, root, "a"), child(t, root, "b")
	below := child(t, b, "below")
	alloc(t, below, 64)
	a.OnFree(b.ownFree())
	a.Free()
	if !b.Freed() || !below.Freed() {
		t.Error("b or what is below it lives")
	}
	if got := check(t, root); got != (Sizes{}) {
		t.Errorf("left: %+v", got)
	}
}

func (c *Context) ownFree() Destructor { return DestructorFunc(c.Free) }

func TestDeepTree(t *testing.T) {
	const depth = 200_000
	freedCount := 0
	top := Root("top")
	top.OnFree(DestructorFunc(func() { freedCount++ }))
	for range depth {
		above := Root("c")
		above.OnFree(DestructorFunc(func() { freedCount++ }))
		if err := above.Adopt(top); err != nil {
			t.Fatal(err)
		}
		top = above
	}
	if got := top.Total().Contexts; got != depth {
		t.Errorf("%d contexts, want %d", got, depth)
	}
	top.Free()
	if freedCount != depth+1 {
		t.Errorf("%d destructors ran, want %d", freedCount, depth+1)
	}
}
