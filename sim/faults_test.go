package sim_test

import (
	"slices"
	"syscall"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/sock"
)

func TestInject(t *testing.T) {
	w, a, b := two(1, link(ms))
	l := listen(t, b, "192.0.2.2:7", 8)
	dial(t, a, "192.0.2.2:7")
	w.Advance(10 * ms)
	b.Inject("Accept", 1, syscall.ECONNABORTED)
	b.Inject("Accept", 3, syscall.EMFILE)
	_, _, err := b.Accept(l)
	wantErr(t, "first", err, syscall.ECONNABORTED)
	_, _, err = b.Accept(l)
	wantErr(t, "second", err, nil)
	_, _, err = b.Accept(l)
	wantErr(t, "third", err, syscall.EMFILE)
	_, _, err = b.Accept(l)
	wantErr(t, "fourth", err, syscall.EAGAIN)
	if n := b.Calls("Accept"); n != 4 {
		t.Errorf("%d calls", n)
	}
	if n := a.Calls("Accept"); n != 0 {
		t.Errorf("%d calls on the other host", n)
	}
	b.InjectAll("Socket", syscall.ENFILE)
	_, err = b.Socket(sock.Inet4, frio.Stream)
	wantErr(t, "all", err, syscall.ENFILE)
	b.InjectAll("Socket", 0)
	_, err = b.Socket(sock.Inet4, frio.Stream)
	wantErr(t, "not any more", err, nil)
	wantPanic(t, `no call is named "accept"`, func() { b.Inject("accept", 1, syscall.EPERM) })
}

// TestInjectIntoBatch: exactly the datagram that fails is lost.
func TestInjectIntoBatch(t *testing.T) {
	w, a, b := two(1, link(ms))
	r, s := bindUDP(t, b, "192.0.2.2:53"), bindUDP(t, a, "192.0.2.1:0")
	to := at(addrB, 53).AddrPort
	var batch []frio.Packet
	for _, c := range "abcdef" {
		batch = append(batch, frio.Packet{Data: []byte(string(c)), Remote: to})
	}
	a.Inject("SendPackets", 3, syscall.EPERM)
	n, err := a.SendPackets(s, batch)
	if n != 2 || err != nil {
		t.Fatal(n, err)
	}
	n, err = a.SendPackets(s, batch[2:])
	if n != 0 || err != syscall.EPERM {
		t.Fatal(n, err)
	}
	n, err = a.SendPackets(s, batch[3:])
	if n != 3 || err != nil {
		t.Fatal(n, err)
	}
	w.Advance(10 * ms)
	if got := texts(received(t, b, r)); !slices.Equal(got, []string{"a", "b", "d", "e", "f"}) {
		t.Errorf("came %q", got)
	}
}

// TestAgainIsReportedAgain: after an EAGAIN that was a fault the poller goes on telling of the data.
func TestAgainIsReportedAgain(t *testing.T) {
	w, a, b := two(1, link(ms))
	c, s := connection(t, w, a, b)
	_, err := a.Send(c, []byte("x"))
	check(t, err)
	w.Advance(10 * ms)
	p := poller(t, b)
	check(t, p.Add(s, 5, event.Read))
	b.SetFaults(sim.Faults{Again: 0.99})
	var batch [4]event.Event
	buf := make([]byte, 8)
	again := 0
	for range 1000 {
		n, err := p.Wait(batch[:], 0)
		if n != 1 || err != nil || batch[0] != (event.Event{ID: 5, Ready: event.Read}) {
			t.Fatalf("after %d EAGAINs: %d %v %v", again, n, err, batch[0])
		}
		if n, err := b.Recv(s, buf); err == nil {
			if n != 1 {
				t.Errorf("%d bytes", n)
			}
			break
		}
		again++
	}
	if again == 0 {
		t.Error("no EAGAIN in spite of the fault")
	}
	if n, _ := p.Wait(batch[:], 0); n != 0 {
		t.Error("reported though drained")
	}
}

func TestPartial(t *testing.T) {
	w, a, b := two(1, link(ms))
	c, s := connection(t, w, a, b)
	a.SetFaults(sim.Faults{Partial: 1})
	n, err := a.Send(c, make([]byte, 1000))
	if n <= 0 || n >= 1000 || err != nil {
		t.Errorf("send %d, %v", n, err)
	}
	w.Advance(10 * ms)
	b.SetFaults(sim.Faults{Partial: 1})
	if m, err := b.Recv(s, make([]byte, n)); m <= 0 || m >= n || err != nil {
		t.Errorf("recv %d of %d, %v", m, n, err)
	}
}

func TestResetFault(t *testing.T) {
	w, a, b := two(1, link(ms))
	c, s := connection(t, w, a, b)
	a.SetFaults(sim.Faults{Reset: 1})
	_, err := a.Send(c, []byte("x"))
	wantErr(t, "send", err, syscall.ECONNRESET)
	w.Advance(10 * ms)
	_, err = b.Recv(s, make([]byte, 8))
	wantErr(t, "the other end", err, syscall.ECONNRESET)
}

