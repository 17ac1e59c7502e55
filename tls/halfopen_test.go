package tls_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
)

// TestHalfOpenMemory: an association whose client has sent its cookie, was answered by a flight and says no more costs at most 4 KiB.
func TestHalfOpenMemory(t *testing.T) {
	if raceEnabled {
		t.Log("not measured: these builds allocate for their checks")
		return
	}
	const many = 300
	e := friotest.NewEnv(t, false, 1)
	l := datagramListener(e, "require_client_cert = yes\n", "max_children = 2000\n")
	ctx := e.Context(nil, "children")
	peers := make([]*rawPeer, many+1)
	for i := range peers {
		peers[i] = dialRaw(e, l)
	}
	begin := func(p *rawPeer) (child frio.IO) {
		p.start(e.Loop.Now())
		e.Until("the cookie", func() bool { return p.receive(e.Loop.Now()) })
		p.flush(e.Loop.Now())
		e.Until("the flight", func() bool {
			if child == nil {
				child, _ = l.IO.Accept(ctx)
			}
			return p.read() != nil && child != nil
		})
		p.eng.Abort()
		p.eng = nil
		return child
	}
	begin(peers[many]) // what all share is there before
	children := make([]frio.IO, many)
	before := heap()
	for i := range children {
		children[i] = begin(peers[i])
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
	runtime.KeepAlive(peers)
}
