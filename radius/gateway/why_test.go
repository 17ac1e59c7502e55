package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/transport"
)

// Why a home server is down is said once when it becomes a zombie, and once when it is dead, however many requests and checks fail; and shown as
// long as it does not live.
func TestWhyDown(t *testing.T) {
	const (
		wrongName = "handshake: name: certificate \"CN=server\" serial 2: wrong name: \"radius.example.org\" is not among " +
			"its names: DNS test.example.org (RFC 9525, Section 6)"
		refused = "connect tcp 192.0.2.3:%d: connection refused"
		unknown = "handshake: unknown CA: the peer refused our certificate: unknown_ca (RFC 8446, Section 6.2): its chain leads to no CA that the peer trusts"
	)
	for _, c := range []struct{ stack, how, zombie, dead string }{
		{"udp", "refused", "nobody is there: connection refused", ""},
		{"udp", "silent", "no answer in response_window", "no answer to Status-Server"},
		{"tcp", "refused", fmt.Sprintf(refused, 1812), ""},
		{"tcp", "silent", "no answer in response_window", "no answer to Status-Server"},
		{"tcp", "lost", "no connection in time", ""},
		{"tls+tcp", "refused", fmt.Sprintf(refused, 2083), ""},
		{"tls+tcp", "lost", "no connection in time", ""},
		{"tls+tcp", "wrong name", wrongName, ""},
		{"tls+tcp", "unknown client", unknown, ""},
		{"tls+udp", "refused", "connect udp 192.0.2.3:2083: connection refused", ""},
		{"tls+udp", "wrong name", wrongName, ""},
		{"tls+udp", "silent", "no answer in response_window", "no answer to Status-Server"},
	} {
		t.Run(c.stack+" "+c.how, func(t *testing.T) {
			pre := &world{T: t}
			text, listen := pre.homeOnText(0, c.stack, acctHere(c.stack)), pre.listenText("home", c.stack, "192.0.2.3")
			switch c.how {
			case "wrong name":
				text = strings.Replace(text, "test.example.org", "radius.example.org", 1)
			case "unknown client":
				listen = strings.Replace(listen, "/ca.pem", "/other.pem", 1)
			}
			w := newWorld(t, udpListen+text+poolText)
			if c.how != "refused" {
				h := &home{world: w, keys: radius.NewKeys([]byte(secretOf(c.stack))), silent: c.how == "silent"}
				h.listen(w.place(w.homes[0]), listen)
			}
			if c.how == "lost" {
				w.sim.SetLink(w.host, w.homes[0], sim.Link{Loss: 1})
			}
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			var view PortView
			for id := range uint8(40) {
				nas.send("192.0.2.1:1812", access(id, "bob", "hello"))
				w.pass(500 * time.Millisecond)
				view = w.gateway.Homes()[0].Ports[0]
				if (view.Life == "alive") != (view.Error == "") {
					t.Errorf("it is %s because of %q", view.Life, view.Error)
				}
			}
			if c.dead == "" {
				c.dead = c.zombie
			}
			// An attempt that failed says why, and so does one that is not made because of those before.
			plain := func(s string) string { return strings.ReplaceAll(s, transport.ErrDown.Error()+": ", "") }
			log := plain(w.log.String())
			for life, why := range map[string]string{"zombie": c.zombie, "dead": c.dead} {
				if w.logged(`"home server `+life+`"`) != 1 || strings.Count(log, fmt.Sprintf(`"home server %s" home_server=h0 error=%q`, life, why)) != 1 {
					t.Errorf("%s is not said once, because of %s", life, why)
				}
			}
			if n := w.logged("connection to home server lost"); n > 1 {
				t.Errorf("it is said %d times that a connection was lost", n)
			}
			var debug bytes.Buffer
			w.gateway.Debug(&debug)
			if plain(view.Error) != c.dead || !strings.Contains(plain(debug.String()), "error: "+c.dead+"\n") {
				t.Errorf("it shows %q and\n%s", view.Error, debug.String())
			}
		})
	}
}

// A home server that closes connections with requests on them is no zombie. The first one is said, and the next after an answer.
func TestWhyLost(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "\tproto = tcp\n\tstatus_check = none\n")+poolText)
	h := w.streamHome(20)
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	ask := func(id uint8, want radius.Code) {
		t.Helper()
		req := access(id, "bob", "hello")
		nas.send(gatewayAddr+":1812", req)
		if p := w.reply(nas.receive(), req); p.Code() != want {
			t.Errorf("got %v, want %v", p.Code(), want)
		}
		w.pass(2 * time.Second)
	}
	const line = `level=WARN msg="connection to home server lost" home_server=h0 port=main error=EOF`
	ask(1, radius.AccessReject)
	if w.logged(line) != 1 {
		t.Errorf("it was said %d times", w.logged(line))
	}
	h.closes = 0
	ask(2, radius.AccessAccept)
	h.closes = 1
	ask(3, radius.AccessAccept)
	if w.logged(line) != 2 || w.logged("zombie") != 0 {
		t.Errorf("it was said %d times in two outages", w.logged(line))
	}
}

// What is in a certificate is no more than text, of a length that is bounded.
func TestWhyIsText(t *testing.T) {
	w := newWorld(t, homeText(0, "")+poolText)
	p := w.gateway.homes["h0"].ports[0]
	p.now.Store(uint32(dead))
	for _, c := range []struct{ err, want string }{
		{"a\x1b[2Jb\nc", "a?[2Jb?c"},
		{"Zürich", "Zürich"},
		{strings.Repeat("x", 2000), strings.Repeat("x", whyMax)},
	} {
		if p.blame(errors.New(c.err)); p.why() != c.want {
			t.Errorf("%q shows as %q", c.err, p.why())
		}
	}
}
