package dtls

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frio-io/frio/friotest"
)

var opensslSuites = map[uint16]string{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:       "ECDHE-ECDSA-AES128-GCM-SHA256",
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:         "ECDHE-RSA-AES128-GCM-SHA256",
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:       "ECDHE-ECDSA-AES256-GCM-SHA384",
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:         "ECDHE-RSA-AES256-GCM-SHA384",
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:   "ECDHE-RSA-CHACHA20-POLY1305",
}

// program is another program with its pipes.
type program struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	mu  sync.Mutex
	out bytes.Buffer
}

func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *program) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

func (p *program) has(text string) func() bool {
	return func() bool { return strings.Contains(p.output(), text) }
}

// openssl starts the program; it ends with the test.
func openssl(t *testing.T, args ...string) *program {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		friotest.Skip(t, "openssl is not installed")
	}
	p := &program{t: t, cmd: exec.Command(path, args...)}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.in.Close()
		p.cmd.Process.Kill()
		p.cmd.Wait()
		if t.Failed() {
			t.Logf("openssl %s:\n%s", strings.Join(args, " "), p.output())
		}
	})
	return p
}

func (p *program) say(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, text); err != nil {
		p.t.Fatal(err)
	}
}

// await polls the output, for a program that no engine is driven beside.
func (p *program) await(text string) {
	p.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(interopLimit)
	for !p.has(text)() {
		select {
		case <-tick.C:
		case <-limit:
			p.t.Fatalf("no %q in %q", text, p.output())
		}
	}
}

// sServer starts s_server and returns its address.
func sServer(t *testing.T, kind keyKind, args ...string) (*program, netip.AddrPort) {
	t.Helper()
	cert, key, ca := testPKI().files(t, t.TempDir(), "server", leafOf(kind, 0))
	args = append([]string{"s_server", "-dtls1_2", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key, "-CAfile", ca}, args...)
	p := openssl(t, args...)
	p.await("ACCEPT ")
	_, rest, _ := strings.Cut(p.output(), "ACCEPT ")
	addr, err := netip.ParseAddrPort(strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0]))
	if err != nil {
		t.Fatal(err)
	}
	return p, addr
}

func sClient(t *testing.T, kind keyKind, u *udpEnd, args ...string) *program {
	t.Helper()
	cert, key, ca := testPKI().files(t, t.TempDir(), "client", leafOf(kind, 1))
	args = append([]string{"s_client", "-dtls1_2", "-connect", addrOf(u.sock).String(), "-servername", serverName,
		"-verify_hostname", serverName, "-verify_return_error", "-CAfile", ca, "-cert", cert, "-key", key}, args...)
	return openssl(t, args...)
}

// talk sends a line each way.
func talk(u *udpEnd, p *program) {
	u.t.Helper()
	u.write("from frio\n")
	u.run("line to openssl", p.has("from frio"))
	p.say("from openssl\n")
	u.run("line from openssl", func() bool { return strings.Contains(string(u.got), "from openssl\n") })
}

func TestInteropOpenSSLServer(t *testing.T) {
	for _, c := range interopCases() {
		if c.kind == keyEd25519 {
			continue // openssl 3.0 takes Ed25519 for its server's suites in TLS 1.2 only, not in DTLS 1.2
		}
		t.Run(c.name, func(t *testing.T) {
			_, cc := c.configs()
			args := []string{"-cipher", opensslSuites[c.id], "-alpn", "radius/1.1"}
			if c.auth {
				args = append(args, "-Verify", "1", "-verify_return_error")
			}
			p, addr := sServer(t, c.kind, args...)
			u := newUDPClient(t, cc, addr)
			u.opened()
			talk(u, p)
			if s := u.e.ConnectionState(); s.CipherSuite != c.id || s.NegotiatedProtocol != "radius/1.1" {
				t.Errorf("%+v", s)
			}
			if c.auth && !strings.Contains(p.output(), "CN = "+clientName) {
				t.Errorf("no client certificate seen")
			}
			u.e.CloseNotify()
			u.flush()
			u.run("close", p.has("DONE"))
		})
	}
}

func TestInteropOpenSSLClient(t *testing.T) {
	for _, c := range interopCases() {
		t.Run(c.name, func(t *testing.T) {
			sc, _ := c.configs()
			u := newUDPServer(t, sc)
			p := sClient(t, c.kind, u, "-cipher", opensslSuites[c.id], "-alpn", "radius/1.1")
			u.opened()
			talk(u, p)
			s := u.e.ConnectionState()
			if s.CipherSuite != c.id || s.NegotiatedProtocol != "radius/1.1" || s.ServerName != serverName || (len(s.PeerCertificates) > 0) != c.auth {
				t.Errorf("%+v", s)
			}
			for _, want := range []string{"Verification: OK", "ALPN protocol: radius/1.1", "Extended master secret: yes", "Secure Renegotiation IS supported"} {
				u.run(want, p.has(want))
			}
			if u.e.Counts().Retransmits != 0 {
				t.Errorf("%+v", u.e.Counts())
			}
			p.say("Q\n")
			u.run("close_notify", func() bool { return u.end == io.EOF })
		})
	}
}

