package main

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// gatewayConf is a gateway on one port of udp and tls+tcp before a home server of its own.
func gatewayConf(t *testing.T, certs string) (text string, port int) {
	port, home := freePort(t), freePort(t)
	listen := func(name, protocol, base, more string, port int) string {
		return fmt.Sprintf("listen %s {\nprotocol = %s\n%s {\nipaddr = 127.0.0.1\nport = %d\n}\n%s}\n", name, protocol, base, port, more)
	}
	return "log {\nrequests = yes\n}\nserver gateway {\nnamespace = radius\n" + listen("u", "udp", "udp", "", port) +
		listen("t", "tls+tcp", "tcp", fmt.Sprintf("tls {\nca_file = %[1]s/ca.pem\ncertificate_file = %[1]s/server.pem\nprivate_key_file = %[1]s/server.key\n}\n", certs), port) +
		"}\nserver home {\nnamespace = home\nsecret = " + testSecret + "\nuser bob {\npassword = hello\n}\n" + listen("u", "udp", "udp", "", home) + "}\n" +
		"client all {\nipaddr = 127.0.0.1\nsecret = " + testSecret + "\n}\n" +
		fmt.Sprintf("home_server one {\nipaddr = 127.0.0.1\nport = %d\nsecret = %s\n}\nhome_server_pool all {\nhome_server = one\n}\nrealm DEFAULT {\npool = all\n}\n", home, testSecret), port
}

// -X shows a packet at each hop as a person reads it, and a number ties them, and the line of the log, together.
func TestRunTrace(t *testing.T) {
	text, port := gatewayConf(t, certificates(t))
	p := runFile(t, text, "-X")
	if code, _, errs := client(bob, "udp", "", fmt.Sprintf("127.0.0.1:%d", port)); code != 0 {
		t.Fatalf("exit code %d, %s", code, errs)
	}
	p.signal(syscall.SIGTERM)
	p.exits(0)
	log := p.err.String()
	first := regexp.MustCompile(`(?m)^\((\w+)\) received Access-Request`).FindStringSubmatch(log)
	if first == nil {
		t.Fatalf("no request was received:\n%s", log)
	}
	rest := log
	for _, want := range []string{
		`^\(ID\) received Access-Request, id \d+, \d+ bytes, from client all at 127\.0\.0\.1:\d+, listen gateway\.u\n`, `^\tUser-Name = "bob"\n\tUser-Password = <16 bytes>\n`,
		`^\(ID\) sent Access-Request, id \d+, \d+ bytes, to home_server one\n`, `^\tUser-Name = "bob"\n\tUser-Password = <16 bytes>\n\tProxy-State = 0x[0-9a-f]{16}\n`,
		`^\(ID\) received Access-Accept, id \d+, \d+ bytes, from home_server one\n`,
		`^\(ID\) sent Access-Accept, id \d+, \d+ bytes, to client all at 127\.0\.0\.1:\d+\n\tMessage-Authenticator = <16 bytes>\n`,
	} {
		at := regexp.MustCompile("(?m)" + strings.Replace(want, "ID", first[1], 1)).FindStringIndex(rest)
		if at == nil {
			t.Fatalf("no %s in\n%s", want, rest)
		}
		rest = rest[at[1]:]
	}
	if !regexp.MustCompile(`msg=request request=` + first[1] + ` code=Access-Request client=all peer=127\.0\.0\.1:\d+ outcome=accept home_server=one user=bob `).MatchString(log) {
		t.Errorf("no line of the request in\n%s", log)
	}
}

