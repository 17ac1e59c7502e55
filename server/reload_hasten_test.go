package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio/talloc"
)

// A reload that waits for a request does so no more once the program is to end; Shutdown does, and the request is answered.
func TestReloadHastens(t *testing.T) {
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	tcp, udp, _ := strings.Cut(gatewayText(homeOf(t, "b", arrived, release)), "listen udp")
	text := tcp + "listen udp" + strings.Replace(udp, "port = 0", fmt.Sprintf("port = %d\nrecv_buff = 100k", freePort(t)), 1)
	root := talloc.Root("test")
	defer root.Free()
	s, err := LoadString(root, "test.conf", text, Options{Logger: slog.New(slog.DiscardHandler), Drain: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	r := &reloadable{T: t, Server: s, file: filepath.Join(t.TempDir(), "test.conf")}
	r.must(s.Start(func(err error) { t.Error(err) }))
	conn := r.dial("udp", bound(s, 1))
	asked := make(chan error, 1)
	go func() { asked <- ask(conn, 1) }()
	<-arrived

	// The listen of the request ends, and the new one waits for its address: a socket does not get its buffer of before back.
	second := freePort(t)
	loaded := make(chan error, 1)
	go func() {
		loaded <- r.load(strings.Replace(text, "recv_buff = 100k", "", 1) + "server e {\nnamespace = echo\n" + tcpOn("second", second, "") + "}\n")
	}()
	for {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", second)); err == nil {
			c.Close()
			break
		}
		if len(loaded) > 0 {
			t.Fatalf("the reload did not wait: %v", <-loaded)
		}
	}
	s.Hasten()
	var late *LateError
	if err := <-loaded; !errors.As(err, &late) || !errors.Is(err, errStopped) {
		t.Errorf("reload: %v, want what it left out", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if cut, err := s.Shutdown(); err != nil || !cut.None() {
			t.Errorf("Shutdown: %v, %v", cut, err)
		}
	}()
	close(release)
	if err := <-asked; err != nil {
		t.Errorf("the request: %v", err)
	}
	conn.Close()
	<-ended
}
