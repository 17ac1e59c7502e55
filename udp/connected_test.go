package udp_test

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/udp"
)

const withSockets = onLoopback + "children = connected\n"

// TestConnectedQueue: what a peer sent before Accept reaches the child whole and in order, and so does what others sent.
func TestConnectedQueue(t *testing.T) {
	both(t, func(e *friotest.Env) {
		l := opened(e, withSockets+"recv_buff = 1M\n", "")
		first, second := clientOf(e, l, ""), clientOf(e, l, "")
		for i := range 200 {
			e.Send(first, []byte(fmt.Sprint("first ", i)))
			e.Send(second, []byte(fmt.Sprint("second ", i)))
		}
		for n, c := range []*friotest.Probe{first, second} {
			child := e.AcceptFrom(l, nil)
			if e.Remote(child) != e.Local(c) || e.Local(child) != e.Local(l) {
				e.Errorf("%s", child.Describe())
			}
			e.Send(c, []byte("last"))
			for i := range 200 {
				e.Expect(child, []byte(fmt.Sprint([]string{"first ", "second "}[n], i)))
			}
			e.Expect(child, []byte("last"))
			e.Nothing(child)
		}
		if n := countsOf(l); n.Inbox.Load()+n.Held.Load() > 0 {
			e.Errorf("%d and %d datagrams were dropped", n.Inbox.Load(), n.Held.Load())
		}
	})
}

// TestConnectedGivesBack: what a child has not read at its Close is the beginning of the next one, in order, but once only.
func TestConnectedGivesBack(t *testing.T) {
	for _, loop := range []bool{false, true} {
		both(t, func(e *friotest.Env) {
			l := opened(e, withSockets, "max_children = 1")
			if loop {
				l.Wish(nil, func() {}, nil)
			}
			c := clientOf(e, l, "")
			child := childOf(e, l, c)
			if loop {
				child.Wish(nil, nil, nil)
			}
			for i := range 5 {
				e.Send(c, []byte(fmt.Sprint("unread ", i)))
			}
			child.Close()
			next := e.AcceptFrom(l, nil)
			for i := range 2 {
				e.Expect(next, []byte(fmt.Sprint("unread ", i)))
			}
			next.Close()
			e.Spin(3)
			if _, err := l.Accept(nil); err != frio.ErrAgain {
				e.Errorf("a child of what was left unread twice: %v", err)
			}
			if n := countsOf(l); n.Returned.Load() != 5 || n.Unread.Load() != 3 {
				e.Errorf("%d given back, %d dropped unread, want 5 and 3", n.Returned.Load(), n.Unread.Load())
			}
			childOf(e, l, c)
		})
	}
}

// TestConnectedRefusal: that the peer is gone is told to its child and does not end it.
func TestConnectedRefusal(t *testing.T) {
	both(t, func(e *friotest.Env) {
		l := opened(e, withSockets, "")
		c := clientOf(e, l, "")
		child := childOf(e, l, c)
		c.Close()
		e.Send(child, []byte("anybody?"))
		var lost *frio.PacketError
		e.Until("the refusal", func() bool {
			_, err := child.Read(make([]byte, 8))
			return errors.As(err, &lost)
		})
		if !errors.Is(lost, syscall.ECONNREFUSED) || child.State() != frio.StateOpen {
			e.Errorf("%v, state %v", lost, child.State())
		}
	})
}

// TestConnectedTimeout: idle_timeout ends a child in its own loop, and frees its slot.
func TestConnectedTimeout(t *testing.T) {
	onSim(t, func(e *friotest.Env) {
		l := opened(e, withSockets, "max_children = 1\nidle_timeout = 10s")
		l.Wish(nil, nil, nil)
		other := e.NewSide("other")
		c := clientOf(e, l, "")
		child := childOf(e, l, c)
		ends := 0
		e.Move(child, other, func() { ends++ }, nil)
		e.Pass(9 * time.Second)
		e.Send(c, []byte("still here"))
		e.Until("the callback", func() bool { return ends > 0 })
		e.Expect(child, []byte("still here"))
		ends = 0
		e.Pass(9 * time.Second)
		if ends > 0 {
			e.Errorf("it ended early")
		}
		e.Pass(2 * time.Second)
		var end *frio.TimeoutError
		if err := e.ExpectEnd(child); !errors.As(err, &end) || end.Limit != "idle_timeout" || ends == 0 {
			e.Errorf("%v, %d callbacks", err, ends)
		}
		childOf(e, l, c)
	})
}

