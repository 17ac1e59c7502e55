//go:build linux

package main

import (
	"fmt"
	"sync/atomic"
	"time"
)

const (
	// latencyStep is how fine the time of an answer is counted, and latencySteps how many of them there are: up to 200 ms.
	latencyStep  = 10 * time.Microsecond
	latencySteps = 20_000
)

// latencies counts how long answers took.
type latencies struct {
	counts [latencySteps]atomic.Uint32
}

func (l *latencies) add(d time.Duration) {
	l.counts[min(max(0, d/latencyStep), latencySteps-1)].Add(1)
}

func (l *latencies) clear() {
	for i := range l.counts {
		l.counts[i].Store(0)
	}
}

// within is the time within which so many percent of the answers came; 0 if none did.
func (l *latencies) within(percent uint64) time.Duration {
	var all, sum uint64
	for i := range l.counts {
		all += uint64(l.counts[i].Load())
	}
	for i := range l.counts {
		if sum += uint64(l.counts[i].Load()); sum > 0 && sum*100 >= all*percent {
			return time.Duration(i+1) * latencyStep
		}
	}
	return 0
}

// took is how long the answers of a measurement took.
type took struct {
	Half, Most time.Duration // half of them, and 99 percent
}

func (l *latencies) took() took { return took{l.within(50), l.within(99)} }

// String gives milliseconds.
func (t took) String() string {
	return fmt.Sprintf("%.2f/%.2f", t.Half.Seconds()*1e3, t.Most.Seconds()*1e3)
}
