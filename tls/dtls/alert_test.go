package dtls

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Each refusal has its alert at both ends, and its reason at the end that refuses.
func TestRefusals(t *testing.T) {
	impostor := newPKI(testPKI().cert.Subject.CommonName)
	expired := func(c *x509.Certificate) { c.NotAfter = epochStart.Add(-time.Hour) }
	future := func(c *x509.Certificate) { c.NotBefore = epochStart.Add(time.Hour) }
	issue := func(p *pki, role int, change func(*x509.Certificate)) []tls.Certificate {
		return []tls.Certificate{p.issue(keyECDSA, role, [2]string{serverName, clientName}[role], change)}
	}
	serverOnly := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }
	refuse := func(err error) func(tls.ConnectionState) error { return func(tls.ConnectionState) error { return err } }
	tests := []struct {
		name   string
		change func(s, c *Config)
		server bool // who refuses
		alert  int
		reason string
	}{
		{"wrong CA of server", func(s, c *Config) { s.Certificates = issue(impostor, 0, nil) }, false, 48, "unknown authority"},
		{"wrong CA of client", func(s, c *Config) { c.Certificates = issue(impostor, 1, nil) }, true, 48, "unknown authority"},
		{"expired server", func(s, c *Config) { s.Certificates = issue(testPKI(), 0, expired) }, false, 45, "expired"},
		{"expired client", func(s, c *Config) { c.Certificates = issue(testPKI(), 1, expired) }, true, 45, "expired"},
		{"server not yet valid", func(s, c *Config) { s.Certificates = issue(testPKI(), 0, future) }, false, 45, "not yet valid"},
		{"client not yet valid", func(s, c *Config) { c.Certificates = issue(testPKI(), 1, future) }, true, 45, "not yet valid"},
		{"wrong name", func(s, c *Config) { c.ServerName = "other.example.org" }, false, 49, "other.example.org"},
		{"wrong address", func(s, c *Config) { c.ServerName = "192.0.2.9" }, false, 49, "192.0.2.9"},
		{"wrong usage", func(s, c *Config) { c.Certificates = issue(testPKI(), 1, serverOnly) }, true, 43, "usage"},
		{"no certificate", func(s, c *Config) { c.Certificates = nil }, true, 40, "none, but one is required"},
		{"revoked client", func(s, c *Config) {
			s.VerifyConnection = refuse(fmt.Errorf("serial 7 revoked: %w", tls.AlertError(44)))
		}, true, 44, "serial 7"},
		{"revoked server", func(s, c *Config) {
			c.VerifyConnection = refuse(fmt.Errorf("serial 8 revoked: %w", tls.AlertError(44)))
		}, false, 44, "serial 8"},
		{"policy of client", func(s, c *Config) { s.VerifyConnection = refuse(errors.New("policy")) }, true, 42, "policy"},
		{"no suite in common", func(s, c *Config) { c.CipherSuites, s.CipherSuites = CipherSuites()[:2], CipherSuites()[2:] }, true, 40, "cipher_suite"},
		{"suite for another key", func(s, c *Config) { c.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256} }, true, 40, "cipher_suite"},
		{"no curve in common", func(s, c *Config) {
			c.CurvePreferences, s.CurvePreferences = []tls.CurveID{tls.X25519}, []tls.CurveID{tls.CurveP256}
		}, true, 40, "group"},
		{"no protocol in common", func(s, c *Config) { c.NextProtos, s.NextProtos = []string{"a"}, []string{"b"} }, true, 120, "ALPN"},
		{"no certificate for the name", func(s, c *Config) {
			s.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				return nil, fmt.Errorf("name: %w", tls.AlertError(112))
			}
		}, true, 112, "name"},
		{"callback fails", func(s, c *Config) {
			s.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("disk") }
		}, true, 80, "disk"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sc, cc := configs(keyECDSA)
			sc.ClientAuth = tls.RequireAndVerifyClientCert
			tt.change(sc, cc)
			p := newPath(t, sc, cc)
			p.start()
			p.settle(time.Minute)
			for _, e := range []*Engine{p.client, p.server} {
				var a *AlertError
				if e.State() != Failed || !errors.As(e.Err(), &a) {
					t.Fatal(p)
				}
				refuser := (e == p.server) == tt.server
				if int(a.Alert) != tt.alert || a.Received == refuser {
					t.Errorf("server %v: %v", e == p.server, a)
				}
				if refuser && !strings.Contains(a.Error(), tt.reason) {
					t.Errorf("reason %q without %q", a, tt.reason)
				}
				if _, err := e.Read(make([]byte, 1)); err != e.Err() {
					t.Errorf("read: %v", err)
				}
				if _, _, err := e.Seal(nil, nil); err != e.Err() {
					t.Errorf("seal: %v", err)
				}
				if e.hs != nil || e.rd.aead != nil {
					t.Error("keys stay after the failure")
				}
			}
		})
	}
}

