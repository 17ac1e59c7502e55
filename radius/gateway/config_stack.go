package gateway

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/talloc"
)

// Ports where the file gives none (RFC 2865, 2866, 5176, 6614, 7360).
const (
	authPort   = 1812
	acctPort   = 1813
	coaPort    = 3799
	radsecPort = 2083
)

// addressKeys are those of FreeRADIUS's home_server that a base method has in its own section here.
var addressKeys = []string{"ipaddr", "ipv4addr", "ipv6addr", "port", "src_ipaddr"}

// stack makes the home server's IOs.
func (r *reader) stack(cs *conf.Section, h *Home, k *homeKeys) {
	cs.Knows("protocol", "proto", "udp", "tcp", "unix", "tls")
	from := cs
	if len(cs.Pairs("protocol"))+len(cs.Pairs("transport")) > 0 {
		for _, name := range append([]string{"proto"}, addressKeys...) {
			for _, p := range cs.Take(name) {
				r.errs = append(r.errs, &conf.Error{Pos: p.Pos, Msg: fmt.Sprintf("%s: beside protocol it stands in the section of the method, as in udp { %s = ... }", name, name)})
			}
		}
	} else if from = r.plainStack(cs, h); from == nil {
		return
	}
	ctx, err := r.memory(h, "home_server "+h.Name)
	if err != nil {
		r.add(cs, err)
		return
	}
	h.Stack = protocolOf(from)
	h.IO, err = frio.ParseClient(ctx, from)
	if err != nil {
		h.IO = nil
		r.add(cs, err)
		r.excuse(from)
		r.wrongStack(from, h)
		return
	}
	r.notesOf(h.IO)
	h.Datagram = h.IO.Kind() == frio.Datagram
	h.Secure = isSecure(h.Stack)
	r.acct(from, h, k)
}

// wrongStack fills in what is likely, so that what depends on it is checked as well.
func (r *reader) wrongStack(cs *conf.Section, h *Home) {
	if slices.ContainsFunc(strings.Split(h.Stack, "+"), func(name string) bool { return !slices.Contains(frio.MethodNames(), name) }) {
		h.Stack = "" // tsl+tcp says nothing about a secret
	}
	h.Secure = isSecure(h.Stack)
	h.Datagram = strings.HasSuffix(h.Stack, "udp")
}

func isSecure(stack string) bool {
	return strings.Contains("+"+stack+"+", "+tls+")
}

func (r *reader) notesOf(io frio.IO) {
	if n, ok := io.(frio.Noter); ok {
		r.notes = append(r.notes, n.Notes()...)
	}
}

func protocolOf(cs *conf.Section) string {
	for _, name := range []string{"protocol", "transport"} {
		if p := cs.Pairs(name); len(p) > 0 {
			return p[0].Value
		}
	}
	return ""
}

// excuse takes the sub-sections of a stack that a mistake kept their readers from.
func (r *reader) excuse(cs *conf.Section) {
	for _, e := range cs.Unknown() {
		for _, sub := range cs.Sections("") {
			if sub.Pos == e.Pos && strings.Contains("+"+protocolOf(cs)+"+", "+"+sub.Name+"+") {
				cs.TakeSections(sub.Name)
				sub.TakeAll()
			}
		}
	}
}

// plainStack makes a section with protocol and the sub-sections of its methods out of FreeRADIUS's keys; nil after a mistake that leaves
// nothing to parse.
func (r *reader) plainStack(cs *conf.Section, h *Home) *conf.Section {
	stack, at, ok := r.plainProtocol(cs)
	var address []conf.Node
	for _, name := range addressKeys {
		for _, p := range cs.Take(name) {
			if name != "port" || p.Value != "0" { // as in FreeRADIUS: the default
				address = append(address, p)
			}
		}
	}
	tls := cs.Sections("tls")
	if len(cs.Pairs("ipaddr"))+len(cs.Pairs("ipv4addr"))+len(cs.Pairs("ipv6addr")) == 0 {
		switch {
		case len(cs.Pairs("virtual_server")) > 0:
			r.failSection(cs, "ipaddr is missing: requests cannot go to a virtual server (fallback of a pool and reject_message of a realm answer without one)")
		default:
			r.failSection(cs, "ipaddr is missing (or protocol = udp, and udp { ipaddr = ... })")
		}
		ok = false
	}
	if !ok {
		for range tls {
			cs.TakeSections("tls")
		}
		for _, sub := range tls {
			sub.TakeAll()
		}
		return nil
	}
	base := strings.TrimPrefix(stack, "tls+")
	if port := cs.Pairs("port"); len(port) == 0 || port[0].Value == "0" {
		address = append(address, conf.NewPair("port", strconv.Itoa(defaultPort(h.Type, stack)), cs.Pos))
	}
	nodes := []conf.Node{conf.NewPair("protocol", stack, at)}
	for _, sub := range tls {
		// FreeRADIUS has the time-out of connecting in tls { }.
		for _, p := range sub.Take("connect_timeout") {
			address = append(address, p)
		}
		nodes = append(nodes, sub)
	}
	nodes = append(nodes, cs.Compose(base, "", address...))
	return cs.Compose(cs.Name, cs.Name2, nodes...)
}

