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
			if got := b.put(root, &p, arrived); got != want {
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
				if b.put(root, &p, arrived) {
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
		for b.put(root, &p, arrived) {
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
			b.put(root, &in, arrived)
		}
		for range 20 {
			b.take(&out)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestInboxArrange: what comes from elsewhere is put by its time among what arrived, which stays in order whatever its times,
// whatever the lengths and the place in the rings.
func TestInboxArrange(t *testing.T) {
	root := talloc.Root("test")
	defer root.Free()
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 300 {
		b := inbox{roomy: true}
		put := func(number, time, n int, from origin) {
			p := frio.Packet{Data: bytes.Repeat([]byte{byte(number)}, n), Time: int64(time), Ifindex: uint32(number), ECN: uint8(number % 4)}
			if !b.put(root, &p, from) {
				t.Fatal("no room")
			}
		}
		take := func(number, n int, from origin) {
			t.Helper()
			was := b.origin(0)
			p := frio.Packet{Data: make([]byte, 0, 2000)}
			if !b.take(&p) || p.Ifindex != uint32(number) || len(p.Data) != n || n > 0 && p.Data[n-1] != byte(number) || int(p.ECN) != number%4 || was != from {
				t.Fatalf("round %d: datagram %d of %d bytes, ECN %d, origin %d; want %d of %d", round, p.Ifindex, len(p.Data), p.ECN, was, number, n)
			}
		}
		// The rings begin anywhere.
		ahead := random.IntN(60)
		for range ahead {
			put(0, 0, 700, arrived)
		}
		count := 1 + random.IntN(200)
		sizes, origins := make([]int, count), make([]origin, count)
		var arrivals, others []int
		for i := range count {
			sizes[i] = random.IntN(4) * random.IntN(500)
			if origins[i] = origin(random.IntN(3)); origins[i] == arrived {
				arrivals = append(arrivals, i)
			} else {
				others = append(others, i)
			}
		}
		random.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
		for len(arrivals)+len(others) > 0 {
			from := &arrivals
			if len(arrivals) == 0 || len(others) > 0 && random.IntN(2) == 0 {
				from = &others
			}
			i := (*from)[0]
			*from = (*from)[1:]
			time := 10 * i
			if origins[i] == arrived && i+1 < count && origins[i+1] == arrived {
				time += random.IntN(100) // it was stamped when it was read
			}
			put(i+1, time, sizes[i], origins[i])
			if ahead > 0 {
				take(0, 700, arrived)
				ahead--
			}
		}
		for ; ahead > 0; ahead-- {
			take(0, 700, arrived)
		}
		b.arrange()
		for i, n := range sizes {
			take(i+1, n, origins[i])
		}
		if b.count != 0 || b.used != 0 {
			t.Fatalf("round %d: %d datagrams, %d bytes are left", round, b.count, b.used)
		}
	}
}
