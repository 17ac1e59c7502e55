package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio/friotest"
)

// echoes sends a line over network and wants it back; on streams also after the writing side was shut, and then the end.
func echoes(t *testing.T, network, address string) {
	t.Helper()
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	const line = "hello, frio\n"
	if _, err := io.WriteString(c, line); err != nil {
		t.Fatal(err)
	}
	half, ok := c.(interface{ CloseWrite() error })
	if !ok {
		buf := make([]byte, 100)
		n, err := c.Read(buf)
		if err != nil || string(buf[:n]) != line {
			t.Errorf("%s %s: got %q, %v", network, address, buf[:n], err)
		}
		return
	}
	if err := half.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || string(got) != line {
		t.Errorf("%s %s: got %q, %v", network, address, got, err)
	}
}

// firstFile is the example file on other ports and paths.
func firstFile(t *testing.T) (text string, port int, socket string) {
	t.Helper()
	data, err := os.ReadFile("testdata/first.conf")
	if err != nil {
		t.Fatal(err)
	}
	port, socket = freePort(t), filepath.Join(shortDir(t), "echo.sock")
	text = strings.NewReplacer("7007", strconv.Itoa(port), "/tmp/frio-echo.sock", socket).Replace(string(data))
	return text, port, socket
}

func TestRunFirst(t *testing.T) {
	text, port, socket := firstFile(t)
	p := runFile(t, text)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	for range 3 {
		echoes(t, "tcp", address)
		echoes(t, "udp", address)
		echoes(t, "unix", socket)
	}
	info, err := os.Stat(socket)
	if err != nil || info.Mode().Perm() != 0660 {
		t.Errorf("the socket's file: %v, %v, want mode 0660", info.Mode(), err)
	}
	p.signal(syscall.SIGTERM)
	p.exits(0)
	if got := p.out.String(); got != "ready\n" {
		t.Errorf("standard output is %q", got)
	}
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket's file is still there (%v)", err)
	}
	if listens("tcp", address) {
		t.Error("it still listens")
	}
}

