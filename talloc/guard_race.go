//go:build race

package talloc

import "runtime"

// The race detector does not see what synchronises between these two.
func detectorOff() { runtime.RaceDisable() }
func detectorOn()  { runtime.RaceEnable() }
