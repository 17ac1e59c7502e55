//go:build race

package gateway_test

const race = true
