//go:build !race && !friocheck

package event

// manyTimers is how many are pending in TestMillionTimers.
const manyTimers = 1_000_000
