package tls

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestTail: what is kept comes back whole, whatever its length.
func TestTail(t *testing.T) {
	b := make([]byte, recordMax)
	rng := rand.NewChaCha8([32]byte{})
	rng.Read(b)
	got := make([]byte, recordMax)
	for n := range recordMax + 1 {
		kept := newTail(b[:n])
		if kept.len() != n || kept.copyTo(got) != n || !bytes.Equal(got[:n], b[:n]) {
			t.Fatalf("%d bytes do not come back", n)
		}
		if len(kept[2]) >= 256 {
			t.Fatalf("%d bytes: the last piece has %d, want less than 256", n, len(kept[2]))
		}
	}
	var none *tail
	if none.len() != 0 || none.copyTo(got) != 0 {
		t.Error("nil keeps something")
	}
}
