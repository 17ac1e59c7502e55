package gateway

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
)

// poolOf is a pool of count home servers, for all.
func poolOf(count int, keys string) string {
	text := ""
	for i := range count {
		text += homeText(i, "\tacct_port = 1812\n")
	}
	text += "home_server_pool all {\n" + keys
	for i := range count {
		text += fmt.Sprintf("\thome_server = h%d\n", i)
	}
	return text + "}\nrealm DEFAULT {\n\tpool = all\n}\n"
}

// homesOf starts them.
func (w *world) homesOf(count int) (homes []*home) {
	for i := range count {
		homes = append(homes, w.home(i))
	}
	return homes
}

// ask sends a request and returns which home server got it first, and the answer.
func ask(nas *socket, homes []*home, req []byte) (int, radius.Packet) {
	nas.Helper()
	var before []int
	for _, h := range homes {
		before = append(before, h.count)
	}
	nas.send("192.0.2.1:1812", req)
	p := nas.reply(nas.receive(), req)
	for i, h := range homes {
		if h.count > before[i] {
			return i, p
		}
	}
	return -1, p
}

// keyed-balance: all of one station go to one home server; when one dies only its own move, and when it is back they return.
func TestPoolKeyed(t *testing.T) {
	w := newWorld(t, udpListen+poolOf(3, "\ttype = keyed-balance\n"))
	homes := w.homesOf(3)
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	id := uint8(0)
	where := func(station int) int {
		id++
		i, _ := ask(nas, homes, build(id, func(b *radius.Builder) { b.AddString(radius.CallingStationID, fmt.Sprint("station ", station)) }))
		return i
	}
	const stations = 60
	var at [stations]int
	var count [3]int
	for n := range at {
		at[n] = where(n)
		count[at[n]]++
	}
	for i, n := range count {
		if n < 8 {
			t.Errorf("home server %d has %d of %d", i, n, stations)
		}
	}
	for n := range at {
		if i := where(n); i != at[n] {
			t.Errorf("station %d went from %d to %d", n, at[n], i)
		}
	}
	homes[1].silent = true
	for n := range at { // the first one of its stations finds out
		where(n)
	}
	moved := map[int]bool{}
	for n := range at {
		i := where(n)
		if at[n] != 1 && i != at[n] {
			t.Errorf("station %d of a living home server went from %d to %d", n, at[n], i)
		}
		if at[n] == 1 {
			moved[i] = true
		}
	}
	if !moved[0] || !moved[2] || moved[1] {
		t.Errorf("its stations went to %v", moved)
	}
	homes[1].silent = false
	w.pass(5 * time.Second)
	for n := range at {
		if i := where(n); i != at[n] {
			t.Errorf("station %d is at %d, not back at %d", n, i, at[n])
		}
	}
}

// keyed-balance knows home servers by their names: another order of them in the file moves nobody, and one that is taken out only its own.
func TestPoolKeyedByName(t *testing.T) {
	list := func(names ...string) string {
		text := poolOf(3, "\ttype = keyed-balance\n")
		from, to := strings.Index(text, "home_server_pool"), strings.Index(text, "realm")
		return text[:from] + "home_server_pool all {\n\ttype = keyed-balance\n\thome_server = " + strings.Join(names, "\n\thome_server = ") + "\n}\n" + text[to:]
	}
	w := newWorld(t, udpListen+list("h0", "h1", "h2"))
	homes := w.homesOf(3)
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	id := uint8(0)
	places := func() (at [40]int) {
		for n := range at {
			id++
			at[n], _ = ask(nas, homes, build(id, func(b *radius.Builder) { b.AddString(radius.CallingStationID, fmt.Sprint("station ", n)) }))
		}
		return at
	}
	before := places()
	for _, names := range [][]string{{"h2", "h0", "h1"}, {"h2", "h0"}} {
		cfg, _ := w.parse(strings.SplitN(udpListen, "}\n}\n", 2)[1] + list(names...))
		w.load(cfg)
		for n, at := range places() {
			if gone := before[n] == 1 && len(names) == 2; at != before[n] && !gone || at == 1 && gone {
				t.Errorf("%v: station %d went from %d to %d", names, n, before[n], at)
			}
		}
	}
}

