package sim_test

import (
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/sock"
)

// sendMany sends datagrams "0", "1" ... and returns what comes.
func sendMany(t *testing.T, l sim.Link, count int) []frio.Packet {
	t.Helper()
	w, a, b := two(3, sim.Options{})
	w.SetLink(a, b, l)
	r, s := bindUDP(t, b, "192.0.2.2:53"), bindUDP(t, a, "192.0.2.1:0")
	check(t, b.SetOption(r, sock.RecvBuff, 200000))
	for i := range count {
		check(t, send(t, a, s, fmt.Sprintf("%03d", i), "192.0.2.2:53"))
	}
	w.Advance(time.Minute)
	return received(t, b, r)
}

func TestDatagramLinks(t *testing.T) {
	const count = 400
	plain := sendMany(t, sim.Link{DelayMin: ms, DelayMax: 20 * ms}, count)
	if list := texts(plain); len(list) != count || !slices.IsSorted(list) {
		t.Errorf("%d of %d without a fault, sorted %v", len(list), count, slices.IsSorted(list))
	}
	if n := len(sendMany(t, sim.Link{Loss: 0.5}, count)); n < 150 || n > 250 {
		t.Errorf("%d of %d with a loss of a half", n, count)
	}
	if n := len(sendMany(t, sim.Link{Loss: 1}, count)); n != 0 {
		t.Errorf("%d over a cut link", n)
	}
	twice := texts(sendMany(t, sim.Link{Duplicate: 0.5}, count))
	if n := len(twice); n < 550 || n > 650 {
		t.Errorf("%d of %d with a half doubled", n, count)
	}
	if n := len(slices.Compact(slices.Sorted(slices.Values(twice)))); n != count {
		t.Errorf("doubling lost some: %d", n)
	}
	mixed := texts(sendMany(t, sim.Link{DelayMin: ms, DelayMax: 5 * ms, Reorder: 0.2}, count))
	if slices.IsSorted(mixed) || len(mixed) != count {
		t.Errorf("%d of %d, sorted %v, with reordering", len(mixed), count, slices.IsSorted(mixed))
	}
	turned := 0
	for i, p := range sendMany(t, sim.Link{Corrupt: 0.5}, count) {
		want := fmt.Sprintf("%03d", i)
		wrong := 0
		for j := range want {
			wrong += bits.OnesCount8(want[j] ^ p.Data[j])
		}
		if wrong > 1 {
			t.Errorf("%d bits of one datagram are wrong", wrong)
		}
		turned += wrong
	}
	if turned < 150 || turned > 250 {
		t.Errorf("%d of %d are corrupt", turned, count)
	}
}

// TestEveryDatagramInTurn is how a protocol is shown to survive the loss of any one of its datagrams.
func TestEveryDatagramInTurn(t *testing.T) {
	for victim := range 4 {
		w, a, b := two(1, link(ms))
		asked := 0
		w.OnDatagram(func(d *sim.Datagram) sim.Action {
			if d.N != asked || d.Sender != a || d.Target != b || d.To != netip.MustParseAddrPort("192.0.2.2:53") {
				t.Errorf("datagram %d: %+v", asked, d)
			}
			asked++
			_ = w.Now() // the world can be used here
			switch d.N {
			case victim:
				return sim.Action{Drop: true}
			case victim + 1:
				return sim.Action{Delay: time.Second, Twice: true}
			}
			d.ECN = 3
			d.Data[0] = 'X'
			return sim.Action{}
		})
		r, s := bindUDP(t, b, "192.0.2.2:53"), bindUDP(t, a, "192.0.2.1:0")
		check(t, b.SetOption(r, sock.RecvECN, 1))
		var want []string
		for i := range 4 {
			check(t, send(t, a, s, fmt.Sprint("d", i), "192.0.2.2:53"))
			if i != victim && i != victim+1 {
				want = append(want, fmt.Sprint("X", i))
			}
		}
		if victim+1 < 4 {
			want = append(want, fmt.Sprint("d", victim+1), fmt.Sprint("d", victim+1))
		}
		w.Advance(2 * time.Second)
		packets := received(t, b, r)
		if got := texts(packets); !slices.Equal(got, want) {
			t.Errorf("without %d came %q, want %q", victim, got, want)
		}
		if packets[0].ECN != 3 {
			t.Errorf("ECN %d", packets[0].ECN)
		}
	}
}

