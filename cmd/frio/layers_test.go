package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

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
		skip(t, name+" is not installed")
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