// plainProtocol reads proto, and tls { } beside it.
func (r *reader) plainProtocol(cs *conf.Section) (stack string, at conf.Pos, ok bool) {
	var k struct {
		Proto *conf.Pair `conf:"proto"`
	}
	r.add(cs, cs.Decode(&k))
	tls := len(cs.Sections("tls")) > 0
	if k.Proto == nil {
		if tls {
			r.failSection(cs, "tls { } needs proto = tls or proto = dtls")
			return "", cs.Pos, false
		}
		return "udp", cs.Pos, len(cs.Pairs("proto")) == 0
	}
	i, err := word(k.Proto, protoWords)
	if err != nil {
		r.add(cs, err)
		return "", cs.Pos, false
	}
	at = k.Proto.ValuePos
	switch proto := Proto(1 << i); {
	case proto == ProtoUDP && tls:
		r.fail(k.Proto, "udp has no tls { }: write dtls")
		return "", at, false
	case proto == ProtoTLS, proto == ProtoTCP && tls:
		return "tls+tcp", at, true
	case proto == ProtoDTLS:
		return "tls+udp", at, true
	}
	return protoWords[i], at, true
}

func defaultPort(t HomeType, stack string) int {
	switch {
	case isSecure(stack):
		return radsecPort
	case t == HomeAcct:
		return acctPort
	case t == HomeCoA:
		return coaPort
	}
	return authPort
}

// acct makes the IO of a port of its own for accounting, as RFC 2866 has it for UDP, and RFC 6613 for TCP. Over TLS one port serves all.
func (r *reader) acct(from *conf.Section, h *Home, k *homeKeys) {
	base := h.Stack[strings.LastIndexByte(h.Stack, '+')+1:]
	two := h.Type&HomeAuth != 0 && h.Type&HomeAcct != 0 && !h.Secure && (base == "udp" || base == "tcp")
	if !h.Secure && base != "unix" && h.Type&HomeCoA != 0 && h.Type != HomeCoA {
		r.errs = append(r.errs, from.Errorf("%s: type %v over %s has no port for all: write a home_server of type coa", title(from), h.Type, h.Stack))
	}
	if !two {
		if k.AcctPort != nil {
			r.fail(k.AcctPort, "has no effect: type %v over %s uses one port", h.Type, h.Stack)
		}
		return
	}
	method := from.Sections(base)[0]
	var port struct {
		Port uint16 `conf:"port,port"`
	}
	r.add(method, method.Decode(&port))
	number, at := strconv.Itoa(int(port.Port)+1), method.Pos
	if p := method.Pairs("port"); len(p) > 0 {
		at = p[0].ValuePos
	}
	if k.AcctPort != nil {
		number, at = k.AcctPort.Value, k.AcctPort.ValuePos
	} else if port.Port == 65535 {
		r.errs = append(r.errs, &conf.Error{Pos: at, Msg: "port: 65535 leaves no port + 1 for accounting: give acct_port"})
		return
	}
	var nodes []conf.Node
	for _, p := range from.Pairs("") {
		nodes = append(nodes, p)
	}
	for _, sub := range from.Sections("") {
		if sub != method {
			nodes = append(nodes, sub)
		}
	}
	parts := []conf.Node{conf.NewPair("port", number, at)}
	for _, p := range method.Pairs("") {
		if p.Name != "port" {
			parts = append(parts, p)
		}
	}
	for _, sub := range method.Sections("") {
		parts = append(parts, sub)
	}
	ctx, err := r.memory(h, "home_server "+h.Name+" accounting")
	if err == nil {
		h.AcctIO, err = frio.ParseClient(ctx, from.Compose(from.Name, from.Name2, append(nodes, method.Compose(base, "", parts...))...))
	}
	if err != nil {
		h.AcctIO = nil
		r.add(from, err)
	}
}

// memory makes a context for an IO of h.
func (r *reader) memory(h *Home, name string) (*talloc.Context, error) {
	ctx, err := r.ctx.New(name)
	if err == nil {
		h.memory = append(h.memory, ctx)
	}
	return ctx, err
}
