//go:build linux

package main

import (
	"testing"
	"time"
)

func TestLatencies(t *testing.T) {
	l := new(latencies)
	if got := l.took(); got != (took{}) {
		t.Errorf("without answers: %v", got)
	}
	for range 90 {
		l.add(95 * time.Microsecond)
	}
	for range 9 {
		l.add(3 * time.Millisecond)
	}
	l.add(time.Hour)
	if got, want := l.took(), (took{100 * time.Microsecond, 3010 * time.Microsecond}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := l.within(100), latencySteps*latencyStep; got != want {
		t.Errorf("all within %v, want %v", got, want)
	}
	if s := l.took().String(); s != "0.10/3.01" {
		t.Errorf("printed: %s", s)
	}
	l.clear()
	if got := l.took(); got != (took{}) {
		t.Errorf("cleared: %v", got)
	}
}
