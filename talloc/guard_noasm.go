//go:build (race || friocheck) && !amd64 && !arm64

package talloc

// current identifies the calling goroutine.
func current() uintptr {
	guard()
	defer unguard()
	return uintptr(goroutine())
}
