package udp_test

import (
	"fmt"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
)

// BenchmarkEcho sends datagrams of 100 bytes over loopback and back, one client, in batches.
func BenchmarkEcho(b *testing.B) {
	for _, c := range []struct {
		batch int
		lines string
	}{{1, ""}, {32, ""}, {32, "gro = yes\n"}} {
		b.Run(fmt.Sprintf("batch=%d,gro=%v", c.batch, c.lines != ""), func(b *testing.B) {
			e := friotest.NewEnv(b, false, 1)
			l := opened(e, onLoopback+c.lines, "")
			p := clientOf(e, l, c.lines)
			server, client := l.IO.(frio.PacketIO), p.IO.(frio.PacketIO)
			out, in := make([]frio.Packet, c.batch), room(c.batch, 256)
			for i := range out {
				out[i].Data = make([]byte, 100)
			}
			move := func(from, to frio.PacketIO, packets []frio.Packet) {
				for done := 0; done < len(packets); {
					n, err := from.WritePackets(packets[done:])
					if err != nil {
						b.Fatal(err)
					}
					for n += done; done < n; {
						k, err := to.ReadPackets(in[done:])
						if err != nil && err != frio.ErrAgain {
							b.Fatal(err)
						}
						done += k
					}
				}
			}
			b.ReportAllocs()
			b.SetBytes(int64(200 * c.batch))
			for b.Loop() {
				move(client, server, out)
				move(server, client, in)
			}
			b.StopTimer()
			e.Finish()
		})
	}
}

// BenchmarkDemux has one datagram of each of 64 peers read, given to their children and answered, over loopback.
func BenchmarkDemux(b *testing.B) {
	e := friotest.NewEnv(b, false, 1)
	l := opened(e, demuxed+"recv_buff = 1M\n", "")
	l.Wish(nil, nil, nil)
	var clients []frio.IO
	served := 0
	buf := make([]byte, 256)
	for range 64 {
		c := clientOf(e, l, "")
		child := childOf(e, l, c).IO
		clients = append(clients, c.IO)
		if err := child.Event(e.Loop, func() {
			n, err := child.Read(buf)
			if err == nil {
				_, err = child.Write(buf[:n])
			}
			if err != nil && err != frio.ErrAgain {
				b.Fatal(err)
			}
			served++
		}, nil); err != nil {
			b.Fatal(err)
		}
	}
	text := make([]byte, 100)
	b.ReportAllocs()
	b.SetBytes(int64(200 * len(clients)))
	for b.Loop() {
		served = 0
		for _, c := range clients {
			if _, err := c.Write(text); err != nil {
				b.Fatal(err)
			}
		}
		for served < len(clients) {
			if err := e.Loop.Turn(0); err != nil {
				b.Fatal(err)
			}
		}
		for _, c := range clients {
			if _, err := c.Read(buf); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.StopTimer()
	e.Finish()
}
