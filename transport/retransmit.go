package transport

import "time"

// Retransmission are the times of RFC 5080, Section 2.2.1.
type Retransmission struct {
	Initial  time.Duration // IRT; default 2 s
	Max      time.Duration // MRT: the longest time between two; 0: unlimited
	Count    int           // MRC: how often it is sent, the first time with it; 0: unlimited
	Duration time.Duration // MRD: of all together; 0: unlimited
}

// Retransmitter says when a request is sent again. It is data: it knows no clock.
type Retransmitter struct {
	times Retransmission
	began time.Time
	last  time.Time
	rt    time.Duration
	sent  int
	ended bool
}

// Begin is for a request that is sent now, the first time.
func (r Retransmission) Begin(now time.Time) Retransmitter {
	if r.Initial <= 0 {
		r.Initial = initialDefault
	}
	return Retransmitter{times: r, began: now, last: now}
}

// initialDefault is what RFC 5080, Section 2.2.1 recommends.
const initialDefault = 2 * time.Second

// Next returns when it is to be sent again, or, when it must not be any more, when to give up; called again then it returns zero. random is from 0
// to 1: RFC 5080 moves each time by up to a tenth, so that requests lost together do not come again together.
func (r *Retransmitter) Next(random float64) time.Time {
	if r.ended {
		return time.Time{}
	}
	r.sent++
	rand := (2*random - 1) / 10
	scale := func(d time.Duration) time.Duration { return d + time.Duration(rand*float64(d)) }
	if r.rt == 0 {
		r.rt = scale(r.times.Initial)
	} else {
		r.rt += scale(r.rt)
	}
	if r.times.Max > 0 && r.rt > r.times.Max {
		r.rt = scale(r.times.Max)
	}
	at := r.last.Add(r.rt)
	if end := r.began.Add(r.times.Duration); r.times.Duration > 0 && !at.Before(end) {
		at, r.ended = end, true
	}
	if r.times.Count > 0 && r.sent >= r.times.Count {
		r.ended = true
	}
	r.last = at
	return at
}