// SIGHUP with a bad file says where it is wrong, and what ran goes on; with a good one there is a new certificate for new connections, and the
// old connections stay.
func TestRunReloads(t *testing.T) {
	certs, other := certificates(t, "client"), certificates(t)
	text, port := gatewayConf(t, certs)
	file := filepath.Join(t.TempDir(), "frio.conf")
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(file, text)
	p := start(t, "run", file)
	p.ready()
	address := fmt.Sprintf("127.0.0.1:%d", port)
	pair, err := tls.LoadX509KeyPair(certs+"/client.pem", certs+"/client.key")
	if err != nil {
		t.Fatal(err)
	}
	cas := x509.NewCertPool()
	for _, dir := range []string{certs, other} {
		data, err := os.ReadFile(dir + "/ca.pem")
		if err != nil {
			t.Fatal(err)
		}
		cas.AppendCertsFromPEM(data)
	}
	dial := func() (*tls.Conn, string) {
		t.Helper()
		c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: cas, Certificates: []tls.Certificate{pair}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c, string(c.ConnectionState().PeerCertificates[0].Raw)
	}
	answers := func(c *tls.Conn) {
		t.Helper()
		if _, err := c.Write(statusServer(testSecret)); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(make([]byte, 100)); err != nil || n < 20 {
			t.Errorf("got %d bytes, %v", n, err)
		}
	}
	first, before := dial()
	answers(first)

	write(file, strings.Replace(text, "namespace = home", "namespace = hme", 1))
	p.signal(syscall.SIGHUP)
	if !p.err.has("the configuration before goes on") || !p.err.has(file+":") || !p.err.has("namespace: `hme`") {
		t.Error("what is wrong is not said")
	}
	answers(first)

	// A certificate that is half written is a mistake as any other.
	write(file, text)
	whole, err := os.ReadFile(filepath.Join(certs, "server.pem"))
	if err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(certs, "server.pem"), string(whole[:len(whole)/2]))
	p.signal(syscall.SIGHUP)
	if !p.err.has("certificate_file: "+filepath.Join(certs, "server.pem")) || strings.Contains(p.err.until("certificate_file"), "msg=reloaded") {
		t.Error("what is wrong with the certificate is not said")
	}
	answers(first)
	half, during := dial()
	if answers(half); during != before {
		t.Error("it is another certificate")
	}

	for _, name := range []string{"server.pem", "server.key"} {
		data, err := os.ReadFile(filepath.Join(other, name))
		if err != nil {
			t.Fatal(err)
		}
		write(filepath.Join(certs, name), string(data))
	}
	p.signal(syscall.SIGHUP)
	if !p.err.has("msg=reloaded") {
		t.Error("it did not reload")
	}
	answers(first)
	second, after := dial()
	answers(second)
	if after == before {
		t.Error("it is the old certificate")
	}
}

