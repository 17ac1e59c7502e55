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
