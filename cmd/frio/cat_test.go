package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/frio-io/frio/conf"
)

// typed gives the program its input, to the end.
func (p *process) typed(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, text); err != nil {
		p.t.Fatal(err)
	}
	if err := p.in.Close(); err != nil {
		p.t.Fatal(err)
	}
}

// listening starts cat -listen and returns where it listens.
func listening(t *testing.T, stack, address string, more ...string) (p *process, at string) {
	t.Helper()
	p = start(t, append([]string{"cat", stack, address, "-listen", "-v"}, more...)...)
	if !p.err.has("\n") {
		t.Fatalf("it does not listen: %s", p.err)
	}
	p.err.mu.Lock()
	defer p.err.mu.Unlock()
	line, _, _ := strings.Cut(p.err.buf.String(), "\n")
	return p, line[strings.LastIndex(line, " ")+1:]
}

// Both sides send, and each prints what the other sent, to the end.
func TestCatBothWays(t *testing.T) {
	long := strings.Repeat("0123456789abcdef\n", 200_000)
	for _, stack := range []string{"tcp", "unix"} {
		for _, tt := range []struct{ name, client, server string }{
			{"short", "from the client\n", "from the server\n"},
			{"long", long, long},
			{"nothing from the server", long, ""},
			{"nothing from the client", "", long},
		} {
			t.Run(stack+" "+tt.name, func(t *testing.T) {
				address := "127.0.0.1:0"
				if stack == "unix" {
					address = filepath.Join(shortDir(t), "cat.sock")
				}
				server, at := listening(t, stack, address)
				client := start(t, "cat", stack, at)
				typed := make(chan bool)
				go func() {
					defer close(typed)
					client.typed(tt.client)
				}()
				server.typed(tt.server)
				<-typed
				client.exits(0)
				server.exits(0)
				if got := server.out.String(); got != tt.client {
					t.Errorf("the server printed %d bytes, want %d", len(got), len(tt.client))
				}
				if got := client.out.String(); got != tt.server {
					t.Errorf("the client printed %d bytes, want %d", len(got), len(tt.server))
				}
				if stack == "unix" {
					if _, err := os.Stat(address); !os.IsNotExist(err) {
						t.Errorf("the socket's file is still there (%v)", err)
					}
				}
			})
		}
	}
}

// The server of a stream serves one connection.
func TestCatListensOnce(t *testing.T) {
	server, at := listening(t, "tcp", "127.0.0.1:0")
	first, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	if !server.err.has("accept") {
		t.Fatal("the first was not accepted")
	}
	second, err := net.Dial("tcp", at)
	if err == nil {
		defer second.Close() // it may be in the backlog, unserved
	}
	io.WriteString(first, "first\n")
	first.Close()
	server.typed("")
	server.exits(0)
	if got := server.out.String(); got != "first\n" {
		t.Errorf("printed %q", got)
	}
	if listens("tcp", at) {
		t.Error("it still listens")
	}
}

// A peer that has ended is not waited for for ever, though the input stays open.
func TestCatPeerEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := start(t, "cat", "tcp", l.Addr().String(), "-wait", "50ms")
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "banner\n")
	c.Close()
	p.exits(0)
	if got := p.out.String(); got != "banner\n" {
		t.Errorf("printed %q", got)
	}
}

func TestCatDatagrams(t *testing.T) {
	server, at := listening(t, "udp", "127.0.0.1:0")
	client := start(t, "cat", "udp", at)
	io.WriteString(client.in, "from the client\n")
	if !server.out.has("from the client\n") {
		t.Fatalf("the server printed %q", server.out)
	}
	// A stranger is not let in.
	stranger, err := net.Dial("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	io.WriteString(stranger, "from a stranger\n")
	server.typed("from the server\n")
	if !client.out.has("from the server\n") {
		t.Fatalf("the client printed %q", client.out)
	}
	client.in.Close()
	client.exits(0)
	server.exits(0)
	if got := server.out.String() + client.out.String(); got != "from the client\nfrom the server\n" {
		t.Errorf("printed %q", got)
	}
}

func TestCatUnixDatagrams(t *testing.T) {
	server, at := listening(t, "unix", filepath.Join(shortDir(t), "cat.sock"), "-type", "datagram")
	server.in.Close()
	client := start(t, "cat", "unix", at, "-type=datagram", "-wait=10ms")
	client.typed("a datagram\n")
	client.exits(0)
	server.exits(0)
	if got := server.out.String(); got != "a datagram\n" {
		t.Errorf("printed %q", got)
	}
}

// A signal ends it, and it leaves no file behind.
func TestCatInterrupted(t *testing.T) {
	path := filepath.Join(shortDir(t), "cat.sock")
	p, _ := listening(t, "unix", path)
	p.signal(syscall.SIGINT)
	p.exits(1)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket's file is still there (%v)", err)
	}
}

