package sim_test

import (
	"bytes"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/sock"
)

func TestLostForEver(t *testing.T) {
	w, a, b := two(1, link(ms))
	c, s := connection(t, w, a, b)
	w.SetLink(a, b, sim.Link{Loss: 1})
	_, err := a.Send(c, []byte("lost"))
	check(t, err)
	w.Advance(15 * time.Minute)
	_, err = a.Recv(c, make([]byte, 8))
	wantErr(t, "sixteen minutes are not over", err, syscall.EAGAIN)
	w.Advance(15 * time.Minute)
	_, err = a.Recv(c, make([]byte, 8))
	wantErr(t, "given up", err, syscall.ETIMEDOUT)
	_, err = b.Recv(s, make([]byte, 8))
	wantErr(t, "the other end knows nothing", err, syscall.EAGAIN)

	c, s = connection(t, healed(w, a, b), a, b)
	w.SetLink(a, b, sim.Link{Loss: 1})
	_, err = a.Send(c, []byte("late"))
	check(t, err)
	w.Advance(time.Minute)
	healed(w, a, b)
	w.Advance(2 * time.Minute)
	var p [8]byte
	n, err := b.Recv(s, p[:])
	if string(p[:n]) != "late" || err != nil {
		t.Errorf("after the cut: %q, %v", p[:n], err)
	}
}

func healed(w *sim.World, a, b *sim.Kernel) *sim.World {
	w.SetLink(a, b, sim.Link{DelayMin: ms, DelayMax: ms})
	return w
}

// TestLossHoldsBackWhatFollows: bytes that arrive wait for those that were lost before them.
func TestLossHoldsBackWhatFollows(t *testing.T) {
	w, a, b := two(1, link(ms))
	c, s := connection(t, w, a, b)
	w.SetLink(a, b, sim.Link{Loss: 1})
	_, err := a.Send(c, []byte("first "))
	check(t, err)
	healed(w, a, b)
	_, err = a.Send(c, []byte("second"))
	check(t, err)
	w.Advance(200 * ms)
	var p [32]byte
	_, err = b.Recv(s, p[:])
	wantErr(t, "before the retransmission", err, syscall.EAGAIN)
	w.Advance(ms)
	n, err := b.Recv(s, p[:])
	if string(p[:n]) != "first second" || err != nil {
		t.Errorf("%q, %v", p[:n], err)
	}
}

// TestWritableWhenAThirdIsFree: a writer is not woken for every byte that its peer reads.
func TestWritableWhenAThirdIsFree(t *testing.T) {
	w, a, b := two(1, link(ms))
	c, s := connection(t, w, a, b)
	check(t, b.SetOption(s, sock.RecvBuff, 2000))
	check(t, a.SetOption(c, sock.SendBuff, 9000))
	buf := make([]byte, 200000)
	for {
		if _, err := a.Send(c, buf); err != nil {
			break
		}
		w.Advance(10 * ms)
	}
	p := poller(t, a)
	check(t, p.Add(c, 1, event.Write))
	var batch [1]event.Event
	for {
		_, err := b.Recv(s, buf[:1000])
		if err != syscall.EAGAIN {
			check(t, err)
		}
		w.Advance(10 * ms)
		n, err := p.Wait(batch[:], 0)
		check(t, err)
		if free := 9000 - option(t, a, c, sock.Unsent); (n == 1) != (free >= 3000) {
			t.Errorf("%d of 9000 bytes free: %d events", free, n)
		} else if n == 1 {
			break
		}
	}
}

// TestOrphanWaitsForItsReader: what was sent before Close reaches a reader who pauses for an hour.
func TestOrphanWaitsForItsReader(t *testing.T) {
	w, a, b := two(1, link(ms))
	c, s := connection(t, w, a, b)
	check(t, a.SetOption(c, sock.SendBuff, 200000))
	want, err := a.Send(c, make([]byte, 180000))
	check(t, err)
	check(t, a.Close(c))
	buf := make([]byte, 40000)
	for got := 0; ; {
		w.Advance(20 * time.Minute)
		n, err := b.Recv(s, buf)
		check(t, err)
		if n == 0 {
			if got != want {
				t.Errorf("%d of %d bytes", got, want)
			}
			return
		}
		got += n
	}
}

