package udp_test

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
)

// TestChildWrites: from the address that the peer used, also in batches, and to nobody else.
func TestChildWrites(t *testing.T) {
	both(t, func(e *friotest.Env) {
		l := opened(e, "ipaddr = *\nport = 0\nchildren = demux\n", "")
		c := e.ParseText(nil, "client", fmt.Sprintf("home_server {\nprotocol = udp\nudp {\nipaddr = 127.0.0.9\nport = %d\n}\n}\n", e.Local(l).Port()))
		if err := c.Connect(); err != nil {
			e.Fatalf("Connect: %v", err)
		}
		child := childOf(e, l, c)
		if got, want := e.Local(child), e.Remote(c); got != want {
			e.Errorf("the child's own address is %v, the peer spoke to %v", got, want)
		}
		batch := make([]frio.Packet, 100)
		for i := range batch {
			batch[i].Data = []byte(fmt.Sprint("reply ", i))
		}
		for sent := 0; sent < len(batch); {
			n, err := child.WritePackets(batch[sent:])
			if err != nil {
				e.Fatalf("WritePackets: %v", err)
			}
			for i := range n {
				e.Expect(c, batch[sent+i].Data)
			}
			sent += n
		}
		mixed := []frio.Packet{packetTo(e.Remote(child), "mine"), packetTo(e.Local(l), "somebody else's"), {Data: []byte("mine too")}}
		if n, err := child.WritePackets(mixed); n != 1 || err != nil {
			e.Errorf("WritePackets: %d, %v, want to stop before what is not the peer's", n, err)
		}
		n, err := child.WritePackets(mixed[1:])
		var lost *frio.PacketError
		if n != 0 || !errors.As(err, &lost) || !errors.Is(err, syscall.EISCONN) {
			e.Errorf("WritePackets to somebody else: %d, %v, want EISCONN", n, err)
		}
		if n, err := child.WritePackets(mixed[2:]); n != 1 || err != nil {
			e.Errorf("WritePackets: %d, %v", n, err)
		}
		e.Expect(c, []byte("mine"))
		e.Expect(c, []byte("mine too"))
		for range 3 {
			e.Send(c, []byte("ask"))
		}
		for _, q := range readAll(e, child, 3, 2, 64) {
			if q.Remote != e.Local(c) || q.Local != e.Remote(c) || q.Time == 0 || q.Ifindex == 0 || string(q.Data) != "ask" {
				e.Errorf("packet %+v", q)
			}
		}
	})
}

// TestSharedSocketFull: a child that meets a full socket waits for its write callback; every child has its turn.
func TestSharedSocketFull(t *testing.T) {
	const count = 150
	onSim(t, func(e *friotest.Env) {
		l := opened(e, demuxed, "")
		l.Wish(nil, nil, nil)
		var children []*friotest.Probe
		for range count {
			children = append(children, childOf(e, l, clientOf(e, l, "")))
		}
		e.Host().InjectAll("SendPackets", syscall.EAGAIN)
		told := make([]int, count)
		order := []int{}
		for i, c := range children {
			if n, err := c.Write([]byte("x")); n != 0 || err != frio.ErrAgain {
				e.Fatalf("Write to a full socket: %d, %v, want ErrAgain", n, err)
			}
			c.Wish(nil, nil, func() {
				told[i]++
				order = append(order, i)
				if _, err := c.Write([]byte("x")); err != nil && err != frio.ErrAgain {
					e.Fatalf("Write: %v", err)
				}
			})
		}
		// The simulated poller says writable all the same: one child a turn finds that it is not.
		e.Turn()
		if len(order) != 1 {
			e.Errorf("%d children were told of a full socket in one turn, want 1", len(order))
		}
		e.Host().InjectAll("SendPackets", 0)
		before := len(order)
		e.Turn()
		if n := len(order) - before; n != 64 {
			e.Errorf("%d children were told in one turn, want 64", n)
		}
		for range 2 * count / 64 {
			e.Turn()
		}
		least, most := told[0], told[0]
		for _, n := range told {
			least, most = min(least, n), max(most, n)
		}
		if least == 0 || most-least > 1 {
			e.Errorf("children were told %d to %d times", least, most)
		}
	})
}

