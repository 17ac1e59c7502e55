package sim

import (
	"bytes"
	"testing"
)

// TestFifo compares with one long slice, and holds on to what was cut off: nothing may write into that.
func TestFifo(t *testing.T) {
	var f fifo
	var want, got []byte
	var cuts [][]byte
	r := random(1)
	count := 0
	for range 20000 {
		switch r.below(4) {
		case 0:
			p := make([]byte, r.below(700))
			for i := range p {
				p[i] = byte(count >> 2)
				count++
			}
			want = append(want, p...)
			if r.below(2) == 0 && len(p) > 0 {
				f.give(p)
			} else {
				f.push(p)
			}
		case 1:
			p := make([]byte, r.below(700))
			for _, c := range cuts {
				got = append(got, c...)
			}
			cuts = nil
			n := f.pop(p)
			got = append(got, p[:n]...)
		default:
			if f.n > 0 {
				c := f.cut(1 + r.below(300))
				cuts = append(cuts, c)
				_ = append(c, 255) // as a fifo does that is given c
			}
		}
	}
	for _, c := range cuts {
		got = append(got, c...)
	}
	if f.n != len(want)-len(got) {
		t.Errorf("%d bytes are left of %d, %d were taken", f.n, len(want), len(got))
	}
	if !bytes.Equal(got, want[:len(got)]) {
		t.Error("other bytes than those that were put in")
	}
}
