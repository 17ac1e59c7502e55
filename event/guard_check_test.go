//go:build race || friocheck

package event

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio/talloc"
)

// manyTimers is fewer where each operation is checked and takes ten times as long.
const manyTimers = 100_000

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

func TestWrongThread(t *testing.T) {
	// While one goroutine is inside a turn, nothing of the loop may be touched by another.
	l, sys, p := fakeLoop(t, Config{Name: "thread 1"})
	var f FD
	attach(t, l, &f, 5, Read, nil)
	timer := newTimer(func(time.Time) {})
	timer.Set(l, sys.now.Add(time.Hour))
	task := newTask(func() {})
	ctx, err := l.Context().New("conn 7")
	if err != nil {
		t.Fatal(err)
	}
	uses := map[string]func(){
		"(want)":                 func() { f.Want(0) },
		"(detach)":               func() { f.Detach() },
		"(attach)":               func() { new(FD).attachNamed(l) },
		"(set timer)":            func() { timer.Set(l, sys.now) },
		"(stop timer)":           func() { timer.Stop() },
		"(defer)":                func() { l.Defer(task) },
		"(linger)":               func() { l.Linger(9, &fakeCloser{}, Read) },
		"(close)":                func() { l.Close() },
		"(bytes)":                func() { l.Scratch() },
		"(read)":                 func() { ctx.Touch("read") },
		"enters thread thread 1": func() { l.Thread().Enter() },
	}
	p.onWait = func() {
		for what, use := range uses {
			text := make(chan string)
			go func() {
				text <- fmt.Sprint(caught(use))
			}()
			got := <-text
			if !strings.Contains(got, what) || !strings.Contains(got, "is inside") {
				t.Errorf("%s: %s", what, got)
			}
			caught, inside := sides(t, what, got)
			if !strings.Contains(caught, "event.TestWrongThread.func") || strings.Contains(caught, "event.(*Loop).Turn") || !strings.Contains(inside, "event.(*Loop).Turn") {
				t.Errorf("%s: who is caught is at\n%s\nand who is inside at\n%s", what, caught, inside)
			}
		}
		p.onWait = nil
	}
	turn(t, l, 0)
	if f.Wanted() != Read || task.Pending() || l.Stats().Lingering != 0 {
		t.Error("a refused call did something")
	}
	// Of another loop's thread, too.
	two := newLoop(t, sys, Config{Name: "thread 2"})
	two.Defer(newTask(func() { timer.Set(l, sys.now) }))
	mustPanic(t, func() { two.Turn(0) }, "of thread thread 1 used (set timer)", "inside thread thread 2")
	timer.Stop()
	f.Detach()
	ctx.Free()
}

func (f *FD) attachNamed(l *Loop) {
	f.Init(8, &owner{name: "io 8"})
	f.Attach(l)
}

func TestThreadIsLeftAfterPanic(t *testing.T) {
	l, _, _ := fakeLoop(t, Config{})
	l.Defer(newTask(func() { panic("x") }))
	mustPanic(t, func() { l.Turn(0) }, "x")
	text := make(chan any)
	go func() { text <- caught(func() { l.Context().Touch("read") }) }()
	if got := <-text; got != nil {
		t.Errorf("after a panic: %v", got)
	}
}

func TestScratchIsSpoiled(t *testing.T) {
	l, _, _ := fakeLoop(t, Config{})
	var kept []byte
	l.Defer(newTask(func() {
		kept = l.Scratch()
		clear(kept)
	}))
	turn(t, l, 0)
	for i, b := range kept {
		if b != 0xdb {
			t.Fatalf("byte %d is %#x after the turn", i, b)
		}
	}
}

func TestFreedContextOfLoop(t *testing.T) {
	root := talloc.Root("root")
	ctx, err := root.New("loop")
	if err != nil {
		t.Fatal(err)
	}
	l, err := New(ctx, newFake(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	root.Free()
	mustPanic(t, func() { ctx.Touch("x") }, "freed context root/loop (x)")
	if l.Post(func() {}) == nil {
		t.Error("a freed loop takes posts")
	}
}
