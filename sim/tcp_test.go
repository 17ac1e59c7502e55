package sim_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/sock"
)

const ms = time.Millisecond

func link(d time.Duration) sim.Options { return sim.Options{Link: sim.Link{DelayMin: d, DelayMax: d}} }

func TestHandshakeTakesThreeDelays(t *testing.T) {
	w, a, b := two(1, link(10*ms))
	l := listen(t, b, "192.0.2.2:2083", 8)
	c := dial(t, a, "192.0.2.2:2083")
	p := poller(t, a)
	check(t, p.Add(c, 1, event.Read|event.Write))
	var batch [1]event.Event
	w.Advance(20*ms - 1)
	wantErr(t, "before the answer", a.Connected(c), syscall.EAGAIN)
	if n, _ := p.Wait(batch[:], 0); n != 0 {
		t.Errorf("ready for %v while it connects", batch[0].Ready)
	}
	w.Advance(1)
	if n, _ := p.Wait(batch[:], 0); n != 1 || batch[0].Ready != event.Write {
		t.Errorf("ready for %v when it has connected", batch[0].Ready)
	}
	wantErr(t, "after two delays", a.Connected(c), nil)
	_, _, err := b.Accept(l)
	wantErr(t, "before the third part", err, syscall.EAGAIN)
	w.Advance(10 * ms)
	_, peer, err := b.Accept(l)
	local, _ := a.LocalAddr(c)
	if err != nil || peer != local || peer.AddrPort.Addr() != addrA {
		t.Errorf("accept: %v, %v; the client is %v", peer, err, local)
	}
}

func TestConnectFails(t *testing.T) {
	black := netip.MustParsePrefix("203.0.113.0/24")
	for _, c := range []struct {
		name   string
		to     string
		set    func(w *sim.World, a *sim.Kernel)
		atOnce error // of Connect
		after  time.Duration
		err    error
	}{
		{"refused", "192.0.2.2:1", nil, syscall.EAGAIN, 20 * ms, syscall.ECONNREFUSED},
		{"black hole", "203.0.113.1:1", nil, syscall.EAGAIN, 127 * time.Second, syscall.ETIMEDOUT},
		{"another link is cut", "192.0.2.2:1", func(w *sim.World, a *sim.Kernel) {
			w.SetLink(a, w.Host("c", netip.MustParseAddr("192.0.2.3")), sim.Link{Loss: 1})
		}, syscall.EAGAIN, 20 * ms, syscall.ECONNREFUSED},
		{"over the cut link", "192.0.2.3:1", func(w *sim.World, a *sim.Kernel) {
			w.SetLink(a, w.Host("c", netip.MustParseAddr("192.0.2.3")), sim.Link{Loss: 1})
		}, syscall.EAGAIN, 127 * time.Second, syscall.ETIMEDOUT},
		{"unreachable host", "203.0.113.1:1", func(w *sim.World, a *sim.Kernel) {
			w.Unreachable(black, syscall.EHOSTUNREACH)
		}, syscall.EAGAIN, 20 * ms, syscall.EHOSTUNREACH},
		{"rejected here", "203.0.113.1:1", func(w *sim.World, a *sim.Kernel) {
			a.Reject(black, syscall.ENETUNREACH)
		}, syscall.ENETUNREACH, 0, nil},
		{"not rejected any more", "203.0.113.1:1", func(w *sim.World, a *sim.Kernel) {
			a.Reject(black, syscall.EPERM)
			a.Reject(black, 0)
		}, syscall.EAGAIN, 127 * time.Second, syscall.ETIMEDOUT},
		{"no route", "[2001:db8::1]:1", nil, syscall.ENETUNREACH, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, a, _ := two(1, link(10*ms))
			if c.set != nil {
				c.set(w, a)
			}
			to := netip.MustParseAddrPort(c.to)
			f := sock.Inet4
			if to.Addr().Is6() {
				f = sock.Inet6
			}
			fd := open(t, a, f, frio.Stream)
			wantErr(t, "connect", a.Connect(fd, sock.Addr{AddrPort: to}), c.atOnce)
			if c.atOnce != syscall.EAGAIN {
				return
			}
			w.Advance(c.after - 1)
			wantErr(t, "before", a.Connected(fd), syscall.EAGAIN)
			w.Advance(1)
			wantErr(t, "then", a.Connected(fd), c.err)
		})
	}
}

