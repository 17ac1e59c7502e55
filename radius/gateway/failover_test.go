package gateway

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/sim"
)

// A home server is killed with requests in flight: they move, at once where the death shows, and no more go there.
func TestFailOverInFlight(t *testing.T) {
	for _, stack := range []string{"udp", "tcp", "tls+tcp", "tls+udp"} {
		t.Run(stack, func(t *testing.T) {
			pre := &world{T: t}
			more := acctHere(stack)
			w := newWorld(t, udpListen+pre.homeOnText(0, stack, more)+pre.homeOnText(1, stack, more)+poolTwo)
			h0, h1 := w.homeOn(0, stack), w.homeOn(1, stack)
			h0.silent = true
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			var reqs [][]byte
			for i := range 50 {
				reqs = append(reqs, access(uint8(i), fmt.Sprint("user", i), "hello"))
				nas.send("192.0.2.1:1812", reqs[i])
			}
			w.until("all are there", func() bool { return h0.count == 50 })
			began := w.sim.Now()
			h0.die()
			if stack == "udp" {
				// Its system says so to what is sent next.
				nas.send("192.0.2.1:1812", reqs[0])
			}
			want := 500 * time.Millisecond
			if stack == "tls+udp" {
				want = 5 * time.Second // what it says as it closes is all there is to see
			}
			for range reqs {
				data := nas.receive()
				w.reply(data, reqs[data[1]])
			}
			if d := w.sim.Now().Sub(began); d > want {
				t.Errorf("they were answered after %v", d)
			}
			if h1.count != 50 {
				t.Errorf("the second home server got %d", h1.count)
			}
			n := h0.count
			began = w.sim.Now()
			for i := range 20 {
				req := access(uint8(100+i), "bob", "hello")
				nas.send("192.0.2.1:1812", req)
				w.reply(nas.receive(), req)
			}
			if d := w.sim.Now().Sub(began); d > 20*100*time.Millisecond || h0.count != n {
				t.Errorf("20 more took %v, %d of them went to the dead one", d, h0.count-n)
			}
			nas.none(time.Second)
		})
	}
}

// A silent home server is found out by the first request that is not answered; zombie, dead and alive are said once each. It is used again
// within 2 s, by Status-Server if it answers that, by single requests if not.
func TestFailOverAndBack(t *testing.T) {
	for _, c := range []struct {
		check string
		deaf  bool
	}{{"auto", false}, {"auto", true}, {"status-server", false}, {"request", false}} {
		t.Run(fmt.Sprint(c.check, " ", c.deaf), func(t *testing.T) {
			more := "\tstatus_check = " + c.check + "\n" + acctHere("udp")
			if c.check == "request" {
				more += "\tusername = check\n\tpassword = check\n"
			}
			w := newWorld(t, udpListen+homeText(0, more)+homeText(1, more)+poolTwo)
			h0, h1 := w.home(0), w.home(1)
			h0.silent, h0.deaf = true, c.deaf
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			id := uint8(0)
			ask := func() time.Duration {
				t.Helper()
				id++
				req := access(id, "bob", "hello")
				began := w.sim.Now()
				nas.send("192.0.2.1:1812", req)
				w.reply(nas.receive(), req)
				return w.sim.Now().Sub(began)
			}
			if d := ask(); d > 5*time.Second {
				t.Errorf("it moved after %v", d)
			}
			slow := 0
			for range 100 {
				if d := ask(); d > 600*time.Millisecond {
					t.Errorf("answered after %v", d)
				} else if d > 100*time.Millisecond {
					slow++
				}
				w.pass(200 * time.Millisecond)
			}
			if c.deaf && slow < 10 || slow > 40 {
				t.Errorf("%d requests of 20 s were tried on it", slow)
			}
			if w.logged(`"home server zombie"`) != 1 || w.logged(`"home server dead"`) != 1 || w.logged(`"home server alive"`) != 0 {
				t.Errorf("zombie %d, dead %d, alive %d times", w.logged(`"home server zombie"`), w.logged(`"home server dead"`), w.logged(`"home server alive"`))
			}
			h0.silent = false
			before := h0.users("bob")
			end := w.sim.Now().Add(2 * time.Second)
			for w.sim.Now().Before(end) {
				ask()
				w.pass(50 * time.Millisecond)
			}
			if h0.users("bob") == before {
				t.Error("it is not used 2 s later")
			}
			other := h1.count
			ask()
			if h1.count != other || w.logged(`"home server alive"`) != 1 {
				t.Errorf("it is not the first again; alive %d times", w.logged(`"home server alive"`))
			}
		})
	}
}

