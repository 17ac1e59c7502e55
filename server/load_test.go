package server

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/frio-io/frio/all"
	"github.com/frio-io/frio/talloc"
)

// TestLoadWrong reads each file of testdata/wrong. The comments `# want FILE:LINE:COLUMN: MESSAGE` at its end are all the mistakes
// that must be found in it, in order; FILE and DIR stand for the file and its directory.
func TestLoadWrong(t *testing.T) {
	files, err := filepath.Glob("testdata/wrong/*.conf")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".conf"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for line := range strings.Lines(string(text)) {
				if w, ok := strings.CutPrefix(line, "# want "); ok {
					want = append(want, strings.NewReplacer("FILE", path, "DIR", filepath.Dir(path)).Replace(strings.TrimSpace(w)))
				}
			}
			if len(want) == 0 {
				t.Error("the file says no `# want`")
			}
			root := talloc.Root("test")
			defer root.Free()
			empty := root.Total()
			_, err = LoadFile(root, path, Options{})
			if got, want := fmt.Sprint(err), strings.Join(want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if left := root.Total(); left != empty {
				t.Errorf("left in the context: %+v", left)
			}
		})
	}
}

// TestLoadRight has what is near to a mistake and is none.
func TestLoadRight(t *testing.T) {
	tests := []struct{ name, text string }{
		{"port 0 twice", echoText(tcpListen("a", "127.0.0.1", 0), tcpListen("b", "127.0.0.1", 0))},
		{"one port on two addresses", echoText(tcpListen("a", "127.0.0.1", 7), tcpListen("b", "127.0.0.2", 7))},
		{"one port in two methods", echoText(tcpListen("a", "127.0.0.1", 7), udpListen("b", "127.0.0.1", 7))},
		{"both wildcards", echoText(tcpListen("a", "0.0.0.0", 7), tcpListen("b", "::", 7))},
		{"one name in two servers", echoText(tcpListen("a", "127.0.0.1", 7)) + strings.Replace(echoText(tcpListen("a", "127.0.0.1", 8)), "one", "two", 1)},
		{"two interfaces", echoText(strings.Replace(tcpListen("a", "*", 7), "port", "interface = lo\nport", 1),
			strings.Replace(tcpListen("b", "*", 7), "port", "interface = eth0\nport", 1))},
		{"a home_server that nobody uses", echoText(tcpListen("a", "127.0.0.1", 7)) + homeServer("up", "tcp", 8)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := talloc.Root("test")
			defer root.Free()
			empty := root.Total()
			s, err := LoadString(root, "test.conf", tt.text, Options{})
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			s.Debug(&b)
			if !strings.Contains(b.String(), "listen a") || !strings.Contains(b.String(), "namespace echo") {
				t.Errorf("Debug wrote\n%s", b.String())
			}
			for range 2 {
				if cut, err := s.Shutdown(); err != nil || !cut.None() {
					t.Errorf("Shutdown of what was not started: %v, %v", cut, err)
				}
			}
			if left := root.Total(); left != empty {
				t.Errorf("left in the context: %+v", left)
			}
		})
	}
}

func TestLoadNoFile(t *testing.T) {
	root := talloc.Root("test")
	defer root.Free()
	_, err := LoadFile(root, "testdata/no-such-file.conf", Options{})
	if want := "testdata/no-such-file.conf:1:1: "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want a mistake at %s", err, want)
	}
}

// echoText is a server that echoes on listens.
func echoText(listens ...string) string { return serverText("echo", listens...) }

func serverText(namespace string, listens ...string) string {
	return "server one {\nnamespace = " + namespace + "\n" + strings.Join(listens, "") + "}\n"
}

func tcpListen(name, addr string, port int, more ...string) string {
	return inetListen("tcp", name, addr, port, more...)
}

func udpListen(name, addr string, port int, more ...string) string {
	return inetListen("udp", name, addr, port, more...)
}

func inetListen(method, name, addr string, port int, more ...string) string {
	return fmt.Sprintf("listen %s {\nprotocol = %s\n%s {\nipaddr = %s\nport = %d\n%s}\n%s\n}\n",
		name, method, method, addr, port, bounded(method), strings.Join(more, "\n"))
}

// bounded is the part of a section for method that bounds what the system takes of a stream that nobody reads. It lets that grow to tens
// of megabytes.
func bounded(method string) string {
	if method != "tcp" {
		return ""
	}
	return "recv_buff = 262144\nsend_buff = 262144\n"
}

func homeServer(name, method string, port int) string {
	return fmt.Sprintf("home_server %s {\nprotocol = %s\n%s {\nipaddr = 127.0.0.1\nport = %d\n%s}\n}\n",
		name, method, method, port, bounded(method))
}
