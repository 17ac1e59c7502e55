package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/frio-io/frio/talloc"
)

// A listen whose address was taken by somebody else is opened by the next reload, though its section has not changed.
func TestReloadOpensWhatWasTaken(t *testing.T) {
	a := freePort(t)
	r := startFile(t, echoOn(tcpOn("a", a, ""), tcpOn("b", freePort(t), "")))
	other, err := net.Listen("tcp", "127.0.0.1:0")
	r.must(err)
	taken := other.Addr().(*net.TCPAddr).Port
	text := echoOn(tcpOn("a", a, ""), tcpOn("c", taken, ""))
	var late *LateError
	if err := r.load(text); !errors.As(err, &late) || !strings.Contains(err.Error(), fmt.Sprint(taken)) {
		t.Errorf("an address that is taken, while a listen ends: %v", err)
	}
	if err := r.load(text); err == nil || errors.As(err, &late) {
		t.Errorf("a listen that is still not open: %v, want one that changes nothing", err)
	}
	r.must(other.Close())
	r.must(r.load(text))
	r.echoes(r.dial("tcp", fmt.Sprintf("127.0.0.1:%d", taken)), "late")
	r.echoes(r.dial("tcp", fmt.Sprintf("127.0.0.1:%d", a)), "goes on")
}

// Metrics may go to an address that has that of before in it, and back.
func TestReloadMetricsOverlap(t *testing.T) {
	port := freePort(t)
	echo := echoOn(tcpOn("a", freePort(t), ""))
	on := func(addr string) string { return fmt.Sprintf("metrics {\n\tlisten = %s:%d\n}\n", addr, port) + echo }
	r := startFile(t, on("127.0.0.1"))
	for _, addr := range []string{"0.0.0.0", "127.0.0.1", "0.0.0.0"} {
		r.must(r.load(on(addr)))
		answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/healthz", port))
		r.must(err)
		if text, err := io.ReadAll(answer.Body); string(text) != "running\n" || err != nil {
			t.Errorf("on %s: %q, %v", addr, text, err)
		}
		r.must(answer.Body.Close())
	}
}

// A reload opens the log's file anew whatever is wrong with the configuration, for logrotate.
func TestReloadReopensLog(t *testing.T) {
	name := filepath.Join(t.TempDir(), "frio.log")
	text := "log {\n\tdestination = " + name + "\n}\n" + echoOn(tcpOn("a", freePort(t), ""))
	root := talloc.Root("test")
	output, _ := where(false)
	s, err := LoadString(root, "test.conf", text, Options{Logger: output.Logger(), Output: output})
	r := &reloadable{T: t, Server: s, file: filepath.Join(t.TempDir(), "test.conf")}
	r.must(err)
	r.must(s.Start(func(err error) { t.Error(err) }))
	r.must(os.Rename(name, name+".1"))
	if err := r.load("server {"); err == nil {
		t.Error("a bad file is taken")
	}
	output.Logger().Info("after it")
	if _, err := s.Shutdown(); err != nil {
		t.Error(err)
	}
	root.Free()
	output.Close()
	if text, err := os.ReadFile(name); err != nil || !strings.Contains(string(text), "after it") {
		t.Errorf("%q, %v", text, err)
	}
}
