package gateway

import (
	"fmt"
	"testing"
	"time"

	"github.com/frio-io/frio/sim"
)

// The thread that watches a home server cannot connect to it any more, and another has a connection: a reply there, while the check is under way,
// shows that the home server lives. Without one it is a zombie.
func TestReplyElsewhereIsProof(t *testing.T) {
	for _, replies := range []bool{true, false} {
		t.Run(fmt.Sprint(replies), func(t *testing.T) {
			w := twoLanes(t, "udp", "tcp", "\tstatus_check = status-server\n\tlimit {\n\t\tmax_connections = 4\n\t}\n", 1)
			h := w.streamHome(0)
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			ask := func(id uint8) {
				req := access(id, "bob", "hello")
				nas.send("192.0.2.1:1813", req) // the listen of the second thread; the first owns the home server
				w.reply(nas.receive(), req)
			}
			ask(1)
			w.must(h.homes[0].Close(h.listener)) // who is connected stays
			w.sim.SetLink(w.host, w.homes[0], sim.Link{DelayMin: 100 * time.Millisecond, DelayMax: 100 * time.Millisecond})
			p := w.gateway.homes["h0"].ports[0]
			w.until("it is checked", func() bool { return p.counts.Checks.Load() == 1 })
			if replies {
				ask(2)
			}
			w.until("the check ends", func() bool { return p.counts.Failed.Load() == 1 })
			w.pass(100 * time.Millisecond)
			if got := p.life() == zombie; got == replies {
				t.Errorf("it is %v", p.life())
			}
			ask(3)
			w.pass(time.Second)
			if p.life() != alive {
				t.Errorf("it is %v after an answer", p.life())
			}
		})
	}
}
