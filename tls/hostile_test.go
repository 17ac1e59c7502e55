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
