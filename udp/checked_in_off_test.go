//go:build !race && !friocheck

package udp

const checkedBuild = false
