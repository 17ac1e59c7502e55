package frio

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/talloc"
)

// Method is what a name in a stack means. Its package registers it in init; package all imports them all.
type Method struct {
	Name  string
	Layer bool // stands on a lower; a base method gets lower == nil
	// Parse makes the IO. cs is the enclosing listen or home_server section: a method takes the sub-section of its
	// name and, in a listen, the keys of limit { } that it honours; what nobody took is reported afterwards.
	// With mistakes it returns conf.Errors and, if it can, an IO all the same, so that what stands on it is checked as well.
	Parse func(ctx *talloc.Context, cs *conf.Section, role Role, lower IO) (IO, error)
}

var (
	methodsMu sync.RWMutex
	methods   = map[string]Method{} // by name; guarded by methodsMu
)

// Register makes a method known to Parse. A name that is taken panics. Thread: any.
func Register(m Method) {
	methodsMu.Lock()
	defer methodsMu.Unlock()
	if _, taken := methods[m.Name]; taken || m.Name == "" || m.Parse == nil {
		panic("frio: method " + m.Name + " registered twice, or without a name or Parse")
	}
	methods[m.Name] = m
}

// MethodNames returns the names of all known methods, sorted. Thread: any.
func MethodNames() []string {
	methodsMu.RLock()
	defer methodsMu.RUnlock()
	names := make([]string, 0, len(methods))
	for name := range methods {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Parse makes an IO from a section: a `listen` is a server's, a `home_server` a client's. The stack is walked from the
// right, one method at a time. The IO's memory comes from ctx. Mistakes are conf.Errors, as many as there are.
func Parse(ctx *talloc.Context, cs *conf.Section) (IO, error) {
	switch cs.Name {
	case "listen":
		return ParseServer(ctx, cs)
	case "home_server":
		return ParseClient(ctx, cs)
	}
	return nil, conf.Errors{cs.Errorf("%s: neither a listen nor a home_server", cs.Name)}
}

// ParseServer is Parse for the listening side.
func ParseServer(ctx *talloc.Context, cs *conf.Section) (IO, error) { return parse(ctx, cs, Server) }

// ParseClient is Parse for the connecting side.
func ParseClient(ctx *talloc.Context, cs *conf.Section) (IO, error) { return parse(ctx, cs, Client) }

func parse(ctx *talloc.Context, cs *conf.Section, role Role) (IO, error) {
	stack, at, err := protocolOf(cs)
	if err != nil {
		return nil, err
	}
	list, msg := splitStack(stack)
	if msg != "" {
		return nil, conf.Errors{at.Errorf("%s", msg)}
	}
	var io IO
	var errs conf.Errors
	for _, m := range slices.Backward(list) {
		upper, err := m.Parse(ctx, cs, role, io)
		if err != nil {
			var found conf.Errors
			if !errors.As(err, &found) {
				found = conf.Errors{cs.Errorf("%s: %v", m.Name, err)}
			}
			errs = append(errs, found...)
		}
		if upper == nil {
			break
		}
		io = upper
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return io, nil
}

// protocolOf takes `protocol = tls+tcp`, or `transport = tcp`, which is the same key.
func protocolOf(cs *conf.Section) (stack string, at *conf.Pair, err error) {
	pairs := append(cs.Take("protocol"), cs.Take("transport")...)
	if len(pairs) == 0 {
		return "", nil, conf.Errors{cs.Errorf("%s: protocol is missing (one of %s, or a stack like tls+tcp)",
			cs.Name, strings.Join(MethodNames(), ", "))}
	}
	if len(pairs) > 1 {
		return "", nil, conf.Errors{pairs[1].Errorf("%s: given already at %v", pairs[1].Name, pairs[0].Pos)}
	}
	return pairs[0].Value, pairs[0], nil
}

// splitStack looks up the methods of "tls+tcp": layers, then one base method.
func splitStack(stack string) ([]Method, string) {
	names := strings.Split(stack, "+")
	list := make([]Method, 0, len(names))
	methodsMu.RLock()
	defer methodsMu.RUnlock()
	for i, name := range names {
		m, ok := methods[name]
		last := i == len(names)-1
		switch {
		case !ok:
			return nil, fmt.Sprintf("protocol %s: no method %q", stack, name)
		case last && m.Layer:
			return nil, fmt.Sprintf("protocol %s: %s stands on something, as in %s+tcp", stack, name, name)
		case !last && !m.Layer:
			return nil, fmt.Sprintf("protocol %s: %s cannot stand on %s", stack, name, names[i+1])
		case slices.ContainsFunc(list, func(l Method) bool { return l.Name == name }):
			return nil, fmt.Sprintf("protocol %s: %s twice", stack, name)
		}
		list = append(list, m)
	}
	return list, ""
}