// revoke writes dir/ca.crl, in which some certificates of dir are revoked.
func revoke(t *testing.T, dir string, names ...string) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(dir+"/ca.pem", dir+"/ca.key")
	if err != nil {
		t.Fatal(err)
	}
	list := &x509.RevocationList{Number: big.NewInt(time.Now().UnixNano()), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour)}
	for _, name := range names {
		one, err := tls.LoadX509KeyPair(dir+"/"+name+".pem", dir+"/"+name+".key")
		if err != nil {
			t.Fatal(err)
		}
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: one.Leaf.SerialNumber, RevocationTime: time.Now().Add(-time.Minute)})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, pair.Leaf, pair.PrivateKey.(crypto.Signer))
	if err == nil {
		err = os.WriteFile(dir+"/ca.crl", pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// SIGHUP with a new CRL ends the connection of a client that it revokes, keeps it from coming again, and no other's.
func TestRunReloadsCRL(t *testing.T) {
	certs := certificates(t, "client", "other")
	revoke(t, certs)
	text, port := gatewayConf(t, certs)
	p := runFile(t, strings.Replace(text, "tls {\n", "tls {\ncheck_crl = yes\ncrl_file = "+certs+"/ca.crl\n", 1))
	ca, err := os.ReadFile(certs + "/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	cas := x509.NewCertPool()
	cas.AppendCertsFromPEM(ca)
	dial := func(name string) net.Conn {
		t.Helper()
		pair, err := tls.LoadX509KeyPair(certs+"/"+name+".pem", certs+"/"+name+".key")
		if err != nil {
			t.Fatal(err)
		}
		c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port), &tls.Config{RootCAs: cas, Certificates: []tls.Certificate{pair}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	answers := func(c net.Conn) (bool, error) {
		_, _ = c.Write(statusServer(testSecret)) // that it is closed Read tells
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := c.Read(make([]byte, 100))
		return n >= 20, err
	}
	conns := map[string]net.Conn{"client": dial("client"), "other": dial("other")}
	for name, c := range conns {
		if ok, err := answers(c); !ok {
			t.Fatalf("%s: %v", name, err)
		}
	}
	revoke(t, certs, "client")
	p.signal(syscall.SIGHUP)
	if !p.err.has("msg=reloaded") {
		t.Fatal("it did not reload")
	}
	var late net.Error
	_ = conns["client"].SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := conns["client"].Read(make([]byte, 100)); n > 0 || err == nil || errors.As(err, &late) && late.Timeout() {
		t.Errorf("the connection of the revoked client goes on: %d bytes, %v", n, err)
	}
	if ok, err := answers(dial("client")); ok {
		t.Errorf("the revoked client comes again: %v", err)
	}
	if ok, err := answers(conns["other"]); !ok {
		t.Errorf("the other client is gone: %v", err)
	}
	if ok, err := answers(dial("other")); !ok {
		t.Errorf("the other client does not come again: %v", err)
	}
}

// The metrics of a gateway tell of handshakes, those that fail too, and how long a home server takes.
func TestRunMetrics(t *testing.T) {
	certs := certificates(t, "client")
	text, port := gatewayConf(t, certs)
	metrics, address := freePort(t), fmt.Sprintf("127.0.0.1:%d", port)
	datagrams := freePort(t)
	text = strings.Replace(text, "listen t {", fmt.Sprintf("listen d {\nprotocol = tls+udp\nudp {\nipaddr = 127.0.0.1\nport = %[2]d\n}\n"+
		"tls {\nca_file = %[1]s/ca.pem\ncertificate_file = %[1]s/server.pem\nprivate_key_file = %[1]s/server.key\n}\n}\nlisten t {", certs, datagrams), 1)
	p := runFile(t, fmt.Sprintf("metrics {\nlisten = 127.0.0.1:%d\n}\n", metrics)+text)
	if code, _, errs := client(bob, "tls+tcp", certs, address); code != 0 {
		t.Errorf("exit code %d, %s", code, errs)
	}
	if code, _, errs := client(bob, "tls+udp", certs, fmt.Sprintf("127.0.0.1:%d", datagrams)); code != 0 {
		t.Errorf("tls+udp: exit code %d, %s", code, errs)
	}
	if code, _, _ := inProcess(bob, "radclient", "tls+tcp", address, testSecret, "-ca", certs+"/ca.pem"); code != 3 {
		t.Errorf("without a certificate: exit code %d", code)
	}
	if !p.err.has("no certificate") {
		t.Error("the log does not say why")
	}
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", metrics))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`frio_tls_handshakes_total{name="gateway.t",side="listen"} 1`, `frio_tls_resumed_total{name="gateway.t",side="listen"} 0`,
		`frio_tls_failed_handshakes_total{cause="no_certificate",name="gateway.t",side="listen"} 1`, `frio_listen_requests_total{listen="gateway.t"} 1`,
		`frio_tls_ticket_chains{name="gateway.d",side="listen"} 1`, `frio_tls_ticket_chain_events_total{event="missed",name="gateway.d",side="listen"} 0`,
		`frio_client_outcomes_total{client="all",clients="",outcome="accept"} 2`,
		`frio_home_server_latency_seconds_count{home_server="one",port="main"} 2`, `frio_home_server_requests_total{home_server="one",port="main"} 2`,
		`frio_home_server_retransmits_total{home_server="one",port="main"} 0`,
	} {
		if !strings.Contains(string(body), "\n"+want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(string(body), `frio_tls_ticket_chains{name="gateway.t"`) {
		t.Error("it tells of chains over a stream, of which none are kept")
	}
	if t.Failed() {
		t.Logf("%s", body)
	}
	p.signal(syscall.SIGTERM)
	p.exits(0)
}

// Without a file, a port that somebody has is not taken, and that is said.
func TestBuiltinPortTaken(t *testing.T) {
	if c, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", radiusPort)); err == nil { // else somebody has it already
		defer c.Close()
	}
	var notes []string
	text, hint, err := builtinConfig("/certs", func(note string) { notes = append(notes, note) })
	if err != nil || len(notes) == 0 {
		t.Fatalf("%q, %v", notes, err)
	}
	port, ok := strings.CutPrefix(notes[0], fmt.Sprintf("port %d is taken: ", radiusPort))
	port = strings.TrimSuffix(port, " instead")
	if !ok || !strings.Contains(text, "port = "+port+"\n") || strings.Contains(text, fmt.Sprintf("port = %d\n", radiusPort)) || !strings.Contains(hint, "127.0.0.1:"+port+" ") {
		t.Errorf("%q\n%s%s", notes, text, hint)
	}
}

// A client on a Unix socket has no address; what lines call it says so.
func TestRunUnixPeer(t *testing.T) {
	socket := filepath.Join(shortDir(t), "radius")
	p := runFile(t, "log {\nrequests = yes\n}\nserver s {\nnamespace = radius\nlisten u {\nprotocol = unix\nunix {\nfilename = "+socket+"\n}\n}\n}\n"+
		"client all {\nipaddr = *\nsecret = "+testSecret+"\n}\nrealm DEFAULT {\naccounting_log = yes\naccounting_response = yes\n}\n", "-X")
	for _, input := range []string{bob, "User-Name = bob\nAcct-Status-Type = Start\nAcct-Session-Id = 1\n"} {
		inProcess(input, "radclient", "unix", socket, testSecret)
	}
	inProcess(bob, "radclient", "-code", "acct", "-t", "1ms", "unix", socket, "another")
	p.err.has("msg=dropped ")
	p.signal(syscall.SIGTERM)
	p.exits(0)
	log := p.err.String()
	for _, want := range []string{"from client all at unix, listen s.u\n", "to client all at unix\n", "msg=request ", "msg=accounting ", "msg=dropped "} {
		if !strings.Contains(log, want) {
			t.Errorf("there is no %q", want)
		}
	}
	if strings.Contains(log, "invalid") {
		t.Error("there is something invalid")
	}
	if t.Failed() {
		t.Log(log)
	}
}
