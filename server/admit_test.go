package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// A connection from an address that no client has is closed unread, before the gateway has it; after a reload that has one it is taken. Behind a proxy
// it is the address of the header that counts.
func TestRadiusAdmit(t *testing.T) {
	release := make(chan struct{})
	close(release)
	port, behind := freePort(t), freePort(t)
	text := gatewayText(homeOf(t, "b", nil, release))
	text = strings.Replace(text, "port = 0", fmt.Sprint("port = ", port), 1)
	text = strings.Replace(text, "\tlisten udp", fmt.Sprintf("\tlisten proxied {\nprotocol = haproxy+tcp\nhaproxy {\ntrusted {\nallow = 127.0.0.1\n}\n}\n"+
		"tcp {\nipaddr = 127.0.0.1\nport = %d\n}\n}\n\tlisten udp", behind), 1)
	other := strings.Replace(text, "client any {\n\tipaddr = 127.0.0.1", "client any {\n\tipaddr = 192.0.2.7", 1)
	r := startFile(t, other)
	closed := func() {
		t.Helper()
		c := r.dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		r.must(c.SetDeadline(time.Now().Add(10 * time.Second)))
		if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes, %v for a peer that is no client", n, err)
		}
	}
	served := func(port int, header string) {
		t.Helper()
		c := r.dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		r.must(c.SetDeadline(time.Now().Add(10 * time.Second)))
		if _, err := io.WriteString(c, header); err != nil {
			t.Fatal(err)
		}
		r.must(ask(c, 1))
	}
	list := r.all()
	closed()
	if n := &list[0].radius.listen.Counts; n.Connections.Load() != 0 || n.UnknownClient.Load() != 1 {
		t.Errorf("%d connections, %d unknown clients", n.Connections.Load(), n.UnknownClient.Load())
	}
	served(behind, "PROXY TCP4 192.0.2.7 192.0.2.1 4000 2083\r\n")
	r.must(r.load(text))
	served(port, "")
	if r.all()[0] != list[0] {
		t.Error("the listen is another")
	}
	r.must(r.load(other))
	closed()
	// The connection that was open, and the one that came.
	if n := &list[0].radius.listen.Counts; n.Connections.Load() != 1 || n.UnknownClient.Load() != 3 {
		t.Errorf("%d connections, %d unknown clients", n.Connections.Load(), n.UnknownClient.Load())
	}
}
