package queue

import (
	"net"
	"slices"
	"syscall"
	"testing"
)

// modelQueue is what an MPSC has to be: positions in the order of the claims, each filled or not.
type modelQueue struct {
	depth  int
	slots  []modelSlot
	idle   bool
	closed bool
}

type modelSlot struct {
	sender, value int
	filled        bool
}

func (m *modelQueue) take() (wake bool) {
	wake, m.idle = m.idle, false
	return wake
}

func (m *modelQueue) receive() (value int, err error) {
	switch {
	case len(m.slots) > 0 && m.slots[0].filled:
		value = m.slots[0].value
		m.slots = m.slots[1:]
		return value, nil
	case m.closed && len(m.slots) == 0:
		err = net.ErrClosed
	default:
		err = syscall.EAGAIN
	}
	m.idle = true
	return 0, err
}

// FuzzMPSC runs a schedule of four senders and the receiver, a byte a step, against the model. A sender's two steps, claim and
// publish, are steps of the schedule, so that others come between.
func FuzzMPSC(f *testing.F) {
	f.Add([]byte{0, 0, 1, 1, 4, 4, 4})
	f.Add([]byte{0, 1, 2, 3, 4, 1, 4, 0, 4, 4, 2, 3, 4, 4, 4})
	f.Add([]byte{0, 1, 1, 5, 4, 0, 4, 4, 4, 2})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 4, 1, 2, 4, 6, 4, 4, 4, 0, 4, 4})
	f.Fuzz(func(t *testing.T, schedule []byte) {
		const senders = 4
		q, err := NewMPSC[int](newRoot(t), 4)
		if err != nil {
			t.Fatal(err)
		}
		m := &modelQueue{depth: 4, idle: true}
		claimed := [senders]int64{-1, -1, -1, -1}
		sent, got := [senders]int{}, [senders]int{}
		receive := func() error {
			want, wantErr := m.receive()
			v, err := q.Receive()
			if v != want || err != wantErr {
				t.Fatalf("received %d, %v; the model %d, %v", v, err, want, wantErr)
			}
			if err == nil {
				sender, number := v%senders, v/senders
				if number != got[sender]+1 {
					t.Fatalf("sender %d: %d after %d", sender, number, got[sender])
				}
				got[sender] = number
			}
			return err
		}
		step := func(s int) {
			if claimed[s] >= 0 {
				i := slices.IndexFunc(m.slots, func(x modelSlot) bool { return x.sender == s && !x.filled })
				m.slots[i].filled = true
				if wake, want := q.publish(uint64(claimed[s]), m.slots[i].value), m.take(); wake != want {
					t.Fatalf("sender %d: wake %v, the model %v", s, wake, want)
				}
				claimed[s] = -1
				return
			}
			var want error
			switch {
			case m.closed:
				want = net.ErrClosed
			case len(m.slots) == m.depth:
				want = syscall.EAGAIN
			}
			pos, err := q.claim()
			if err != want {
				t.Fatalf("sender %d: claim %v, the model %v", s, err, want)
			}
			if err == nil {
				sent[s]++
				claimed[s] = int64(pos)
				m.slots = append(m.slots, modelSlot{sender: s, value: sent[s]*senders + s})
			}
		}
		for _, b := range schedule {
			switch op := int(b) % 7; op {
			case 4:
				receive()
			case 5:
				// Seldom, or all schedules would end soon.
				if b < 28 {
					wake, want := q.Close(), !m.closed && m.take()
					m.closed = true
					if wake != want {
						t.Fatalf("close: wake %v, the model %v", wake, want)
					}
				}
			case 6:
				if n := q.Len(); n != len(m.slots) {
					t.Fatalf("%d wait, the model %d", n, len(m.slots))
				}
			default:
				step(op)
			}
		}
		// All that was claimed comes out, then the end.
		q.Close()
		m.closed, m.idle = true, false
		q.idle.Store(false)
		for s := range senders {
			if claimed[s] >= 0 {
				step(s)
			}
		}
		for receive() == nil {
		}
		if sent != got {
			t.Fatalf("sent %v, received %v", sent, got)
		}
	})
}

