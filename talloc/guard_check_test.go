//go:build race || friocheck

package talloc

import (
	"fmt"
	"iter"
	"regexp"
	"strings"
	"testing"
)

// elsewhere runs f on another goroutine and returns the text of its panic, "" if there is none.
func elsewhere(f func()) string {
	text := make(chan string)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				text <- fmt.Sprint(r)
				return
			}
			text <- ""
		}()
		f()
	}()
	return <-text
}

// headers are how the stacks in a panic of the guard begin.
var headers = regexp.MustCompile(`(?m)^goroutine (\d+) (?:\[.*\]:|entered at:|is at:)$`)

// sides returns the stacks that text shows, of the goroutine that is caught and of the one that is inside. With others than two it
// fails the test.
func sides(t *testing.T, what, text string) (caught, inside string) {
	t.Helper()
	stacks := map[string]string{}
	var order []string
	at := headers.FindAllStringSubmatchIndex(text, -1)
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		number := text[m[2]:m[3]]
		if _, known := stacks[number]; !known {
			order = append(order, number)
		}
		stacks[number] += text[m[1]:end]
	}
	if len(order) != 2 {
		t.Errorf("%s: the panic shows the stacks of goroutines %v, want two:\n%s", what, order, text)
		return "", ""
	}
	return stacks[order[0]], stacks[order[1]]
}

func TestTouchOfAnotherThread(t *testing.T) {
	root := Root("root")
	one, two := NewThread("one"), NewThread("two")
	root.Own(one)
	c := child(t, root, "conn 7")
	buf := alloc(t, c, 10)
	uses := map[string]func(){
		"read":  func() { c.Touch("read") },
		"bytes": func() { buf.Bytes() },
		"alloc": func() { c.Alloc(1) },
	}
	for what, use := range uses {
		if got := elsewhere(use); got != "" {
			t.Errorf("%s while nobody is inside: %s", what, got)
		}
		one.Enter()
		use()
		got := elsewhere(use)
		one.Leave()
		for _, part := range []string{"context root/conn 7 used (" + what + ")", "its thread one", "entered at:", rule} {
			if !strings.Contains(got, part) {
				t.Errorf("%s while another goroutine is inside: %q lacks %q", what, got, part)
			}
		}
		caught, inside := sides(t, what, got)
		if !strings.Contains(caught, "talloc.elsewhere.func1") || strings.Contains(caught, "talloc.TestTouchOfAnotherThread(") ||
			!strings.Contains(inside, "talloc.TestTouchOfAnotherThread(") || strings.Contains(inside, "talloc.elsewhere.func1") {
			t.Errorf("%s: who is caught is at\n%s\nand who is inside at\n%s", what, caught, inside)
		}
		two.Enter()
		mustPanic(t, use, "context root/conn 7 of thread one used ("+what+")", "inside thread two")
		one.Enter()
		use() // inside both
		one.Leave()
		two.Leave()
	}
	one.Enter()
	defer one.Leave()
	c.Detach()
	if got := elsewhere(func() { c.Touch("read") }); got != "" {
		t.Errorf("detached: %s", got)
	}
}

func TestEnter(t *testing.T) {
	one := NewThread("one")
	one.Enter()
	one.Enter()
	one.Leave()
	got := elsewhere(one.Enter)
	for _, part := range []string{"enters thread one while goroutine", "is inside", "is at:", "entered at:", "TestEnter"} {
		if !strings.Contains(got, part) {
			t.Errorf("foreign Enter: %q lacks %q", got, part)
		}
	}
	if caught, inside := sides(t, "foreign Enter", got); !strings.Contains(caught, "talloc.elsewhere.func1") || !strings.Contains(inside, "talloc.TestEnter(") {
		t.Errorf("foreign Enter: who is caught is at\n%s\nand who is inside at\n%s", caught, inside)
	}
	if got := elsewhere(one.Leave); !strings.Contains(got, "Leave without Enter") {
		t.Errorf("foreign Leave: %q", got)
	}
	one.Leave()
	if got := elsewhere(func() { one.Enter(); one.Leave() }); got != "" {
		t.Errorf("Enter after the last Leave: %s", got)
	}
	mustPanic(t, one.Leave, "Leave without Enter")
	var nobody *Thread
	nobody.Enter()
	nobody.Leave()
}

func TestInherit(t *testing.T) {
	root := Root("root")
	one := NewThread("one")
	root.Own(one)
	coroutine := func(inherit bool) iter.Seq[int] {
		return func(yield func(int) bool) {
			for {
				if inherit {
					one.Inherit()
				}
				root.Touch("read")
				one.Enter() // a coroutine that inherited may enter
				one.Leave()
				if inherit {
					one.Disinherit()
				}
				if !yield(1) {
					return
				}
			}
		}
	}
	for _, inherit := range []bool{true, false} {
		next, stop := iter.Pull(coroutine(inherit))
		one.Enter()
		if inherit {
			next()
			one.Leave()
			one.Enter()
			next()
		} else {
			mustPanic(t, func() { next() }, "context root used (read)")
		}
		one.Leave()
		stop()
	}
	if stays.count != 0 {
		t.Errorf("%d goroutines left inside", stays.count)
	}
	mustPanic(t, one.Disinherit, "Disinherit without Inherit")
}

func TestFreedBufferIsSpoiled(t *testing.T) {
	root := Root("root")
	for _, n := range []int{100, classMax + 1} {
		b := alloc(t, root, n)
		mem := b.Bytes()
		b.Free()
		for i := range mem {
			if mem[i] != 0xdb {
				t.Fatalf("buffer of %d: byte %d of a freed buffer is %#x", n, i, mem[i])
			}
		}
	}
	b := alloc(t, root, 100)
	mem := b.Bytes()
	b.Free()
	mem[3] = 1
	mustPanic(t, func() { root.Alloc(100) }, "a freed buffer was written to", "root")
}
