package dtls

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestWindow(t *testing.T) {
	var w window
	for _, step := range []struct {
		seq   uint64
		fresh bool
	}{
		{0, true}, {0, false}, {2, true}, {1, true}, {1, false}, {2, false}, {70, true}, {6, false}, {7, true}, {7, false},
		{69, true}, {200, true}, {70, false}, {136, false}, {137, true}, {1 << 40, true}, {200, false}, {1<<40 - 63, true}, {1<<40 - 64, false},
	} {
		if got := w.fresh(step.seq); got != step.fresh {
			t.Fatalf("seq %d: fresh %v, want %v", step.seq, got, step.fresh)
		}
		if step.fresh {
			w.mark(step.seq)
		}
	}
}

func TestParseTruncated(t *testing.T) {
	r := record{typ: typeHandshake, version: version12, epoch: 1, seq: 0x010203040506, body: []byte("0123456789ab")}
	b := rawRecord(r)
	got, rest, ok := parseRecord(append(b, 'x'))
	if !ok || string(rest) != "x" || got.seq != r.seq || got.epoch != 1 || string(got.body) != string(r.body) {
		t.Errorf("%+v, rest %q, %v", got, rest, ok)
	}
	for n := range b {
		if _, _, ok := parseRecord(b[:n]); ok {
			t.Errorf("%d of %d bytes are a record", n, len(b))
		}
	}
	f := append(appendMessageHeader(nil, typeFinished, 3, 20, 5, 4), "abcd"...)
	if got, rest, ok := parseFragment(f); !ok || len(rest) != 0 || got.off != 5 || got.length != 20 || string(got.data) != "abcd" {
		t.Errorf("%+v %v", got, ok)
	}
	for n := range f {
		if _, _, ok := parseFragment(f[:n]); ok {
			t.Errorf("%d of %d bytes are a fragment", n, len(f))
		}
	}
	if _, _, ok := parseFragment(appendMessageHeader(nil, typeFinished, 3, 20, 20, 0)); ok {
		t.Error("an empty fragment of a message that is not empty")
	}
	if _, _, ok := parseFragment(append(appendMessageHeader(nil, typeFinished, 3, 20, 18, 4), "abcd"...)); ok {
		t.Error("a fragment beyond its message")
	}
}

// Every shorter message is refused, with a reason.
func TestMessagesTruncated(t *testing.T) {
	hello := firstHello(t)[recordHeader+messageHeader:]
	full := &serverHello{version: version12, sessionID: make([]byte, 32), suite: suites[0].id, nameAck: true, proto: "radius/1.1",
		points: true, ems: true, ticket: true, renegotiation: true}
	request := &certificateRequest{schemes: signatureSchemes, names: [][]byte{[]byte("one"), []byte("two")}}
	params := appendVec([]byte{3, 0, 29}, 1, make([]byte, 32))
	tests := []struct {
		name  string
		body  []byte
		parse func(b []byte) error
		holes map[int]bool // lengths that are whole as well
	}{
		{"client_hello", hello, func(b []byte) error { _, err := parseClientHello(b); return err }, map[int]bool{2 + 32 + 1 + 1 + 2 + 12 + 2: true}},
		{"server_hello", full.bytes(), func(b []byte) error { _, err := parseServerHello(b); return err }, map[int]bool{2 + 32 + 33 + 3: true}},
		{"certificate", certificateBody([][]byte{{1, 2}, {3}}), func(b []byte) error { _, err := parseCertificateBody(b); return err }, nil},
		{"server_key_exchange", appendSignature(params, 0x0403, []byte("sig")), func(b []byte) error { _, err := parseKeyExchange(b); return err }, nil},
		{"certificate_request", request.bytes(), func(b []byte) error { _, err := parseCertificateRequest(b); return err }, nil},
		{"certificate_verify", appendSignature(nil, 0x0403, []byte("sig")), func(b []byte) error { _, _, err := parseCertificateVerify(b); return err }, nil},
		{"new_session_ticket", appendVec([]byte{0, 0, 1, 0}, 2, []byte("ticket")), func(b []byte) error { _, _, err := parseTicket(b); return err }, nil},
		{"hello_verify_request", appendVec([]byte{0xfe, 0xff}, 1, []byte("cookie")), func(b []byte) error { _, err := parseHelloVerify(b); return err }, nil},
	}
	for _, tt := range tests {
		if err := tt.parse(tt.body); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		for n := range tt.body {
			err := tt.parse(tt.body[:n:n])
			var a *AlertError
			if whole := tt.holes[n]; whole != (err == nil) {
				t.Errorf("%s, %d of %d bytes: %v", tt.name, n, len(tt.body), err)
			} else if !whole && (!errors.As(err, &a) || !strings.Contains(err.Error(), tt.name)) {
				t.Errorf("%s, %d bytes: %v", tt.name, n, err)
			}
		}
		if tt.parse(append(append([]byte(nil), tt.body...), 0)) == nil {
			t.Errorf("%s: a byte too many is taken", tt.name)
		}
	}
}

