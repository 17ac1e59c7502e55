package tls_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/frio-io/frio/friotest"
)

// TestSilentMemory: until its first whole record a peer costs at most 1 KiB besides the bytes that it has sent, whatever their number, and
// 24 KiB, with the stack of its handshake, when its hello was answered.
func TestSilentMemory(t *testing.T) {
	if raceEnabled {
		t.Log("not measured: these builds allocate for their checks")
		return
	}
	const many = 1000
	first := hello(t)
	// The longest record there may be, so that a beginning of each length is one.
	long := append([]byte{22, 3, 1, 0x48, 0}, make([]byte, 0x4800)...)
	for _, sent := range [][]byte{nil, first[:1], first[:4], first[:5], first[:300], first[:len(first)-1],
		long[:2047], long[:4097], long[:9473], long[:16385], long[:len(long)-1], first} {
		answered := len(sent) == len(first)
		e := friotest.NewEnv(t, false, 1)
		l := listener(e, "", "max_connections = 2000\nmax_handshakes = 2000\n")
		ctx := e.Context(nil, "children")
		dial := func() net.Conn {
			conn, err := net.Dial("tcp", e.Local(l).String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			if _, err := conn.Write(sent); err != nil {
				t.Fatal(err)
			}
			return conn
		}
		accept := func() {
			e.Until("a child", func() bool {
				_, err := l.IO.Accept(ctx)
				return err == nil
			})
		}
		// What all of a loop share is there before.
		dial()
		accept()
		e.Spin(20)
		for range many {
			dial() // they wait in the backlog
		}
		without, stacksBefore := heap(), stackBytes()
		for range many {
			accept()
		}
		e.Spin(many/4 + 20) // all hellos are answered
		each := (int(heap()) - int(without)) / many
		if answered {
			stacks := (int(stackBytes()) - int(stacksBefore)) / many
			fmt.Printf("figure: a peer whose hello was answered costs %d bytes of heap and %d of stack, tcp and tls\n", each, stacks)
			if each+stacks > 24<<10 {
				t.Errorf("%d bytes for a peer whose hello was answered, want at most 24 KiB", each+stacks)
			}
		} else {
			fmt.Printf("figure: a peer that has sent %d bytes of its first record costs %d bytes of heap besides them, tcp and tls\n", len(sent), each-len(sent))
			if each > 1<<10+len(sent) {
				t.Errorf("%d bytes for a peer that has sent %d, want at most 1 KiB besides them", each, len(sent))
			}
			// The bytes are counted for the context, so that its limit holds.
			if held := int(ctx.Total().Bytes); held < (many+1)*len(sent) {
				t.Errorf("the context knows of %d bytes, want %d", held, (many+1)*len(sent))
			}
		}
		ctx.Free()
	}
}
