package tls_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	ctls "crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/tls"
)

// program finds a peer program, or skips.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		friotest.Skip(t, name+" is not installed")
	}
	return path
}

// peer is a program whose output is gathered while the test's loop turns.
type peer struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	mu  sync.Mutex
	out bytes.Buffer // guarded by mu
	end chan struct{}
}

func start(t *testing.T, name string, args ...string) *peer {
	t.Helper()
	p := &peer{cmd: exec.Command(program(t, name), args...), end: make(chan struct{})}
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ends is seen in what it says
		close(p.end)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.end
		if t.Failed() {
			t.Logf("%s said:\n%s", name, p.said())
		}
	})
	return p
}

func (p *peer) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *peer) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// echo has each child of l send back what it reads, and end when its peer ends.
func echo(e *friotest.Env, l *friotest.Probe) (children *[]*friotest.Probe) {
	children = new([]*friotest.Probe)
	l.Wish(nil, func() {
		c, err := l.Accept(nil)
		if err != nil {
			return
		}
		*children = append(*children, c)
		c.Wish(nil, func() {
			var buf [4096]byte
			for {
				n, err := c.Read(buf[:])
				if err == frio.ErrAgain {
					return
				}
				if err != nil {
					if err == io.EOF {
						c.CloseWrite()
					}
					return
				}
				c.Write(buf[:n])
			}
		}, nil)
	}, nil)
	return children
}

// pemFiles writes the test's certificates for programs.
func pemFiles(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	p := thePKI()
	p.server.files(t, dir, "server")
	p.client.files(t, dir, "client")
	p.strange.files(t, dir, "strange")
	p.ca.caFile(t, dir)
	writeFile(t, filepath.Join(dir, "all.pem"), append(must(os.ReadFile(filepath.Join(dir, "server.pem"))), must(os.ReadFile(filepath.Join(dir, "server.key")))...))
	return dir
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// suite12 are the arguments that leave one suite of TLS 1.2.
func suite12(name string) []string { return []string{"-tls1_2", "-cipher", name} }

// rsaChain is a `chain { }` with an RSA certificate for the name of the test's server.
func rsaChain(t *testing.T) string {
	t.Helper()
	dir, ca := t.TempDir(), thePKI().ca
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	der := must(x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(4711), Subject: pkix.Name{CommonName: "server.example.org"}, DNSNames: []string{"server.example.org"},
		NotBefore: ca.cert.NotBefore, NotAfter: ca.cert.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, ca.cert, key.Public(), ca.key))
	cert, private := filepath.Join(dir, "rsa.pem"), filepath.Join(dir, "rsa.key")
	writeFile(t, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	writeFile(t, private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))}))
	return "chain {\ncertificate_file = " + cert + "\nprivate_key_file = " + private + "\n}\n"
}