func TestReassembly(t *testing.T) {
	const length = 300
	want := make([]byte, length)
	for i := range want {
		want[i] = byte(i * 7)
	}
	frag := func(lo, hi int) fragment {
		return fragment{typ: typeCertificate, seq: 5, length: length, off: lo, data: want[lo:hi]}
	}
	for seed := range 500 {
		g := lcg(seed)
		in := incoming{next: 5}
		for range 20000 {
			lo := g.next(length)
			in.add(frag(lo, min(length, lo+1+g.next(40))))
			if in.slots[0].whole() {
				break
			}
			if _, ok := in.pop(); ok {
				t.Fatal("popped before it was whole")
			}
		}
		m, ok := in.pop()
		if !ok || !bytes.Equal(m.body, want) || m.seq != 5 || in.next != 6 || in.bytes != 0 {
			t.Fatalf("seed %d: whole %v, next %d, bytes %d", seed, ok, in.next, in.bytes)
		}
	}
	in := incoming{next: 5}
	bad := frag(0, 10)
	bad.length = length + 1
	other := frag(0, 10)
	other.typ = typeFinished
	far := frag(0, 10)
	far.seq = 5 + maxAhead
	in.add(frag(20, 30))
	for i, f := range []fragment{bad, other, far} {
		if in.add(f) {
			t.Errorf("fragment %d that does not fit was taken", i)
		}
	}
	for i := range 100 {
		in.add(fragment{typ: typeCertificate, seq: 6, length: 1000, off: 2 * i, data: []byte{1}})
	}
	if n := len(in.slots[1].parts); n != maxParts {
		t.Errorf("%d parts", n)
	}
	big := fragment{typ: typeCertificate, seq: 7, length: maxReassembly, data: []byte{1}}
	if in.add(big) {
		t.Error("above the limit of all messages")
	}
}

// Of fragments that overlap and contradict each other, each byte is that of the first that came.
func TestReassemblyContradiction(t *testing.T) {
	const length = 120
	for seed := range 500 {
		g := lcg(seed)
		in := incoming{}
		var want, have [length]byte
		for n := byte(1); in.slots[0] == nil || !in.slots[0].whole(); n++ {
			lo := g.next(length)
			hi := min(length, lo+1+g.next(40))
			if !in.add(fragment{typ: typeCertificate, length: length, off: lo, data: bytes.Repeat([]byte{n}, hi-lo)}) {
				continue
			}
			for i := lo; i < hi; i++ {
				if have[i] == 0 {
					want[i], have[i] = n, 1
				}
			}
		}
		if m, _ := in.pop(); !bytes.Equal(m.body, want[:]) {
			t.Fatalf("seed %d: %x, want %x", seed, m.body, want)
		}
	}
}

// open pair without network.
func openPair(t testing.TB, sc, cc *Config) (client, server *Engine) {
	p := newPath(t, sc, cc)
	p.open()
	p.settle(time.Second)
	return p.client, p.server
}

