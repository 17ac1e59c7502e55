package gateway

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/sock"
)

// streamHome is a home server over tcp that closes its first connections when a request comes, without an answer.
type streamHome struct {
	*world
	listener int
	closes   int  // how many more
	once     bool // it closes with each answer
	open     []int
	accepted int
}

func (w *world) streamHome(closes int) *streamHome {
	w.Helper()
	fd, err := w.homes[0].Socket(sock.Inet4, frio.Stream)
	w.must(err)
	w.must(w.homes[0].Bind(fd, sock.Addr{AddrPort: netip.MustParseAddrPort(homeAddr + ":1812")}))
	w.must(w.homes[0].Listen(fd, 16))
	h := &streamHome{world: w, listener: fd, closes: closes}
	w.polls = append(w.polls, h.poll)
	return h
}

func (h *streamHome) poll() {
	for {
		fd, _, err := h.homes[0].Accept(h.listener)
		if err != nil {
			break
		}
		h.accepted++
		h.open = append(h.open, fd)
	}
	for i, fd := range h.open {
		buf := make([]byte, radius.MaxSize)
		if fd < 0 {
			continue
		}
		n, err := h.homes[0].Recv(fd, buf)
		switch {
		case err == syscall.EAGAIN:
		case err != nil || n == 0:
			h.must(h.homes[0].Close(fd))
			h.open[i] = -1
		case h.closes > 0:
			h.closes--
			h.must(h.homes[0].Close(fd))
			h.open[i] = -1
		default:
			req, err := radius.Parse(buf[:int(buf[2])<<8|int(buf[3])]) // the first of those that have come
			h.must(err)
			b := radius.NewReply(nil, radius.AccessAccept, req)
			if _, err := h.homes[0].Send(fd, seal(&b)); err != nil {
				h.Error(err)
			}
			if h.once {
				h.must(h.homes[0].Close(fd))
				h.open[i] = -1
			}
		}
	}
}

// A connection that fails costs nobody an answer: the next is tried at once, and after that for a while now and then.
func TestReconnectAtOnce(t *testing.T) {
	for _, c := range []struct {
		name            string
		refused, closed int // connects that are refused, connections that are closed with the request on them
		want            radius.Code
		zombie          int
	}{
		{"nothing fails", 0, 0, radius.AccessAccept, 0},
		{"refused once", 1, 0, radius.AccessAccept, 0},
		{"refused twice", 2, 0, radius.AccessAccept, 1},
		{"refused for long", 20, 0, radius.AccessReject, 1},
		{"closed once", 0, 1, radius.AccessAccept, 0},
		{"closed twice", 0, 2, radius.AccessAccept, 0},
		{"closed each time", 0, 20, radius.AccessReject, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, udpListen+homeText(0, "\tproto = tcp\n\tstatus_check = none\n")+poolText)
			if c.refused > 2 {
				w.host.InjectAll("Connect", syscall.ECONNREFUSED)
			}
			for nth := range min(c.refused, 2) {
				w.host.Inject("Connect", nth+1, syscall.ECONNREFUSED)
			}
			h := w.streamHome(c.closed)
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			began := w.sim.Now()
			req := access(7, "bob", "hello")
			nas.send(gatewayAddr+":1812", req)
			if p := w.reply(nas.receive(), req); p.Code() != c.want {
				t.Errorf("got %v, want %v", p.Code(), c.want)
			}
			if d := w.sim.Now().Sub(began); c.want == radius.AccessAccept && d >= trialWindow || d > holdMax+50*time.Millisecond {
				t.Errorf("it took %v", d)
			}
			if n := w.logged(`"home server zombie"`); n != c.zombie {
				t.Errorf("the home server was said to be a zombie %d times, want %d", n, c.zombie)
			}
			if c.want == radius.AccessAccept && h.accepted != 1+c.closed {
				t.Errorf("%d connections", h.accepted)
			}
			if c.closed > h.accepted && h.accepted > 6 {
				t.Errorf("it was sent %d times", h.accepted)
			}
			// Later it is as if nothing had been.
			h.closes = 0
			w.host.InjectAll("Connect", 0)
			w.pass(10 * time.Second)
			for id := range uint8(2) {
				w.pass(probePace)
				req := access(id, fmt.Sprint("user", id), "hello")
				nas.send(gatewayAddr+":1812", req)
				if p := w.reply(nas.receive(), req); p.Code() != radius.AccessAccept {
					t.Errorf("later: got %v", p.Code())
				}
			}
		})
	}
}

// A request that was sent, and for which no second connection could be had, was not without a home server.
func TestReconnectFails(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "\tproto = tcp\n\tstatus_check = none\n")+poolText)
	h := w.streamHome(1)
	for nth := range 20 {
		w.host.Inject("Connect", 2+nth, syscall.ECONNREFUSED)
	}
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	req := access(7, "bob", "hello")
	nas.send(gatewayAddr+":1812", req)
	if p := w.reply(nas.receive(), req); p.Code() != radius.AccessReject || h.accepted != 1 {
		t.Errorf("got %v, after %d connections", p.Code(), h.accepted)
	}
	outcomes := &w.gateway.Clients()[0].Outcomes
	if a, b := outcomes[OutcomeNoAnswer].Load(), outcomes[OutcomeNoHome].Load(); a != 1 || b != 0 || w.logged("no home server lives") != 1 {
		t.Errorf("it counts as %d without an answer, %d without a home server", a, b)
	}
	if w.logged("outcome=no-answer home_server=h0") != 1 {
		t.Error("the log does not say whose the request was")
	}
}
