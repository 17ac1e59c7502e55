package udp_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
)

// sendTrain sends count datagrams of one size as one batch, which the kernel may keep together, and a shorter last one.
func sendTrain(e *friotest.Env, c *friotest.Probe, name string, count int) (texts []string) {
	e.Helper()
	packets := make([]frio.Packet, count)
	for i := range packets {
		text := fmt.Sprintf("%s %03d of the train", name, i)
		if i == count-1 {
			text = "the last"
		}
		texts = append(texts, text)
		packets[i].Data = []byte(text)
	}
	for len(packets) > 0 {
		n, err := c.WritePackets(packets)
		if err != nil {
			e.Fatalf("WritePackets: %v", err)
		}
		packets = packets[n:]
	}
	return texts
}

// TestTrain: a train is cut into the reader's packets, whatever their number; what is left is announced though the socket is empty.
func TestTrain(t *testing.T) {
	for _, batch := range []int{1, 7, 64, 100} {
		both(t, func(e *friotest.Env) {
			l := opened(e, onLoopback+"gro = yes\n", "")
			c := clientOf(e, l, "")
			var got []frio.Packet
			l.Wish(nil, func() {
				packets := room(batch, 64)
				n, err := l.ReadPackets(packets)
				if err != nil && err != frio.ErrAgain {
					e.Fatalf("ReadPackets: %v", err)
				}
				got = append(got, packets[:n]...)
			}, nil)
			want := append(sendTrain(e, c, "one", 40), sendTrain(e, c, "two", 50)...)
			e.Until("all datagrams", func() bool { return len(got) >= len(want) })
			for i, q := range got {
				if string(q.Data) != want[i] || q.Err != nil || q.Remote != e.Local(c) || q.Local != e.Local(l) || q.Time == 0 {
					e.Fatalf("packet %d: %q, want %q: %+v", i, q.Data, want[i], q)
				}
			}
			reads := l.Reads
			e.Spin(5)
			if len(got) != len(want) || l.Reads > reads {
				e.Errorf("%d datagrams of %d, %d callbacks with everything read", len(got), len(want), l.Reads-reads)
			}
			if n := l.Ctx.Total().Buffers; n > 0 {
				e.Errorf("%d buffers are left of the trains", n)
			}
		})
	}
}

// TestTrainByRead: Read takes a train datagram by datagram; one that does not fit costs that one.
func TestTrainByRead(t *testing.T) {
	both(t, func(e *friotest.Env) {
		for _, who := range []string{"listener", "client"} {
			l := opened(e, onLoopback+"gro = yes\n", "")
			c := clientOf(e, l, "gro = yes")
			reader, name := l, "from the client"
			var want []string
			if who == "client" {
				reader = c
				packets := make([]frio.Packet, 20)
				for i := range packets {
					want = append(want, fmt.Sprintf("reply %03d", i))
					packets[i] = packetTo(e.Local(c), want[i])
				}
				if n, err := l.WritePackets(packets); n != len(packets) || err != nil {
					e.Fatalf("WritePackets: %d, %v", n, err)
				}
			} else {
				want = sendTrain(e, c, name, 20)
			}
			for i, text := range want {
				if i == 5 {
					var err error
					e.Until("the datagram", func() bool {
						_, err = reader.Read(make([]byte, 4))
						return err != frio.ErrAgain
					})
					if !errors.Is(err, frio.ErrTooLong) {
						e.Fatalf("Read into a short buffer: %v", err)
					}
					continue
				}
				e.Expect(reader, []byte(text))
			}
			e.Nothing(reader)
			if n := reader.Ctx.Total().Buffers; n > 0 {
				e.Errorf("%d buffers are left of the train", n)
			}
			if got := countsOf(reader); got.TooLong.Load() != 1 || got.In.Load() != 20 {
				e.Errorf("counted %d too long, %d in, want 1, 20", got.TooLong.Load(), got.In.Load())
			}
		}
	})
}

// TestTrainMoves: what is left of a train goes along to another loop.
func TestTrainMoves(t *testing.T) {
	onSim(t, func(e *friotest.Env) {
		other := e.NewSide("other")
		l := opened(e, onLoopback+"gro = yes\n", "")
		l.Wish(nil, nil, nil)
		c := clientOf(e, l, "")
		want := sendTrain(e, c, "one", 10)
		for _, q := range readAll(e, l, 4, 4, 64) {
			if string(q.Data) != want[0] {
				e.Errorf("read %q, want %q", q.Data, want[0])
			}
			want = want[1:]
		}
		calls := 0
		e.Move(l, other, func() { calls++ }, nil)
		e.Until("the rest on the new loop", func() bool { return calls > 0 })
		for i, q := range readAll(e, l, 6, 64, 64) {
			if string(q.Data) != want[i] {
				e.Errorf("read %q, want %q", q.Data, want[i])
			}
		}
	})
}

// TestTrainOfChildren: with children the trains of several peers reach the right ones.
func TestTrainOfChildren(t *testing.T) {
	both(t, func(e *friotest.Env) {
		l := opened(e, demuxed+"gro = yes\nrecv_buff = 1M\n", "")
		p := newPeers(e, l, 3)
		p.serve(nil)
		for _, c := range p.clients {
			packets := make([]frio.Packet, 40)
			for n := range packets {
				packets[n].Data = []byte(fmt.Sprintf("%v #%d", e.Local(c), n))
			}
			for len(packets) > 0 {
				n, err := c.WritePackets(packets)
				if err != nil {
					e.Fatalf("WritePackets: %v", err)
				}
				packets = packets[n:]
			}
		}
		e.Until("all datagrams", func() bool {
			total := 0
			for _, n := range p.got {
				total += n
			}
			return total == 3*40
		})
	})
}

// TestTrainErrors: an error behind a train is told after it; memory that is not there costs what is left, and is counted.
func TestTrainErrors(t *testing.T) {
	onSim(t, func(e *friotest.Env) {
		l := opened(e, onLoopback+"gro = yes\n", "")
		c := clientOf(e, l, "")
		sendTrain(e, c, "one", 10)
		e.Host().Inject("RecvTrain", 2, syscall.ECONNREFUSED)
		packets := room(64, 64)
		if n, err := l.ReadPackets(packets); n != 10 || err != nil {
			e.Fatalf("ReadPackets: %d, %v, want 10, nil", n, err)
		}
		n, err := l.ReadPackets(packets)
		var told *frio.PacketError
		if n != 0 || !errors.As(err, &told) || !errors.Is(err, syscall.ECONNREFUSED) {
			e.Fatalf("ReadPackets: %d, %v, want ECONNREFUSED", n, err)
		}
		sendTrain(e, c, "two", 10)
		l.Ctx.SetLimit(1, 0)
		if n, err := l.ReadPackets(packets[:4]); n != 4 || err != nil {
			e.Fatalf("ReadPackets: %d, %v, want 4, nil", n, err)
		}
		l.Ctx.SetLimit(0, 0)
		e.Nothing(l)
		if text := l.DebugText(); countsOf(l).Errors.Count(syscall.ENOMEM) != 6 || !strings.Contains(text, syscall.ENOMEM.Error()) {
			e.Errorf("six datagrams were lost, Debug:\n%s", text)
		}
	})
}