// TestInteropClient: openssl s_client against our listener.
func TestInteropClient(t *testing.T) {
	dir, withRSA := pemFiles(t), rsaChain(t)
	for _, c := range []struct {
		name, listen string
		args         []string
		say          string // a line of its input that is a command: k, K
		want         []string
	}{
		{"1.3", "", []string{"-tls1_3"}, "", []string{"TLSv1.3", "Verify return code: 0 (ok)"}},
		{"1.2", "", []string{"-tls1_2"}, "", []string{"TLSv1.2", "Verify return code: 0 (ok)"}},
		{"client certificate 1.3", "require_client_cert = yes\n", []string{"-tls1_3", "-cert", dir + "/client.pem", "-key", dir + "/client.key"}, "", []string{"TLSv1.3"}},
		{"client certificate 1.2", "require_client_cert = yes\n", []string{"-tls1_2", "-cert", dir + "/client.pem", "-key", dir + "/client.key"}, "", []string{"TLSv1.2"}},
		{"ALPN", "alpn = radius/1.1\n", []string{"-alpn", "radius/1.1,radius/1.0"}, "", []string{"ALPN protocol: radius/1.1"}},
		{"KeyUpdate", "", []string{"-tls1_3"}, "k", []string{"KEYUPDATE"}},
		{"KeyUpdate asked for", "", []string{"-tls1_3"}, "K", []string{"KEYUPDATE"}},
		{"ChaCha20", "", []string{"-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"}, "", []string{"TLS_CHACHA20_POLY1305_SHA256"}},
		{"AES-256", "", []string{"-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"}, "", []string{"TLS_AES_256_GCM_SHA384"}},
		{"1.2 AES-128", "", suite12("ECDHE-ECDSA-AES128-GCM-SHA256"), "", []string{"ECDHE-ECDSA-AES128-GCM-SHA256"}},
		{"1.2 AES-256", "", suite12("ECDHE-ECDSA-AES256-GCM-SHA384"), "", []string{"ECDHE-ECDSA-AES256-GCM-SHA384"}},
		{"1.2 ChaCha20", "", suite12("ECDHE-ECDSA-CHACHA20-POLY1305"), "", []string{"ECDHE-ECDSA-CHACHA20-POLY1305"}},
		{"1.2 RSA AES-128", withRSA, suite12("ECDHE-RSA-AES128-GCM-SHA256"), "", []string{"ECDHE-RSA-AES128-GCM-SHA256"}},
		{"1.2 RSA AES-256", withRSA, suite12("ECDHE-RSA-AES256-GCM-SHA384"), "", []string{"ECDHE-RSA-AES256-GCM-SHA384"}},
		{"1.2 RSA ChaCha20", withRSA, suite12("ECDHE-RSA-CHACHA20-POLY1305"), "", []string{"ECDHE-RSA-CHACHA20-POLY1305"}},
		{"P-256", "", []string{"-tls1_3", "-curves", "P-256"}, "", []string{"TLSv1.3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := friotest.NewEnv(t, false, 1)
			if !strings.Contains(c.listen, "require_client_cert") {
				c.listen += "require_client_cert = no\n"
			}
			l := listener(e, c.listen, "")
			echo(e, l)
			args := append([]string{"s_client", "-connect", e.Local(l).String(), "-CAfile", dir + "/ca.pem", "-verify_return_error",
				"-servername", "server.example.org", "-verify_hostname", "server.example.org"}, c.args...)
			p := start(t, "openssl", args...)
			e.Until("the handshake", func() bool { return strings.Contains(p.said(), "Verify return code") })
			if c.say != "" {
				fmt.Fprintln(p.in, c.say)
				e.Until("the command is taken", func() bool { return strings.Contains(p.said(), c.want[0]) })
			}
			fmt.Fprintln(p.in, "a line for the echo")
			e.Until("the echo", func() bool { return strings.Contains(p.said(), "a line for the echo") })
			if c.say != "" { // and on in the other key
				fmt.Fprintln(p.in, "another line")
				e.Until("the second echo", func() bool { return strings.Contains(p.said(), "another line") })
			}
			for _, want := range c.want {
				if !strings.Contains(p.said(), want) {
					t.Errorf("it did not say %q", want)
				}
			}
			p.in.Close()
			e.Until("its end", func() bool {
				select {
				case <-p.end:
					return true
				default:
					return false
				}
			})
		})
	}
}

// TestInteropResumption: the second connection of openssl takes up the session of the first.
func TestInteropResumption(t *testing.T) {
	dir := pemFiles(t)
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		t.Run(version, func(t *testing.T) {
			e := friotest.NewEnv(t, false, 1)
			l := listener(e, "require_client_cert = no\n", "")
			echo(e, l)
			session := filepath.Join(t.TempDir(), "session")
			for i, arg := range []string{"-sess_out", "-sess_in"} {
				p := start(t, "openssl", "s_client", "-connect", e.Local(l).String(), "-CAfile", dir+"/ca.pem", version, arg, session)
				e.Until("the handshake", func() bool { return strings.Contains(p.said(), "Verify return code") })
				fmt.Fprintln(p.in, "a line")
				e.Until("the echo", func() bool { return strings.Contains(p.said(), "a line") })
				if reused := strings.Contains(p.said(), "Reused, TLSv1"); reused != (i == 1) {
					t.Errorf("connection %d: reused is %v", i, reused)
				}
				p.in.Close()
				e.Until("its end", func() bool {
					select {
					case <-p.end:
						return true
					default:
						return false
					}
				})
			}
		})
	}
}

// freePort is a port of loopback where nobody listens at the moment.
func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// sServer starts openssl s_server.
func sServer(t *testing.T, e *friotest.Env, args ...string) (p *peer, port uint16) {
	t.Helper()
	port = freePort(t)
	p = start(t, "openssl", append([]string{"s_server", "-accept", fmt.Sprintf("127.0.0.1:%d", port)}, args...)...)
	e.Until("it listens", func() bool { return strings.Contains(p.said(), "ACCEPT") })
	return p, port
}

