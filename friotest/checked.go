//go:build race || friocheck

package friotest

// checkedBuild tells whether breaches of the threads' rules panic in this build, and allocations are not those of a plain one.
const checkedBuild = true