// users counts the requests of a user.
func (h *home) users(name string) (count int) {
	for _, p := range h.seen {
		if user, _ := p.Find(radius.UserName); string(user) == name {
			count++
		}
	}
	return count
}

// status_check = none: only revive_interval brings it back.
func TestFailOverRevive(t *testing.T) {
	more := "\tstatus_check = none\n\trevive_interval = 30s\n"
	w := newWorld(t, udpListen+homeText(0, more)+homeText(1, more)+poolTwo)
	h0, h1 := w.home(0), w.home(1)
	h0.silent = true
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	for id := range uint8(60) {
		if id == 20 {
			h0.silent = false
		}
		req := access(id, "bob", "hello")
		nas.send("192.0.2.1:1812", req)
		w.reply(nas.receive(), req)
		w.pass(time.Second)
	}
	if h0.checks+h1.checks > 0 {
		t.Error("it was checked")
	}
	if h0.count < 20 || h1.count < 28 || h0.count+h1.count != 61 {
		t.Errorf("the home servers got %d and %d", h0.count, h1.count)
	}
}

// status_check = status-server finds out a dead home server before any request does.
func TestFailOverWatched(t *testing.T) {
	for _, stack := range []string{"udp", "tcp"} {
		t.Run(stack, func(t *testing.T) {
			pre := &world{T: t}
			more := "\tstatus_check = status-server\n" + acctHere(stack)
			w := newWorld(t, udpListen+pre.homeOnText(0, stack, more)+pre.homeOnText(1, stack, more)+poolTwo)
			h0, h1 := w.homeOn(0, stack), w.homeOn(1, stack)
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			w.pass(time.Minute)
			if h0.checks < 5 || h0.checks > 8 || w.logged("zombie") > 0 {
				t.Errorf("%d checks in a minute", h0.checks)
			}
			h0.die()
			w.pass(13 * time.Second)
			if w.logged(`"home server zombie"`) != 1 {
				t.Error("it was not found out")
			}
			req := access(1, "bob", "hello")
			began := w.sim.Now()
			nas.send("192.0.2.1:1812", req)
			w.reply(nas.receive(), req)
			if d := w.sim.Now().Sub(began); d > 100*time.Millisecond || h1.count != 1 {
				t.Errorf("answered after %v", d)
			}
		})
	}
}

// A request tries at most two home servers.
func TestFailOverTwoAtMost(t *testing.T) {
	three := homeText(0, "") + homeText(1, "") + homeText(2, "") +
		"home_server_pool all {\n\thome_server = h0\n\thome_server = h1\n\thome_server = h2\n}\nrealm DEFAULT {\n\tpool = all\n}\n"
	w := newWorld(t, udpListen+three)
	var homes []*home
	for i := range 3 {
		homes = append(homes, w.home(i))
		homes[i].silent = true
	}
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	req := access(1, "bob", "hello")
	nas.send("192.0.2.1:1812", req)
	if p := w.reply(nas.receive(), req); p.Code() != radius.AccessReject {
		t.Errorf("%v", p.Code())
	}
	nas.none(10 * time.Second)
	if homes[0].count != 1 || homes[1].count != 1 || homes[2].count != 0 {
		t.Errorf("%d, %d, %d", homes[0].count, homes[1].count, homes[2].count)
	}
}

// Accounting that moves keeps its Acct-Delay-Time: the time that passes here is the client's to count.
func TestFailOverAccounting(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "\tacct_port = 1812\n")+homeText(1, "\tacct_port = 1812\n")+poolTwo)
	h0, h1 := w.home(0), w.home(1)
	h0.silent = true
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	req := buildCode(radius.AccountingRequest, 1, func(b *radius.Builder) {
		b.AddString(radius.UserName, "bob")
		b.AddUint32(radius.AcctStatusType, 2)
		b.AddUint32(radius.AcctDelayTime, 17)
	})
	nas.send("192.0.2.1:1812", req)
	w.reply(nas.receive(), req)
	for i, h := range []*home{h0, h1} {
		if v, _ := h.last().Find(radius.AcctDelayTime); !bytes.Equal(v, []byte{0, 0, 0, 17}) {
			t.Errorf("home server %d: Acct-Delay-Time %x", i, v)
		}
	}
}

