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
	Kind  Kind // what a base method offers upward, as long as its section has not been read
	// Parse makes the IO. cs is the enclosing listen or home_server section: a method takes the sub-section of its
	// name and, in a listen, the keys of limit { } that it honours; what nobody took is reported afterwards.
	// With mistakes it returns conf.Errors, all of them.
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

func baseNames() []string {
	return slices.DeleteFunc(MethodNames(), func(name string) bool {
		m, _ := method(name)
		return m.Layer
	})
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
	list, err := stackOf(cs)
	errs := mistakes(cs, "protocol", err)
	var io IO
	if n := len(list); n > 0 && list[n-1].Layer {
		io = unparsed{kind: Stream} // there is no base method; what would stand on it is checked all the same
	}
	for _, m := range slices.Backward(list) {
		upper, err := m.Parse(ctx, cs, role, io)
		errs = append(errs, mistakes(cs, m.Name, err)...)
		if err != nil || io != nil && !Parsed(io) {
			upper = unparsed{kind: m.kind(io), made: upper} // what stands on a mistake is one
		}
		io = upper
	}
	if len(errs) > 0 {
		return nil, errs.Err()
	}
	return io, nil
}

func mistakes(cs *conf.Section, what string, err error) conf.Errors {
	var found conf.Errors
	if err != nil && !errors.As(err, &found) {
		found = conf.Errors{cs.Errorf("%s: %v", what, err)}
	}
	return found
}

// unparsed stands where a method found mistakes, so that what stands on it is checked as well. Nobody gets to see it.
type unparsed struct {
	IO
	kind Kind
	made IO // what the method made all the same; nil: nothing
}

func (u unparsed) Kind() Kind { return u.kind }

// SetGate asks what was made, whose mistakes a gate may add to: `children = none` with a port that is out of range.
func (u unparsed) SetGate(g Gate) error {
	if gated, ok := u.made.(Gated); ok {
		return gated.SetGate(g)
	}
	return nil
}

// Parsed tells a layer's Parse whether its lower is one to build on. If not, what is below had mistakes: the layer reports its own,
// and what it returns is not used.
func Parsed(lower IO) bool {
	_, wrong := lower.(unparsed)
	return lower != nil && !wrong
}

// kind is what m probably offers upward: a layer what stands below it.
func (m *Method) kind(lower IO) Kind {
	if lower != nil {
		return lower.Kind()
	}
	return m.Kind
}

// stackOf takes `protocol = tls+tcp` and looks its methods up: layers, then one base method. If the stack is wrong, it
// returns the methods whose sub-sections are there, so that their mistakes show as well.
func stackOf(cs *conf.Section) ([]Method, error) {
	stack, at, err := protocolOf(cs)
	if err != nil {
		return given(cs), err
	}
	list, wrong := splitStack(stack, at)
	if wrong != nil {
		return given(cs), wrong
	}
	return list, nil
}

// given returns the methods whose sub-sections cs holds, as a stack: layers, then one base method.
func given(cs *conf.Section) (list []Method) {
	var bases []Method
	for _, name := range MethodNames() {
		m, _ := method(name)
		switch {
		case len(cs.Sections(name)) == 0:
		case m.Layer:
			list = append(list, m)
		default:
			bases = append(bases, m)
		}
	}
	return append(list, bases...)
}

func method(name string) (Method, bool) {
	methodsMu.RLock()
	defer methodsMu.RUnlock()
	m, ok := methods[name]
	return m, ok
}

// protocolOf takes `protocol = tls+tcp`, or `transport = tcp`, which is the same key.
func protocolOf(cs *conf.Section) (stack string, at *conf.Pair, err error) {
	pairs := append(cs.Take("protocol"), cs.Take("transport")...)
	if len(pairs) == 0 {
		return "", nil, conf.Errors{cs.Errorf("%s: protocol is missing (one of %s, or a stack like tls+tcp)",
			cs.Name, strings.Join(baseNames(), ", "))}
	}
	if len(pairs) > 1 {
		return "", nil, conf.Errors{pairs[1].Errorf("%s: given already at %v", pairs[1].Name, pairs[0].Pos)}
	}
	return pairs[0].Value, pairs[0], nil
}

// isStack tells whether names are layers, and then one base method.
func isStack(names []string) bool {
	for i, name := range names {
		if m, ok := method(name); !ok || m.Layer == (i == len(names)-1) {
			return false
		}
	}
	return true
}

// splitStack looks up the methods of "tls+tcp", which at says.
func splitStack(stack string, at *conf.Pair) (list []Method, wrong error) {
	names := strings.Split(stack, "+")
	fail := func(format string, args ...any) error {
		return at.Errorf("protocol %s: %s", stack, fmt.Sprintf(format, args...))
	}
	for i, name := range names {
		m, ok := method(name)
		last := i == len(names)-1
		switch {
		case !ok:
			err := at.Errorf("protocol %s: no method `%s`", stack, name)
			err.Hint = conf.DidYouMean(name, MethodNames())
			if strings.EqualFold(name, "dtls") {
				err.Hint = "DTLS is tls+udp"
			}
			return nil, err
		case last && m.Layer:
			return nil, fail("%s stands on something, as in %s+tcp", name, name)
		case !last && !m.Layer:
			err := at.Errorf("protocol %s: %s cannot stand on %s", stack, name, names[i+1])
			slices.Reverse(names)
			if turned := strings.Join(names, "+"); isStack(names) {
				err.Hint = "did you mean `" + turned + "`?"
			}
			return nil, err
		case slices.ContainsFunc(list, func(l Method) bool { return l.Name == name }):
			return nil, fail("%s twice", name)
		}
		list = append(list, m)
	}
	return list, nil
}
