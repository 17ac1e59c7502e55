package event

import "time"

// Expirer is told that a Timer has run out.
type Expirer interface {
	Expire(now time.Time)
	Describe() string
}

// Timer is one node, embedded in its owner. Moving its time to later costs nothing: the loop's heap keeps the
// earlier one and looks again when that has come.
type Timer struct {
	expirer Expirer
	loop    *Loop
	due     int64  // nanoseconds since the loop's epoch
	seq     uint64 // of the last Set
	place   int32  // 0: not armed, > 0: in the heap (from 1), < 0: in the due list (from -1)
}

// Init names who is told. Init of one that is armed panics.
func (t *Timer) Init(e Expirer) {
	if t.place != 0 {
		panic("event: Init of an armed timer: " + describe(t.expirer))
	}
	t.expirer = e
}

// Set arms t on l for the time at, once, in place of what it was armed for, also on another loop; the zero time stops it. A time
// that has come is for this turn's timers, or, if these run already, for the next turn.
func (t *Timer) Set(l *Loop, at time.Time) {
	if t.expirer == nil {
		panic("event: Set of a timer before Init")
	}
	if t.loop != l || at.IsZero() || t.place < 0 {
		t.Stop()
	}
	if at.IsZero() || l.closed {
		return
	}
	l.touch("set timer")
	q := &l.timers
	q.seq++
	t.loop, t.due, t.seq = l, int64(at.Sub(l.epoch)), q.seq
	if t.place == 0 {
		q.push(t)
		return
	}
	if i := int(t.place - 1); t.due < q.heap[i].key {
		q.heap[i].key, q.heap[i].seq = t.due, t.seq
		q.up(i)
	}
}

// Stop disarms t.
func (t *Timer) Stop() {
	if t.place == 0 {
		return
	}
	l := t.loop
	l.touch("stop timer")
	if t.place < 0 {
		l.timers.due[-t.place-1] = nil
	} else {
		l.timers.remove(int(t.place - 1))
	}
	t.place, t.loop = 0, nil
}

// When is the time it is armed for; zero if it is not.
func (t *Timer) When() time.Time {
	if t.place == 0 {
		return time.Time{}
	}
	return t.loop.epoch.Add(time.Duration(t.due))
}

// timers is the queue of a loop: a heap with four children a node, which is shallower than one with two and
// keeps them in one or two cache lines. An entry's key is at most its timer's due; where they differ, the timer was moved to
// later and the entry is corrected when it comes to the top.
type timers struct {
	heap []entry
	due  []*Timer // taken from the heap, to be run; nil: stopped since
	done int      // how many of due have been
	seq  uint64
}

type entry struct {
	key   int64
	seq   uint64
	timer *Timer
}

func (a *entry) before(b *entry) bool {
	return a.key < b.key || a.key == b.key && a.seq < b.seq
}

// nearest returns when the first timer is due, false if there is none.
func (q *timers) nearest() (key int64, ok bool) {
	for len(q.heap) > 0 {
		top := &q.heap[0]
		if top.seq == top.timer.seq {
			return top.key, true
		}
		top.key, top.seq = top.timer.due, top.timer.seq
		q.down(0)
	}
	return 0, false
}

// any returns one that is armed, nil if there is none.
func (q *timers) any() *Timer {
	for _, t := range q.due {
		if t != nil {
			return t
		}
	}
	if len(q.heap) > 0 {
		return q.heap[0].timer
	}
	return nil
}

// runTimers runs what is due at Now.
func (l *Loop) runTimers() {
	q := &l.timers
	now := int64(l.now.Sub(l.epoch))
	for {
		key, ok := q.nearest()
		if !ok || key > now {
			break
		}
		t := q.heap[0].timer
		q.remove(0)
		q.due = append(q.due, t)
		t.place = int32(-len(q.due))
	}
	for q.done < len(q.due) && !l.closed {
		t := q.due[q.done]
		q.due[q.done] = nil
		q.done++
		if t == nil {
			continue
		}
		t.place, t.loop = 0, nil
		l.stats.Timers++
		l.running.set(runsTimer, t.expirer)
		t.expirer.Expire(l.now)
	}
	q.due, q.done = q.due[:0], 0
}

func (q *timers) push(t *Timer) {
	q.heap = append(q.heap, entry{t.due, t.seq, t})
	t.place = int32(len(q.heap))
	q.up(len(q.heap) - 1)
}

func (q *timers) remove(i int) {
	last := len(q.heap) - 1
	moved := q.heap[last]
	q.heap[last] = entry{}
	q.heap = q.heap[:last]
	if i == last {
		return
	}
	q.heap[i] = moved
	moved.timer.place = int32(i + 1)
	q.down(i)
	q.up(int(moved.timer.place - 1))
}

func (q *timers) up(i int) {
	e := q.heap[i]
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&q.heap[parent]) {
			break
		}
		q.put(i, q.heap[parent])
		i = parent
	}
	q.put(i, e)
}

func (q *timers) down(i int) {
	e := q.heap[i]
	for {
		first := 4*i + 1
		if first >= len(q.heap) {
			break
		}
		least := first
		for k := first + 1; k < min(first+4, len(q.heap)); k++ {
			if q.heap[k].before(&q.heap[least]) {
				least = k
			}
		}
		if !q.heap[least].before(&e) {
			break
		}
		q.put(i, q.heap[least])
		i = least
	}
	q.put(i, e)
}

func (q *timers) put(i int, e entry) {
	q.heap[i] = e
	e.timer.place = int32(i + 1)
}
