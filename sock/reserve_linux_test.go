package sock_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/frio-io/frio/sock"
)

// The reserve is an eighth of a low limit.
func TestReserve(t *testing.T) {
	var limit unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	for cur, first := range map[uint64]int{1 << 16: 1<<16 - 64, 1024: 1024 - 64, 256: 256 - 32} {
		if limit.Max < cur {
			continue
		}
		must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: cur, Max: limit.Max}))
		got := sock.FirstReserved()
		must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
		if got != first {
			t.Errorf("of %d: %d, want %d", cur, got, first)
		}
	}
}
