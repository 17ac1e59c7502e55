package gateway

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
)

// Realms: exact, by expression, NULL, DEFAULT, and those that are answered here.
func TestRouteRealm(t *testing.T) {
	pools := ""
	for i, name := range []string{"a", "b", "c", "d"} {
		pools += homeText(i, "\tacct_port = 1812\n") + "home_server_pool " + name + " {\n\thome_server = h" + string(rune('0'+i)) + "\n}\n"
	}
	w := newWorld(t, udpListen+pools+"realm a.example {\n\tpool = a\n\tstrip = yes\n}\nrealm \"~\\.b\\.example$\" {\n\tpool = b\n}\n"+
		"realm NULL {\n\tpool = c\n}\nrealm DEFAULT {\n\tpool = d\n}\n"+
		"realm no.example {\n\treject_message = \"not here\"\n\taccounting_response = yes\n}\nrealm silent.example {\n}\n")
	homes := w.homesOf(4)
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	for i, c := range []struct {
		user, relayed string
		home          int
		code, acct    radius.Code
		message       string
	}{
		{"bob@a.example", "bob", 0, radius.AccessAccept, radius.AccountingResponse, "bob"},
		{"bob@A.Example", "bob", 0, radius.AccessAccept, radius.AccountingResponse, "bob"},
		{"bob@x.b.example", "bob@x.b.example", 1, radius.AccessAccept, radius.AccountingResponse, "bob@x.b.example"},
		{"bob", "bob", 2, radius.AccessAccept, radius.AccountingResponse, "bob"},
		{"bob@else.example", "bob@else.example", 3, radius.AccessAccept, radius.AccountingResponse, "bob@else.example"},
		{"bob@no.example", "", -1, radius.AccessReject, radius.AccountingResponse, "not here"},
		{"bob@silent.example", "", -1, radius.AccessReject, 0, ""},
	} {
		at, p := ask(nas, homes, access(uint8(i), c.user, "hello"))
		message, _ := p.Find(radius.ReplyMessage)
		if at != c.home || p.Code() != c.code || string(message) != c.message {
			t.Errorf("%s: home server %d, %v %q", c.user, at, p.Code(), message)
		}
		if at >= 0 {
			if user, _ := homes[at].last().Find(radius.UserName); string(user) != c.relayed {
				t.Errorf("%s: relayed as %q", c.user, user)
			}
		}
		req := accounting(uint8(i), c.user)
		nas.send("192.0.2.1:1812", req)
		if c.acct == 0 {
			nas.none(10 * time.Second)
			continue
		}
		if p := w.reply(nas.receive(), req); p.Code() != c.acct {
			t.Errorf("%s: %v", c.user, p.Code())
		}
	}
}

// A reject_message, or an Error-Cause, for which the Proxy-State attributes of the request leave no room, is left off; the answer is not.
func TestRouteRejectWithoutRoom(t *testing.T) {
	w := newWorld(t, udpListen+"realm DEFAULT {\n\treject_message = \""+strings.Repeat("x", 200)+"\"\n}\n")
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	for _, code := range []radius.Code{radius.AccessRequest, radius.CoARequest} {
		req := buildCode(code, 1, func(b *radius.Builder) {
			b.Sign()
			for range 15 {
				b.Add(radius.ProxyState, make([]byte, radius.MaxValue))
			}
			b.Add(radius.ProxyState, make([]byte, radius.MaxSize-radius.HeaderSize-18-15*255-2))
		})
		if len(req) != radius.MaxSize {
			t.Fatalf("%d bytes", len(req))
		}
		nas.send("192.0.2.1:1812", req)
		p := w.reply(nas.receive(), req)
		if want := map[radius.Code]radius.Code{radius.AccessRequest: radius.AccessReject, radius.CoARequest: radius.CoANAK}[code]; p.Code() != want ||
			len(values(p, radius.ProxyState)) != 16 {
			t.Errorf("%v, %d bytes", p.Code(), len(p))
		}
	}
}

