//go:build !race && !friocheck

package event

import "github.com/frio-io/frio/talloc"

func spoilScratch(talloc.Buffer) {}
