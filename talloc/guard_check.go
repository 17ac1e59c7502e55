//go:build race || friocheck

package talloc

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"
)

// spoilByte fills freed buffers.
const spoilByte = 0xdb

// stay is one goroutine inside one thread.
type stay struct {
	current   uintptr // the goroutine; compared
	goroutine uint64  // its number; printed
	thread    *Thread
	depth     int
	pc        [32]uintptr // where Enter was called
	pcCount   int
}

// staysMax bounds the goroutines inside threads at one time: loops and the one coroutine that each has
// resumed. It is fixed so that the checks do not allocate.
const staysMax = 1024

// stays is all goroutines that are inside a thread. It is one table for all: a check asks both who is inside a
// thread and where a goroutine is. Its lock would order the accesses of different threads for the race detector
// and so hide races; hence guard and unguard, and norace on all that is between them.
var stays struct {
	mu    sync.Mutex
	list  [staysMax]stay
	count int
	text  [64]byte // goroutine's
}

//go:norace
func guard() {
	detectorOff()
	stays.mu.Lock()
}

//go:norace
func unguard() {
	stays.mu.Unlock()
	detectorOn()
}

// Enter says that the calling goroutine acts as t until Leave. They nest. With -race or -tags friocheck
// Enter panics while another goroutine is inside.
func (t *Thread) Enter() { t.enter(false) }

// Leave ends Enter.
func (t *Thread) Leave() { t.leave("Leave without Enter") }

// Inherit says that the calling goroutine is a coroutine which acts as t while its resumer, inside t, is
// parked. A coroutine calls it when it is resumed, and Disinherit before it yields or ends.
func (t *Thread) Inherit() { t.enter(true) }

// Disinherit ends Inherit.
func (t *Thread) Disinherit() { t.leave("Disinherit without Inherit") }

//go:norace
func (t *Thread) enter(inherit bool) {
	if t == nil {
		return
	}
	g := current()
	guard()
	mine, other := -1, -1
	for i := 0; i < stays.count; i++ {
		switch s := &stays.list[i]; {
		case s.thread != t:
		case s.current == g:
			mine = i
		default:
			other = i
		}
	}
	switch {
	case mine >= 0:
		stays.list[mine].depth++
	case other >= 0 && !inherit:
		panicOccupied(t, other)
	case stays.count == staysMax:
		unguard()
		panic(fmt.Sprintf("talloc: enter of thread %s: %d goroutines are inside threads", t.name, staysMax))
	default:
		s := &stays.list[stays.count]
		stays.count++
		s.current, s.goroutine, s.thread, s.depth = g, goroutine(), t, 1
		s.pcCount = runtime.Callers(3, s.pc[:])
	}
	unguard()
}

// panicOccupied is apart, as panicForeign and panicElsewhere are, so that the copies it makes do not make enter allocate.
//
//go:norace
func panicOccupied(t *Thread, at int) {
	other, me := stays.list[at], goroutine()
	unguard()
	panic(fmt.Sprintf("talloc: goroutine %d enters thread %s while goroutine %d is inside\n%s\n%s",
		me, t.name, other.goroutine, here(me), other.both()))
}

//go:norace
func (t *Thread) leave(misuse string) {
	if t == nil {
		return
	}
	g := current()
	guard()
	for i := 0; i < stays.count; i++ {
		s := &stays.list[i]
		if s.thread != t || s.current != g {
			continue
		}
		s.depth--
		if s.depth == 0 {
			stays.count--
			*s = stays.list[stays.count]
			stays.list[stays.count] = stay{}
		}
		unguard()
		return
	}
	me := goroutine()
	unguard()
	panic(fmt.Sprintf("talloc: %s: goroutine %d is not inside thread %s", misuse, me, t.name))
}

// checkThread panics if the caller may not touch c: another goroutine is inside the owner of c, or the caller
// is inside another thread only.
//
//go:norace
func checkThread(c *Context, what string) {
	t := c.root().thread
	if t == nil {
		return
	}
	g := current()
	guard()
	inside, elsewhere := -1, -1
	for i := 0; i < stays.count; i++ {
		switch s := &stays.list[i]; {
		case s.thread == t && s.current == g:
			unguard()
			return
		case s.thread == t:
			inside = i
		case s.current == g:
			elsewhere = i
		}
	}
	switch {
	case elsewhere >= 0:
		panicElsewhere(c, t, what, elsewhere, inside)
	case inside >= 0:
		panicForeign(c, t, what, inside)
	}
	unguard()
}

// rule is what a breach breaks.
const rule = "a context, and the IO or loop that it belongs to, may be used by one thread at a time: the owner's; another one gets it by Detach and Adopt"

//go:norace
func panicElsewhere(c *Context, t *Thread, what string, at, inside int) {
	name, me := stays.list[at].thread.name, goroutine()
	var owner string
	if inside >= 0 {
		other := stays.list[inside]
		unguard()
		owner = other.both()
	} else {
		unguard()
	}
	panic(fmt.Sprintf("talloc: context %s of thread %s used (%s) by goroutine %d, which is inside thread %s\n%s\n%s\n%s",
		c.path(), t.name, what, me, name, rule, here(me), owner))
}

//go:norace
func panicForeign(c *Context, t *Thread, what string, at int) {
	inside, me := stays.list[at], goroutine()
	unguard()
	panic(fmt.Sprintf("talloc: context %s used (%s) by goroutine %d while goroutine %d is inside its thread %s\n%s\n%s\n%s",
		c.path(), what, me, inside.goroutine, t.name, rule, here(me), inside.both()))
}

// both prints where a goroutine entered its thread, and where it is.
func (s *stay) both() string {
	return fmt.Sprintf("goroutine %d entered at:\n%s\n%s", s.goroutine, s.where(), there(s.goroutine))
}

// where prints the stack of Enter.
func (s *stay) where() string {
	var b strings.Builder
	frames := runtime.CallersFrames(s.pc[:s.pcCount])
	for {
		f, more := frames.Next()
		fmt.Fprintf(&b, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
		if !more {
			return b.String()
		}
	}
}

// here prints the caller's stack.
func here(g uint64) string {
	buf := make([]byte, 16<<10)
	return fmt.Sprintf("goroutine %d is at:\n%s", g, buf[:runtime.Stack(buf, false)])
}

// there prints the stack of another goroutine, which may have gone on meanwhile; nothing if it has ended.
func there(g uint64) string {
	buf := make([]byte, 1<<20)
	all := string(buf[:runtime.Stack(buf, true)])
	start := strings.Index(all, fmt.Sprintf("goroutine %d [", g))
	if start < 0 {
		return ""
	}
	text := all[start:]
	if end := strings.Index(text, "\n\n"); end >= 0 {
		text = text[:end+1]
	}
	return fmt.Sprintf("goroutine %d is at:\n%s", g, text)
}

// goroutine returns the number of the calling goroutine, which only the text of its stack gives:
// "goroutine 7 [running]:". The guard is held: the text is kept in the table, so that this does not allocate.
//
//go:norace
func goroutine() uint64 {
	text := stays.text[:runtime.Stack(stays.text[:], false)]
	var g uint64
	for i := len("goroutine "); i < len(text) && '0' <= text[i] && text[i] <= '9'; i++ {
		g = 10*g + uint64(text[i]-'0')
	}
	return g
}

func spoil(mem []byte) {
	for i := range mem {
		mem[i] = spoilByte
	}
}

func checkSpoiled(h *header) {
	if bytes.Count(h.mem, []byte{spoilByte}) != len(h.mem) {
		panic("talloc: a freed buffer was written to (last of context " + h.owner.path() + ")")
	}
}
