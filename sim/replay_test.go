package sim_test

import (
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

// load is an echo server and clients that come, talk, and leave in every way, with every fault there is.
type load struct {
	t        *testing.T
	w        *sim.World
	a, b     *sim.Kernel
	pa, pb   event.Poller
	rng      uint64
	listener int
	dgram    int
	answers  int
}

func (l *load) below(n int) int {
	l.rng = l.rng*6364136223846793005 + 1442695040888963407
	return int(l.rng >> 33 % uint64(n))
}

// runLoad runs one and returns its hash and how many answers came.
func runLoad(t *testing.T, seed uint64) (hash uint64, answers int) {
	w := sim.New(seed, sim.Options{
		Link:   sim.Link{DelayMin: ms, DelayMax: 30 * ms, Loss: 0.05, Duplicate: 0.05, Reorder: 0.1, Corrupt: 0.02},
		Faults: sim.Faults{Again: 0.1, Partial: 0.3, Reset: 0.01, Exhaust: 0.05, Interrupt: 0.05, Shuffle: 0.5},
	})
	l := &load{t: t, w: w, a: w.Host("a", addrA), b: w.Host("b", addrB), rng: seed}
	l.pa, l.pb = poller(t, l.a), poller(t, l.b)
	l.a.SetDescriptorLimit(30)
	for {
		fd, err := l.b.Socket(sock.Inet4, frio.Stream)
		if err == nil {
			l.listener = fd
			break
		}
	}
	check(t, l.b.Bind(l.listener, at(addrB, 7)))
	check(t, l.b.Listen(l.listener, 4))
	check(t, l.pb.Add(l.listener, uint64(l.listener), event.Read))
	for {
		fd, err := l.b.Socket(sock.Inet4, frio.Datagram)
		if err == nil {
			l.dgram = fd
			break
		}
	}
	check(t, l.b.Bind(l.dgram, at(addrB, 7)))
	check(t, l.pb.Add(l.dgram, uint64(l.dgram), event.Read))
	for range 400 {
		l.client()
		l.serve(l.pb, l.b, true)
		l.serve(l.pa, l.a, false)
	}
	return w.Hash(), l.answers
}

// client does something new.
func (l *load) client() {
	kind := frio.Kind(l.below(2))
	fd, err := l.a.Socket(sock.Inet4, kind)
	if err != nil {
		if l.below(3) == 0 {
			_ = l.a.Close(3 + l.below(30))
		}
		return
	}
	_ = l.a.Connect(fd, at([]netip.Addr{addrB, addrB, addrB, netip.MustParseAddr("203.0.113.9")}[l.below(4)], uint16(7+l.below(5)/4)))
	check(l.t, l.pa.Add(fd, uint64(fd), event.Read|event.Write))
}

// serve takes what a poller reports: the server echoes, a client talks.
func (l *load) serve(p event.Poller, k *sim.Kernel, server bool) {
	var batch [8]event.Event
	n, err := p.Wait(batch[:], time.Duration(1+l.below(20))*ms)
	check(l.t, err)
	var buf [600]byte
	for _, e := range batch[:n] {
		fd := int(e.ID)
		if server && fd == l.listener {
			if c, _, err := k.Accept(fd); err == nil {
				check(l.t, p.Add(c, uint64(c), event.Read))
			}
			continue
		}
		if server && fd == l.dgram {
			packets := make([]frio.Packet, 4)
			for i := range packets {
				packets[i].Data = make([]byte, 0, 600)
			}
			n, _ := k.RecvPackets(fd, packets)
			_, _ = k.SendPackets(fd, packets[:n])
			continue
		}
		n, err := k.Recv(fd, buf[:])
		switch {
		case server && err == nil && n > 0:
			_, _ = k.Send(fd, buf[:n])
		case err == nil && n > 0:
			l.answers++
			if l.below(4) == 0 {
				_ = k.CloseWrite(fd)
			}
		case err == nil || err != syscall.EAGAIN || !server && l.below(20) == 0:
			_ = k.Close(fd)
			continue
		}
		if !server && e.Ready&event.Write != 0 {
			_, _ = k.Send(fd, buf[:1+l.below(500)])
			check(l.t, p.Modify(fd, e.ID, event.Read))
		}
	}
}

// TestReplay: the same seed gives the same run, another one another.
func TestReplay(t *testing.T) {
	seen := map[uint64]uint64{}
	for seed := range uint64(60) {
		first, answers := runLoad(t, seed)
		second, _ := runLoad(t, seed)
		if first != second {
			t.Fatalf("seed %d: two runs differ: %x and %x", seed, first, second)
		}
		if answers == 0 {
			t.Errorf("seed %d: nothing was answered", seed)
		}
		if other, ok := seen[first]; ok {
			t.Errorf("seeds %d and %d gave the same run", seed, other)
		}
		seen[first] = seed
	}
}

// TestHashSees: one byte or one argument that differs shows in the hash.
func TestHashSees(t *testing.T) {
	run := func(text string, opt int) uint64 {
		w, a, b := two(1, link(ms))
		c, s := connection(t, w, a, b)
		check(t, b.SetOption(s, sock.RecvBuff, opt))
		_, err := a.Send(c, []byte(text))
		check(t, err)
		return w.Hash()
	}
	hashes := map[uint64]string{}
	for _, text := range []string{"a", "b", "ab", "abcdefgh", "abcdefgi"} {
		for _, opt := range []int{4000, 5000} {
			h := run(text, opt)
			name := fmt.Sprint(text, " ", opt)
			if other := hashes[h]; other != "" {
				t.Errorf("%s and %s have the same hash", name, other)
			}
			hashes[h] = name
			if run(text, opt) != h {
				t.Errorf("%s has two hashes", name)
			}
		}
	}
}
