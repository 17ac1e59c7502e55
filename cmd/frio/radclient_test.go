package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/frio-io/frio/radius"
)

const bob = "User-Name = \"bob\"\nUser-Password = \"hello\"\n"

func splitStack(stack string) []string { return strings.Split(stack, "+") }

// client runs radclient towards a home server.
func client(stdin, stack, dir, address string, more ...string) (code int, out, errs string) {
	args := append([]string{"radclient", stack, address, testSecret}, more...)
	if strings.HasPrefix(stack, "tls") {
		args = append(args, "-ca", dir+"/ca.pem", "-cert", dir+"/client.pem", "-key", dir+"/client.key")
	}
	return inProcess(stdin, args...)
}

var radclientStacks = []string{"udp", "tcp", "tls+tcp", "tls+udp"}

// Every kind of request has its answer over every stack.
func TestRadclient(t *testing.T) {
	dir := madeCertificates(t)
	for _, stack := range radclientStacks {
		h, address := startHome(t, stack, dir, nil)
		for _, c := range []struct {
			name, in string
			flags    []string
			code     int
			want     string
		}{
			{"PAP", bob, nil, 0, "Received Access-Accept"},
			{"PAP, wrong", "User-Name = bob, User-Password = hallo", nil, 1, "Received Access-Reject"},
			{"CHAP", "User-Name = bob\nCHAP-Password = hello", nil, 0, "Access-Accept"},
			{"CHAP, wrong", "User-Name = bob\nCHAP-Password = hallo", nil, 1, "Access-Reject"},
			{"CHAP with a challenge", "User-Name = bob\nCHAP-Password = hello\nCHAP-Challenge = 0x00112233", nil, 0, "Access-Accept"},
			{"MS-CHAP", "User-Name = bob\nMS-CHAP-Password = hello", nil, 0, "MS-CHAP-MPPE-Keys = <32 bytes>"},
			{"MS-CHAP, wrong", "User-Name = bob\nMS-CHAP-Password = hallo", nil, 1, "MS-CHAP-Error = "},
			{"MS-CHAPv2", "User-Name = bob\nMS-CHAP2-Password = hello", nil, 0, "MS-MPPE-Send-Key = <34 bytes>"},
			{"MS-CHAPv2, wrong", "User-Name = bob\nMS-CHAP2-Password = hallo", nil, 1, "Access-Reject"},
			{"EAP", "User-Name = bob\nEAP-Message = 0x0201000801626f62", nil, 1, "Received Access-Challenge"},
			{"accounting by its attribute", "User-Name = bob\nAcct-Status-Type = Start", nil, 0, "Accounting-Response"},
			{"accounting by its name", "Packet-Type = accounting-request\nUser-Name = bob", nil, 0, "Accounting-Response"},
			{"accounting by its number", "User-Name = bob, Packet-Type = 4", []string{"-code", "auth"}, 0, "Accounting-Response"},
			{"accounting by the flag", "User-Name = bob", []string{"-code", "acct"}, 0, "Accounting-Response"},
			{"status", "", []string{"-code", "status"}, 0, "Received Access-Accept"},
			{"status with attributes", "NAS-Identifier = me", []string{"-code=status"}, 0, "Received Access-Accept"},
			{"CoA", "User-Name = bob", []string{"-code", "coa"}, 1, "Error-Cause = "},
			{"disconnect", "User-Name = bob", []string{"-code", "disconnect"}, 1, "Received Disconnect-NAK"},
			{"more than one", bob + "\n# a comment\n\n\n" + bob + "\nUser-Name = eve\n", nil, 1, "(request 3)"},
		} {
			t.Run(stack+" "+c.name, func(t *testing.T) {
				code, out, errs := client(c.in, stack, dir, address, c.flags...)
				if code != c.code || !strings.Contains(out, c.want) || errs != "" {
					t.Errorf("exit code %d, want %d with %q; standard output\n%sstandard error\n%s", code, c.code, c.want, out, errs)
				}
			})
		}
		if h.count() == 0 {
			t.Errorf("%s: the server has seen nothing", stack)
		}
	}
}

