//go:build race || friocheck

package udp

// checkedBuild tells whether the build checks threads and memory, for which it allocates.
const checkedBuild = true
