//go:build linux

package main

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/frio-io/frio/friotest"
)

func TestMain(m *testing.M) { friotest.Main(m) }

const (
	testLimit = 30 * time.Second

	// testSilence is what a load waits for an answer that never comes; those that do come take microseconds.
	testSilence = time.Second
)

func testCertificates(t testing.TB) *certificates {
	t.Helper()
	certs, err := newCertificates(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return certs
}

func startHome(t testing.TB, k kind, certs *certificates) *home {
	t.Helper()
	h := newHome(k, certs)
	h.seen = newBitmap(10_000)
	// Without a gateway between them the load meets the home server's certificate.
	certs.client.ServerName = "home.bench.test"
	if err := h.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.kill)
	return h
}

func openLoad(t testing.TB, l *load, links int) *load {
	t.Helper()
	if err := l.open(links); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

func TestLoad(t *testing.T) {
	for _, k := range kinds {
		for name, accounting := range map[string]bool{"access": false, "accounting": true} {
			t.Run(string(k)+" "+name, func(t *testing.T) {
				certs := testCertificates(t)
				h := startHome(t, k, certs)
				l := openLoad(t, &load{kind: k, addr: h.addr, certs: certs, accounting: accounting, timeout: testLimit}, 2)
				const count = 3000
				if err := l.run(count, 300, 0, testLimit); err != nil {
					t.Fatal(err)
				}
				if err := l.run(100, 1, 5000, testLimit); err != nil {
					t.Fatal(err)
				}
				if l.tally.Answered.Load() != count+100 || l.tally.faults() != 0 || h.bad.Load() != 0 || h.requests.Load() != count+100 {
					t.Errorf("%v; the home server had %d requests, %d wrong", &l.tally, h.requests.Load(), h.bad.Load())
				}
			})
		}
	}
}

// A home server that was killed is there again on the same port, and the load connects anew.
func TestLoadAgain(t *testing.T) {
	for _, k := range []kind{kindUDP, kindTCP, kindTLS} {
		t.Run(string(k), func(t *testing.T) {
			certs := testCertificates(t)
			h := startHome(t, k, certs)
			l := openLoad(t, &load{kind: k, addr: h.addr, certs: certs, timeout: testLimit, redial: true}, 1)
			if err := l.run(200, 10, 0, testLimit); err != nil {
				t.Fatal(err)
			}
			h.kill()
			if err := h.start(); err != nil {
				t.Fatal(err)
			}
			if err := l.run(200, 10, 0, testLimit); err != nil {
				t.Fatal(err)
			}
			tally := &l.tally
			if sum := tally.Answered.Load() + tally.Cut.Load(); sum != 400 || tally.Answered.Load() < 380 || tally.faults() != 0 || h.copies.Load() != 0 {
				t.Errorf("%v; %d copies", tally, h.copies.Load())
			}
		})
	}
}

// A server that misbehaves is seen to.
func TestLoadFaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(write func(p []byte), first, reply []byte) // first is the reply to the first request
		check  func(tally *tally) bool
	}{
		{"twice", func(write func(p []byte), first, reply []byte) { write(reply); write(reply) },
			func(tally *tally) bool { return tally.Answered.Load() == 11 && tally.Duplicate.Load() >= 10 }},
		{"mixed up", func(write func(p []byte), first, reply []byte) {
			if len(reply) == len(first) {
				copy(first[headBytes:], reply[headBytes:])
			}
			write(first)
		}, func(tally *tally) bool { return tally.Wrong.Load() >= 9 && tally.Answered.Load() <= 1 }},
		{"silent", func(func(p []byte), []byte, []byte) {},
			func(tally *tally) bool { return tally.TimedOut.Load() == 11 && tally.Answered.Load() == 0 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				s, f := newSigner(kindUDP.secret()), new(found)
				var first []byte
				var from netip.AddrPort
				b := make([]byte, packetMax)
				for {
					var n int
					if n, from, err = conn.ReadFromUDPAddrPort(b); errors.Is(err, net.ErrClosed) {
						return
					}
					if _, number, err := s.checkRequest(b[:n], f); err == nil {
						reply := s.appendReply(nil, b[:n], f, number)
						if first == nil {
							first = append([]byte(nil), reply...)
						}
						c.answer(func(p []byte) { conn.WriteToUDPAddrPort(p, from) }, first, reply)
					}
				}
			}()
			l := openLoad(t, &load{kind: kindUDP, addr: conn.LocalAddr().(*net.UDPAddr).AddrPort(), timeout: testSilence}, 1)
			if err := l.run(10, 10, 0, testLimit); err != nil {
				t.Fatal(err)
			}
			// One exchange more, so that what came after the last answer was read before the look.
			if err := l.run(1, 1, 0, testLimit); err != nil {
				t.Fatal(err)
			}
			conn.Close()
			<-done
			if !c.check(&l.tally) {
				t.Error(&l.tally)
			}
		})
	}
}

// What the bench itself can do, without a gateway: far more than any gateway, or it would be the bottleneck.
func BenchmarkLoad(b *testing.B) {
	for _, k := range kinds {
		b.Run(string(k), func(b *testing.B) {
			certs := testCertificates(b)
			h := startHome(b, k, certs)
			l := openLoad(b, &load{kind: k, addr: h.addr, certs: certs, timeout: testLimit}, 1)
			b.ReportAllocs()
			b.ResetTimer()
			if err := l.run(b.N, windowDefault, 0, time.Hour); err != nil {
				b.Fatal(err)
			}
		})
	}
}