func TestBacklogBound(t *testing.T) {
	w, a, b := two(1, link(ms))
	l := listen(t, b, "192.0.2.2:1", 2)
	var fds []int
	for range 5 {
		fds = append(fds, dial(t, a, "192.0.2.2:1"))
	}
	w.Advance(500 * ms)
	open := 0
	for _, fd := range fds {
		if a.Connected(fd) == nil {
			open++
		}
	}
	if open != 3 { // Linux: one more than the backlog
		t.Errorf("%d connections with a backlog of 2", open)
	}
	for range 3 {
		_, _, err := b.Accept(l)
		check(t, err)
	}
	w.Advance(time.Second) // the SYNs are repeated
	for _, fd := range fds {
		wantErr(t, "when there is room", a.Connected(fd), nil)
	}
}

func TestBackPressure(t *testing.T) {
	w, a, b := two(1, link(ms))
	c, s := connection(t, w, a, b)
	p := poller(t, a)
	check(t, p.Add(c, 7, event.Write))
	var batch [4]event.Event
	ready := func() bool {
		n, err := p.Wait(batch[:], 0)
		check(t, err)
		return n == 1
	}
	total := 0
	chunk := make([]byte, 10000)
	fill := func() {
		for {
			for i := range chunk {
				chunk[i] = byte((total + i) * 7 >> 3)
			}
			n, err := a.Send(c, chunk)
			if err != nil {
				wantErr(t, "full", err, syscall.EAGAIN)
				break
			}
			total += n
		}
	}
	for range 20 {
		fill()
		w.Advance(100 * ms)
	}
	if total != 131072 { // what the receiver's buffer and ours hold
		t.Errorf("a peer that does not read took %d bytes", total)
	}
	if ready() {
		t.Error("writable though full")
	}
	if n := option(t, a, c, sock.Unsent); n != 65536 {
		t.Errorf("unsent %d", n)
	}
	got := 0
	buf := make([]byte, 5000)
	for got < 131072 {
		n, err := b.Recv(s, buf)
		if err == syscall.EAGAIN {
			w.Advance(10 * ms)
			continue
		}
		check(t, err)
		for _, x := range buf[:n] {
			if x != byte(got*7>>3) {
				t.Fatalf("byte %d is wrong", got)
			}
			got++
		}
	}
	if !ready() {
		t.Error("not writable though empty")
	}
	if n := option(t, a, c, sock.Unsent); n != 0 {
		t.Errorf("unsent %d", n)
	}
}

// TestStreamLosesNothing moves bytes both ways under every fault that costs no connection.
func TestStreamLosesNothing(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			opts := sim.Options{
				Link:   sim.Link{DelayMin: ms, DelayMax: 50 * ms, Loss: 0.2, Rate: 1 << 20},
				Faults: sim.Faults{Again: 0.3, Partial: 0.5},
			}
			w, a, b := two(seed, opts)
			if seed%4 == 3 { // over loopback
				b = a
			}
			c, s := connectionFaulty(t, w, a, b)
			check(t, a.SetOption(c, sock.SendBuff, 4000))
			check(t, b.SetOption(s, sock.RecvBuff, 3000))
			want := make([]byte, 50000)
			for i := range want {
				want[i] = byte(i * i >> 5)
			}
			var there, back []byte
			sent, echoed := 0, 0
			ended, closed := false, false
			buf := make([]byte, 7000)
			for steps := 0; !ended; steps++ {
				if steps > 1e6 {
					t.Fatalf("%d sent, %d there, %d back", sent, len(there), len(back))
				}
				if sent < len(want) {
					n, _ := a.Send(c, want[sent:])
					if sent += n; sent == len(want) {
						check(t, a.CloseWrite(c))
					}
				}
				if n, err := b.Recv(s, buf); err == nil && n > 0 {
					there = append(there, buf[:n]...)
				} else if err == nil && echoed == len(there) && !closed {
					check(t, b.CloseWrite(s))
					closed = true
				} else if err != nil && err != syscall.EAGAIN {
					t.Fatal(err)
				}
				if echoed < len(there) {
					n, _ := b.Send(s, there[echoed:])
					echoed += n
				}
				if n, err := a.Recv(c, buf); err == nil && n > 0 {
					back = append(back, buf[:n]...)
				} else if err == nil {
					ended = true
				} else if err != syscall.EAGAIN {
					t.Fatal(err)
				}
				w.Advance(ms)
			}
			if !bytes.Equal(there, want) || !bytes.Equal(back, want) {
				t.Errorf("of %d bytes %d went there and %d came back", len(want), len(there), len(back))
			}
		})
	}
}

