package talloc

import "strings"

// state is where a context is in its life:
//
//	unborn --Init--> live --Free--> freeing --destructors done--> freed
type state uint8

const (
	unborn state = iota
	live
	freeing
	freed
)

// String returns the name of the state.
func (s state) String() string {
	return [...]string{"unborn", "live", "freeing", "freed"}[s]
}

// Context is a node of the tree. It may be embedded in what it owns, so that an object and
// its context are one allocation. Its zero value becomes usable by Init. It must not be copied.
type Context struct {
	name   string
	parent *Context // kept after Free, for the path in panics
	newest *Context // the child made last
	older  *Context // siblings
	newer  *Context

	buffers    *header    // owned buffers, newest first
	destructor Destructor // the first added; more are in extra
	extra      *extra     // what few contexts have

	ownBytes     int64 // classes of own buffers, and charged
	charged      int64 // part of ownBytes
	totalBytes   int64 // own and below
	ownBuffers   int32
	totalBuffers int32
	contexts     int32 // below
	state        state
}

// extra holds what most contexts do without.
type extra struct {
	bytesMax    int64 // 0: unlimited
	contextsMax int   // 0: unlimited
	destructors []Destructor
	values      []value
	root        *root // of roots only
}

type value struct{ key, value any }

// root is what a tree shares.
type root struct {
	thread *Thread
	pool   *pool      // nil while no thread has it: detached
	frees  []*Context // for each Free under way, outermost first, the context it has come to
}

// Root returns a context without a parent. Each thread has one.
func Root(name string) *Context {
	c := new(Context)
	c.start(nil, name)
	return c
}

// Init makes a zero Context a child of parent, or a root if parent is nil. ErrLimit if a limit of parent,
// or of a context above it, on contexts is reached; c stays zero then.
func (c *Context) Init(parent *Context, name string) error {
	if c.state != unborn {
		panic("talloc: Init of context " + c.path() + ", which is in use or freed")
	}
	if parent != nil {
		parent.mustTake("new")
		if err := parent.account(0, 0, 1); err != nil {
			return err
		}
	}
	c.start(parent, name)
	return nil
}

func (c *Context) start(parent *Context, name string) {
	c.name, c.state = name, live
	if parent == nil {
		c.extra = &extra{root: &root{pool: new(pool)}}
		return
	}
	c.link(parent)
}

// New returns a fresh child. Errors as Init.
func (c *Context) New(name string) (*Context, error) {
	child := new(Context)
	if err := child.Init(c, name); err != nil {
		return nil, err
	}
	return child, nil
}

// Name returns the name given at Init or by SetName.
func (c *Context) Name() string { return c.name }

// SetName changes the name that reports and panics show.
func (c *Context) SetName(name string) { c.name = name }

// OnFree adds a destructor. They run once, last added first, after all children were freed.
func (c *Context) OnFree(d Destructor) {
	c.mustTake("on free")
	if c.destructor == nil && (c.extra == nil || len(c.extra.destructors) == 0) {
		c.destructor = d
		return
	}
	e := c.more()
	e.destructors = append(e.destructors, d)
}

// Freed tells whether c was freed (or never initialised). It is false while destructors run.
func (c *Context) Freed() bool { return c.state == freed || c.state == unborn }

// SetValue keeps value under key in c; nil takes it away. Keys are compared with ==.
func (c *Context) SetValue(key, v any) {
	c.mustTake("set value")
	e := c.more()
	for i := range e.values {
		if e.values[i].key == key {
			if v == nil {
				e.values = append(e.values[:i], e.values[i+1:]...)
				return
			}
			e.values[i].value = v
			return
		}
	}
	if v != nil {
		e.values = append(e.values, value{key, v})
	}
}

// Value returns what is kept under key in c or, failing that, in the nearest context above it; nil if there is none.
func (c *Context) Value(key any) any {
	c.Touch("value")
	for x := c; x != nil; x = x.parent {
		if x.extra == nil {
			continue
		}
		for i := range x.extra.values {
			if x.extra.values[i].key == key {
				return x.extra.values[i].value
			}
		}
	}
	return nil
}

// Own makes t the owner of c's root and so of all below it, in place of who was; nil: nobody.
func (c *Context) Own(t *Thread) {
	c.mustLive("own")
	r := c.root()
	r.thread = t
	if r.pool == nil && t != nil {
		r.pool = new(pool)
	}
}

// Thread returns the owner of c's root, nil if there is none. A coroutine of a thread inherits from it.
func (c *Context) Thread() *Thread {
	c.mustLive("thread")
	return c.root().thread
}

// Touch panics if c was freed, in every build. With -race or -tags friocheck it panics also if c belongs to a
// thread that another goroutine is inside of, or the caller is inside another thread. While nobody is
// inside, any goroutine may set up or clear away. what names the operation: "read".
func (c *Context) Touch(what string) {
	c.mustLive(what)
	checkThread(c, what)
}

func (c *Context) mustLive(what string) {
	if c.state != live && c.state != freeing {
		c.dead(what)
	}
}

func (c *Context) dead(what string) {
	if c.state == unborn {
		panic("talloc: use of a context before Init (" + what + ")")
	}
	panic("talloc: use of freed context " + c.path() + " (" + what + ")")
}

// mustTake is Touch for what gives c something.
func (c *Context) mustTake(what string) {
	c.Touch(what)
	if c.state == freeing {
		panic("talloc: context " + c.path() + " is being freed and takes nothing (" + what + ")")
	}
}

// path names c from its root down.
func (c *Context) path() string {
	var names []string
	for x := c; x != nil; x = x.parent {
		names = append(names, x.name)
	}
	var b strings.Builder
	for i := len(names) - 1; i >= 0; i-- {
		b.WriteString(names[i])
		if i > 0 {
			b.WriteByte('/')
		}
	}
	return b.String()
}

func (c *Context) top() *Context {
	for c.parent != nil {
		c = c.parent
	}
	return c
}

func (c *Context) root() *root { return c.top().extra.root }

func (c *Context) more() *extra {
	if c.extra == nil {
		c.extra = new(extra)
	}
	return c.extra
}

// within tells whether c is top or below it.
func (c *Context) within(top *Context) bool {
	for x := c; x != nil; x = x.parent {
		if x == top {
			return true
		}
	}
	return false
}

func (c *Context) link(parent *Context) {
	c.parent = parent
	c.older = parent.newest
	if c.older != nil {
		c.older.newer = c
	}
	parent.newest = c
}

// unlink takes c out of its parent's children and leaves c.parent alone.
func (c *Context) unlink() {
	if c.parent == nil {
		return
	}
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		c.parent.newest = c.older
	}
	if c.older != nil {
		c.older.newer = c.newer
	}
	c.older, c.newer = nil, nil
}
