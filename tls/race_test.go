//go:build race || friocheck

package tls_test

const raceEnabled = true