// A hello that the server cannot take gets its alert, in epoch 0.
func TestHelloRefused(t *testing.T) {
	tests := []struct {
		name   string
		change func(h *clientHello, body []byte) []byte
		alert  int
	}{
		{"DTLS 1.0", func(h *clientHello, b []byte) []byte { h.version = version10; return h.bytes() }, 70},
		{"TLS 1.2", func(h *clientHello, b []byte) []byte { h.version = 0x0303; return h.bytes() }, 70},
		{"truncated", func(h *clientHello, b []byte) []byte { return b[:len(b)-1] }, 50},
		{"trailing", func(h *clientHello, b []byte) []byte { return append(b, 0) }, 50},
		{"extension twice", func(h *clientHello, b []byte) []byte {
			x := append([]byte(nil), b...)
			at := extensionsAt(h)
			more := int(x[at])<<8 | int(x[at+1]) + 4
			x[at], x[at+1] = byte(more>>8), byte(more)
			return append(x, 0, extMasterSecret, 0, 0)
		}, 47},
		{"extensions, but none of them", func(h *clientHello, b []byte) []byte {
			at := extensionsAt(h)
			return append(b[:at:at], 0, 0)
		}, 40},
		{"compression only", func(h *clientHello, b []byte) []byte { b[extensionsAt(h)-1] = 1; return b }, 47},
		{"points compressed only", func(h *clientHello, b []byte) []byte {
			b[bytes.Index(b, []byte{0, extPointFormats, 0, 2, 1, 0})+5] = 1
			return b
		}, 47},
		{"renegotiation", func(h *clientHello, b []byte) []byte {
			at := extensionsAt(h)
			more := append16(nil, uint16(len(b)-at-2+1))
			b = slices.Insert(b, bytes.Index(b, []byte{0xff, 1, 0, 1, 0})+5, 'x')
			copy(b[at:], more)
			i := bytes.Index(b, []byte{0xff, 1, 0, 1, 0, 'x'})
			b[i+3], b[i+4] = 2, 1
			return b
		}, 50},
		{"no extensions", func(h *clientHello, b []byte) []byte { at := extensionsAt(h); return b[:at:at] }, 40},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sc, _ := configs(keyECDSA)
			hello := firstHello(t)
			body := hello[recordHeader+messageHeader:]
			h, err := parseClientHello(body)
			if err != nil {
				t.Fatal(err)
			}
			b := helloDatagram(tt.change(h, body))
			e, err := NewServer(sc)
			if err != nil {
				t.Fatal(err)
			}
			_, err = e.Feed(epochStart, b)
			var a *AlertError
			if !errors.As(err, &a) || int(a.Alert) != tt.alert || a.Received {
				t.Fatalf("%v, want alert %d", err, tt.alert)
			}
			want := []byte{typeAlert, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, levelFatal, byte(tt.alert)}
			if out := e.Out(); len(out) != 1 || string(out[0]) != string(want) {
				t.Errorf("out %x", out)
			}
			if !strings.Contains(err.Error(), "client_hello") || !strings.Contains(err.Error(), "RFC") {
				t.Errorf("error %q names no field or rule", err)
			}
		})
	}
}

