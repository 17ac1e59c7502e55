package tls_test

import (
	"fmt"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
)

func TestConformanceDatagram(t *testing.T) {
	udp := func(p friotest.Place) string {
		return fmt.Sprintf("udp {\nipaddr = %v\nport = %d\n%s}\n", p.Addr, p.Port, p.Base)
	}
	c := target(t, friotest.Target{
		Stack: "tls+udp", Listen: udp, HomeServer: udp, Buffers: "recv_buff = 8k\nsend_buff = 8k\n",
		DatagramMax: 9000, TooLong: 16385, NoMove: true,
	}, "tls_max_version = 1.2\n")
	c.Kind, c.HalfClose, c.Handshake = frio.Datagram, false, true
	friotest.TestIO(t, c)
}
