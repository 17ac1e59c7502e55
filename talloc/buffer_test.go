package talloc

import (
	"math"
	"testing"
)

func TestClasses(t *testing.T) {
	for class := 1; class < classCount; class++ {
		if classSize(class) <= classSize(class-1) {
			t.Errorf("class %d is %d bytes, the one before %d", class, classSize(class), classSize(class-1))
		}
	}
	if classSize(0) != classMin || classSize(classCount-1) != classMax {
		t.Errorf("classes reach from %d to %d", classSize(0), classSize(classCount-1))
	}
	for n := 0; n <= classMax; n++ {
		class := classOf(n)
		if classSize(class) < n || class > 0 && classSize(class-1) >= n {
			t.Fatalf("%d bytes: class %d of %d bytes is not the smallest", n, class, classSize(class))
		}
	}
	if classOf(classMax+1) != -1 || classOf(math.MaxInt) != -1 {
		t.Error("too large for any class, but has one")
	}
}

func TestBuffer(t *testing.T) {
	root := Root("root")
	for _, n := range []int{0, 1, 64, 65, 1000, 65536, classMax, classMax + 1, 1 << 20} {
		b := alloc(t, root, n)
		if len(b.Bytes()) != n || cap(b.Bytes()) != n {
			t.Errorf("%d bytes: length %d, capacity %d", n, len(b.Bytes()), cap(b.Bytes()))
		}
		if got := root.Size(); got.Buffers != 1 || got.Bytes < int64(n) || n > 64 && got.Bytes > int64(n)*3/2 {
			t.Errorf("%d bytes: size %+v", n, got)
		}
		b.Free()
		if got := root.Size(); got != (Sizes{}) {
			t.Errorf("%d bytes: size %+v after Free", n, got)
		}
		mustPanic(t, func() { b.Bytes() }, "use of a freed buffer", "root")
		mustPanic(t, b.Free, "free of a freed buffer")
	}
	var zero Buffer
	zero.Free()
	if !zero.IsZero() || zero.Bytes() != nil {
		t.Error("the zero Buffer holds something")
	}
}

func TestBufferFreedTwiceAfterReuse(t *testing.T) {
	root := Root("root")
	a, b := child(t, root, "a"), child(t, root, "b")
	old := alloc(t, a, 100)
	old.Free()
	again := alloc(t, b, 128)
	if again.h != old.h {
		t.Fatal("the memory was not used again: the test shows nothing")
	}
	mustPanic(t, old.Free, "free of a freed buffer", "root/b")
	mustPanic(t, func() { old.Bytes() }, "use of a freed buffer")
	if len(again.Bytes()) != 128 {
		t.Error("the new owner lost its buffer")
	}
	a.Free()
	if len(again.Bytes()) != 128 {
		t.Error("Free of the old owner took the new one's buffer")
	}
	check(t, root)
}

func TestBufferGenerationEnds(t *testing.T) {
	root := Root("root")
	b := alloc(t, root, 100)
	b.h.gen = math.MaxUint32 - 1
	b.gen = b.h.gen
	b.Free()
	if again := alloc(t, root, 100); again.h == b.h {
		t.Error("a header is used again though its generations are used up")
	}
}

func TestFreeInAnyOrder(t *testing.T) {
	orders := [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}, {0, 2, 1}, {2, 0, 1}}
	for _, order := range orders {
		root := Root("root")
		bufs := []Buffer{alloc(t, root, 10), alloc(t, root, 200), alloc(t, root, 3000)}
		for _, i := range order {
			bufs[i].Free()
			check(t, root)
		}
	}
}

func TestFreeListBound(t *testing.T) {
	root := Root("root")
	const n = 64 << 10
	const keep = classKeepBytes / n
	var bufs []Buffer
	for range 2 * keep {
		bufs = append(bufs, alloc(t, root, n))
	}
	for _, b := range bufs {
		b.Free()
	}
	if got := root.root().pool.class[classOf(n)].count; got != keep {
		t.Errorf("the free list keeps %d buffers of %d bytes, want %d", got, n, keep)
	}
}

func TestAllocFreeDoesNotAllocate(t *testing.T) {
	root := Root("root")
	thread := NewThread("thread")
	root.Own(thread)
	thread.Enter()
	defer thread.Leave()
	c := child(t, child(t, root, "listener"), "conn")
	c.SetLimit(4096, 0)
	got := testing.AllocsPerRun(1000, func() {
		b, err := c.Alloc(1024)
		if err != nil {
			t.Fatal(err)
		}
		b.Bytes()[0]++
		b.Free()
	})
	if got != 0 {
		t.Errorf("alloc and free of 1 KiB allocates %v times", got)
	}
	if allocs := testing.AllocsPerRun(1000, func() { c.Touch("read") }); allocs != 0 {
		t.Errorf("Touch allocates %v times", allocs)
	}
	other := NewThread("other")
	if allocs := testing.AllocsPerRun(1000, func() { other.Enter(); other.Leave() }); allocs != 0 {
		t.Errorf("Enter and Leave allocate %v times", allocs)
	}
}
