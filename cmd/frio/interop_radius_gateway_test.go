package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// gatewayPorts are where a gateway listens, one for each stack, and its neighbours.
type gatewayPorts struct {
	udp, tcp, tls, dtls int
	front               int // radsecproxy before it, which takes udp
	behind              int // radsecproxy behind it, which takes tls, and dtls at the next port
}

// radiusHome is a way from the gateway to the home server.
type radiusHome struct {
	name    string
	acct    int  // the home server's port where accounting arrives
	spoils  bool // as of radiusWay
	section string
}

// radiusFront is a way from the clients to the gateway.
type radiusFront struct {
	name   string
	door   radiusDoor
	spoils bool // as of radiusWay
}

func (l *radiusLab) homes(p gatewayPorts) []radiusHome {
	tls := fmt.Sprintf("tls {\nca_file = %[1]s/ca.pem\ncertificate_file = %[1]s/client.pem\nprivate_key_file = %[1]s/client.key\n}\n", l.certs)
	plain := func(proto string, port int) string {
		return fmt.Sprintf("ipaddr = 127.0.0.1\nport = %d\nproto = %s\nsecret = %s\n", port, proto, radiusSecret)
	}
	secure := func(base string, port int) string {
		return fmt.Sprintf("protocol = tls+%s\n%s {\nipaddr = 127.0.0.1\nport = %d\n}\n%s", base, base, port, tls)
	}
	return []radiusHome{
		{"udp", l.home.udp + 1, false, plain("udp", l.home.udp)},
		{"tcp", l.home.tcp + 1, false, plain("tcp", l.home.tcp)},
		{"tls", l.home.tls, true, secure("tcp", l.home.tls)},
		{"tls-proxy", l.home.udp + 1, true, secure("tcp", p.behind)},
		{"dtls-proxy", l.home.udp + 1, true, secure("udp", p.behind+1)},
	}
}

func (p gatewayPorts) fronts() []radiusFront {
	proxy := radiusDoor{"udp", p.front, p.front}
	return []radiusFront{
		{"udp", radiusDoor{"udp", p.udp, p.udp}, false},
		{"tcp", radiusDoor{"tcp", p.tcp, p.tcp}, false},
		{"tcp-proxy", proxy, true},
		{"tls-proxy", proxy, true},
		{"dtls-proxy", proxy, true},
	}
}

// gatewayConf is the configuration of a gateway between fronts and homes. The realm front.home leads to home; home has more keys.
func (l *radiusLab) gatewayConf(p gatewayPorts, more string) string {
	var b strings.Builder
	tls := fmt.Sprintf("tls {\ncertificate_file = %[1]s/server.pem\nprivate_key_file = %[1]s/server.key\nca_file = %[1]s/ca.pem\n"+
		"require_client_cert = yes\n}\n", l.certs)
	b.WriteString("server gateway {\nnamespace = radius\n")
	for _, in := range []struct {
		name, stack, base string
		port              int
		more              string
	}{{"udp", "udp", "udp", p.udp, ""}, {"tcp", "tcp", "tcp", p.tcp, ""}, {"tls", "tls+tcp", "tcp", p.tls, tls}, {"dtls", "tls+udp", "udp", p.dtls, tls}} {
		fmt.Fprintf(&b, "listen %s {\nprotocol = %s\n%s {\nipaddr = 127.0.0.1\nport = %d\n}\n%s}\n", in.name, in.stack, in.base, in.port, in.more)
	}
	b.WriteString("}\n")
	for _, proto := range []string{"udp", "tcp"} {
		fmt.Fprintf(&b, "client %s {\nipaddr = 127.0.0.1\nproto = %s\nsecret = %s\nrequire_message_authenticator = no\n}\n", proto, proto, radiusSecret)
	}
	for _, proto := range []string{"tls", "dtls"} {
		fmt.Fprintf(&b, "client %s {\nipaddr = 127.0.0.1\nproto = %s\nrequire_message_authenticator = no\ncertificate {\ncn = client\n}\n}\n", proto, proto)
	}
	for _, h := range l.homes(p) {
		fmt.Fprintf(&b, "home_server %[1]s {\ntype = auth+acct\n%[2]srequire_message_authenticator = no\n%[3]s}\n"+
			"home_server_pool %[1]s {\nhome_server = %[1]s\n}\n", h.name, h.section, more)
		for _, f := range p.fronts() {
			fmt.Fprintf(&b, "realm %s.%s {\npool = %s\n}\n", f.name, h.name, h.name)
		}
	}
	return b.String()
}