// A unix socket for datagrams answers each client that has a name, and no other.
func TestRunUnixDatagrams(t *testing.T) {
	dir := shortDir(t)
	socket := filepath.Join(dir, "echo.sock")
	runFile(t, fmt.Sprintf("server s {\nnamespace = echo\nlisten a {\nprotocol = unix\nunix {\nfilename = %s\ntype = datagram\n}\n}\n}\n", socket))
	var clients []*net.UnixConn
	for i := range 3 {
		name := &net.UnixAddr{Name: filepath.Join(dir, strconv.Itoa(i)), Net: "unixgram"}
		c, err := net.DialUnix("unixgram", name, &net.UnixAddr{Name: socket, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		clients = append(clients, c)
	}
	for round := range 10 {
		for i, c := range clients {
			if _, err := fmt.Fprintf(c, "%d of %d", round, i); err != nil {
				t.Fatal(err)
			}
		}
		for i, c := range clients {
			buf := make([]byte, 100)
			want := fmt.Sprintf("%d of %d", round, i)
			if n, err := c.Read(buf); err != nil || string(buf[:n]) != want {
				t.Fatalf("got %q, %v, want %q", buf[:n], err, want)
			}
		}
	}
}

// TestInteropSocat has socat speak to the example file.
func TestInteropSocat(t *testing.T) {
	socat, err := exec.LookPath("socat")
	if err != nil {
		friotest.Skip(t, "socat is not installed")
	}
	text, port, socket := firstFile(t)
	runFile(t, text)
	for _, address := range []string{
		fmt.Sprintf("TCP4:127.0.0.1:%d", port),
		fmt.Sprintf("UDP4:127.0.0.1:%d", port),
		"UNIX-CONNECT:" + socket,
	} {
		t.Run(strings.SplitN(address, ":", 2)[0], func(t *testing.T) {
			cmd := exec.Command(socat, "-t", "1", "-T", "20", "-", address)
			cmd.Stdin = strings.NewReader("hello\n")
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != "hello\n" {
				t.Errorf("socat printed %q, %v", out, err)
			}
		})
	}
}

// TestRunBuiltin: without a file it is a gateway on all stacks, and the three commands that it prints work as they stand, in any directory,
// though no frio is in PATH.
func TestRunBuiltin(t *testing.T) {
	p := start(t, "run")
	p.ready()
	said := p.err.until("radius/dtls")
	var tried int
	for line := range strings.Lines(said) {
		if !strings.Contains(line, " | ") {
			continue
		}
		tried++
		shell := exec.Command("sh", "-c", line)
		shell.Env, shell.Dir = itself(nil).Env, t.TempDir()
		out, err := shell.CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("Access-Accept")) {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
	if tried != 3 {
		t.Errorf("%d commands to try, want 3:\n%s", tried, said)
	}
	p.signal(syscall.SIGINT)
	p.exits(0)
	_, dir, _ := strings.Cut(said, "Certificates are in ")
	dir, _, _ = strings.Cut(dir, ". ")
	if _, err := os.Stat(dir); dir == "" || !os.IsNotExist(err) {
		t.Errorf("the directory of the certificates, %q, is left: %v", dir, err)
	}
}

func canBind(network, address string) bool {
	var c io.Closer
	var err error
	if network == "tcp" {
		c, err = net.Listen(network, address)
	} else {
		c, err = net.ListenPacket(network, address)
	}
	if err == nil {
		c.Close()
	}
	return err == nil
}

// echoConf is a server that echoes on a stack at 127.0.0.1.
func echoConf(method string, port int) string {
	return fmt.Sprintf("server s {\nnamespace = echo\nlisten a {\nprotocol = %s\n%s {\nipaddr = 127.0.0.1\nport = %d\n}\n}\n}\n", method, method, port)
}

// relayConf is a relay from port to a home_server at another.
func relayConf(method string, port, to int) string {
	return strings.Replace(echoConf(method, port), "namespace = echo", "namespace = relay\ntarget = up", 1) +
		fmt.Sprintf("home_server up {\nprotocol = %s\n%s {\nipaddr = 127.0.0.1\nport = %d\n}\n}\n", method, method, to)
}

func TestRunRelay(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			to, port := freePort(t), freePort(t)
			runFile(t, echoConf(network, to))
			p := runFile(t, relayConf(network, port, to))
			for range 3 {
				echoes(t, network, fmt.Sprintf("127.0.0.1:%d", port))
			}
			p.signal(syscall.SIGTERM)
			p.exits(0)
		})
	}
}

// A relay whose target refuses closes the client's connection, logs why, and goes on.
func TestRunRelayRefused(t *testing.T) {
	to, port := freePort(t), freePort(t)
	p := runFile(t, relayConf("tcp", port, to))
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if got, err := io.ReadAll(c); err != nil || len(got) > 0 {
		t.Errorf("got %q, %v", got, err)
	}
	if !p.err.has("connection refused") {
		t.Errorf("the log does not say why: %s", p.err)
	}
	runFile(t, echoConf("tcp", to))
	echoes(t, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
}

// An address in use: nothing is ready, and the error names the operation and the address.
func TestRunOpenFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file := filepath.Join(t.TempDir(), "frio.conf")
	if err := os.WriteFile(file, []byte(echoConf("tcp", l.Addr().(*net.TCPAddr).Port)), 0600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "run", file)
	p.exits(1)
	if want := fmt.Sprintf("frio: listen a of server s: open tcp %v: bind: address already in use\n", l.Addr()); p.err.String() != want || p.out.String() != "" {
		t.Errorf("standard error %q, want %q; standard output %q", p.err, want, p.out)
	}
}

