package gateway

import (
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/transport"
)

// A new configuration loses no request, and nothing that is known of what stays.
func TestReload(t *testing.T) {
	for _, to := range []string{"udp", "tcp", "tls+tcp", "tls+udp"} {
		t.Run(to, func(t *testing.T) {
			pre := &world{T: t}
			text := clientText + pre.homeOnText(0, to, acctHere(to)) + poolText
			w := newWorld(t, pre.listenText("l", "tcp", gatewayAddr)+text)
			h := w.homeOn(0, to)
			h.silent = true
			nas := w.dial("tcp")
			req := access(1, "bob", "hello")
			nas.send(req)
			w.until("it is there", func() bool { return h.count == 1 })
			// The same, further down in the file: states stay.
			state, client := w.gateway.homes["h0"], w.gateway.clients["/nas"]
			cfg, _ := w.parse("\n\n" + text)
			w.load(cfg)
			if w.gateway.homes["h0"] != state || w.gateway.clients["/nas"] != client {
				t.Error("what is the same was forgotten")
			}
			// Another home server: what is in flight is answered by the old one, what comes goes to the new one.
			cfg, _ = w.parse(clientText + pre.homeOnText(1, to, acctHere(to)) + strings.ReplaceAll(poolText, "h0", "h1"))
			w.load(cfg)
			h1 := w.homeOn(1, to)
			second := access(2, "carl", "hello")
			nas.send(second)
			w.reply(nas.receive(), second)
			h.send(h.accept(h.last()))
			w.reply(nas.receive(), req)
			if h.count != 1 || h1.count != 1 {
				t.Errorf("the home servers got %d and %d", h.count, h1.count)
			}
			w.pass(5 * time.Second)
			if n := state.ports[0].peer.Connections(); n != 0 || len(w.gateway.branches[0].pools) != 1 {
				t.Errorf("%d connections to the old one, %d pools", n, len(w.gateway.branches[0].pools))
			}
			w.idle()
		})
	}
}

// A request that waits for a connection when its home server leaves the configuration is sent all the same.
func TestReloadWaiting(t *testing.T) {
	for _, to := range []string{"tcp", "tls+tcp", "tls+udp"} {
		t.Run(to, func(t *testing.T) {
			pre := &world{T: t}
			text := clientText + pre.homeOnText(0, to, acctHere(to)) + poolText
			w := newWorld(t, pre.listenText("l", "udp", gatewayAddr)+text)
			h := w.homeOn(0, to)
			w.sim.SetLink(w.host, w.homes[0], sim.Link{DelayMin: 100 * time.Millisecond, DelayMax: 100 * time.Millisecond})
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			req := access(1, "bob", "hello")
			nas.send("192.0.2.1:1812", req)
			w.pass(10 * time.Millisecond)
			cfg, _ := w.parse(clientText + pre.homeOnText(1, to, acctHere(to)) + strings.ReplaceAll(poolText, "h0", "h1"))
			w.load(cfg)
			w.reply(nas.receive(), req)
			if h.count != 1 {
				t.Errorf("the home server got %d", h.count)
			}
			w.idle()
		})
	}
}

// A client that is in the configuration no more is not served; one whose secret changed has to use the new one.
func TestReloadClient(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "")+poolText)
	w.home(0)
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	if !replies(nas, access(1, "bob", "hello")) {
		t.Error("no answer")
	}
	client := "client nas {\n\tipaddr = 192.0.2.2\n\tsecret = another\n}\n"
	cfg, _ := w.parse(client + homeText(0, "") + poolText)
	w.load(cfg)
	if replies(nas, access(2, "bob", "hello")) {
		t.Error("the old secret is as good")
	}
	cfg, _ = w.parse(strings.Replace(client, "192.0.2.2", "192.0.2.99", 1) + homeText(0, "") + poolText)
	w.load(cfg)
	if replies(nas, access(3, "bob", "hello")) || w.listens[0].Counts.UnknownClient.Load() != 1 {
		t.Error("who is no client any more is served")
	}
}

// A peer that has come without a certificate while none was required is no client once one is, whatever the tls layer has come to by then.
func TestReloadRequiresCertificate(t *testing.T) {
	pre := &world{T: t}
	client := "client radsec {\n\tipaddr = 192.0.2.2\n\tproto = tls\n\tsecret = radsec\n}\n"
	w := newWorld(t, strings.Replace(pre.listenText("l", "tls+tcp", gatewayAddr), "require_client_cert = yes", "require_client_cert = no", 1)+
		client+homeText(0, "")+poolText)
	strict := *w.listens[0].Config()
	lax := strict
	lax.Lenient = true
	w.listens[0].SetConfig(&lax)
	w.home(0)
	nameless := regexp.MustCompile(`\t\t(certificate|private_key)_file = .*\n`).ReplaceAllString(w.connectText("home_server x", "tls+tcp", gatewayAddr), "")
	c := w.dialText(nameless)
	c.works("tls+tcp", 1)
	cfg, _ := w.parse(client + homeText(0, "") + poolText)
	w.listens[0].Announce(&strict)
	w.load(cfg)
	w.until("it is closed", func() bool { return c.ended != nil })
	if n := w.listens[0].Counts.UnknownClient.Load(); n != 1 {
		t.Errorf("%d unknown", n)
	}
}

