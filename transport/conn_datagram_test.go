package transport

import (
	"bytes"
	"net/netip"
	"syscall"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sim"
)

// bound is a raw datagram socket that is connected to where a port listens.
func (b *bench) bound(p *Port) *raw {
	return b.socket(frio.Datagram, netip.MustParseAddrPort("127.0.0.1:0"), at(p))
}

// datagrams takes what is there.
func (r *raw) datagrams() (got [][]byte) {
	for {
		p := []frio.Packet{{Data: make([]byte, 0, 65536)}}
		if n, err := r.Kernel.RecvPackets(r.fd, p); n == 0 || err != nil {
			return got
		}
		got = append(got, p[0].Data)
	}
}

func udpEcho(b *bench, cfg Config) (*Port, *recorder) {
	b.Helper()
	s := &service{cfg: cfg, make: func() *recorder { return new(recorder).echo() }}
	p := b.serve(inet("listen", "udp", "udp", 0, ""), s)
	r := b.bound(p)
	r.send([]byte("first"))
	b.Until("the first datagram is answered", func() bool { return len(r.datagrams()) == 1 })
	user := s.users[0]
	user.got, user.addrs = nil, nil
	return p, user
}

func TestDatagrams(t *testing.T) {
	onBoth(t, func(b *bench) {
		port, user := udpEcho(b, Config{})
		r := b.bound(port)
		var want, got [][]byte
		for _, n := range []int{1, 0, 1200, 65507, 0, 3} {
			want = append(want, message(7, max(n, 3))[:n])
		}
		for _, m := range want {
			if _, err := b.Kernel.SendPackets(r.fd, []frio.Packet{{Data: m}}); err != nil {
				t.Fatal(err)
			}
			b.Until("it is back", func() bool {
				got = append(got, r.datagrams()...)
				return len(got) == len(user.got) && len(got) > 0 && bytes.Equal(got[len(got)-1], m)
			})
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) || !bytes.Equal(user.got[i], want[i]) {
				t.Errorf("datagram %d: %d bytes came, %d came back, %d were sent", i, len(user.got[i]), len(got[i]), len(want[i]))
			}
		}
		if len(user.faults)+len(user.ends) > 0 {
			t.Errorf("told of %v, %v", user.faults, user.ends)
		}
	})
}

// All answers of a turn leave in one call for each 64.
func TestDatagramsLeaveInBatches(t *testing.T) {
	onSim(t, func(b *bench) {
		port, user := udpEcho(b, Config{MessageMax: 4096})
		r := b.bound(port)
		const count = 100
		for i := range count {
			r.send(message(byte(i), 20))
		}
		calls := b.Host().Calls("SendPackets")
		b.Turn()
		if n := b.Host().Calls("SendPackets") - calls; len(user.got) != count || n != 2 {
			t.Errorf("%d datagrams, %d calls to answer them; want %d, 2", len(user.got), n, count)
		}
		got := r.datagrams()
		same(b, got, user.got)
		if st := user.conn.Stats(); st.In != count+1 || st.Out != count+1 || st.Dropped+st.Faults != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

// A datagram that cannot be read costs itself, wherever in its batch it is, and so does one that cannot be sent.
func TestRefusedDatagramsInABatch(t *testing.T) {
	onBoth(t, func(b *bench) {
		port, user := udpEcho(b, Config{MessageMax: 100})
		r := b.bound(port)
		var want [][]byte
		faults := 0
		for i, n := range []int{200, 50, 101, 300, 60, 70, 400, 100, 101, 20, 500} {
			m := message(byte(i), n)
			r.send(m)
			if n <= 100 {
				want = append(want, m)
			} else {
				faults++
			}
		}
		var got [][]byte
		b.Until("the good ones are back", func() bool { got = append(got, r.datagrams()...); return len(got) == len(want) })
		same(b, user.got, want)
		same(b, got, want)
		if len(user.faults) != faults {
			t.Errorf("%d faults, want %d: %v", len(user.faults), faults, user.faults)
		}
	})
	onSim(t, func(b *bench) {
		port, user := udpEcho(b, Config{MessageMax: 100})
		r := b.bound(port)
		for i := range 10 {
			r.send(message(byte(i), 20))
		}
		b.Host().Inject("SendPackets", 4, syscall.EPERM)
		b.Spin(3)
		if got := r.datagrams(); len(got) != 9 || len(user.got) != 10 || len(user.faults) != 1 {
			t.Errorf("%d came, %d are back, faults %v", len(user.got), len(got), user.faults)
		}
		b.Host().InjectAll("SendPackets", syscall.EAGAIN)
		r.send(message(1, 20))
		b.Spin(3)
		b.Host().InjectAll("SendPackets", 0)
		if st := user.conn.Stats(); st.Dropped != 1 || len(user.faults) != 2 || user.faults[1] != error(ErrNoRoom) {
			t.Errorf("stats %+v, faults %v", st, user.faults)
		}
	})
}

// More than the arena holds in one turn goes out in between, in order.
func TestArenaOverflow(t *testing.T) {
	onSim(t, func(b *bench) {
		_, user := udpEcho(b, Config{})
		to := Addr{Remote: netip.MustParseAddrPort("127.0.0.1:9")}
		var got [][]byte
		b.World().OnDatagram(func(d *sim.Datagram) (a sim.Action) {
			if d.To == to.Remote {
				got = append(got, append([]byte(nil), d.Data...))
				a.Drop = true
			}
			return a
		})
		var want [][]byte
		for i := range 3 * arenaBytes / 1400 {
			want = append(want, message(byte(i), 1400))
			b.must(user.conn.Send(&to, want[i]))
		}
		b.Turn()
		same(b, got, want)
		if err := user.conn.Send(&to, make([]byte, arenaBytes+1)); err != frio.ErrTooLong {
			t.Errorf("one that the arena never holds: %v", err)
		}
	})
}

// Pause keeps a socket from being read, after the batch that is being given.
func TestPauseDatagrams(t *testing.T) {
	onSim(t, func(b *bench) {
		port, user := udpEcho(b, Config{MessageMax: 4096})
		user.message = func(c *Conn, _ *Message) { c.Pause() }
		r := b.bound(port)
		for i := range 2*batchMax + 5 {
			r.send(message(byte(i), 20))
		}
		for _, count := range []int{batchMax, 2 * batchMax, 2*batchMax + 5} {
			b.Spin(5)
			if len(user.got) != count {
				t.Fatalf("%d datagrams came, want %d", len(user.got), count)
			}
			user.conn.Resume()
		}
	})
}