// The secret may come from three places, and the attributes from two.
func TestRadclientInput(t *testing.T) {
	_, address := startHome(t, "udp", "", nil)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret, attributes := write("secret", testSecret+"\r\nsecond line\n"), write("bob", bob)
	for _, c := range []struct {
		name, in string
		args     []string
	}{
		{"a file", bob, []string{"@" + secret}},
		{"standard input", testSecret + "\n" + bob, []string{"-"}},
		{"both files", "", []string{"@" + secret, "-f", attributes}},
		{"secret alone in standard input", testSecret, []string{"-", "-f", attributes}},
		{"flags in front", bob, []string{"-q", "@" + secret}},
	} {
		args := append([]string{"radclient", "udp", address}, c.args...)
		if code, out, errs := inProcess(c.in, args...); code != 0 || errs != "" {
			t.Errorf("%s: exit code %d, %s %s", c.name, code, out, errs)
		}
	}
}

// What is wrong with the input is said with its line, and nothing is sent.
func TestRadclientWrongInput(t *testing.T) {
	h, address := startHome(t, "udp", "", nil)
	path := filepath.Join(t.TempDir(), "attributes")
	if err := os.WriteFile(path, []byte("\nUser-Name = bob\nUser-Nam = bob\n"), 0600); err != nil {
		t.Fatal(err)
	}
	big := strings.Repeat("Class = \""+strings.Repeat("x", 250)+"\"\n", 17)
	for _, c := range []struct {
		name, in string
		args     []string
		want     string
	}{
		{"unknown attribute", bob + "Colour = red\n", nil, "standard input:3: Colour: no such attribute"},
		{"in a file", "", []string{"-f", path}, path + ":3: User-Nam: no such attribute"},
		{"no such file", "", []string{"-f", path + ".not"}, "no such file"},
		{"no name", "User-Name\n", nil, "standard input:1: not of the form"},
		{"bad value", "NAS-Port = x\n", nil, "standard input:1: NAS-Port: "},
		{"bad address", "# one\nNAS-IP-Address = 1.2.3\n", nil, "standard input:2: NAS-IP-Address: "},
		{"no quote", "User-Name = \"bob\n", nil, "standard input:1: User-Name: the quote"},
		{"bad kind", "Packet-Type = Access-Accept\n", nil, `standard input:1: Packet-Type: "Access-Accept" is no request`},
		{"too big", "\n" + big, nil, "standard input:2: radius: the result would be longer than 4096"},
		{"long password", "User-Password = \"" + strings.Repeat("x", 129) + "\"\n", nil, "standard input:1: "},
		{"long line", strings.Repeat("x", lineMax+1), nil, "standard input:1: the line is longer"},
		{"nothing", "", nil, "standard input: there are no attributes"},
		{"only a comment", "# nothing\n", []string{"-code", "auth"}, "there are no attributes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := client(c.in, "udp", "", address, c.args...)
			if code != 2 || out != "" || !strings.Contains(errs, c.want) || strings.Count(errs, "\n") != 1 {
				t.Errorf("exit code %d, %q, %s", code, out, errs)
			}
			if strings.Contains(errs, "xxxx") {
				t.Errorf("the value shows: %s", errs)
			}
		})
	}
	if h.count() != 0 {
		t.Errorf("%d requests were sent", h.count())
	}
}

