package sim

import "time"

// appointment is something that happens at a time.
type appointment struct {
	at  time.Duration
	seq uint64
	f   func() // nil: cancelled
}

func (a *appointment) cancel() {
	if a != nil {
		a.f = nil
	}
}

// agenda is a heap of appointments; those of the same time happen in the order they were made.
type agenda struct {
	heap []*appointment
	seq  uint64
}

func (g *agenda) add(at time.Duration, f func()) *appointment {
	g.seq++
	a := &appointment{at: at, seq: g.seq, f: f}
	g.heap = append(g.heap, a)
	for i := len(g.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !g.less(i, up) {
			break
		}
		g.heap[i], g.heap[up] = g.heap[up], g.heap[i]
		i = up
	}
	return a
}

func (g *agenda) less(i, j int) bool {
	a, b := g.heap[i], g.heap[j]
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

// next returns the time of the first appointment.
func (g *agenda) next() (time.Duration, bool) {
	for len(g.heap) > 0 {
		if g.heap[0].f != nil {
			return g.heap[0].at, true
		}
		g.pop() // a cancelled one must not move the clock
	}
	return 0, false
}

// due takes out the first appointment that is due at now; nil if there is none.
func (g *agenda) due(now time.Duration) func() {
	at, ok := g.next()
	if !ok || at > now {
		return nil
	}
	a := g.pop()
	f := a.f
	a.f = nil
	return f
}

func (g *agenda) pop() *appointment {
	top := g.heap[0]
	last := len(g.heap) - 1
	g.heap[0] = g.heap[last]
	g.heap[last] = nil
	g.heap = g.heap[:last]
	for i := 0; ; {
		least := i
		if c := 2*i + 1; c < last && g.less(c, least) {
			least = c
		}
		if c := 2*i + 2; c < last && g.less(c, least) {
			least = c
		}
		if least == i {
			return top
		}
		g.heap[i], g.heap[least] = g.heap[least], g.heap[i]
		i = least
	}
}