// ways are all that lead from a front to a home.
func (l *radiusLab) ways(p gatewayPorts) (list []radiusWay) {
	for _, f := range p.fronts() {
		for _, h := range l.homes(p) {
			list = append(list, radiusWay{f.door, f.name + "." + h.name, h.acct, f.spoils || h.spoils})
		}
	}
	return list
}

func newGatewayPorts(t *testing.T) gatewayPorts {
	t.Helper()
	first := quietPorts(t, 7)
	return gatewayPorts{first, first + 1, first + 2, first + 3, first + 4, first + 5}
}

// startGateway runs frio, and radsecproxy before it.
func (l *radiusLab) startGateway(t *testing.T, p gatewayPorts, more string) *process {
	t.Helper()
	file := filepath.Join(t.TempDir(), "frio.conf")
	writeFile(t, file, l.gatewayConf(p, more))
	frio := serve(t, itself(nil, "run", file), func(p *process) *text { return p.out }, "ready\n")
	startRadsecproxy(t, l.certs, []proxyInlet{{"udp", radiusSecret, p.front}}, []proxyServer{
		{"@tcp-proxy[.]", "tcp", radiusSecret, p.tcp, p.tcp},
		{"@tls-proxy[.]", "tls", radsecSecret, p.tls, p.tls},
		{"@dtls-proxy[.]", "dtls", dtlsSecret, p.dtls, p.dtls},
	})
	return frio
}

// Every way in with every way out: PAP, CHAP, MS-CHAP, accounting, EAP in fragments, eight clients at once.
func TestInteropRadius(t *testing.T) {
	l := newRadiusLab(t)
	l.start(t)
	p := newGatewayPorts(t)
	l.startBehind(t, p.behind)
	frio := l.startGateway(t, p, "status_check = status-server\n")
	ways := l.ways(p)
	for _, w := range ways {
		t.Run(w.realm, func(t *testing.T) {
			l.speak(t, w)
			if w.door.auth != p.front {
				l.signed(t, w)
			}
		})
	}
	t.Run("all ways at once", func(t *testing.T) { l.crowd(t, ways...) })
	for _, s := range []struct {
		stack, secret string
		port          int
	}{{"udp", radiusSecret, p.udp}, {"tcp", radiusSecret, p.tcp}, {"tls+tcp", radsecSecret, p.tls}, {"tls+udp", dtlsSecret, p.dtls}} {
		t.Run("Status-Server over "+s.stack, func(t *testing.T) { l.status(t, s.stack, s.secret, s.port) })
	}
	frio.signal(syscall.SIGTERM)
	frio.exits(0)
	for line := range strings.Lines(frio.err.String()) {
		if strings.Contains(line, " level=WARN ") || strings.Contains(line, " level=ERROR ") {
			t.Errorf("frio said: %s", line)
		}
	}
}

// signed wants Message-Authenticator as the first attribute of a reply, where it protects from BlastRADIUS, although the home server
// sends none.
func (l *radiusLab) signed(t *testing.T, w radiusWay) {
	t.Helper()
	for _, password := range []string{userPassword, "wrong"} {
		r, err := debianRadclient(l.home.raddb, w.door, "auth", fmt.Sprintf("User-Name = \"bob@%s\"\nUser-Password = %q", w.realm, password))
		if err != nil || len(r.attributes) == 0 || !strings.HasPrefix(r.attributes[0], "Message-Authenticator = 0x") {
			t.Errorf("got %q, %v: no Message-Authenticator in front", r, err)
		}
	}
}

