package tls_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	ctls "crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/tls"
	"github.com/frio-io/frio/tls/dtls"
)

// TestRefused: each reason to refuse a peer is told at both ends, as the cause there.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	p := thePKI()
	old := func(c *x509.Certificate) { c.NotAfter = time.Unix(1000, 0) }
	young := func(c *x509.Certificate) { c.NotBefore = time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC) }
	expired, future := issue("server.example.org", &p.ca, old), issue("server.example.org", &p.ca, young)
	expiredClient := issue("client.example.org", &p.ca, old)
	other := issue("other.example.org", &p.ca, nil)
	another := issue("another CA", nil, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign })
	strange := issue("server.example.org", &another, nil)
	ca := p.ca.caFile(t, dir)
	good, goodClient := p.server.files(t, dir, "server"), p.client.files(t, dir, "client")
	host := "hostname = server.example.org\n"
	for _, c := range []struct {
		name           string
		listen, home   string
		server, client tls.Cause
		udp            [2]tls.Cause // over DTLS, if not the same
	}{
		{"unknown CA of the client", good + ca, p.strange.files(t, dir, "strange") + ca + host, tls.CauseUnknownCA, tls.CauseUnknownCA,
			[2]tls.Cause{tls.CauseNoCertificate, tls.CauseRefused}}, // its client does not show one that is not asked for
		{"unknown CA of the server", strange.files(t, dir, "strange2") + ca, goodClient + ca + host, tls.CauseDenied, tls.CauseUnknownCA,
			[2]tls.Cause{tls.CauseUnknownCA, tls.CauseUnknownCA}},
		{"expired server", expired.files(t, dir, "expired") + ca, goodClient + ca + host, tls.CauseDenied, tls.CauseExpired,
			[2]tls.Cause{tls.CauseExpired, tls.CauseExpired}},
		{"server not yet valid", future.files(t, dir, "future") + ca, goodClient + ca + host, tls.CauseDenied, tls.CauseExpired,
			[2]tls.Cause{tls.CauseExpired, tls.CauseExpired}},
		{"expired client", good + ca, expiredClient.files(t, dir, "expired2") + ca + host, tls.CauseExpired, tls.CauseExpired, [2]tls.Cause{}},
		{"wrong name", other.files(t, dir, "other") + ca, goodClient + ca + host, tls.CauseDenied, tls.CauseName, [2]tls.Cause{}},
		{"no certificate", good + ca, ca + host, tls.CauseNoCertificate, tls.CauseNoCertificate,
			[2]tls.Cause{tls.CauseNoCertificate, tls.CauseRefused}},
		{"weak version", good + ca + "tls_min_version = 1.3\n", goodClient + ca + host + "tls_max_version = 1.2\n", tls.CauseVersion, tls.CauseVersion, [2]tls.Cause{}},
		{"ALPN", good + ca + "alpn = radius/1.1\n", goodClient + ca + host + "alpn = radius/1.0\n", tls.CauseProtocol, tls.CauseProtocol, [2]tls.Cause{}},
	} {
		for _, stack := range []string{"tls+tcp", "tls+udp"} {
			if stack == "tls+udp" && c.name == "weak version" {
				continue // DTLS 1.2 is all there is
			}
			t.Run(stack+" "+c.name, func(t *testing.T) {
				e := friotest.NewEnv(t, true, 1)
				e.Pass(24 * time.Hour)
				if stack == "tls+udp" && c.udp != [2]tls.Cause{} {
					c.server, c.client = c.udp[0], c.udp[1]
				}
				base := strings.TrimPrefix(stack, "tls+")
				text := func(port uint16) string { return base + " {\nipaddr = 127.0.0.1\nport = " + itoa(port) + "\n}\n" }
				l := e.ParseText(nil, "listener", "listen {\nprotocol = "+stack+"\n"+text(0)+"tls {\nrequire_client_cert = yes\n"+c.listen+"}\n}\n")
				if err := l.Open(); err != nil {
					t.Fatal(err)
				}
				l.Wish(nil, func() {}, nil)
				cl := e.ParseText(nil, "client", "home_server {\nprotocol = "+stack+"\n"+text(e.Port(l))+"tls {\n"+c.home+"}\n}\n")
				cl.Wish(nil, nil, nil)
				cl.Connect()
				s := e.AcceptFrom(l, nil)
				s.Wish(nil, nil, nil)
				for _, one := range []struct {
					p     *friotest.Probe
					cause tls.Cause
				}{{s, c.server}, {cl, c.client}} {
					end := e.ExpectEnd(one.p)
					var failed *tls.HandshakeError
					if errors.As(end, &failed) {
						if failed.Cause != one.cause {
							t.Errorf("%s: %v: cause %v, want %v", one.p.Name, end, failed.Cause, one.cause)
						}
						continue
					}
					// In TLS 1.3 a client is done before the server has seen its certificate: there it is an alert on an open connection.
					if one.p != cl || stack != "tls+tcp" {
						t.Errorf("%s: Read: %v, want a failed handshake", one.p.Name, end)
					}
				}
			})
		}
	}
}