// client-balance goes by the address alone, client-port-balance by the port too.
func TestPoolClient(t *testing.T) {
	for _, kind := range []string{"client-balance", "client-port-balance"} {
		w := newWorld(t, udpListen+poolOf(3, "\ttype = "+kind+"\n"))
		homes := w.homesOf(3)
		met := map[int]bool{}
		for port := range 20 {
			nas := w.udp(w.nas, fmt.Sprint("192.0.2.2:", 4000+port), nil)
			one, _ := ask(nas, homes, access(1, "bob", "hello"))
			two, _ := ask(nas, homes, access(2, "carl", "hello"))
			if one != two {
				t.Errorf("%s: one port went to %d and %d", kind, one, two)
			}
			met[one] = true
		}
		if want := map[string]int{"client-balance": 1, "client-port-balance": 3}[kind]; len(met) != want {
			t.Errorf("%s: %d home servers of 3", kind, len(met))
		}
	}
}

// load-balance gives each request to the one that has the fewest under way.
func TestPoolLoad(t *testing.T) {
	w := newWorld(t, udpListen+poolOf(3, "\ttype = load-balance\n"))
	homes := w.homesOf(3)
	for _, h := range homes {
		h.silent = true
	}
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	for id := range uint8(90) {
		nas.send("192.0.2.1:1812", access(id, "bob", "hello"))
	}
	w.until("all are there", func() bool { return homes[0].count+homes[1].count+homes[2].count == 90 })
	for i, h := range homes {
		if h.count != 30 {
			t.Errorf("home server %d got %d of 90", i, h.count)
		}
	}
}

// max_outstanding of a home server: what is more goes to the next.
func TestPoolOutstanding(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "\tmax_outstanding = 10\n")+homeText(1, "")+poolTwo)
	homes := w.homesOf(2)
	homes[0].silent, homes[1].silent = true, true
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	for id := range uint8(30) {
		nas.send("192.0.2.1:1812", access(id, "bob", "hello"))
	}
	w.pass(100 * time.Millisecond)
	if homes[0].count != 10 || homes[1].count != 20 {
		t.Errorf("%d and %d", homes[0].count, homes[1].count)
	}
	if w.logged("home server zombie") > 0 {
		t.Error("one that is busy is not dead")
	}
}

// allDown has a pool whose only home server is not there, and asks until that is known.
func allDown(t *testing.T, keys, more string) (*world, *socket) {
	w := newWorld(t, udpListen+homeText(0, "\tacct_port = 1812\n")+"home_server_pool all {\n\thome_server = h0\n"+keys+"}\n"+more)
	return w, w.udp(w.nas, "192.0.2.2:4000", nil)
}

const defaultRealm = "realm DEFAULT {\n\tpool = all\n}\n"