// TestInteropServer: our client against openssl s_server.
func TestInteropServer(t *testing.T) {
	dir := pemFiles(t)
	own := []string{"-cert", dir + "/server.pem", "-key", dir + "/server.key"}
	rsa := strings.NewReplacer("chain {\ncertificate_file = ", "", "\nprivate_key_file = ", "\n", "\n}\n", "").Replace(rsaChain(t))
	rsaCert, rsaKey, _ := strings.Cut(rsa, "\n")
	withRSA := []string{"-cert", rsaCert, "-key", rsaKey}
	suite := func(name string, own []string) []string { return append(suite12(name), own...) }
	for _, c := range []struct {
		name, home string
		args       []string
		suite      uint16 // 0: any
	}{
		{"1.3", "", append(own, "-tls1_3"), 0},
		{"1.2", "", append(own, "-tls1_2"), 0},
		{"client certificate", "", append(own, "-Verify", "2", "-verify_return_error", "-CAfile", dir+"/ca.pem"), 0},
		{"client certificate 1.2", "", append(own, "-tls1_2", "-Verify", "2", "-verify_return_error", "-CAfile", dir+"/ca.pem"), 0},
		{"ALPN", "alpn = radius/1.1\n", append(own, "-alpn", "radius/1.1"), 0},
		{"no tickets", "", append(own, "-no_ticket"), 0},
		// The certificate for our name is shown to those who ask for it.
		{"SNI", "", []string{"-cert", dir + "/client.pem", "-key", dir + "/client.key", "-servername", "server.example.org", "-cert2", dir + "/server.pem", "-key2", dir + "/server.key"}, 0},
		{"AES-128", "", append(own, "-ciphersuites", "TLS_AES_128_GCM_SHA256"), ctls.TLS_AES_128_GCM_SHA256},
		{"AES-256", "", append(own, "-ciphersuites", "TLS_AES_256_GCM_SHA384"), ctls.TLS_AES_256_GCM_SHA384},
		{"ChaCha20", "", append(own, "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"), ctls.TLS_CHACHA20_POLY1305_SHA256},
		{"1.2 AES-128", "", suite("ECDHE-ECDSA-AES128-GCM-SHA256", own), ctls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		{"1.2 AES-256", "", suite("ECDHE-ECDSA-AES256-GCM-SHA384", own), ctls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384},
		{"1.2 ChaCha20", "", suite("ECDHE-ECDSA-CHACHA20-POLY1305", own), ctls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256},
		{"1.2 RSA AES-128", "", suite("ECDHE-RSA-AES128-GCM-SHA256", withRSA), ctls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
		{"1.2 RSA AES-256", "", suite("ECDHE-RSA-AES256-GCM-SHA384", withRSA), ctls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384},
		{"1.2 RSA ChaCha20", "", suite("ECDHE-RSA-CHACHA20-POLY1305", withRSA), ctls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := friotest.NewEnv(t, false, 1)
			_, port := sServer(t, e, append(c.args, "-rev")...)
			_, home := sections(t, "", c.home)
			cl := connected(e, port, home)
			e.Send(cl, []byte("stressed\n"))
			e.Expect(cl, []byte("desserts\n"))
			s, _ := cl.IO.(*tls.Conn).ConnectionState()
			if c.suite != 0 && s.CipherSuite != c.suite {
				t.Errorf("%s, want %s", ctls.CipherSuiteName(s.CipherSuite), ctls.CipherSuiteName(c.suite))
			}
			if want := strings.TrimSuffix(strings.TrimPrefix(c.home, "alpn = "), "\n"); s.NegotiatedProtocol != want {
				t.Errorf("protocol %q, want %q", s.NegotiatedProtocol, want)
			}
			cl.Close()
		})
	}
}

// connected is our client, open to a server on port.
func connected(e *friotest.Env, port uint16, home string) *friotest.Probe {
	e.Helper()
	cl := e.ParseText(nil, "client", "home_server {\nprotocol = tls+tcp\n"+tcpText(e, port)+home+"}\n")
	cl.Wish(nil, nil, nil)
	if err := cl.Connect(); err != nil && err != frio.ErrAgain {
		e.Fatal(err)
	}
	opened(e, cl)
	return cl
}

// TestInteropServerKeyUpdate: s_server changes its keys, and asks for ours to be changed.
func TestInteropServerKeyUpdate(t *testing.T) {
	dir := pemFiles(t)
	for _, command := range []string{"k", "K"} {
		t.Run(command, func(t *testing.T) {
			e := friotest.NewEnv(t, false, 1)
			p, port := sServer(t, e, "-cert", dir+"/server.pem", "-key", dir+"/server.key", "-tls1_3")
			_, home := sections(t, "", "")
			cl := connected(e, port, home)
			cl.Wish(nil, func() {}, nil) // it reads
			for round := range 4 {
				if round > 0 { // the tickets came before the first line: what comes next is the KeyUpdate
					events := e.Loop.Stats().Events
					fmt.Fprintln(p.in, command) // and no more: s_server drops what comes with a command
					e.Until("the KeyUpdate", func() bool { return e.Loop.Stats().Events > events })
				}
				fmt.Fprintf(p.in, "line %d\n", round)
				e.Expect(cl, fmt.Appendf(nil, "line %d\n", round))
				e.Send(cl, fmt.Appendf(nil, "answer %d\n", round))
				e.Until("the answer", func() bool { return strings.Contains(p.said(), fmt.Sprintf("answer %d", round)) })
			}
			cl.Close()
		})
	}
}

// TestInteropServerResumption: our second connection takes up the session of the first.
func TestInteropServerResumption(t *testing.T) {
	dir := pemFiles(t)
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		t.Run(version, func(t *testing.T) {
			e := friotest.NewEnv(t, false, 1)
			_, port := sServer(t, e, "-cert", dir+"/server.pem", "-key", dir+"/server.key", version, "-rev")
			_, home := sections(t, "", "")
			cl := connected(e, port, home)
			for round := range 2 {
				e.Send(cl, []byte("stressed\n"))
				e.Expect(cl, []byte("desserts\n"))
				if s, _ := cl.IO.(*tls.Conn).ConnectionState(); s.DidResume != (round == 1) {
					t.Errorf("connection %d: resumed is %v", round, s.DidResume)
				}
				ctx := e.Context(nil, "next")
				next, err := cl.IO.(frio.Copier).Copy(ctx)
				if err != nil {
					t.Fatal(err)
				}
				cl.Close()
				cl = e.Watch(next, ctx, "next")
				cl.Wish(nil, nil, nil)
				cl.Connect()
				opened(e, cl)
			}
			cl.Close()
		})
	}
}

