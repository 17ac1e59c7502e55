package gateway

import (
	"fmt"
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
)

// A home server of which one port is dead, silent or refused: what goes to that port moves, after one request at the most, and what goes to the
// other stays. Each change is said once, with its port.
func TestPortsDieAlone(t *testing.T) {
	for _, dead := range []string{portMain, portAcct} {
		for _, refused := range []bool{true, false} {
			for _, check := range []string{"auto", "status-server"} {
				t.Run(fmt.Sprint(dead, " refused ", refused, " ", check), func(t *testing.T) {
					more := "\tstatus_check = " + check + "\n"
					w := newWorld(t, udpListen+homeText(0, more)+homeText(1, more)+poolTwo)
					ports := map[string][2]*home{portMain: {w.home(0), w.home(1)}, portAcct: {w.homeAt(0, 1813), w.homeAt(1, 1813)}}
					if sick := ports[dead][0]; refused {
						sick.die()
					} else {
						sick.silent = true
					}
					nas := w.udp(w.nas, "192.0.2.2:4000", nil)
					slow := 0
					for id := range uint8(100) {
						for i, req := range [][]byte{access(id, "bob", "hello"), accounting(id+100, "bob")} {
							began := w.sim.Now()
							nas.send("192.0.2.1:1812", req)
							w.reply(nas.receive(), req)
							switch d := w.sim.Now().Sub(began); {
							case d > 5*time.Second, d > time.Second && id > 0, d > 100*time.Millisecond && [2]string{portMain, portAcct}[i] != dead:
								t.Errorf("%d: answered after %v", req[0], d)
							case d > 100*time.Millisecond:
								slow++
							}
						}
						w.pass(200 * time.Millisecond)
					}
					// A silent port is tried once a second, where checks cannot tell.
					if most := map[bool]int{true: 0, false: 40}[refused]; slow > most {
						t.Errorf("%d requests waited", slow)
					}
					for name, homes := range ports {
						want := [2]int{100, 0}
						if name == dead {
							want = [2]int{homes[0].count, 100}
						}
						if homes[0].count != want[0] || homes[1].count != want[1] || name == dead && homes[0].count > 40 {
							t.Errorf("%s ports got %d and %d, want %v", name, homes[0].count, homes[1].count, want)
						}
					}
					for _, line := range []string{"zombie", "dead"} {
						if w.logged(`"home server `+line+`"`) != 1 || w.logged(`"home server `+line+`" home_server=h0 port=`+dead) != 1 {
							t.Errorf("%s is said %d times", line, w.logged(`"home server `+line+`"`))
						}
					}
					if n := w.logged(`"home server alive"`); n != 0 {
						t.Errorf("it lives again %d times", n)
					}
					h := w.gateway.Homes()[0]
					for _, p := range h.Ports {
						if want := map[bool]string{true: "dead", false: "alive"}[p.Name == dead]; p.Life != want {
							t.Errorf("the %s port is %s", p.Name, p.Life)
						}
					}
					if h.Life != "dead" {
						t.Errorf("it is %s, want the worst of its ports", h.Life)
					}
				})
			}
		}
	}
}

// A port that is back is used again within 2 s: its checks go to it, not to the other.
func TestPortComesBack(t *testing.T) {
	for _, check := range []string{"auto", "status-server", "request"} {
		t.Run(check, func(t *testing.T) {
			more := "\tstatus_check = " + check + "\n"
			if check == "request" {
				more += "\tusername = check\n\tpassword = check\n"
			}
			w := newWorld(t, udpListen+homeText(0, more)+homeText(1, more)+poolTwo)
			main, acct := w.home(0), w.homeAt(0, 1813)
			w.home(1)
			w.homeAt(1, 1813)
			acct.silent = true
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			ask := func(id uint8) {
				req := accounting(id, "bob")
				nas.send("192.0.2.1:1812", req)
				w.reply(nas.receive(), req)
			}
			ask(1)
			w.pass(20 * time.Second)
			acct.silent = false
			w.pass(2 * time.Second)
			before := acct.users("bob")
			ask(2) // where checks do not tell, it is the one that is let through
			if acct.users("bob") != before+1 {
				t.Error("it is not used 2 s later")
			}
			if check != "request" {
				return
			}
			for _, p := range main.seen {
				if p.Code() != radius.AccessRequest {
					t.Errorf("%v at the main port", p.Code())
				}
			}
			for _, p := range acct.seen {
				if p.Code() != radius.AccountingRequest {
					t.Errorf("%v at the port of accounting", p.Code())
				}
			}
		})
	}
}

// The port of accounting is watched only where a realm sends accounting there, from a reload on if need be.
func TestPortWatchedIfUsed(t *testing.T) {
	const pool = "home_server_pool all {\n\thome_server = h0\n}\nrealm DEFAULT {\n"
	text := homeText(0, "\tstatus_check = status-server\n") + pool
	w := newWorld(t, udpListen+text+"\tauth_pool = all\n}\n")
	main, acct := w.home(0), w.homeAt(0, 1813)
	w.pass(30 * time.Second)
	if main.checks == 0 || acct.checks != 0 {
		t.Errorf("%d and %d checks", main.checks, acct.checks)
	}
	cfg, _ := w.parse(udpListen + text + "\tpool = all\n}\n")
	w.load(cfg)
	w.pass(30 * time.Second)
	if acct.checks < 2 || acct.checks > 4 {
		t.Errorf("%d checks in 30 s", acct.checks)
	}
}

// All ports of accounting of a pool are dead, and nothing else: that is said once, and answers to Access-Requests do not take it back.
func TestPoolDownByPort(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "")+poolText)
	w.home(0)
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	for id := range uint8(30) {
		nas.send("192.0.2.1:1812", accounting(id+100, "bob")) // where it is tried, once a second
		nas.send("192.0.2.1:1812", accounting(id+200, "bob"))
		req := access(id, "bob", "hello")
		nas.send("192.0.2.1:1812", req)
		w.reply(nas.receive(), req)
		w.pass(time.Second)
	}
	const line = `"no home server lives" home_server_pool=all port=accounting answer=silence`
	if w.logged("no home server lives") != 1 || w.logged(line) != 1 || w.logged("a home server lives again") != 0 || !w.gateway.Pools()[0].Down {
		t.Errorf("down is said %d times, up %d times", w.logged("no home server lives"), w.logged("a home server lives again"))
	}
	w.homeAt(0, 1813)
	w.pass(3 * time.Second)
	req := accounting(250, "bob")
	nas.send("192.0.2.1:1812", req)
	w.reply(nas.receive(), req)
	if w.logged(`"a home server lives again" home_server_pool=all port=accounting`) != 1 || w.gateway.Pools()[0].Down {
		t.Error("that it lives again is not said")
	}
}
