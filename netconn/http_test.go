package netconn_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/netconn"
	"github.com/frio-io/frio/thread"
)

// serveHTTP runs net/http's Server on a listener of s: GET says who asked, POST sends the body back.
func serveHTTP(t testing.TB, p *thread.Pool, s stack) net.Listener {
	l := listen(t, p, s)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.Header().Set("Content-Type", "application/octet-stream")
			io.Copy(w, r.Body)
			return
		}
		fmt.Fprintf(w, "%s %s for %s", r.Proto, r.URL.Path, r.RemoteAddr)
	})}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	t.Cleanup(func() {
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != http.ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
	})
	return l
}

func TestHTTP(t *testing.T) {
	for _, name := range streams {
		t.Run(name, func(t *testing.T) {
			p, s := startPool(t, 2), newStack(t, name, "")
			l := serveHTTP(t, p, s)
			transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				mem, one := clientOf(t, s, l.Addr())
				return netconn.Dial(ctx, p.Threads()[1], mem, one)
			}}
			client := &http.Client{Transport: transport}
			defer transport.CloseIdleConnections()
			body := make([]byte, 1<<20)
			rand.NewChaCha8([32]byte{}).Read(body)
			for range 3 {
				r, err := client.Post("http://localhost/echo", "application/octet-stream", bytes.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				got := must(io.ReadAll(r.Body))
				r.Body.Close()
				if !bytes.Equal(got, body) {
					t.Fatalf("%d bytes came back, or others", len(got))
				}
			}
		})
	}
}

// TestInteropCurl: curl fetches from net/http's Server on our TLS.
func TestInteropCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		friotest.Skip(t, "curl is not installed")
	}
	p, s := startPool(t, 2), newStack(t, "tls+tcp", "")
	l := serveHTTP(t, p, s)
	base := fmt.Sprintf("https://localhost:%d", l.Addr().(*net.TCPAddr).Port)
	run := func(args ...string) string {
		t.Helper()
		args = append([]string{"--silent", "--show-error", "--fail", "--http1.1", "--max-time", "60", "--noproxy", "*", "-4",
			"--resolve", strings.TrimPrefix(base, "https://") + ":127.0.0.1", "--cacert", s.ca}, args...)
		cmd := exec.CommandContext(t.Context(), curl, args...)
		var out, wrong bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &wrong
		if err := cmd.Run(); err != nil {
			t.Fatalf("curl: %v\n%s", err, wrong.String())
		}
		return out.String()
	}
	t.Run("get", func(t *testing.T) {
		if got := run(base + "/one"); !strings.HasPrefix(got, "HTTP/1.1 /one for 127.0.0.1:") {
			t.Errorf("%q", got)
		}
	})
	t.Run("post", func(t *testing.T) {
		body := make([]byte, 1<<20)
		rand.NewChaCha8([32]byte{}).Read(body)
		dir := t.TempDir()
		in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
		must(0, os.WriteFile(in, body, 0o600))
		run("--data-binary", "@"+in, "--output", out, base+"/echo")
		if got := must(os.ReadFile(out)); !bytes.Equal(got, body) {
			t.Errorf("%d bytes came back, or others", len(got))
		}
	})
	t.Run("keep-alive", func(t *testing.T) {
		// Each answer names the client's port, and curl how many connections it made for it.
		got := run("--write-out", " over %{num_connects}\n", base+"/one", base+"/two")
		lines := strings.Split(strings.TrimSpace(got), "\n")
		if len(lines) != 2 || !strings.HasSuffix(lines[0], " over 1") || !strings.HasSuffix(lines[1], " over 0") {
			t.Fatalf("%q", got)
		}
		_, one, _ := strings.Cut(strings.TrimSuffix(lines[0], " over 1"), " for ")
		_, two, _ := strings.Cut(strings.TrimSuffix(lines[1], " over 0"), " for ")
		if one != two || one == "" {
			t.Errorf("two requests from %q and %q", one, two)
		}
	})
	t.Run("another CA", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), curl, "--silent", "--max-time", "60", "--noproxy", "*", "-4", base+"/")
		if err := cmd.Run(); err == nil {
			t.Error("curl trusts whoever")
		}
	})
}
