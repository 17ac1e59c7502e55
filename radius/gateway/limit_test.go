package gateway

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
)

// streamWorld is a gateway on a stack, whose clients have the limits of keys.
func streamWorld(t *testing.T, stack, keys string) (*world, *home) {
	pre := &world{T: t}
	clients := strings.ReplaceAll(clientText, "\tipaddr", keys+"\tipaddr")
	w := newWorld(t, pre.listenText("l", stack, gatewayAddr)+clients+homeText(0, "")+poolText)
	return w, w.home(0)
}

func requestOn(stack string, id uint8) ([]byte, *radius.Keys) {
	mine := radius.NewKeys([]byte(secretOf(stack)))
	b := radius.NewRequest(nil, radius.AccessRequest, id, [16]byte{id, 3})
	b.AddString(radius.UserName, "bob")
	req, err := b.Seal(mine)
	if err != nil {
		panic(err)
	}
	return req, mine
}

// works tells that requests are answered on a connection.
func (c *peer) works(stack string, id uint8) {
	c.Helper()
	req, mine := requestOn(stack, id)
	c.send(req)
	p, err := radius.Parse(c.receive())
	c.must(err)
	if err := mine.CheckReply(p, req[4:20], true); err != nil || p.ID() != id {
		c.Errorf("%v, id %d", err, p.ID())
	}
}

// limit { max_connections } of a client: one more is closed, and others are served; a place is free again when one ends.
func TestLimitConnections(t *testing.T) {
	for _, stack := range []string{"tcp", "tls+tcp", "tls+udp"} {
		t.Run(stack, func(t *testing.T) {
			w, _ := streamWorld(t, stack, "\tlimit {\n\t\tmax_connections = 2\n\t}\n")
			one, two := w.dial(stack), w.dial(stack)
			one.works(stack, 1)
			two.works(stack, 2)
			three := w.dial(stack)
			w.until("the third is closed", func() bool { return three.ended != nil })
			one.works(stack, 3)
			w.must(two.conn.Close())
			w.pass(time.Second)
			w.dial(stack).works(stack, 4)
			name := "nas"
			if strings.HasPrefix(stack, "tls") {
				name = "radsec"
			}
			refused, unknown := w.gateway.clients["/"+name].Refused.Load(), w.listens[0].Counts.UnknownClient.Load()
			if refused != 1 || unknown != 0 || w.logged(`msg="too many connections"`) != 1 || w.logged("max_connections=2") != 1 {
				t.Errorf("%d refused, %d unknown", refused, unknown)
			}
			if line := `msg="too many connections" listen=test.l client=` + name + " peer=192.0.2.2:"; w.logged(line) != 1 {
				t.Errorf("no line %s", line)
			}
		})
	}
}

// limit { idle_timeout } of a client: since the last packet; not while one is under way.
func TestLimitIdle(t *testing.T) {
	for _, stack := range []string{"tcp", "tls+tcp", "tls+udp"} {
		t.Run(stack, func(t *testing.T) {
			w, h := streamWorld(t, stack, "\tlimit {\n\t\tidle_timeout = 5s\n\t}\n\tresponse_window = 20s\n")
			c := w.dial(stack)
			for id := range uint8(4) {
				c.works(stack, id)
				c.none(4 * time.Second)
			}
			began := w.sim.Now()
			w.until("it is closed", func() bool { return c.ended != nil })
			if d := w.sim.Now().Sub(began); d < 900*time.Millisecond || d > 1100*time.Millisecond {
				t.Errorf("closed %v after 4 s", d)
			}
			if n := w.listens[0].Counts.Open.Load(); n != 0 || w.listens[0].Counts.Lost.Load() != 0 {
				t.Errorf("%d open", n)
			}
			h.silent = true
		})
	}
}

