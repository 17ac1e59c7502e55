package tls_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/talloc"
)

// TestMistakeBelow: a mistake in a section further down the stack is reported, with those of this layer, and breaks nothing.
func TestMistakeBelow(t *testing.T) {
	good, home := sections(t, "", "")
	trusted := "haproxy {\ntrusted {\nallow = 127.0.0.1\n}\n}\n"
	for _, c := range []struct {
		stack, base, more string
	}{
		{"tls+tcp", "tcp", ""},
		{"tls+udp", "udp", ""},
		{"tls+haproxy+tcp", "tcp", trusted},
		{"tls+haproxy+tcp", "tcp", "haproxy {\ntrusted {\nallow = nowhere.\n}\n}\n"},
	} {
		for _, role := range []string{"listen", "home_server"} {
			for _, wrong := range []bool{false, true} {
				tls, more := good, c.more
				if role == "home_server" {
					tls = home
					if more != "" {
						more = "haproxy {\n}\n"
					}
				}
				if wrong {
					tls = strings.Replace(tls, "tls {\n", "tls {\nverify_depth = 99\n", 1)
				}
				text := role + " {\nprotocol = " + c.stack + "\n" + c.base + " {\nipaddr = 127.0.0.1\nport = 70000\n}\n" + more + tls + "}\n"
				root, err := conf.ParseString("test.conf", text, conf.Options{})
				if err != nil {
					t.Fatal(err)
				}
				ctx := talloc.Root("test")
				io, err := frio.Parse(ctx, root.TakeSections(role)[0])
				var mistakes conf.Errors
				if !errors.As(err, &mistakes) || io != nil || !strings.Contains(err.Error(), "port: 70000 is above 65535") ||
					strings.Contains(err.Error(), "verify_depth: 99 is above 16") != wrong {
					t.Errorf("%s %s: %v, %v", role, c.stack, io, err)
				}
				ctx.Free()
			}
		}
	}
}

// TestMistakeOfGate: what the lower has against a gate is told whatever else is wrong, in tls { }, below it or in limit { },
// whichever section comes first.
func TestMistakeOfGate(t *testing.T) {
	good, _ := sections(t, "", "")
	lines := strings.Split(strings.TrimSuffix(good, "\n"), "\n")
	bad := strings.Join(append(lines[:1:1], append([]string{"hostname = a.example.org"}, lines[1:]...)...), "\n") + "\n"
	udp := func(more string) string { return "udp {\nipaddr = 127.0.0.1\nport = 2083\n" + more + "}\n" }
	const (
		connected = "children: connected is not possible here"
		none      = "children: none is not possible here"
		hostname  = "hostname: is for a home_server"
	)
	for _, c := range []struct {
		name, stack, base, tls, more string
		want                         []string // how each mistake begins, without its position
	}{
		{name: "nothing wrong", stack: "tls+udp", base: udp("children = demux\n"), tls: good},
		{name: "connected", stack: "tls+udp", base: udp("children = connected\n"), tls: good, want: []string{connected}},
		{name: "connected, hostname", stack: "tls+udp", base: udp("children = connected\n"), tls: bad, want: []string{connected, hostname}},
		{name: "none, hostname", stack: "tls+udp", base: udp("children = none\n"), tls: bad, want: []string{none, hostname}},
		{name: "none, port, hostname", stack: "tls+udp", base: strings.Replace(udp("children = none\n"), "2083", "70000", 1), tls: bad,
			want: []string{"port: 70000 is above 65535", none, hostname}},
		{name: "none, port", stack: "tls+udp", base: strings.Replace(udp("children = none\n"), "2083", "70000", 1), tls: good,
			want: []string{"port: 70000 is above 65535", none}},
		{name: "two sockets", stack: "tls+udp", base: udp("ipv6addr = ::1\nchildren = none\n"), tls: bad, want: []string{none, hostname}},
		{name: "limits of children", stack: "tls+udp", base: udp(""), tls: bad, more: "limit {\nmax_children = 7\nidle_timeout = 30s\n}\n",
			want: []string{hostname}},
		{name: "wrong limits", stack: "tls+udp", base: udp("children = none\n"), tls: bad, more: "limit {\nmax_handshakes = many\n}\n",
			want: []string{none, hostname, "max_handshakes: "}},
		{name: "unix", stack: "tls+unix", base: "unix {\nfilename = /nowhere/x\ntype = datagram\n}\n", tls: good,
			want: []string{"type: datagram is not possible here: a unix socket for datagrams cannot tell its peers apart"}},
		{name: "unix, hostname", stack: "tls+unix", base: "unix {\nfilename = /nowhere/x\ntype = datagram\n}\n", tls: bad,
			want: []string{"type: datagram is not possible here", hostname}},
	} {
		for _, order := range []string{c.base + c.tls, c.tls + c.base} {
			text := "listen {\nprotocol = " + c.stack + "\n" + order + c.more + "}\n"
			root, err := conf.ParseString("test.conf", text, conf.Options{})
			if err != nil {
				t.Fatal(err)
			}
			ctx := talloc.Root("test")
			io, err := frio.Parse(ctx, root.TakeSections("listen")[0])
			var found conf.Errors
			errors.As(err, &found)
			all := append(found, root.Unknown()...)
			if (io == nil) != (len(c.want) > 0) || len(all) != len(c.want) {
				t.Errorf("%s: %v, mistakes:\n%v\nwant %q", c.name, io, all, c.want)
			}
			for _, want := range c.want {
				if !mistaken(all, text, want) {
					t.Errorf("%s: no mistake at its line begins with %q:\n%v", c.name, want, all)
				}
			}
			ctx.Free()
		}
	}
}

// mistaken tells whether one of found begins with what, and stands in the line of text that has its key.
func mistaken(found conf.Errors, text, what string) bool {
	key, _, _ := strings.Cut(what, ":")
	for _, e := range found {
		if strings.HasPrefix(e.Msg, what) && strings.HasPrefix(strings.Split(text, "\n")[e.Pos.Line-1], key+" = ") {
			return true
		}
	}
	return false
}