// TestConnectedParentCloses: children in other loops end there; none is called any more.
func TestConnectedParentCloses(t *testing.T) {
	both(t, func(e *friotest.Env) {
		l := opened(e, withSockets, "")
		l.Wish(nil, nil, nil)
		other := e.NewSide("other")
		near, far, bare := childOf(e, l, clientOf(e, l, "")), childOf(e, l, clientOf(e, l, "")), childOf(e, l, clientOf(e, l, ""))
		near.Wish(nil, func() { e.Errorf("a callback") }, nil)
		e.Move(far, other, func() { e.Errorf("a callback") }, nil)
		bare.Leave()
		l.Close()
		for _, c := range []*friotest.Probe{near, far, bare} {
			c.Gone()
		}
		e.Spin(3)
		for _, c := range []*friotest.Probe{near, far, bare} {
			if _, err := c.Read(make([]byte, 8)); err == nil {
				e.Errorf("Read of a child whose listener is closed")
			}
		}
	})
}

// TestConnectedWithoutDescriptors: Accept rests, and the child waits with what it has.
func TestConnectedWithoutDescriptors(t *testing.T) {
	onSim(t, func(e *friotest.Env) {
		l := opened(e, withSockets, "")
		l.Wish(nil, func() {}, nil)
		c := clientOf(e, l, "")
		e.Send(c, []byte("patience"))
		e.Spin(3)
		e.Host().Inject("Socket", 1, syscall.EMFILE)
		if _, err := l.Accept(nil); err != frio.ErrAgain {
			e.Fatalf("Accept: %v", err)
		}
		if n := countsOf(l).NoMemory.Load(); n != 1 {
			e.Errorf("counted %d times", n)
		}
		e.Pass(200 * time.Millisecond)
		e.Expect(e.AcceptFrom(l, nil), []byte("patience"))
		// A peer to which no socket can be connected costs itself.
		bad, good := clientOf(e, l, ""), clientOf(e, l, "")
		e.Send(bad, []byte("bad"))
		e.Spin(3)
		e.Send(good, []byte("good"))
		e.Spin(3)
		e.Host().Inject("Connect", 1, syscall.ENETUNREACH)
		child := e.AcceptFrom(l, nil)
		e.Expect(child, []byte("good"))
		if n := countsOf(l).Errors.Count(syscall.ENETUNREACH); n != 1 {
			e.Errorf("counted %d times", n)
		}
	})
}

// TestConnectedAllocs: a datagram to a connected child and back.
func TestConnectedAllocs(t *testing.T) {
	e := friotest.NewEnv(t, false, 1)
	l := opened(e, withSockets, "")
	l.Wish(nil, nil, nil)
	p := clientOf(e, l, "")
	child, c := childOf(e, l, p).IO, p.IO
	if _, ok := child.(*udp.Connected); !ok {
		t.Fatalf("%T", child)
	}
	in, out := make([]byte, 64), []byte("a datagram")
	if err := child.Event(e.Loop, func() {
		if n, err := child.Read(in); err == nil {
			_, err = child.Write(in[:n])
			if err != nil {
				t.Error(err)
			}
		}
	}, nil); err != nil {
		t.Fatal(err)
	}
	back := make([]byte, 64)
	allocates(t, func() {
		if _, err := c.Write(out); err != nil {
			t.Fatal(err)
		}
		for {
			if err := e.Loop.Turn(0); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(back); err == nil {
				return
			}
		}
	})
	e.Finish()
}