// TestCloseInCallbacks: whoever closes whom, in whatever callback, nobody is called afterwards. Probe checks that.
func TestCloseInCallbacks(t *testing.T) {
	for _, what := range []string{"itself", "the others", "the listener", "free itself", "free the listener"} {
		for _, write := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, write %v", what, write), func(t *testing.T) {
				onSim(t, func(e *friotest.Env) {
					l := opened(e, demuxed, "idle_timeout = 10s\n")
					l.Wish(nil, nil, nil)
					var children, clients []*friotest.Probe
					for range 4 {
						clients = append(clients, clientOf(e, l, ""))
						children = append(children, childOf(e, l, clients[len(clients)-1]))
					}
					calls := 0
					for i, c := range children {
						act := func() {
							calls++
							switch what {
							case "itself":
								c.Close()
							case "the others":
								for k, other := range children {
									if k != i {
										other.Close()
									}
								}
								c.Wish(nil, nil, nil)
							case "the listener":
								l.Close()
								for _, other := range children {
									other.Close()
								}
							case "free itself":
								c.IO.Event(e.Loop, nil, nil)
								c.Ctx.Free()
							case "free the listener":
								for _, other := range children {
									other.Event(e.Loop, nil, nil)
								}
								l.Ctx.Free()
								for _, other := range children {
									if _, err := other.Read(make([]byte, 8)); !errors.Is(err, net.ErrClosed) {
										e.Errorf("Read after the listener was freed: %v", err)
									}
									other.Close()
								}
							}
						}
						if write {
							c.Wish(nil, nil, act)
						} else {
							c.Wish(nil, act, nil)
						}
					}
					for _, c := range clients {
						e.Send(c, []byte("wake up"))
					}
					e.Spin(5)
					want := 1
					if what == "itself" || what == "free itself" {
						want = len(children)
					}
					if calls != want {
						e.Errorf("%d callbacks, want %d", calls, want)
					}
				})
			})
		}
	}
}

// TestMoveWithChildren: a listener that leaves its loop and enters another takes its children along, with wishes and deadlines.
func TestMoveWithChildren(t *testing.T) {
	onSim(t, func(e *friotest.Env) {
		other := e.NewSide("other")
		l := opened(e, demuxed, "idle_timeout = 10s\n")
		l.Wish(nil, nil, nil)
		c := clientOf(e, l, "")
		e.Send(c, []byte("first"))
		ctx := e.Context(nil, "family")
		if err := l.Ctx.Steal(ctx); err != nil {
			e.Fatalf("Steal: %v", err)
		}
		child := e.AcceptFrom(l, nil)
		if err := child.Ctx.Steal(ctx); err != nil {
			e.Fatalf("Steal: %v", err)
		}
		e.Expect(child, []byte("first"))
		reads := 0
		child.Wish(nil, func() { reads++ }, nil)
		if err := child.Event(other.Loop, nil, nil); !errors.Is(err, errors.ErrUnsupported) {
			e.Fatalf("Event of a child with another loop: %v, want ErrUnsupported", err)
		}
		child.Wish(nil, func() { reads++ }, nil)
		if err := l.Event(other.Loop, nil, nil); err == nil {
			e.Fatalf("Event took the listener into a second loop")
		}
		e.Send(c, []byte("unread"))
		e.Until("the child's callback", func() bool { return reads > 0 })
		stranger := clientOf(e, l, "")
		e.Send(stranger, []byte("waits"))
		e.Turn()

		l.Leave()
		reads = 0
		e.Spin(5)
		if reads > 0 {
			e.Errorf("%d callbacks while the listener is in no loop", reads)
		}
		ctx.Detach()
		if err := other.Root.Adopt(ctx); err != nil {
			e.Fatalf("Adopt: %v", err)
		}
		before := e.Loop.Stats()
		accepts := 0
		l.Wish(other, func() { accepts++ }, nil)
		e.Until("the child's callback on the new loop", func() bool { return reads > 0 && accepts > 0 })
		e.Expect(child, []byte("unread"))
		e.Send(c, []byte("more"))
		reads = 0
		e.Until("the child's callback for more", func() bool { return reads > 0 })
		e.Expect(child, []byte("more"))
		late := e.AcceptFrom(l, other)
		e.Expect(late, []byte("waits"))
		e.Pass(11 * time.Second)
		if child.State() != frio.StateFailed || late.State() != frio.StateFailed {
			e.Errorf("states %v and %v after the deadline, want failed", child.State(), late.State())
		}
		if after := e.Loop.Stats(); after.Timers != before.Timers || after.Events != before.Events || after.Deferred != before.Deferred {
			e.Errorf("the old loop did something: %+v, before %+v", after, before)
		}
		child.Close()
		late.Close()
		l.Close()
		ctx.Free()
	})
}

