package transport

import (
	"math/rand/v2"
	"testing"
	"time"
)

// schedule is when a request that is sent at zero is sent again, and when it is given up; at most count times.
func schedule(times Retransmission, count int, random func() float64) (sent []time.Duration, end time.Duration) {
	start := time.Unix(1000, 0)
	r := times.Begin(start)
	at := r.Next(random())
	for len(sent) < count {
		next := r.Next(random())
		if next.IsZero() {
			return sent, at.Sub(start)
		}
		sent = append(sent, at.Sub(start))
		at = next
	}
	return sent, 0
}

// Without jitter the times are those of RFC 5080, Section 2.2.1, to the nanosecond.
func TestRetransmission(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name  string
		times Retransmission
		sent  []time.Duration
		end   time.Duration
	}{
		{"the RFC's own, MRD first", Retransmission{2 * s, 16 * s, 5, 30 * s}, []time.Duration{2 * s, 6 * s, 14 * s}, 30 * s},
		{"MRC counts the first", Retransmission{s, 0, 1, 0}, nil, s},
		{"MRC ends it", Retransmission{s, 0, 3, 0}, []time.Duration{s, 3 * s}, 7 * s},
		{"MRT bounds the time between", Retransmission{s, 3 * s, 5, 0}, []time.Duration{s, 3 * s, 6 * s, 9 * s}, 12 * s},
		{"MRT below IRT", Retransmission{4 * s, s, 3, 0}, []time.Duration{s, 2 * s}, 3 * s},
		{"MRD below IRT", Retransmission{2 * s, 0, 0, s}, nil, s},
		{"MRD on the point", Retransmission{s, 0, 0, 3 * s}, []time.Duration{s}, 3 * s},
		{"for ever", Retransmission{s, 4 * s, 0, 0}, []time.Duration{s, 3 * s, 7 * s, 11 * s, 15 * s}, 0},
		{"IRT by default", Retransmission{0, 0, 2, 0}, []time.Duration{2 * s}, 6 * s},
	} {
		t.Run(c.name, func(t *testing.T) {
			sent, end := schedule(c.times, 5, func() float64 { return 0.5 })
			if len(sent) != len(c.sent) || end != c.end {
				t.Fatalf("sent again at %v, end at %v; want %v, %v", sent, end, c.sent, c.end)
			}
			for i := range sent {
				if sent[i] != c.sent[i] {
					t.Errorf("sent again at %v, want %v", sent, c.sent)
				}
			}
		})
	}
}

// With jitter each time is what the RFC's formula gives for RAND of -0.1 to 0.1, and the times differ.
func TestRetransmissionJitter(t *testing.T) {
	times := Retransmission{Initial: time.Second, Max: 8 * time.Second}
	random := rand.New(rand.NewPCG(1, 2))
	different := map[time.Duration]bool{}
	for range 1000 {
		r := times.Begin(time.Unix(0, 0))
		last := time.Unix(0, 0)
		want := 0.0
		for range 6 {
			x := random.Float64()
			jitter := (2*x - 1) / 10
			if want == 0 {
				want = 1 + jitter
			} else {
				want = 2*want + jitter*want
			}
			if want > 8 {
				want = 8 + jitter*8
			}
			at := r.Next(x)
			rt := at.Sub(last)
			if diff := rt.Seconds() - want; diff > 1e-6 || diff < -1e-6 {
				t.Fatalf("RT is %v, want %v s", rt, want)
			}
			if rt > 8800*time.Millisecond {
				t.Fatalf("RT is %v, above MRT and a tenth", rt)
			}
			different[rt] = true
			last = at
		}
	}
	if len(different) < 5000 {
		t.Errorf("%d different times of 6000", len(different))
	}
}