func TestInteropOpenSSLResume(t *testing.T) {
	for _, auth := range []bool{false, true} {
		c := interopCase{id: suites[0].id, kind: keyECDSA, auth: auth}
		sc, cc := c.configs()
		sc.TicketKeys, cc.Sessions = NewTicketKeys([32]byte{1}), NewSessionCache(1)
		file := filepath.Join(t.TempDir(), "session")
		for round, arg := range []string{"-sess_out", "-sess_in"} {
			u := newUDPServer(t, sc)
			p := sClient(t, c.kind, u, arg, file)
			u.opened()
			talk(u, p)
			if got := u.e.ConnectionState().DidResume; got != (round == 1) {
				t.Errorf("auth %v: server resumed %v in round %d", auth, got, round)
			}
			if round == 1 && !strings.Contains(p.output(), "Reused, TLSv1.2") && !strings.Contains(p.output(), "Reused, ") {
				t.Error("openssl says it did not resume")
			}
			p.say("Q\n")
			u.run("close_notify", func() bool { return u.end == io.EOF })
		}
		var args []string
		if auth {
			args = []string{"-Verify", "1", "-verify_return_error"}
		}
		p, addr := sServer(t, c.kind, args...)
		for round := range 2 {
			u := newUDPClient(t, cc, addr)
			u.opened()
			u.write("from frio\n")
			u.run("line", func() bool { return strings.Count(p.output(), "from frio") == round+1 })
			if got := u.e.ConnectionState().DidResume; got != (round == 1) {
				t.Errorf("auth %v: client resumed %v in round %d", auth, got, round)
			}
			u.e.CloseNotify()
			u.flush()
			u.run("close", func() bool { return strings.Count(p.output(), "DONE") == round+1 })
		}
	}
}

// A client whose chain is long is resumed like any.
func TestInteropOpenSSLResumeChain(t *testing.T) {
	for _, cert := range []tls.Certificate{ownRSA().issue(keyRSA, 1, clientName, nil), ownRSA().through(keyRSA)} {
		sc, _ := resumable(cert)
		dir := t.TempDir()
		file := filepath.Join(dir, "session")
		leaf, key, _ := ownRSA().files(t, dir, "own", cert)
		for round, arg := range []string{"-sess_out", "-sess_in"} {
			u := newUDPServer(t, sc)
			p := sClient(t, keyECDSA, u, "-cert", leaf, "-key", key, "-cert_chain", leaf, arg, file)
			u.opened()
			talk(u, p)
			s := u.e.ConnectionState()
			if s.DidResume != (round == 1) || len(s.PeerCertificates) != len(cert.Certificate) {
				t.Errorf("%d certificates, round %d: resumed %v, %d certificates", len(cert.Certificate), round, s.DidResume, len(s.PeerCertificates))
			}
			p.say("Q\n")
			u.run("close_notify", func() bool { return u.end == io.EOF })
		}
		if n := sc.TicketKeys.Counts(); n.Chains != 1 || n.Missed != 0 {
			t.Errorf("%+v", n)
		}
	}
}

// Fragmented messages of openssl, and ours to it.
func TestInteropOpenSSLSmallMTU(t *testing.T) {
	for _, kind := range []keyKind{keyECDSA, keyRSA} {
		id := map[keyKind]uint16{keyECDSA: suites[0].id, keyRSA: suites[1].id}[kind]
		sc, cc := interopCase{id: id, kind: kind, auth: true}.configs()
		sc.MTU, cc.MTU = minMTU, minMTU
		u := newUDPServer(t, sc)
		p := sClient(t, kind, u, "-mtu", "400")
		u.opened()
		talk(u, p)
		p, addr := sServer(t, kind, "-mtu", "300", "-Verify", "1", "-verify_return_error")
		u = newUDPClient(t, cc, addr)
		u.opened()
		talk(u, p)
	}
}

func TestInteropOpenSSLRefusals(t *testing.T) {
	impostor := newPKI(testPKI().cert.Subject.CommonName)
	sc, cc := interopCase{id: suites[0].id, kind: keyECDSA, auth: true}.configs()
	failed := func(u *udpEnd) func() bool { return func() bool { return u.e != nil && u.e.State() == Failed } }

	sc.ClientCAs = impostor.pool
	u := newUDPServer(t, sc)
	p := sClient(t, keyECDSA, u)
	u.run("wrong CA", failed(u))
	u.run("alert at openssl", p.has("alert unknown ca"))
	if !strings.Contains(u.e.Err().Error(), "(48)") {
		t.Error(u.e.Err())
	}
	sc.ClientCAs = testPKI().pool
	sc.Certificates = []tls.Certificate{impostor.issue(keyECDSA, 0, serverName, nil)}
	u = newUDPServer(t, sc)
	sClient(t, keyECDSA, u)
	u.run("wrong CA at openssl", failed(u))
	if !strings.Contains(u.e.Err().Error(), "received") {
		t.Error(u.e.Err())
	}
	p, addr := sServer(t, keyECDSA, "-Verify", "1", "-verify_return_error")
	cc.Certificates = nil
	u = newUDPClient(t, cc, addr)
	u.run("no certificate", failed(u))
	if !strings.Contains(u.e.Err().Error(), "received") || !strings.Contains(u.e.Err().Error(), "(40)") {
		t.Error(u.e.Err())
	}
	u.run("reason at openssl", p.has("peer did not return a certificate"))
}

// The second datagram that we send or get is lost, or the third: the time-outs repair it.
func TestInteropOpenSSLLoss(t *testing.T) {
	for _, lost := range []int{1, 2} {
		sc, cc := interopCase{id: suites[0].id, kind: keyECDSA, auth: true}.configs()
		sc.RetransmitInitial, cc.RetransmitInitial = 40*time.Millisecond, 40*time.Millisecond
		counted := func() func() bool {
			n := 0
			return func() bool { n++; return n == lost+1 }
		}
		u := newUDPServer(t, sc)
		u.lose = counted()
		p := sClient(t, keyECDSA, u)
		u.opened()
		talk(u, p)
		p, addr := sServer(t, keyECDSA, "-Verify", "1", "-verify_return_error")
		u = newUDPClient(t, cc, addr)
		u.lose = counted()
		u.opened()
		talk(u, p)
	}
}
