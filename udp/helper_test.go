package udp_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/udp"
)

// both runs f on the simulated kernel and on the system's.
func both(t *testing.T, f func(e *friotest.Env)) {
	t.Helper()
	for _, sim := range []bool{true, false} {
		name := "system"
		if sim {
			name = "sim"
		}
		t.Run(name, func(t *testing.T) {
			e := friotest.NewEnv(t, sim, 1)
			f(e)
			e.Finish()
		})
	}
}

// onSim runs f on the simulated kernel.
func onSim(t *testing.T, f func(e *friotest.Env)) {
	t.Helper()
	e := friotest.NewEnv(t, true, 1)
	f(e)
	e.Finish()
}

// parsed is a listen with the given lines in udp { } and in limit { }, not open.
func parsed(e *friotest.Env, lines, limit string) *friotest.Probe {
	e.Helper()
	if limit != "" {
		limit = "limit {\n" + limit + "\n}\n"
	}
	return e.ParseText(nil, "listener", "listen {\nprotocol = udp\nudp {\n"+lines+"\n}\n"+limit+"}\n")
}

func opened(e *friotest.Env, lines, limit string) *friotest.Probe {
	e.Helper()
	l := parsed(e, lines, limit)
	if err := l.Open(); err != nil {
		e.Fatalf("Open: %v", err)
	}
	return l
}

const (
	onLoopback = "ipaddr = 127.0.0.1\nport = 0\n"
	demuxed    = onLoopback + "children = demux\n"
)

// clientOf is a connected client of l.
func clientOf(e *friotest.Env, l *friotest.Probe, lines string) *friotest.Probe {
	e.Helper()
	to := e.Local(l)
	c := e.ParseText(nil, "client", fmt.Sprintf("home_server {\nprotocol = udp\nudp {\nipaddr = %v\nport = %d\n%s\n}\n}\n",
		to.Addr(), to.Port(), lines))
	if err := c.Connect(); err != nil {
		e.Fatalf("Connect: %v", err)
	}
	return c
}

// childOf is the child of a client that has sent its first datagram.
func childOf(e *friotest.Env, l, c *friotest.Probe) *friotest.Probe {
	e.Helper()
	e.Send(c, []byte("first"))
	child := e.AcceptFrom(l, nil)
	if got, want := e.Remote(child), e.Local(c); got != want {
		e.Fatalf("the child of %v is that of %v", want, got)
	}
	e.Expect(child, []byte("first"))
	return child
}

func countsOf(p *friotest.Probe) *udp.Counts {
	return p.IO.(interface{ Counts() *udp.Counts }).Counts()
}

func packetTo(to netip.AddrPort, text string) frio.Packet {
	return frio.Packet{Data: []byte(text), Remote: to}
}

// room is packets to read into.
func room(count, size int) []frio.Packet {
	packets := make([]frio.Packet, count)
	for i := range packets {
		packets[i].Data = make([]byte, 0, size)
	}
	return packets
}

// readAll reads packets until there are want of them.
func readAll(e *friotest.Env, p *friotest.Probe, want, batch, size int) (got []frio.Packet) {
	e.Helper()
	e.Until("packets", func() bool {
		packets := room(batch, size)
		n, err := p.ReadPackets(packets)
		if err != nil && err != frio.ErrAgain {
			e.Fatalf("ReadPackets: %v", err)
		}
		got = append(got, packets[:n]...)
		return len(got) >= want
	})
	if len(got) > want {
		e.Errorf("%d packets, want %d", len(got), want)
	}
	return got
}
