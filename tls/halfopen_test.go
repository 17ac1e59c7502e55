package tls_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/tls/dtls"
)

// TestHalfOpenMemory: an association whose client has sent its cookie, was answered by a flight and says no more costs at most 4 KiB.
func TestHalfOpenMemory(t *testing.T) {
	if raceEnabled {
		t.Log("not measured: these builds allocate for their checks")
		return
	}
	const many = 300
	e := friotest.NewEnv(t, false, 1)
	listen, _ := sections(t, "require_client_cert = yes\n", "")
	l := e.ParseText(nil, "listener", "listen {\nprotocol = tls+udp\nudp {\nipaddr = 127.0.0.1\nport = 0\n}\n"+listen+"limit {\nmax_children = 2000\n}\n}\n")
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	l.Wish(nil, nil, nil)
	ctx := e.Context(nil, "children")
	cfg := &dtls.Config{InsecureSkipVerify: true, ServerName: "server.example.org"}
	buf := make([]byte, 2048)
	conns := make([]net.Conn, many+1)
	for i := range conns {
		var err error
		if conns[i], err = net.Dial("udp", e.Local(l).String()); err != nil {
			t.Fatal(err)
		}
		defer conns[i].Close()
		conns[i].SetReadDeadline(time.Now().Add(time.Minute)) // its timer is there before, too
	}
	begin := func(conn net.Conn) frio.IO {
		client, err := dtls.NewClient(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Abort()
		if err := client.Start(e.Loop.Now()); err != nil {
			t.Fatal(err)
		}
		for range 2 { // without a cookie, and with it
			for _, d := range client.Out() {
				if _, err := conn.Write(d); err != nil {
					t.Fatal(err)
				}
			}
			client.Sent(e.Loop.Now())
			var child frio.IO
			e.Until("an answer", func() bool {
				c, err := l.IO.Accept(ctx)
				if err == nil {
					child = c
				}
				conn.SetReadDeadline(time.Now().Add(time.Millisecond))
				n, err := conn.Read(buf)
				if err == nil && child == nil {
					_, err = client.Feed(e.Loop.Now(), buf[:n])
					if err != nil {
						t.Fatal(err)
					}
				}
				return n > 0
			})
			if child != nil {
				return child
			}
		}
		t.Fatal("a cookie makes no child")
		return nil
	}
	begin(conns[many]) // what all share is there before
	children := make([]frio.IO, many)
	before := heap()
	for i := range children {
		children[i] = begin(conns[i])
	}
	e.Spin(5)
	for _, c := range children {
		if s := state(c); s != frio.StateHandshaking {
			t.Fatalf("a child is %v", s)
		}
	}
	each := int(heap()-before) / many
	fmt.Printf("figure: an association whose hello was answered costs %d bytes of heap, udp and tls\n", each)
	if each > 4<<10 {
		t.Errorf("%d bytes, want at most 4 KiB", each)
	}
	ctx.Free()
}
