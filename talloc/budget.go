package talloc

import (
	"fmt"
	"sync/atomic"
)

// Budget is a limit over threads: an atomic counter. Thread: any.
type Budget struct {
	used atomic.Int64
	max  int64
}

// NewBudget returns a budget of max; max <= 0 is unlimited.
func NewBudget(max int64) *Budget { return &Budget{max: max} }

// Take takes n, or nothing and returns false. n < 0 panics.
func (b *Budget) Take(n int64) bool {
	if n < 0 {
		panic(fmt.Sprintf("talloc: take of %d from a budget", n))
	}
	for {
		used := b.used.Load()
		// Also without a limit the sum must stay a number: used+n may not wrap.
		if used+n < used || b.max > 0 && used+n > b.max {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// Give gives n back. More than was taken panics, and so does n < 0.
func (b *Budget) Give(n int64) {
	for {
		used := b.used.Load()
		if n < 0 || n > used {
			panic(fmt.Sprintf("talloc: give of %d to a budget of which %d is taken", n, used))
		}
		if b.used.CompareAndSwap(used, used-n) {
			return
		}
	}
}

// Used is what is taken.
func (b *Budget) Used() int64 { return b.used.Load() }

// Max is the bound; <= 0: unlimited.
func (b *Budget) Max() int64 { return b.max }
