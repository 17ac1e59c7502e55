package tcp_test

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/sock"
)

// twoFamilies makes the shards of a listen on both families, which share its limits.
func twoFamilies(e *friotest.Env, limit string) []*friotest.Probe {
	e.Helper()
	whole := e.ParseText(nil, "listen", "listen x {\nprotocol = tcp\ntcp {\nipaddr = 127.0.0.1\nipv6addr = ::1\nport = 7000\n}\nlimit {\n"+limit+"}\n}\n")
	if err := whole.Open(); err != nil {
		e.Fatal(err)
	}
	var shards []*friotest.Probe
	for _, one := range whole.IO.(frio.Sharder).Shards() {
		shards = append(shards, e.Watch(one, whole.Ctx, "shard"))
	}
	return shards
}

// connectTo makes a kernel's own client socket on its way to addr.
func connectTo(e *friotest.Env, addr string) int {
	e.Helper()
	a := sock.Addr{AddrPort: netip.MustParseAddrPort(addr)}
	fd, err := e.Kernel.Socket(a.Family(), frio.Stream)
	if err == nil {
		err = e.Kernel.Connect(fd, a)
	}
	if err != nil && err != frio.ErrAgain {
		e.Fatal(err)
	}
	return fd
}

// A slot that a child of one shard gives back is for all shards: each of them may be the one that waits.
func TestSlotOfOneShardWakesTheOthers(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	e.Host().AddInterface("lo", netip.IPv6Loopback())
	shards := twoFamilies(e, "max_connections = 1\n")
	var four, six []*friotest.Probe
	acceptAll(e, shards[0], &four)
	acceptAll(e, shards[1], &six)
	one := connectTo(e, "127.0.0.1:7000")
	e.Until("the first is accepted", func() bool { return len(four) == 1 })
	two := connectTo(e, "[::1]:7000")
	e.Pass(time.Second)
	if len(six) != 0 {
		t.Fatalf("%d accepted above max_connections", len(six))
	}
	four[0].Close()
	e.Pass(time.Second)
	if len(six) != 1 {
		t.Errorf("the other shard accepted %d after a slot came free, want 1", len(six))
	}
	e.Kernel.Close(one)
	e.Kernel.Close(two)
}

// A shard that goes to another loop while it waits for a slot is told there.
func TestSlotWakesAfterAMove(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	l := listen(e, anyPort, "max_connections = 1\n")
	var accepted []*friotest.Probe
	acceptAll(e, l, &accepted)
	one := connect(e, l, "")
	e.Until("the first is accepted", func() bool { return len(accepted) == 1 })
	two := connect(e, l, "")
	e.Pass(time.Second)
	l.Leave()
	accepted[0].Close() // nobody listens at this moment
	acceptAll(e, l, &accepted)
	e.Pass(time.Second)
	if len(accepted) != 2 {
		t.Errorf("%d accepted after the move, want 2", len(accepted))
	}
	e.Kernel.Close(one)
	e.Kernel.Close(two)
}

// A child that was handed to another thread ends there without touching its listener, and its slot comes back.
func TestSlotComesBackFromAnotherThread(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	l := listen(e, anyPort, "max_connections = 1\n")
	var accepted []*friotest.Probe
	acceptAll(e, l, &accepted)
	var clients []int
	for range 20 {
		clients = append(clients, connect(e, l, ""))
	}
	for i := range clients {
		e.Until("the next is accepted", func() bool { return len(accepted) == i+1 })
		child := accepted[i]
		child.Leave()
		child.IO.(frio.Linked).SetLink(l.IO.(frio.Link))
		child.IO.(frio.Linked).SetLink(nobody{})
		child.Ctx.Detach()
		var there sync.WaitGroup
		there.Go(func() { child.IO.Close() })
		// Meanwhile the listener's own list is looked at.
		l.IO.(frio.Parent).Children(func(frio.Handle) bool { return true })
		e.Turn()
		there.Wait()
		child.Ctx.Free()
	}
	for _, fd := range clients {
		e.Kernel.Close(fd)
	}
}

// nobody is a link that does not care.
type nobody struct{}

func (nobody) ChildClosed(uint64) {}
func (nobody) Release()           {}

// A context without room costs one connection a rest, not all that wait.
func TestContextAtItsLimitCostsOneConnection(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	l := listen(e, anyPort, "")
	small := e.Context(nil, "small")
	small.SetLimit(0, 1)
	if _, err := small.New("all there is"); err != nil {
		t.Fatal(err)
	}
	var clients []int
	for range 10 {
		clients = append(clients, connect(e, l, ""))
	}
	if c, err := l.IO.Accept(small); c != nil || err != frio.ErrAgain {
		t.Fatalf("accept without room: %v, %v", c, err)
	}
	e.Spin(3)
	lost := 0
	for _, fd := range clients {
		if _, err := e.Kernel.Recv(fd, make([]byte, 1)); err != frio.ErrAgain {
			lost++
		}
		e.Kernel.Close(fd)
	}
	if lost != 1 {
		t.Errorf("%d connections lost, want 1", lost)
	}
	small.Free()
}
