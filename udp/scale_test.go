package udp

import (
	"fmt"
	"testing"
)

// BenchmarkEchoShards has 64 peers ask over loopback and be answered by one shard and by two, each on a goroutine of its own. The peers share
// the processors with them. The ratio is that of two to one.
func BenchmarkEchoShards(b *testing.B) {
	var one float64
	for _, shards := range []int{1, 2} {
		b.Run(fmt.Sprintf("shards=%d", shards), func(b *testing.B) {
			s := newStage(b, fmt.Sprintf("ipaddr = 127.0.0.1\nchildren = demux\nshards = %d\n", shards), 0, nil)
			b.ResetTimer()
			lost := s.storm(stormPeers, max(1, b.N/stormPeers), 2)
			b.StopTimer()
			rate := float64(b.N) / b.Elapsed().Seconds()
			b.ReportMetric(rate, "requests/s")
			if shards == 1 {
				one = rate
			} else if one > 0 {
				b.ReportMetric(rate/one, "ratio")
			}
			if drops := s.finish(); lost > drops {
				b.Errorf("%d datagrams are lost", lost)
			}
		})
	}
}
