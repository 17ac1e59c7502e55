package sim_test

import (
	"slices"
	"syscall"
	"testing"

	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/sock"
)

// TestAsSystem runs every scenario on the operating system and in a World. A difference is a mistake in sim.
func TestAsSystem(t *testing.T) {
	for _, s := range slices.Concat(streamScenarios, callScenarios, datagramScenarios, localScenarios) {
		t.Run(s.name, func(t *testing.T) {
			old := syscall.Umask(0o022)
			defer syscall.Umask(old)
			k := sim.New(1, sim.Options{}).Host("host")
			want := runScenario(t, sock.System, s.run)
			got := runScenario(t, k, s.run)
			for i := range max(len(got), len(want)) {
				g, w := "(nothing)", "(nothing)"
				if i < len(got) {
					g = got[i]
				}
				if i < len(want) {
					w = want[i]
				}
				if g != w {
					t.Errorf("line %d:\n   sim: %s\n linux: %s", i, g, w)
				}
			}
			if n := k.Descriptors(); n != 0 {
				t.Errorf("%d descriptors are open", n)
			}
		})
	}
}
