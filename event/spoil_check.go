//go:build race || friocheck

package event

import "github.com/frio-io/frio/talloc"

var spoiled = func() (b [scratchBytes]byte) {
	for i := range b {
		b[i] = 0xdb
	}
	return b
}()

// spoilScratch overwrites the loop's buffer after a turn, so that who kept it is found.
func spoilScratch(scratch talloc.Buffer) { copy(scratch.Bytes(), spoiled[:]) }
