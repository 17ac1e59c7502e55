package conf

import (
	"os"
	"path/filepath"
	"strings"
)

// pairState is how far the references of a value are: waiting, then active, then done.
type pairState uint8

const (
	done    pairState = iota // no references are left
	waiting                  // refers to something that was not there when it was read
	active                   // is being expanded: who meets it closes a cycle
)

// target is what a reference names: one of the three.
type target struct {
	pair *Pair
	sec  *Section
	text *string // ${..:name}, the environment, confdir
}

// expandNow replaces the references of a pair just read, if all that it refers to is there. FreeRADIUS looks twice as
// well: when a value is read, and, if that fails, when everything is.
func (p *parser) expandNow(pair *Pair) {
	if len(pair.parts) == 0 {
		return
	}
	pair.state = waiting
	for _, one := range pair.parts {
		if !one.ref {
			continue
		}
		to, msg := p.resolve(pair.scope, one.text)
		if msg != "" || to.sec != nil || to.pair != nil && to.pair.state != done {
			p.pending = append(p.pending, pair)
			return
		}
	}
	p.expand(pair, 0)
}

// expandPending replaces what is left when everything is read. Copies of sections may add to it meanwhile.
func (p *parser) expandPending() {
	for i := 0; i < len(p.pending); i++ {
		p.expand(p.pending[i], 0)
	}
	p.pending = nil
}

// expand replaces the references of one pair, and before of those that it refers to.
func (p *parser) expand(pair *Pair, chain int) {
	if pair.state != waiting {
		return
	}
	pair.state = active
	defer func() { pair.state, pair.parts = done, nil }()
	if one := pair.parts[0]; len(pair.parts) == 1 && one.ref {
		if to, _ := p.resolve(pair.scope, one.text); to.sec != nil {
			pair.err = p.copyInto(pair, one, to.sec)
			return
		}
	}
	was := p.private
	p.private = was || namesSecret(pair.Name)
	value, err := p.join(pair.scope, pair.parts, chain)
	p.private = was
	if err != nil {
		pair.err = err
		return
	}
	pair.Value = value
	pair.valueAs = spellValue(value, pair.valueAs.quote)
}

// join makes the text of parts. Its mistake is reported; that of a value which it refers to was before.
func (p *parser) join(scope *Section, parts []part, chain int) (string, *Error) {
	var b strings.Builder
	for _, one := range parts {
		text, err := one.text, p.overflow
		switch {
		case err != nil:
		case one.env:
			text, err = p.environment(one)
		case one.ref:
			text, err = p.value(scope, one, chain)
		}
		if err == nil {
			err = p.charge(parts[0].pos, len(text))
		}
		if err != nil {
			return "", err
		}
		b.WriteString(text)
		if b.Len() > maxValueBytes {
			return "", p.failAt(parts[0].pos, "the value is longer than %d bytes", maxValueBytes)
		}
	}
	return b.String(), nil
}

// charge counts n bytes that a reference or template adds. Past the bound it is one mistake, however often it is met.
func (p *parser) charge(pos Pos, n int) *Error {
	if p.overflow != nil {
		return p.overflow
	}
	p.steps += n
	p.expanded += n
	if limit := expandBase + expandFactor*p.bytes; p.expanded > limit {
		p.overflow = p.failAt(pos, "references and templates add more than %d bytes", limit)
	}
	return p.overflow
}

func (p *parser) environment(one part) (string, *Error) {
	getenv := p.opt.Getenv
	if getenv == nil {
		getenv = os.LookupEnv
	}
	text, ok := getenv(one.text)
	if !ok {
		return "", p.failAt(one.pos, "environment variable `%s` is not set", one.text)
	}
	return text, nil
}

// namesSecret tells whether the value of a key is nothing to show, whatever it is decoded to.
func namesSecret(key string) bool {
	key = strings.ToLower(key)
	return key == "key" || strings.Contains(key, "secret") || strings.Contains(key, "password")
}

// failPrivate is the mistake of a reference in a secret, which may be a part of it that only looks like one.
func (p *parser) failPrivate(one part) *Error {
	return p.fail(&Error{one.pos, "it refers to something that is not there", "in single quotes `$` stands for itself"})
}

