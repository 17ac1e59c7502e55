package talloc

import "errors"

// ErrLimit says that a limit of a context was reached. Nothing was allocated.
var ErrLimit = errors.New("talloc: limit reached")

// Destructor is told, once, that its context is freed. While Destroy runs the context can still be
// read (Value, Name, its buffers), but gets nothing any more. Destroy may free other contexts, but
// not its own nor one above it.
type Destructor interface{ Destroy() }

// DestructorFunc makes a function a Destructor.
type DestructorFunc func()

// Destroy calls f.
func (f DestructorFunc) Destroy() { f() }
