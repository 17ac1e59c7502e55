package friotest

import (
	"os"

	"github.com/frio-io/frio/sock"
)

// systemWorld is the machine itself, with a scratch directory.
type systemWorld struct{ scratch string }

func newSystemWorld(e *Env) world {
	e.Helper()
	// A Unix socket's path is at most 107 bytes: TempDir's, which holds the test's name, may be longer.
	dir, err := os.MkdirTemp("", "frio")
	if err != nil {
		e.Fatalf("scratch directory: %v", err)
	}
	e.Cleanup(func() { os.RemoveAll(dir) })
	takeStock() // what the runtime opens once, for this
	return &systemWorld{dir}
}

func (w *systemWorld) kernel() sock.Kernel { return sock.System }
func (w *systemWorld) descriptors() int    { return len(descriptors()) }
func (w *systemWorld) dir() string         { return w.scratch }
func (w *systemWorld) close()              { os.RemoveAll(w.scratch) }
