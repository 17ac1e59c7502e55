package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// However many SIGHUPs come while a reload waits for a busy connection, the SIGTERM behind them ends the program.
func TestRunStopsAfterManyReloads(t *testing.T) {
	file := filepath.Join(t.TempDir(), "frio.conf")
	write := func(port int) {
		t.Helper()
		if err := os.WriteFile(file, []byte(echoConf("tcp", port)), 0600); err != nil {
			t.Fatal(err)
		}
	}
	first, second := freePort(t), freePort(t)
	write(first)
	p := start(t, "run", file)
	p.ready()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", first))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	var buf [4]byte
	for i := range 50 {
		if _, err := c.Write([]byte("ping")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf[:]); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			write(second)
		}
		p.signal(syscall.SIGHUP)
	}
	p.signal(syscall.SIGTERM)
	p.exits(0)
}