// What comes in one batch with what showed that the peer is no client any more is not served either.
func TestReloadClientInBatch(t *testing.T) {
	connected := strings.Replace(udpListen, "port = 1812\n", "port = 1812\n\t\tchildren = connected\n", 1)
	w := newWorld(t, connected+homeText(0, "")+poolText)
	h := w.home(0)
	h.silent = true
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	nas.send(gatewayAddr+":1812", access(1, "bob", "hello"))
	w.until("it is there", func() bool { return h.count == 1 })
	cfg, _ := w.parse("client other {\n\tipaddr = 192.0.2.99\n\tsecret = another\n}\n" + homeText(0, "") + poolText)
	for id := range uint8(3) {
		nas.send(gatewayAddr+":1812", access(2+id, "bob", "hello"))
	}
	w.sim.Advance(100 * time.Millisecond) // they are there
	before := w.gateway.Config()
	loaded := make(chan struct{})
	go func() {
		w.gateway.Load(cfg)
		close(loaded)
	}()
	for w.gateway.Config() == before {
		runtime.Gosched()
	}
	// The new configuration is there, and its lane has not looked at its connections yet.
	w.pass(time.Second)
	<-loaded
	if h.count != 1 || w.listens[0].Counts.UnknownClient.Load() == 0 {
		t.Errorf("%d requests were relayed, %d unknown", h.count, w.listens[0].Counts.UnknownClient.Load())
	}
	h.send(h.accept(h.last()))
	nas.receive() // what was under way is answered
}

// What was learned of a client is not held against another one by the same name.
func TestReloadClientIsAnother(t *testing.T) {
	text := udpListen + homeText(0, "") + poolText
	for _, c := range []struct {
		name, old, new string
		same           bool
	}{
		{"nothing", "", "", true},
		{"secret", "secret = testing123", "secret = testing124", false},
		{"address", "ipaddr = 192.0.2.2", "ipaddr = 192.0.2.0/29", false},
		{"something else", "secret = testing123", "secret = testing123\n\tshortname = it", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, text)
			state := w.gateway.clients["/nas"]
			state.seenMA.Store(true)
			state.seenProxyState.Store(true)
			state.Requests.Add(7)
			cfg, _ := w.parse(strings.Replace(text, c.old, c.new, 1))
			w.load(cfg)
			if now := w.gateway.clients["/nas"]; now != state || state.seenMA.Load() != c.same || state.seenProxyState.Load() != c.same {
				t.Errorf("it signs: %v, with Proxy-State: %v, want %v", state.seenMA.Load(), state.seenProxyState.Load(), c.same)
			}
		})
	}
}

// At the end all that is in flight is answered, nothing new is taken, and all connections end.
func TestDrain(t *testing.T) {
	for _, from := range []string{"udp", "tcp", "tls+tcp"} {
		t.Run(from, func(t *testing.T) {
			pre := &world{T: t}
			w := newWorld(t, pre.listenText("l", from, gatewayAddr)+clientText+pre.homeOnText(0, "tcp", "\tacct_port = 1812\n")+poolText)
			h := w.homeOn(0, "tcp")
			h.silent = true
			nas := w.dial(from)
			req, mine := requestOn(from, 1)
			nas.send(req)
			w.until("it is there", func() bool { return h.count == 1 })
			w.lane.Each(func(c *transport.Conn) { c.User().Drain(c) })
			w.gateway.branches[0].drain()
			late, _ := requestOn(from, 2)
			nas.send(late)
			nas.none(time.Second)
			if h.count != 1 {
				t.Errorf("%d requests are relayed that came later", h.count-1)
			}
			h.send(h.accept(h.last()))
			p, err := radius.Parse(nas.receive())
			w.must(err)
			w.must(mine.CheckReply(p, req[4:20], true))
			w.pass(time.Second)
			open := 0
			w.lane.Each(func(c *transport.Conn) { open++ })
			if want := map[string]int{"udp": 1}[from]; open != want {
				t.Errorf("%d connections are open", open)
			}
		})
	}
}

// Clients over TLS and DTLS are known by their certificates.
func TestTLSClients(t *testing.T) {
	for _, stack := range []string{"tls+tcp", "tls+udp"} {
		t.Run(stack, func(t *testing.T) {
			pre := &world{T: t}
			client := "client %s {\n\tipaddr = 192.0.2.0/24\n\tproto = tls+dtls\n\tcertificate {\n\t\tname = %[1]s.example.org\n\t}\n}\n"
			w := newWorld(t, pre.listenText("l", stack, gatewayAddr)+fmt.Sprintf(client, "client")+homeText(0, "")+poolText)
			w.home(0)
			w.dial(stack).works(stack, 1)
			stranger := w.dialText(strings.ReplaceAll(w.connectText("home_server x", stack, gatewayAddr), "client.", "other."))
			w.until("it is closed", func() bool { return stranger.ended != nil })
			if n := w.gateway.clients["/client"].Requests.Load(); n != 1 || w.listens[0].Counts.UnknownClient.Load() != 1 ||
				w.logged("the certificate is not that of a client") != 1 ||
				!regexp.MustCompile(`address: certificate \\"CN=other.*\\" serial [0-9a-f]+, names DNS other\.example\.org`).MatchString(w.log.String()) {
				t.Errorf("%d requests, %d unknown", n, w.listens[0].Counts.UnknownClient.Load())
			}
			cfg, _ := w.parse(fmt.Sprintf(client, "other") + homeText(0, "") + poolText)
			w.load(cfg)
			w.dialText(strings.ReplaceAll(w.connectText("home_server x", stack, gatewayAddr), "client.", "other.")).works(stack, 2)
		})
	}
}
