package gateway

import (
	"fmt"
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
)

// fallText has realm a.example with home server h0, and realm DEFAULT with those named, which is asked in its place.
func fallText(keys string, homes ...string) string {
	text := udpListen + homeText(0, "") + homeText(1, "") + "home_server_pool a {\n\thome_server = h0\n}\nhome_server_pool other {\n"
	for _, name := range homes {
		text += "\thome_server = " + name + "\n"
	}
	return text + "}\nrealm a.example {\n\tauth_pool = a\n" + keys + "}\nrealm DEFAULT {\n\tauth_pool = other\n}\nproxy server {\n\tdefault_fallback = yes\n}\n"
}

// The home server of a realm does not answer, be it silent or not there: realm DEFAULT does, from the first request on, within the time of one home
// server; and nobody is rejected.
func TestDefaultFallbackSilent(t *testing.T) {
	for _, c := range []struct {
		name string
		deaf bool // it does not answer checks either
		dies bool
	}{{"silent", false, false}, {"deaf", true, false}, {"refused", true, true}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, fallText("", "h1"))
			h0, h1 := w.home(0), w.home(1)
			h0.silent, h0.deaf = true, c.deaf
			if c.dies {
				h0.die()
			}
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			for id := range uint8(60) {
				req := access(id, "bob@a.example", "hello")
				began := w.sim.Now()
				nas.send("192.0.2.1:1812", req)
				p := w.reply(nas.receive(), req)
				if d := w.sim.Now().Sub(began); p.Code() != radius.AccessAccept || d > 5*time.Second {
					t.Errorf("request %d: %v after %v", id, p.Code(), d)
				}
				w.pass(500 * time.Millisecond)
			}
			nas.none(10 * time.Second)
			if h1.count != 60 {
				t.Errorf("realm DEFAULT got %d of 60", h1.count)
			}
			if n := w.logged("no home server lives"); n != 1 {
				t.Errorf("%d lines", n)
			}
		})
	}
}

// One request is lost on its way: realm DEFAULT answers it, and nobody says that no home server lives.
func TestDefaultFallbackOneLost(t *testing.T) {
	w := newWorld(t, fallText("", "h1"))
	h0, h1 := w.home(0), w.home(1)
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	for id := range uint8(5) {
		h0.answer = nil
		if id == 0 {
			h0.answer = func(radius.Packet) []byte { return nil }
		}
		req := access(id, "bob@a.example", "hello")
		nas.send("192.0.2.1:1812", req)
		if p := w.reply(nas.receive(), req); p.Code() != radius.AccessAccept {
			t.Errorf("request %d: %v", id, p.Code())
		}
		w.pass(time.Second)
	}
	if h1.count != 1 || w.logged("no home server lives") != 0 {
		t.Errorf("realm DEFAULT got %d; %d lines", h1.count, w.logged("no home server lives"))
	}
}

// Realm DEFAULT has the same home server: it is not asked twice for one copy of the client's, and what comes next is asked.
func TestDefaultFallbackSameHome(t *testing.T) {
	for _, dies := range []bool{false, true} {
		t.Run(fmt.Sprint("dies ", dies), func(t *testing.T) {
			w := newWorld(t, fallText("", "h0", "h1"))
			h0, h1 := w.home(0), w.home(1)
			h0.silent, h0.deaf = true, true
			if dies {
				h0.die()
			}
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			for id := range uint8(20) {
				req := access(id, "bob@a.example", "hello")
				before, sent := h0.count, w.logged("to home_server h0")
				nas.send("192.0.2.1:1812", req)
				if p := w.reply(nas.receive(), req); p.Code() != radius.AccessAccept || h0.count > before+1 || w.logged("to home_server h0") > sent+1 {
					t.Errorf("request %d: %v, sent to the silent one %d times", id, p.Code(), w.logged("to home_server h0")-sent)
				}
			}
			nas.none(10 * time.Second)
			if h1.count != 20 {
				t.Errorf("the second home server got %d", h1.count)
			}
		})
	}
}

// Only the same home server is in realm DEFAULT, too: there is nobody to ask, and a late answer is still taken.
func TestDefaultFallbackOnlySameHome(t *testing.T) {
	w := newWorld(t, fallText("", "h0"))
	h := w.home(0)
	h.silent = true
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	req := access(1, "bob@a.example", "hello")
	nas.send("192.0.2.1:1812", req)
	nas.none(4 * time.Second)
	h.send(h.accept(h.last()))
	if p := w.reply(nas.receive(), req); p.Code() != radius.AccessAccept || h.count != 1 {
		t.Errorf("%v; the home server got %d", p.Code(), h.count)
	}
}

// What a realm strips from User-Name is there for realm DEFAULT, which needs it to know where to.
func TestDefaultFallbackName(t *testing.T) {
	w := newWorld(t, fallText("\tstrip = yes\n", "h1"))
	h0, h1 := w.home(0), w.home(1)
	h0.silent = true
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	req := access(1, "bob@a.example", "hello")
	nas.send("192.0.2.1:1812", req)
	w.reply(nas.receive(), req)
	one, _ := h0.last().Find(radius.UserName)
	two, _ := h1.last().Find(radius.UserName)
	if string(one) != "bob" || string(two) != "bob@a.example" {
		t.Errorf("User-Name is %q, and then %q", one, two)
	}
}
