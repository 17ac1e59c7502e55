package gateway

import (
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/thread"
	"github.com/frio-io/frio/transport"
)

// retire has the world's only listen end as one that a reload replaces.
func (w *world) retire() {
	w.ports[0].Retire(false)
	w.lane.Retire(w.ports)
}

// A connection of a listen that is replaced serves what comes, until nothing has come for a second: what its client had on the way is answered.
func TestRetireQuiet(t *testing.T) {
	for _, stack := range []string{"tcp", "tls+tcp", "tls+udp"} {
		t.Run(stack, func(t *testing.T) {
			w, _ := streamWorld(t, stack, "")
			c, idle := w.dial(stack), w.dial(stack)
			idle.works(stack, 1)
			w.pass(2 * time.Second)
			c.works(stack, 1)
			w.retire()
			w.pass(100 * time.Millisecond)
			if idle.ended == nil || c.ended != nil {
				t.Errorf("one that was quiet has ended: %v; one that was not: %v", idle.ended, c.ended)
			}
			c.works(stack, 2)
			c.none(900 * time.Millisecond)
			if c.ended != nil {
				t.Error("closed before a second was over")
			}
			w.pass(200 * time.Millisecond)
			if c.ended == nil || w.listens[0].Counts.Lost.Load() != 0 {
				t.Errorf("ended: %v, %d lost", c.ended, w.listens[0].Counts.Lost.Load())
			}
		})
	}
}

// A child of a udp listen does not keep the one that replaces that waiting.
func TestRetireChild(t *testing.T) {
	for _, children := range []string{"demux", "connected"} {
		w := newWorld(t, strings.Replace(udpListen, "port = 1812\n", "port = 1812\n\t\tchildren = "+children+"\n", 1)+homeText(0, "")+poolText)
		w.home(0)
		if !replies(w.udp(w.nas, "192.0.2.2:4000", nil), access(1, "bob", "hello")) || w.listens[0].Counts.Open.Load() != 1 {
			t.Fatalf("%s: no answer, or no child", children)
		}
		w.retire()
		w.pass(10 * time.Millisecond)
		if n := w.listens[0].Counts.Open.Load(); n != 0 {
			t.Errorf("%s: %d are open", children, n)
		}
	}
}

// One whose handshake took most of a second is not quiet for that: its client asks a round trip after it.
func TestRetireHandshake(t *testing.T) {
	const stack, way = "tls+udp", 400 * time.Millisecond
	w, _ := streamWorld(t, stack, "")
	w.sim.SetLink(w.nas, w.host, sim.Link{DelayMin: way, DelayMax: way})
	c := w.dial(stack)
	w.until("it has come", func() bool { return w.listens[0].Counts.Open.Load() == 1 })
	w.retire()
	c.works(stack, 1)
}

// One that is never quiet ends after two seconds, when what is under way is answered.
func TestRetireBusy(t *testing.T) {
	w, h := streamWorld(t, "tcp", "\tresponse_window = 20s\n")
	c := w.dial("tcp")
	c.works("tcp", 200)
	w.retire()
	for id := range uint8(19) {
		c.works("tcp", id)
		w.pass(100 * time.Millisecond)
	}
	h.silent = true
	req, mine := requestOn("tcp", 100)
	c.send(req)
	w.pass(5 * time.Second)
	if c.ended != nil {
		t.Fatal("closed with a request under way")
	}
	h.send(h.accept(h.last()))
	p, err := radius.Parse(c.receive())
	w.must(err)
	w.must(mine.CheckReply(p, req[4:20], true))
	w.until("it is closed", func() bool { return c.ended != nil })
}

// When the program stops a connection of a listen that is replaced does not wait any more.
func TestRetireStops(t *testing.T) {
	w, _ := streamWorld(t, "tcp", "")
	c := w.dial("tcp")
	c.works("tcp", 1)
	w.retire()
	w.lane.Each(func(c *transport.Conn) { c.End(nil, thread.ErrStopping) })
	w.pass(10 * time.Millisecond)
	if c.ended == nil {
		t.Error("it goes on")
	}
}
