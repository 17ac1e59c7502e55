package tcp_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
)

// What a name resolution posted to a loop is of no effect there when the connection has left.
func TestNameEndsAfterTheMove(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	e.World().SetHost("name.example", time.Second, []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil)
	c := e.ParseText(nil, "client", "home_server x {\nprotocol = tcp\ntcp {\nipaddr = name.example\nport = 7000\n}\n}\n")
	c.Wish(nil, nil, func() {})
	if err := c.Connect(); err != frio.ErrAgain {
		t.Fatal(err)
	}
	e.Spin(3)
	e.World().Advance(2 * time.Second) // the name is there, and the loop is to be told
	c.Leave()
	before := e.Host().Calls("Socket")
	posted := e.Loop.Stats().Posted
	e.Spin(3)
	if n := e.Host().Calls("Socket") - before; n != 0 {
		t.Errorf("%d sockets made from the loop that it had left", n)
	}
	if e.Loop.Stats().Posted == posted {
		t.Error("nothing was posted: the test tests nothing")
	}
	c.Close()
}
