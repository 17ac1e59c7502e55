//go:build !race && !friocheck

package talloc

// Enter says that the calling goroutine acts as t until Leave. They nest. With -race or -tags friocheck
// Enter panics while another goroutine is inside.
func (t *Thread) Enter() {}

// Leave ends Enter.
func (t *Thread) Leave() {}

// Inherit says that the calling goroutine is a coroutine which acts as t while its resumer, inside t, is
// parked. A coroutine calls it when it is resumed, and Disinherit before it yields or ends.
func (t *Thread) Inherit() {}

// Disinherit ends Inherit.
func (t *Thread) Disinherit() {}

func checkThread(*Context, string) {}
func spoil([]byte)                 {}
func checkSpoiled(*header)         {}
