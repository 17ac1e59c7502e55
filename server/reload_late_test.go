package server

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

// A listen whose address was taken by somebody else is opened by the next reload, though its section has not changed.
func TestReloadOpensWhatWasTaken(t *testing.T) {
	a := freePort(t)
	r := startFile(t, echoOn(tcpOn("a", a, ""), tcpOn("b", freePort(t), "")))
	other, err := net.Listen("tcp", "127.0.0.1:0")
	r.must(err)
	taken := other.Addr().(*net.TCPAddr).Port
	text := echoOn(tcpOn("a", a, ""), tcpOn("c", taken, ""))
	if err := r.load(text); err == nil || !strings.Contains(err.Error(), fmt.Sprint(taken)) {
		t.Errorf("an address that is taken, while a listen ends: %v", err)
	}
	if err := r.load(text); err == nil {
		t.Error("a listen that is still not open is no mistake")
	}
	r.must(other.Close())
	r.must(r.load(text))
	r.echoes(r.dial("tcp", fmt.Sprintf("127.0.0.1:%d", taken)), "late")
	r.echoes(r.dial("tcp", fmt.Sprintf("127.0.0.1:%d", a)), "goes on")
}
