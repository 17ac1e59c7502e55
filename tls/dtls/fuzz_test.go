package dtls

import (
	"bytes"
	"crypto/tls"
	"errors"
	"testing"
	"time"
)

func FuzzRecord(f *testing.F) {
	f.Add(firstHello(f))
	f.Add(rawRecord(record{typ: typeHandshake, version: version12, epoch: 1, seq: 7, body: make([]byte, 40)}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, rest, ok := parseRecord(b)
		if !ok {
			return
		}
		if got := append(rawRecord(r), rest...); !bytes.Equal(got, b) {
			t.Fatalf("%x became %x", b, got)
		}
		fr, rest, ok := parseFragment(r.body)
		if !ok {
			return
		}
		h := appendMessageHeader(nil, fr.typ, fr.seq, fr.length, fr.off, len(fr.data))
		if got := append(append(h, fr.data...), rest...); !bytes.Equal(got, r.body) {
			t.Fatalf("%x became %x", r.body, got)
		}
		in := incoming{next: fr.seq}
		if in.add(fr); in.bytes > maxReassembly {
			t.Fatalf("%d bytes kept", in.bytes)
		}
	})
}

func FuzzMessages(f *testing.F) {
	hello := firstHello(f)[recordHeader+messageHeader:]
	f.Add(uint8(0), hello)
	sh := serverHello{version: version12, suite: suites[0].id, ems: true, renegotiation: true, proto: "x", points: true, ticket: true}
	f.Add(uint8(1), sh.bytes())
	f.Add(uint8(2), certificateBody([][]byte{{1}, {2, 3}}))
	f.Add(uint8(3), appendSignature(appendVec([]byte{3, 0, 29}, 1, make([]byte, 32)), 0x0403, []byte("sig")))
	f.Add(uint8(4), (&certificateRequest{schemes: signatureSchemes, names: [][]byte{{1}}}).bytes())
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		var err error
		var again []byte // what encoding again gives, where that is exact
		switch kind % 9 {
		case 0:
			var h *clientHello
			if h, err = parseClientHello(b); err == nil {
				h.info()
			}
		case 1:
			_, err = parseServerHello(b)
		case 2:
			var chain [][]byte
			if chain, err = parseCertificateBody(b); err == nil {
				again = certificateBody(chain)
				_, err = parseChain(chain)
				if len(chain) > maxCertificates {
					t.Fatalf("%d certificates", len(chain))
				}
			}
		case 3:
			var k keyExchange
			if k, err = parseKeyExchange(b); err == nil {
				again = appendSignature(append([]byte(nil), k.params...), k.scheme, k.sig)
			}
		case 4:
			_, err = parseCertificateRequest(b)
		case 5:
			var scheme uint16
			var sig []byte
			if scheme, sig, err = parseCertificateVerify(b); err == nil {
				again = appendSignature(nil, scheme, sig)
			}
		case 6:
			_, _, err = parseTicket(b)
		case 7:
			_, err = parseHelloVerify(b)
		case 8:
			parseSession(epochStart, b)
			NewTicketKeys([32]byte{1}).open(epochStart, b)
		}
		var a *AlertError
		if err != nil && (!errors.As(err, &a) || a.Received) {
			t.Fatalf("error without alert: %v", err)
		}
		if again != nil && !bytes.Equal(again, b) {
			t.Fatalf("%x became %x", b, again)
		}
	})
}

func FuzzGate(f *testing.F) {
	f.Add(firstHello(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		g := newGate(t)
		reply, v, _ := g.Check(epochStart, clientAddr, serverAddr, b, make([]byte, GateScratch))
		if v == Accept {
			t.Fatal("accepted without a cookie of ours")
		}
		if (v == Reply) != (reply != nil) || len(reply) > len(b) || v == Reply && !IsHello(b) {
			t.Fatalf("%v: reply of %d bytes to %d", v, len(reply), len(b))
		}
	})
}

// FuzzInject feeds random datagrams to both ends at any point of a handshake, or after it: nothing panics, nothing
// grows, and what is read is what was written.
func FuzzInject(f *testing.F) {
	f.Add(uint8(0), firstHello(f))
	f.Add(uint8(3), []byte{typeAlert, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40})
	f.Add(uint8(5), []byte{typeHandshake, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 13, 11, 0, 64, 0, 0, 2, 0, 0, 0, 0, 0, 1, 7})
	f.Add(uint8(40), rawRecord(record{typ: typeApplicationData, version: version12, epoch: 1, seq: 5, body: make([]byte, 60)}))
	f.Fuzz(func(t *testing.T, at uint8, b []byte) {
		sc, cc := configs(keyECDSA)
		sc.ClientAuth = tls.RequireAndVerifyClientCert
		p := newPath(t, sc, cc)
		p.start()
		limit := p.now.Add(time.Minute)
		for range at % 64 {
			if p.bothOpen() || !p.step(limit) {
				break
			}
		}
		for _, e := range []*Engine{p.client, p.server} {
			if e == nil || e.State() == Failed {
				continue
			}
			if used, err := e.Feed(p.now, b); used != len(b) || (err != nil) != (e.State() == Failed) {
				t.Fatalf("used %d of %d, %v in %v", used, len(b), err, e.State())
			}
			if h := e.hs; h != nil && (h.in.bytes > maxReassembly || h.earlyBytes > maxEarlyBytes) {
				t.Fatalf("%d and %d bytes kept", h.in.bytes, h.earlyBytes)
			}
		}
		p.run(3*time.Minute, p.bothOpen)
		if p.bothOpen() {
			p.echo("data")
		}
		if p.server != nil && p.server.State() == Failed && p.client.State() == Open && len(p.got[0]) > 0 {
			t.Fatal("data without a server")
		}
	})
}

// FuzzLoss loses, copies and delays datagrams as the input says; once it is through, the handshake completes.
func FuzzLoss(f *testing.F) {
	f.Add(false, []byte{0, 1, 2, 3, 0, 0, 7, 1, 1})
	f.Add(true, []byte{1, 0, 0, 255, 18, 0, 33})
	f.Add(false, make([]byte, 12))
	f.Fuzz(func(t *testing.T, resume bool, plan []byte) {
		plan = plan[:min(len(plan), 12)] // below the retransmissions of lossConfigs: all may be losses
		p := lossPath(t, resume)
		p.carry = func(d *packet) int {
			if len(plan) == 0 {
				return 1
			}
			k := plan[0]
			plan = plan[1:]
			d.at = d.at.Add(time.Duration(k>>3) * 100 * time.Millisecond)
			return int(k % 4) // 0: lost
		}
		finishUnder(t, p, 10*time.Minute, resume, "fuzz")
	})
}