func TestReceiveBufferIsBounded(t *testing.T) {
	w, a, b := two(1, link(ms))
	r, s := bindUDP(t, b, "192.0.2.2:53"), bindUDP(t, a, "192.0.2.1:0")
	check(t, b.SetOption(r, sock.RecvBuff, 2000))
	for range 10 {
		check(t, send(t, a, s, "0123456789", "192.0.2.2:53"))
	}
	w.Advance(10 * ms)
	got := len(received(t, b, r))
	dropped := option(t, b, r, sock.RecvDropped)
	if got == 0 || dropped == 0 || got+dropped != 10 {
		t.Errorf("%d came, %d were dropped, of 10", got, dropped)
	}
	check(t, send(t, a, s, "again", "192.0.2.2:53"))
	w.Advance(10 * ms)
	if got := len(received(t, b, r)); got != 1 {
		t.Errorf("with room again came %d", got)
	}
}

func TestSlowLinkFillsTheSendBuffer(t *testing.T) {
	w, a, b := two(1, sim.Options{})
	w.SetLink(a, b, sim.Link{Rate: 10000})
	r, s := bindUDP(t, b, "192.0.2.2:53"), bindUDP(t, a, "192.0.2.1:0")
	check(t, a.SetOption(s, sock.SendBuff, 5000))
	p := poller(t, a)
	check(t, p.Add(s, 1, event.Write))
	var batch [1]event.Event
	sent := 0
	text := fmt.Sprintf("%972s", "")
	var err error
	for ; err == nil; sent++ {
		err = send(t, a, s, text, "192.0.2.2:53")
	}
	wantErr(t, "full", err, syscall.EAGAIN)
	if sent -= 1; sent != 5 {
		t.Errorf("%d datagrams of 972 bytes in a buffer of 5000", sent)
	}
	if n, _ := p.Wait(batch[:], 0); n != 0 {
		t.Error("writable though full")
	}
	start := w.Now()
	if n, err := p.Wait(batch[:], time.Minute); n != 1 || err != nil || batch[0].Ready != event.Write {
		t.Errorf("%d %v", n, err)
	}
	if d := w.Now().Sub(start); d < 100*ms || d > 500*ms {
		t.Errorf("room came after %v", d)
	}
	w.Advance(time.Minute)
	if got := len(received(t, b, r)); got != sent {
		t.Errorf("%d of %d came", got, sent)
	}
}

func TestErrorsComeBack(t *testing.T) {
	black := netip.MustParsePrefix("203.0.113.0/24")
	w, a, _ := two(1, link(10*ms))
	s := bindUDP(t, a, "192.0.2.1:0")
	check(t, send(t, a, s, "x", "192.0.2.2:9"))
	w.Advance(time.Second)
	if v := option(t, a, s, sock.Pending); v != 0 {
		t.Errorf("an unconnected socket has a pending error: %d", v)
	}
	check(t, a.Connect(s, at(addrB, 9)))
	_, err := a.Send(s, []byte("x"))
	check(t, err)
	w.Advance(20*ms - 1)
	_, err = a.Recv(s, nil)
	wantErr(t, "before two delays", err, syscall.EAGAIN)
	w.Advance(1)
	_, err = a.Recv(s, nil)
	wantErr(t, "after two delays", err, syscall.ECONNREFUSED)
	w.Unreachable(black, syscall.EHOSTUNREACH)
	_, err = a.Send(s, []byte("x"))
	check(t, err)
	check(t, a.Connect(s, at(netip.MustParseAddr("203.0.113.7"), 9)))
	w.Advance(time.Second)
	_, err = a.Recv(s, nil)
	wantErr(t, "an error about the peer before", err, syscall.EAGAIN)
	_, err = a.Send(s, []byte("x"))
	check(t, err)
	w.Advance(20 * ms)
	_, err = a.Send(s, []byte("x"))
	wantErr(t, "unreachable", err, syscall.EHOSTUNREACH)
	a.Reject(black, syscall.EPERM)
	_, err = a.Send(s, []byte("x"))
	wantErr(t, "rejected here", err, syscall.EPERM)
	_, err = a.SendPackets(s, []frio.Packet{{Remote: netip.AddrPortFrom(addrB, 9), Local: netip.AddrPortFrom(lo4, 0)}})
	wantErr(t, "from loopback", err, syscall.EINVAL)
	wantErr(t, "other family", send(t, a, bindUDP(t, a, "[::]:0"), "x", "[2001:db8::1]:9"), syscall.ENETUNREACH)
}

