//go:build !race && !friocheck

package netconn_test

const checkedBuild = false