// All are down, not there or silent: the answer that is configured, and a line, once.
func TestPoolDown(t *testing.T) {
	for _, c := range []struct {
		keys               string
		access, accounting bool // answered
		line               string
	}{
		{"", true, false, "answer=reject"},
		{"\tfallback = reject\n", true, false, "answer=reject"},
		{"\tfallback = drop\n", false, false, "answer=silence"},
	} {
		for _, silent := range []bool{false, true} {
			t.Run(fmt.Sprint(c.keys, " silent ", silent), func(t *testing.T) {
				w, nas := allDown(t, c.keys, defaultRealm)
				var h *home
				if silent {
					h = w.home(0)
					h.silent, h.deaf = true, true
				}
				for id := range uint8(60) {
					nas.send("192.0.2.1:1812", access(id, "bob", "hello"))
					w.pass(1100 * time.Millisecond) // so that each may be let through to see whether it is back
					nas.send("192.0.2.1:1812", accounting(id+100, "bob"))
					w.pass(1100 * time.Millisecond)
				}
				w.pass(10 * time.Second)
				count := map[radius.Code]int{}
				for _, p := range nas.got {
					count[radius.Packet(p.Data).Code()]++
				}
				if want := map[bool]int{true: 60}[c.access]; count[radius.AccessReject] != want || len(nas.got) != want {
					t.Errorf("answers: %v", count)
				}
				if w.logged("no home server lives") != 1 || w.logged(c.line) != 1 {
					t.Errorf("%d lines", w.logged("no home server lives"))
				}
				nas.got = nil
				if silent {
					h.silent, h.deaf = false, false
				} else {
					h = w.home(0)
				}
				w.pass(3 * time.Second)
				for id := range uint8(5) {
					if _, p := ask(nas, []*home{h}, access(id+200, "bob", "hello")); p.Code() != radius.AccessAccept {
						t.Errorf("%v once it is back", p.Code())
					}
				}
				if w.logged("a home server lives again") != 1 {
					t.Error("that it lives again is not said once")
				}
			})
		}
	}
}

// fallback = NAME asks that home server when no other lives.
func TestPoolFallbackHome(t *testing.T) {
	w, nas := allDown(t, "\tfallback = h1\n", homeText(1, "\tacct_port = 1812\n")+defaultRealm)
	other := w.home(1)
	for id := range uint8(20) {
		req := access(id, "bob", "hello")
		nas.send("192.0.2.1:1812", req)
		if p := w.reply(nas.receive(), req); p.Code() != radius.AccessAccept {
			t.Errorf("%d: %v", id, p.Code())
		}
		w.pass(time.Second)
	}
	if other.count != 20 {
		t.Errorf("the fallback got %d", other.count)
	}
	h := w.home(0)
	w.pass(3 * time.Second)
	if i, _ := ask(nas, []*home{h, other}, access(100, "bob", "hello")); i != 0 {
		t.Error("the fallback is asked though the home server is back")
	}
}

// default_fallback asks realm DEFAULT where no home server of a realm lives; each kind of request its own pool.
func TestPoolDefaultFallback(t *testing.T) {
	w, nas := allDown(t, "", "proxy server {\n\tdefault_fallback = yes\n}\nrealm a.example {\n\tpool = all\n\tcoa_pool = gone\n}\n"+
		homeText(1, "\tacct_port = 1812\n")+homeText(2, "\ttype = coa\n")+homeText(3, "\ttype = coa\n")+
		"home_server_pool other {\n\thome_server = h1\n}\nhome_server_pool gone {\n\thome_server = h2\n}\nhome_server_pool coa {\n\thome_server = h3\n}\n"+
		"realm DEFAULT {\n\tpool = other\n\tcoa_pool = coa\n}\n")
	other, coa := w.home(1), w.home(3)
	for id := range uint8(20) {
		for i, code := range []radius.Code{radius.AccessRequest, radius.AccountingRequest, radius.CoARequest, radius.DisconnectRequest} {
			req := buildCode(code, id+uint8(50*i), func(b *radius.Builder) { b.AddString(radius.UserName, "bob@a.example") })
			nas.send("192.0.2.1:1812", req)
			if p := w.reply(nas.receive(), req); p.Code() == radius.AccessReject || p.Code() == radius.CoANAK || p.Code() == radius.DisconnectNAK {
				t.Errorf("%d: %v", id, p.Code())
			}
		}
		w.pass(time.Second)
	}
	if other.count != 40 || coa.count != 40 {
		t.Errorf("DEFAULT's pools got %d and %d", other.count, coa.count)
	}
	for _, p := range coa.seen {
		if p.Code() != radius.CoARequest && p.Code() != radius.DisconnectRequest {
			t.Errorf("%v in the coa_pool", p.Code())
		}
	}
}