func TestDontFragment(t *testing.T) {
	w, a, b := two(1, link(ms))
	a.SetMTU(1280)
	r, s := bindUDP(t, b, "192.0.2.2:53"), bindUDP(t, a, "192.0.2.1:0")
	text := fmt.Sprintf("%1253s", "")
	check(t, send(t, a, s, text, "192.0.2.2:53"))
	check(t, a.SetOption(s, sock.DontFragment, 1))
	wantErr(t, "one byte too long", send(t, a, s, text, "192.0.2.2:53"), syscall.EMSGSIZE)
	check(t, send(t, a, s, text[1:], "192.0.2.2:53"))
	w.Advance(10 * ms)
	if n := len(received(t, b, r)); n != 2 {
		t.Errorf("%d came", n)
	}
}

func TestAliasAndInterfaces(t *testing.T) {
	w := sim.New(1, link(ms))
	ll := netip.MustParseAddr("fe80::1")
	a := w.Host("a", addrA, netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("fe80::2"))
	b := w.Host("b", addrB, netip.MustParseAddr("192.0.2.3"), netip.MustParseAddr("2001:db8::2"), ll)
	eth1 := b.AddInterface("eth1", netip.MustParseAddr("198.51.100.1"))
	for _, c := range []struct {
		wild, to string
		ifindex  uint32
	}{
		{"0.0.0.0:53", "192.0.2.2", 2}, {"0.0.0.0:53", "192.0.2.3", 2}, {"0.0.0.0:53", "198.51.100.1", eth1},
		{"[::]:53", "2001:db8::2", 2}, {"[::]:53", "fe80::1", 2},
	} {
		r := bindUDP(t, b, c.wild)
		check(t, b.SetOption(r, sock.PacketInfo, 1))
		wild := "0.0.0.0:0"
		if c.wild[0] == '[' {
			wild = "[::]:0"
		}
		s := bindUDP(t, a, wild)
		to := netip.AddrPortFrom(netip.MustParseAddr(c.to), 53)
		p := []frio.Packet{{Data: []byte("x"), Remote: to, Ifindex: 2}}
		_, err := a.SendPackets(s, p)
		check(t, err)
		w.Advance(10 * ms)
		got := received(t, b, r)
		if len(got) != 1 || got[0].Local != to || got[0].Ifindex != c.ifindex {
			t.Fatalf("to %v: %+v", to, got)
		}
		_, err = b.SendPackets(r, got)
		check(t, err)
		w.Advance(10 * ms)
		if back := received(t, a, s); len(back) != 1 || back[0].Remote != to {
			t.Errorf("the answer from %v: %+v", to, back)
		}
		check(t, b.Close(r))
		check(t, a.Close(s))
	}
	s := bindUDP(t, a, "[::]:0")
	wantErr(t, "through lo", send6(a, s, 1), syscall.ENETUNREACH)
	wantErr(t, "through no interface", send6(a, s, 9), syscall.ENODEV)

	// A socket of one interface hears only that one.
	r := bindUDP(t, b, "0.0.0.0:54")
	check(t, b.BindDevice(r, "eth1"))
	wantErr(t, "no such interface", b.BindDevice(r, "eth7"), syscall.ENODEV)
	s = bindUDP(t, a, "0.0.0.0:0")
	check(t, send(t, a, s, "other", "192.0.2.2:54"))
	check(t, send(t, a, s, "mine", "198.51.100.1:54"))
	w.Advance(10 * ms)
	if got := texts(received(t, b, r)); !slices.Equal(got, []string{"mine"}) {
		t.Errorf("a socket of eth1 got %q", got)
	}
}

