package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The programs around a RADIUS gateway: Debian's freeradius as home server, radsecproxy as neighbour on both sides. All of them
// read files made here, in directories of the test, and listen on loopback.

const (
	radiusSecret = "testing123"
	// The secrets that RFC 6614 and RFC 7360 fix.
	radsecSecret = "radsec"
	dtlsSecret   = "radius/dtls"

	userPassword   = "a password of more than 16 bytes"
	replyMessage   = "welcome, bob"
	tunnelPassword = "of the tunnel"

	// radiusPatience ends the programs that serve a whole table of exchanges.
	radiusPatience = 4 * time.Minute
	// linePatience is how long a program may take to say that it is ready.
	linePatience = 20 * time.Second
)

// quietPorts are count ports of loopback in a row that nobody uses; it returns the first. They are below those that the system
// gives to others while the program that is to have them has not yet bound them.
func quietPorts(t *testing.T, count int) int {
	t.Helper()
	for range 100 {
		first, free := 20000+rand.IntN(12000), true
		for port := first; free && port < first+count; port++ {
			free = canBind("tcp", fmt.Sprintf("127.0.0.1:%d", port)) && canBind("udp", fmt.Sprintf("127.0.0.1:%d", port))
		}
		if free {
			return first
		}
	}
	t.Fatal("no free ports")
	return 0
}

// serve starts a program and waits until stream, one of its outputs, has each of the lines.
func serve(t *testing.T, cmd *exec.Cmd, stream func(*process) *text, lines ...string) *process {
	t.Helper()
	p := startCommand(t, radiusPatience, cmd)
	late := time.AfterFunc(linePatience, func() { p.Process.Kill() })
	defer late.Stop()
	for _, line := range lines {
		if !stream(p).has(line) {
			<-p.done
			t.Fatalf("%s did not say %q:\n%s%s", filepath.Base(cmd.Path), line, p.out, p.err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			p.Process.Kill()
			<-p.done
			t.Logf("%s said:\n%s%s", filepath.Base(cmd.Path), p.out, p.err)
		}
	})
	return p
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0600); err != nil {
		t.Fatal(err)
	}
}

// freeradius is a home server: its ports for each transport, and its directory. Over udp and tcp, accounting is on the next port.
type freeradius struct {
	udp, tcp, tls int
	raddb         string
}

// newFreeradius writes a small configuration of our own for freeradius. Whoever calls himself bob, in any realm, has
// userPassword. certs is a directory made by certificates.
func newFreeradius(t *testing.T, certs string) *freeradius {
	t.Helper()
	f := &freeradius{quietPorts(t, 2), quietPorts(t, 2), quietPorts(t, 1), t.TempDir()}
	fill := strings.NewReplacer("RADDB", f.raddb, "CERTS", certs, "SECRET", radiusSecret, "RADSEC", radsecSecret,
		"MESSAGE", replyMessage, "TUNNEL", tunnelPassword, "UDP_AUTH", fmt.Sprint(f.udp), "UDP_ACCT", fmt.Sprint(f.udp+1),
		"TCP_AUTH", fmt.Sprint(f.tcp), "TCP_ACCT", fmt.Sprint(f.tcp+1), "TLS_PORT", fmt.Sprint(f.tls))
	writeFile(t, filepath.Join(f.raddb, "radiusd.conf"), fill.Replace(freeradiusConf))
	writeFile(t, filepath.Join(f.raddb, "dictionary"), "")
	writeFile(t, filepath.Join(f.raddb, "users"), fmt.Sprintf("DEFAULT\tUser-Name =~ \"^bob(@|$)\", Cleartext-Password := %q\n", userPassword))
	return f
}

// start runs freeradius until it is ready. -X does not go with TLS sockets, which need threads.
func (f *freeradius) start(t *testing.T) {
	t.Helper()
	serve(t, exec.Command(program(t, "freeradius"), "-d", f.raddb, "-f", "-l", "stdout"), func(p *process) *text { return p.out },
		"Ready to process requests\n")
}

// accounted tells how often an accounting session was written down, on port and on all.
func (f *freeradius) accounted(t *testing.T, session string, port int) (here, everywhere int) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(f.raddb, "accounting.*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		count := strings.Count(string(data), fmt.Sprintf("Acct-Session-Id = %q", session))
		everywhere += count
		if strings.HasSuffix(path, fmt.Sprint(".", port)) {
			here = count
		}
	}
	return here, everywhere
}

// asked tells whether a Status-Server came to port.
func (f *freeradius) asked(port int) bool {
	_, err := os.Stat(filepath.Join(f.raddb, fmt.Sprint("status.", port)))
	return err == nil
}

// proxyInlet is where radsecproxy listens. kind is "udp", "tcp", "tls" or "dtls".
type proxyInlet struct {
	kind, secret string
	port         int
}

// proxyServer is where radsecproxy sends what matches realms, a regular expression.
type proxyServer struct {
	realms, kind, secret string
	port, acctPort       int
}

// proxyConf is a configuration of radsecproxy, whose certificate is client.pem in certs. It asks each server at the start whether it
// answers Status-Server.
func proxyConf(certs string, inlets []proxyInlet, servers []proxyServer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "tls default {\n\tCACertificateFile %[1]s/ca.pem\n"+
		"\tCertificateFile %[1]s/client.pem\n\tCertificateKeyFile %[1]s/client.key\n}\n", certs)
	for i, in := range inlets {
		fmt.Fprintf(&b, "Listen%s 127.0.0.1:%d\nclient c%d {\n\thost 127.0.0.1\n\ttype %s\n\tsecret %s\n}\n",
			strings.ToUpper(in.kind), in.port, i, in.kind, in.secret)
	}
	for i, s := range servers {
		acct := ""
		server := func(name string, port int) {
			fmt.Fprintf(&b, "server %s {\n\thost 127.0.0.1\n\tport %d\n\ttype %s\n\tsecret %s\n\tStatusServer auto\n}\n",
				name, port, s.kind, s.secret)
		}
		server(fmt.Sprintf("s%d", i), s.port)
		if s.acctPort != s.port {
			acct = "acct"
			server(fmt.Sprintf("s%d%s", i, acct), s.acctPort)
		}
		fmt.Fprintf(&b, "realm /%[1]s/ {\n\tserver s%[2]d\n\taccountingServer s%[2]d%[3]s\n}\n", s.realms, i, acct)
	}
	return b.String()
}

// startRadsecproxy runs radsecproxy until it listens.
func startRadsecproxy(t *testing.T, certs string, inlets []proxyInlet, servers []proxyServer) *process {
	t.Helper()
	path := program(t, "radsecproxy")
	file := filepath.Join(t.TempDir(), "radsecproxy.conf")
	writeFile(t, file, proxyConf(certs, inlets, servers))
	var lines []string
	for _, in := range inlets {
		lines = append(lines, fmt.Sprintf("listening for %s on 127.0.0.1:%d", in.kind, in.port))
	}
	return serve(t, exec.Command(path, "-f", "-d", "2", "-c", file, "-i", file+".pid"), func(p *process) *text { return p.err }, lines...)
}
