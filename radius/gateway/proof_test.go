package gateway

import (
	"fmt"
	"testing"
	"time"

	"github.com/frio-io/frio/transport"
)

// A thread finds that it cannot connect to a home server. A reply to another since it began to try shows that the home server lives; without one it
// is a zombie.
func TestReplyElsewhereIsProof(t *testing.T) {
	for _, replies := range []bool{true, false} {
		t.Run(fmt.Sprint(replies), func(t *testing.T) {
			w := twoLanes(t, "udp", "tcp", "\tstatus_check = none\n", 1)
			w.streamHome(0)
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			ask := func(id uint8) {
				req := access(id, "bob", "hello")
				nas.send("192.0.2.1:1813", req) // the listen of the second thread; the first owns the home server
				w.reply(nas.receive(), req)
			}
			ask(1)
			w.pass(time.Second)
			began := w.sim.Now()
			if replies {
				ask(2)
			}
			p := w.gateway.homes["h0"].ports[0]
			p.failed(began, transport.ErrDown)
			w.pass(100 * time.Millisecond)
			if got := p.life() == zombie; got == replies {
				t.Errorf("it is %v", p.life())
			}
			ask(3)
			w.pass(100 * time.Millisecond)
			if p.life() != alive {
				t.Errorf("it is %v after an answer", p.life())
			}
		})
	}
}