func TestDescriptorsRunOut(t *testing.T) {
	w, a, b := two(1, link(ms))
	l := listen(t, b, "192.0.2.2:7", 8)
	b.SetDescriptorLimit(2)
	dial(t, a, "192.0.2.2:7")
	dial(t, a, "192.0.2.2:7")
	w.Advance(10 * ms)
	first, _, err := b.Accept(l)
	check(t, err)
	_, _, err = b.Accept(l)
	wantErr(t, "accept", err, syscall.EMFILE)
	_, err = b.Socket(sock.Local, frio.Stream)
	wantErr(t, "socket", err, syscall.EMFILE)
	p := poller(t, b)
	check(t, p.Add(l, 1, event.Read))
	var batch [4]event.Event
	if n, _ := p.Wait(batch[:], 0); n != 1 {
		t.Error("the connection that waits is not reported")
	}
	check(t, b.Close(first))
	fd, _, err := b.Accept(l)
	if err != nil || fd != first {
		t.Errorf("accept: %d, %v; %d is free", fd, err, first)
	}
	b.SetDescriptorLimit(100)
	b.SetFileLimit(2)
	_, _, err = b.Accept(l)
	wantErr(t, "accept", err, syscall.ENFILE)
	b.SetFileLimit(100)
	b.SetFaults(sim.Faults{Exhaust: 1})
	_, _, err = b.Accept(l)
	wantErr(t, "accept", err, syscall.EMFILE)
}

func TestLowestDescriptorFirst(t *testing.T) {
	_, k, _ := two(1, sim.Options{})
	var fds []int
	for range 20 {
		fds = append(fds, open(t, k, sock.Inet4, frio.Stream))
	}
	for _, i := range []int{11, 3, 17, 5, 0, 8} {
		check(t, k.Close(fds[i]))
	}
	wantErr(t, "closed twice", k.Close(fds[3]), syscall.EBADF)
	for _, i := range []int{0, 3, 5, 8, 11, 17} {
		if fd := open(t, k, sock.Inet4, frio.Stream); fd != fds[i] {
			t.Errorf("got %d, the lowest free is %d", fd, fds[i])
		}
	}
	if n := k.Descriptors(); n != 20 {
		t.Errorf("%d descriptors", n)
	}
}

func TestBuffersAsGranted(t *testing.T) {
	_, k, _ := two(1, sim.Options{})
	fd := open(t, k, sock.Inet4, frio.Stream)
	for _, c := range []struct{ max, ask, granted int }{{0, 1 << 30, 212992}, {5000, 5001, 5000}, {5000, 4999, 4999}} {
		if c.max > 0 {
			k.SetBufferMax(c.max)
		}
		check(t, k.SetOption(fd, sock.RecvBuff, c.ask))
		if v := option(t, k, fd, sock.RecvBuff); v != c.granted {
			t.Errorf("asked for %d, got %d", c.ask, v)
		}
	}
}

func TestPoller(t *testing.T) {
	w, a, b := two(1, link(ms))
	r, s := bindUDP(t, b, "192.0.2.2:53"), bindUDP(t, a, "192.0.2.1:0")
	p := poller(t, b)
	wantErr(t, "bad descriptor", p.Add(99, 1, event.Read), syscall.EBADF)
	wantErr(t, "not added", p.Modify(r, 1, event.Read), syscall.ENOENT)
	wantErr(t, "not added", p.Remove(r, 1), syscall.ENOENT)
	check(t, p.Add(r, 1, event.Write))
	wantErr(t, "twice", p.Add(r, 2, event.Read), syscall.EEXIST)
	wait := func(size int) []event.Event {
		batch := make([]event.Event, size)
		n, err := p.Wait(batch, 0)
		check(t, err)
		return batch[:n]
	}
	if got := wait(4); !slices.Equal(got, []event.Event{{ID: 1, Ready: event.Write}}) {
		t.Errorf("writable: %v", got)
	}
	check(t, p.Modify(r, 3, event.Read))
	if got := wait(4); len(got) != 0 {
		t.Errorf("nothing to read: %v", got)
	}
	check(t, send(t, a, s, "x", "192.0.2.2:53"))
	w.Advance(10 * ms)
	for range 3 {
		if got := wait(4); !slices.Equal(got, []event.Event{{ID: 3, Ready: event.Read}}) {
			t.Errorf("not drained: %v", got)
		}
	}
	check(t, p.Remove(r, 3))
	if got := wait(4); len(got) != 0 {
		t.Errorf("removed: %v", got)
	}

	// A small batch starves nobody, and a closed descriptor is forgotten.
	var fds []int
	for i := range 5 {
		fd := bindUDP(t, b, "0.0.0.0:0")
		check(t, p.Add(fd, uint64(10+i), event.Write))
		fds = append(fds, fd)
	}
	seen := map[uint64]int{}
	for range 10 {
		for _, e := range wait(2) {
			seen[e.ID]++
		}
	}
	for i := range fds {
		if n := seen[uint64(10+i)]; n != 4 {
			t.Errorf("socket %d was reported %d times of 20 in all", i, n)
		}
	}
	check(t, b.Close(fds[0]))
	reused := open(t, b, sock.Inet4, frio.Datagram)
	if reused != fds[0] {
		t.Fatal("the number is not reused")
	}
	for _, e := range wait(16) {
		if e.ID == 10 {
			t.Error("an event for a descriptor that was closed")
		}
	}
	check(t, p.Add(reused, 10, event.Write))

	b.SetFaults(sim.Faults{Interrupt: 1, Shuffle: 1})
	orders := map[uint64]bool{}
	for range 50 {
		orders[wait(16)[0].ID] = true
	}
	if len(orders) != 5 {
		t.Errorf("shuffling put %d of 5 first", len(orders))
	}
	idle := poller(t, b)
	start := w.Now()
	if n, err := idle.Wait(make([]event.Event, 1), -1); n != 0 || err != nil || w.Now() != start {
		t.Errorf("interrupted: %d, %v", n, err)
	}
	check(t, p.Close())
	wantErr(t, "closed", p.Wake(), syscall.EBADF)
}