// A connection on which a request is under way is not idle, however long that takes.
func TestLimitIdleWhileWaiting(t *testing.T) {
	pre := &world{T: t}
	w := newWorld(t, pre.listenText("l", "tcp", gatewayAddr)+strings.ReplaceAll(clientText, "\tipaddr", "\tlimit {\n\t\tidle_timeout = 5s\n\t}\n\tipaddr")+
		homeText(0, "\tresponse_window = 30s\n")+poolText)
	h := w.home(0)
	h.silent = true
	c := w.dial("tcp")
	slow, mine := requestOn("tcp", 1)
	c.send(slow)
	c.none(12 * time.Second)
	if c.ended != nil {
		t.Fatal("it is closed")
	}
	one := h.last()
	h.silent = false
	c.works("tcp", 2)
	h.send(h.accept(one))
	p, err := radius.Parse(c.receive())
	w.must(err)
	w.must(mine.CheckReply(p, slow[4:20], true))
	began := w.sim.Now()
	w.until("it is closed", func() bool { return c.ended != nil })
	if d := w.sim.Now().Sub(began); d < 4900*time.Millisecond || d > 5100*time.Millisecond {
		t.Errorf("closed %v after the last answer", d)
	}
}

// limit { lifetime } of a client: what is under way is answered first.
func TestLimitLifetime(t *testing.T) {
	w, h := streamWorld(t, "tcp", "\tlimit {\n\t\tlifetime = 10s\n\t}\n")
	c := w.dial("tcp")
	for id := range uint8(9) {
		c.works("tcp", id)
		c.none(time.Second)
	}
	h.silent = true
	req, mine := requestOn("tcp", 100)
	c.send(req)
	c.none(2 * time.Second)
	h.send(h.accept(h.last()))
	p, err := radius.Parse(c.receive())
	w.must(err)
	w.must(mine.CheckReply(p, req[4:20], true))
	w.until("it is closed", func() bool { return c.ended != nil })
}

// response_window of a client: at most so long is waited.
func TestLimitResponseWindow(t *testing.T) {
	for _, c := range []struct{ client, home, want time.Duration }{
		{time.Second, 3 * time.Second, time.Second}, {10 * time.Second, 3 * time.Second, 3 * time.Second},
	} {
		w := newWorld(t, strings.Replace(udpListen, "\tsecret", fmt.Sprintf("\tresponse_window = %v\n\tsecret", c.client), 1)+
			homeText(0, fmt.Sprintf("\tresponse_window = %v\n", c.home))+homeText(1, "")+poolTwo)
		homes := w.homesOf(2)
		homes[0].silent = true
		nas := w.udp(w.nas, "192.0.2.2:4000", nil)
		began := w.sim.Now()
		ask(nas, homes, access(1, "bob", "hello"))
		if d := w.sim.Now().Sub(began); d < c.want || d > c.want+100*time.Millisecond {
			t.Errorf("%+v: it moved after %v", c, d)
		}
	}
}

// limit { max_requests, lifetime, idle_timeout } of a home server.
func TestLimitHome(t *testing.T) {
	for _, c := range []struct {
		limit string
		pause time.Duration
		conns int // of 10 requests
	}{{"max_requests = 5", 0, 2}, {"lifetime = 5s", 2 * time.Second, 3}, {"idle_timeout = 5s", 7 * time.Second, 10}, {"idle_timeout = 5s", time.Second, 1}} {
		t.Run(c.limit, func(t *testing.T) {
			w := newWorld(t, udpListen+(&world{T: t}).homeOnText(0, "tcp", "\tacct_port = 1812\n\tlimit {\n\t\t"+c.limit+"\n\t}\n")+poolText)
			h := w.homeOn(0, "tcp")
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			for id := range uint8(10) {
				if _, p := ask(nas, []*home{h}, access(id, "bob", "hello")); p.Code() != radius.AccessAccept {
					t.Errorf("%v", p.Code())
				}
				w.pass(c.pause)
			}
			if n := len(h.conns); n < c.conns || n > c.conns+1 {
				t.Errorf("%d connections, want %d", n, c.conns)
			}
			if w.logged("zombie") > 0 {
				t.Error("it was taken for dead")
			}
		})
	}
}

