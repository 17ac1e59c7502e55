package tls_test

import (
	ctls "crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"
	"unicode"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/tls"
)

// TestErrorRepeatsALittle: a hello that offers 57 KiB of protocols is refused by an error of a line.
func TestErrorRepeatsALittle(t *testing.T) {
	e := friotest.NewEnv(t, false, 1)
	l := listener(e, "require_client_cert = no\nalpn = radius/1.1\n", "")
	conn := dialTCP(t, e, l)
	var protos []string
	for range 230 {
		protos = append(protos, strings.Repeat("\x01", 250))
	}
	go ctls.Client(conn, &ctls.Config{InsecureSkipVerify: true, NextProtos: protos}).Handshake()
	child := e.AcceptFrom(l, nil)
	child.Wish(nil, nil, nil)
	var failed *tls.HandshakeError
	if end := e.ExpectEnd(child); !errors.As(end, &failed) || failed.Cause != tls.CauseProtocol || len(end.Error()) > 1100 {
		t.Errorf("%d bytes: %.300v", len(end.Error()), end)
	}
}

// TestErrorIsOneLine: what a peer is called cannot make another line of a log.
func TestErrorIsOneLine(t *testing.T) {
	p := thePKI()
	dir := t.TempDir()
	id := issue("x\ny", &p.ca, func(c *x509.Certificate) { c.DNSNames = []string{"a.example.org\nlevel=ERROR msg=forged\x1b[2J"} })
	e := friotest.NewEnv(t, true, 1)
	l := e.ParseText(nil, "listener", "listen {\nprotocol = tls+tcp\n"+tcpText(e, 0)+"tls {\n"+id.files(t, dir, "s")+"}\n}\n")
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	l.Wish(nil, nil, nil)
	c := e.ParseText(nil, "client", "home_server {\nprotocol = tls+tcp\n"+tcpText(e, e.Port(l))+"tls {\n"+p.ca.caFile(t, dir)+"hostname = server.example.org\n}\n}\n")
	c.Wish(nil, nil, nil)
	c.Connect()
	e.AcceptFrom(l, nil).Wish(nil, nil, nil)
	end := e.ExpectEnd(c)
	if text := end.Error(); !errors.Is(end, tls.WrongName) || strings.ContainsFunc(text, unicode.IsControl) || !strings.Contains(text, `DNS a.example.org\nlevel=ERROR msg=forged\x1b[2J`) {
		t.Errorf("%q", text)
	}
}

func dialTCP(t *testing.T, e *friotest.Env, l *friotest.Probe) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", e.Local(l).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// records cuts handshake bytes into records of at most n bytes.
func records(b []byte, n int) (out []byte) {
	for len(b) > 0 {
		k := min(n, len(b))
		out = append(append(out, 22, 3, 1, byte(k>>8), byte(k)), b[:k]...)
		b = b[k:]
	}
	return out
}

// TestHelloInManyRecords: a hello in records of one byte each is answered, one of more than 64 KiB is refused, and what a peer announces is
// not taken for it before it has come.
func TestHelloInManyRecords(t *testing.T) {
	whole := hello(t)[5:]
	huge := append([]byte{1, 1, 0, 1}, make([]byte, 1<<16+1)...)
	for _, c := range []struct {
		name  string
		send  []byte
		alert byte // 0: it is answered, 255: it waits
	}{
		{"in records of one byte", records(whole, 1), 0},
		{"of 64 KiB and a byte", records(huge, 1<<14), 80},
		{"announced as 64 KiB", records([]byte{1, 1, 0, 0, 3, 3}, 1), 255},
		{"an empty record between", append(records(whole[:10], 10), append([]byte{22, 3, 1, 0, 0}, records(whole[10:], 1000)...)...), 10},
		{"alerts between", append(records(whole[:10], 10), strings.Repeat("\x15\x03\x01\x00\x02\x01\x5a", 20)...), 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := friotest.NewEnv(t, true, 1)
			l := listener(e, "require_client_cert = no\n", "")
			raw := client(e, l, "tcp", "")
			child := e.AcceptFrom(l, nil)
			child.Wish(nil, nil, nil)
			opened(e, raw)
			before := child.Ctx.Total().Bytes
			e.Send(raw, c.send)
			e.Spin(50)
			if c.alert == 255 {
				if held := child.Ctx.Total().Bytes - before; child.State() != frio.StateHandshaking || held > 1<<10 {
					t.Errorf("%v, %d bytes held", child.State(), held)
				}
				return
			}
			got := make([]byte, 4096)
			n, err := raw.Read(got)
			if err != nil || n < 7 {
				t.Fatalf("the peer got % x, %v", got[:n], err)
			}
			if answered := got[0] == 22; answered != (c.alert == 0) || !answered && got[6] != c.alert {
				t.Errorf("the peer got % x, want the alert %d", got[:7], c.alert)
			}
		})
	}
}