// A hello that lacks the extended master secret and nothing else is refused for that (RFC 7627, Section 5.3).
func TestHelloWithoutMasterSecret(t *testing.T) {
	sc, _ := configs(keyECDSA)
	body := firstHello(t)[recordHeader+messageHeader:]
	whole := must(parseClientHello(body))
	at := extensionsAt(whole)
	i := at + bytes.Index(body[at:], []byte{0, extMasterSecret, 0, 0})
	body = slices.Delete(body, i, i+4)
	binary.BigEndian.PutUint16(body[at:], uint16(len(body)-at-2))
	h := must(parseClientHello(body))
	if h.ems || !slices.Equal(h.groups, whole.groups) || !slices.Equal(h.schemes, whole.schemes) {
		t.Fatalf("%+v", h)
	}
	_, err := must(NewServer(sc)).Feed(epochStart, helloDatagram(body))
	wantAlert(t, err, alertHandshakeFailure, "no extended_master_secret")
}

// A client refuses a ServerHello that answers something else than it has asked.
func TestServerHelloRefused(t *testing.T) {
	tests := []struct {
		name   string
		change func(h *serverHello)
		alert  int
	}{
		{"DTLS 1.0", func(h *serverHello) { h.version = version10 }, 70},
		{"suite not offered", func(h *serverHello) { h.suite = suites[1].id }, 47},
		{"suite unknown", func(h *serverHello) { h.suite = 0x1301 }, 47},
		{"compression", func(h *serverHello) { h.compression = 1 }, 47},
		{"no extended master secret", func(h *serverHello) { h.ems = false }, 40},
		{"no renegotiation_info", func(h *serverHello) { h.renegotiation = false }, 40},
		{"session id of 33 bytes", func(h *serverHello) { h.sessionID = make([]byte, 33) }, 50},
		{"ticket not asked for", func(h *serverHello) { h.ticket = true }, 110},
		{"ALPN not asked for", func(h *serverHello) { h.proto = "other" }, 47},
		{"nothing wrong", func(h *serverHello) {}, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, cc := configs(keyECDSA)
			cc.CipherSuites = []uint16{suites[0].id}
			e, err := NewClient(cc)
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Start(epochStart); err != nil {
				t.Fatal(err)
			}
			h := &serverHello{version: version12, suite: suites[0].id, ems: true, renegotiation: true, points: true}
			tt.change(h)
			body := h.bytes()
			m := append(appendMessageHeader(nil, typeServerHello, 0, len(body), 0, len(body)), body...)
			_, err = e.Feed(epochStart, rawRecord(record{typ: typeHandshake, version: version12, body: m}))
			var a *AlertError
			if tt.alert < 0 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !errors.As(err, &a) || int(a.Alert) != tt.alert || !strings.Contains(err.Error(), "server_hello") {
				t.Fatalf("%v, want alert %d", err, tt.alert)
			}
			if out := e.Out(); len(out) != 1 || out[0][recordHeader+1] != byte(tt.alert) {
				t.Errorf("out %x", out)
			}
		})
	}
}

func extensionsAt(h *clientHello) int {
	return 2 + 32 + 1 + len(h.sessionID) + 1 + len(h.cookie) + 2 + 2*len(h.suites) + 2
}

func helloDatagram(body []byte) []byte {
	b := append([]byte{typeHandshake, 0xfe, 0xfd}, make([]byte, 8)...)
	b = append16(b, uint16(messageHeader+len(body)))
	return append(appendMessageHeader(b, typeClientHello, 0, len(body), 0, len(body)), body...)
}

func TestConfigRefused(t *testing.T) {
	tests := []struct {
		name   string
		server bool
		change func(c *Config)
	}{
		{"suite", false, func(c *Config) { c.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA} }},
		{"no suites", false, func(c *Config) { c.CipherSuites = []uint16{} }},
		{"curve", false, func(c *Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP521} }},
		{"no curves", false, func(c *Config) { c.CurvePreferences = []tls.CurveID{} }},
		{"protocol", false, func(c *Config) { c.NextProtos = []string{""} }},
		{"MTU", false, func(c *Config) { c.MTU = 255 }},
		{"time", false, func(c *Config) { c.RetransmitInitial = -1 }},
		{"no name", false, func(c *Config) { c.ServerName = "" }},
		{"no certificate", true, func(c *Config) { c.Certificates = nil }},
		{"no CA", true, func(c *Config) { c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, nil }},
	}
	for _, tt := range tests {
		sc, cc := configs(keyECDSA)
		c := cc
		if tt.server {
			c = sc
		}
		tt.change(c)
		if _, err := newEngine(c, tt.server); err == nil {
			t.Errorf("%s: accepted", tt.name)
		}
	}
}

