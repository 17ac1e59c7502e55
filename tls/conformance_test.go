package tls_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	_ "github.com/frio-io/frio/haproxy"
	_ "github.com/frio-io/frio/tcp"
	_ "github.com/frio-io/frio/tls"
	_ "github.com/frio-io/frio/udp"
	_ "github.com/frio-io/frio/unix"
)

func TestMain(m *testing.M) { friotest.Main(m) }

// pki is what the tests' ends show each other. Ed25519 signatures are all of one length, so that runs from a seed move the
// same number of bytes.
type pki struct{ ca, server, client, strange identity }

type identity struct {
	cert *x509.Certificate
	key  ed25519.PrivateKey
	der  []byte
}

// thePKI is valid at the time of this machine and of the simulated one.
var thePKI = sync.OnceValue(func() *pki {
	p := new(pki)
	p.ca = issue("test CA", nil, func(t *x509.Certificate) { t.IsCA, t.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign })
	p.server = issue("server.example.org", &p.ca, nil)
	p.client = issue("client.example.org", &p.ca, nil)
	other := issue("another CA", nil, func(t *x509.Certificate) { t.IsCA, t.KeyUsage = true, x509.KeyUsageCertSign })
	p.strange = issue("client.example.org", &other, nil)
	return p
})

var serial = int64(100)

func issue(name string, by *identity, change func(*x509.Certificate)) identity {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	serial++
	t := &x509.Certificate{
		SerialNumber:          big.NewInt(serial),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Unix(0, 0),
		NotAfter:              time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:              []string{name},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		BasicConstraintsValid: true,
	}
	if change != nil {
		change(t)
	}
	if t.IsCA {
		t.ExtKeyUsage, t.DNSNames, t.IPAddresses = nil, nil, nil
	}
	self := identity{key: key}
	signer, signerKey := t, key
	if by != nil {
		signer, signerKey = by.cert, by.key
	}
	if self.der, err = x509.CreateCertificate(rand.Reader, t, signer, public, signerKey); err != nil {
		panic(err)
	}
	if self.cert, err = x509.ParseCertificate(self.der); err != nil {
		panic(err)
	}
	return self
}

// files writes an identity as PEM files and returns the lines of a tls section that name them.
func (id *identity) files(t testing.TB, dir, name string) string {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(id.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, keyFile := filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	writeFile(t, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.der}))
	writeFile(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	return fmt.Sprintf("certificate_file = %s\nprivate_key_file = %s\n", cert, keyFile)
}

func (id *identity) caFile(t testing.TB, dir string) string {
	t.Helper()
	file := filepath.Join(dir, "ca.pem")
	writeFile(t, file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.der}))
	return fmt.Sprintf("ca_file = %s\n", file)
}

func writeFile(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// sections returns the tls sections of both sides, with more lines in each.
func sections(t testing.TB, moreListen, moreHome string) (listen, home string) {
	dir, p := t.TempDir(), thePKI()
	ca := p.ca.caFile(t, dir)
	listen = "tls {\n" + p.server.files(t, dir, "server") + ca + moreListen + "}\n"
	home = "tls {\n" + p.client.files(t, dir, "client") + ca + "hostname = server.example.org\n" + moreHome + "}\n"
	return listen, home
}

// target is tls on a stream stack. Tickets hold the time and random bytes; where runs are compared there are none.
func target(t *testing.T, base friotest.Target, more string) friotest.Target {
	base.Setup = func(sub testing.TB) (string, string) {
		lines := more
		if strings.Contains(sub.Name(), "/sim/") {
			lines += "cache {\nenable = no\n}\n"
		}
		return sections(sub, "require_client_cert = yes\n"+lines, more)
	}
	section := base.Listen
	base.Listen = func(p friotest.Place) string {
		cryptotest.SetGlobalRandom(t, 1) // each run begins here
		return section(p)
	}
	base.Children, base.HalfClose, base.Kind = true, true, frio.Stream
	return base
}

func TestConformance(t *testing.T) {
	tcp := func(p friotest.Place) string {
		return fmt.Sprintf("tcp {\nipaddr = %v\nport = %d\n%s}\n", p.Addr, p.Port, p.Base)
	}
	proxied := func(p friotest.Place) string { return tcp(p) + "haproxy {\ntrusted {\nallow = 127/8\n}\n}\n" }
	proxying := func(p friotest.Place) string { return tcp(p) + "haproxy {\n}\n" }
	unix := func(p friotest.Place) string { return fmt.Sprintf("unix {\nfilename = %s\n%s}\n", p.File, p.Base) }
	small := "recv_buff = 8k\nsend_buff = 8k\n"
	for _, c := range []struct {
		name   string
		target friotest.Target
		more   string
	}{
		{"tcp", friotest.Target{Stack: "tls+tcp", Listen: tcp, HomeServer: tcp, Buffers: small}, ""},
		{"tcp 1.2", friotest.Target{Stack: "tls+tcp", Listen: tcp, HomeServer: tcp, Buffers: small}, "tls_max_version = 1.2\n"},
		{"haproxy and tcp", friotest.Target{Stack: "tls+haproxy+tcp", Listen: proxied, HomeServer: proxying, Buffers: small}, ""},
		{"unix", friotest.Target{Stack: "tls+unix", Listen: unix, HomeServer: unix, Buffers: small, NoAddress: true}, ""},
	} {
		t.Run(c.name, func(t *testing.T) { friotest.TestIO(t, target(t, c.target, c.more)) })
	}
}
