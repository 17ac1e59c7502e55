package talloc

// Thread is who may touch a tree of contexts: the goroutine that runs a loop, during a turn.
// In normal builds its methods cost nothing and check nothing; a nil Thread is nobody.
//
// The files guard_check.go and guard_off.go define, for builds that check and for those that do not:
//
//	Thread.Enter, Leave, Inherit, Disinherit
//	checkThread(c, what)	panics if the caller may not touch c
//	spoil(mem)		overwrites freed memory
//	checkSpoiled(h)		panics if freed memory was written to
type Thread struct{ name string }

// NewThread returns a token with a name for panics.
func NewThread(name string) *Thread { return &Thread{name: name} }

// Name returns the name.
func (t *Thread) Name() string { return t.name }
