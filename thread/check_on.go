//go:build race || friocheck

package thread

import (
	"github.com/frio-io/frio"
	"github.com/frio-io/frio/talloc"
)

// nameContext has the panics of the guard name the IO.
func nameContext(ctx *talloc.Context, io frio.IO) { ctx.SetName(io.Describe()) }
