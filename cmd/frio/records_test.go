package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// recordCounter passes what comes to the address that it returns on to another, and counts the TLS records with application data among it.
func recordCounter(t *testing.T, to string) (port int, count *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	count = new(atomic.Int64)
	pass := func(near, far net.Conn) {
		defer far.Close()
		var header [5]byte
		for {
			if _, err := io.ReadFull(near, header[:]); err != nil {
				return
			}
			body := make([]byte, binary.BigEndian.Uint16(header[3:]))
			if _, err := io.ReadFull(near, body); err != nil {
				return
			}
			if header[0] == 23 { // application_data (RFC 5246, Section 6.2.1)
				count.Add(1)
			}
			if _, err := far.Write(append(header[:], body...)); err != nil {
				return
			}
		}
	}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			go func() {
				_, _ = io.Copy(near, far)
				near.Close()
			}()
			go pass(near, far)
		}
	}()
	return l.Addr().(*net.TCPAddr).Port, count
}

// To a home server each packet goes in a TLS record of its own, also when many leave at once: FreeRADIUS 3.2.1 closes when two share one.
func TestRunRecords(t *testing.T) {
	certs := certificates(t, "client")
	text, port := gatewayConf(t, certs)
	home := freePort(t)
	through, count := recordCounter(t, fmt.Sprintf("127.0.0.1:%d", home))
	files := func(name string) string {
		return fmt.Sprintf("tls {\nca_file = %[1]s/ca.pem\ncertificate_file = %[1]s/%[2]s.pem\nprivate_key_file = %[1]s/%[2]s.key\ntls_max_version = 1.2\n", certs, name)
	}
	text = strings.Replace(text, "home_server = one", "home_server = two", 1) +
		fmt.Sprintf("server tlshome {\nnamespace = home\nsecret = radsec\nuser bob {\npassword = hello\n}\nlisten t {\nprotocol = tls+tcp\ntcp {\nipaddr = 127.0.0.1\nport = %d\n}\n%s}\n}\n}\n", home, files("server")) +
		fmt.Sprintf("home_server two {\nipaddr = 127.0.0.1\nport = %d\nproto = tls\n%s}\nstatus_check = none\n}\n", through, files("client"))
	p := runFile(t, text)
	const requests = 200
	code, _, errs := client(bob, "udp", "", fmt.Sprintf("127.0.0.1:%d", port), "-c", fmt.Sprint(requests), "-p", "100", "-r", "1", "-q")
	if code != 0 || count.Load() != requests {
		t.Errorf("exit code %d, %s; %d records of %d requests", code, errs, count.Load(), requests)
	}
	p.signal(syscall.SIGTERM)
	p.exits(0)
}