// A client that sends half a packet is dropped after message_timeout, and holds up nobody.
func TestLimitHalfPacket(t *testing.T) {
	for _, stack := range []string{"tcp", "tls+tcp"} {
		t.Run(stack, func(t *testing.T) {
			w, _ := streamWorld(t, stack, "")
			good := w.dial(stack)
			good.works(stack, 1)
			req, _ := requestOn(stack, 2)
			raw := w.dialRaw(stack)
			raw.send(req[:30])
			began := w.sim.Now()
			for id := range uint8(9) {
				good.works(stack, id+2)
				good.none(time.Second)
			}
			w.until("it is dropped", func() bool { return raw.ended != nil })
			if d := w.sim.Now().Sub(began); d < 9*time.Second || d > 11*time.Second {
				t.Errorf("dropped after %v", d)
			}
			good.works(stack, 20)
			if w.logged("message_timeout") != 1 {
				t.Error("why is not said")
			}
		})
	}
}

// A client that never reads is dropped after write_timeout, and holds up nobody.
func TestLimitNeverReads(t *testing.T) {
	pre := &world{T: t}
	listen := strings.Replace(pre.listenText("l", "tcp", gatewayAddr), "\ttcp {", "\tlimit {\n\t\twrite_timeout = 10s\n\t}\n\ttcp {", 1)
	w := newWorld(t, listen+clientText+homeText(0, "")+poolText)
	h := w.home(0)
	h.answer = func(req radius.Packet) []byte {
		b := radius.NewReply(nil, radius.AccessAccept, req)
		fill(&b, 3900)
		return h.seal(&b)
	}
	bad, good := w.dialRaw("tcp"), w.dial("tcp")
	bad.until("it is open", func() bool { return bad.up })
	bad.conn.Pause()
	n := 0
	for bad.ended == nil && w.listens[0].Counts.Lost.Load() == 0 {
		for range 20 {
			if bad.conn.Unsent() < 1<<20 && !bad.conn.Full() {
				n++
				req, _ := requestOn("tcp", uint8(n))
				w.must(bad.conn.Send(nil, req))
			}
		}
		good.works("tcp", 1)
		w.pass(200 * time.Millisecond)
		if w.sim.Now().Year() > 2025 {
			t.Fatal("it is not dropped")
		}
	}
	good.works("tcp", 2)
	if h.count > 4000 || w.logged("write_timeout") != 1 {
		t.Errorf("%d requests were taken of it:\n", h.count)
	}
}

// A client that ends its direction behind its last request gets all answers, and then the end; with nothing under way that comes at once.
func TestLimitHalfClose(t *testing.T) {
	for _, stack := range []string{"tcp", "tls+tcp"} {
		t.Run(stack, func(t *testing.T) {
			w, h := streamWorld(t, stack, "")
			h.silent = true
			c := w.dial(stack)
			for id := range uint8(3) {
				req, _ := requestOn(stack, id)
				c.send(req)
			}
			c.until("it is up", c.conn.IsUp)
			w.must(c.conn.CloseWrite())
			c.none(time.Second)
			if h.count != 3 || c.ended != nil {
				t.Fatalf("the home server got %d; the end: %v", h.count, c.ended)
			}
			for _, req := range h.seen {
				h.send(h.accept(req))
			}
			for range 3 {
				if p, err := radius.Parse(c.receive()); err != nil || p.Code() != radius.AccessAccept {
					t.Errorf("%v, %v", p, err)
				}
			}
			w.until("it is closed", func() bool { return c.ended != nil })
			if n := w.listens[0].Counts.Lost.Load(); c.ended != io.EOF || n != 0 {
				t.Errorf("the end: %v, %d lost", c.ended, n)
			}
			none := w.dial(stack)
			none.works(stack, 9)
			w.must(none.conn.CloseWrite())
			began := w.sim.Now()
			w.until("it is closed", func() bool { return none.ended != nil })
			if d := w.sim.Now().Sub(began); d > 100*time.Millisecond {
				t.Errorf("closed after %v", d)
			}
		})
	}
}