func TestDiscards(t *testing.T) {
	for _, id := range []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256} {
		sc, cc := configs(keyECDSA)
		cc.CipherSuites = []uint16{id}
		client, server := openPair(t, sc, cc)
		good, _, _ := client.Seal(nil, []byte("good"))
		flip := func(i int) []byte {
			b := append([]byte(nil), good...)
			b[(i+len(b))%len(b)] ^= 1
			return b
		}
		nextEpoch := append([]byte(nil), good...)
		nextEpoch[4] = 2
		tests := []struct {
			name  string
			b     []byte
			count func(c Counts) uint64
		}{
			{"type", flip(0), func(c Counts) uint64 { return c.Malformed + c.Forged }},
			{"version", flip(1), func(c Counts) uint64 { return c.Malformed }},
			{"minor version", flip(2), func(c Counts) uint64 { return c.Malformed }},
			{"epoch 0", flip(4), func(c Counts) uint64 { return c.OtherEpoch }},
			{"epoch 2", nextEpoch, func(c Counts) uint64 { return c.OtherEpoch }},
			{"sequence", flip(9), func(c Counts) uint64 { return c.Forged }},
			{"length", flip(12), func(c Counts) uint64 { return c.Malformed + c.Forged }},
			{"body", flip(recordHeader + 9), func(c Counts) uint64 { return c.Forged }},
			{"tag", flip(-1), func(c Counts) uint64 { return c.Forged }},
			{"truncated", good[:len(good)-1], func(c Counts) uint64 { return c.Malformed }},
			{"garbage", []byte("not a record at all"), func(c Counts) uint64 { return c.Malformed }},
			{"plain alert", []byte{typeAlert, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40}, func(c Counts) uint64 { return c.OtherEpoch }},
			{"plain hello", firstHello(t), func(c Counts) uint64 { return c.OtherEpoch }},
		}
		for _, tt := range tests {
			before := tt.count(server.Counts())
			used, err := server.Feed(epochStart, tt.b)
			if used != len(tt.b) || err != nil || server.Held() || server.State() != Open || len(server.Out()) != 0 {
				t.Errorf("%s: %d, %v, held %v, %v, out %d", tt.name, used, err, server.Held(), server.State(), len(server.Out()))
			}
			if got := tt.count(server.Counts()) - before; got != 1 {
				t.Errorf("%s: counted %d", tt.name, got)
			}
			wantAgain(t, server)
		}
		// And the good one after all of them, once.
		if server.Feed(epochStart, good); !server.Held() {
			t.Fatal("the good record is gone")
		}
		if used, err := server.Feed(epochStart, good); used != 0 || err != nil {
			t.Errorf("feed while held: %d, %v", used, err)
		}
		b := make([]byte, 100)
		if n, err := server.Read(b); err != nil || string(b[:n]) != "good" {
			t.Errorf("%q, %v", b[:n], err)
		}
		if server.Feed(epochStart, good); server.Held() || server.Counts().Replayed != 1 {
			t.Error("a replayed record is held")
		}
		if n, err := server.Read(nil); n != 0 || err != nil {
			t.Errorf("read into nothing: %d, %v", n, err)
		}
		if _, _, err := client.Seal(nil, make([]byte, maxPlaintext+1)); err != ErrTooLong {
			t.Errorf("seal of too much: %v", err)
		}
	}
}

// Several records in a datagram, of all kinds and lengths, are read one by one.
func TestRecordsInDatagram(t *testing.T) {
	sc, cc := configs(keyECDSA)
	client, server := openPair(t, sc, cc)
	for _, sizes := range [][]int{{1, 0, 2}, {1000, 1500, 3}, {100, 16000, 5}, {16384, 16384, 16384, 1}} {
		var d []byte
		for i, n := range sizes {
			d, _, _ = client.Seal(d, bytes.Repeat([]byte{byte('a' + i)}, n))
		}
		if used, err := server.Feed(epochStart, d); used != len(d) || err != nil {
			t.Fatal(used, err)
		}
		b := make([]byte, maxPlaintext)
		for i, want := range sizes {
			if want == 0 {
				continue
			}
			if n, err := server.Read(b); n != want || err != nil || b[n-1] != byte('a'+i) {
				t.Errorf("%v: record %d: %d, %v", sizes, i, n, err)
			}
		}
		wantAgain(t, server)
		if server.in != nil {
			t.Error("a buffer stays")
		}
	}
	if server.Counts().Empty != 1 {
		t.Errorf("%+v", server.Counts())
	}
}

