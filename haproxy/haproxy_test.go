package haproxy_test

import (
	"fmt"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	_ "github.com/frio-io/frio/haproxy"
	_ "github.com/frio-io/frio/tcp"
	_ "github.com/frio-io/frio/unix"
)

func TestMain(m *testing.M) { friotest.Main(m) }

// onTCP is a target haproxy+tcp whose client sends the given version.
func onTCP(version int) friotest.Target {
	section := func(p friotest.Place) string {
		return fmt.Sprintf("tcp {\nipaddr = %v\nport = %d\n%s}\n", p.Addr, p.Port, p.Base)
	}
	return friotest.Target{
		Stack: "haproxy+tcp",
		Kind:  frio.Stream,
		Listen: func(p friotest.Place) string {
			return section(p) + "haproxy {\ntrusted {\nallow = 127.0.0.0/8\n}\n}\n"
		},
		HomeServer: func(p friotest.Place) string {
			return section(p) + fmt.Sprintf("haproxy {\nversion = %d\n}\n", version)
		},
		Children:  true,
		HalfClose: true,
		Buffers:   "recv_buff = 8k\nsend_buff = 8k\n",
	}
}

func TestConformanceTCP(t *testing.T) {
	for version := 1; version <= 2; version++ {
		t.Run(fmt.Sprintf("version %d", version), func(t *testing.T) { friotest.TestIO(t, onTCP(version)) })
	}
}

func TestConformanceUnix(t *testing.T) {
	section := func(p friotest.Place) string {
		return fmt.Sprintf("unix {\nfilename = %s\n%s}\n", p.File, p.Base)
	}
	friotest.TestIO(t, friotest.Target{
		Stack:      "haproxy+unix",
		Kind:       frio.Stream,
		Listen:     func(p friotest.Place) string { return section(p) + "haproxy {\ntrusted { }\n}\n" },
		HomeServer: section,
		Children:   true,
		HalfClose:  true,
		NoAddress:  true,
		Buffers:    "recv_buff = 8k\nsend_buff = 8k\n",
	})
}
