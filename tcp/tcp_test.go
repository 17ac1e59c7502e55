package tcp_test

import (
	"fmt"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	_ "github.com/frio-io/frio/tcp"
)

func TestMain(m *testing.M) { friotest.Main(m) }

func TestConformance(t *testing.T) {
	section := func(p friotest.Place) string {
		return fmt.Sprintf("tcp {\nipaddr = %v\nport = %d\n%s}\n", p.Addr, p.Port, p.Base)
	}
	friotest.TestIO(t, friotest.Target{
		Stack:      "tcp",
		Kind:       frio.Stream,
		Listen:     section,
		HomeServer: section,
		Children:   true,
		HalfClose:  true,
		Buffers:    "recv_buff = 8k\nsend_buff = 8k\n",
	})
}