func TestAfterHandshake(t *testing.T) {
	sc, cc := configs(keyECDSA)
	fresh := func() (*Engine, *Engine) { return openPair(t, sc, cc) }
	say := func(from *Engine, typ uint8, body []byte) []byte { return must(from.appendRecord(nil, typ, 1, body)) }
	hello := appendMessageHeader(nil, typeClientHello, 9, 0, 0, 0)

	client, server := fresh() // renegotiation is refused, for a while
	for i := range maxRefusals {
		if _, err := server.Feed(epochStart, say(client, typeHandshake, hello)); err != nil || len(server.Out()) != 1 {
			t.Fatalf("%d: %v, %d datagrams", i, err, len(server.Out()))
		}
		if _, err := client.Feed(epochStart, server.Out()[0]); err != nil || client.Counts().Warnings != uint64(i+1) {
			t.Errorf("client on no_renegotiation: %v, %+v", err, client.Counts())
		}
		server.Sent(epochStart)
	}
	if _, err := server.Feed(epochStart, say(client, typeHandshake, hello)); err == nil {
		t.Error("asked for renegotiation without end")
	}

	client, server = fresh() // warnings
	warning := []byte{levelWarning, 90}
	for range 3 {
		for range maxWarnings {
			if _, err := server.Feed(epochStart, say(client, typeAlert, warning)); err != nil {
				t.Fatal(err)
			}
		}
		d, _, _ := client.Seal(nil, []byte("data between"))
		server.Feed(epochStart, d)
		server.Read(make([]byte, 100))
	}
	var err error
	for range maxWarnings + 1 {
		_, err = server.Feed(epochStart, say(client, typeAlert, warning))
	}
	if err == nil || server.State() != Failed {
		t.Error("warnings without end")
	}

	client, server = fresh() // a fatal alert, and a change_cipher_spec
	if _, err := server.Feed(epochStart, say(client, typeAlert, []byte{levelFatal, 80})); err == nil || !strings.Contains(err.Error(), "received") {
		t.Errorf("fatal alert: %v", err)
	}
	client, server = fresh()
	if _, err := server.Feed(epochStart, say(client, typeChangeCipherSpec, []byte{1})); err == nil {
		t.Error("change_cipher_spec in epoch 1 taken")
	}
	if _, err := client.Feed(epochStart, server.Out()[0]); err == nil {
		t.Error("the alert about it is not understood")
	}
}

// TestUselessRecordsBounded: a peer that floods what has no data is dropped, by an alert; what others forge is not the peer's.
func TestUselessRecordsBounded(t *testing.T) {
	late := append(appendMessageHeader(nil, typeFinished, 200, 12, 0, 12), make([]byte, 12)...)
	for _, tt := range []struct {
		name string
		typ  uint8
		body []byte
	}{
		{"empty data", typeApplicationData, nil},
		{"empty handshake record", typeHandshake, nil},
		{"half a fragment", typeHandshake, late[:20]},
		{"a Finished of no handshake", typeHandshake, late},
		{"alert of one byte", typeAlert, []byte{levelWarning}},
	} {
		for _, inOne := range []bool{false, true} { // datagram
			for _, byServer := range []bool{false, true} {
				sc, cc := configs(keyECDSA)
				from, to := openPair(t, sc, cc)
				if byServer {
					from, to = to, from
				}
				record := func() []byte { return must(from.appendRecord(nil, tt.typ, 1, tt.body)) }
				flood := func(count int) (err error) {
					var all []byte
					for range count {
						all = append(all, record()...)
						if !inOne {
							_, err = to.Feed(epochStart, all)
							all = nil
						}
					}
					if inOne {
						_, err = to.Feed(epochStart, all)
					}
					return err
				}
				for range 3 { // data between them begins anew
					if err := flood(maxUseless); err != nil || len(to.Out()) > 0 {
						t.Fatalf("%s: %v, %d datagrams", tt.name, err, len(to.Out()))
					}
					d, _, _ := from.Seal(nil, []byte("data between"))
					to.Feed(epochStart, d)
					if n, err := to.Read(make([]byte, 100)); n == 0 || err != nil {
						t.Fatalf("%s: read %d, %v", tt.name, n, err)
					}
				}
				if err := flood(maxUseless); err != nil {
					t.Fatal(err)
				}
				// Forged, replayed, and of no epoch: from anybody.
				forged := record()
				forged[len(forged)-1] ^= 1
				for range 3 * maxUseless {
					for _, b := range [][]byte{forged, {typeApplicationData, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0}} {
						if _, err := to.Feed(epochStart, b); err != nil || to.State() != Open {
							t.Fatalf("%s: ended by what is forged: %v", tt.name, err)
						}
					}
				}
				err := flood(1)
				var alert *AlertError
				if !errors.As(err, &alert) || alert.Received || alert.Alert != alertUnexpectedMessage || to.State() != Failed || len(to.Out()) != 1 {
					t.Fatalf("%s: %v, state %v, %d datagrams", tt.name, err, to.State(), len(to.Out()))
				}
				if _, err := from.Feed(epochStart, to.Out()[0]); !errors.As(err, &alert) || !alert.Received || from.State() != Failed {
					t.Errorf("%s: the flooder sees %v", tt.name, err)
				}
			}
		}
	}
}