// More than 256 in flight to one home server: all are answered.
func TestManyInFlight(t *testing.T) {
	for _, stack := range []string{"udp", "tcp", "tls+tcp"} {
		t.Run(stack, func(t *testing.T) {
			pre := &world{T: t}
			w := newWorld(t, udpListen+pre.homeOnText(0, stack, acctHere(stack))+poolText)
			h := w.homeOn(0, stack)
			var answers []func()
			h.answer = func(req radius.Packet) []byte {
				send, msg := h.send, h.accept(req)
				answers = append(answers, func() { send(msg) })
				return nil
			}
			const count = 1000
			var nas []*socket
			for n := range count {
				if n%250 == 0 {
					nas = append(nas, w.udp(w.nas, fmt.Sprint("192.0.2.2:", 4000+n), nil))
				}
				nas[n/250].send("192.0.2.1:1812", access(uint8(n%250), "bob", "hello"))
				if n%50 == 0 {
					w.pass(time.Millisecond)
				}
			}
			began := w.sim.Now()
			w.until("all are there", func() bool { return h.count == count })
			if d := w.sim.Now().Sub(began); d > 1500*time.Millisecond {
				t.Errorf("they were there after %v", d)
			}
			for _, answer := range answers {
				answer()
			}
			w.pass(time.Second)
			for _, s := range nas {
				for _, p := range s.got {
					w.reply(p.Data, access(p.Data[1], "bob", "hello"))
				}
				if len(s.got) != 250 {
					t.Errorf("%d answers of 250", len(s.got))
				}
			}
		})
	}
}

// A connection that breaks with a request on it, of the only home server: the request goes over another one.
func TestFailOverReconnect(t *testing.T) {
	for _, stack := range []string{"tcp", "tls+tcp", "tls+udp"} {
		t.Run(stack, func(t *testing.T) {
			pre := &world{T: t}
			w := newWorld(t, udpListen+pre.homeOnText(0, stack, acctHere(stack))+poolText)
			h := w.homeOn(0, stack)
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			req := access(1, "bob", "hello")
			nas.send("192.0.2.1:1812", req)
			w.reply(nas.receive(), req)
			h.silent = true
			req = access(2, "bob", "hello")
			nas.send("192.0.2.1:1812", req)
			w.until("it is there", func() bool { return h.count == 2 })
			h.silent = false
			w.must(h.conns[0].Close())
			if p := w.reply(nas.receive(), req); p.Code() != radius.AccessAccept {
				t.Errorf("%v", p.Code())
			}
			if w.logged("zombie") > 0 || len(h.conns) != 2 {
				t.Errorf("%d connections", len(h.conns))
			}
		})
	}
}

// A home server loses its power, and with it all connections, without a word. When it is back it is used within 2 s.
func TestFailOverPowerLoss(t *testing.T) {
	for _, stack := range []string{"udp", "tcp", "tls+tcp", "tls+udp"} {
		for _, check := range []string{"auto", "status-server"} {
			t.Run(stack+" "+check, func(t *testing.T) {
				pre := &world{T: t}
				more := acctHere(stack) + "\tstatus_check = " + check + "\n"
				w := newWorld(t, udpListen+pre.homeOnText(0, stack, more)+pre.homeOnText(1, stack, more)+poolTwo)
				h0, h1 := w.homeOn(0, stack), w.homeOn(1, stack)
				nas := w.udp(w.nas, "192.0.2.2:4000", nil)
				id := uint8(0)
				ask := func() {
					t.Helper()
					id++
					req := access(id, "bob", "hello")
					nas.send("192.0.2.1:1812", req)
					w.reply(nas.receive(), req)
					w.pass(50 * time.Millisecond)
				}
				ask()
				w.sim.SetLink(w.host, w.homes[0], sim.Link{Loss: 1})
				w.placeDies(w.homes[0])
				for range 600 {
					ask()
				}
				if h0.count != 1 || h1.count != 600 {
					t.Errorf("the home servers got %d and %d", h0.count, h1.count)
				}
				h0 = w.homeOn(0, stack)
				w.sim.SetLink(w.host, w.homes[0], sim.Link{DelayMin: time.Millisecond, DelayMax: time.Millisecond})
				end := w.sim.Now().Add(2 * time.Second)
				for w.sim.Now().Before(end) {
					ask()
				}
				n := h0.count
				if ask(); h0.count != n+1 {
					t.Error("it is not used 2 s later")
				}
			})
		}
	}
}

