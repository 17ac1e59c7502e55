package sim_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/sock"
)

func Example() {
	w := sim.New(1, sim.Options{Link: sim.Link{DelayMin: 40 * time.Millisecond, DelayMax: 40 * time.Millisecond}})
	server := w.Host("server", netip.MustParseAddr("192.0.2.1"))
	client := w.Host("client", netip.MustParseAddr("192.0.2.2"))

	in, _ := server.Socket(sock.Inet4, frio.Datagram)
	addr := sock.Addr{AddrPort: netip.MustParseAddrPort("192.0.2.1:1812")}
	_ = server.Bind(in, addr)
	out, _ := client.Socket(sock.Inet4, frio.Datagram)
	_, _ = client.SendTo(out, []byte("hello"), addr)

	start := w.Now()
	w.Advance(time.Second)
	packets := []frio.Packet{{Data: make([]byte, 0, 64)}}
	_ = server.SetOption(in, sock.Timestamp, 1)
	_, err := server.RecvPackets(in, packets)
	fmt.Printf("%s after %v, %v\n", packets[0].Data, time.Unix(0, packets[0].Time).Sub(start), err)
	// Output: hello after 40ms, <nil>
}
