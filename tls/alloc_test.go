package tls_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
)

// TestEchoAllocations: on sockets of the system and a loop, a message there and back, with callbacks at both ends, allocates nothing.
func TestEchoAllocations(t *testing.T) {
	if raceEnabled {
		t.Log("not counted: these builds allocate for their checks")
		return
	}
	for _, c := range []struct {
		name, stack, more string
		size              int
	}{
		{"TLS 1.2", "tls+tcp", "tls_max_version = 1.2\n", 1000},
		{"TLS 1.3", "tls+tcp", "tls_min_version = 1.3\n", 1000},
		{"TLS 1.3 two records", "tls+tcp", "tls_min_version = 1.3\n", 20_000},
		{"DTLS", "tls+udp", "", 1000},
		{"DTLS long record", "tls+udp", "", 8_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := friotest.NewEnv(t, false, 1)
			one, two := stackPair(e, c.stack, c.more)
			echo := newEchoer(t, e, one.IO, two.IO, c.size)
			for range 100 { // buffers, tickets, the lists of the loop
				echo.round()
			}
			if n := testing.AllocsPerRun(200, echo.round); n != 0 {
				t.Errorf("%v allocations for %d bytes there and back", n, c.size)
			}
		})
	}
}

// stackPair is a client and a server of stack, on one loop, that are open.
func stackPair(e *friotest.Env, stack, more string) (client, server *friotest.Probe) {
	e.Helper()
	listen, home := sections(e.TB, more, more)
	base := func(port uint16) string {
		return strings.TrimPrefix(stack, "tls+") + " {\nipaddr = 127.0.0.1\nport = " + itoa(port) + "\n}\n"
	}
	l := e.ParseText(nil, "listener", "listen {\nprotocol = "+stack+"\n"+base(0)+listen+"}\n")
	if err := l.Open(); err != nil {
		e.Fatal(err)
	}
	l.Wish(nil, nil, nil)
	client = e.ParseText(nil, "client", "home_server {\nprotocol = "+stack+"\n"+base(e.Port(l))+home+"}\n")
	return client, meet(e, l, client)
}

// meet connects client to l, and returns l's end of it.
func meet(e *friotest.Env, l, client *friotest.Probe) (server *friotest.Probe) {
	e.Helper()
	client.Wish(nil, nil, nil)
	if err := client.Connect(); err != nil && err != frio.ErrAgain {
		e.Fatal(err)
	}
	server = e.AcceptFrom(l, nil)
	server.Wish(nil, nil, nil)
	e.Until("both open", func() bool { return client.State() == frio.StateOpen && server.State() == frio.StateOpen })
	return server
}

// echoer has a server send back what it reads. The IOs are called as they are: a Probe allocates.
type echoer struct {
	t              *testing.T
	e              *friotest.Env
	client, server frio.IO
	text, answer   []byte
	got            int // bytes of the answer
}

func newEchoer(t *testing.T, e *friotest.Env, client, server frio.IO, size int) *echoer {
	t.Helper()
	x := &echoer{t: t, e: e, client: client, server: server, text: bytes.Repeat([]byte("frio"), size/4), answer: make([]byte, size)}
	buf := make([]byte, 32<<10)
	serve, take := func() { x.serve(buf) }, x.take
	if err := server.Event(e.Loop, serve, nil); err != nil {
		t.Fatal(err)
	}
	if err := client.Event(e.Loop, take, nil); err != nil {
		t.Fatal(err)
	}
	return x
}

func (x *echoer) serve(buf []byte) {
	for {
		n, err := x.server.Read(buf)
		if err == frio.ErrAgain {
			return
		}
		if err == nil {
			_, err = x.server.Write(buf[:n])
		}
		if err != nil {
			x.t.Fatal(err)
		}
	}
}

func (x *echoer) take() {
	for x.got < len(x.answer) {
		n, err := x.client.Read(x.answer[x.got:])
		if err == frio.ErrAgain {
			return
		}
		if err != nil {
			x.t.Fatal(err)
		}
		x.got += n
	}
}

func (x *echoer) round() {
	x.got = 0
	if n, err := x.client.Write(x.text); n != len(x.text) || err != nil {
		x.t.Fatal(n, err)
	}
	for turns := 0; x.got < len(x.text); turns++ {
		if err := x.e.Loop.Turn(time.Millisecond); err != nil || turns == 100_000 {
			x.t.Fatalf("%d bytes came back: %v", x.got, err)
		}
	}
	if !bytes.Equal(x.answer, x.text) {
		x.t.Fatal("another text came back")
	}
}