// TestHandshakeMax: a client that sends a chain without an end is not listened to for long.
func TestHandshakeMax(t *testing.T) {
	for _, version := range []uint16{ctls.VersionTLS12, ctls.VersionTLS13} {
		for _, n := range []int{64 << 10, 160 << 10} {
			e := friotest.NewEnv(t, false, 1)
			l := listener(e, "require_client_cert = yes\n", "")
			conn := dialTCP(t, e, l)
			id := thePKI().client
			chain := &ctls.Certificate{Certificate: [][]byte{id.cert.Raw, make([]byte, n)}, PrivateKey: id.key}
			go ctls.Client(conn, &ctls.Config{InsecureSkipVerify: true, MaxVersion: version,
				GetClientCertificate: func(*ctls.CertificateRequestInfo) (*ctls.Certificate, error) { return chain, nil }}).Handshake()
			child := e.AcceptFrom(l, nil)
			child.Wish(nil, nil, nil)
			end := e.ExpectEnd(child)
			var failed *tls.HandshakeError
			if limit := strings.Contains(end.Error(), "128 KiB"); !errors.As(end, &failed) || limit != (n > 128<<10) || limit && failed.Cause != tls.CauseInvalid {
				t.Errorf("%s, a chain of %d bytes: %v", ctls.VersionName(version), n, end)
			}
		}
	}
}

// TestServerNameOddities: a name in a hello that is no name of a host is taken as text, chooses by its lower case and without a dot at the
// end, and stands escaped where it is shown. crypto/tls refuses one with a dot at the end (RFC 6066, Section 3).
func TestServerNameOddities(t *testing.T) {
	const decodeError = 50
	t.Run("dot at the end over TLS", func(t *testing.T) {
		e := friotest.NewEnv(t, true, 1)
		l := listener(e, "require_client_cert = no\n", "")
		raw := client(e, l, "tcp", "")
		e.AcceptFrom(l, nil).Wish(nil, nil, nil)
		opened(e, raw)
		e.Send(raw, []byte(strings.Replace(string(hello(t)), "server.example.org", "server.example.or.", 1)))
		e.Spin(5)
		got := make([]byte, 100)
		if n, err := raw.Read(got); err != nil || n < 7 || got[0] != 21 || got[6] != decodeError {
			t.Errorf("the peer got % x, %v, want the alert %d", got[:n], err, decodeError)
		}
	})
	for _, c := range []struct{ what, name string }{
		{"upper case", "SERVER.EXAMPLE.ORG"},
		{"as long as may be", strings.Repeat("a.", 126) + "org"},
		{"NUL", "server\x00.example.org"},
		{"lines", "a\n\x1b[2Jb"},
		{"no text", "\xff\xfe"},
		{"dots", "....x"},
	} {
		t.Run(c.what+" over TLS", func(t *testing.T) {
			e := friotest.NewEnv(t, false, 1)
			l := listener(e, "require_client_cert = no\n", "")
			conn := dialTCP(t, e, l)
			done := make(chan error, 1)
			go func() {
				done <- ctls.Client(conn, &ctls.Config{InsecureSkipVerify: true, ServerName: c.name}).Handshake()
			}()
			child := e.AcceptFrom(l, nil)
			child.Wish(nil, nil, nil)
			opened(e, child)
			if err := <-done; err != nil {
				t.Error(err)
			}
			onePrintable(t, child)
		})
		t.Run(c.what+" over DTLS", func(t *testing.T) {
			e := friotest.NewEnv(t, false, 1)
			l := datagramListener(e, "require_client_cert = no\n", "")
			p := dialRaw(e, l)
			p.name = c.name
			child := p.open(e, l)
			p.send(p.seal("ping"))
			e.Expect(child, []byte("ping"))
			onePrintable(t, child)
		})
	}
}

