package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/netconn"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
	"github.com/frio-io/frio/tls"
)

// SIGHUP with another certificate_file in a listen: who is connected, over TLS or DTLS, stays and is answered, and who comes is shown the new
// certificate.
func TestRunReloadsSection(t *testing.T) {
	certs, other := certificates(t, "client"), certificates(t)
	pool, err := thread.New(thread.Config{Network: 1})
	if err != nil {
		t.Fatal(err)
	}
	pool.Start()
	t.Cleanup(func() { _, _ = pool.Stop(0) })
	for _, stack := range []string{"tls+tcp", "tls+udp"} {
		t.Run(stack, func(t *testing.T) {
			base := stack[len("tls+"):]
			at := func(port int) string {
				return fmt.Sprintf("protocol = %s\n%s {\nipaddr = 127.0.0.1\nport = %d\n}\n", stack, base, port)
			}
			port := freePort(t)
			text := func(from string) string {
				return "server gateway {\nnamespace = radius\nlisten t {\n" + at(port) +
					fmt.Sprintf("tls {\nca_file = %s/ca.pem\ncertificate_file = %[2]s/server.pem\nprivate_key_file = %[2]s/server.key\n}\n}\n}\n", certs, from) +
					"client all {\nipaddr = 127.0.0.1\nsecret = " + testSecret + "\n}\n"
			}
			file := filepath.Join(t.TempDir(), "frio.conf")
			write := func(text string) {
				t.Helper()
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write(text(certs))
			p := start(t, "run", file)
			p.ready()
			dial := func() (c net.Conn, shown *x509.Certificate) {
				t.Helper()
				root, err := conf.ParseString("client", "home_server h {\n"+at(port)+
					fmt.Sprintf("tls {\nca_file = %[1]s/ca.pem\nca_file = %s/ca.pem\ncertificate_file = %[1]s/client.pem\nprivate_key_file = %[1]s/client.key\nhostname = 127.0.0.1\n}\n}\n", certs, other), conf.Options{})
				if err != nil {
					t.Fatal(err)
				}
				mem := talloc.Root("client")
				one, err := frio.ParseClient(mem, root.Sections("home_server")[0])
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				if c, err = netconn.Dial(ctx, pool.Threads()[0], mem, one); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
				return c, c.(frio.Peer).PeerIdentity().Certificate.(*tls.Certificate).State.PeerCertificates[0]
			}
			answers := func(when string, c net.Conn) {
				t.Helper()
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				_, err := c.Write(statusServer(testSecret))
				if n, readErr := c.Read(make([]byte, 100)); err != nil || readErr != nil || n < 20 {
					t.Errorf("%s: %d bytes, %v, %v", when, n, err, readErr)
				}
			}
			first, before := dial()
			answers("before", first)
			write(text(other))
			p.signal(syscall.SIGHUP)
			if !p.err.has("msg=reloaded") {
				t.Fatal("it did not reload")
			}
			answers("after", first)
			second, after := dial()
			answers("who comes", second)
			if after.Equal(before) {
				t.Error("it is the old certificate")
			}
			answers("later", first)
		})
	}
}
