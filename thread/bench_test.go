package thread_test

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/frio-io/frio/thread"
)

// Requests of 64 bytes over loopback TCP, each answered by a Write of its own, on one and on two threads. The clients are of the same
// process, on the same cores; they send and take many at once, and are woken when all is there, so that they leave most of the machine to the server. The last line compares the two.
func BenchmarkEcho(b *testing.B) {
	const clients, size, many = 16, 64, 32
	rate := map[int]float64{}
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("tcp/threads=%d", threads), func(b *testing.B) {
			p := pool(b, thread.Config{Network: threads})
			srv := serve(b, p.Threads()[0], stacks[0], "")
			srv.message = size
			var list [clients]io.ReadWriteCloser
			for i := range list {
				conn, err := net.Dial("tcp", srv.addr.String())
				if err != nil {
					b.Fatal(err)
				}
				list[i] = patient(b, conn, size*many)
				defer list[i].Close()
			}
			b.SetBytes(2 * size)
			b.ResetTimer()
			var running sync.WaitGroup
			for _, conn := range list {
				running.Go(func() { ask(b, conn, b.N/clients, size, many) })
			}
			running.Wait()
			rate[threads] = float64(b.N) / b.Elapsed().Seconds()
			b.ReportMetric(rate[threads], "requests/s")
			if threads == 2 && rate[1] > 0 {
				b.ReportMetric(rate[2]/rate[1], "ratio")
			}
		})
	}
}

// ask sends count requests, or a few more, many at a time, and takes their answers together.
func ask(b *testing.B, conn io.ReadWriter, count, size, many int) {
	buf := make([]byte, size*many)
	for count > 0 {
		part := buf
		if _, err := conn.Write(part); err != nil {
			b.Error(err)
			return
		}
		if _, err := io.ReadFull(conn, part); err != nil {
			b.Error(err)
			return
		}
		count -= many
	}
}

// One member that goes to and fro between two threads.
func BenchmarkMove(b *testing.B) {
	p := pool(b, thread.Config{Network: 2})
	threads := p.Threads()
	user := &pendulum{done: make(chan struct{}), left: b.N}
	b.ReportAllocs()
	b.ResetTimer()
	on(b, threads[0], func() {
		ctx, err := threads[0].Root().New("client")
		if err != nil {
			b.Error(err)
			return
		}
		io := parse(b, ctx, "home_server", "protocol = tcp\ntcp {\nipaddr = 127.0.0.1\nport = 9\n}\n")
		if _, err := threads[0].Add(io, ctx, nil, user); err != nil {
			b.Error(err)
		}
	})
	<-user.done
}

// pendulum moves on whenever it has arrived.
type pendulum struct {
	done chan struct{}
	left int
}

func (u *pendulum) Attach(m *thread.Member) {
	if u.left--; u.left < 0 {
		u.End(m, nil)
		close(u.done)
		return
	}
	threads := m.Thread().Pool().Threads()
	to := threads[0]
	if m.Thread() == to {
		to = threads[1]
	}
	if m.Move(to) != nil {
		u.End(m, nil)
		close(u.done)
	}
}

func (u *pendulum) Detach(*thread.Member) {}

func (u *pendulum) End(m *thread.Member, _ error) {
	m.IO().Close()
	m.Context().Free()
}
