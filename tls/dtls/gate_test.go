package dtls

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/iotest"
	"time"
)

// firstHello returns a client's first datagram.
func firstHello(t testing.TB) []byte {
	t.Helper()
	_, cc := configs(keyECDSA)
	e, err := NewClient(cc)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(epochStart); err != nil {
		t.Fatal(err)
	}
	return e.Out()[0]
}

// cookieHello returns the hello that answers the gate's reply, from the same client.
func cookieHello(t testing.TB, g *Gate, now time.Time, peer, local netip.AddrPort) []byte {
	t.Helper()
	_, cc := configs(keyECDSA)
	e, err := NewClient(cc)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(now); err != nil {
		t.Fatal(err)
	}
	reply, v, _ := g.Check(now, peer, local, e.Out()[0], make([]byte, GateScratch))
	e.Sent(now)
	if v != Reply {
		t.Fatalf("first hello: %v", v)
	}
	if _, err := e.Feed(now, reply); err != nil || len(e.Out()) != 1 {
		t.Fatalf("client on the reply: %v, %d datagrams", err, len(e.Out()))
	}
	return e.Out()[0]
}

func newGate(t testing.TB) *Gate {
	t.Helper()
	keys, err := NewCookieKeys(nil)
	if err != nil {
		t.Fatal(err)
	}
	return NewGate(keys)
}

func TestGateCookie(t *testing.T) {
	var scratch [GateScratch]byte
	other := netip.MustParseAddrPort("192.0.2.2:40000")
	port := netip.MustParseAddrPort("192.0.2.1:40001")
	flip := func(off int) func([]byte) []byte {
		return func(b []byte) []byte { b[recordHeader+messageHeader+off] ^= 1; return b }
	}
	same := func(b []byte) []byte { return b }
	const sid, cookie = 34, 35 // no session id in this hello
	tests := []struct {
		name        string
		peer, local netip.AddrPort
		after       time.Duration
		change      func([]byte) []byte
		want        Verdict
	}{
		{"same", clientAddr, serverAddr, 0, same, Accept},
		{"after 59 s", clientAddr, serverAddr, 59 * time.Second, same, Accept},
		{"after 90 s", clientAddr, serverAddr, 90 * time.Second, same, Accept},
		{"after 121 s", clientAddr, serverAddr, 121 * time.Second, same, Reply},
		{"after an hour", clientAddr, serverAddr, time.Hour, same, Reply},
		{"other peer", other, serverAddr, 0, same, Reply},
		{"other port", port, serverAddr, 0, same, Reply},
		{"other local", clientAddr, other, 0, same, Reply},
		{"version", clientAddr, serverAddr, 0, flip(1), Reply},
		{"random", clientAddr, serverAddr, 0, flip(2), Reply},
		{"cookie", clientAddr, serverAddr, 0, flip(cookie + 1), Reply},
		{"suites", clientAddr, serverAddr, 0, flip(cookie + 1 + cookieLen + 2), Reply},
		{"session id", clientAddr, serverAddr, 0, func(b []byte) []byte {
			at := recordHeader + messageHeader + sid
			b = slices.Insert(b, at+1, 'x')
			b[at] = 1
			binary.BigEndian.PutUint16(b[11:], uint16(len(b)-recordHeader))
			binary.BigEndian.PutUint16(b[recordHeader+2:], uint16(len(b)-recordHeader-messageHeader))
			binary.BigEndian.PutUint16(b[recordHeader+10:], uint16(len(b)-recordHeader-messageHeader))
			return b
		}, Reply},
		{"compression", clientAddr, serverAddr, 0, flip(cookie + 1 + cookieLen + 2 + 2*len(suites) + 1), Reply},
		{"cookie length", clientAddr, serverAddr, 0, flip(cookie), Drop},
		{"session id length", clientAddr, serverAddr, 0, func(b []byte) []byte { b[recordHeader+messageHeader+sid] = 33; return b }, Drop},
		{"not a hello", clientAddr, serverAddr, 0, func(b []byte) []byte { b[recordHeader] = 2; return b }, Drop},
		{"epoch 1", clientAddr, serverAddr, 0, func(b []byte) []byte { b[4] = 1; return b }, Drop},
		{"message_seq", clientAddr, serverAddr, 0, func(b []byte) []byte { b[recordHeader+5] = 200; return b }, Drop},
		{"fragment", clientAddr, serverAddr, 0, func(b []byte) []byte {
			n := binary.BigEndian.Uint16(b[11:]) - 1
			binary.BigEndian.PutUint16(b[11:], n)
			binary.BigEndian.PutUint16(b[recordHeader+10:], n-messageHeader)
			return b[:len(b)-1]
		}, Drop},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newGate(t)
			hello := tt.change(cookieHello(t, g, epochStart, clientAddr, serverAddr))
			// Another shard with the same keys says the same.
			for _, g := range []*Gate{g, NewGate(g.keys)} {
				reply, v, random := g.Check(epochStart.Add(tt.after), tt.peer, tt.local, hello, scratch[:])
				if v != tt.want || (reply != nil) != (v == Reply) {
					t.Fatalf("%v, reply of %d bytes, want %v", v, len(reply), tt.want)
				}
				if (random != [32]byte{}) != (v == Accept) {
					t.Errorf("random %x with %v", random, v)
				}
				if v == Reply && (len(reply) > len(hello) || !bytes.Equal(reply[5:11], hello[5:11])) {
					t.Errorf("reply %x to %x", reply, hello[:recordHeader])
				}
				if c := g.Counts(); tt.name == "fragment" && c.Fragmented != 1 {
					t.Errorf("counts %+v", c)
				}
			}
		})
	}
}