func TestRunDebug(t *testing.T) {
	port := freePort(t)
	p := runFile(t, echoConf("tcp", port), "-X")
	echoes(t, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if !p.err.has("msg=close") {
		t.Error("no line says that the connection was closed")
	}
	p.signal(syscall.SIGTERM)
	p.exits(0)
	for _, want := range []string{
		"server s\n\tnamespace echo\n\tlisten a\n",
		fmt.Sprintf("msg=open listen=s.a io=\"tcp 127.0.0.1:%d\"\n", port),
		"msg=accept listen=s.a session=1 io=\"tcp 127.0.0.1:",
		"reason=end in=12 out=12",
	} {
		if !strings.Contains(p.err.String(), want) {
			t.Errorf("standard error has no %q:\n%s", want, p.err)
		}
	}
	if !regexp.MustCompile(`msg=accept .* thread="network \d+"\n`).MatchString(p.err.String()) {
		t.Errorf("no line says on which thread the connection is:\n%s", p.err)
	}
	if got := p.out.String(); got != "ready\n" {
		t.Errorf("standard output is %q", got)
	}
}

// The service manager is told when the program is ready, when it reads its file again and when it stops.
func TestRunNotifies(t *testing.T) {
	path := filepath.Join(shortDir(t), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	file := filepath.Join(t.TempDir(), "frio.conf")
	if err := os.WriteFile(file, []byte(echoConf("tcp", 0)), 0600); err != nil {
		t.Fatal(err)
	}
	p := startWith(t, []string{"NOTIFY_SOCKET=" + path}, "run", file)
	heard := func(want string) {
		t.Helper()
		buf := make([]byte, 100)
		n, err := c.Read(buf)
		if err != nil || !regexp.MustCompile("^"+want+"$").Match(buf[:n]) {
			t.Fatalf("heard %q, %v, want %q", buf[:n], err, want)
		}
	}
	heard("READY=1")
	p.signal(syscall.SIGHUP)
	heard("RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*")
	heard("READY=1")
	p.signal(syscall.SIGTERM)
	heard("STOPPING=1")
	p.exits(0)
}

// The number of the process is in the file of -pidfile from the line "ready" on until it ends.
func TestRunWritesItsNumber(t *testing.T) {
	path := filepath.Join(t.TempDir(), "frio.pid")
	if err := os.WriteFile(path, []byte("of another that has died\n"), 0600); err != nil {
		t.Fatal(err)
	}
	p := runFile(t, echoConf("tcp", 0), "-pidfile", path)
	if got, err := os.ReadFile(path); err != nil || string(got) != fmt.Sprintln(p.Process.Pid) {
		t.Errorf("the file has %q, %v, want %d", got, err, p.Process.Pid)
	}
	p.signal(syscall.SIGTERM)
	p.exits(0)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
	file := filepath.Join(t.TempDir(), "frio.conf")
	if err := os.WriteFile(file, []byte(echoConf("tcp", 0)), 0600); err != nil {
		t.Fatal(err)
	}
	p = start(t, "run", "-pidfile", filepath.Join(path, "none"), file)
	p.exits(1)
	if p.out.String() != "" {
		t.Errorf("standard output is %q", p.out)
	}
}

// SIGTERM lets a session end that is not quiet; a second one does not.
func TestRunStops(t *testing.T) {
	port := freePort(t)
	p := runFile(t, echoConf("tcp", port))
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	exchange := func() {
		t.Helper()
		buf := make([]byte, 4)
		if _, err := c.Write([]byte("ping")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf); err != nil || !bytes.Equal(buf, []byte("ping")) {
			t.Fatalf("got %q, %v", buf, err)
		}
	}
	exchange()
	p.signal(syscall.SIGHUP)
	if !p.err.has("msg=reloaded") {
		t.Error("SIGHUP is not answered in the log")
	}
	p.signal(syscall.SIGTERM)
	if !p.err.has("msg=stops") {
		t.Error("the log does not say that it stops")
	}
	exchange()
	p.signal(syscall.SIGTERM)
	p.exits(1)
}

func TestShellWord(t *testing.T) {
	for _, s := range []string{"/usr/bin/frio", "", "a b", "it's", "$HOME", "-x;y", "*"} {
		out, err := exec.Command("sh", "-c", "printf %s "+shellWord(s)).Output()
		if err != nil || string(out) != s {
			t.Errorf("%q is %q to a shell, %v", s, out, err)
		}
	}
	if s := shellWord("/tmp/frio-1/ca.pem"); s != "/tmp/frio-1/ca.pem" {
		t.Errorf("%s is quoted for nothing", s)
	}
}