// connectionFaulty is connection where every call may say EAGAIN.
func connectionFaulty(t testing.TB, w *sim.World, a, b *sim.Kernel) (client, server int) {
	t.Helper()
	addr := "192.0.2.2:99"
	if a == b {
		addr = "127.0.0.1:99"
	}
	l := listen(t, b, addr, 8)
	client = dial(t, a, addr)
	for range 1000 {
		w.Advance(time.Second)
		if err := a.Connected(client); err == nil {
			break
		} else if err != syscall.EAGAIN {
			t.Fatal(err)
		}
	}
	for {
		fd, _, err := b.Accept(l)
		if err == nil {
			check(t, b.Close(l))
			return client, fd
		}
		wantErr(t, "accept", err, syscall.EAGAIN)
	}
}

func TestEphemeralPortsRunOut(t *testing.T) {
	_, a, b := two(1, link(ms))
	a.SetEphemeralPorts(40000, 40002)
	listen(t, b, "192.0.2.2:7", 8)
	for i := range 3 {
		fd := dial(t, a, "192.0.2.2:7")
		local, err := a.LocalAddr(fd)
		if err != nil || local.AddrPort != netip.AddrPortFrom(addrA, uint16(40000+i)) {
			t.Errorf("local %v, %v", local, err)
		}
	}
	fd := open(t, a, sock.Inet4, frio.Stream)
	wantErr(t, "connect", a.Connect(fd, at(addrB, 7)), syscall.EADDRNOTAVAIL)
	wantErr(t, "bind", a.Bind(fd, at(addrA, 0)), syscall.EADDRINUSE)
}

// TestTimeWaitIsNoHindrance to another connection from the same port, but a half-closed one is.
func TestTimeWaitIsNoHindrance(t *testing.T) {
	w, a, b := two(1, link(ms))
	a.SetEphemeralPorts(40000, 40000)
	c, s := connection(t, w, a, b)
	listen(t, b, "192.0.2.2:7", 8)
	check(t, a.Close(c))
	w.Advance(10 * ms)
	fd := open(t, a, sock.Inet4, frio.Stream)
	wantErr(t, "half-closed", a.Connect(fd, at(addrB, 7)), syscall.EADDRNOTAVAIL)
	check(t, b.Close(s))
	w.Advance(10 * ms)
	wantErr(t, "in TIME_WAIT", a.Connect(fd, at(addrB, 7)), syscall.EAGAIN)
	w.Advance(10 * ms)
	wantErr(t, "connected", a.Connected(fd), nil)
}

// TestManyConnections would take minutes if anything looked through all of them.
func TestManyConnections(t *testing.T) {
	const count = 10000
	w, a, b := two(1, link(ms))
	l := listen(t, b, "192.0.2.2:7", 0)
	p := poller(t, b)
	check(t, p.Add(l, 0, event.Read))
	var batch [64]event.Event
	clients := make([]int, 0, count)
	accepted, echoed := 0, 0
	buf := make([]byte, 64)
	turn := func() {
		n, err := p.Wait(batch[:], 0)
		check(t, err)
		for _, e := range batch[:n] {
			if e.ID == 0 {
				for {
					fd, _, err := b.Accept(l)
					if err == syscall.EAGAIN {
						break
					}
					check(t, err)
					accepted++
					check(t, p.Add(fd, uint64(fd), event.Read))
				}
				continue
			}
			n, err := b.Recv(int(e.ID), buf)
			check(t, err)
			_, err = b.Send(int(e.ID), buf[:n])
			check(t, err)
			echoed++
		}
	}
	for range count / 1000 {
		for range 1000 {
			clients = append(clients, dial(t, a, "192.0.2.2:7"))
		}
		w.Advance(10 * ms)
		for accepted < len(clients) {
			turn()
		}
	}
	for _, fd := range clients {
		_, err := a.Send(fd, []byte("hello"))
		check(t, err)
	}
	w.Advance(10 * ms)
	for echoed < count {
		turn()
	}
	w.Advance(10 * ms)
	for _, fd := range clients {
		n, err := a.Recv(fd, buf)
		if n != 5 || err != nil {
			t.Fatal(n, err)
		}
		check(t, a.Close(fd))
	}
}
