package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/talloc"
)

// target is what flags say of the IO that a stack and an address stand for.
type target struct {
	listen  bool
	kind    string // stream or datagram, of a unix socket
	family  string // ipv4addr or ipv6addr; "": ipaddr
	port    string // of an address without one; "": it must have one
	timeout time.Duration
	options []string
	tls     []tlsFlag
}

// tlsFlag is a flag that stands for a key of `tls { }`.
type tlsFlag struct {
	key   string
	value *string
}

// flags adds those that openssl and curl have a short word for, and -o.
func (t *target) flags(fs *flag.FlagSet) {
	for _, f := range []struct{ name, key, usage string }{
		{"ca", "ca_file", "tls: `FILE` of the CAs that the peer's certificate must come from"},
		{"cert", "certificate_file", "tls: `FILE` of our certificate"},
		{"key", "private_key_file", "tls: `FILE` of its private key"},
		{"hostname", "hostname", "tls: the `name` to ask for and to find in the peer's certificate (default: the host of ADDRESS)"},
		{"alpn", "alpn", "tls: application `protocol` to agree on"},
	} {
		t.tls = append(t.tls, tlsFlag{f.key, fs.String(f.name, "", f.usage)})
	}
	fs.Func("o", "`section.key=value`, as in a configuration; may be repeated: -o tcp.src_ipaddr=127.0.0.2", func(s string) error {
		if _, _, ok := strings.Cut(s, "="); !ok {
			return errors.New("it has no =")
		}
		t.options = append(t.options, s)
		return nil
	})
}

// section writes the listen or home_server that a stack and an address stand for. What a method's section holds beside the
// address comes from the options, so that it works for every stack.
func (t *target) section(stack, address string) (string, error) {
	methods := strings.Split(stack, "+")
	name := "home_server"
	if t.listen {
		name = "listen"
	}
	top := &group{name: name}
	top.set("protocol", stack)
	for _, m := range methods {
		top.group(m)
	}
	base := top.group(methods[len(methods)-1])
	if base.name == "unix" {
		base.set("filename", address)
	} else {
		host, port, err := t.split(address)
		if err != nil {
			return "", err
		}
		if host == "" && t.listen {
			host = "*"
		}
		key := t.family
		if key == "" {
			key = "ipaddr"
		}
		base.set(key, host)
		base.set("port", port)
	}
	if t.kind != "" {
		base.set("type", t.kind)
	}
	if t.timeout > 0 {
		base.set("connect_timeout", fmt.Sprintf("%dms", max(t.timeout.Milliseconds(), 1)))
	}
	for _, f := range t.tls {
		if *f.value != "" {
			top.group("tls").set(f.key, *f.value)
		}
	}
	for _, o := range t.options {
		path, value, _ := strings.Cut(o, "=")
		g, keys := top, strings.Split(strings.TrimSpace(path), ".")
		for _, k := range keys[:len(keys)-1] {
			g = g.group(k)
		}
		g.set(keys[len(keys)-1], strings.TrimSpace(value))
	}
	var b strings.Builder
	top.write(&b)
	return b.String(), nil
}

// split takes host and port out of an address. Where a port is known already, an IPv6 address needs no brackets.
func (t *target) split(address string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(address)
	if err == nil {
		return host, port, nil
	}
	if t.port != "" {
		return strings.TrimSuffix(strings.TrimPrefix(address, "["), "]"), t.port, nil
	}
	return "", "", errors.New("the address must be host:port or [IPv6]:port: " + address)
}

// parse makes the IO that a text of section describes.
func (t *target) parse(ctx *talloc.Context, text string) (frio.IO, conf.Errors) {
	root, err := conf.ParseString("command line", text, conf.Options{})
	var one frio.IO
	if err == nil {
		if t.listen {
			one, err = frio.ParseServer(ctx, root.TakeSections("listen")[0])
		} else {
			one, err = frio.ParseClient(ctx, root.TakeSections("home_server")[0])
		}
	}
	var found conf.Errors
	if err != nil && !errors.As(err, &found) {
		found = conf.Errors{root.Errorf("%v", err)}
	}
	if len(found) == 0 {
		found = root.Unknown()
	}
	return one, found
}

// tell prints the mistakes of a section that was made here: its lines would tell nobody anything.
func tell(w io.Writer, command string, mistakes conf.Errors) {
	for _, e := range mistakes {
		e.Pos = conf.Pos{}
		fmt.Fprintf(w, "frio %s: %s\n", command, strings.TrimPrefix(e.Error(), e.Pos.String()+": "))
	}
}

// group is a section being written.
type group struct {
	name  string
	pairs []string
	subs  []*group
}

// group returns the sub-section called name; there is one of each.
func (g *group) group(name string) *group {
	for _, sub := range g.subs {
		if sub.name == name {
			return sub
		}
	}
	sub := &group{name: name}
	g.subs = append(g.subs, sub)
	return sub
}

// quoter escapes what means something inside of double quotes.
var quoter = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "\n", `\n`, "\r", `\r`)

func quote(s string) string { return `"` + quoter.Replace(s) + `"` }

func (g *group) set(key, value string) {
	g.pairs = append(g.pairs, quote(key)+" = "+quote(value)+"\n")
}

func (g *group) write(b *strings.Builder) {
	b.WriteString(quote(g.name) + " {\n")
	for _, p := range g.pairs {
		b.WriteString(p)
	}
	for _, sub := range g.subs {
		sub.write(b)
	}
	b.WriteString("}\n")
}