func TestRadclientUsage(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0600); err != nil {
		t.Fatal(err)
	}
	ok := []string{"udp", "127.0.0.1:9", testSecret}
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"no secret", ok[:2], "STACK, ADDRESS and SECRET, not 2"},
		{"empty secret", []string{"udp", "127.0.0.1:9", ""}, "the secret is empty"},
		{"empty first line", []string{"udp", "127.0.0.1:9", "@" + empty}, "the secret is empty"},
		{"no secret in standard input", []string{"udp", "127.0.0.1:9", "-", "-code", "status"}, "the secret is empty"},
		{"no file of the secret", []string{"udp", "127.0.0.1:9", "@" + empty + ".not"}, "no such file"},
		{"no such method", []string{"upd", "127.0.0.1:9", testSecret}, "no method `upd`"},
		{"no such port", []string{"udp", "127.0.0.1:70000", testSecret}, "port"},
		{"no such host", []string{"udp", "[x]", testSecret, "-4"}, ""},
		{"code", append(ok, "-code", "authentication"), "-code authentication"},
		{"count", append(ok, "-c", "0"), "-c must"},
		{"tries", append(ok, "-r", "0"), "-r must"},
		{"parallel", append(ok, "-p", "0"), "-p must"},
		{"too parallel", append(ok, "-p", "65537"), "-p must"},
		{"time", append(ok, "-t", "0"), "-t"},
		{"negative time", append(ok, "-t=-1s"), "-t must"},
		{"no time", append(ok, "-t", "soon"), "-t"},
		{"rate", append(ok, "-n", "0"), "-n must"},
		{"no rate", append(ok, "-n", "NaN"), "-n must"},
		{"both families", append(ok, "-4", "-6"), "exclude each other"},
		{"the other family", append(ok, "-6"), "other address family"},
		{"family of unix", []string{"unix", "/nowhere", testSecret, "-4"}, "no effect on unix"},
		{"option", append(ok, "-o", "udp.colour=red"), "unknown key `colour`"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := bob
			if c.args[len(c.args)-1] == "status" {
				in = ""
			}
			code, out, errs := inProcess(in, append([]string{"radclient"}, c.args...)...)
			if c.name != "no such host" && (code != 2 || out != "" || !strings.Contains(errs, c.want)) {
				t.Errorf("exit code %d, %q, %s", code, out, errs)
			}
			if strings.Contains(errs, testSecret) {
				t.Errorf("the secret shows: %s", errs)
			}
		})
	}
	if code, _, errs := inProcess("", "radclient", "-h"); code != 0 || !strings.Contains(errs, "usage: frio radclient") {
		t.Errorf("-h: exit code %d, %s", code, errs)
	}
}

func TestDefaultPorts(t *testing.T) {
	for _, c := range []struct {
		stack, code, address, host, port string
	}{
		{"udp", "auto", "192.0.2.1", "192.0.2.1", "1812"},
		{"udp", "acct", "example.org", "example.org", "1813"},
		{"tcp", "coa", "2001:db8::1", "2001:db8::1", "3799"},
		{"tcp", "disconnect", "[2001:db8::1]", "2001:db8::1", "3799"},
		{"tls+tcp", "acct", "192.0.2.1", "192.0.2.1", "2083"},
		{"tls+udp", "auto", "[2001:db8::1]:7", "2001:db8::1", "7"},
	} {
		f := radclientFlags{count: 1, tries: 1, timeout: 1}
		fs := flags("radclient", "", streams{})
		if err := f.check(fs, c.code, false, false, c.stack); err != nil {
			t.Fatal(err)
		}
		if host, port, err := f.split(c.address); err != nil || host != c.host || port != c.port {
			t.Errorf("%+v: %s %s %v", c, host, port, err)
		}
	}
}

// Nobody there, and nobody who answers: exit code 3 and a line that says so.
func TestRadclientUnanswered(t *testing.T) {
	dir, other := madeCertificates(t), madeCertificates(t)
	closed := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	for _, stack := range radclientStacks {
		_, address := startHome(t, stack, dir, func(h *homeServer) { h.keys = radius.NewKeys([]byte("other")) })
		for _, c := range []struct {
			name, address, dir, want string
		}{
			{"refused", closed, dir, closed + "(: (read|write) datagram)?: connection refused\n"},
			{"wrong secret", address, dir, "is the secret right"},
			{"wrong CA", address, other, ""},
		} {
			if c.name == "wrong CA" && !strings.HasPrefix(stack, "tls") {
				continue
			}
			t.Run(stack+" "+c.name, func(t *testing.T) {
				code, out, errs := client(bob, stack, c.dir, c.address, "-r", "2", "-t", "0.05")
				if code != 3 || out != "" || !regexp.MustCompile(c.want).MatchString(errs) || errs == "" {
					t.Errorf("exit code %d, %q, %s", code, out, errs)
				}
				if code, out, _ := client(bob, stack, c.dir, c.address, "-r", "1", "-t", "20ms", "-q"); code != 3 || out != "" {
					t.Errorf("-q: exit code %d, %q", code, out)
				}
			})
		}
	}
}

