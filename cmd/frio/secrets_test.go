package main

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/youmark/pkcs8"

	"github.com/frio-io/frio/radius"
)

// marks are secrets that are found wherever they show.
var marks = map[string]string{
	"client secret":   "markedClientSecret01",
	"home secret":     "markedHomeSecret02",
	"key password":    "markedKeyPassword03",
	"check password":  "markedCheckPassword04",
	"fticks key":      "markedFTicksKey05",
	"user password":   "markedUserPassword06",
	"tunnel password": "markedTunnelPass07",
	"send key":        "markedMPPESendKey08.............",
	"recv key":        "markedMPPERecvKey09.............",
	"state":           "markedState10",
	"chap":            "markedCHAPPassword11",
	"mschap":          "markedMSCHAPPassword12",
	"other secret":    "markedOtherSecret13",
	"eap":             "markedEAPMessage14",
}

// shows lists the marks that text holds: as they are, in hexadecimal, and in base64 at each of its three alignments.
func shows(text string) (found []string) {
	lower := strings.ToLower(text)
	for name, mark := range marks {
		mark = strings.TrimRight(mark, ".")
		forms := []string{mark}
		for skip := range 3 {
			whole := mark[skip:]
			whole = whole[:len(whole)/3*3]
			forms = append(forms, base64.StdEncoding.EncodeToString([]byte(whole)), base64.URLEncoding.EncodeToString([]byte(whole)))
		}
		hexed := hex.EncodeToString([]byte(mark))
		spaced := regexp.MustCompile("..").ReplaceAllString(hexed, "$0[ :]")
		if strings.Contains(lower, hexed) || regexp.MustCompile(spaced[:len(spaced)-4]).MatchString(lower) {
			found = append(found, name+" in hexadecimal")
		}
		for _, form := range forms {
			if strings.Contains(text, form) {
				found = append(found, name)
				break
			}
		}
	}
	return found
}

func TestShows(t *testing.T) {
	const mark = "markedUserPassword06"
	for _, text := range []string{
		"x" + mark + "y", hex.EncodeToString([]byte("x" + mark)), fmt.Sprintf("% X", mark), strings.ReplaceAll(fmt.Sprintf("% x", mark), " ", ":"),
		base64.StdEncoding.EncodeToString([]byte("a" + mark)), base64.RawURLEncoding.EncodeToString([]byte("ab" + mark)),
		base64.StdEncoding.EncodeToString([]byte("abc" + mark + "d")),
	} {
		if len(shows(text)) == 0 {
			t.Errorf("it does not find the mark in %s", text)
		}
	}
	if found := shows("marked"); len(found) > 0 {
		t.Errorf("it finds %q in nothing", found)
	}
}

// secretHome is a home server whose replies hold what a proxy has to keep for itself. The first request of a user called bad gets a reply
// with a wrong authenticator, one of a user called broken one with a hidden attribute that is none.
func secretHome(t *testing.T) (port int) {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		c.Close()
		<-ended
	})
	good, wrong := radius.NewKeys([]byte(marks["home secret"])), radius.NewKeys([]byte(marks["other secret"]))
	go func() {
		defer close(ended)
		buf := make([]byte, 4096)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			p, err := radius.Parse(buf[:n])
			if err != nil || good.CheckRequest(p, false) != nil {
				continue
			}
			user, _ := p.Find(radius.UserName)
			_, eap := p.Find(radius.EAPMessage)
			code := radius.AccessAccept
			switch p.Code() {
			case radius.AccountingRequest:
				code = radius.AccountingResponse
			case radius.CoARequest:
				code = radius.CoAACK
			case radius.DisconnectRequest:
				code = radius.DisconnectNAK
			}
			b := radius.NewReply(nil, code, p)
			keys := good
			switch {
			case string(user) == "bad":
				keys = wrong
			case string(user) == "broken":
				b.Add(radius.TunnelPassword, []byte("\x01"+marks["tunnel password"]))
			case code == radius.CoAACK || code == radius.DisconnectNAK:
				b.AddString(radius.State, marks["state"])
			case eap:
				b.Add(radius.EAPMessage, eapOf(2, marks["eap"]))
				b.AddString(radius.State, marks["state"])
			case p.Code() == radius.AccessRequest:
				b.HideTunnelPassword(good, 1, []byte(marks["tunnel password"]))
				b.HideKey(good, 16, []byte(marks["send key"]))
				b.HideKey(good, 17, []byte(marks["recv key"]))
				b.AddString(radius.State, marks["state"])
			}
			if reply, err := b.Seal(keys); err == nil {
				_, _ = c.WriteToUDPAddrPort(reply, from)
			}
		}
	}()
	return c.LocalAddr().(*net.UDPAddr).Port
}

