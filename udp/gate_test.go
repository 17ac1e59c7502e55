package udp_test

import (
	"errors"
	"syscall"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
)

// gated is an open listener whose gate answers "hello", makes a child of "cookie", and a fresh one of "again".
func gated(e *friotest.Env) *friotest.Probe {
	e.Helper()
	l := parsed(e, onLoopback, "")
	if err := l.IO.(frio.Gated).SetGate(func(p *frio.Packet, scratch []byte) ([]byte, frio.Verdict) {
		switch string(p.Data) {
		case "hello":
			return append(scratch[:0], "cookie?"...), frio.GateReply
		case "cookie":
			return nil, frio.GateChild
		case "again":
			return nil, frio.GateReplace
		}
		return nil, frio.GateDrop
	}); err != nil {
		e.Fatalf("SetGate: %v", err)
	}
	if err := l.Open(); err != nil {
		e.Fatalf("Open: %v", err)
	}
	return l
}

func TestGate(t *testing.T) {
	both(t, func(e *friotest.Env) {
		l := gated(e)
		calls := 0
		l.Wish(nil, func() { calls++ }, nil)
		c := clientOf(e, l, "")
		ask := func(text string) {
			e.Helper()
			e.Send(c, []byte(text))
			e.Spin(3)
		}
		for range 3 {
			ask("data of nobody")
			ask("hello")
			e.Expect(c, []byte("cookie?"))
		}
		if _, err := l.Accept(nil); err != frio.ErrAgain || calls > 0 {
			e.Fatalf("the gate let nobody in: Accept %v, %d callbacks", err, calls)
		}
		ask("cookie")
		child := e.AcceptFrom(l, nil)
		e.Expect(child, []byte("cookie"))
		// Of a known peer: hellos never touch the child, all else is the child's.
		ask("hello")
		e.Expect(c, []byte("cookie?"))
		ask("data")
		ask("cookie")
		e.Expect(child, []byte("data"))
		e.Expect(child, []byte("cookie"))
		e.Nothing(child)

		ends := 0
		child.Wish(nil, func() { ends++ }, func() {})
		ask("unread")
		ask("again")
		e.Until("the old child's end is announced", func() bool { return ends > 0 })
		end := e.ExpectEnd(child)
		var reset *frio.ResetError
		if !errors.Is(end, frio.ErrReset) || !errors.As(end, &reset) || reset.Err == nil {
			e.Errorf("Read of the old child: %v, want ErrReset with an errno", end)
		}
		if _, err := child.Write([]byte("x")); !errors.Is(err, frio.ErrReset) {
			e.Errorf("Write of the old child: %v, want ErrReset", err)
		}
		next := e.AcceptFrom(l, nil)
		e.Expect(next, []byte("again"))
		child.Close()
		ask("to the next one")
		e.Expect(next, []byte("to the next one"))
		ask("again")
		ask("again") // replaces one that waits
		last := e.AcceptFrom(l, nil)
		e.Expect(last, []byte("again"))
		e.Nothing(last)
		n := countsOf(l)
		if n.Gate.Load() != 3 || n.Replies.Load() != 4 || n.Replaced.Load() != 3 || n.Accepted.Load() != 3 {
			e.Errorf("counted %d dropped, %d replies, %d replaced, %d accepted, want 3, 4, 3, 3",
				n.Gate.Load(), n.Replies.Load(), n.Replaced.Load(), n.Accepted.Load())
		}
	})
}

// TestGateReplyFails: a reply that cannot be sent costs itself.
func TestGateReplyFails(t *testing.T) {
	onSim(t, func(e *friotest.Env) {
		l := gated(e)
		c := clientOf(e, l, "")
		for _, errno := range []syscall.Errno{syscall.EINVAL, syscall.EPERM, syscall.ENETUNREACH, syscall.EAGAIN, syscall.ENOBUFS} {
			e.Host().Inject("SendPackets", 2, errno)
			for range 3 {
				e.Send(c, []byte("hello"))
			}
			l.Accept(nil)
			want := 2
			if errno == syscall.EAGAIN {
				want = 1 // it is no use to try the next one
			}
			for range want {
				e.Expect(c, []byte("cookie?"))
			}
			e.Nothing(c)
		}
		if got := countsOf(l).RepliesLost.Load(); got != 6 {
			e.Errorf("%d replies lost, want 6", got)
		}
	})
}