// The shortest hello that is taken is longer than the reply, and every shorter one is dropped.
func TestGateTruncated(t *testing.T) {
	hello := firstHello(t)
	g := newGate(t)
	for n := range hello {
		if _, v, _ := g.Check(epochStart, clientAddr, serverAddr, hello[:n], make([]byte, GateScratch)); v != Drop {
			t.Fatalf("%d of %d bytes: %v", n, len(hello), v)
		}
	}
	body := append(append16(nil, version12), make([]byte, 32)...)
	body = append(body, 0, 0, 0, 2, 0xc0, 0x2b, 1, 0)
	b := append([]byte{typeHandshake, 0xfe, 0xfd}, make([]byte, 8)...)
	b = append16(b, uint16(messageHeader+len(body)))
	b = append(appendMessageHeader(b, typeClientHello, 0, len(body), 0, len(body)), body...)
	reply, v, _ := g.Check(epochStart, clientAddr, serverAddr, b, make([]byte, GateScratch))
	if v != Reply || len(reply) > len(b) || len(reply) != GateScratch {
		t.Errorf("smallest hello of %d bytes: %v, reply of %d", len(b), v, len(reply))
	}
}

// A clock that was set back does not keep a key for longer.
func TestCookieKeysClockSetBack(t *testing.T) {
	var scratch [GateScratch]byte
	g := newGate(t)
	cookieHello(t, g, epochStart.Add(time.Hour), clientAddr, serverAddr)
	hello := cookieHello(t, g, epochStart, clientAddr, serverAddr)
	for _, tt := range []struct {
		after time.Duration
		want  Verdict
	}{{59 * time.Second, Accept}, {-5 * time.Second, Accept}, {121 * time.Second, Reply}} {
		if _, v, _ := g.Check(epochStart.Add(tt.after), clientAddr, serverAddr, hello, scratch[:]); v != tt.want {
			t.Errorf("after %v: %v, want %v", tt.after, v, tt.want)
		}
	}
	// Shards whose times differ a little do not change the keys in turn.
	n := g.keys.generation.Load()
	for range 10 {
		g.rekey(epochStart.Add(200 * time.Second))
		g.rekey(epochStart.Add(199 * time.Second))
	}
	if g.keys.generation.Load() > n+1 {
		t.Error("two times a second apart change the keys again and again")
	}
}

func TestCookieKeysReader(t *testing.T) {
	if _, err := NewCookieKeys(iotest.ErrReader(errors.New("no entropy"))); err == nil {
		t.Error("keys without entropy")
	}
	keys, err := NewCookieKeys(bytes.NewReader(make([]byte, 64))) // enough for the first keys only
	if err != nil {
		t.Fatal(err)
	}
	g := NewGate(keys)
	hello := cookieHello(t, g, epochStart, clientAddr, serverAddr)
	if _, v, _ := g.Check(epochStart.Add(time.Hour), clientAddr, serverAddr, hello, make([]byte, GateScratch)); v != Accept {
		t.Errorf("with the reader at its end: %v", v)
	}
}

func TestIsHello(t *testing.T) {
	hello := firstHello(t)
	if !IsHello(hello) || IsHello(hello[:20]) || IsHello(nil) {
		t.Error("IsHello of a hello, of its beginning, of nothing")
	}
	hello[4] = 1
	if IsHello(hello) {
		t.Error("epoch 1")
	}
}