// CoA and Disconnect go by the realm's coa_pool, else to the NAS that they name, else get a NAK with Error-Cause 502.
func TestRouteCoA(t *testing.T) {
	client := func(name, more string) string {
		return "client " + name + " {\n\tsecret = testing123\n" + more + "}\n"
	}
	w := newWorld(t, udpListen+homeText(0, "\ttype = coa\n")+homeText(1, "\ttype = coa\n")+homeText(2, "")+
		"home_server_pool realm {\n\thome_server = h0\n}\nhome_server_pool auth {\n\thome_server = h2\n}\n"+
		"realm a.example {\n\tpool = auth\n\tcoa_pool = realm\n}\nrealm DEFAULT {\n\tpool = auth\n}\n"+
		client("four", "\tipaddr = 198.51.100.4\n\tcoa_server = h1\n")+
		client("six", "\tipaddr = 198.51.100.6\n\tnas_ipv6_address = 2001:db8::6\n\tcoa_server = h1\n")+
		client("named", "\tipaddr = 198.51.100.7\n\tnas_identifier = ap-7\n\tcoa_server = h1\n")+
		client("without", "\tipaddr = 198.51.100.8\n"))
	homes := []*home{w.home(0), w.home(1), w.home(2)}
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	six := make([]byte, 16)
	six[0], six[1], six[2], six[3], six[15] = 0x20, 0x01, 0x0d, 0xb8, 6
	id := uint8(0)
	for name, c := range map[string]struct {
		add func(b *radius.Builder)
		at  int
	}{
		"realm": {func(b *radius.Builder) { b.AddString(radius.UserName, "bob@a.example") }, 0},
		"realm first": {func(b *radius.Builder) {
			b.AddString(radius.UserName, "bob@a.example")
			b.Add(radius.NASIPAddress, []byte{198, 51, 100, 4})
		}, 0},
		"four": {func(b *radius.Builder) {
			b.AddString(radius.UserName, "bob@other.example")
			b.Add(radius.NASIPAddress, []byte{198, 51, 100, 4})
		}, 1},
		"six":         {func(b *radius.Builder) { b.Add(radius.NASIPv6Address, six) }, 1},
		"identifier":  {func(b *radius.Builder) { b.AddString(radius.NASIdentifier, "ap-7") }, 1},
		"unknown":     {func(b *radius.Builder) { b.Add(radius.NASIPAddress, []byte{198, 51, 100, 9}) }, -1},
		"without":     {func(b *radius.Builder) { b.Add(radius.NASIPAddress, []byte{198, 51, 100, 8}) }, -1},
		"nothing":     {func(b *radius.Builder) { b.AddString(radius.UserName, "bob") }, -1},
		"odd address": {func(b *radius.Builder) { b.Add(radius.NASIPAddress, []byte{198, 51, 100}) }, -1},
	} {
		for _, code := range []radius.Code{radius.CoARequest, radius.DisconnectRequest} {
			id++
			at, p := ask(nas, homes, buildCode(code, id, c.add))
			if at != c.at || p.Code() != code+1 && c.at >= 0 || p.Code() != code+2 && c.at < 0 {
				t.Errorf("%s: %v to %d, %v", name, code, at, p.Code())
			}
			if cause, ok := p.Find(radius.ErrorCause); c.at < 0 && (!ok || binary.BigEndian.Uint32(cause) != 502) {
				t.Errorf("%s: Error-Cause %x", name, cause)
			}
		}
	}
}

// A CoA-Request that names no user is of realm NULL or DEFAULT, as other packets are, unless it names a NAS that has a coa_server.
func TestRouteCoAWithoutUser(t *testing.T) {
	for _, realm := range []string{"NULL", "DEFAULT"} {
		t.Run(realm, func(t *testing.T) {
			w := newWorld(t, udpListen+homeText(0, "\ttype = coa\n")+homeText(1, "\ttype = coa\n")+
				"home_server_pool all {\n\thome_server = h0\n}\nrealm "+realm+" {\n\tcoa_pool = all\n\tstrip = yes\n}\n"+
				"client ap {\n\tsecret = testing123\n\tipaddr = 198.51.100.4\n\tcoa_server = h1\n}\n")
			homes := []*home{w.home(0), w.home(1)}
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			for i, c := range []struct {
				add func(b *radius.Builder)
				at  int
			}{
				{func(b *radius.Builder) { b.AddString(radius.AcctSessionID, "7") }, 0},
				{func(b *radius.Builder) { b.AddString(radius.NASIdentifier, "other") }, 0},
				{func(b *radius.Builder) { b.AddString(radius.NASIdentifier, "ap") }, 1},
				{func(b *radius.Builder) { b.Add(radius.NASIPAddress, []byte{198, 51, 100, 4}) }, 1},
			} {
				if at, p := ask(nas, homes, buildCode(radius.CoARequest, uint8(i), c.add)); at != c.at || p.Code() != radius.CoAACK {
					t.Errorf("%d: %v to %d", i, p.Code(), at)
				}
			}
		})
	}
}

