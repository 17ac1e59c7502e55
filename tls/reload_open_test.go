package tls_test

import (
	"crypto/x509"
	"math/big"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/tls"
)

// TestReloadKeepsConnections: what is open goes on through a reload of other certificates, with what was on its way, and who comes
// after it is shown the other one.
func TestReloadKeepsConnections(t *testing.T) {
	for _, c := range []struct{ name, stack, more string }{
		{"TLS 1.2", "tcp", "tls_max_version = 1.2\n"},
		{"TLS 1.3", "tcp", "tls_min_version = 1.3\n"},
		{"DTLS", "udp", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := friotest.NewEnv(t, false, 1)
			dir, p := t.TempDir(), thePKI()
			files := p.server.files(t, dir, "server") + p.ca.caFile(t, dir) + c.more
			own := p.client.files(t, dir, "client") + p.ca.caFile(t, dir) + "hostname = server.example.org\n"
			base := func(port uint16) string {
				return "protocol = tls+" + c.stack + "\n" + c.stack + " {\nipaddr = 127.0.0.1\nport = " + itoa(port) + "\n}\n"
			}
			l := e.ParseText(nil, "listener", "listen {\n"+base(0)+"tls {\n"+files+"}\n}\n")
			if err := l.Open(); err != nil {
				t.Fatal(err)
			}
			l.Wish(nil, nil, nil)
			type ends struct{ client, server *friotest.Probe }
			connect := func() (c ends) {
				t.Helper()
				c.client = e.ParseText(nil, "client", "home_server {\n"+base(e.Port(l))+"tls {\n"+own+"}\n}\n")
				c.server = meet(e, l, c.client)
				return c
			}
			echo := func(c ends, text string) {
				t.Helper()
				e.Send(c.client, []byte(text))
				e.Expect(c.server, []byte(text))
				e.Send(c.server, []byte(text))
				e.Expect(c.client, []byte(text))
			}
			shows := func(when string, c ends, want *big.Int) {
				t.Helper()
				if got := peerCertificate(c.client.IO).SerialNumber; got.Cmp(want) != 0 {
					t.Errorf("%s: the server shows %v, want %v", when, got, want)
				}
			}
			first := p.server.cert.SerialNumber
			old := connect()
			echo(old, "before")
			shows("before", old, first)
			for _, when := range []string{"the first reload", "the second reload"} {
				next := issue("server.example.org", &p.ca, nil)
				next.files(t, dir, "server")
				early := connect() // the files are not looked at before the reload
				shows("before "+when, early, first)
				e.Send(old.client, []byte("on its way"))
				e.Send(old.server, []byte("and back"))
				if err := l.IO.(frio.Reloader).Reload(nil); err != nil {
					t.Fatal(err)
				}
				e.Expect(old.server, []byte("on its way"))
				e.Expect(old.client, []byte("and back"))
				e.Spin(3)
				shows("after "+when, connect(), next.cert.SerialNumber)
				for _, one := range []ends{old, early} {
					echo(one, "after "+when)
					for _, end := range []*friotest.Probe{one.client, one.server} {
						if s := end.State(); s != frio.StateOpen {
							t.Errorf("%s is %v after %s", end.Name, s, when)
						}
					}
				}
				shows("an old one after "+when, early, first)
				first = next.cert.SerialNumber
			}
			shows("the oldest", old, p.server.cert.SerialNumber)
		})
	}
}

// peerCertificate is what the peer of io showed.
func peerCertificate(io frio.IO) *x509.Certificate {
	return io.(frio.Peer).PeerIdentity().Certificate.(*tls.Certificate).State.PeerCertificates[0]
}