// Neither a trace nor an error shows a secret; the trace shows what was sent.
func TestRadclientTrace(t *testing.T) {
	dir := madeCertificates(t)
	in := "User-Name = bob\nUser-Password = marked-password\nState = \"marked-state\"\nCisco-AVPair = \"psk=marked-psk\"\n\n" +
		"User-Name = bob\nMS-CHAP2-Password = marked-password\n\nUser-Name = bob\nCHAP-Password = marked-password\n\nUser-Name = bob\nMS-CHAP-Password = marked-password\n"
	for _, stack := range radclientStacks {
		_, address := startHome(t, stack, dir, nil)
		code, out, errs := client(in, stack, dir, address, "-x", "-s")
		if code != 1 {
			t.Errorf("%s: exit code %d", stack, code)
		}
		for _, want := range []string{"Connected " + stack, "Sent Access-Request Id 1 from 127.0.0.1:", "User-Password = <16 bytes>", "State = <12 bytes>",
			"CHAP-Password = <17 bytes>", "MS-CHAP2-Response = <50 bytes>", "MS-CHAP-Response = <50 bytes>", "(request 4)", "Closed " + stack} {
			if !strings.Contains(errs, want) {
				t.Errorf("%s: the trace has no %q:\n%s", stack, want, errs)
			}
		}
		if !strings.Contains(out, "Rejected      : 4\n") {
			t.Errorf("%s: no summary:\n%s", stack, out)
		}
		if strings.Contains(out+errs, "marked") {
			t.Errorf("%s: a secret shows:\n%s%s", stack, out, errs)
		}
	}
}

// -q prints nothing of what goes well, -s the summary only.
func TestRadclientQuiet(t *testing.T) {
	_, address := startHome(t, "udp", "", nil)
	if code, out, errs := client(bob, "udp", "", address, "-q"); code != 0 || out != "" || errs != "" {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	code, out, errs := client(bob+"\nUser-Name = eve\n", "udp", "", address, "-q", "-s", "-c", "3", "-4")
	if code != 1 || errs != "" || !strings.HasPrefix(out, "Packet summary:\n\tAccepted      : 3\n\tRejected      : 3\n\tChallenged    : 0\n\tLost          : 0\n\tNot sent      : 0\n") {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
}

// An output that cannot be written ends it.
func TestRadclientFullOutput(t *testing.T) {
	h, address := startHome(t, "udp", "", nil)
	var errs strings.Builder
	code := command([]string{"radclient", "udp", address, testSecret, "-c", "100"}, streams{strings.NewReader(bob), full{}, &errs})
	if code != 1 || strings.Count(errs.String(), "no space left") != 1 || h.count() > 2 {
		t.Errorf("exit code %d after %d requests, %s", code, h.count(), &errs)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// More than 256 at once need more than one socket.
func TestRadclientParallel(t *testing.T) {
	dir := madeCertificates(t)
	for _, stack := range radclientStacks {
		h, address := startHome(t, stack, dir, func(h *homeServer) { h.hold = 300 })
		code, out, errs := client(bob, stack, dir, address, "-q", "-s", "-c", "900", "-p", "300", "-r", "100", "-t", "0.3")
		if code != 0 || !strings.Contains(out, "Accepted      : 900\n") {
			t.Errorf("%s: exit code %d, %s%s", stack, code, out, errs)
		}
		if n := len(h.peers()); n != 2 {
			t.Errorf("%s: %d sockets", stack, n)
		}
	}
}

// A signal ends it, with what was reached.
func TestRadclientInterrupted(t *testing.T) {
	_, address := startHome(t, "udp", "", func(h *homeServer) {
		h.change = func(int, radius.Packet, []byte) []byte { return nil }
	})
	p := start(t, "radclient", "udp", address, testSecret, "-t", "1h", "-s", "-x")
	p.typed(bob)
	if !p.err.has("Sent Access-Request") {
		t.Fatal(p.err)
	}
	p.signal(syscall.SIGINT)
	p.exits(3)
	if out := p.out.String(); !strings.Contains(out, "Lost          : 1\n") {
		t.Errorf("no summary: %q", out)
	}
}

// Over unix there are no addresses.
func TestRadclientUnix(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(shortDir(t), "home"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		var buf [radius.MaxSize]byte
		n, _ := c.Read(buf[:])
		p, err := radius.Parse(buf[:n])
		if err != nil {
			return
		}
		k := radius.NewKeys([]byte(testSecret))
		b := radius.NewReply(nil, radius.AccessAccept, p)
		reply, _ := b.Seal(k)
		c.Write(reply)
		c.Read(buf[:])
	}()
	code, out, errs := client(bob, "unix", "", l.Addr().String())
	if code != 0 || !strings.Contains(out, "Received Access-Accept Id 1 over unix") || errs != "" {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
}
