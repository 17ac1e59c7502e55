//go:build race || friocheck

package netconn_test

// checkedBuild tells whether the build checks threads and memory, for which it allocates.
const checkedBuild = true