// secrets reads a key log.
type secrets struct{ lines []byte }

func (s *secrets) Write(p []byte) (int, error) { s.lines = append(s.lines, p...); return len(p), nil }

func (s *secrets) secret(label string) []byte {
	for _, line := range strings.Split(string(s.lines), "\n") {
		if f := strings.Fields(line); len(f) == 3 && f[0] == label {
			b, _ := hex.DecodeString(f[2])
			return b
		}
	}
	return nil
}

// sealer writes TLS 1.3 records of AES-128-GCM as a client does that makes its own rules.
type sealer struct {
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

func label(secret []byte, name string, n int) []byte {
	info := append([]byte{byte(n >> 8), byte(n), byte(6 + len(name))}, "tls13 "+name...)
	return must(hkdf.Expand(sha256.New, secret, string(append(info, 0)), n))
}

func newSealer(secret []byte) *sealer {
	block := must(aes.NewCipher(label(secret, "key", 16)))
	return &sealer{secret: secret, aead: must(cipher.NewGCM(block)), iv: label(secret, "iv", 12)}
}

func (s *sealer) seal(typ byte, data []byte) []byte {
	n := len(data) + 1 + 16
	head := []byte{23, 3, 3, byte(n >> 8), byte(n)}
	nonce := append([]byte(nil), s.iv...)
	for i := range 8 {
		nonce[11-i] ^= byte(s.seq >> (8 * i))
	}
	s.seq++
	return s.aead.Seal(head, nonce, append(append([]byte(nil), data...), typ), head)
}

// keyUpdate asks for an update of the other direction and changes the keys of this one.
func (s *sealer) keyUpdate() []byte {
	b := s.seal(22, []byte{24, 0, 0, 1, 1})
	*s = *newSealer(label(s.secret, "traffic upd", 32))
	return b
}

// hostile is a client whose records the test makes itself, and our end of it.
func hostile(t *testing.T, e *friotest.Env) (conn net.Conn, seal *sealer, child *friotest.Probe) {
	l := listener(e, "require_client_cert = no\n", "")
	conn, err := net.Dial("tcp", e.Local(l).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	log := new(secrets)
	client := ctls.Client(conn, &ctls.Config{InsecureSkipVerify: true, KeyLogWriter: log, MinVersion: ctls.VersionTLS13,
		CurvePreferences: []ctls.CurveID{ctls.X25519}})
	done := make(chan error, 1)
	go func() { done <- client.Handshake() }()
	child = e.AcceptFrom(l, nil)
	child.Wish(nil, nil, nil)
	opened(e, child)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return conn, newSealer(log.secret("CLIENT_TRAFFIC_SECRET_0")), child
}

// TestFloods: records that are no data cost their sender the connection, and us nothing.
func TestFloods(t *testing.T) {
	for _, c := range []struct {
		name  string
		flood func(*sealer) []byte
	}{
		{"KeyUpdate", (*sealer).keyUpdate},
		{"empty records", func(s *sealer) []byte { return s.seal(23, nil) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := friotest.NewEnv(t, false, 1)
			conn, seal, child := hostile(t, e)
			child.Wish(nil, func() {}, nil)
			for range 200 {
				if _, err := conn.Write(c.flood(seal)); err != nil {
					break
				}
			}
			end := e.ExpectEnd(child)
			if errors.Is(end, frio.ErrTruncated) || child.State() != frio.StateFailed {
				t.Errorf("Read: %v, want a refusal", end)
			}
		})
	}
}

// TestDatagramFloods: a peer of DTLS that floods empty records is dropped, and is told by an alert; forged and replayed ones do
// nothing to it, and others go on.
func TestDatagramFloods(t *testing.T) {
	e := friotest.NewEnv(t, false, 1)
	l := datagramListener(e, "require_client_cert = no\n", "")
	other, p := dialRaw(e, l), dialRaw(e, l)
	otherChild, child := other.open(e, l), p.open(e, l)
	echo := func(p *rawPeer, child *friotest.Probe) {
		t.Helper()
		p.send(p.seal("ping"))
		e.Expect(child, []byte("ping"))
	}
	echo(other, otherChild)
	echo(p, child)
	forged := p.seal("")
	forged[len(forged)-1] ^= 1
	replayed := p.seal("")
	for range 500 {
		p.send(forged)
		p.send(replayed)
		e.Turn()
	}
	e.Spin(3)
	echo(p, child)
	child.Wish(nil, func() {}, nil)
	const bound = 32
	sent := 0
	for ; child.State() == frio.StateOpen && sent < 10*bound; sent++ {
		p.send(p.seal(""))
		e.Spin(2)
	}
	end := e.ExpectEnd(child)
	var alert *dtls.AlertError
	if !errors.As(end, &alert) || alert.Received || alert.Alert != 10 || child.State() != frio.StateFailed || sent > bound+1 {
		t.Errorf("after %d empty records: %v", sent, end)
	}
	e.Until("the alert", func() bool { p.receive(e.Loop.Now()); return p.err != nil })
	if !errors.As(p.err, &alert) || !alert.Received || alert.Alert != 10 {
		t.Errorf("the peer got %v", p.err)
	}
	child.Close()
	echo(other, otherChild)
}

// TestKeyUpdateUnread: a peer that asks for answers and reads none, with data between so that each is in order, fills our output to
// its bound, and is not read any more from then on.
func TestKeyUpdateUnread(t *testing.T) {
	e := friotest.NewEnv(t, false, 1)
	conn, seal, child := hostile(t, e)
	conn.(*net.TCPConn).SetReadBuffer(4096)
	read := 0
	child.Wish(nil, func() {
		var buf [100]byte
		for {
			n, err := child.Read(buf[:])
			if err != nil {
				return
			}
			read += n
		}
	}, nil)
	written, quiet := 0, 0
	var rest []byte
	for quiet < 200 && written < 2_000_000 {
		if len(rest) == 0 {
			for range 50 {
				rest = append(append(rest, seal.keyUpdate()...), seal.seal(23, []byte("x"))...)
			}
		}
		conn.SetWriteDeadline(time.Now().Add(time.Millisecond))
		n, err := conn.Write(rest)
		rest = rest[n:]
		written += n
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		if quiet++; n > 0 {
			quiet = 0
		}
		e.Spin(2)
		if held := child.Ctx.Total().Bytes; held > 64<<10+48<<10 {
			t.Fatalf("%d bytes held after %d bytes and %d data", held, written, read)
		}
	}
	if written >= 2_000_000 && child.State() == frio.StateOpen && read*2 > written {
		t.Errorf("%d bytes were read of a peer that takes no answers", written)
	}
}
