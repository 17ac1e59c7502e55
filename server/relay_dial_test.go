package server

import (
	"testing"
	"time"

	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/transport"
)

// A peer that is lost while its target is connected to takes that connection along: nothing of it stays on the lane.
func TestRelayPeerLostWhileConnecting(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	b := start(e, relayText("tcp", 9, "listen a {\nprotocol = tcp\ntcp {\nipaddr = 127.0.0.1\nport = 0\n}\nlimit {\nidle_timeout = 2\n}\n}\n"))
	b.dial(0)
	e.World().SetLink(e.Host(), e.Host(), sim.Link{Loss: 1})
	e.Pass(10 * time.Second)
	e.World().SetLink(e.Host(), e.Host(), sim.Link{})
	b.sessionsEnd()
	b.lane.Each(func(c *transport.Conn) { t.Errorf("%s is left", c.Describe()) })
	b.finish()
}
