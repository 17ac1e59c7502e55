package netconn_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/frio-io/frio"
	_ "github.com/frio-io/frio/all"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/netconn"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
)

func TestMain(m *testing.M) { friotest.Main(m) }

// patience bounds every wait: a test that meets it has failed.
const patience = 60 * time.Second

// startPool starts threads, which the test's end stops: nothing may be cut then.
func startPool(t testing.TB, threads int) *thread.Pool {
	t.Helper()
	p, err := thread.New(thread.Config{Network: threads, OnError: func(th *thread.Thread, err error) {
		var gone *event.AbortError // its peer has closed: nobody is there to read the rest
		if !errors.As(err, &gone) {
			t.Errorf("%s: %v", th.Name(), err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	p.Start()
	t.Cleanup(func() {
		cut, err := p.Stop(patience)
		if err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if cut != nil && (cut.Members > 0 || len(cut.Stuck) > 0) {
			t.Error(cut)
		}
	})
	return p
}

// stack is what the tests run on: the insides of a listen, and of a home_server.
type stack struct {
	name           string
	listen, client string
	ca             string // the file
}

// newStack writes the sections for name; extra is added to the listen.
func newStack(t testing.TB, name, extra string) stack {
	t.Helper()
	s := stack{name: name, listen: "protocol = " + name + "\n" + extra, client: "protocol = " + name + "\n"}
	add := func(both string) { s.listen += both; s.client += both }
	switch name {
	case "unix", "tls+unix":
		add("unix {\nfilename = " + filepath.Join(t.TempDir(), "s") + "\n}\n")
	}
	switch name {
	case "tls+tcp", "tls+unix", "tls+haproxy+tcp", "tls+udp":
		dir := certificates(t)
		s.ca = dir + "/cert.pem"
		s.listen += "tls {\ncertificate_file = " + dir + "/cert.pem\nprivate_key_file = " + dir + "/key.pem\nrequire_client_cert = no\n}\n"
		s.client += "tls {\nca_file = " + dir + "/cert.pem\nhostname = localhost\n}\n"
	}
	switch name {
	case "haproxy+tcp", "tls+haproxy+tcp":
		s.listen += "haproxy {\ntrusted {\nallow = 127.0.0.0/8\n}\n}\n"
	}
	switch name {
	case "tcp", "tls+tcp", "haproxy+tcp", "tls+haproxy+tcp":
		s.listen += "tcp {\nipaddr = 127.0.0.1\nport = 0\n}\n"
		s.client += "tcp {\nipaddr = 127.0.0.1\nport = %d\n}\n"
	case "udp", "tls+udp":
		s.listen += "udp {\nipaddr = 127.0.0.1\nport = 0\n}\n"
		s.client += "udp {\nipaddr = 127.0.0.1\nport = %d\n}\n"
	}
	return s
}

// certificates writes one for localhost and returns its directory.
func certificates(t testing.TB) string {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	now := time.Now()
	like := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "netconn"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der := must(x509.CreateCertificate(rand.Reader, like, like, &key.PublicKey, key))
	dir := t.TempDir()
	write := func(name, kind string, bytes []byte) {
		must(0, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600))
	}
	write("cert.pem", "CERTIFICATE", der)
	write("key.pem", "PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key)))
	return dir
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// parse makes an IO in a context of its own, which belongs to no thread.
func parse(t testing.TB, kind, text string) (*talloc.Context, frio.IO) {
	t.Helper()
	root, err := conf.ParseString("test", kind+" x {\n"+text+"}\n", conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mem := talloc.Root(kind)
	one, err := frio.Parse(mem, root.Sections(kind)[0])
	if err != nil {
		t.Fatal(err)
	}
	return mem, one
}

// listen opens the listening side of s, which the test's end closes.
func listen(t testing.TB, p *thread.Pool, s stack) net.Listener {
	t.Helper()
	mem, one := parse(t, "listen", s.listen)
	l, err := netconn.Listen(p.Threads()[0], mem, one)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// clientOf makes the connecting side for an address.
func clientOf(t testing.TB, s stack, to net.Addr) (*talloc.Context, frio.IO) {
	t.Helper()
	switch a := to.(type) {
	case *net.TCPAddr:
		s.client = fmt.Sprintf(s.client, a.Port)
	case *net.UDPAddr:
		s.client = fmt.Sprintf(s.client, a.Port)
	}
	return parse(t, "home_server", s.client)
}

// dial connects to l.
func dial(t testing.TB, p *thread.Pool, s stack, l net.Listener) *netconn.Conn {
	t.Helper()
	mem, one := clientOf(t, s, l.Addr())
	threads := p.Threads()
	c, err := netconn.Dial(context.Background(), threads[len(threads)-1], mem, one)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*netconn.Conn)
}

// accept returns the next connection.
func accept(t testing.TB, l net.Listener) *netconn.Conn {
	t.Helper()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*netconn.Conn)
}

// pair returns the two ends of a connection.
func pair(t testing.TB, p *thread.Pool, s stack) (near, far *netconn.Conn) {
	t.Helper()
	l := listen(t, p, s)
	near = dial(t, p, s, l)
	if s.name == "udp" || s.name == "tls+udp" {
		if _, err := near.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
	}
	return near, accept(t, l)
}

// soon fails the test if f does not come to its end.
func soon(t testing.TB, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		panic("still waiting for " + what)
	}
}
