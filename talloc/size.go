package talloc

import (
	"bufio"
	"fmt"
	"io"
	"math"
)

// SetLimit bounds what c and all below it may hold: bytes, as Sizes counts them, and contexts below c. 0: unlimited.
// What is held above the limit already stays. Negative limits panic.
func (c *Context) SetLimit(bytes int64, contexts int) {
	c.Touch("set limit")
	if bytes < 0 || contexts < 0 {
		panic("talloc: negative limit of context " + c.path())
	}
	e := c.more()
	e.bytesMax, e.contextsMax = bytes, contexts
}

// Charge counts n bytes that c holds outside of buffers against its limits. ErrLimit: nothing was charged.
func (c *Context) Charge(n int64) error {
	c.mustTake("charge")
	if n < 0 {
		panic("talloc: negative charge of context " + c.path())
	}
	if err := c.account(n, 0, 0); err != nil {
		return err
	}
	c.ownBytes += n
	c.charged += n
	return nil
}

// Uncharge takes back n bytes of what was charged (Free does so for what is left). More than was charged panics.
func (c *Context) Uncharge(n int64) {
	c.Touch("uncharge")
	if n < 0 || n > c.charged {
		panic(fmt.Sprintf("talloc: uncharge of %d bytes of context %s, which was charged %d", n, c.path(), c.charged))
	}
	c.ownBytes -= n
	c.charged -= n
	c.add(-n, 0, 0)
}

// account adds to the totals of c and all above it, or returns ErrLimit and adds nothing.
func (c *Context) account(bytes int64, buffers, contexts int32) error {
	if !c.room(bytes, buffers, contexts, nil) {
		return ErrLimit
	}
	c.add(bytes, buffers, contexts)
	return nil
}

// room tells whether c and those above it, up to but not including end, may hold so much more.
func (c *Context) room(bytes int64, buffers, contexts int32, end *Context) bool {
	for x := c; x != end; x = x.parent {
		if bytes > math.MaxInt64-x.totalBytes || buffers > math.MaxInt32-x.totalBuffers || contexts > math.MaxInt32-x.contexts {
			return false
		}
		e := x.extra
		if e == nil {
			continue
		}
		if e.bytesMax > 0 && bytes > 0 && bytes > e.bytesMax-x.totalBytes {
			return false
		}
		if e.contextsMax > 0 && contexts > 0 && int(contexts) > e.contextsMax-int(x.contexts) {
			return false
		}
	}
	return true
}

func (c *Context) add(bytes int64, buffers, contexts int32) {
	for x := c; x != nil; x = x.parent {
		x.totalBytes += bytes
		x.totalBuffers += buffers
		x.contexts += contexts
	}
}

// Sizes is what a context holds.
type Sizes struct {
	Bytes    int64 // buffers by the size of their class, and what was charged
	Buffers  int
	Contexts int // below; not itself
}

// Size is what c itself holds. Contexts are its children.
func (c *Context) Size() Sizes {
	c.Touch("size")
	s := Sizes{Bytes: c.ownBytes, Buffers: int(c.ownBuffers)}
	for x := c.newest; x != nil; x = x.older {
		s.Contexts++
	}
	return s
}

// Total is what c and all below it hold.
func (c *Context) Total() Sizes {
	c.Touch("total")
	return Sizes{Bytes: c.totalBytes, Buffers: int(c.totalBuffers), Contexts: int(c.contexts)}
}

// Report prints the tree, one context a line, indented, in the order in which children were made: name,
// own and total sizes, limits. Errors of w are dropped.
func (c *Context) Report(w io.Writer) {
	c.Touch("report")
	b := bufio.NewWriter(w)
	defer b.Flush()
	depth := 0
	for x := c; ; {
		x.line(b, depth)
		if k := x.oldest(); k != nil {
			x = k
			depth++
			continue
		}
		for x != c && x.newer == nil {
			x = x.parent
			depth--
		}
		if x == c {
			return
		}
		x = x.newer
	}
}

func (c *Context) oldest() *Context {
	x := c.newest
	for x != nil && x.older != nil {
		x = x.older
	}
	return x
}

func (c *Context) line(w io.Writer, depth int) {
	fmt.Fprintf(w, "%*s%s: %d bytes in %d buffers", 2*depth, "", c.name, c.ownBytes, c.ownBuffers)
	if c.charged > 0 {
		fmt.Fprintf(w, " and %d charged", c.charged)
	}
	if c.contexts > 0 {
		fmt.Fprintf(w, "; total %d bytes in %d buffers, %d contexts", c.totalBytes, c.totalBuffers, c.contexts)
	}
	if e := c.extra; e != nil && e.bytesMax > 0 {
		fmt.Fprintf(w, "; limit %d bytes", e.bytesMax)
	}
	if e := c.extra; e != nil && e.contextsMax > 0 {
		fmt.Fprintf(w, "; limit %d contexts", e.contextsMax)
	}
	fmt.Fprintln(w)
}
