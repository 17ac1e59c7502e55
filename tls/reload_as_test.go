package tls_test

import (
	"crypto/x509"
	"errors"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/tls"
)

// TestReloadAs: an open listener takes the section of another one. Whom that refuses ends, who may stay goes on, and who comes meets the new one.
func TestReloadAs(t *testing.T) {
	for _, stack := range []string{"tcp", "udp"} {
		t.Run(stack, func(t *testing.T) {
			e := friotest.NewEnv(t, false, 1)
			p := thePKI()
			another := issue("another CA", nil, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign })
			next, theirs := issue("server.example.org", &p.ca, nil), issue("client.example.org", &another, nil)
			base := func(port uint16) string {
				return "protocol = tls+" + stack + "\n" + stack + " {\nipaddr = 127.0.0.1\nport = " + itoa(port) + "\n}\n"
			}
			listen := func(name, keys string) *friotest.Probe {
				t.Helper()
				return e.ParseText(nil, name, "listen {\n"+base(0)+"tls {\n"+keys+"}\n}\n")
			}
			first := p.server.files(t, t.TempDir(), "server")
			l := listen("listener", first+p.ca.caFile(t, t.TempDir())+"require_client_cert = request\n")
			if err := l.Open(); err != nil {
				t.Fatal(err)
			}
			l.Wish(nil, nil, nil)
			client := func(name, own string) *friotest.Probe {
				t.Helper()
				return e.ParseText(nil, name, "home_server {\n"+base(e.Port(l))+"tls {\n"+own+p.ca.caFile(t, t.TempDir())+"hostname = server.example.org\n}\n}\n")
			}
			own := p.client.files(t, t.TempDir(), "client")
			shown := client("one with a certificate", own)
			known := meet(e, l, shown)
			nameless := meet(e, l, client("one without", ""))
			reload := func(as *friotest.Probe) {
				t.Helper()
				if err := l.IO.(frio.Reloader).Reload(as.IO); err != nil {
					t.Fatal(err)
				}
				as.Close()
				e.Spin(5)
			}

			keys := next.files(t, t.TempDir(), "server") + p.ca.caFile(t, t.TempDir())
			reload(listen("the same with another certificate", keys+"require_client_cert = yes\n"))
			if s := nameless.State(); s != frio.StateFailed {
				t.Errorf("who has no certificate is %v", s)
			}
			e.Send(shown, []byte("on"))
			e.Expect(known, []byte("on"))
			if got := peerCertificate(shown.IO).SerialNumber; got.Cmp(p.server.cert.SerialNumber) != 0 {
				t.Errorf("the old one sees certificate %v", got)
			}
			later := client("a later one", own)
			meet(e, l, later)
			if got := peerCertificate(later.IO).SerialNumber; got.Cmp(next.cert.SerialNumber) != 0 {
				t.Errorf("a later one is shown %v, want %v", got, next.cert.SerialNumber)
			}

			reload(listen("one that trusts another CA", first+another.caFile(t, t.TempDir())))
			if s := known.State(); s != frio.StateFailed {
				t.Errorf("whose CA is trusted no more is %v", s)
			}
			meet(e, l, client("one of the other CA", theirs.files(t, t.TempDir(), "client")))
			refused := client("one of the old CA", own)
			refused.Wish(nil, nil, nil)
			if err := refused.Connect(); err != nil && err != frio.ErrAgain {
				t.Fatal(err)
			}
			server := e.AcceptFrom(l, nil)
			server.Wish(nil, nil, nil)
			e.Until("it is refused", func() bool { return server.State() == frio.StateFailed })
			reason := map[string]tls.Reason{"tcp": tls.UnknownCA, "udp": tls.NoCertificate}[stack] // which our DTLS client shows only to a CA of its own
			if _, err := server.Read(make([]byte, 10)); !errors.Is(err, reason) {
				t.Errorf("refused with %v", err)
			}
		})
	}
}

// TestReloadAsAnother: a section of another role or kind, or of no tls at all, is not taken.
func TestReloadAsAnother(t *testing.T) {
	e := friotest.NewEnv(t, false, 1)
	p := thePKI()
	files := p.server.files(t, t.TempDir(), "server") + p.ca.caFile(t, t.TempDir())
	parse := func(section, stack, keys string) *friotest.Probe {
		return e.ParseText(nil, section+" "+stack, section+" {\nprotocol = "+stack+"\n"+stack[len(stack)-3:]+" {\nipaddr = 127.0.0.1\nport = 1\n}\n"+keys+"}\n")
	}
	l := parse("listen", "tls+tcp", "tls {\n"+files+"}\n").IO.(frio.Reloader)
	for _, as := range []*friotest.Probe{
		parse("listen", "tls+udp", "tls {\n"+files+"}\n"),
		parse("home_server", "tls+tcp", "tls {\n"+files+"}\n"),
		parse("listen", "tcp", ""),
	} {
		if err := l.Reload(as.IO); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", as.Name, err)
		}
	}
}
