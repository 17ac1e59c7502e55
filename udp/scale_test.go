package udp

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sock"
)

// BenchmarkEchoShards has 16 peers ask over loopback and be answered by one shard and by two, each on a goroutine of its own. The peers share
// the processors with them: they send and take many at once, so that they leave most of the machine to the shards. The ratio is that of two to one.
func BenchmarkEchoShards(b *testing.B) {
	var one float64
	for _, shards := range []int{1, 2} {
		b.Run(fmt.Sprintf("shards=%d", shards), func(b *testing.B) {
			s := newStage(b, fmt.Sprintf("ipaddr = 127.0.0.1\nchildren = demux\nshards = %d\n", shards), 0, nil)
			c := newCrowd(b, s.list[0].LocalAddr())
			c.ask() // the children are made
			b.ResetTimer()
			for done := 0; done < b.N; done += crowdPeers * crowdWindow {
				c.ask()
			}
			b.StopTimer()
			rate := float64(b.N) / b.Elapsed().Seconds()
			b.ReportMetric(rate, "requests/s")
			if shards == 1 {
				one = rate
			} else if one > 0 {
				b.ReportMetric(rate/one, "ratio")
			}
			c.close()
			s.finish()
		})
	}
}

// All that is under way fits the receive buffer of one shard.
const (
	crowdPeers  = 16
	crowdWindow = 8
)

// crowd is peers that take turns on one goroutine.
type crowd struct {
	b       *testing.B
	conns   []*net.UDPConn
	out, in [crowdWindow]frio.Packet
	number  uint32
}

func newCrowd(b *testing.B, to netip.AddrPort) *crowd {
	c := &crowd{b: b}
	for range crowdPeers {
		conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
		if err != nil {
			b.Fatal(err)
		}
		c.conns = append(c.conns, conn)
	}
	for i := range crowdWindow {
		c.out[i].Data = make([]byte, 64)
		c.in[i].Data = make([]byte, 64)
	}
	return c
}

// ask has each peer send a window, and then take the answers.
func (c *crowd) ask() {
	for _, conn := range c.conns {
		for i := range c.out {
			binary.BigEndian.PutUint16(c.out[i].Data, conn.LocalAddr().(*net.UDPAddr).AddrPort().Port())
			binary.BigEndian.PutUint32(c.out[i].Data[4:], c.number+uint32(i)+1)
		}
		c.move(conn, c.out[:], false)
	}
	for _, conn := range c.conns {
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		c.move(conn, c.in[:], true)
	}
	c.number += crowdWindow
}

// move sends packets, or takes as many.
func (c *crowd) move(conn *net.UDPConn, packets []frio.Packet, take bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		c.b.Fatal(err)
	}
	call, wait := sock.System.SendPackets, raw.Write
	if take {
		call, wait = sock.System.RecvPackets, raw.Read
	}
	for len(packets) > 0 {
		var n int
		var failed error
		if err := wait(func(fd uintptr) bool {
			n, failed = call(int(fd), packets)
			return failed != frio.ErrAgain
		}); err != nil {
			failed = err
		}
		if failed != nil {
			c.b.Fatal(failed)
		}
		packets = packets[n:]
	}
}

func (c *crowd) close() {
	for _, conn := range c.conns {
		conn.Close()
	}
}
