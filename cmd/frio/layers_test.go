package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio/friotest"
)

// certificates makes a CA and a certificate for 127.0.0.1 in a directory: ca.pem, server.pem, server.key; and as many more.
func certificates(t *testing.T, more ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	write := func(name, kind string, der []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0600); err != nil {
			t.Fatal(err)
		}
	}
	make := func(name string, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true}
		if parent == nil {
			parent, parentKey = c, key
			c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
		} else {
			c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), parentKey)
		if err != nil {
			t.Fatal(err)
		}
		write(name+".pem", "CERTIFICATE", der)
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		write(name+".key", "PRIVATE KEY", private)
		return c, key
	}
	ca, key := make("ca", nil, nil)
	for _, name := range append([]string{"server"}, more...) {
		make(name, ca, key)
	}
	return dir
}

func layeredConf(stack, dir string, port int, more string) string {
	base := stack[strings.LastIndexByte(stack, '+')+1:]
	return fmt.Sprintf("server s {\nnamespace = echo\nlisten a {\nprotocol = %s\n%s {\nipaddr = 127.0.0.1\nport = %d\n}\n"+
		"tls {\ncertificate_file = %s/server.pem\nprivate_key_file = %s/server.key\n}\n%s}\n}\n", stack, base, port, dir, dir, more)
}

// program finds one of the programs that frio is to get along with.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		friotest.Skip(t, name+" is not installed")
	}
	return path
}

func TestRunLayers(t *testing.T) {
	dir, other := certificates(t), certificates(t)
	for _, stack := range []string{"tls+tcp", "tls+udp"} {
		t.Run(stack, func(t *testing.T) {
			port := freePort(t)
			runFile(t, layeredConf(stack, dir, port, ""))
			address := fmt.Sprintf("127.0.0.1:%d", port)
			code, out, errs := inProcess("through "+stack+"\n", "cat", stack, address, "-ca", dir+"/ca.pem", "-wait", "200ms")
			if code != 0 || out != "through "+stack+"\n" {
				t.Errorf("cat: exit code %d, %q, %s", code, out, errs)
			}
			// A peer that cannot be verified: exit 1, nothing on standard output.
			code, out, errs = inProcess("secret\n", "cat", stack, address, "-ca", other+"/ca.pem", "-wait", "200ms")
			if code != 1 || out != "" || !strings.Contains(errs, "unknown CA") {
				t.Errorf("cat with another CA: exit code %d, %q, %s", code, out, errs)
			}
			code, out, errs = inProcess("secret\n", "cat", stack, address, "-ca", dir+"/ca.pem", "-hostname", "other.example.org", "-wait", "200ms")
			if code != 1 || out != "" || !strings.Contains(errs, "other.example.org") {
				t.Errorf("cat with another name: exit code %d, %q, %s", code, out, errs)
			}
		})
	}
}

// TestRunStacks: run and cat take every stack, cat as either side.
func TestRunStacks(t *testing.T) {
	dir := certificates(t)
	for _, stack := range []string{"tls+tcp", "tls+unix", "tls+udp", "haproxy+tcp", "haproxy+unix", "tls+haproxy+tcp", "tls+haproxy+unix"} {
		t.Run(stack, func(t *testing.T) {
			file := filepath.Join(shortDir(t), "s.sock")
			address, place := file, "filename = "+file+"\n"
			if !strings.HasSuffix(stack, "unix") {
				port := freePort(t)
				address, place = fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("ipaddr = 127.0.0.1\nport = %d\n", port)
			}
			base := stack[strings.LastIndexByte(stack, '+')+1:]
			text := "server s {\nnamespace = echo\nlisten a {\nprotocol = " + stack + "\n" + base + " {\n" + place + "}\n"
			args := []string{"cat", stack, address, "-wait", "200ms"}
			if strings.Contains(stack, "tls") {
				text += "tls {\ncertificate_file = " + dir + "/server.pem\nprivate_key_file = " + dir + "/server.key\n}\n"
				args = append(args, "-ca", dir+"/ca.pem", "-hostname", "127.0.0.1")
			}
			if strings.Contains(stack, "haproxy") {
				trusted := "allow = 127.0.0.1\n"
				if base == "unix" {
					trusted = ""
				}
				text += "haproxy {\ntrusted {\n" + trusted + "}\n}\n"
			}
			runFile(t, text+"}\n}\n")
			code, out, errs := inProcess("through "+stack+"\n", args...)
			if code != 0 || out != "through "+stack+"\n" {
				t.Errorf("cat: exit code %d, %q, %s", code, out, errs)
			}
		})
	}
}

