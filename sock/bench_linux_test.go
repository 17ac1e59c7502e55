package sock_test

import (
	"fmt"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sock"
)

// BenchmarkPackets sends and reads batches on loopback: mixed sizes one by one, equal ones as trains.
func BenchmarkPackets(b *testing.B) {
	for _, batch := range []int{1, 32} {
		for name, step := range map[string]int{"alone": 1, "trains": 0} {
			b.Run(fmt.Sprintf("batch=%d/%s", batch, name), func(b *testing.B) {
				server, own := bound(b, sock.Inet4, frio.Datagram, inet("127.0.0.1", 0))
				set(b, server, sock.PacketInfo, sock.Timestamp)
				out, in := make([]frio.Packet, batch), make([]frio.Packet, batch)
				for i := range out {
					out[i] = frio.Packet{Data: make([]byte, 200+i*step), Remote: own.AddrPort}
					in[i].Data = make([]byte, 0, 1500)
				}
				b.ReportAllocs()
				b.SetBytes(int64(batch * 200))
				for b.Loop() {
					if n, err := kernel.SendPackets(server, out); n != batch || err != nil {
						b.Fatal(n, err)
					}
					for got := 0; got < batch; {
						n, err := kernel.RecvPackets(server, in[got:])
						if err != nil {
							b.Fatal(err)
						}
						got += n
					}
				}
			})
		}
	}
}
