package udp_test

import (
	"fmt"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
)

func TestMain(m *testing.M) { friotest.Main(m) }

func TestConformance(t *testing.T) {
	section := func(more string) func(friotest.Place) string {
		return func(p friotest.Place) string {
			return fmt.Sprintf("udp {\nipaddr = %v\nport = %d\n%s%s}\n", p.Addr, p.Port, more, p.Base)
		}
	}
	base := friotest.Target{
		Stack:       "udp",
		Kind:        frio.Datagram,
		HomeServer:  section(""),
		NoRefusal:   true,
		NoMove:      true,
		Buffers:     "recv_buff = 8K\nsend_buff = 8K\n",
		DatagramMax: 9000,
		TooLong:     65508,
	}
	none, gro, demux := base, base, base
	none.Listen, none.NoLimits = section(""), true
	gro.Listen, gro.NoLimits, gro.HomeServer = section("gro = yes\n"), true, section("gro = yes\n")
	demux.Listen, demux.Children = section("children = demux\n"), true
	connected, shard := demux, demux
	// What a child that does not read keeps is bounded by its socket's buffer.
	connected.Listen, connected.NoMove, connected.Buffers = section("children = connected\nrecv_buff = 16K\n"), false, "send_buff = 8K\n"
	shard.Listen = section("children = demux\nshards = 1\n")
	for _, c := range []struct {
		name   string
		target friotest.Target
	}{{"none", none}, {"gro", gro}, {"demux", demux}, {"connected", connected}, {"one shard", shard}} {
		t.Run(c.name, func(t *testing.T) { friotest.TestIO(t, c.target) })
	}
}