// TestCheckLayers: check shows the stack at a glance, each layer indented under the one above it.
func TestCheckLayers(t *testing.T) {
	dir := certificates(t)
	proxied := "haproxy {\ntrusted {\nallow = 127.0.0.1\n}\n}\n"
	for _, c := range []struct {
		stack, more string
		want        []string // lines, in this order, with their indentation
	}{
		{"tls+haproxy+tcp", proxied, []string{
			"\t\ttls+haproxy+tcp 127.0.0.1:2083",
			"\t\t\tstate closed",
			"\t\t\tversions TLS 1.2 to 1.3, cipher_list DEFAULT, curves default",
			"\t\t\tcertificate " + dir + "/server.pem: \"CN=server\" serial ",
			"\t\t\tclient certificate not asked",
			"\t\t\tresumption for 24h0m0s, ticket keys <hidden>",
			"\t\t\thandshake_timeout 10s, max_handshakes 1024",
			"\t\t\thaproxy+tcp 127.0.0.1:2083",
			"\t\t\t\tstate closed, trusted 127.0.0.1/32",
			"\t\t\t\ttcp 127.0.0.1:2083",
			"\t\t\t\t\tstate closed, max_connections 1024",
		}},
		{"tls+udp", "", []string{
			"\t\ttls+udp 127.0.0.1:2083",
			"\t\t\tstate closed",
			"\t\t\tversions DTLS 1.2, cipher_list DEFAULT, curves default",
			"\t\t\tcertificate " + dir + "/server.pem: \"CN=server\" serial ",
			"\t\t\tgate: replied 0, accepted 0",
			"\t\t\tudp 127.0.0.1:2083",
			"\t\t\t\treuse_port no, children demux with a gate",
		}},
	} {
		file := filepath.Join(t.TempDir(), "frio.conf")
		if err := os.WriteFile(file, []byte("thread {\nnetwork = 1\n}\n"+layeredConf(c.stack, dir, 2083, c.more)), 0600); err != nil {
			t.Fatal(err)
		}
		code, out, errs := inProcess("", "check", file)
		if code != 0 || errs != "" {
			t.Fatalf("%s: exit code %d, %s", c.stack, code, errs)
		}
		lines := strings.Split(out, "\n")
		for _, want := range c.want {
			at := 0
			for at < len(lines) && !strings.HasPrefix(lines[at], want) {
				at++
			}
			if at == len(lines) {
				t.Errorf("%s: no line %q after those before it:\n%s", c.stack, want, out)
				break
			}
			lines = lines[at+1:]
		}
	}
}

// TestRefusalsAreSaid: who is refused, and who refuses, say why: cat on standard error, run in its log.
func TestRefusalsAreSaid(t *testing.T) {
	dir, other := certificates(t), certificates(t)
	asks := "require_client_cert = yes\nca_file = " + dir + "/ca.pem\n"
	for _, c := range []struct {
		name       string
		stacks     string
		listen     string // more in its tls section
		args       []string
		cat, serve string
	}{
		{"no certificate", "tls+tcp", asks, []string{"-ca", dir + "/ca.pem"}, "handshake: no certificate: the peer ", "no certificate: the peer sent none, and one is required"},
		{"no certificate", "tls+udp", asks, []string{"-ca", dir + "/ca.pem"}, "handshake: refused: the peer ", "no certificate: the peer sent none, and one is required"},
		{"unknown CA of the client", "tls+tcp", asks, []string{"-ca", dir + "/ca.pem", "-cert", other + "/server.pem", "-key", other + "/server.key"},
			"handshake: unknown CA: the peer ", "handshake: unknown CA: certificate "},
		{"unknown CA of the server", "tls+tcp", "", []string{"-ca", other + "/ca.pem"}, "handshake: unknown CA: certificate ", "handshake: certificate denied: the peer "},
		{"unknown CA of the server", "tls+udp", "", []string{"-ca", other + "/ca.pem"}, "handshake: unknown CA: certificate ", "handshake: unknown CA: the peer "},
		{"wrong name", "tls+tcp tls+udp", "", []string{"-ca", dir + "/ca.pem", "-hostname", "b.example.org"}, "handshake: name: certificate ", "handshake: certificate denied: the peer "},
		{"weak version", "tls+tcp", "tls_min_version = 1.3\n", []string{"-ca", dir + "/ca.pem", "-o", "tls.tls_max_version=1.2"}, "handshake: version: the peer ", "handshake: version: "},
	} {
		for stack := range strings.FieldsSeq(c.stacks) {
			t.Run(stack+" "+c.name, func(t *testing.T) {
				port := freePort(t)
				text := layeredConf(stack, dir, port, "")
				p := runFile(t, strings.Replace(text, "tls {\n", "tls {\n"+c.listen, 1))
				args := append([]string{"cat", stack, fmt.Sprintf("127.0.0.1:%d", port), "-wait", "5s"}, c.args...)
				code, out, errs := inProcess("secret\n", args...)
				if code != 1 || out != "" || !strings.Contains(errs, c.cat) {
					t.Fatalf("cat: exit code %d, %q, %s\nwant %q", code, out, errs, c.cat)
				}
				if !p.err.has("handshake: ") {
					t.Error("the log says nothing")
				}
				p.signal(syscall.SIGTERM)
				p.exits(0)
				if log := strings.ReplaceAll(p.err.String(), `\"`, `"`); !strings.Contains(log, "msg=refused") || !strings.Contains(log, c.serve) {
					t.Errorf("the log lacks %q:\n%s", c.serve, log)
				}
			})
		}
	}
}

