package friotest

import (
	"strings"
	"time"

	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/sock"
)

// simWorld is a simulated world with one host, which reaches itself over loopback.
type simWorld struct {
	world *sim.World
	host  *sim.Kernel
}

func newSimWorld(e *Env, seed uint64) world {
	w := &simWorld{world: sim.New(seed, sim.Options{})}
	w.host = w.world.Host("host")
	e.Cleanup(func() {
		if e.Failed() {
			e.Logf("hash %#x; the last of the trace:\n%s", w.world.Hash(), strings.Join(last(w.world.Trace(), 40), "\n"))
		}
	})
	return w
}

func (w *simWorld) kernel() sock.Kernel { return w.host }
func (w *simWorld) descriptors() int    { return w.host.Descriptors() }
func (w *simWorld) dir() string         { return "/run/sim" }

// close lets the network finish what it has: a connection outlives its descriptors.
func (w *simWorld) close() { w.world.Advance(time.Hour) }

func last(lines []string, count int) []string { return lines[max(0, len(lines)-count):] }

// World is the simulated world; nil on the system's kernel.
func (e *Env) World() *sim.World {
	if w, ok := e.world.(*simWorld); ok {
		return w.world
	}
	return nil
}

// Host is the simulated host; nil on the system's kernel.
func (e *Env) Host() *sim.Kernel {
	if w, ok := e.world.(*simWorld); ok {
		return w.host
	}
	return nil
}
