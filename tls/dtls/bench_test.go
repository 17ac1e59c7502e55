package dtls

import (
	"crypto/tls"
	"fmt"
	"testing"
)

// BenchmarkRecord seals, feeds and reads one record.
func BenchmarkRecord(b *testing.B) {
	for _, s := range suites {
		if !s.ecdsa {
			continue
		}
		for _, size := range []int{256, 4096} {
			b.Run(fmt.Sprintf("%s/size=%d", tls.CipherSuiteName(s.id), size), func(b *testing.B) {
				sc, cc := configs(keyECDSA)
				cc.CipherSuites = []uint16{s.id}
				client, server := openPair(b, sc, cc)
				p, dst := make([]byte, size), make([]byte, 0, size+37)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					d, _, _ := client.Seal(dst, p)
					server.Feed(epochStart, d)
					if n, err := server.Read(p); n != size {
						b.Fatal(n, err)
					}
				}
			})
		}
	}
}

// BenchmarkHandshake does both ends of a full handshake, with cookie.
func BenchmarkHandshake(b *testing.B) {
	sc, cc := configs(keyECDSA)
	b.ReportAllocs()
	for b.Loop() {
		newPath(b, sc, cc).open()
	}
}

// BenchmarkGate answers a first hello.
func BenchmarkGate(b *testing.B) {
	hello, g := firstHello(b), newGate(b)
	var scratch [GateScratch]byte
	b.ReportAllocs()
	for b.Loop() {
		g.Check(epochStart, clientAddr, serverAddr, hello, scratch[:])
	}
}
