package server

import (
	"fmt"
	"slices"
	"strings"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/sock"
)

// binding is an address that a listen takes.
type binding struct {
	method, device string
	addr           sock.Addr
	at             *conf.Pair
	listen         string
}

// bind notes the addresses of a listen. What they are its IO says; the place in the file is where its base method has them.
func (l *loader) bind(cs *conf.Section, io frio.IO) {
	stack := strings.Split(protocolOf(cs).Value, "+")
	method := stack[len(stack)-1]
	list := cs.Sections(method)
	if len(list) == 0 {
		return
	}
	first := func(names ...string) *conf.Pair {
		for _, name := range names {
			if p := list[0].Pairs(name); len(p) > 0 {
				return p[0]
			}
		}
		return nil
	}
	b := binding{method: method, listen: cs.Name2, at: first("port", "filename")}
	if b.at == nil {
		return
	}
	if p := first("interface"); p != nil {
		b.device = p.Value
	}
	if b.at.Name == "filename" {
		b.addr.Path = b.at.Value
		l.bound = append(l.bound, b)
		return
	}
	shards := []frio.IO{io}
	if s, ok := io.(frio.Sharder); ok {
		shards = s.Shards()
	}
	for _, one := range shards {
		if a, ok := one.(frio.Addresser); ok && a.LocalAddr().Port() != 0 {
			c := b
			c.addr.AddrPort = a.LocalAddr()
			if !slices.Contains(l.bound, c) { // shards of one port
				l.bound = append(l.bound, c)
			}
		}
	}
}

// addresses reports what the kernel would refuse: two listens that want the same.
func (l *loader) addresses() {
	for i, b := range l.bound {
		for _, before := range l.bound[:i] {
			if before.at != b.at && before.meets(b) {
				l.errs = append(l.errs, b.at.Errorf("listen %s: %s %s is taken by listen %s at %v%s",
					b.listen, b.method, b.addr, before.listen, before.at.ValuePos, before.as(b)))
				break
			}
		}
	}
}

// meets tells whether a and b cannot both be bound. Sockets of the two address families do not meet: an IPv6 one is V6ONLY.
func (b binding) meets(o binding) bool {
	if b.method != o.method || b.addr.Family() != o.addr.Family() {
		return false
	}
	if b.device != "" && o.device != "" && b.device != o.device {
		return false
	}
	x, y := b.addr.AddrPort, o.addr.AddrPort
	if b.addr.Family() == sock.Local {
		return b.addr.Path == o.addr.Path
	}
	return x.Port() == y.Port() && (x.Addr() == y.Addr() || x.Addr().IsUnspecified() || y.Addr().IsUnspecified())
}

// as says what b is bound to where that is not what o is bound to.
func (b binding) as(o binding) string {
	if b.addr == o.addr {
		return ""
	}
	return fmt.Sprintf(" (as %s)", b.addr)
}
