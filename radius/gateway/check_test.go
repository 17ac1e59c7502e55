package gateway

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/radius"
)

// A check of an idle home server that is lost on the way, once or twice, changes nothing: it is sent again, the same. If all are lost it is a zombie
// after check_timeout.
func TestCheckLost(t *testing.T) {
	for _, c := range []struct {
		check string
		lost  int
		dead  bool
	}{{"status-server", 0, false}, {"status-server", 1, false}, {"status-server", 2, false}, {"status-server", 3, true}, {"request", 1, false}} {
		t.Run(fmt.Sprint(c.check, " ", c.lost, " lost"), func(t *testing.T) {
			more := "\tstatus_check = " + c.check + "\n" + acctHere("udp")
			if c.check == "request" {
				more += "\tusername = check\n\tpassword = check\n"
			}
			w := newWorld(t, udpListen+homeText(0, more)+poolText)
			h := &home{world: w, keys: keys}
			var came []string
			h.socket = w.udp(w.homes[0], "192.0.2.3:1812", func(s *socket, p frio.Packet) {
				if came = append(came, string(p.Data)); len(came) > c.lost {
					to := p.Remote.String()
					h.serve(p.Data, func(answer []byte) { s.send(to, answer) })
				}
			})
			w.until("a check comes", func() bool { return len(came) > 0 })
			w.pass(1900 * time.Millisecond)
			if want := min(c.lost+1, 3); len(came) != want {
				t.Errorf("it was sent %d times, want %d", len(came), want)
			}
			for _, p := range came {
				if p != came[0] {
					t.Error("what was sent again is not the same")
				}
			}
			w.pass(200 * time.Millisecond)
			if got := w.logged(`"home server zombie"`) == 1; got != c.dead {
				t.Errorf("zombie: %t", got)
			}
			n := w.gateway.Homes()[0].Ports[0].Peer.Counts.Resent.Load()
			if !c.dead && int(n) != c.lost {
				t.Errorf("%d are counted as sent again", n)
			}
		})
	}
}

// Checks come a little sooner than check_interval, each by another time: gateways that began together do not check together.
func TestCheckSpread(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "\tstatus_check = status-server\n"+acctHere("udp"))+poolText)
	h := &home{world: w, keys: keys}
	var gaps []time.Duration
	last := w.sim.Now()
	h.socket = w.udp(w.homes[0], "192.0.2.3:1812", func(s *socket, p frio.Packet) {
		now := w.sim.Now()
		gaps, last = append(gaps, now.Sub(last)), now
		to := p.Remote.String()
		h.serve(p.Data, func(answer []byte) { s.send(to, answer) })
	})
	w.until("checks come", func() bool { return len(gaps) == 20 })
	least, most := slices.Min(gaps), slices.Max(gaps)
	if least < defaultCheckInterval*9/10 || most > defaultCheckInterval+100*time.Millisecond || most-least < defaultCheckInterval/100 {
		t.Errorf("they are from %v to %v apart", least, most)
	}
}

// Over a stream nothing is sent twice.
func TestCheckOverStream(t *testing.T) {
	pre := &world{T: t}
	w := newWorld(t, udpListen+pre.homeOnText(0, "tcp", "\tstatus_check = status-server\n"+acctHere("tcp"))+poolText)
	h := w.homeOn(0, "tcp")
	h.deaf = true
	w.until("a check comes", func() bool { return h.checks > 0 })
	w.pass(1900 * time.Millisecond)
	if h.checks != 1 {
		t.Errorf("it was sent %d times", h.checks)
	}
}

// Each port's Status-Server goes to that port, and its answer there may be that of accounting (RFC 5997, Section 4.2).
func TestCheckAccounting(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "\tstatus_check = status-server\n")+poolText)
	w.home(0)
	w.udp(w.homes[0], "192.0.2.3:1813", func(s *socket, p frio.Packet) {
		b := radius.NewReply(nil, radius.AccountingResponse, radius.Packet(p.Data))
		s.send(p.Remote.String(), seal(&b))
	})
	w.pass(time.Minute)
	if p := w.gateway.Homes()[0].Ports[1]; p.Life != "alive" || p.Counts.Answers.Load() < 5 || w.logged("zombie") > 0 {
		t.Errorf("it is %s, after %d answers", p.Life, p.Counts.Answers.Load())
	}
}

// A watched home server whose owner cannot connect is checked over a connection that another thread has: it lives as long as it answers there, is
// found out when it does not, and is back when it does again.
func TestCheckOverAnotherThread(t *testing.T) {
	for _, c := range []struct {
		to   string
		most int
	}{{"tcp", 8}, {"tls+tcp", 8}, {"tcp", 1}, {"tls+udp", 1}} {
		t.Run(fmt.Sprint(c.to, " ", c.most), func(t *testing.T) {
			to := c.to
			w := twoLanes(t, "udp", to, fmt.Sprintf("\tstatus_check = status-server\n\tlimit {\n\t\tmax_connections = %d\n\t}\n", c.most), 1)
			h := w.homeOn(0, to)
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			req := access(1, "bob", "hello")
			nas.send("192.0.2.1:1813", req)
			w.reply(nas.receive(), req)
			if c.most > 1 {
				w.host.InjectAll("Connect", syscall.ECONNREFUSED)
			} // else the owner may not have one
			w.pass(5 * time.Minute)
			if h.checks < 25 || h.checks > 40 || len(h.conns) != 1 || w.logged("home server zombie") != 0 {
				t.Errorf("%d checks, on %d connections; zombie %d times", h.checks, len(h.conns), w.logged("home server zombie"))
			}
			h.silent = true
			w.pass(30 * time.Second)
			if life := w.gateway.Homes()[0].Life; life != "dead" || w.logged("no answer to Status-Server") == 0 {
				t.Errorf("it is silent, and %s", life)
			}
			h.silent = false
			w.host.InjectAll("Connect", 0)
			w.pass(3 * time.Second)
			if life := w.gateway.Homes()[0].Life; life != "alive" {
				t.Errorf("it answers, and is %s", life)
			}
			w.idle()
		})
	}
}

// While the program stops nothing is checked: that no connection is opened any more says nothing of a home server.
func TestCheckWhileStopping(t *testing.T) {
	pre := &world{T: t}
	w := newWorld(t, udpListen+pre.homeOnText(0, "tcp", "\tstatus_check = status-server\n"+acctHere("tcp"))+poolText)
	h := w.homeOn(0, "tcp")
	w.until("a check comes", func() bool { return h.checks > 0 })
	w.gateway.branches[0].drain()
	w.pass(time.Minute)
	if h.checks != 1 || w.logged("zombie") != 0 {
		t.Errorf("%d checks, zombie %d times", h.checks, w.logged("zombie"))
	}
}