// value returns what the reference one stands for.
func (p *parser) value(scope *Section, one part, chain int) (string, *Error) {
	to, msg := p.resolve(scope, one.text)
	switch {
	case msg != "" && p.private && !strings.HasPrefix(one.text, "ENV."):
		return "", p.failPrivate(one)
	case msg != "":
		return "", p.fail(&Error{one.pos, "`${" + one.text + "}`: " + msg, p.nearVariable(scope, one.text)})
	case to.text != nil:
		return *to.text, nil
	case to.sec != nil:
		return "", p.failAt(one.pos, "`${%s}`: is a section, not a value", one.text)
	case to.pair.state == active:
		return "", p.failAt(one.pos, "`${%s}`: refers to itself", one.text)
	case chain == maxChain:
		return "", p.failAt(one.pos, "`${%s}`: more than %d references to references", one.text, maxChain)
	}
	p.expand(to.pair, chain+1)
	if to.pair.err != nil {
		return "", to.pair.err
	}
	// What is referred to has an effect, and so have the sections that the reference goes into.
	to.pair.taken = true
	for s := to.pair.parent; !s.taken && !s.holds(scope); s = s.parent {
		s.taken = true
	}
	return to.pair.Value, nil
}

// holds tells whether inner is s or below it.
func (s *Section) holds(inner *Section) bool {
	for ; inner != nil; inner = inner.parent {
		if inner == s {
			return true
		}
	}
	return false
}

// resolve finds what name refers to, seen from scope, by the rules of FreeRADIUS: `.x` is x here, `..x` one section
// further out, and so on; `a.b.x` starts at the root, `a[b].x` goes through `a b { }`; a lone x is x here, else at the
// root. `:name` and `:instance` are the names of a section.
func (p *parser) resolve(scope *Section, name string) (to target, msg string) {
	p.steps += len(name) + 1
	path, property, wantsName := strings.Cut(name, ":")
	to, msg = p.walk(scope, path)
	if !wantsName || msg != "" {
		return to, msg
	}
	switch {
	case to.sec == nil:
		return target{}, "only a section has a name"
	case property == "name" || property == "instance" && to.sec.Name2 == "":
		return target{text: &to.sec.Name}, ""
	case property == "instance":
		return target{text: &to.sec.Name2}, ""
	}
	return target{}, "a section has `:name` and `:instance` only"
}

const notFound = "no such variable"

func (p *parser) walk(scope *Section, path string) (to target, msg string) {
	at, rest, anywhere := scope, path, false
	switch {
	case strings.HasPrefix(rest, "."):
		for rest = rest[1:]; strings.HasPrefix(rest, "."); rest = rest[1:] {
			if at.parent != nil {
				at = at.parent
			}
		}
		if rest == "" {
			return target{sec: at}, ""
		}
	case strings.Contains(rest, "."):
		at = p.root
	default:
		anywhere = true
	}
	for {
		if at.index == nil {
			p.steps += len(at.items)
		}
		i := strings.IndexAny(rest, ".[")
		if i < 0 {
			break
		}
		next, after := item{}, ""
		if rest[i] == '[' {
			end := strings.IndexByte(rest, ']')
			if end < i || end+1 < len(rest) && rest[end+1] != '.' {
				return to, "`[` without `]`"
			}
			next = at.find('2', rest[:i], rest[i+1:end])
			if after = rest[end+1:]; after == "" || next.sec == nil {
				if next.sec == nil {
					return to, notFound
				}
				return target{sec: next.sec}, ""
			}
			after = after[1:]
		} else {
			next, after = at.find('s', rest[:i], ""), rest[i+1:]
		}
		if next.sec == nil {
			break // it may be a pair whose name has a dot
		}
		at, rest = next.sec, after
	}
	for _, s := range []*Section{at, p.root} {
		if found := s.find('p', rest, ""); found.pair != nil {
			return target{pair: found.pair}, ""
		}
		if found := s.find('s', rest, ""); found.sec != nil {
			return target{sec: found.sec}, ""
		}
		if !anywhere {
			break
		}
	}
	return p.builtin(path)
}

// builtin knows the variables that need no line: confdir, the directory of the first file, and ENV.X, which is $ENV{X}.
func (p *parser) builtin(path string) (to target, msg string) {
	if path == "confdir" {
		dir := filepath.Dir(p.root.Pos.File)
		return target{text: &dir}, ""
	}
	if name, ok := strings.CutPrefix(path, "ENV."); ok {
		getenv := p.opt.Getenv
		if getenv == nil {
			getenv = os.LookupEnv
		}
		if text, ok := getenv(name); ok {
			return target{text: &text}, ""
		}
		return to, "environment variable `" + name + "` is not set"
	}
	return to, notFound
}

// nearVariable makes the hint for an unknown variable with a simple name.
func (p *parser) nearVariable(scope *Section, name string) string {
	if strings.ContainsAny(name, ".[:") {
		return ""
	}
	var names []string
	for _, s := range []*Section{scope, p.root} {
		for _, it := range s.items[:min(len(s.items), hintMax)] {
			if it.pair != nil && it.pair.kind == keyPair {
				names = append(names, it.pair.Name)
			}
		}
	}
	return DidYouMean(name, names)
}
