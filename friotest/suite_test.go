package friotest

import (
	"fmt"
	"testing"

	"github.com/frio-io/frio"
	_ "github.com/frio-io/frio/tcp"
	_ "github.com/frio-io/frio/udp"
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

// udpTarget is the same for datagrams.
func udpTarget(children bool) Target {
	section := func(p Place, more string) string {
		return fmt.Sprintf("udp {\nipaddr = %v\nport = %d\n%s%s}\n", p.Addr, p.Port, more, p.Base)
	}
	more := ""
	if children {
		more = "children = demux\n"
	}
	return Target{
		Stack: "udp", Kind: frio.Datagram, Children: children, NoLimits: !children, NoRefusal: true, NoMove: true, TooLong: 65508,
		Listen:     func(p Place) string { return section(p, more) },
		HomeServer: func(p Place) string { return section(p, "") },
	}
}