func TestCloseAndAbort(t *testing.T) {
	sc, cc := configs(keyECDSA)
	p := newPath(t, sc, cc)
	if _, _, err := p.client.Seal(nil, []byte("early")); err != syscall.EAGAIN {
		t.Errorf("seal before the handshake: %v", err)
	}
	p.open()
	// Data before the close_notify can be read after it.
	d, _, _ := p.client.Seal(nil, []byte("last words"))
	p.client.CloseNotify()
	p.client.CloseNotify()
	if out := p.client.Out(); len(out) != 1 {
		t.Fatalf("%d datagrams for two calls of CloseNotify", len(out))
	}
	if _, _, err := p.client.Seal(nil, []byte("x")); err == nil || err == syscall.EAGAIN {
		t.Errorf("seal after CloseNotify: %v", err)
	}
	joined := append(append([]byte(nil), d...), p.client.Out()[0]...)
	if _, err := p.server.Feed(p.now, joined); err != nil || p.server.State() != PeerClosed {
		t.Fatalf("%v, %v", p.server.State(), err)
	}
	b := make([]byte, 5)
	if n, err := p.server.Read(b); n != 0 || err != io.ErrShortBuffer {
		t.Errorf("read into too little: %d, %v", n, err)
	}
	wantEOF(t, p.server)
	if out := p.server.Out(); len(out) != 1 {
		t.Errorf("%d answers to close_notify", len(out))
	}
	if _, _, err := p.server.Seal(nil, []byte("x")); err != syscall.EPIPE {
		t.Errorf("seal after the peer's close: %v", err)
	}
	p.server.Abort()
	if p.server.State() != Failed || len(p.server.Out()) != 0 {
		t.Error("abort")
	}
	if _, err := p.server.Feed(p.now, d); err == nil {
		t.Error("feed after abort")
	}
	// During the handshake.
	p = newPath(t, sc, cc)
	p.start()
	p.run(time.Minute, func() bool { return p.server != nil })
	p.client.CloseNotify()
	p.settle(time.Minute)
	if p.client.State() != Failed || p.server.State() != Failed {
		t.Error(p)
	}
}

// A close_notify that waits to be sent is not lost when the last flight is due again.
func TestCloseNotifyStaysInOut(t *testing.T) {
	closes := func(t *testing.T, act func(p *path)) {
		sc, cc := configs(keyECDSA)
		p := newPath(t, sc, cc)
		p.start()
		p.run(time.Minute, func() bool { return p.server != nil && p.server.State() == Open })
		p.carry = func(d *packet) int { return 0 } // the server's last flight is lost
		p.flush()
		p.wire = nil
		p.now = p.now.Add(time.Second)
		p.server.CloseNotify()
		act(p)
		closed := false
		for _, d := range p.server.Out() {
			p.client.Feed(p.now, d)
			closed = closed || p.client.State() == PeerClosed
			p.client.Sent(p.now)
		}
		if !closed {
			t.Errorf("%d datagrams without the close_notify: %s", len(p.server.Out()), p)
		}
	}
	t.Run("peer repeats", func(t *testing.T) {
		closes(t, func(p *path) {
			p.client.Expire(p.now.Add(time.Minute))
			if len(p.client.Out()) == 0 {
				t.Fatal("the client repeats nothing")
			}
			for _, d := range p.client.Out() {
				p.feed(p.server, d)
			}
		})
	})
	t.Run("too long", func(t *testing.T) {
		closes(t, func(p *path) { p.server.MTUExceeded() })
	})
}
