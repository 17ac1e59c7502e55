//go:build (race || friocheck) && (amd64 || arm64)

package talloc

// current identifies the calling goroutine as long as it lives: the address of the runtime's record of it.
// The number that goroutine returns costs a walk over the whole stack, too much for every Touch.
func current() uintptr
