package tls_test

import (
	"flag"
	"fmt"
	"runtime"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
)

var idle = flag.Int("idle", 200, "connections of TestIdleMemory; the figure of each does not depend on it")

// heap is what is in use after a collection.
func heap() uint64 {
	var m runtime.MemStats
	for range 3 { // pools are emptied by the second
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func stackBytes() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.StackInuse
}

// TestIdleMemory: an idle connection costs at most 9 KB of heap, an association 4 KB, and no goroutine.
func TestIdleMemory(t *testing.T) {
	if raceEnabled {
		t.Log("not measured: these builds allocate for their checks")
		return
	}
	for _, c := range []struct {
		stack, limit string
		size, max    int
	}{
		{"tls+tcp", "max_connections", 4 << 10, 9_000},
		{"tls+tcp", "max_connections", 16 << 10, 9_000},
		{"tls+udp", "max_children", 4 << 10, 4_000},
	} {
		e := friotest.NewEnv(t, false, 1)
		listen, home := sections(t, "require_client_cert = yes\n", "")
		base := func(port uint16) string {
			return c.stack[len("tls+"):] + " {\nipaddr = 127.0.0.1\nport = " + itoa(port) + "\n}\n"
		}
		l := e.ParseText(nil, "listener", "listen {\nprotocol = "+c.stack+"\n"+base(0)+listen+"limit {\n"+c.limit+" = 6000\n}\n}\n")
		if err := l.Open(); err != nil {
			t.Fatal(err)
		}
		l.Wish(nil, nil, nil)
		servers, clients := e.Context(nil, "servers"), e.Context(nil, "clients")
		before := runtime.NumGoroutine()
		message, buf := make([]byte, c.size), make([]byte, c.size)
		text := "home_server {\nprotocol = " + c.stack + "\n" + base(e.Port(l)) + home + "}\n"
		for range *idle {
			one := parseIn(t, clients, text)
			if err := one.Event(e.Loop, nil, nil); err != nil {
				t.Fatal(err)
			}
			if err := one.Connect(); err != nil && err != frio.ErrAgain {
				t.Fatal(err)
			}
			var s frio.IO
			e.Until("a child", func() (ok bool) {
				var err error
				s, err = l.IO.Accept(servers)
				return err == nil
			})
			e.Until("both open", func() bool { return state(one) == frio.StateOpen && state(s) == frio.StateOpen })
			for range 3 {
				exchange(e, one, s, message, buf)
				exchange(e, s, one, message, buf)
			}
		}
		e.Spin(5)
		if n := runtime.NumGoroutine() - before; n > 0 {
			t.Errorf("%d goroutines of %d idle connections", n, *idle)
		}
		if held := servers.Total().Buffers + clients.Total().Buffers; held > 0 {
			t.Errorf("%d buffers held by idle connections", held)
		}
		clients.Free()
		some := heap()
		servers.Free()
		each := int(some-heap()) / *idle
		fmt.Printf("figure: an idle server's end of %s, with a client certificate, after messages of %d bytes costs %d bytes of heap, all layers\n",
			c.stack, c.size, each)
		if each > c.max {
			t.Errorf("%s: %d bytes each, want at most %d", c.stack, each, c.max)
		}
	}
}

// exchange sends message and has it read.
func exchange(e *friotest.Env, from, to frio.IO, message, buf []byte) {
	e.Helper()
	for rest := message; len(rest) > 0; {
		n, err := from.Write(rest)
		if err != nil && err != frio.ErrAgain {
			e.Fatal(err)
		}
		rest = rest[n:]
	}
	got := 0
	e.Until("the message", func() bool {
		n, err := to.Read(buf)
		if err != nil && err != frio.ErrAgain {
			e.Fatal(err)
		}
		got += n
		return got == len(message)
	})
}
