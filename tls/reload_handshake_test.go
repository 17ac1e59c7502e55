package tls_test

import (
	"crypto/x509"
	"fmt"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
)

// TestReloadInHandshake: who was judged before a reload, and whose handshake ends after it, is judged again. A session that is resumed has a way
// there and back in between.
func TestReloadInHandshake(t *testing.T) {
	p := thePKI()
	another := issue("another CA", nil, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign })
	for _, c := range []struct{ name, stack, more string }{
		{"TLS 1.2", "tcp", "tls_max_version = 1.2\n"},
		{"TLS 1.3", "tcp", "tls_min_version = 1.3\n"},
		{"DTLS", "udp", ""},
	} {
		for turns := range 6 {
			t.Run(fmt.Sprintf("%s/%d turns", c.name, turns), func(t *testing.T) {
				e := friotest.NewEnv(t, false, 1)
				base := func(port uint16) string {
					return "protocol = tls+" + c.stack + "\n" + c.stack + " {\nipaddr = 127.0.0.1\nport = " + itoa(port) + "\n}\n"
				}
				keys := p.server.files(t, t.TempDir(), "server") + c.more
				listen := func(name, ca string) *friotest.Probe {
					return e.ParseText(nil, name, "listen {\n"+base(0)+"tls {\n"+keys+ca+"}\n}\n")
				}
				l := listen("listener", p.ca.caFile(t, t.TempDir()))
				if err := l.Open(); err != nil {
					t.Fatal(err)
				}
				l.Wish(nil, nil, nil)
				client := e.ParseText(nil, "client", "home_server {\n"+base(e.Port(l))+"tls {\n"+p.client.files(t, t.TempDir(), "client")+
					p.ca.caFile(t, t.TempDir())+"hostname = server.example.org\n}\n}\n")
				first := meet(e, l, client)
				e.Send(first, []byte("and the tickets before it"))
				e.Expect(client, []byte("and the tickets before it"))
				next(e, client)
				server := e.AcceptFrom(l, nil)
				server.Wish(nil, nil, nil)
				e.Spin(turns)
				if err := l.IO.(frio.Reloader).Reload(listen("one that trusts another CA", another.caFile(t, t.TempDir())).IO); err != nil {
					t.Fatal(err)
				}
				e.Until("it is refused", func() bool { return server.State() == frio.StateFailed })
			})
		}
	}
}
