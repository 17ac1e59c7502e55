//go:build !race && !friocheck

package udp_test

const checkedBuild = false
