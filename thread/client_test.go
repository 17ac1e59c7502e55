package thread_test

import (
	"fmt"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
)

// client sends size bytes and checks that they come back, then closes.
type client struct {
	t           testing.TB
	server      *server
	io          frio.IO
	ctx         *talloc.Context
	m           *thread.Member
	id          uint32
	size        int
	sent, got   int
	connected   bool
	over, stays bool
	read, write func()
	done        func(*client)
}

// window is how many bytes a client has under way, so that there are many turns in which it can be moved.
const window = 700

// at is byte i of what client id sends.
func at(id uint32, i int) byte {
	x := uint32(i)*2654435761 + id*40503
	return byte(x>>13) ^ byte(x>>24)
}

// dial starts count clients on th and has done called for each that is through.
func (s *server) dial(th *thread.Thread, first, count, size int, done func(*client)) []*thread.Member {
	list := make([]*thread.Member, count)
	on(s.t, th, func() {
		var like frio.Copier
		for i := range list {
			ctx, err := th.Root().New("client")
			if err != nil {
				s.t.Fatal(err)
			}
			c := &client{t: s.t, server: s, ctx: ctx, id: uint32(first + i), size: size, done: done}
			c.read, c.write = c.readable, c.writable
			s.mu.Lock()
			s.clients = append(s.clients, c)
			s.mu.Unlock()
			if like != nil {
				c.io, err = like.Copy(ctx)
			} else {
				c.io = parse(s.t, ctx, "home_server", fmt.Sprintf("protocol = %s\n"+s.stack.client, s.stack.name, s.addr.Port()))
				like, _ = c.io.(frio.Copier)
			}
			if err != nil {
				s.t.Error(err)
				return
			}
			if list[i], err = th.Add(c.io, ctx, nil, c); err != nil {
				s.t.Errorf("Add of a client: %v", err)
				return
			}
		}
	})
	return list
}

func (c *client) Attach(m *thread.Member) {
	c.m = m
	if err := c.io.Event(m.Loop(), c.read, c.write); err != nil {
		c.t.Errorf("client: %v", err)
	}
	if !c.connected {
		c.connect()
	}
}

func (c *client) Detach(*thread.Member) {}

func (c *client) End(*thread.Member, error) { c.end() }

func (c *client) connect() {
	switch err := c.io.Connect(); err {
	case nil:
		c.connected = true
	case frio.ErrAgain:
	default:
		c.t.Errorf("Connect: %v", err)
		c.end()
	}
}

func (c *client) writable() {
	if c.over {
		c.t.Error("a callback after the end")
		return
	}
	if !c.connected {
		if c.connect(); c.over {
			return
		}
	}
	var buf [window]byte
	for c.connected && c.sent < c.size {
		n := min(window-(c.sent-c.got), c.size-c.sent)
		if n <= 0 {
			break
		}
		for i := range n {
			buf[i] = at(c.id, c.sent+i)
		}
		n, err := c.io.Write(buf[:n])
		if err != nil {
			if err != frio.ErrAgain {
				c.t.Errorf("client %d: Write: %v", c.id, err)
				c.end()
			}
			break
		}
		c.sent += n
	}
	c.wish()
}

func (c *client) wish() {
	if c.over {
		return
	}
	write := c.write
	if c.connected && (c.sent == c.size || c.sent-c.got >= window) {
		write = nil
	}
	if err := c.io.Event(c.m.Loop(), c.read, write); err != nil {
		c.t.Errorf("client: %v", err)
	}
}

func (c *client) readable() {
	if c.over {
		c.t.Error("a callback after the end")
		return
	}
	buf := c.m.Loop().Scratch()
	for {
		n, err := c.io.Read(buf)
		if err == frio.ErrAgain {
			break
		}
		if err != nil {
			if c.got < c.size {
				c.t.Errorf("client %d: Read after %d of %d bytes: %v", c.id, c.got, c.size, err)
			}
			c.end()
			return
		}
		for i := range n {
			if buf[i] != at(c.id, c.got+i) {
				c.t.Errorf("client %d: byte %d is %d, want %d", c.id, c.got+i, buf[i], at(c.id, c.got+i))
				c.end()
				return
			}
		}
		if c.got += n; c.got > c.sent {
			c.t.Errorf("client %d: %d bytes came back of %d", c.id, c.got, c.sent)
		}
	}
	if c.got == c.size {
		if c.server.stays == nil {
			c.end()
			return
		}
		if !c.stays {
			c.stays = true
			if c.server.onStay != nil {
				c.server.onStay()
			}
			c.server.stays.Done()
		}
	}
	wander(c.server, c.m)
	c.wish()
}

// more has a client that stays send n bytes more.
func (c *client) more(n int) {
	c.size += n
	c.stays = false
	c.wish()
}

func (c *client) end() {
	if c.over {
		return
	}
	c.over = true
	c.io.Close()
	c.ctx.Free()
	if c.done != nil {
		c.done(c)
	}
}
