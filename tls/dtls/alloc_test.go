//go:build !race

// The race detector lets sync.Pool drop a part of what it is given, and makes all things larger: allocations and sizes
// are counted without it.

package dtls

import (
	"crypto/tls"
	"encoding/binary"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Sealing, feeding and reading application data allocates nothing.
func TestSteadyStateAllocs(t *testing.T) {
	for _, s := range suites {
		if !s.ecdsa {
			continue
		}
		sc, cc := configs(keyECDSA)
		cc.CipherSuites = []uint16{s.id}
		client, server := openPair(t, sc, cc)
		for _, size := range []int{1, 256, 4096, maxPlaintext} {
			p, in := make([]byte, size), make([]byte, size)
			dst := make([]byte, 0, size+37)
			n := testing.AllocsPerRun(500, func() {
				d, _, err := client.Seal(dst, p)
				if err != nil || &d[0] != &dst[:1][0] {
					t.Fatal("sealed elsewhere", err)
				}
				if used, err := server.Feed(epochStart, d); used != len(d) || err != nil {
					t.Fatal(used, err)
				}
				if n, err := server.Read(in); n != size || err != nil {
					t.Fatal(n, err)
				}
				if _, err := server.Read(in); err != syscall.EAGAIN {
					t.Fatal(err)
				}
			})
			if n != 0 {
				t.Errorf("%s, %d bytes: %v allocations", tls.CipherSuiteName(s.id), size, n)
			}
		}
		d, _, _ := client.Seal(nil, []byte("x"))
		d[len(d)-1] ^= 1
		if n := testing.AllocsPerRun(500, func() { server.Feed(epochStart, d) }); n != 0 {
			t.Errorf("%v allocations for a forged record", n)
		}
	}
}

// A datagram of a long record and hundreds of short ones is held in one buffer: it does not grow by each.
func TestManyRecordsAllocs(t *testing.T) {
	sc, cc := configs(keyECDSA)
	client, server := openPair(t, sc, cc)
	p := make([]byte, maxPlaintext)
	n := testing.AllocsPerRun(10, func() {
		all := must(client.appendRecord(make([]byte, 0, 64<<10), typeApplicationData, 1, p))
		for range 800 {
			all = must(client.appendRecord(all, typeApplicationData, 1, p[:1]))
		}
		if _, err := server.Feed(epochStart, all); err != nil {
			t.Fatal(err)
		}
		read := 0
		for ; server.Held(); read++ {
			server.Read(p)
		}
		if read != 801 {
			t.Fatalf("%d records read", read)
		}
	})
	if n > 5 {
		t.Errorf("%v allocations for one datagram", n)
	}
}

// heap returns the live bytes on the heap.
func heap() uint64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// An idle association, and one half open, cost at most 4 KiB each.
func TestMemory(t *testing.T) {
	const count = 300
	for _, tt := range []struct {
		name string
		kind keyKind
		auth tls.ClientAuthType
		id   uint16
		half bool
	}{
		{"idle, ECDSA, AES-128", keyECDSA, tls.NoClientCert, suites[0].id, false},
		{"idle, ECDSA, AES-256, client certificate", keyECDSA, tls.RequireAndVerifyClientCert, suites[2].id, false},
		{"idle, RSA, AES-256, client certificate", keyRSA, tls.RequireAndVerifyClientCert, suites[3].id, false},
		{"idle, ECDSA, ChaCha20, client certificate", keyECDSA, tls.RequireAndVerifyClientCert, suites[4].id, false},
		{"half open, ECDSA, client certificate", keyECDSA, tls.RequireAndVerifyClientCert, suites[0].id, true},
		{"half open, RSA, client certificate", keyRSA, tls.RequireAndVerifyClientCert, suites[1].id, true},
	} {
		sc, cc := configs(tt.kind)
		sc.ClientAuth, cc.CipherSuites = tt.auth, []uint16{tt.id}
		sc.TicketKeys, cc.Sessions = NewTicketKeys([32]byte{1}), NewSessionCache(1)
		kept := make([]*Engine, 0, count)
		run := func() {
			cc.Sessions.Remove(serverName)
			p := newPath(t, sc, cc)
			p.start()
			if tt.half {
				p.run(time.Minute, func() bool { return p.server != nil })
				p.server.Sent(p.now)
			} else {
				p.run(time.Minute, p.bothOpen)
				p.echo(strings.Repeat("x", 4096))
			}
			kept = append(kept, p.server)
		}
		run()
		kept = kept[:0]
		before := heap()
		for range count {
			run()
		}
		each := int64(heap()-before) / count
		t.Logf("%s: %d bytes", tt.name, each)
		if each > 4096 {
			t.Errorf("%s: %d bytes each", tt.name, each)
		}
		runtime.KeepAlive(kept)
	}
}

// A fragment costs what it brings, and not what its message is said to be long.
func TestFragmentMemory(t *testing.T) {
	sc, cc := configs(keyECDSA)
	sc.ClientAuth = tls.RequireAndVerifyClientCert
	const count = 100
	kept := make([]*Engine, count)
	for i := range kept {
		p := newPath(t, sc, cc)
		p.start()
		p.run(time.Minute, func() bool { return p.server != nil })
		p.server.Sent(p.now)
		kept[i] = p.server
	}
	before := heap()
	for _, e := range kept {
		var b []byte
		for k, length := range []int{maxCertificateMessage, maxSmallMessage, maxSmallMessage, maxSmallMessage} {
			typ := uint8(typeCertificate)
			if k > 0 {
				typ = typeCertificateVerify
			}
			b = append(appendMessageHeader(b, typ, e.hs.in.next+uint16(k), length, length-1, 1), 7)
		}
		d := rawRecord(record{typ: typeHandshake, version: version12, body: b})
		if _, err := e.Feed(epochStart, d); err != nil || e.Counts().Fragments != 0 {
			t.Fatal(err, e.Counts())
		}
	}
	if each := (int64(heap()) - int64(before)) / count; each > 1024 {
		t.Errorf("%d bytes kept for four fragments of one byte", each)
	}
	runtime.KeepAlive(kept)
}

// A million hellos of spoofed addresses, each another: no memory, no engine.
func TestGateFlood(t *testing.T) {
	hello := firstHello(t)
	g := newGate(t)
	var scratch [GateScratch]byte
	var i uint32
	check := func() {
		i++
		binary.BigEndian.PutUint32(hello[recordHeader+messageHeader+2:], i)
		peer := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), uint16(i))
		reply, v, _ := g.Check(epochStart, peer, serverAddr, hello, scratch[:])
		if v != Reply || len(reply) > len(hello) {
			t.Fatalf("hello %d: %v, %d bytes", i, v, len(reply))
		}
	}
	check()
	count := 1000000
	if testing.Short() {
		count = 50000
	}
	if n := testing.AllocsPerRun(count, check); n != 0 {
		t.Errorf("%v allocations a hello", n)
	}
	if c := g.Counts(); c.Accepted != 0 || c.Replies != uint64(i) {
		t.Errorf("%+v after %d hellos", c, i)
	}
}
