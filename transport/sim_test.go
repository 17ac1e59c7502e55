package transport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/talloc"
)

// troubled is a world whose calls take a part, answer EAGAIN, are interrupted and come in another order.
func troubled(t *testing.T, run func(b *bench, seed uint64)) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			b := newBenchSeed(t, true, 1, seed)
			b.World().SetLink(b.Host(), b.Host(), sim.Link{DelayMax: 5 * time.Millisecond})
			b.Host().SetFaults(sim.Faults{Again: 0.2, Partial: 0.3, Interrupt: 0.1, Shuffle: 0.5})
			run(b, seed)
			b.Host().SetFaults(sim.Faults{})
		})
	}
}

// Whatever the system's calls do, a stream gives what was sent, there and back.
func TestSimStreams(t *testing.T) {
	troubled(t, func(b *bench, seed uint64) {
		s := &service{cfg: Config{Frame: frame, MessageMax: 4096}, make: func() *recorder { return new(recorder).echo() }}
		port := b.serve(inet("listen", "tcp", "tcp", 0, ""), s)
		client := b.ParseText(nil, "connecting", inet("home_server", "tcp", "tcp", at(port).Port(), ""))
		var want [][]byte
		var users [3]recorder
		for i := range 300 {
			want = append(want, message(byte(i), 3+(i*37+int(seed)*11)%2000))
		}
		for i := range users {
			c, err := Dial(b.lane, client.Ctx, "connection", func(ctx *talloc.Context) (frio.IO, error) { return client.IO.(frio.Copier).Copy(ctx) },
				Config{Frame: frame, MessageMax: 4096}, &users[i])
			b.must(err)
			for _, m := range want {
				b.must(c.Send(nil, m))
			}
			b.must(c.CloseWrite())
		}
		b.Until("all is back", func() bool {
			return len(users[0].got)+len(users[1].got)+len(users[2].got) >= 3*len(want)
		})
		for i := range users {
			same(b, users[i].got, want)
			if len(users[i].ends) > 0 {
				b.Errorf("ends: %v", users[i].ends)
			}
		}
	})
}

// Each call is answered, or lost once, whatever happens to its connection; nothing is left under way.
func TestSimCalls(t *testing.T) {
	for _, method := range []string{"udp", "tcp"} {
		t.Run(method, func(t *testing.T) {
			troubled(t, func(b *bench, seed uint64) {
				faults := sim.Faults{Again: 0.1, Partial: 0.1, Interrupt: 0.1, Shuffle: 0.5}
				if method == "tcp" {
					faults.Reset, faults.Exhaust = 0.01, 0.05
				}
				b.Host().SetFaults(sim.Faults{})
				h := b.newHome(method, 0)
				h.make = func() *recorder {
					r := new(recorder).echo()
					r.end = func(c *Conn, _ error) { _ = c.Close() }
					return r
				}
				peer := b.peer(method, at(h.port), Limits{Connections: 4, Requests: 5, Uses: 23, OpenDelay: 3 * time.Millisecond})
				pool := peer.Pool(b.lane)
				b.Host().SetFaults(faults)
				pool.random = rand.New(rand.NewPCG(seed, 0)).Float64
				var all []*request
				down := 0
				for i := range 500 {
					r := &request{tag: byte(i)}
					switch err := pool.Start(&r.Call, r); {
					case err == nil:
						all = append(all, r)
						if i%3 > 0 {
							r.Retransmit(Retransmission{Initial: 50 * time.Millisecond, Max: 200 * time.Millisecond, Count: 10})
						} else {
							r.Retransmit(Retransmission{Initial: time.Second, Count: 1})
						}
					case errors.Is(err, ErrDown), err == ErrNoConnection:
						down++
					default:
						b.Fatal(err)
					}
					if i%5 == 0 {
						b.Pass(15 * time.Millisecond)
					}
				}
				b.Until("nothing is under way", func() bool { return peer.Outstanding() == 0 })
				answered := 0
				for i, r := range all {
					if r.answers+len(r.losts) != 1 {
						b.Errorf("request %d: %d answers, lost by %v", i, r.answers, r.losts)
					}
					answered += r.answers
				}
				if answered < len(all)/2 {
					b.Errorf("%d of %d are answered, %d were refused", answered, len(all), down)
				}
			})
		})
	}
}
