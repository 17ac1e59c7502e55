package transport

import (
	"fmt"
	"testing"
)

// Loopback figures: both ends are in one loop.

func BenchmarkConnEcho(b *testing.B) {
	for _, stack := range stacks {
		for _, size := range []int{64, 4096} {
			b.Run(fmt.Sprintf("%s/size=%d", stack, size), func(b *testing.B) {
				trip := newBench(b, false, 1).echoTrip(stack, size)
				trip()
				b.ReportAllocs()
				b.SetBytes(int64(2 * size))
				for b.Loop() {
					trip()
				}
			})
		}
	}
}

func BenchmarkCall(b *testing.B) {
	for _, stack := range stacks {
		b.Run(stack, func(b *testing.B) {
			trip := newBench(b, false, 1).callTrip(stack)
			trip()
			b.ReportAllocs()
			for b.Loop() {
				trip()
			}
		})
	}
}