// What cannot be reached is said on standard error, with exit code 1 and nothing on standard output.
func TestCatFails(t *testing.T) {
	closed := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"refused", []string{"tcp", closed}, closed + ": connection refused"},
		{"datagram refused", []string{"udp", closed}, closed + ": read datagram: connection refused"},
		{"no such socket", []string{"unix", "/nowhere/to/be.found"}, "no such file"},
		{"address in use", []string{"tcp", taken.Addr().String(), "-listen"}, "address already in use"},
		{"connect takes too long", []string{"tcp", "127.0.0.1:9", "-timeout", "1ms", "-o", "tcp.src_ipaddr=192.0.2.77"}, "192.0.2.77"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errs := inProcess("hello\n", append([]string{"cat", "-wait", "200ms"}, tt.args...)...)
			if code != 1 || out != "" || !strings.Contains(errs, tt.want) {
				t.Errorf("exit code %d, standard output %q, error %q", code, out, errs)
			}
		})
	}
}

// Options reach the method: the peer sees the source address that was asked for.
func TestCatOptions(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	from := make(chan net.Addr, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			close(from)
			return
		}
		from <- c.RemoteAddr()
		io.Copy(c, c)
		c.Close()
	}()
	code, out, errs := inProcess("hello\n", "cat", "-o", "tcp.src_ipaddr = 127.0.0.3", "tcp", l.Addr().String())
	if code != 0 || out != "hello\n" || errs != "" {
		t.Errorf("exit code %d, standard output %q, error %q", code, out, errs)
	}
	if a := <-from; a == nil || !strings.HasPrefix(a.String(), "127.0.0.3:") {
		t.Errorf("it came from %v", a)
	}
}

// blocked is an output that takes nothing until it is released.
type blocked struct {
	bytes.Buffer
	release chan struct{}
}

func (b *blocked) Write(p []byte) (int, error) {
	<-b.release
	return b.Buffer.Write(p)
}

// An output that does not take anything holds up the peer, and costs a bounded memory.
func TestCatBlockedOutput(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out := &blocked{release: make(chan struct{})}
	code := make(chan int)
	go func() {
		code <- command([]string{"cat", "tcp", l.Addr().String()}, streams{strings.NewReader(""), out, io.Discard})
	}()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	all := bytes.Repeat([]byte("0123456789abcdef"), 2<<20)
	sent := make(chan error)
	go func() {
		_, err := c.Write(all)
		c.Close()
		sent <- err
	}()
	select {
	case err := <-sent:
		t.Fatalf("32 MiB went into an output that takes nothing (%v)", err)
	case out.release <- struct{}{}: // it is in the second write: the first chunk is all that was read
	}
	close(out.release)
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if got := <-code; got != 0 || !bytes.Equal(out.Bytes(), all) {
		t.Errorf("exit code %d, %d of %d bytes", got, out.Len(), len(all))
	}
}

// Text of every kind arrives in the section as it was given.
func TestSectionQuotes(t *testing.T) {
	for _, value := range []string{`a b`, `"`, `\`, `${x}`, `$ENV{HOME}`, `a#b`, `{`, `it's`, "tab\t"} {
		f := &target{options: []string{"unix.interface=" + value}}
		text, err := f.section("unix", "/x")
		if err != nil {
			t.Fatal(err)
		}
		if got := parsedValue(t, text, "interface"); got != strings.TrimSpace(value) {
			t.Errorf("%q became %q", value, got)
		}
	}
}

func parsedValue(t *testing.T, text, key string) string {
	t.Helper()
	root, err := conf.ParseString("test", text, conf.Options{})
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return root.Sections("home_server")[0].Sections("unix")[0].Pairs(key)[0].Value
}