// TestServerNameTooLong: a name that nobody has is refused, and not kept for the life of a connection.
func TestServerNameTooLong(t *testing.T) {
	for _, n := range []int{256, 60_000} {
		e := friotest.NewEnv(t, false, 1)
		l := listener(e, "require_client_cert = no\n", "")
		conn := dialTCP(t, e, l)
		go ctls.Client(conn, &ctls.Config{InsecureSkipVerify: true, ServerName: strings.Repeat("a", n)}).Handshake()
		child := e.AcceptFrom(l, nil)
		child.Wish(nil, nil, nil)
		var failed *tls.HandshakeError
		if end := e.ExpectEnd(child); !errors.As(end, &failed) || failed.Cause != tls.CauseName || failed.Remote {
			t.Errorf("%d bytes: %v", n, end)
		}
	}
	e := friotest.NewEnv(t, false, 1)
	l := datagramListener(e, "require_client_cert = no\n", "")
	p := dialRaw(e, l)
	p.name = strings.Repeat("a", 256)
	p.start(e.Loop.Now())
	e.Until("the cookie", func() bool { return p.receive(e.Loop.Now()) })
	p.flush(e.Loop.Now())
	child := e.AcceptFrom(l, nil)
	child.Wish(nil, nil, nil)
	var failed *tls.HandshakeError
	if end := e.ExpectEnd(child); !errors.As(end, &failed) || failed.Cause != tls.CauseName || failed.Remote {
		t.Errorf("over DTLS: %v", end)
	}
}

// onePrintable checks that nothing in p's debug text is a control character but the ends of its lines.
func onePrintable(t *testing.T, p *friotest.Probe) {
	t.Helper()
	if text := p.DebugText(); strings.ContainsFunc(strings.NewReplacer("\n", "", "\t", "").Replace(text), unicode.IsControl) || strings.Contains(text, "\nb") {
		t.Errorf("%q", text)
	}
}

// TestCloseAtEachTurn: whoever closes at whatever turn of the handshake, or is freed, or closes in its own callback, leaves nothing behind:
// the environment and TestMain would find its coroutine, its descriptor or its memory. The other end comes to an end as well.
func TestCloseAtEachTurn(t *testing.T) {
	for _, base := range []string{"tcp", "udp"} {
		for _, how := range []string{"close the client", "close the child", "free the client", "free the child", "close the listener", "close in a callback"} {
			t.Run(base+"/"+how, func(t *testing.T) {
				for turns := range 12 {
					e := friotest.NewEnv(t, true, 1)
					listen, home := sections(t, "require_client_cert = yes\n", "")
					lower := strings.Replace(tcpText(e, 0), "tcp", base, 1)
					l := e.ParseText(nil, "listener", "listen {\nprotocol = tls+"+base+"\n"+lower+listen+"}\n")
					if err := l.Open(); err != nil {
						t.Fatal(err)
					}
					l.Wish(nil, func() {}, nil)
					lower = strings.Replace(tcpText(e, e.Port(l)), "tcp", base, 1)
					c := e.ParseText(nil, "client", "home_server {\nprotocol = tls+"+base+"\n"+lower+home+"}\n")
					c.Wish(nil, nil, nil)
					c.Connect()
					s := e.AcceptFrom(l, nil)
					s.Wish(nil, nil, nil)
					e.Spin(turns)
					over := func(p *friotest.Probe) {
						e.Until("the other end", func() bool {
							_, err := p.Read(make([]byte, 10))
							return err != nil && err != frio.ErrAgain
						})
					}
					switch how {
					case "close the client":
						c.Close()
						if base == "tcp" {
							over(s)
						}
					case "close the child":
						s.Close()
						if base == "tcp" {
							over(c)
						}
					case "free the client":
						c.Ctx.Free()
					case "free the child":
						s.Ctx.Free()
					case "close the listener":
						l.Close()
					default:
						closed := 0
						s.Wish(nil, func() {
							if s.State() != frio.StateHandshaking {
								s.Close()
								closed++
							}
						}, nil)
						c.Wish(nil, nil, func() {
							if c.State() == frio.StateOpen {
								c.Write([]byte("x"))
								c.Close()
								closed++
							}
						})
						e.Until("both closed", func() bool { return closed == 2 })
					}
					e.Spin(3)
				}
			})
		}
	}
}
