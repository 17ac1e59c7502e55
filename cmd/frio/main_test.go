package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// asProgram makes the test binary the program itself.
const asProgram = "FRIO_TEST_AS_PROGRAM"

// patience ends a test that hangs; nothing is measured by it.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	canBind("tcp", "127.0.0.1:0") // what the runtime opens once, for its own poller
	descriptors := openDescriptors()
	code := m.Run()
	if code == 0 {
		code = leaks(descriptors)
	}
	os.Exit(code)
}

// leaks looks for goroutines of ours and descriptors that the tests have left.
func leaks(before int) int {
	buf := make([]byte, 1<<20)
	var text string
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); runtime.Gosched() {
		text = string(buf[:runtime.Stack(buf, true)])
		if strings.Count(text, "github.com/frio-io/frio") == strings.Count(text, "frio.leaks")+strings.Count(text, "frio.TestMain") &&
			openDescriptors() <= before {
			return 0
		}
	}
	fmt.Fprintf(os.Stderr, "left: %d descriptors, %d at the start, and\n%s\n", openDescriptors(), before, text)
	return 1
}

func openDescriptors() int {
	names, err := os.ReadDir("/dev/fd")
	if err != nil {
		return 0
	}
	return len(names)
}

// process is the program, running.
type process struct {
	*exec.Cmd
	t        *testing.T
	in       io.WriteCloser
	out, err *text
	done     chan struct{}
	code     int
}

// text is an output that can be waited for.
type text struct {
	mu   sync.Mutex
	more sync.Cond
	buf  bytes.Buffer // guarded by mu
	eof  bool         // guarded by mu
}