// A home server that answers to nothing, not even to a connection, is tried without a break: whenever it comes back, an attempt is under way
// that is not older than two checks.
func TestFailOverNeverUntried(t *testing.T) {
	for _, stack := range []string{"tcp", "tls+tcp", "tls+udp"} {
		t.Run(stack, func(t *testing.T) {
			pre := &world{T: t}
			w := newWorld(t, udpListen+pre.homeOnText(0, stack, acctHere(stack))+poolText)
			w.sim.SetLink(w.host, w.homes[0], sim.Link{Loss: 1})
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			nas.send("192.0.2.1:1812", access(1, "bob", "hello"))
			w.until("it is a zombie", func() bool { return w.logged(`"home server zombie"`) == 1 })
			w.pass(10 * time.Second)
			h := w.gateway.Homes()[0].Ports[0]
			opened := h.Peer.Counts.Opened.Load()
			end := w.sim.Now().Add(time.Minute)
			w.until("a minute passes", func() bool {
				if h.Peer.Connections() == 0 {
					t.Fatalf("nothing is tried %v before the end", end.Sub(w.sim.Now()))
				}
				return !w.sim.Now().Before(end)
			})
			if n := h.Peer.Counts.Opened.Load() - opened; n < 60/3 || n > 60 {
				t.Errorf("%d attempts in a minute", n)
			}
		})
	}
}

// A connection that dies is no silence: its home server is not suspected when the request's time is over, and one that was reported is not reported
// again.
func TestFailOverLostIsNotLate(t *testing.T) {
	pre := &world{T: t}
	w := newWorld(t, udpListen+homeText(0, "")+pre.homeOnText(1, "tcp", acctHere("tcp"))+poolTwo)
	h0, h1 := w.home(0), w.homeOn(1, "tcp")
	h0.silent, h1.silent = true, true
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	req := access(1, "bob", "hello")
	nas.send("192.0.2.1:1812", req)
	w.until("the second has it", func() bool { return h1.count == 1 })
	w.must(h1.conns[0].Close())
	if p := w.reply(nas.receive(), req); p.Code() != radius.AccessReject {
		t.Errorf("%v", p.Code())
	}
	homes := w.gateway.Homes()
	if a, b := homes[0].Ports[0].Counts.Timeouts.Load(), homes[1].Ports[0].Counts.Timeouts.Load(); a != 1 || b != 0 {
		t.Errorf("%d and %d time-outs", a, b)
	}
	if w.logged(`"home server zombie" home_server=h0`) != 1 || w.logged(`"home server zombie" home_server=h1`) != 0 {
		t.Error("it was suspected")
	}
}

// A request that goes on waiting for its only home server is late once.
func TestFailOverLateOnce(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "")+poolText)
	w.home(0).silent = true
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	req := access(1, "bob", "hello")
	nas.send("192.0.2.1:1812", req)
	w.reply(nas.receive(), req)
	if n := w.gateway.Homes()[0].Ports[0].Counts.Timeouts.Load(); n != 1 {
		t.Errorf("%d time-outs", n)
	}
}

// A home server that accepts connections, through their handshakes, and answers nothing is down: a connection proves itself by a reply. Checks do
// not bring it back, and no more connections are made than it is tried.
func TestFailOverHandshakeOnly(t *testing.T) {
	for _, stack := range []string{"tcp", "tls+tcp", "tls+udp"} {
		t.Run(stack, func(t *testing.T) {
			pre := &world{T: t}
			w := newWorld(t, udpListen+pre.homeOnText(0, stack, acctHere(stack))+pre.homeOnText(1, stack, acctHere(stack))+poolTwo)
			h0, h1 := w.homeOn(0, stack), w.homeOn(1, stack)
			h0.silent = true
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			began := w.sim.Now()
			for id := range uint8(240) {
				req := access(id, "bob", "hello")
				sent := w.sim.Now()
				nas.send("192.0.2.1:1812", req)
				w.reply(nas.receive(), req)
				if d := w.sim.Now().Sub(sent); id == 0 && d > 5*time.Second || id > 0 && d > 600*time.Millisecond {
					t.Errorf("request %d was answered after %v", id, d)
				}
				w.pass(250 * time.Millisecond)
			}
			home := w.gateway.Homes()[0]
			if home.Life != "dead" || w.logged(`"home server zombie" home_server=h0`) != 1 || w.logged(`"home server alive"`) != 0 || h1.count != 240 {
				t.Errorf("it is %s; the second home server got %d", home.Life, h1.count)
			}
			seconds := int(w.sim.Now().Sub(began) / time.Second)
			if n := len(h0.conns); h0.checks < seconds/2 || n < 5 || n > seconds+10 {
				t.Errorf("%d connections, %d checks in %d s", n, h0.checks, seconds)
			}
			h0.silent = false
			w.pass(2 * time.Second)
			n := h0.count
			req := access(250, "bob", "hello")
			nas.send("192.0.2.1:1812", req)
			w.reply(nas.receive(), req)
			if h0.count != n+1 {
				t.Error("it is not used 2 s later")
			}
		})
	}
}
