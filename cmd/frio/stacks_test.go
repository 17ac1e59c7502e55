package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// A client and a home server are reached on stacks that have no name in RADIUS just as well.
func TestRunRadiusStacks(t *testing.T) {
	certs, dir := certificates(t, "client"), shortDir(t)
	var gateway, home, homes strings.Builder
	stacks := []string{"unix", "tls+unix", "haproxy+tcp", "tls+haproxy+tcp", "tls+haproxy+unix"}
	addresses := map[string]string{}
	for i, stack := range stacks {
		base := stack[strings.LastIndexByte(stack, '+')+1:]
		address := func(side string) (address, section string) {
			if base == "unix" {
				address = filepath.Join(dir, fmt.Sprint(side, i))
				return address, fmt.Sprintf("unix {\nfilename = %s\n}\n", address)
			}
			port := freePort(t)
			return fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("tcp {\nipaddr = 127.0.0.1\nport = %d\n}\n", port)
		}
		var listen, connect string
		if strings.Contains(stack, "haproxy") {
			trusted := ""
			if base == "tcp" {
				trusted = "allow = 127.0.0.1\n"
			}
			listen, connect = "haproxy {\ntrusted {\n"+trusted+"}\n}\n", "haproxy {\n}\n"
		}
		if strings.Contains(stack, "tls") {
			files := "tls {\nca_file = " + certs + "/ca.pem\ncertificate_file = " + certs + "/%[1]s.pem\nprivate_key_file = " + certs + "/%[1]s.key\n"
			listen += fmt.Sprintf(files, "server") + "}\n"
			connect += fmt.Sprintf(files, "client") + "hostname = 127.0.0.1\n}\n"
		}
		in, section := address("in")
		addresses[stack] = in
		fmt.Fprintf(&gateway, "listen l%d {\nprotocol = %s\n%s%s}\n", i, stack, section, listen)
		_, section = address("out")
		fmt.Fprintf(&home, "listen l%d {\nprotocol = %s\n%s%s}\n", i, stack, section, listen)
		fmt.Fprintf(&homes, "home_server h%[1]d {\ntype = auth\nprotocol = %[2]s\nsecret = %[3]s\n%[4]s%[5]s}\nhome_server_pool p%[1]d {\nhome_server = h%[1]d\n}\n"+
			"realm r%[1]d {\nauth_pool = p%[1]d\nstrip = yes\n}\n", i, stack, testSecret, section, connect)
	}
	runFile(t, "server gateway {\nnamespace = radius\n"+gateway.String()+"}\nserver home {\nnamespace = home\nsecret = "+testSecret+
		"\nuser bob {\npassword = hello\n}\n"+home.String()+"}\nclient all {\nipaddr = *\nsecret = "+testSecret+"\n}\n"+homes.String())
	for _, from := range stacks {
		for to := range stacks {
			more := []string{"-hostname", "127.0.0.1"}
			if !strings.Contains(from, "tls") {
				more = nil
			}
			request := fmt.Sprintf("User-Name = bob@r%d\nUser-Password = hello\n", to)
			if code, out, errs := client(request, from, certs, addresses[from], more...); code != 0 || errs != "" {
				t.Errorf("%s to %s: exit code %d, %s%s", from, stacks[to], code, out, errs)
			}
		}
	}
}

// require_client_cert = no: a certificate that is not the one of a client { certificate { } } is as good as none, and so is none at all, for a
// client with a secret of its own. Elsewhere neither gets in.
func TestRunWithoutClientCertificates(t *testing.T) {
	certs := certificates(t, "client")
	var listens strings.Builder
	ports := map[string]int{}
	for name, key := range map[string]string{"strict": "", "lenient": "require_client_cert = no\n"} {
		ports[name] = freePort(t)
		fmt.Fprintf(&listens, "listen %s {\nprotocol = tls+tcp\ntcp {\nipaddr = 127.0.0.1\nport = %d\n}\ntls {\nca_file = %[3]s/ca.pem\n"+
			"certificate_file = %[3]s/server.pem\nprivate_key_file = %[3]s/server.key\n%s}\n}\n", name, ports[name], certs, key)
	}
	const text = "client other {\nipaddr = 127.0.0.1\nproto = tls\nsecret = %[1]s\ncertificate {\nname = other\n}\n}\n" +
		"client plain {\nipaddr = 127.0.0.1\nproto = tls\nsecret = %[1]s\n}\nrealm DEFAULT {\n}\n"
	runFile(t, "server gateway {\nnamespace = radius\n"+listens.String()+"}\n"+fmt.Sprintf(text, testSecret))
	for _, c := range []struct {
		listen, cert string
		code         int
	}{{"lenient", "client", 0}, {"lenient", "", 0}, {"strict", "client", 3}, {"strict", "", 3}} {
		args := []string{"radclient", "-code", "status", "-t", "3", "-ca", filepath.Join(certs, "ca.pem")}
		if c.cert != "" {
			args = append(args, "-cert", filepath.Join(certs, c.cert+".pem"), "-key", filepath.Join(certs, c.cert+".key"))
		}
		code, out, errs := inProcess("", append(args, "tls+tcp", fmt.Sprintf("127.0.0.1:%d", ports[c.listen]), testSecret)...)
		if code != c.code {
			t.Errorf("%s, certificate %q: exit code %d, want %d: %s%s", c.listen, c.cert, code, c.code, out, errs)
		}
	}
}