// links counts what children tell.
type links struct {
	closed   map[uint64]int
	released int
}

func (l *links) ChildClosed(id uint64) { l.closed[id]++ }
func (l *links) Release()              { l.released++ }

func TestLink(t *testing.T) {
	onSim(t, func(e *friotest.Env) {
		l := opened(e, demuxed, "idle_timeout = 10s\n")
		l.Wish(nil, nil, nil)
		told := &links{closed: map[uint64]int{}}
		var children []*friotest.Probe
		for range 3 {
			child := childOf(e, l, clientOf(e, l, ""))
			child.IO.(frio.Linked).SetLink(told)
			children = append(children, child)
		}
		var names []string
		l.IO.(frio.Parent).Children(func(h frio.Handle) bool {
			names = append(names, h.Name)
			if h.State != frio.StateOpen || h.ID == 0 {
				e.Errorf("handle %+v", h)
			}
			return true
		})
		for i, child := range children {
			if len(names) != 3 || names[i] != child.Describe() {
				e.Errorf("handles %q, want the children in order", names)
			}
		}
		children[0].Close()
		children[0].Close()
		children[1].Ctx.Free()
		e.Pass(11 * time.Second)
		if told.released != 3 || len(told.closed) != 2 {
			e.Errorf("%d slots released, %v closed, want 3, and two of them", told.released, told.closed)
		}
		l.Close()
		for id, n := range told.closed {
			if n != 1 {
				e.Errorf("child %d was closed %d times", id, n)
			}
		}
		if len(told.closed) != 3 {
			e.Errorf("closed: %v, want three", told.closed)
		}
	})
}

// TestCloseTail: the tail is one datagram, tried once.
func TestCloseTail(t *testing.T) {
	onSim(t, func(e *friotest.Env) {
		l := opened(e, demuxed, "")
		c := clientOf(e, l, "")
		child := childOf(e, l, c)
		if err := child.IO.(frio.Lingerer).CloseTail([]byte("goodbye")); err != nil {
			e.Errorf("CloseTail: %v", err)
		}
		e.Expect(c, []byte("goodbye"))
		child = childOf(e, l, c)
		e.Host().Inject("SendPackets", 1, syscall.EAGAIN)
		var unsent *frio.UnsentError
		if err := child.IO.(frio.Lingerer).CloseTail([]byte("goodbye")); !errors.As(err, &unsent) || unsent.Bytes != 7 {
			e.Errorf("CloseTail with a full socket: %v", err)
		}
		server := childOf(e, l, c)
		if err := c.IO.(frio.Lingerer).CloseTail([]byte("me too")); err != nil {
			e.Errorf("CloseTail of a client: %v", err)
		}
		e.Expect(server, []byte("me too"))
	})
}
