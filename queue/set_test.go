package queue

import (
	"bytes"
	"syscall"
	"testing"

	"github.com/frio-io/frio/talloc"
)

func newSet(t testing.TB, headers, ringBytes int) *Set[int] {
	t.Helper()
	s, err := NewSet[int](newRoot(t), headers, ringBytes)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func reserve(t testing.TB, s *Set[int], n, count int) []byte {
	t.Helper()
	p, err := s.Reserve(n, count)
	if err != nil || len(p) != n || cap(p) != n {
		t.Fatalf("reserve of %d and %d: %d bytes, %v", n, count, len(p), err)
	}
	return p
}

// put makes a message of n bytes, all of the value.
func put(t testing.TB, s *Set[int], n int, value byte) Message[int] {
	t.Helper()
	fill(reserve(t, s, n, 1), value)
	m := s.Commit(n)
	*m.Value() = int(value)
	return m
}

func fill(p []byte, value byte) {
	for i := range p {
		p[i] = value
	}
}

// check fails unless m is as put made it.
func check(t testing.TB, m Message[int], n int, value byte) {
	t.Helper()
	if p := m.Data(); len(p) != n || bytes.Count(p, []byte{value}) != n || *m.Value() != int(value) {
		t.Errorf("message %d: %d bytes % x..., want %d of %02x", *m.Value(), len(p), p[:min(4, len(p))], n, value)
	}
}

func refused(t testing.TB, s *Set[int], n, count int) {
	t.Helper()
	if p, err := s.Reserve(n, count); p != nil || err != syscall.EAGAIN {
		t.Errorf("reserve of %d and %d in a full set: %d bytes, %v", n, count, len(p), err)
	}
}

// inUse takes back what is done, and tells how many messages are there still, those that are done and wait for an older one too, and how
// many bytes of the ring they have.
func inUse(s *Set[int]) (messages, bytes int) {
	s.reclaim()
	return int(s.next - s.oldest), int(s.tail - s.head)
}

// holds fails unless that is so much.
func holds(t testing.TB, s *Set[int], messages, bytes int) {
	t.Helper()
	if m, b := inUse(s); m != messages || b != bytes {
		t.Errorf("%d messages with %d bytes are in use, want %d with %d", m, b, messages, bytes)
	}
}

func TestSetReserveAndCommit(t *testing.T) {
	s := newSet(t, 8, 1024)
	// The most is reserved, what came is committed, and the rest is there for the next.
	copy(reserve(t, s, 1000, 1), "hello")
	a := s.Commit(5)
	fill(reserve(t, s, 1019, 1), 'b')
	b := s.Commit(1019)
	if string(a.Data()) != "hello" || len(b.Data()) != 1019 || *a.Value() != 0 {
		t.Errorf("messages %q and %d bytes, value %d", a.Data(), len(b.Data()), *a.Value())
	}
	refused(t, s, 1, 1)
	b.Done()
	refused(t, s, 1, 1) // a is before it
	a.Done()
	// A reservation that is not used costs nothing.
	reserve(t, s, 1024, 8)
	reserve(t, s, 1024, 8)
	holds(t, s, 0, 0)
}

// One read brings several messages and the head of the next.
func TestSetSplitsReservation(t *testing.T) {
	s := newSet(t, 8, 64)
	p := reserve(t, s, 64, 4)
	copy(p, "one..three.rest")
	one := s.Commit(3)
	s.Skip(2)
	three := s.Commit(5)
	if string(one.Data()) != "one" || string(three.Data()) != "three" {
		t.Errorf("%q and %q", one.Data(), three.Data())
	}
	holds(t, s, 2, 10)
	empty := s.Commit(0)
	if len(empty.Data()) != 0 {
		t.Error("an empty message has data")
	}
	s.Skip(54) // no message follows: nothing is used
	holds(t, s, 3, 10)
	if cap(one.Data()) != 3 {
		t.Error("appending to one message writes into the next")
	}
	for _, m := range []Message[int]{three, empty, one} {
		m.Done()
	}
	holds(t, s, 0, 0)
}

func TestSetWraps(t *testing.T) {
	s := newSet(t, 8, 128)
	var held []Message[int]
	sizes := []int{40, 33, 1, 50, 17, 64, 5, 29}
	size := func(i int) int { return sizes[i%len(sizes)] }
	full := false
	for i := range 100 {
		for {
			if p, err := s.Reserve(size(i), 1); err == nil {
				fill(p, byte(i))
				m := s.Commit(len(p))
				*m.Value() = int(byte(i))
				held = append(held, m)
				if _, bytes := inUse(s); bytes > 128 {
					t.Errorf("%d bytes of 128 are in use", bytes)
				}
				break
			}
			full = true
			if len(held) == 0 {
				t.Fatalf("message %d of %d bytes does not fit into an empty ring", i, size(i))
			}
			check(t, held[0], size(i-len(held)), byte(i-len(held)))
			held[0].Done()
			held = held[1:]
		}
	}
	if !full {
		t.Error("it never was full")
	}
}

// Out of order: one message that is held keeps what is behind it, up to the ring's end.
func TestSetPinned(t *testing.T) {
	s := newSet(t, 16, 1024)
	slow := put(t, s, 100, 1)
	for i := range 9 {
		put(t, s, 100, byte(2+i)).Done()
	}
	refused(t, s, 100, 1)
	holds(t, s, 10, 1000)
	check(t, slow, 100, 1)
	slow.Done() // and all of it is free at once
	fill(reserve(t, s, 1024, 16), 0xee)
	holds(t, s, 0, 0)
}

func TestSetHeadersRunOut(t *testing.T) {
	s := newSet(t, 4, 1024)
	var held []Message[int]
	for i := range 4 {
		if i > 0 {
			refused(t, s, 1, 4-i+1)
		}
		held = append(held, put(t, s, 1, byte(i)))
	}
	refused(t, s, 0, 1)
	held[0].Done()
	reserve(t, s, 0, 1)
	refused(t, s, 0, 2)
}

func TestSetMisuse(t *testing.T) {
	s := newSet(t, 4, 64)
	m := put(t, s, 8, 1)
	m.Done()
	for name, want := range map[string]string{
		"data":  "queue: data of a message that is done",
		"value": "queue: value of a message that is done",
	} {
		mustPanic(t, want, func() {
			if name == "data" {
				m.Data()
			} else {
				m.Value()
			}
		})
	}
	mustPanic(t, "queue: a message is done twice", m.Done)
	// The handle does not fit either when another message has its header.
	for range 5 {
		reserve(t, s, 8, 1)
		live := s.Commit(8)
		mustPanic(t, "queue: a message is done twice", m.Done)
		live.Done()
	}
	mustPanic(t, "queue: reserve of 65 bytes and 1 headers in a set of 64 and 4", func() { s.Reserve(65, 1) })
	mustPanic(t, "queue: reserve of 1 bytes and 5 headers in a set of 64 and 4", func() { s.Reserve(1, 5) })
	mustPanic(t, "queue: reserve of 1 bytes and 0 headers in a set of 64 and 4", func() { s.Reserve(1, 0) })
	reserve(t, s, 8, 1)
	mustPanic(t, "queue: commit of 9 bytes, 8 are reserved", func() { s.Commit(9) })
	mustPanic(t, "queue: skip of 9 bytes, 8 are reserved", func() { s.Skip(9) })
	s.Commit(4).Done()
	mustPanic(t, "queue: commit of more messages than were reserved", func() { s.Commit(1) })
	mustPanic(t, "queue: ring of 100 bytes: not a power of two up to 1073741824", func() { newSet(t, 4, 100) })
}

func TestSetMemory(t *testing.T) {
	if RingBytes != 4<<20 || Headers != 1024 {
		t.Errorf("the sums in the comments say 4 MiB and 1024, the constants %d and %d", RingBytes, Headers)
	}
	ctx := talloc.Root("originator")
	ctx.SetLimit(4096, 0)
	if _, err := NewSet[int](ctx, 8, 4096); err != talloc.ErrLimit || ctx.Size().Bytes != 0 {
		t.Errorf("over the limit: %v, %d bytes charged", err, ctx.Size().Bytes)
	}
	ctx.SetLimit(0, 0)
	s, err := NewSet[int](ctx, 8, 4096)
	if err != nil {
		t.Fatal(err)
	}
	if n := ctx.Size().Bytes; n <= 4096 || n > 4096+8*64 {
		t.Errorf("%d bytes charged", n)
	}
	m := put(t, s, 100, 3)
	ctx.Free()
	check(t, m, 100, 3) // whoever holds it is not hurt
	m.Done()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("reserve in a freed context")
			}
		}()
		s.Reserve(1, 1)
	}()
}

func TestSetDoesNotAllocate(t *testing.T) {
	s := newSet(t, 64, 1<<16)
	q, err := NewSPSC[Message[int]](newRoot(t), 64)
	if err != nil {
		t.Fatal(err)
	}
	step := func() {
		if _, err := s.Reserve(4096, 3); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			m := s.Commit(100 + i)
			*m.Value() = i
			q.Send(m)
		}
		for i := range 3 {
			m, err := q.Receive()
			if err != nil || *m.Value() != i || len(m.Data()) != 100+i {
				t.Fatal("message", i, err)
			}
			m.Done()
		}
	}
	step()
	if got := testing.AllocsPerRun(100, step); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