func TestCloseDelivers(t *testing.T) {
	w, a, b := two(1, link(5*ms))
	c, s := connection(t, w, a, b)
	big := bytes.Repeat([]byte("x"), 60000)
	check(t, a.SetOption(c, sock.SendBuff, 100000))
	check(t, b.SetOption(s, sock.RecvBuff, 2000))
	n, err := a.Send(c, big)
	if n != len(big) || err != nil {
		t.Fatal(n, err)
	}
	check(t, a.Close(c))
	got := 0
	buf := make([]byte, 1000)
	for {
		n, err := b.Recv(s, buf)
		if err == syscall.EAGAIN {
			w.Advance(ms)
			continue
		}
		check(t, err)
		if n == 0 {
			break
		}
		got += n
	}
	if got != len(big) {
		t.Errorf("%d of %d bytes came", got, len(big))
	}
}

func TestOrphanIsGivenUp(t *testing.T) {
	w, a, b := two(1, link(ms))
	c, s := connection(t, w, a, b)
	check(t, a.Close(c))
	w.Advance(59 * time.Second)
	wantErr(t, "close write works still", b.CloseWrite(s), nil)

	c, s = connection(t, w, a, b)
	local, err := a.LocalAddr(c)
	check(t, err)
	check(t, a.Close(c))
	again := open(t, a, sock.Inet4, frio.Stream)
	w.Advance(59 * time.Second)
	wantErr(t, "its port is held", a.Bind(again, local), syscall.EADDRINUSE)
	w.Advance(2 * time.Second)
	wantErr(t, "its port is free", a.Bind(again, local), nil)
	_, err = b.Send(s, []byte("x"))
	check(t, err)
	w.Advance(time.Second)
	_, err = b.Send(s, []byte("x"))
	wantErr(t, "the other end is gone", err, syscall.EPIPE)
}

// TestOrphanOutlivesACut: what Close left to be sent is sent when the link is whole again.
func TestOrphanOutlivesACut(t *testing.T) {
	w, a, b := two(1, link(ms))
	c, s := connection(t, w, a, b)
	w.SetLink(a, b, sim.Link{Loss: 1})
	_, err := a.Send(c, []byte("late"))
	check(t, err)
	check(t, a.Close(c))
	w.Advance(3 * time.Minute)
	healed(w, a, b)
	w.Advance(4 * time.Minute)
	var p [8]byte
	n, err := b.Recv(s, p[:])
	if string(p[:n]) != "late" || err != nil {
		t.Errorf("%q, %v", p[:n], err)
	}
	n, err = b.Recv(s, p[:])
	if n != 0 || err != nil {
		t.Errorf("at the end: %d, %v", n, err)
	}
}

func TestTimeWaitEnds(t *testing.T) {
	w, a, b := two(1, link(ms))
	l := listen(t, b, "192.0.2.2:7", 1)
	c := dial(t, a, "192.0.2.2:7")
	w.Advance(10 * ms)
	s, _, err := b.Accept(l)
	check(t, err)
	check(t, b.Close(s))
	w.Advance(10 * ms)
	check(t, a.Close(c))
	check(t, b.Close(l))
	w.Advance(10 * ms)
	again := open(t, b, sock.Inet4, frio.Stream)
	wantErr(t, "in TIME_WAIT", b.Bind(again, at(addrB, 7)), syscall.EADDRINUSE)
	w.Advance(time.Minute)
	wantErr(t, "after TIME_WAIT", b.Bind(again, at(addrB, 7)), nil)
}

func TestResetBeforeAccept(t *testing.T) {
	for _, aborts := range []bool{false, true} {
		w, a, b := two(1, link(ms))
		b.SetAcceptAborts(aborts)
		l := listen(t, b, "192.0.2.2:7", 8)
		c := dial(t, a, "192.0.2.2:7")
		w.Advance(10 * ms)
		check(t, a.Abort(c))
		w.Advance(10 * ms)
		fd, peer, err := b.Accept(l)
		if aborts {
			wantErr(t, "accept", err, syscall.ECONNABORTED)
			_, _, err = b.Accept(l)
			wantErr(t, "accept again", err, syscall.EAGAIN)
			continue
		}
		if err != nil || peer.AddrPort.Addr() != addrA {
			t.Fatal(peer, err)
		}
		_, err = b.RemoteAddr(fd)
		wantErr(t, "remote", err, syscall.ENOTCONN)
		_, err = b.Recv(fd, make([]byte, 8))
		wantErr(t, "recv", err, syscall.ECONNRESET)
	}
}