func send6(k *sim.Kernel, fd int, ifindex uint32) error {
	_, err := k.SendPackets(fd, []frio.Packet{{Data: []byte("x"), Remote: netip.MustParseAddrPort("[2001:db8::2]:53"), Ifindex: ifindex}})
	return err
}

func TestSteering(t *testing.T) {
	w, a, b := two(1, link(ms))
	var group []int
	for range 4 {
		fd := open(t, b, sock.Inet4, frio.Datagram)
		check(t, b.SetOption(fd, sock.ReusePort, 1))
		check(t, b.Bind(fd, at(addrB, 53)))
		group = append(group, fd)
	}
	check(t, b.SteerPackets(group[0], 4))
	used := 0
	owner := map[netip.AddrPort]int{}
	for round := range 2 {
		used = 0
		var senders []int
		for i := range 64 {
			s := bindUDP(t, a, fmt.Sprint("192.0.2.1:", 2000+i))
			check(t, send(t, a, s, "x", "192.0.2.2:53"))
			senders = append(senders, s)
		}
		w.Advance(10 * ms)
		for i, fd := range group {
			packets := received(t, b, fd)
			if len(packets) > 0 {
				used++
			}
			for _, p := range packets {
				if o, ok := owner[p.Remote]; ok && o != i {
					t.Errorf("round %d: %v went to %d and before to %d", round, p.Remote, i, o)
				}
				owner[p.Remote] = i
			}
		}
		for _, s := range senders {
			check(t, a.Close(s))
		}
	}
	if len(owner) != 64 || used != 4 {
		t.Errorf("%d peers on %d sockets", len(owner), used)
	}
	check(t, b.SteerPackets(group[3], 2))
	for i := range 64 {
		check(t, send(t, a, bindUDP(t, a, fmt.Sprint("192.0.2.1:", 2000+i)), "x", "192.0.2.2:53"))
	}
	w.Advance(10 * ms)
	for i, fd := range group {
		if n := len(received(t, b, fd)); (n > 0) != (i < 2) {
			t.Errorf("steered to two of four: socket %d got %d", i, n)
		}
	}
}

func TestTrains(t *testing.T) {
	w, a, b := two(1, link(ms))
	r, s := bindUDP(t, b, "192.0.2.2:53"), bindUDP(t, a, "192.0.2.1:0")
	check(t, b.SetOption(r, sock.GRO, 1))
	for _, text := range []string{"aaaa", "bbbb", "cc", "dddd", "eeeee"} {
		check(t, send(t, a, s, text, "192.0.2.2:53"))
	}
	w.Advance(10 * ms)
	for _, want := range []struct {
		text    string
		segment int
	}{{"aaaabbbbcc", 4}, {"dddd", 0}, {"eeeee", 0}} {
		p := frio.Packet{Data: make([]byte, 0, 4096)}
		segment, err := b.RecvTrain(r, &p)
		if err != nil || segment != want.segment || string(p.Data) != want.text {
			t.Errorf("train %q of %d, %v; want %q of %d", p.Data, segment, err, want.text, want.segment)
		}
	}
	_, err := b.RecvTrain(r, &frio.Packet{})
	wantErr(t, "empty", err, syscall.EAGAIN)
}

func TestBroadcast(t *testing.T) {
	w, a, b := two(1, link(ms))
	r, s := bindUDP(t, b, "0.0.0.0:67"), bindUDP(t, a, "0.0.0.0:68")
	wantErr(t, "not allowed", send(t, a, s, "x", "255.255.255.255:67"), syscall.EACCES)
	check(t, a.SetOption(s, sock.Broadcast, 1))
	check(t, send(t, a, s, "x", "255.255.255.255:67"))
	w.Advance(10 * ms)
	if got := received(t, b, r); len(got) != 1 || got[0].Remote != netip.AddrPortFrom(addrA, 68) {
		t.Errorf("%+v", got)
	}
}