// loop_prevention: what a client of a home server's name sends does not go there.
func TestRouteLoopPrevention(t *testing.T) {
	for _, c := range []struct {
		server bool
		key    string
		sent   bool
	}{{false, "", true}, {true, "", false}, {true, "\tloop_prevention = no\n", true}, {false, "\tloop_prevention = yes\n", false}} {
		w := newWorld(t, strings.Replace(udpListen, "client nas", "client h0", 1)+homeText(0, c.key)+homeText(1, "")+poolTwo)
		cfg := *w.listens[0].cfg.Load()
		cfg.Server = &ServerConfig{LoopPrevention: c.server}
		w.listens[0].SetConfig(&cfg)
		homes := w.homesOf(2)
		nas := w.udp(w.nas, "192.0.2.2:4000", nil)
		if at, _ := ask(nas, homes, access(1, "bob", "hello")); at == 0 != c.sent {
			t.Errorf("%+v: it went to %d", c, at)
		}
	}
}

// verify_eap: what is no EAP packet is rejected here.
func TestRouteVerifyEAP(t *testing.T) {
	for _, c := range []struct {
		verify bool
		eap    []byte
		code   radius.Code
	}{{true, []byte{2, 1, 0, 5, 1}, radius.AccessAccept}, {true, []byte{2, 1, 0, 9, 1}, radius.AccessReject}, {false, []byte{2, 1, 0, 9, 1}, radius.AccessAccept}} {
		w := newWorld(t, udpListen+homeText(0, "")+poolText)
		cfg := *w.listens[0].cfg.Load()
		cfg.Server = &ServerConfig{VerifyEAP: c.verify}
		w.listens[0].SetConfig(&cfg)
		h := w.home(0)
		nas := w.udp(w.nas, "192.0.2.2:4000", nil)
		b := radius.NewRequest(nil, radius.AccessRequest, 1, [16]byte{7})
		b.AddLong(radius.EAPMessage, c.eap)
		req := seal(&b)
		nas.send("192.0.2.1:1812", req)
		if p := w.reply(nas.receive(), req); p.Code() != c.code || (h.count == 1) != (c.code == radius.AccessAccept) {
			t.Errorf("%+v: %v, the home server got %d", c, p.Code(), h.count)
		}
	}
}

// Rewrites of the client and of the home server, in and out.
func TestRouteRewrite(t *testing.T) {
	rules := "rewrite a {\n\tremove = NAS-Port-Type\n\tadd = \"Called-Station-Id = 'from a'\"\n}\nrewrite b {\n\tremove = Tunnel-Private-Group-Id\n}\n" +
		"rewrite c {\n\tmodify = 'User-Name:/^(.*)@old$/\\1@new/'\n}\nrewrite d {\n\tremove = Class\n}\n"
	w := newWorld(t, strings.Replace(udpListen, "\tsecret", "\trewrite_in = a\n\trewrite_out = b\n\tsecret", 1)+rules+
		homeText(0, "\trewrite_out = c\n\trewrite_in = d\n")+poolText)
	h := w.home(0)
	h.answer = func(req radius.Packet) []byte {
		b := radius.NewReply(nil, radius.AccessAccept, req)
		b.AddString(radius.TunnelPrivateGroupID, "17")
		b.AddString(radius.Class, "class")
		b.AddString(radius.ReplyMessage, "hello")
		return h.seal(&b)
	}
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	req := build(1, func(b *radius.Builder) {
		b.AddString(radius.UserName, "bob@old")
		b.AddUint32(radius.NASPortType, 19)
	})
	nas.send("192.0.2.1:1812", req)
	p := w.reply(nas.receive(), req)
	got := h.last()
	user, _ := got.Find(radius.UserName)
	called, _ := got.Find(radius.CalledStationID)
	if _, ok := got.Find(radius.NASPortType); ok || string(user) != "bob@new" || string(called) != "from a" {
		t.Errorf("the home server got %q, %q", user, called)
	}
	if len(values(p, radius.TunnelPrivateGroupID))+len(values(p, radius.Class)) > 0 || len(values(p, radius.ReplyMessage)) != 1 {
		t.Errorf("the client got %x", []byte(p))
	}
}

