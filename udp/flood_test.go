package udp

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"syscall"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

// flood is a Kernel whose socket always has a batch of datagrams, each of another peer.
type flood struct {
	sock.Kernel
	next, sent, calls int
	refuse            error // of each second send
	peers             int   // that take turns; 0: each datagram has its own
	text              []byte
}

func (f *flood) RecvPackets(_ int, packets []frio.Packet) (int, error) {
	for i := range packets {
		var source [4]byte
		peer := f.next
		if f.peers > 0 {
			peer %= f.peers
		}
		binary.BigEndian.PutUint32(source[:], uint32(peer))
		f.next++
		packets[i].Data = append(packets[i].Data[:0], f.text...)
		packets[i].Remote = netip.AddrPortFrom(netip.AddrFrom4(source), 1)
		packets[i].Local = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 1812)
	}
	return len(packets), nil
}

func (f *flood) SendPackets(_ int, packets []frio.Packet) (int, error) {
	if f.calls++; f.refuse != nil && f.calls%2 == 0 {
		return 0, f.refuse
	}
	for i := range packets {
		if string(packets[i].Data) != "who is there?" {
			return 0, syscall.EINVAL
		}
	}
	f.sent += len(packets)
	return len(packets), nil
}

func flooded(t *testing.T, gate frio.Gate) (*talloc.Context, *flood, *Listener) {
	t.Helper()
	k := &flood{Kernel: sim.New(1, sim.Options{}).Host("host"), text: []byte("hello")}
	root := talloc.Root("test")
	t.Cleanup(root.Free)
	sock.SetKernel(root, k)
	file, err := conf.ParseString("t", "listen { protocol = udp\nudp { ipaddr = *\nport = 1812\n} }", conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	io, err := frio.Parse(root, file.Sections("listen")[0])
	if err != nil {
		t.Fatal(err)
	}
	l := io.(*Listener)
	if gate != nil {
		if err := l.SetGate(gate); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	return root, k, l
}

func TestGateKeepsNoState(t *testing.T) {
	const hellos = 1_000_000
	asked := 0
	root, k, l := flooded(t, func(p *frio.Packet, scratch []byte) ([]byte, frio.Verdict) {
		asked++
		if string(p.Data) != "hello" || !p.Remote.IsValid() {
			t.Fatalf("the gate was shown %q of %v", p.Data, p.Remote)
		}
		return append(scratch[:0], "who is there?"...), frio.GateReply
	})
	step := func() {
		if _, err := l.Accept(root); err != frio.ErrAgain {
			t.Fatalf("Accept: %v, want ErrAgain", err)
		}
	}
	step() // what is made once
	before := root.Total()
	var start, end runtime.MemStats
	runtime.ReadMemStats(&start)
	for k.next < hellos {
		step()
	}
	runtime.ReadMemStats(&end)
	if asked != k.next || k.sent != asked || l.counts.Replies.Load() != uint64(asked) {
		t.Errorf("%d hellos, the gate was asked %d times, %d replies were sent", k.next, asked, k.sent)
	}
	if after := root.Total(); after != before {
		t.Errorf("the contexts hold %+v, before %+v", after, before)
	}
	if len(l.byPeer) > 0 || l.waiting.count > 0 || l.set.slots.Used() > 0 {
		t.Errorf("%d peers are known, %d wait, %d slots are taken", len(l.byPeer), l.waiting.count, l.set.slots.Used())
	}
	if n := end.Mallocs - start.Mallocs; n > hellos/1000 {
		t.Errorf("%d allocations for %d hellos", n, hellos)
	}
}

func TestGateRepliesLost(t *testing.T) {
	for _, c := range []struct {
		err  error
		lost uint64 // of two batches: the second call of each is refused
	}{{nil, 0}, {syscall.EAGAIN, batchCount}, {syscall.EINVAL, 1}, {syscall.ENOBUFS, 1}} {
		root, k, l := flooded(t, func(_ *frio.Packet, scratch []byte) ([]byte, frio.Verdict) {
			return append(scratch[:0], "who is there?"...), frio.GateReply
		})
		k.refuse = c.err
		for range 2 {
			l.Accept(root)
		}
		if got := l.counts.RepliesLost.Load(); got != c.lost || uint64(k.sent)+got != 2*batchCount {
			t.Errorf("%v: %d replies lost and %d sent of %d, want %d lost", c.err, got, k.sent, 2*batchCount, c.lost)
		}
		if errno, ok := c.err.(syscall.Errno); ok && errno != syscall.EAGAIN && l.counts.Errors.Count(errno) != 1 {
			t.Errorf("%v was counted %d times", errno, l.counts.Errors.Count(errno))
		}
	}
}

func TestGateReplyTooLong(t *testing.T) {
	root, k, l := flooded(t, func(_ *frio.Packet, scratch []byte) ([]byte, frio.Verdict) {
		return make([]byte, len(scratch)+1), frio.GateReply
	})
	l.Accept(root)
	if got := l.counts.RepliesLost.Load(); got != batchCount || k.sent > 0 {
		t.Errorf("%d replies lost, %d sent", got, k.sent)
	}
}

// TestFloodIsBounded: without a gate every peer is somebody; max_children bounds them, and what waits of them is bounded.
func TestFloodIsBounded(t *testing.T) {
	root, k, l := flooded(t, func(*frio.Packet, []byte) ([]byte, frio.Verdict) { return nil, frio.GateChild })
	for k.next < 100_000 {
		l.take()
	}
	if l.waiting.count != maxChildren || len(l.byPeer) != maxChildren {
		t.Errorf("%d children wait, %d are known, want %d", l.waiting.count, len(l.byPeer), maxChildren)
	}
	if got, want := l.counts.Full.Load(), uint64(k.next-maxChildren); got != want {
		t.Errorf("%d datagrams were dropped at max_children, want %d", got, want)
	}
	if total := root.Total().Bytes; total > waitingBytes+inboxBytes || int64(l.held) != l.ctx.Total().Bytes {
		t.Errorf("the contexts hold %d bytes, the inboxes say %d", total, l.held)
	}
	if err := l.Close(); err != nil || l.ctx.Total().Buffers > 0 || l.set.slots.Used() > 0 {
		t.Errorf("after Close: %v, %+v, %d slots", err, l.ctx.Total(), l.set.slots.Used())
	}
}

// TestWaitingIsBounded: children that nobody accepts hold a full inbox each, and 64 times that together.
func TestWaitingIsBounded(t *testing.T) {
	for _, c := range []struct {
		peers   int
		dropped bool
	}{{64, false}, {1000, true}} {
		root, k, l := flooded(t, func(*frio.Packet, []byte) ([]byte, frio.Verdict) { return nil, frio.GateChild })
		k.peers, k.text = c.peers, make([]byte, 2000)
		for k.next < c.peers*inboxCount {
			l.take()
		}
		if total := root.Total().Bytes; total > waitingBytes+inboxBytes || int64(l.held) != total {
			t.Errorf("%d peers: the contexts hold %d bytes, the inboxes say %d", c.peers, total, l.held)
		}
		if dropped := l.counts.Held.Load(); (dropped > 0) != c.dropped || l.counts.Inbox.Load() > 0 {
			t.Errorf("%d peers: %d datagrams dropped, %d for a full inbox", c.peers, dropped, l.counts.Inbox.Load())
		}
		kept := 0
		for one := l.waiting.first; one != nil; one = one.places[inParent].next {
			kept += one.inbox.count
		}
		if all := k.next; kept+int(l.counts.Held.Load()) != all {
			t.Errorf("%d peers: %d datagrams wait and %d were dropped, of %d", c.peers, kept, l.counts.Held.Load(), all)
		}
	}
}

func TestErrors(t *testing.T) {
	var e Errors
	for i := range errnoKinds + 3 {
		for range i + 1 {
			e.add(syscall.Errno(i + 1))
		}
	}
	e.add(frio.ErrTooLong)
	for i := range errnoKinds {
		if got := e.Count(syscall.Errno(i + 1)); got != uint64(i+1) {
			t.Errorf("errno %d: %d, want %d", i+1, got, i+1)
		}
	}
	seen := map[syscall.Errno]uint64{}
	e.Each(func(errno syscall.Errno, count uint64) { seen[errno] = count })
	if want := uint64(9 + 10 + 11 + 1); len(seen) != errnoKinds+1 || seen[0] != want {
		t.Errorf("%v, want %d others", seen, want)
	}
}

func TestKey(t *testing.T) {
	packet := func(remote, local string, ifindex uint32) *frio.Packet {
		return &frio.Packet{Remote: netip.MustParseAddrPort(remote), Local: netip.MustParseAddrPort(local), Ifindex: ifindex}
	}
	for _, c := range []struct {
		name string
		a, b *frio.Packet
		same bool
	}{
		{"the same", packet("192.0.2.1:7", "192.0.2.9:1", 1), packet("192.0.2.1:7", "192.0.2.9:1", 1), true},
		{"another way in", packet("192.0.2.1:7", "192.0.2.9:1", 1), packet("192.0.2.1:7", "192.0.2.9:1", 2), true},
		{"another port", packet("192.0.2.1:7", "192.0.2.9:1", 1), packet("192.0.2.1:8", "192.0.2.9:1", 1), false},
		{"another peer", packet("192.0.2.1:7", "192.0.2.9:1", 1), packet("192.0.2.2:7", "192.0.2.9:1", 1), false},
		{"another address of ours", packet("192.0.2.1:7", "192.0.2.9:1", 1), packet("192.0.2.1:7", "192.0.2.8:1", 1), false},
		{"link-local on another link", packet("[fe80::1]:7", "[fe80::2]:1", 1), packet("[fe80::1]:7", "[fe80::2]:1", 2), false},
		{"link-local on the same link", packet("[fe80::1]:7", "[fe80::2]:1", 2), packet("[fe80::1]:7", "[fe80::2]:1", 2), true},
	} {
		if same := keyOf(c.a) == keyOf(c.b); same != c.same {
			t.Errorf("%s: one child: %v", c.name, same)
		}
	}
}