// TestInteropSocat: socat speaks TLS over a Unix socket by a relay of its own, to our listener on tls+unix.
func TestInteropSocat(t *testing.T) {
	dir := pemFiles(t)
	program(t, "socat")
	e := friotest.NewEnv(t, false, 1)
	listen, _ := sections(t, "require_client_cert = yes\n", "")
	l := e.ParseText(nil, "listener", "listen {\nprotocol = tls+unix\nunix {\nfilename = "+e.Place.File+"\n}\n"+listen+"}\n")
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	echo(e, l)
	port := freePort(t)
	relay := start(t, "socat", "-d", "-d", fmt.Sprintf("TCP-LISTEN:%d,bind=127.0.0.1,reuseaddr,fork", port), "UNIX-CONNECT:"+e.Place.File)
	e.Until("the relay listens", func() bool { return strings.Contains(relay.said(), "listening on") })
	p := start(t, "socat", "-t", "5", "-", fmt.Sprintf("OPENSSL:127.0.0.1:%d,cafile=%s/ca.pem,cert=%s/client.pem,key=%s/client.key,commonname=server.example.org,snihost=server.example.org",
		port, dir, dir, dir))
	fmt.Fprintln(p.in, "over a unix socket")
	e.Until("the echo", func() bool { return strings.Contains(p.said(), "over a unix socket") })
	p.in.Close()
	e.Until("its end", func() bool {
		select {
		case <-p.end:
			return true
		default:
			return false
		}
	})
}

// TestInteropRenegotiation: a client that wants to renegotiate is refused and loses its connection, by an alert.
func TestInteropRenegotiation(t *testing.T) {
	e := friotest.NewEnv(t, false, 1)
	l := listener(e, "require_client_cert = no\n", "")
	children := echo(e, l)
	p := start(t, "openssl", "s_client", "-connect", e.Local(l).String(), "-tls1_2")
	io.WriteString(p.in, "before\n")
	e.Until("an echo", func() bool { return strings.Contains(p.said(), "before") })
	io.WriteString(p.in, "R\n")
	child := (*children)[0]
	e.Until("the end", func() bool { return child.State() == frio.StateFailed })
	_, err := child.Read(make([]byte, 1))
	if err == nil || err == frio.ErrAgain || err == io.EOF || errors.Is(err, frio.ErrTruncated) {
		t.Errorf("Read: %v, want a refusal", err)
	}
	e.Until("the alert", func() bool { return strings.Contains(p.said(), "SSL alert number 10") })
}
