package tls_test

import (
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/tls"
)

// TestTicketsOfShards: a session that began at one shard is taken up at another: they share the keys of tickets.
func TestTicketsOfShards(t *testing.T) {
	e := friotest.NewEnv(t, false, 1)
	listen, home := sections(t, "require_client_cert = yes\n", "")
	place := "udp {\nipaddr = 127.0.0.1\nport = " + itoa(freePort(t)) + "\n"
	whole := e.ParseText(nil, "listener", "listen {\nprotocol = tls+udp\n"+place+"shards = 2\n}\n"+listen+"}\n")
	if err := whole.Open(); err != nil {
		t.Fatal(err)
	}
	shards := whole.IO.(frio.Sharder).Shards()
	for _, shard := range shards {
		if err := shard.Event(e.Loop, func() {}, nil); err != nil {
			t.Fatal(err)
		}
	}
	first := e.ParseText(nil, "client", "home_server {\nprotocol = tls+udp\n"+place+"}\n"+home+"}\n")
	children := e.Context(nil, "children")
	met := make([]int, len(shards))
	for round := 0; (met[0] == 0 || met[1] == 0 || round < 4) && round < 100; round++ {
		c := first
		if round > 0 { // another source port, and so perhaps another shard
			ctx := e.Context(nil, "copy")
			io, err := first.IO.(frio.Copier).Copy(ctx)
			if err != nil {
				t.Fatal(err)
			}
			c = e.Watch(io, ctx, "copy")
		}
		c.Wish(nil, nil, nil)
		c.Connect()
		var child frio.IO
		e.Until("a child", func() bool {
			for i, shard := range shards {
				if io, err := shard.Accept(children); err == nil {
					child = io
					met[i]++
				}
			}
			return child != nil
		})
		e.Until("open", func() bool { return c.State() == frio.StateOpen && state(child) == frio.StateOpen })
		if s, _ := child.(*tls.Conn).ConnectionState(); s.DidResume != (round > 0) {
			t.Errorf("association %d: resumed is %v; shards have met %v", round, s.DidResume, met)
		}
		if round > 0 {
			c.Close()
		}
	}
	if met[0] == 0 || met[1] == 0 {
		t.Errorf("shards have met %v", met)
	}
	whole.Close()
	children.Free()
}
