package talloc

// Free frees c: children first (last made first), then destructors in reverse order, then buffers.
// Twice panics, and so does a destructor that frees its own context or one above it. Sizes of the
// contexts above are lowered at the end. If a destructor panics, what is left can be freed by
// another Free. The depth of the tree costs no stack.
func (c *Context) Free() {
	c.Touch("free")
	r := c.root()
	r.mustRest(c, "free")
	level := len(r.frees)
	r.frees = append(r.frees, c)
	defer func() {
		clear(r.frees[level:])
		r.frees = r.frees[:level]
	}()

	for x := c; ; {
		x.state = freeing
		r.frees[level] = x
		if x.newest != nil {
			x = x.newest
			continue
		}
		if d := x.popDestructor(); d != nil {
			d.Destroy()
			continue
		}
		for x.buffers != nil {
			r.release(x.dropBuffer(x.buffers))
		}
		if x == c {
			break
		}
		// The sizes of x stay in those above until the top goes: one walk instead of one for each.
		x.unlink()
		x.bury()
		x = x.parent
	}
	c.unlink()
	for x := c.parent; x != nil; x = x.parent {
		x.totalBytes -= c.totalBytes
		x.totalBuffers -= c.totalBuffers
		x.contexts -= c.contexts + 1
	}
	c.bury()
}

// mustRest panics if a Free under way has come to c or to something below it.
func (r *root) mustRest(c *Context, what string) {
	for _, at := range r.frees {
		if at.within(c) {
			panic("talloc: " + what + " of context " + c.path() + " from a destructor of " + at.path() + ": it is being freed already")
		}
	}
}

func (c *Context) popDestructor() Destructor {
	if e := c.extra; e != nil {
		if last := len(e.destructors) - 1; last >= 0 {
			d := e.destructors[last]
			e.destructors[last] = nil
			e.destructors = e.destructors[:last]
			return d
		}
	}
	d := c.destructor
	c.destructor = nil
	return d
}

// bury marks c freed and lets go of what it held but the way up.
func (c *Context) bury() {
	*c = Context{name: c.name, parent: c.parent, state: freed}
}