// TestPlainText: who speaks plain text to a TLS port gets an alert, each time; the log has a line for the first of a second, with the
// reason, and not one for each.
func TestPlainText(t *testing.T) {
	dir := certificates(t)
	port := freePort(t)
	p := runFile(t, layeredConf("tls+tcp", dir, port, ""))
	const many = 20
	began := time.Now()
	for range many {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(patience))
		if _, err := c.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if alert := []byte{21, 3, 1, 0, 2, 2, 10}; !bytes.Equal(got, alert) {
			t.Fatalf("got % x, %v, want the alert unexpected_message % x", got, err, alert)
		}
		c.Close()
	}
	seconds := int(time.Since(began)/time.Second) + 1
	p.signal(syscall.SIGTERM)
	p.exits(0)
	log, lines := p.err.String(), 0
	for line := range strings.Lines(log) {
		if strings.Contains(line, "msg=refused") {
			lines++
			if !strings.Contains(line, "plain text") || !strings.Contains(line, "127.0.0.1:") {
				t.Errorf("no reason or no peer in %s", line)
			}
		}
	}
	if lines == 0 || lines > seconds {
		t.Errorf("%d lines about %d peers in %d seconds, want one a second at most:\n%s", lines, many, seconds, log)
	}
}

// An echo server on tls+haproxy+tcp answers through haproxy.
func TestInteropHaproxy(t *testing.T) {
	path := program(t, "haproxy")
	dir := certificates(t)
	for _, version := range []string{"send-proxy", "send-proxy-v2"} {
		port, front := freePort(t), freePort(t)
		runFile(t, layeredConf("tls+haproxy+tcp", dir, port, "haproxy {\ntrusted {\nallow = 127.0.0.1\n}\n}\n"))
		cfg := filepath.Join(t.TempDir(), "haproxy.cfg")
		text := fmt.Sprintf("global\n maxconn 100\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n"+
			"frontend f\n bind 127.0.0.1:%d\n default_backend b\nbackend b\n server s 127.0.0.1:%d %s\n", front, port, version)
		if err := os.WriteFile(cfg, []byte(text), 0600); err != nil {
			t.Fatal(err)
		}
		launch(t, exec.Command(path, "-f", cfg, "-db"))
		waitFor(t, "tcp", fmt.Sprintf("127.0.0.1:%d", front))
		code, out, errs := inProcess("by "+version+"\n", "cat", "tls+tcp", fmt.Sprintf("127.0.0.1:%d", front), "-ca", dir+"/ca.pem")
		if code != 0 || out != "by "+version+"\n" {
			t.Errorf("%s: exit code %d, %q, %s", version, code, out, errs)
		}
	}
}

// cat talks to openssl's DTLS server, and openssl's client to run.
func TestInteropOpensslDatagrams(t *testing.T) {
	path := program(t, "openssl")
	dir := certificates(t)
	port := freePort(t)
	server := exec.Command(path, "s_server", "-dtls1_2", "-quiet", "-accept", fmt.Sprintf("127.0.0.1:%d", port),
		"-cert", dir+"/server.pem", "-key", dir+"/server.key")
	if _, err := server.StdinPipe(); err != nil { // it would end with its input
		t.Fatal(err)
	}
	printed, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	launch(t, server)
	code, errs := 1, ""
	for end := time.Now().Add(patience); code != 0 && time.Now().Before(end); { // cat is refused until the server is ready
		code, _, errs = inProcess("to openssl\n", "cat", "tls+udp", fmt.Sprintf("127.0.0.1:%d", port), "-ca", dir+"/ca.pem", "-wait", "50ms")
	}
	var buf [100]byte
	if code != 0 {
		t.Fatalf("cat to s_server: exit code %d, %s", code, errs)
	}
	if n, err := printed.Read(buf[:]); string(buf[:n]) != "to openssl\n" {
		t.Errorf("s_server got %q, %v", buf[:n], err)
	}

	port = freePort(t)
	runFile(t, layeredConf("tls+udp", dir, port, ""))
	client := exec.Command(path, "s_client", "-dtls1_2", "-quiet", "-verify_return_error", "-connect", fmt.Sprintf("127.0.0.1:%d", port),
		"-CAfile", dir+"/ca.pem")
	in, err := client.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := client.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	launch(t, client)
	if _, err := in.Write([]byte("from openssl\n")); err != nil {
		t.Fatal(err)
	}
	n, err := pipe.Read(buf[:])
	if err != nil || string(buf[:n]) != "from openssl\n" {
		t.Errorf("s_client to run: %q, %v", buf[:n], err)
	}
}

// launch starts cmd and ends it with the test, at the latest when patience is over.
func launch(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	t.Cleanup(func() {
		limit.Stop()
		cmd.Process.Kill()
		cmd.Wait()
	})
}

// waitFor connects until somebody listens.
func waitFor(t *testing.T, network, address string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if c, err := net.Dial(network, address); err == nil {
			c.Close()
			return
		}
	}
	t.Fatalf("nobody listens on %s", address)
}