// status sends a Status-Server over a stack by frio cat, and checks the reply's two signatures (RFC 5997, Section 4.2).
func (l *radiusLab) status(t *testing.T, stack, secret string, port int) {
	t.Helper()
	args := []string{"cat", stack, fmt.Sprintf("127.0.0.1:%d", port), "-wait", "1s"}
	if strings.HasPrefix(stack, "tls+") {
		args = append(args, "-ca", l.certs+"/ca.pem", "-cert", l.certs+"/client.pem", "-key", l.certs+"/client.key")
	}
	request := statusServer(secret)
	code, out, errs := inProcess(string(request), args...)
	if code != 0 || errs != "" {
		t.Fatalf("cat: exit code %d, %s", code, errs)
	}
	reply := []byte(out)
	if len(reply) < 20 || reply[0] != 2 || reply[1] != request[1] || int(binary.BigEndian.Uint16(reply[2:])) != len(reply) {
		t.Fatalf("got %x, want one Access-Accept", reply)
	}
	authenticator := md5.New()
	authenticator.Write(reply[:4])
	authenticator.Write(request[4:20])
	authenticator.Write(reply[20:])
	authenticator.Write([]byte(secret))
	if !bytes.Equal(authenticator.Sum(nil), reply[4:20]) {
		t.Errorf("the authenticator of %x is wrong", reply)
	}
	if len(reply) < 38 || reply[20] != 80 || reply[21] != 18 {
		t.Fatalf("%x has no Message-Authenticator in front", reply)
	}
	signed := bytes.Clone(reply)
	copy(signed[4:], request[4:20])
	clear(signed[22:38])
	mac := hmac.New(md5.New, []byte(secret))
	mac.Write(signed)
	if !hmac.Equal(mac.Sum(nil), reply[22:38]) {
		t.Errorf("the Message-Authenticator of %x is wrong", reply)
	}
}

// statusServer is a Status-Server packet, with Message-Authenticator.
func statusServer(secret string) []byte {
	p := make([]byte, 38)
	p[0], p[1], p[3] = 12, 77, 38
	rand.Read(p[4:20])
	p[20], p[21] = 80, 18
	mac := hmac.New(md5.New, []byte(secret))
	mac.Write(p)
	mac.Sum(p[:22])
	return p
}

// A gateway that starts before its home servers finds them by Status-Server when they come.
func TestInteropRadiusRevival(t *testing.T) {
	l := newRadiusLab(t)
	p := newGatewayPorts(t)
	l.startGateway(t, p, "status_check = status-server\ncheck_interval = 1s\ncheck_timeout = 1s\nnum_answers_to_alive = 1\n"+
		"response_window = 1s\nzombie_period = 1s\n")
	door := p.fronts()[0].door
	for _, h := range l.homes(p) {
		r, err := l.radclient(radiusWay{door: door, realm: "udp." + h.name}, radiusExchanges[0].attributes)
		if err != nil || r.code != "Access-Reject" {
			t.Errorf("without home server %s: got %q, %v", h.name, r, err)
		}
	}
	l.start(t)
	l.startBehind(t, p.behind)
	for _, h := range l.homes(p) {
		var r radiusReply
		for end := time.Now().Add(patience); r.code != "Access-Accept" && time.Now().Before(end); {
			var err error
			if r, err = l.radclient(radiusWay{door: door, realm: "udp." + h.name}, radiusExchanges[0].attributes); err != nil {
				t.Fatal(err)
			}
		}
		if r.code != "Access-Accept" {
			t.Errorf("home server %s did not come back: %q", h.name, r)
		}
	}
	for _, port := range []int{l.home.udp, l.home.tcp, l.home.tls} {
		// One that a request found first is asked a check_interval later, when nothing else is heard of it.
		asked := false
		for end := time.Now().Add(patience); !asked && time.Now().Before(end); asked = l.home.asked(port) {
			if _, err := l.radclient(radiusWay{door: door, realm: "nowhere"}, radiusExchanges[0].attributes); err != nil {
				t.Fatal(err)
			}
		}
		if !asked {
			t.Errorf("no Status-Server at port %d", port)
		}
	}
}
