package friotest

import (
	"fmt"
	"testing"

	"github.com/frio-io/frio"
	_ "github.com/frio-io/frio/tcp"
)

// tcpTarget is what the suite is tried on here; every method has a conformance test of its own.
func tcpTarget() Target {
	section := func(p Place) string {
		return fmt.Sprintf("tcp {\nipaddr = %v\nport = %d\n%s}\n", p.Addr, p.Port, p.Base)
	}
	return Target{
		Stack: "tcp", Kind: frio.Stream, Listen: section, HomeServer: section,
		Children: true, HalfClose: true, Buffers: "recv_buff = 16384\nsend_buff = 16384\n",
	}
}

func TestConformance(t *testing.T) { TestIO(t, tcpTarget()) }