// eapOf is an EAP packet of type 4, MD5-Challenge, with a code (RFC 3748, Section 4).
func eapOf(code byte, data string) []byte {
	return append([]byte{code, 1, 0, byte(5 + len(data)), 4}, data...)
}

// sealedKey makes dir/sealed.key, the key of server with a password.
func sealedKey(t *testing.T, dir string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	der, err := pkcs8.MarshalPrivateKey(key, []byte(marks["key password"]), nil)
	if err != nil {
		t.Fatal(err)
	}
	data = pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der})
	if err := os.WriteFile(filepath.Join(dir, "sealed.key"), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// secretConf is a gateway that has every secret there is. NAME stands for what newSecrets fills in.
const secretConf = `
log {
	level = debug
	requests = yes
	fticks {
		key = markedFTicksKey05
		reporting = full
	}
}
metrics {
	listen = 127.0.0.1:METRICS
}
control {
	filename = DIR/control
}
server gw {
	namespace = radius
	listen udp {
		protocol = udp
		udp {
			ipaddr = 127.0.0.1
			port = UDP
		}
	}
	listen tls {
		protocol = tls+tcp
		tcp {
			ipaddr = 127.0.0.1
			port = UDP
		}
		tls {
			certificate_file = CERTS/server.pem
			private_key_file = CERTS/sealed.key
			private_key_password = markedKeyPassword03
			ca_file = CERTS/ca.pem
		}
	}
}
client nas {
	ipaddr = 127.0.0.1
	secret = markedClientSecret01
	require_message_authenticator = no
	fticks_viscountry = CH
}
home_server one {
	type = auth+acct
	ipaddr = 127.0.0.1
	port = HOME
	acct_port = HOME
	secret = markedHomeSecret02
	status_check = request
	username = monitor
	password = markedCheckPassword04
	check_interval = 1
	response_window = 500ms
}
home_server back {
	type = coa
	ipaddr = 127.0.0.1
	port = HOME
	secret = markedHomeSecret02
}
home_server_pool all {
	home_server = one
}
home_server_pool nas {
	home_server = back
}
realm DEFAULT {
	pool = all
	coa_pool = nas
}
realm NULL {
	pool = all
}
`

// Whatever is done, no output of the program shows a secret: neither as it is nor in hexadecimal or base64.
func TestSecretsAreNeverShown(t *testing.T) {
	certs, dir := certificates(t, "client"), shortDir(t)
	sealedKey(t, certs)
	port, metrics := freePort(t), freePort(t)
	text := strings.NewReplacer("METRICS", fmt.Sprint(metrics), "DIR", dir, "UDP", fmt.Sprint(port), "CERTS", certs,
		"HOME", fmt.Sprint(secretHome(t))).Replace(secretConf)
	clean := func(what, output string) {
		t.Helper()
		if found := shows(output); len(found) > 0 {
			t.Errorf("%s shows %q:\n%s", what, found, output)
		}
	}
	for _, debug := range []bool{true, false} {
		flags := []string{"-X"}
		if !debug {
			flags = nil
		}
		p := runFile(t, text, flags...)
		p.secretRequests(port, certs, clean)
		p.secretOperations(filepath.Join(dir, "control"), metrics, clean)
		p.signal(syscall.SIGHUP)
		if !p.err.has("msg=reloaded") {
			t.Error("it did not reload")
		}
		p.signal(syscall.SIGTERM)
		p.exits(0)
		log := p.err.String()
		clean("run", log+p.out.String())
		for _, want := range []string{"Tunnel-Password", "MS-MPPE-Send-Key", "User-Password", "EAP-Message", "State = <", "CoA-ACK", "Disconnect-NAK", "F-TICKS/eduroam/1.0#REALM=", "bad reply", "dropped", "msg=request "} {
			if !strings.Contains(log, want) {
				t.Errorf("the log has no %s, so nothing was shown:\n%s", want, log)
			}
		}
	}
	secretMistakes(t, text, clean)
}

// secretRequests sends requests of each kind, good ones and others, and looks at what the client prints.
func (p *process) secretRequests(port int, certs string, clean func(what, output string)) {
	p.t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", port)
	tls := []string{"-ca", filepath.Join(certs, "ca.pem"), "-cert", filepath.Join(certs, "client.pem"), "-key", filepath.Join(certs, "client.key")}
	const user = "User-Name = \"%s\"\nCalling-Station-Id = \"02-00-00-00-00-01\"\n"
	pap := "User-Password = \"" + marks["user password"] + "\"\n"
	for _, one := range []struct {
		name, stack, secret, input string
		code                       int
		more                       []string
	}{
		{"pap", "udp", "client secret", fmt.Sprintf(user, "u@a.example") + pap, 0, nil},
		{"pap over tls", "tls+tcp", "client secret", fmt.Sprintf(user, "u@a.example") + pap, 0, tls},
		{"chap", "udp", "client secret", fmt.Sprintf(user, "c@a.example") + "CHAP-Password = \"" + marks["chap"] + "\"\n", 0, nil},
		{"ms-chap", "udp", "client secret", fmt.Sprintf(user, "m@a.example") + "MS-CHAP-Password = \"" + marks["mschap"] + "\"\n", 0, nil},
		{"accounting", "udp", "client secret", fmt.Sprintf(user, "u@a.example") + "Acct-Status-Type = Start\nAcct-Session-Id = \"1\"\n", 0, nil},
		{"eap", "udp", "client secret", fmt.Sprintf(user, "e@a.example") + fmt.Sprintf("EAP-Message = 0x%x\nState = \"%s\"\n", eapOf(2, marks["eap"]), marks["state"]), 0, nil},
		{"eap over tls", "tls+tcp", "client secret", fmt.Sprintf(user, "e@a.example") + fmt.Sprintf("EAP-Message = 0x%x\n", eapOf(2, marks["eap"])), 0, tls},
		{"eap that is none", "udp", "client secret", fmt.Sprintf(user, "e@a.example") + fmt.Sprintf("EAP-Message = 0x02%x\n", marks["eap"]), 0, nil},
		{"coa", "udp", "client secret", fmt.Sprintf(user, "u@a.example") + "State = \"" + marks["state"] + "\"\n" +
			fmt.Sprintf("Message-Authenticator = 0x00\nEAP-Message = 0x%x\n", eapOf(1, marks["eap"])), 0, []string{"-code", "coa"}},
		{"disconnect", "tls+tcp", "client secret", fmt.Sprintf(user, "u@a.example") + "State = \"" + marks["state"] + "\"\n", 1, append([]string{"-code", "disconnect"}, tls...)},
		{"coa with another secret", "udp", "other secret", fmt.Sprintf(user, "u@a.example") + "State = \"" + marks["state"] + "\"\n", 3,
			[]string{"-code", "coa", "-r", "1", "-t", "200ms"}},
		{"a reply with a wrong authenticator", "udp", "client secret", fmt.Sprintf(user, "bad") + pap, 1, nil},
		{"a hidden attribute that is none", "udp", "client secret", fmt.Sprintf(user, "broken") + pap, 0, nil},
		{"another secret", "udp", "other secret", "Message-Authenticator = 0x00\n" + fmt.Sprintf(user, "u@a.example") + pap, 3, []string{"-r", "1", "-t", "200ms"}},
		{"wrong attributes", "udp", "client secret", "User-Pasword = \"" + marks["user password"] + "\"\n", 2, nil},
		{"a half of a line", "udp", "client secret", "User-Password = \"" + marks["user password"] + "\n", 2, nil},
	} {
		args := append(append([]string{"radclient", "-x"}, one.more...), one.stack, address, marks[one.secret])
		code, out, errs := inProcess(one.input, args...)
		if code != one.code {
			p.t.Errorf("%s: exit code %d, want %d: %s%s", one.name, code, one.code, out, errs)
		}
		clean("radclient: "+one.name, out+errs)
	}
	_, out, errs := inProcess("", append([]string{"cat", "tls+tcp", address, "-o", "tls.private_key_password=" + marks["key password"]}, tls...)...)
	clean("cat", out+errs)
	c, err := net.Dial("udp", address)
	if err != nil {
		p.t.Fatal(err)
	}
	defer c.Close()
	_, _ = c.Write([]byte("\x01\x01\x00\x30" + marks["user password"])) // shorter than it says
}

// secretOperations asks for all that metrics and the control socket tell.
func (p *process) secretOperations(control string, metrics int, clean func(what, output string)) {
	p.t.Helper()
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", metrics))
	if err != nil {
		p.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if err != nil || !bytes.Contains(body, []byte(`frio_client_outcomes_total{client="nas",clients="",outcome="accept"}`)) {
		p.t.Errorf("metrics: %v\n%s", err, body)
	}
	clean("metrics", string(body))
	commands := "help\nstatus\nstats\nlistens\nclients\nhomes\npools\nthreads\nversion\nhomes json\nclients json\n" + marks["client secret"] + "\n"
	code, out, errs := inProcess(commands, "cat", "unix", control)
	if code != 0 || strings.Count(out, "\n\n") != strings.Count(commands, "\n") || !strings.Contains(out, "home servers alive") {
		p.t.Errorf("control: exit code %d, %s\n%s", code, errs, out)
	}
	clean("control", out+errs)
}

// secretMistakes checks the file, and the same with a mistake beside each secret.
func secretMistakes(t *testing.T, text string, clean func(what, output string)) {
	t.Helper()
	check := func(name, text string, code int) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "frio.conf")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, out, errs := inProcess("", "check", file)
		if got != code {
			t.Errorf("check, %s: exit code %d, want %d: %s", name, got, code, errs)
		}
		clean("check, "+name, out+errs)
	}
	check("the file", text, 0)
	lines := strings.SplitAfter(text, "\n")
	mistakes := 0
	for i, line := range lines {
		key, value, found := strings.Cut(strings.TrimSpace(line), " = ")
		if !found || !strings.HasPrefix(value, "marked") {
			continue
		}
		for name, wrong := range map[string]string{
			"a wrong key":         key + "x = " + value,
			"twice":               key + " = " + value + "\n" + key + " = " + value,
			"an operator":         key + " += " + value,
			"no operator":         key + " " + value,
			"a quote without end": key + " = \"" + value,
			"two values":          key + " = " + value + " " + value,
		} {
			mistakes++
			check(key+", "+name, strings.Join(lines[:i], "")+wrong+"\n"+strings.Join(lines[i+1:], ""), 2)
		}
	}
	if mistakes < 20 {
		t.Errorf("%d mistakes only", mistakes)
	}
	check("another password of the key", strings.Replace(text, marks["key password"], marks["other secret"], 1), 2)
}
