package unix_test

import (
	"fmt"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	_ "github.com/frio-io/frio/unix"
)

func TestMain(m *testing.M) { friotest.Main(m) }

func section(lines string) func(friotest.Place) string {
	return func(p friotest.Place) string {
		return fmt.Sprintf("unix {\nfilename = %s\n%s%s}\n", p.File, lines, p.Base)
	}
}

func TestConformance(t *testing.T) {
	friotest.TestIO(t, friotest.Target{
		Stack:      "unix",
		Kind:       frio.Stream,
		Listen:     section(""),
		HomeServer: section(""),
		Children:   true,
		HalfClose:  true,
		NoAddress:  true,
		Buffers:    "recv_buff = 8k\nsend_buff = 8k\n",
	})
}

func TestConformanceDatagram(t *testing.T) {
	friotest.TestIO(t, friotest.Target{
		Stack:      "unix",
		Kind:       frio.Datagram,
		Listen:     section("type = datagram\n"),
		HomeServer: section("type = datagram\n"),
		NoAddress:  true,
		NoLimits:   true,
		NoReply:    true,
	})
}
