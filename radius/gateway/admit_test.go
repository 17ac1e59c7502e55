package gateway

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// A peer whose address no client has costs no connection and no handshake, whatever it comes by: it is counted as an unknown client, and a
// configuration that has a client for it lets it in.
func TestAdmit(t *testing.T) {
	for _, stack := range []string{"tcp", "tls+tcp", "tls+udp"} {
		t.Run(stack, func(t *testing.T) {
			pre := &world{T: t}
			rest := homeText(0, "") + poolText
			text := pre.listenText("l", stack, gatewayAddr) + strings.ReplaceAll(clientText, nasAddr, "198.51.100.7") + rest
			w := newWorld(t, text)
			w.home(0)
			n := &w.listens[0].Counts
			strange := w.dial(stack)
			w.pass(3 * time.Second)
			if stack != "tcp" && strange.up {
				t.Error("it got through its handshake")
			}
			if n.Connections.Load() != 0 || n.UnknownClient.Load() == 0 || n.Failed.Load() != 0 || w.logged("unknown client") == 0 || w.logged("msg=refused") != 0 {
				t.Errorf("%d connections, %d unknown, %d failed", n.Connections.Load(), n.UnknownClient.Load(), n.Failed.Load())
			}
			cfg, _ := w.parse(clientText + rest)
			w.load(cfg)
			unknown := n.UnknownClient.Load()
			known := w.dial(stack)
			known.works(stack, 1)
			if n.Connections.Load() == 0 || n.UnknownClient.Load() != unknown {
				t.Errorf("%d connections, %d unknown, want %d", n.Connections.Load(), n.UnknownClient.Load(), unknown)
			}
			cfg, _ = w.parse(strings.ReplaceAll(clientText, nasAddr, "198.51.100.7") + rest)
			w.load(cfg)
			connections := n.Connections.Load()
			w.dial(stack)
			w.pass(3 * time.Second)
			if n.Connections.Load() != connections || n.UnknownClient.Load() == unknown {
				t.Errorf("%d connections, %d unknown once it is no client any more", n.Connections.Load(), n.UnknownClient.Load())
			}
		})
	}
}

// A flood of peers that are no clients leaves a line a second, and does not allocate.
func TestAdmitAllocates(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "")+poolText)
	l, now := w.listens[0], w.sim.Now()
	strange, known := netip.MustParseAddrPort("198.51.100.7:1"), netip.MustParseAddrPort("192.0.2.2:1")
	if l.Admit(strange, now) || !l.Admit(known, now) {
		t.Fatal("it takes one for the other")
	}
	if n := testing.AllocsPerRun(100, func() { l.Admit(strange, now); l.Admit(known, now) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if lines, counted := w.logged("unknown client"), l.Counts.UnknownClient.Load(); lines != 1 || counted != 102 {
		t.Errorf("%d lines of %d", lines, counted)
	}
}
