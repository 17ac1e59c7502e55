package thread_test

import (
	"fmt"
	"net"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
)

// greeter is the listener's user: it accepts, and gives each child to the pool.
type greeter struct {
	io  frio.IO
	ctx *talloc.Context
}

func (g *greeter) Attach(m *thread.Member) {
	g.io.Event(m.Loop(), func() {
		for {
			here := m.Thread()
			ctx, err := here.Root().New("guest")
			if err != nil {
				return
			}
			child, err := g.io.Accept(ctx)
			if err != nil { // ErrAgain: nobody waits
				ctx.Free()
				return
			}
			if _, err := here.Add(child, ctx, m, guest{}); err != nil {
				child.Close()
				ctx.Free()
			}
		}
	}, nil)
}

func (g *greeter) Detach(*thread.Member) {}

func (g *greeter) End(m *thread.Member, reason error) {
	g.io.Close()
	g.ctx.Free()
}

// guest is the user of a child: it greets, on whatever thread, and closes.
type guest struct{}

func (guest) Attach(m *thread.Member) {
	m.IO().Event(m.Loop(), nil, func() {
		m.IO().Write([]byte("good day\n"))
		m.IO().Close()
		m.Context().Free()
	})
}

func (guest) Detach(*thread.Member) {}

func (guest) End(m *thread.Member, reason error) {
	m.IO().Close()
	m.Context().Free()
}

func Example() {
	pool, err := thread.New(thread.Config{Network: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	pool.Start()
	first, addr := pool.Threads()[0], make(chan string)
	first.Send(func() {
		text, _ := conf.ParseString("example", "listen {\nprotocol = tcp\ntcp {\nipaddr = 127.0.0.1\nport = 0\n}\n}\n", conf.Options{})
		ctx, _ := first.Root().New("listener")
		io, err := frio.ParseServer(ctx, text.Sections("listen")[0])
		if err == nil {
			err = io.Open()
		}
		if err != nil {
			fmt.Println(err)
		}
		first.Add(io, ctx, nil, &greeter{io, ctx})
		addr <- io.(frio.Addresser).LocalAddr().String()
	})
	if c, err := net.Dial("tcp", <-addr); err == nil {
		line := make([]byte, 9)
		n, _ := c.Read(line)
		fmt.Print(string(line[:n]))
		c.Close()
	}
	cut, err := pool.Stop(5 * time.Second)
	fmt.Println(cut, err)
	// Output:
	// good day
	// nothing was cut <nil>
}
