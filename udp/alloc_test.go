package udp_test

import (
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
)

// allocates fails the test if f allocates in steady state. Builds that check threads allocate for that.
func allocates(t *testing.T, f func()) {
	t.Helper()
	for range 100 {
		f()
	}
	if n := testing.AllocsPerRun(200, f); n > 0 && !checkedBuild {
		t.Errorf("%v allocations", n)
	}
}

// TestBatchAllocs: a batch there and back, with GRO and without.
func TestBatchAllocs(t *testing.T) {
	for _, lines := range []string{"", "gro = yes\n"} {
		e := friotest.NewEnv(t, false, 1)
		l := opened(e, onLoopback+lines, "")
		c := clientOf(e, l, lines)
		out, in := make([]frio.Packet, 32), room(32, 256)
		for i := range out {
			out[i].Data = make([]byte, 100)
		}
		move := func(from, to frio.PacketIO, packets []frio.Packet) {
			for sent, got := 0, 0; got < len(packets); {
				n, err := from.WritePackets(packets[sent:])
				if err != nil {
					t.Fatalf("WritePackets: %v", err)
				}
				for sent += n; got < sent; {
					n, err := to.ReadPackets(in[got:])
					if err != nil && err != frio.ErrAgain {
						t.Fatalf("ReadPackets: %v", err)
					}
					got += n
				}
			}
		}
		server, client := l.IO.(frio.PacketIO), c.IO.(frio.PacketIO)
		allocates(t, func() {
			move(client, server, out)
			move(server, client, in) // the replies are made of what was read
		})
		e.Finish()
	}
}

// TestDeliveryAllocs: from the socket through the gate to eight children, their callbacks, and back, one by one and in batches. The IOs are
// called as they are: Probe allocates.
func TestDeliveryAllocs(t *testing.T) {
	for _, batch := range []bool{false, true} {
		e := friotest.NewEnv(t, false, 1)
		l := gated(e)
		l.Wish(nil, nil, nil)
		var clients []frio.IO
		served := 0
		buf, packets := make([]byte, 256), room(4, 256)
		for range 8 {
			c := clientOf(e, l, "")
			e.Send(c, []byte("cookie"))
			accepted := e.AcceptFrom(l, nil)
			e.Expect(accepted, []byte("cookie"))
			child := accepted.IO
			clients = append(clients, c.IO)
			serve := func() {
				for {
					n, err := child.Read(buf)
					if err == nil {
						_, err = child.Write(buf[:n])
					}
					if err == frio.ErrAgain {
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					served++
				}
			}
			if batch {
				serve = func() {
					n, err := child.(frio.PacketIO).ReadPackets(packets)
					if err == nil {
						n, err = child.(frio.PacketIO).WritePackets(packets[:n])
					}
					if err != nil && err != frio.ErrAgain {
						t.Fatal(err)
					}
					served += n
				}
			}
			if err := child.Event(e.Loop, serve, nil); err != nil {
				t.Fatal(err)
			}
		}
		text, hello := []byte("some text of a peer"), []byte("hello")
		allocates(t, func() {
			served = 0
			for _, c := range clients {
				for _, b := range [][]byte{text, hello} {
					if _, err := c.Write(b); err != nil {
						t.Fatal(err)
					}
				}
			}
			for got := 0; got < 2*len(clients); {
				if err := e.Loop.Turn(0); err != nil {
					t.Fatal(err)
				}
				for _, c := range clients {
					if _, err := c.Read(buf); err == nil {
						got++
					} else if err != frio.ErrAgain {
						t.Fatal(err)
					}
				}
			}
			if served != len(clients) {
				t.Fatalf("%d datagrams served, want %d", served, len(clients))
			}
		})
		e.Finish()
	}
}
