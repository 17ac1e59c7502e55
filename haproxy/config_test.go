package haproxy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/talloc"
)

const (
	onTCP1   = "protocol = haproxy+tcp\ntcp {\nipaddr = 127.0.0.1\nport = 7\n}\n"
	onUnix1  = "protocol = haproxy+unix\nunix {\nfilename = /run/x\n}\n"
	trusted1 = "trusted {\nallow = 192.0.2.0/24\n}\n"
)

func parseText(t *testing.T, text string) (frio.IO, conf.Errors) {
	t.Helper()
	root, err := conf.ParseString("f", text, conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := talloc.Root("test")
	t.Cleanup(ctx.Free)
	cs := append(root.TakeSections("listen"), root.TakeSections("home_server")...)[0]
	io, err := frio.Parse(ctx, cs)
	var found conf.Errors
	if err != nil && !errors.As(err, &found) {
		t.Fatalf("Parse: %v", err)
	}
	return io, append(found, root.Unknown()...)
}

func TestConfigWrong(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"no section", "listen l {\n" + onTCP1 + "}\n", []string{"f:1:1: listen: section haproxy { } is missing, with trusted { allow = ... } in it"}},
		{"no trusted", "listen l {\n" + onTCP1 + "haproxy {\n}\n}\n", []string{"f:7:1: haproxy: trusted { allow = ... } is missing: the senders whose headers count"}},
		{"empty trusted", "listen l {\n" + onTCP1 + "haproxy {\ntrusted {\n}\n}\n}\n", []string{"f:8:1: trusted: allow is missing: the addresses of the senders whose headers count"}},
		{"wrong allow", "listen l {\n" + onTCP1 + "haproxy {\ntrusted {\nallow = nobody\n}\n}\n}\n", []string{"f:9:9: allow: "}},
		{"no trusted over unix", "listen l {\n" + onUnix1 + "haproxy {\n}\n}\n", []string{"f:6:1: haproxy: trusted { } is missing; empty, it says that whoever may use the Unix socket is trusted"}},
		{"allow over unix", "listen l {\n" + onUnix1 + "haproxy {\n" + trusted1 + "}\n}\n", []string{"f:8:9: allow: the peers of a Unix socket have no address; its mode, uid, gid and peercred say who is trusted"}},
		{"datagrams", "listen l {\nprotocol = haproxy+unix\nunix {\nfilename = /run/x\ntype = datagram\n}\nhaproxy {\ntrusted {\n}\n}\n}\n",
			[]string{"f:2:12: protocol haproxy+unix: haproxy stands on a stream, and what is below it gives datagrams"}},
		{"datagrams of a client", "home_server h {\ntransport = haproxy+unix\nunix {\nfilename = /run/x\ntype = datagram\n}\n}\n",
			[]string{"f:2:13: transport haproxy+unix: haproxy stands on a stream, and what is below it gives datagrams"}},
		{"mistakes below and here", "listen l {\nprotocol = haproxy+tcp\ntcp {\nipaddr = 127.0.0.1\n}\nhaproxy {\n" + trusted1 + "networks {\nallow = x\n}\nno_such = 1\n}\n}\n",
			[]string{"f:3:1: tcp: port is missing", "f:11:9: allow", "f:13:1: unknown key `no_such`"}},
		{"mistakes below only", "listen l {\nprotocol = haproxy+unix\nunix {\n}\nhaproxy {\ntrusted {\n}\n}\n}\n", []string{"f:3:1: unix: filename is missing"}},
		{"limits", "listen l {\n" + onTCP1 + "haproxy {\n" + trusted1 + "max_connections_per_source = 0\n}\nlimit {\nheader_timeout = 0\nfirst_byte_timeout = x\n}\n}\n",
			[]string{"f:11:30: max_connections_per_source", "f:14:18: header_timeout", "f:15:22: first_byte_timeout"}},
		{"keys of the other side", "home_server h {\n" + onTCP1 + "haproxy {\n" + trusted1 + "}\n}\n", []string{"f:8:1: unknown section `trusted`"}},
		{"version", "home_server h {\n" + onTCP1 + "haproxy {\nversion = 3\n}\n}\n", []string{"f:8:11: version"}},
		{"source alone", "home_server h {\n" + onTCP1 + "haproxy {\nsource = 192.0.2.1:7\n}\n}\n", []string{"f:7:1: haproxy: of source and destination only one is given"}},
		{"source without port", "home_server h {\n" + onTCP1 + "haproxy {\nsource = 192.0.2.1\ndestination = 192.0.2.2:7\n}\n}\n",
			[]string{`f:8:10: source: "192.0.2.1" is not an address with a port, as 192.0.2.1:2083 or [2001:db8::1]:2083`}},
		{"families", "home_server h {\n" + onTCP1 + "haproxy {\nsource = 192.0.2.1:7\ndestination = [2001:db8::1]:7\n}\n}\n",
			[]string{"f:7:1: haproxy: source 192.0.2.1:7 and destination [2001:db8::1]:7 are of different families"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			io, errs := parseText(t, c.text)
			if unknown := strings.Contains(c.want[0], "unknown"); (io != nil) != unknown {
				t.Errorf("an IO came of it: %v, want %v", io != nil, unknown) // what is unknown does not keep from parsing
			}
			if len(errs) != len(c.want) {
				t.Fatalf("%d mistakes, want %d:\n%v", len(errs), len(c.want), errs)
			}
			for i, e := range errs.Sorted() {
				if !strings.HasPrefix(e.Error(), c.want[i]) {
					t.Errorf("got\n%v, want\n%s", e, c.want[i])
				}
			}
		})
	}
}

func TestConfigRight(t *testing.T) {
	for name, text := range map[string]string{
		"all keys": "listen l {\n" + onTCP1 + "haproxy {\ntrusted {\nallow = *\nallow = 2001:db8::/32\n}\nnetworks {\nallow = 10/8\ndeny = 10.1.0.0/16\n}\n" +
			"max_connections_per_source = unlimited\n}\nlimit {\nmax_connections = 5\nheader_timeout = never\nfirst_byte_timeout = 1s\n}\n}\n",
		"over unix":            "listen l {\n" + onUnix1 + "haproxy {\ntrusted {\n}\n}\n}\n",
		"client":               "home_server h {\n" + onTCP1 + "}\n",
		"client with all keys": "home_server h {\n" + onTCP1 + "haproxy {\nversion = 1\nsource = 192.0.2.1:7\ndestination = 192.0.2.2:7\n}\n}\n",
		"client over unix":     "home_server h {\n" + onUnix1 + "haproxy {\nsource = 192.0.2.1:7\ndestination = 192.0.2.2:7\n}\n}\n",
		"two sockets":          "listen l {\nprotocol = haproxy+tcp\ntcp {\nipaddr = *\nipv6addr = *\nport = 7\n}\nhaproxy {\n" + trusted1 + "}\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			io, errs := parseText(t, text)
			if len(errs) > 0 || io == nil {
				t.Fatalf("%v", errs)
			}
			if io.Kind() != frio.Stream || !strings.HasPrefix(io.Describe(), "haproxy+") {
				t.Errorf("a %v, %s", io.Kind(), io.Describe())
			}
		})
	}
}