// FuzzSPSC runs a schedule of both ends against the same model, whose list has at its end what is put and not published.
func FuzzSPSC(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1})
	f.Add([]byte{1, 0, 2, 1, 0, 3, 0, 1, 1, 1})
	f.Add([]byte{0, 0, 0, 3, 0, 1, 0, 1})
	f.Fuzz(func(t *testing.T, schedule []byte) {
		q, err := NewSPSC[int](newRoot(t), 4)
		if err != nil {
			t.Fatal(err)
		}
		m := &modelQueue{depth: 4, idle: true}
		sent, pos, put := 0, uint64(0), false
		for _, b := range schedule {
			var want error
			switch b % 4 {
			case 0:
				if m.closed {
					want = net.ErrClosed
				}
				if put {
					put = false
					wantWake := false
					if want == nil {
						sent++
						m.slots = append(m.slots, modelSlot{value: sent, filled: true})
						wantWake = m.take()
					}
					if wake, err := q.publish(pos); wake != wantWake || err != want {
						t.Fatalf("publish: wake %v, %v; the model %v, %v", wake, err, wantWake, want)
					}
					continue
				}
				if want == nil && len(m.slots) == m.depth {
					want = syscall.EAGAIN
				}
				if pos, err = q.put(sent + 1); err != want {
					t.Fatalf("put: %v, the model %v", err, want)
				}
				put = err == nil
			case 1:
				value, want := m.receive()
				if v, err := q.Receive(); v != value || err != want {
					t.Fatalf("received %d, %v; the model %d, %v", v, err, value, want)
				}
			case 2:
				if n := q.Len(); n != len(m.slots) {
					t.Fatalf("%d wait, the model %d", n, len(m.slots))
				}
			case 3:
				// Seldom, or all schedules would end soon.
				if b < 16 {
					wake, want := q.Close(), !m.closed && m.take()
					m.closed = true
					if wake != want {
						t.Fatalf("close: wake %v, the model %v", wake, want)
					}
				}
			}
		}
	})
}

// FuzzSet runs a schedule of reservations, commits and ends in any order, a byte pair a step, and holds the set to
// what it promises: no memory is given twice, data stays as it was written until Done, and what is refused did not fit.
func FuzzSet(f *testing.F) {
	f.Add([]byte{0, 200, 3, 10, 0, 100, 3, 50, 6, 0, 0, 255, 3, 1, 6, 1, 6, 0})
	f.Add([]byte{1, 255, 3, 255, 2, 20, 3, 5, 4, 9, 3, 3, 6, 2, 6, 0, 0, 255, 6, 0, 0, 255})
	f.Add([]byte{0, 90, 3, 90, 0, 90, 3, 90, 6, 0, 0, 90, 3, 90, 0, 60, 3, 60, 7, 0})
	f.Fuzz(func(t *testing.T, schedule []byte) {
		const headers, ringBytes = 8, 256
		s := newSet(t, headers, ringBytes)
		m := &modelSet{ringBytes: ringBytes}
		rest, left := []byte(nil), 0
		for i := 0; i+1 < len(schedule); i += 2 {
			op, arg := schedule[i]%8, int(schedule[i+1])
			switch op {
			case 0, 1, 2:
				n, count := arg, 1+int(schedule[i]/8)%headers
				p, err := s.Reserve(n, count)
				fits := m.reserve(n) && len(m.list)+count <= headers
				rest, left = nil, 0
				switch {
				case err == nil && len(m.list)+count > headers:
					t.Fatalf("%d headers reserved with %d in use", count, len(m.list))
				case err == nil:
					// The check below finds a message that this overwrites.
					fill(p, 0xff)
					rest, left = p, count
				case err != syscall.EAGAIN:
					t.Fatal(err)
				case fits:
					t.Fatalf("refused %d bytes and %d headers with %d messages in use", n, count, len(m.list))
				}
			case 3, 4:
				if left == 0 {
					continue
				}
				n, value := min(arg, len(rest)), i%251
				fill(rest[:n], byte(value))
				got := s.Commit(n)
				*got.Value() = value
				m.commit(got, n, value)
				rest, left = rest[n:], left-1
			case 5:
				n := min(arg, len(rest))
				s.Skip(n)
				m.at += n
				rest = rest[n:]
			case 6, 7:
				if len(m.list) > 0 {
					m.list[arg%len(m.list)].end()
				}
			}
			for _, x := range m.list {
				if !x.done {
					check(t, x.Message, x.n, byte(x.value))
				}
			}
		}
		for i := range m.list {
			m.list[i].end()
		}
		holds(t, s, 0, 0)
		reserve(t, s, ringBytes, headers)
	})
}

// modelSet knows where in the ring the messages are that cannot be taken back yet.
type modelSet struct {
	ringBytes int
	list      []modelMessage // from the first that is not done
	at        int            // the place of what is committed next
	tail      int            // behind the newest message
}

type modelMessage struct {
	Message[int]
	from, begin, n int // from: with what was skipped before it
	value          int
	done           bool
}

func (x *modelMessage) end() {
	if !x.done {
		x.Done()
		x.done = true
	}
}

// reserve moves at to where n bytes have to go, and tells whether they are free.
func (m *modelSet) reserve(n int) (free bool) {
	for len(m.list) > 0 && m.list[0].done {
		m.list = m.list[1:]
	}
	if len(m.list) == 0 {
		m.at, m.tail = 0, 0
		return true
	}
	if m.at = m.tail; m.at+n > m.ringBytes {
		m.at = 0
	}
	for i, x := range m.list {
		from := x.from
		if i == 0 {
			from = x.begin
		}
		// An empty message counts as a byte: the tail does not pass it.
		if m.at < max(x.begin+x.n, x.begin+1) && from < m.at+n {
			return false
		}
	}
	return true
}

func (m *modelSet) commit(got Message[int], n, value int) {
	from := m.tail
	if m.at < from {
		from = 0
	}
	m.list = append(m.list, modelMessage{Message: got, from: from, begin: m.at, n: n, value: value})
	m.at += n
	m.tail = m.at
}
