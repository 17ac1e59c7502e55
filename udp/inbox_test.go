package udp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/talloc"
)

func TestInbox(t *testing.T) {
	root := talloc.Root("test")
	defer root.Free()
	var b inbox
	var model []frio.Packet
	used := 0
	buf := make([]byte, 70_000)
	random := rand.New(rand.NewPCG(1, 2))
	for step := range 30_000 {
		if random.IntN(2) == 0 {
			n := random.IntN(300)
			switch random.IntN(20) {
			case 0:
				n = 0
			case 1:
				n = random.IntN(65_528)
			}
			p := frio.Packet{Data: make([]byte, n), Time: int64(step), Ifindex: uint32(step % 7), ECN: uint8(step % 4)}
			for i := range p.Data {
				p.Data[i] = byte(step + i)
			}
			want := len(model) < inboxCount && used+n <= inboxBytes
			if got := b.put(root, &p, false); got != want {
				t.Fatalf("step %d: put of %d bytes with %d datagrams of %d bytes: %v", step, n, len(model), used, got)
			}
			if want {
				model = append(model, p)
				used += n
			}
		} else if len(model) > 0 {
			want := model[0]
			model, used = model[1:], used-len(model[0].Data)
			size := len(buf)
			if random.IntN(10) == 0 {
				size = random.IntN(200)
			}
			got := frio.Packet{Data: buf[:0:size]}
			if n := b.peek(); n != len(want.Data) {
				t.Fatalf("step %d: peek is %d, want %d", step, n, len(want.Data))
			}
			if fits := b.take(&got); fits != (len(want.Data) <= size) {
				t.Fatalf("step %d: take of %d bytes into %d: %v", step, len(want.Data), size, fits)
			} else if fits && !bytes.Equal(got.Data, want.Data) || !fits && len(got.Data) > 0 {
				t.Fatalf("step %d: %d bytes, and they differ", step, len(got.Data))
			}
			if got.Time != want.Time || got.Ifindex != want.Ifindex || got.ECN != want.ECN {
				t.Fatalf("step %d: %+v", step, got)
			}
		}
		if b.count != len(model) || b.used != used {
			t.Fatalf("step %d: %d datagrams of %d bytes, want %d of %d", step, b.count, b.used, len(model), used)
		}
		if b.count == 0 && root.Total().Buffers > 0 {
			t.Fatalf("step %d: an empty inbox holds %d buffers", step, root.Total().Buffers)
		}
		if random.IntN(500) == 0 && !b.moveTo(root) {
			t.Fatal("moveTo failed")
		}
	}
	b.release()
	if n := root.Total().Buffers; n > 0 {
		t.Errorf("%d buffers after release", n)
	}
}

func TestInboxBounds(t *testing.T) {
	root := talloc.Root("test")
	defer root.Free()
	for _, c := range []struct{ size, kept int }{{0, 64}, {100, 64}, {2048, 64}, {2049, 63}, {8 << 10, 16}, {65_527, 2}} {
		t.Run(fmt.Sprint(c.size), func(t *testing.T) {
			var b inbox
			p := frio.Packet{Data: make([]byte, c.size)}
			kept := 0
			for range 200 {
				if b.put(root, &p, false) {
					kept++
				}
			}
			if kept != c.kept {
				t.Errorf("%d datagrams of %d bytes were kept, want %d", kept, c.size, c.kept)
			}
			if got := root.Total().Bytes; got > inboxBytes+inboxCount*infoSize {
				t.Errorf("they take %d bytes", got)
			}
			b.release()
		})
	}
}

func TestInboxLimit(t *testing.T) {
	root := talloc.Root("test")
	defer root.Free()
	for limit := int64(64); limit < 8<<10; limit += 64 {
		root.SetLimit(limit, 0)
		var b inbox
		p := frio.Packet{Data: make([]byte, 1000)}
		kept := 0
		for b.put(root, &p, false) {
			kept++
		}
		if b.count != kept || b.used != 1000*kept {
			t.Fatalf("limit %d: %d of %d datagrams", limit, b.count, kept)
		}
		if kept == 0 && root.Total().Buffers > 0 {
			t.Fatalf("limit %d: nothing is held, in %d buffers", limit, root.Total().Buffers)
		}
		before := root.Total()
		if !b.moveTo(root) && root.Total() != before {
			t.Fatalf("limit %d: a failed moveTo left %+v, before %+v", limit, root.Total(), before)
		}
		for range kept {
			got := frio.Packet{Data: make([]byte, 0, 1000)}
			if !b.take(&got) || len(got.Data) != 1000 {
				t.Fatalf("limit %d: %d bytes", limit, len(got.Data))
			}
		}
	}
}

func TestInboxAllocs(t *testing.T) {
	root := talloc.Root("test")
	defer root.Free()
	var b inbox
	in := frio.Packet{Data: make([]byte, 300)}
	out := frio.Packet{Data: make([]byte, 300)}
	if n := testing.AllocsPerRun(100, func() {
		for range 20 {
			b.put(root, &in, false)
		}
		for range 20 {
			b.take(&out)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestInboxArrange: what came in another order than it was sent is put right, whatever its length and place in the rings.
func TestInboxArrange(t *testing.T) {
	root := talloc.Root("test")
	defer root.Free()
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 200 {
		b := inbox{roomy: true}
		put := func(time, n int) {
			p := frio.Packet{Data: bytes.Repeat([]byte{byte(time)}, n), Time: int64(time), ECN: uint8(time % 4)}
			if !b.put(root, &p, time%3 == 0) {
				t.Fatal("no room")
			}
		}
		take := func(time, n int) {
			t.Helper()
			unread := b.unread()
			p := frio.Packet{Data: make([]byte, 0, 2000)}
			if !b.take(&p) || p.Time != int64(time) || len(p.Data) != n || n > 0 && p.Data[n-1] != byte(time) || int(p.ECN) != time%4 || unread != (time%3 == 0) {
				t.Fatalf("round %d: datagram %d of %d bytes, ECN %d, unread %v; want %d of %d", round, p.Time, len(p.Data), p.ECN, unread, time, n)
			}
		}
		// The rings begin anywhere.
		ahead := random.IntN(60)
		for range ahead {
			put(0, 700)
		}
		count := 1 + random.IntN(200)
		order, sizes := random.Perm(count), make([]int, count)
		for _, i := range order {
			sizes[i] = random.IntN(4) * random.IntN(500)
			put(i+1, sizes[i])
			if ahead > 0 {
				take(0, 700)
				ahead--
			}
		}
		for ; ahead > 0; ahead-- {
			take(0, 700)
		}
		b.arrange()
		for i, n := range sizes {
			take(i+1, n)
		}
		if b.count != 0 || b.used != 0 {
			t.Fatalf("round %d: %d datagrams, %d bytes are left", round, b.count, b.used)
		}
	}
}