// The TTL attribute is counted down, added where it is missing, and the packet dropped at its end.
func TestRouteTTL(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "")+homeText(1, "\tadd_ttl = 5\n")+poolText)
	cfg := *w.listens[0].cfg.Load()
	cfg.Server = &ServerConfig{TTL: radius.TTL{ID: defaultTTL, Start: 20}}
	w.listens[0].SetConfig(&cfg)
	h := w.home(0)
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	ttl := func(id uint8, n uint32) []byte {
		return build(id, func(b *radius.Builder) {
			b.AddVendor(defaultTTL.Vendor, defaultTTL.Type, binary.BigEndian.AppendUint32(nil, n))
		})
	}
	for i, c := range []struct {
		req  []byte
		want []byte
	}{{ttl(1, 7), []byte{0, 0, 0, 6}}, {access(2, "bob", "hello"), []byte{0, 0, 0, 20}}, {ttl(3, 2), []byte{0, 0, 0, 1}}} {
		nas.send("192.0.2.1:1812", c.req)
		w.reply(nas.receive(), c.req)
		if v, _ := h.last().FindVendor(defaultTTL.Vendor, defaultTTL.Type); !bytes.Equal(v, c.want) {
			t.Errorf("%d: TTL %x", i, v)
		}
	}
	n := h.count
	nas.send("192.0.2.1:1812", ttl(4, 1))
	nas.none(10 * time.Second)
	if h.count != n || w.listens[0].Counts.Dropped[radius.ReasonTTL].Load() != 1 {
		t.Errorf("the home server got %d more; counted %d", h.count-n, w.listens[0].Counts.Dropped[radius.ReasonTTL].Load())
	}
}

// accounting_log has a line for each Accounting-Request, whether it is answered here or relayed, and none for its copies.
func TestAccountingLog(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "\tacct_port = 1812\n")+"home_server_pool all {\n\thome_server = h0\n}\n"+
		"realm here.example {\n\taccounting_response = yes\n\taccounting_log = yes\n}\nrealm there.example {\n\tpool = all\n\taccounting_log = yes\n}\n"+
		"realm quiet.example {\n\tpool = all\n}\n")
	w.home(0)
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	for i, realm := range []string{"here", "there", "quiet"} {
		req := accounting(uint8(i), "bob@"+realm+".example")
		for range 2 {
			nas.send("192.0.2.1:1812", req)
			w.reply(nas.receive(), req)
		}
	}
	// How much of a user and a station a line shows holds for these too.
	w.gateway.SetLog(Log{UserName: UserRealm, Stations: &Stations{MAC: MACFullyHashed}})
	req := buildCode(radius.AccountingRequest, 9, func(b *radius.Builder) {
		b.AddString(radius.UserName, "someone@here.example")
		b.AddString(radius.CallingStationID, "02-00-00-AB-CD-0F")
	})
	nas.send("192.0.2.1:1812", req)
	w.reply(nas.receive(), req)
	if w.logged("user=@here.example station=6aa49cdfeed502244228f3403daae1beadd84fe9d2f30f61b00c2cb9e079ed7d") != 1 || w.logged("user=someone") != 0 || w.logged("AB-CD-0F") != 0 {
		t.Error("the line is not as SetLog says")
	}
	if n := w.logged("msg=accounting "); n != 3 || w.logged("msg=accounting client=nas peer=192.0.2.2:4000 user=bob@here.example") != 1 || w.logged("session=1") != 1 {
		t.Errorf("%d lines:\n%s", n, w.log.String())
	}
}