func newText(r io.Reader) *text {
	x := &text{}
	x.more.L = &x.mu
	go func() {
		in := bufio.NewReader(r)
		for {
			line, err := in.ReadBytes('\n')
			x.mu.Lock()
			x.buf.Write(line)
			x.eof = err != nil
			x.more.Broadcast()
			x.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return x
}

// String waits for the end of the output.
func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	for !x.eof {
		x.more.Wait()
	}
	return x.buf.String()
}

// has waits for what, or the end of the output.
func (x *text) has(what string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for !x.eof && !strings.Contains(x.buf.String(), what) {
		x.more.Wait()
	}
	return strings.Contains(x.buf.String(), what)
}

// until waits for what, and returns the output so far.
func (x *text) until(what string) string {
	x.has(what)
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.buf.String()
}

// start starts the program. It is killed when the test's patience or the test ends.
func start(t *testing.T, args ...string) *process { return startWith(t, nil, args...) }

func startWith(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return startCommand(t, patience, itself(env, args...))
}

// itself is the program as a command, with more in its environment.
func itself(env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	// Nothing is told of races at exit: there is no reason to wait a second for it.
	cmd.Env = append(append(os.Environ(), asProgram+"=1", "GORACE=atexit_sleep_ms=0"), env...)
	return cmd
}

// startCommand starts a program of ours or of others. It is killed after limit, or when the test ends.
func startCommand(t *testing.T, limit time.Duration, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{Cmd: cmd, t: t, done: make(chan struct{})}
	out, outErr := p.StdoutPipe()
	errs, errErr := p.StderrPipe()
	in, inErr := p.StdinPipe()
	if err := errors.Join(outErr, errErr, inErr, p.Start()); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(limit, func() { p.Process.Kill() })
	p.in, p.out, p.err = in, newText(out), newText(errs)
	go func() {
		defer close(p.done)
		_ = p.out.String() + p.err.String() // Wait closes the pipes
		_ = p.Wait()
		p.code = p.ProcessState.ExitCode()
		timer.Stop()
	}()
	t.Cleanup(func() {
		p.Process.Kill()
		in.Close()
		<-p.done
	})
	return p
}

// ready waits until the program has said so.
func (p *process) ready() {
	p.t.Helper()
	if !p.out.has("ready\n") {
		p.t.Fatalf("it did not get ready: %s", p.err)
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// exits waits for the end, which must be with code. No loop has found anything left in it.
func (p *process) exits(code int) {
	p.t.Helper()
	<-p.done
	if p.code != code || strings.Contains(p.err.String(), " left in it: ") {
		p.t.Errorf("exit code %d, want %d; standard error:\n%s", p.code, code, p.err)
	}
}

// runFile runs a configuration until it is ready.
func runFile(t *testing.T, text string, flags ...string) *process {
	t.Helper()
	file := filepath.Join(t.TempDir(), "frio.conf")
	if err := os.WriteFile(file, []byte(text), 0600); err != nil {
		t.Fatal(err)
	}
	p := start(t, append(append([]string{"run"}, flags...), file)...)
	p.ready()
	return p
}

// shortDir is a directory whose name fits into a Unix socket's, which TempDir's may not.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "frio")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// freePort is a port of loopback that neither tcp nor udp uses.
func freePort(t *testing.T) int {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		u, err := net.ListenUDP("udp4", &net.UDPAddr{Port: port})
		l.Close()
		if err == nil {
			u.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// inProcess runs a command within the test.
func inProcess(stdin string, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = command(args, streams{strings.NewReader(stdin), &out, &errs})
	return code, out.String(), errs.String()
}

func TestUsage(t *testing.T) {
	tests := []struct {
		name        string
		args        []string
		code        int
		out, errout string // contained
	}{
		{"nothing", nil, 2, "", "usage: frio COMMAND"},
		{"help", []string{"help"}, 0, "usage: frio COMMAND", ""},
		{"-h", []string{"-h"}, 0, "usage: frio COMMAND", ""},
		{"version", []string{"version"}, 0, "frio ", ""},
		{"unknown command", []string{"walk"}, 2, "", `no command "walk"`},
		{"check without a file", []string{"check"}, 2, "", "it takes one FILE, not 0"},
		{"check with two", []string{"check", "a", "b"}, 2, "", "it takes one FILE, not 2"},
		{"check -h", []string{"check", "-h"}, 0, "", "usage: frio check"},
		{"run with two", []string{"run", "a", "-X", "b"}, 2, "", "it takes one FILE, not 2"},
		{"run with an unknown flag", []string{"run", "a", "-Y"}, 2, "", "-Y"},
		{"run without its file", []string{"run", "no/such.conf", "-X"}, 2, "", "no/such.conf:1:1: "},
		{"cat without an address", []string{"cat", "tcp"}, 2, "", "STACK and ADDRESS"},
		{"cat with a bad address", []string{"cat", "tcp", "127.0.0.1"}, 2, "", "host:port"},
		{"cat with a bad port", []string{"cat", "tcp", "127.0.0.1:70000"}, 2, "", "frio cat: port: "},
		{"cat with an unknown method", []string{"cat", "tpc", "127.0.0.1:7"}, 2, "", "no method `tpc`"},
		{"cat with an unknown option", []string{"cat", "tcp", "127.0.0.1:7", "-o", "tcp.colour=red"}, 2, "", "unknown key `colour`"},
		{"cat with half an option", []string{"cat", "tcp", "127.0.0.1:7", "-o", "tcp"}, 2, "", "it has no ="},
		{"cat with a time-out that has no effect", []string{"cat", "tcp", "127.0.0.1:7", "-listen", "-timeout", "1s"}, 2, "", "-timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errs := inProcess("", tt.args...)
			if code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(errs, tt.errout) {
				t.Errorf("exit code %d, want %d; standard output %q, error %q", code, tt.code, out, errs)
			}
			if tt.out == "" && out != "" {
				t.Errorf("standard output has %q", out)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	code, out, errs := inProcess("", "check", "testdata/first.conf")
	if code != 0 || errs != "" {
		t.Errorf("exit code %d, standard error %q", code, errs)
	}
	for _, want := range []string{"server first\n\tnamespace echo\n\tlisten t\n", "\t\ttcp 127.0.0.1:7007\n", "max_connections 1000", "unix /tmp/frio-echo.sock"} {
		if !strings.Contains(out, want) {
			t.Errorf("standard output has no %q:\n%s", want, out)
		}
	}
	if _, err := os.Stat("/tmp/frio-echo.sock"); err == nil && !listens("unix", "/tmp/frio-echo.sock") {
		t.Error("it left a socket behind")
	}
}

func listens(network, address string) bool {
	c, err := net.Dial(network, address)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// Each wrong file is refused with all its mistakes, where they are.
func TestCheckWrong(t *testing.T) {
	files, err := filepath.Glob("../../server/testdata/wrong/*.conf")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".conf"), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			code, out, errs := inProcess("", "check", path)
			if code != 2 || out != "" {
				t.Errorf("exit code %d, standard output %q", code, out)
			}
			var places []string
			for line := range strings.Lines(string(data)) {
				if w, ok := strings.CutPrefix(line, "# want "); ok {
					places = append(places, strings.NewReplacer("FILE", path, "DIR", filepath.Dir(path)).Replace(strings.TrimSpace(w)))
				}
			}
			if want := strings.Join(places, "\n") + "\n"; errs != want {
				t.Errorf("standard error\n%swant\n%s", errs, want)
			}
		})
	}
	p := start(t, "check", files[0])
	p.exits(2)
	if !strings.Contains(p.err.String(), files[0]+":") {
		t.Errorf("the program itself says %q", p.err)
	}
}
