package gateway

import (
	"fmt"
	"strings"
	"testing"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/sim"
)

// challenge has the home servers answer with a State of their own each time.
func challenge(homes []*home) {
	for i, h := range homes {
		h.answer = func(req radius.Packet) []byte {
			b := radius.NewReply(nil, radius.AccessChallenge, req)
			b.AddString(radius.State, fmt.Sprint("state ", i, " ", h.count))
			return h.seal(&b)
		}
	}
}

// withState is a session's next request.
func withState(id uint8, p radius.Packet) []byte {
	state, _ := p.Find(radius.State)
	return build(id, func(b *radius.Builder) { b.Add(radius.State, state) })
}

// Whatever the type, the round trips of one session meet the home server that gave the State.
func TestPoolSticky(t *testing.T) {
	w := newWorld(t, udpListen+poolOf(3, "\ttype = load-balance\n"))
	homes := w.homesOf(3)
	challenge(homes)
	met := map[int]bool{}
	for session := range 20 {
		nas := w.udp(w.nas, fmt.Sprint("192.0.2.2:", 4000+session), nil)
		at, p := ask(nas, homes, access(1, "bob", "hello"))
		met[at] = true
		for id := range uint8(10) {
			var i int
			if i, p = ask(nas, homes, withState(id+2, p)); i != at {
				t.Fatalf("session %d went from %d to %d", session, at, i)
			}
		}
	}
	if len(met) != 3 {
		t.Errorf("%d home servers have sessions", len(met))
	}
}

// So they do when they come to several threads, by datagrams from different ports or by different connections, and when another thread has the
// connection to the home server.
func TestPoolStickyThreads(t *testing.T) {
	for _, from := range []string{"udp", "tcp"} {
		for _, to := range []string{"udp", "tcp"} {
			t.Run(from+" "+to, func(t *testing.T) {
				pre := &world{T: t}
				text := clientText + "home_server_pool all {\n\ttype = load-balance\n"
				for i := range 3 {
					text += fmt.Sprintf("\thome_server = h%d\n", i)
				}
				text += "}\nrealm DEFAULT {\n\tpool = all\n}\n"
				for i := range 3 {
					text += pre.homeOnText(i, to, acctHere(to)+"\tlimit {\n\t\tmax_connections = 1\n\t}\n")
				}
				for i := range 2 {
					text += strings.Replace(pre.listenText(fmt.Sprint("l", i), from, gatewayAddr), "port = 1812", fmt.Sprint("port = ", 1812+i), 1)
				}
				w := newWorldOf(t, sim.New(1, sim.Options{}), 2, text)
				var homes []*home
				for i := range 3 {
					homes = append(homes, w.homeOn(i, to))
				}
				challenge(homes)
				var ask [2]func(req []byte) radius.Packet
				for i := range ask {
					if from == "udp" {
						nas := w.udp(w.nas, fmt.Sprint("192.0.2.2:", 4000+i), nil)
						ask[i] = func(req []byte) radius.Packet {
							nas.send(fmt.Sprint("192.0.2.1:", 1812+i), req)
							return w.reply(nas.receive(), req)
						}
						continue
					}
					nas := w.dialText(strings.Replace(w.connectText("home_server x", from, gatewayAddr), "port = 1812", fmt.Sprint("port = ", 1812+i), 1))
					ask[i] = func(req []byte) radius.Packet {
						nas.send(req)
						return w.reply(nas.receive(), req)
					}
				}
				place := func(p radius.Packet) (at int) {
					state, _ := p.Find(radius.State)
					_, err := fmt.Sscanf(string(state), "state %d", &at)
					w.must(err)
					return at
				}
				met := map[int]bool{}
				for session := range uint8(20) {
					p := ask[session%2](access(10*session, "bob", "hello"))
					at := place(p)
					met[at] = true
					for n := range uint8(6) {
						p = ask[(session+n+1)%2](withState(10*session+n+1, p))
						if i := place(p); i != at {
							t.Fatalf("session %d went from %d to %d", session, at, i)
						}
					}
				}
				if len(met) == 1 {
					t.Error("one home server has all sessions")
				}
			})
		}
	}
}

// A session stays with its home server while that is a zombie, as one lost packet makes it: only of a dead one it goes to another.
func TestPoolStickyZombie(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "\tstatus_check = none\n\trevive_interval = 1h\n")+homeText(1, "")+poolTwo)
	homes := w.homesOf(2)
	challenge(homes)
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	at, p := ask(nas, homes, access(1, "bob", "hello"))
	if at != 0 {
		t.Fatalf("it went to %d", at)
	}
	homes[0].silent = true
	lost := access(2, "carl", "hello")
	nas.send("192.0.2.1:1812", lost)
	w.reply(nas.receive(), lost)
	homes[0].silent = false
	if n := w.logged(`"home server zombie"`); n != 1 {
		t.Fatalf("zombie %d times", n)
	}
	if at, _ := ask(nas, homes, access(3, "dave", "hello")); at != 1 {
		t.Errorf("another session went to %d", at)
	}
	if at, _ := ask(nas, homes, withState(4, p)); at != 0 {
		t.Errorf("the session went to %d", at)
	}
}

// A home server that is in no configuration any more is forgotten, and not remembered again by what it answers late.
func TestStickyForget(t *testing.T) {
	w := newWorld(t, udpListen+poolOf(2, ""))
	s := &w.gateway.sticky
	one, two := w.gateway.homes["h0"], w.gateway.homes["h1"]
	for i := range 1000 {
		s.put(fmt.Append(nil, i), []*homeState{one, two}[i%2])
	}
	one.gone.Store(true)
	s.forget()
	s.put([]byte("late"), one)
	kept := 0
	for i := range 1000 {
		switch h := s.get(fmt.Append(nil, i)); {
		case h == one, i%2 == 0 && h != nil:
			t.Fatal("it is remembered")
		case h == two:
			kept++
		}
	}
	if kept < 490 || s.get([]byte("late")) != nil {
		t.Errorf("%d of 500 are kept", kept)
	}
}

// Looking for a State allocates nothing, remembering it nothing but once.
func TestStickyAllocatesNothing(t *testing.T) {
	w := newWorld(t, udpListen+poolOf(1, ""))
	s, h, state := &w.gateway.sticky, w.gateway.homes["h0"], []byte("a state")
	if n := testing.AllocsPerRun(100, func() {
		s.put(state, h)
		if s.get(state) != h {
			t.Error("it is not found")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