// The limits of keys: sequence numbers, blocks, forgeries.
func TestKeyLimits(t *testing.T) {
	sc, cc := configs(keyECDSA)
	client, server := openPair(t, sc, cc)
	client.wseq[1] = maxSeq - 16
	if _, _, err := client.Seal(nil, []byte("last")); err != nil {
		t.Error(err)
	}
	if _, _, err := client.Seal(nil, []byte("one more")); err != ErrLimit {
		t.Errorf("sequence numbers at their end: %v", err)
	}
	client.CloseNotify()
	if len(client.Out()) != 1 {
		t.Error("no room for the close_notify")
	}
	// Each record counts, whoever makes it: its bytes in blocks of 16, and two more.
	before := server.wr.blocks
	for _, n := range []int{0, 15, 16, maxPlaintext} {
		if _, _, err := server.Seal(nil, make([]byte, n)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := server.wr.blocks-before, uint64(4*2+1+maxPlaintext/16); got != want || before == 0 {
		t.Errorf("%d blocks counted, want %d; %d in the handshake", got, want, before)
	}
	server.wr.blocks = maxBlocks + 1
	if _, _, err := server.Seal(nil, []byte("x")); err != ErrLimit {
		t.Errorf("blocks: %v", err)
	}
	server.counts.Forged = maxForged - 1
	d := must(client.appendRecord(nil, typeApplicationData, 1, []byte("x")))
	d[len(d)-1] ^= 1
	if _, err := server.Feed(epochStart, d); err != ErrLimit || server.State() != Failed {
		t.Errorf("forgeries: %v", err)
	}
}

// Records of epoch 1 that come before the keys are kept within their limit.
func TestEarlyRecords(t *testing.T) {
	sc, cc := configs(keyECDSA)
	p := newPath(t, sc, cc)
	p.start()
	p.run(time.Minute, func() bool { return p.server != nil })
	junk := rawRecord(record{typ: typeApplicationData, version: version12, epoch: 1, seq: 5, body: make([]byte, 3000)})
	for range 5 {
		p.feed(p.server, junk)
	}
	if h := p.server.hs; h.earlyBytes > maxEarlyBytes || len(h.early) != 2 || p.server.Counts().Early != 3 {
		t.Errorf("%d records, %d bytes, %+v", len(h.early), h.earlyBytes, p.server.Counts())
	}
	p.run(time.Minute, p.bothOpen)
	p.echo("after junk")
}

// Secrets do not stay: the master secret is wiped at the end of the handshake, whichever it is.
func TestSecretsWiped(t *testing.T) {
	sc, cc := configs(keyECDSA)
	for _, abort := range []bool{false, true} {
		p := newPath(t, sc, cc)
		p.start()
		var h *handshake
		var secret *[masterLen]byte
		p.run(time.Minute, func() bool {
			if p.client.hs != nil && p.client.hs.master != [masterLen]byte{} {
				h, secret = p.client.hs, &p.client.hs.master
			}
			return h != nil && abort || p.bothOpen()
		})
		if h == nil || !abort && *secret != [masterLen]byte{} {
			t.Fatal("no secret seen, or it stays")
		}
		if p.client.Abort(); *secret != [masterLen]byte{} || p.client.hs != nil {
			t.Error("the secret stays after Abort")
		}
	}
}

func TestSequenceOfHello(t *testing.T) {
	sc, _ := configs(keyECDSA)
	g := newGate(t)
	hello := cookieHello(t, g, epochStart, clientAddr, serverAddr)
	put48(hello[5:], 77)
	reply, _, _ := g.Check(epochStart, clientAddr, clientAddr, hello, make([]byte, GateScratch))
	if get48(reply[5:]) != 77 || binary.BigEndian.Uint16(reply[recordHeader+4:]) != 1 {
		t.Errorf("reply %x", reply)
	}
	e, err := NewServer(sc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Feed(epochStart, hello); err != nil {
		t.Fatal(err)
	}
	// A number that leaves no room for ours is not taken.
	for _, seq := range []uint64{maxFirstRecordSeq, maxFirstRecordSeq + 1, maxSeq} {
		put48(hello[5:], seq)
		e := must(NewServer(sc))
		if _, err := e.Feed(epochStart, hello); err != nil {
			t.Fatal(err)
		}
		if taken := len(e.Out()) > 0; taken != (seq <= maxFirstRecordSeq) || taken == (e.Counts().Fragments == 1) {
			t.Errorf("a hello in record %d: taken %v, %+v", seq, taken, e.Counts())
		}
	}
	first := e.Out()[0]
	if get48(first[5:]) != 77 || binary.BigEndian.Uint16(first[recordHeader+4:]) != 1 {
		t.Errorf("first record %x: want sequence number 77 and message_seq 1", first[:40])
	}
}
