package talloc

// Steal moves c, with all below it, under parent, within a thread. ErrLimit if it does not fit there:
// nothing changed then. Limits that c is under before and after are not asked. A root
// (adopt it), a parent in c's own subtree and a parent of another thread panic.
func (c *Context) Steal(parent *Context) error {
	c.mustTake("steal")
	parent.mustTake("steal into")
	if c.parent == nil {
		panic("talloc: steal of root " + c.path() + ": a root is adopted")
	}
	if parent.within(c) {
		panic("talloc: steal of context " + c.path() + " into its own subtree at " + parent.path())
	}
	from, to := c.root(), parent.root()
	if from.thread != to.thread {
		panic("talloc: steal of context " + c.path() + " into " + parent.path() + " of another thread: use Detach and Adopt")
	}
	from.mustRest(c, "steal")
	bytes, buffers, contexts := c.totalBytes, c.totalBuffers, c.contexts+1
	common := parent
	for common != nil && !c.within(common) {
		common = common.parent
	}
	if !parent.room(bytes, buffers, contexts, common) {
		return ErrLimit
	}
	c.parent.add(-bytes, -buffers, -contexts)
	parent.add(bytes, buffers, contexts)
	c.unlink()
	c.link(parent)
	return nil
}

// Detach makes c, with all below it, a root of its own that no thread owns yet. It keeps its
// values, inherited ones too. Until it is adopted its buffers come from the heap and go there.
// Thread: the owner's; it gives c away.
func (c *Context) Detach() {
	c.mustTake("detach")
	r := c.root()
	r.mustRest(c, "detach")
	if c.parent == nil {
		r.thread, r.pool = nil, nil
		return
	}
	e := c.more()
	for x := c.parent; x != nil; x = x.parent {
		if x.extra == nil {
			continue
		}
		for _, v := range x.extra.values {
			if !e.has(v.key) {
				e.values = append(e.values, v)
			}
		}
	}
	c.parent.add(-c.totalBytes, -c.totalBuffers, -(c.contexts + 1))
	c.unlink()
	c.parent = nil
	e.root = new(root)
}

func (e *extra) has(key any) bool {
	for i := range e.values {
		if e.values[i].key == key {
			return true
		}
	}
	return false
}

// Adopt takes a detached context, or a root that no thread owns, in under c. ErrLimit if it does
// not fit: it stays what it was. Anything else, and c itself, panics. Thread: the new owner's.
func (c *Context) Adopt(child *Context) error {
	c.mustTake("adopt into")
	child.mustTake("adopt")
	if child.parent != nil {
		panic("talloc: adopt of context " + child.path() + ", which is not detached")
	}
	if c.within(child) {
		panic("talloc: adopt of context " + child.path() + " into its own subtree at " + c.path())
	}
	r := child.extra.root
	if r.thread != nil && r.thread != c.root().thread {
		panic("talloc: adopt of context " + child.path() + ", which thread " + r.thread.name + " owns")
	}
	r.mustRest(child, "adopt")
	if err := c.account(child.totalBytes, child.totalBuffers, child.contexts+1); err != nil {
		return err
	}
	child.extra.root = nil
	child.link(c)
	return nil
}
