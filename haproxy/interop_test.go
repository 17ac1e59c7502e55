package haproxy_test

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/haproxy"
)

// interopMax is the emergency exit of what waits for another program.
const interopMax = 20 * time.Second

// runHAProxy starts the program in front of the listener at backend, and ends it with the test. It listens at front, on a socket
// that it is given, so that nobody has to wait until it does.
func runHAProxy(t *testing.T, backend netip.AddrPort, server string) (front string) {
	t.Helper()
	path, err := exec.LookPath("haproxy")
	if err != nil {
		friotest.Skip(t, "the program haproxy is not there (Debian: apt-get install haproxy)")
	}
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cfg := filepath.Join(t.TempDir(), "haproxy.cfg")
	text := fmt.Sprintf(`global
	maxconn 100
defaults
	mode tcp
	timeout connect 5s
	timeout client 20s
	timeout server 20s
listen front
	bind fd@3
	server backend %v %s
`, backend, server)
	if err := os.WriteFile(cfg, []byte(text), 0600); err != nil {
		t.Fatal(err)
	}
	var output strings.Builder
	cmd := exec.Command(path, "-db", "-f", cfg)
	cmd.ExtraFiles = []*os.File{file}
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("haproxy said:\n%s", output.String())
		}
	})
	return l.Addr().String()
}

// TestInteropHAProxy: the program in front of our listener, with each kind of header that it sends.
func TestInteropHAProxy(t *testing.T) {
	for _, c := range []struct {
		name, server string
		version      uint8
		tlvs         []uint8
	}{
		{"version 1", "send-proxy", 1, nil},
		{"version 2", "send-proxy-v2", 2, nil},
		{"version 2 with TLVs", "send-proxy-v2 proxy-v2-options crc32c,authority,unique-id", 2, []uint8{haproxy.TypeCRC32C}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := listenOn(friotest.NewEnv(t, false, 0), "haproxy {\ntrusted {\nallow = 127.0.0.1\n}\nnetworks {\nallow = 127.0.0.0/8\n}\n}\n")
			front := runHAProxy(t, b.Local(b.l), c.server)

			client, err := (&net.Dialer{Timeout: interopMax, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}).Dial("tcp4", front)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			client.SetDeadline(time.Now().Add(interopMax))
			if _, err := io.WriteString(client, "through haproxy"); err != nil {
				t.Fatal(err)
			}
			conn := b.AcceptFrom(b.l, nil)
			b.Expect(conn, []byte("through haproxy"))
			want := client.RemoteAddr().String() + " <- " + client.LocalAddr().String()
			if got := conn.Describe(); got != "haproxy+tcp "+want {
				t.Errorf("Describe %q, want haproxy+tcp %s", got, want)
			}
			if got := b.Remote(conn).String(); got != client.LocalAddr().String() {
				t.Errorf("remote address %s, want %s", got, client.LocalAddr())
			}
			h := conn.IO.(haproxy.Headerer).Header()
			if h == nil || h.Version != c.version {
				t.Fatalf("header %v, want version %d", h, c.version)
			}
			for _, kind := range c.tlvs {
				if _, ok := h.TLVs.Get(kind); !ok {
					t.Errorf("no TLV of type %#x: %v", kind, h)
				}
			}
			b.Send(conn, []byte("and back"))
			conn.CloseWrite()
			answer, err := io.ReadAll(client)
			if err != nil || string(answer) != "and back" {
				t.Errorf("the client read %q, %v", answer, err)
			}
			client.Close()
			if end := b.ExpectEnd(conn); end != io.EOF {
				t.Errorf("Read: %v, want io.EOF", end)
			}
		})
	}
}

// TestInteropHealthCheck: the program's own connections say LOCAL.
func TestInteropHealthCheck(t *testing.T) {
	b := listenOn(friotest.NewEnv(t, false, 0), "haproxy {\ntrusted {\nallow = 127.0.0.1\n}\n}\n")
	runHAProxy(t, b.Local(b.l), "send-proxy-v2 check check-send-proxy inter 50")
	conn := b.AcceptFrom(b.l, nil)
	h := conn.IO.(haproxy.Headerer)
	b.Until("the header of a check", func() bool { return h.Header() != nil || conn.State() == frio.StateFailed })
	if got := h.Header(); got == nil || !got.Local {
		t.Errorf("header %v, want LOCAL", got)
	}
	if local, remote := conn.IO.(frio.SocketAddresser).SocketAddr(); b.Local(conn) != local || b.Remote(conn) != remote {
		t.Errorf("addresses %v <- %v, want the socket's", b.Local(conn), b.Remote(conn))
	}
}
