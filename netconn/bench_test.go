package netconn_test

import (
	"io"
	"testing"

	"github.com/frio-io/frio/netconn"
)

// roundTrip writes b and reads it back.
func roundTrip(t testing.TB, c *netconn.Conn, b []byte) {
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
}

// echoed is a connection to an echo that uses one buffer.
func echoed(t testing.TB, name string) *netconn.Conn {
	near, far := pair(t, startPool(t, 2), newStack(t, name, ""))
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 64<<10)
		for {
			n, err := far.Read(b)
			if err != nil {
				return
			}
			if _, err := far.Write(b[:n]); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		near.Close()
		<-done
	})
	return near
}

// TestDoesNotAllocate: builds that check threads allocate for that, and only run it.
func TestDoesNotAllocate(t *testing.T) {
	for _, name := range []string{"tcp", "unix"} {
		t.Run(name, func(t *testing.T) {
			c, b := echoed(t, name), make([]byte, 100)
			for range 100 {
				roundTrip(t, c, b)
			}
			if n := testing.AllocsPerRun(1000, func() { roundTrip(t, c, b) }); n != 0 && !checkedBuild {
				t.Errorf("%v allocations in a round trip", n)
			}
		})
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	for _, name := range []string{"tcp", "tls+tcp"} {
		b.Run(name, func(b *testing.B) {
			c, p := echoed(b, name), make([]byte, 100)
			b.ReportAllocs()
			for b.Loop() {
				roundTrip(b, c, p)
			}
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, name := range []string{"tcp", "tls+tcp"} {
		b.Run(name, func(b *testing.B) {
			near, far := pair(b, startPool(b, 2), newStack(b, name, ""))
			go io.Copy(io.Discard, far)
			p := make([]byte, 64<<10)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := near.Write(p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
