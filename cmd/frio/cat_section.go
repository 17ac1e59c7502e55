package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
)

// section writes the listen or home_server that a stack and an address stand for. What a method's section holds beside the
// address comes from the options, so that it works for every stack.
func (f *catFlags) section(stack, address string) (string, error) {
	methods := strings.Split(stack, "+")
	name := "home_server"
	if f.listen {
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
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return "", errors.New("the address must be host:port or [IPv6]:port: " + address)
		}
		if host == "" && f.listen {
			host = "*"
		}
		base.set("ipaddr", host)
		base.set("port", port)
	}
	if f.kind != "" {
		base.set("type", f.kind)
	}
	if f.timeout > 0 {
		base.set("connect_timeout", fmt.Sprintf("%dms", max(f.timeout.Milliseconds(), 1)))
	}
	for _, t := range f.tls {
		if *t.value != "" {
			top.group("tls").set(t.key, *t.value)
		}
	}
	for _, o := range f.options {
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
