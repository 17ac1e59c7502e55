package conf

import (
	"fmt"
	"strings"
)

// parser reads files into one tree.
type parser struct {
	opt       Options
	root      *Section
	cur       *Section // where the next item goes
	base      *Section // what the file that is being read may not close
	scan      *scanner
	errs      Errors
	mute      int             // a string lost its continuation: what follows is its rest, up to a line that is well formed
	muted     bool            // the line had a mistake
	after     *Pair           // what the statement that is being parsed may belong to: see Pair
	skipBrace bool            // the next statement is a brace whose section is open already
	full      bool            // maxErrors mistakes: the rest is not read
	files     []openFile      // being read, the innermost last
	seen      map[fileID]bool // read so far; true if named, false if found in a directory
	includes  int
	bytes     int
	expanded  int // by references and templates, against expandBase and expandFactor
	overflow  *Error
	private   bool    // what is being expanded is not to be shown
	pending   []*Pair // values that wait for what follows
	steps     int     // work done: what the linear-time test counts
}

func newParser(name string, opt Options) *parser {
	root := &Section{Pos: Pos{name, 1, 1}, taken: true}
	return &parser{opt: opt, root: root, cur: root, base: root, seen: map[fileID]bool{}}
}

func (p *parser) failAt(pos Pos, format string, args ...any) *Error {
	return p.fail(&Error{Pos: pos, Msg: fmt.Sprintf(format, args...)})
}

func (p *parser) fail(e *Error) *Error {
	if p.after != nil {
		e = p.after.cut(e.Pos)
	}
	if p.mute > 0 {
		p.muted = true
		return e
	}
	if !p.full {
		p.errs = append(p.errs, e)
	}
	if len(p.errs) == maxErrors {
		p.stop(e.Pos, "too many mistakes")
	}
	return e
}

// stop ends reading: a bound is reached.
func (p *parser) stop(pos Pos, msg string) {
	if !p.full {
		p.full = true
		p.errs = append(p.errs, &Error{Pos: pos, Msg: msg + ", the rest is not read"})
	}
}

// read parses the text of one file into the current section.
func (p *parser) read(name, text string) {
	scan, base := p.scan, p.base
	p.scan, p.base = &scanner{file: name, rest: strings.TrimPrefix(text, "\ufeff"), steps: &p.steps}, p.cur
	for !p.full {
		l, open, ok := p.scan.next()
		if !ok {
			break
		}
		if open {
			p.failAt(l.pos(len(l.text)), "the line is continued, but the file ends")
		}
		if p.mute > 0 {
			p.tryLine(&l)
		} else {
			p.line(&l)
		}
	}
	p.mute = 0
	for p.cur != p.base {
		p.failAt(p.cur.Pos, "section `%s` has no closing brace", p.cur.title())
		p.cur.unclosed = true
		p.close()
	}
	p.scan, p.base = scan, base
}

// tryLine parses a line that may be the rest of a string. If there is a mistake in it it is: then nothing of it counts.
func (p *parser) tryLine(l *line) {
	cur, items, pending := p.cur, len(p.cur.items), len(p.pending)
	p.muted = false
	p.line(l)
	p.mute--
	if !p.muted {
		p.mute = 0
		return
	}
	p.cur, p.pending = cur, p.pending[:pending]
	cur.index, cur.items = nil, cur.items[:items]
}

// title is "name" or "name name2", for messages.
func (s *Section) title() string {
	if s.Name2 == "" || s.isPolicy {
		return s.Name
	}
	return s.Name + " " + s.Name2
}

// line parses the statements of a logical line.
func (p *parser) line(l *line) {
	if i := strings.IndexByte(l.text, 0); i >= 0 {
		p.failAt(l.pos(i), "NUL character")
		p.resume(l, 0)
		return
	}
	defer func() { p.after = nil }()
	for off := l.skipSpace(0); !l.atEnd(off) && !p.full; off = l.skipSpace(off) {
		p.after = p.behind(l, off)
		if l.text[off] == '}' {
			if p.cur == p.base {
				p.failAt(l.pos(off), "closing brace without a section")
			} else {
				p.close()
			}
			off++
			continue
		}
		next, ok := p.statement(l, off)
		if !ok {
			p.resume(l, next)
			return
		}
		off = next
	}
}

// behind returns the pair whose value the statement at off may be the end of: one without quotes, and only a comma between them.
func (p *parser) behind(l *line, off int) *Pair {
	if off == 0 || l.text[off-1] != ',' || len(p.cur.items) == 0 {
		return nil
	}
	last := p.cur.items[len(p.cur.items)-1].pair
	if last == nil || last.kind != keyPair || last.Value == "" || last.valueAs.quote != 0 {
		return nil
	}
	return last
}

// cut is the mistake of text behind the comma that ends the value of p. It does not show that text, which may be the end of a secret.
func (p *Pair) cut(at Pos) *Error {
	return &Error{at, fmt.Sprintf("text after the comma that ends the value of `%s`", p.Name), "a value with a comma needs quotes"}
}

// resume goes over the rest of a line with a mistake. Only its braces count, so that the mistake does not make the
// sections around it look wrong.
func (p *parser) resume(l *line, off int) {
	for off = l.skipSpace(off); !l.atEnd(off) && !p.full; off = l.skipSpace(off) {
		start := off
		for off < len(l.text) && !isSpace(l.text[off]) {
			if isQuote(l.text[off]) {
				if end := l.closeQuote(off); end >= 0 {
					off = end
				} else {
					off = len(l.text) - 1
				}
			}
			off++
		}
		switch word := l.text[start:off]; {
		case word == "}" && p.cur != p.base:
			p.close()
		case strings.HasSuffix(word, "{") && l.atEnd(l.skipSpace(off)):
			p.openLost(l.pos(start))
		}
	}
}

// statement parses the statement at off and returns the offset behind it. When ok is false there was a mistake, and the rest of the
// line from there on is not understood.
func (p *parser) statement(l *line, off int) (next int, ok bool) {
	if l.text[off] == '{' {
		if !p.skipBrace {
			p.failAt(l.pos(off), "brace without a section's name")
			p.openLost(l.pos(off))
		}
		p.skipBrace = false
		return off + 1, true
	}
	name, end, msg := p.name(l, off)
	if msg != "" {
		p.failAt(l.pos(off), "%s", msg)
		return end, false
	}
	pos := l.pos(off)
	at := l.skipSpace(end)
	if name.quote == 0 {
		switch lower := strings.ToLower(name.text); {
		case lower == "$include" || lower == "$-include":
			return p.includeLine(l, pos, name, at)
		case lower == "$template":
			return p.templateLine(l, pos, name, at)
		case name.text == "if" || name.text == "elsif":
			return p.policy(l, pos, name, at)
		case policyWords[name.text] && !(at < len(l.text) && operatorAt(l.text, at) != ""):
			return p.policy(l, pos, name, at)
		case name.text[0] == '_':
			p.failAt(pos, "`%s`: a name cannot begin with an underscore", name.text)
			return at, false
		}
	}
	ends := l.atEnd(at) || l.text[at] == ',' || l.text[at] == '}'
	if !ends && (name.quote == '`' || name.text[:min(2, len(name.text))] == "%{" && name.quote == 0) {
		p.failAt(l.pos(at), "text after an expansion")
		return at, false
	}
	switch {
	case ends:
		if name.quote == 0 && name.text[0] == '$' {
			p.fail(&Error{pos, fmt.Sprintf("unknown directive `%s`", name.text), DidYouMean(name.text, directives)})
			return at, false
		}
		if l.atEnd(at) && p.opens(l, pos, end, name.text) {
			return at, p.open(pos, name, word{}, false)
		}
		p.addPair(&Pair{Name: name.text, Pos: pos, ValuePos: pos, nameAs: name.spelling, kind: callPair})
		return skipComma(l.text, at), true
	case operatorAt(l.text, at) != "":
		return p.pair(l, pos, name, at)
	case l.text[at] == '{':
		return at + 1, p.open(pos, name, word{}, false)
	case isQuote(l.text[at]) || !endsName(l.text, at):
		return p.header(l, pos, name, at)
	}
	p.badPair(name, pos, l.pos(at), fmt.Sprintf("unexpected `%c` after `%s`", l.text[at], name.text), "")
	return at, false
}

// name parses the name, or the expansion, that a statement begins with.
func (p *parser) name(l *line, off int) (name word, end int, msg string) {
	switch c := l.text[off]; {
	case isQuote(c):
		end = l.closeQuote(off)
		if end < 0 {
			return name, len(l.text), "string without closing quote"
		}
		end++
	case strings.HasPrefix(l.text[off:], "%{"):
		end = l.closeBrace(off)
		if end < 0 {
			return name, len(l.text), "expansion without closing brace"
		}
		end++
		return word{spelling: spelling{0, l.text[off:end]}, text: l.text[off:end]}, end, ""
	default:
		end = l.bareName(off)
		if end == off {
			return name, off + 1, fmt.Sprintf("unexpected `%c`", c)
		}
	}
	name, _, msg = wordAt(l, off, end, false)
	return name, end, msg
}

// skipComma skips the comma that may end a pair or a call.
func skipComma(text string, off int) int {
	if off < len(text) && text[off] == ',' {
		return off + 1
	}
	return off
}

// pair parses `op value`.
func (p *parser) pair(l *line, pos Pos, name word, off int) (next int, ok bool) {
	op := operatorAt(l.text, off)
	at := l.skipSpace(off + len(op))
	pair := &Pair{Name: name.text, Op: op, Pos: pos, opPos: l.pos(off), nameAs: name.spelling, ValuePos: l.pos(off + len(op))}
	if l.atEnd(at) || l.text[at] == ',' {
		p.addPair(pair)
		return skipComma(l.text, at), true
	}
	pair.ValuePos = l.pos(at)
	quoted := isQuote(l.text[at])
	end := l.bareValue(at)
	if quoted {
		if end = l.closeQuote(at); end < 0 {
			p.badPair(name, pos, pair.ValuePos, "string without closing quote", "")
			if len(l.marks) > 1 && p.mute == 0 {
				p.mute = maxTail
			}
			return len(l.text), false
		}
		end++
	}
	rest := l.skipSpace(end)
	if l.text[at:end] == "{" {
		p.failAt(pair.opPos, "`%s` is a section: no `%s` before its brace", name.text, op)
		return rest, p.open(pos, name, word{}, false)
	}
	value, bad, msg := wordAt(l, at, end, !p.opt.Raw)
	if msg != "" {
		p.badPair(name, pos, l.pos(bad), msg, "")
		return end, false
	}
	if !l.atEnd(rest) && l.text[rest] != ',' && l.text[rest] != '}' {
		hint := "a value with spaces needs quotes"
		if quoted {
			hint = "statements on one line are separated by a comma"
		}
		p.badPair(name, pos, l.pos(rest), fmt.Sprintf("text after the value of `%s`", name.text), hint)
		return rest, false
	}
	pair.valueAs, pair.Value, pair.parts = value.spelling, value.text, value.parts
	p.addPair(pair)
	return skipComma(l.text, rest), true
}

// badPair reports a mistake and keeps the pair as given, so that nobody says it is missing.
func (p *parser) badPair(name word, pos, at Pos, msg, hint string) {
	err := p.fail(&Error{at, msg, hint})
	p.addPair(&Pair{Name: name.text, Op: "=", Pos: pos, ValuePos: at, nameAs: name.spelling, err: err})
}

// header parses `name2 {`.
func (p *parser) header(l *line, pos Pos, name word, off int) (next int, ok bool) {
	end := l.bareName(off)
	if isQuote(l.text[off]) {
		if end = l.closeQuote(off); end < 0 {
			p.failAt(l.pos(off), "string without closing quote")
			if strings.HasSuffix(strings.TrimSpace(l.text), "{") {
				p.openLost(pos)
			}
			return len(l.text), false
		}
		end++
	} else if open := referenceAt(l.text, off); open > 0 || strings.Contains(l.text[off:end], "$") {
		end = nameWithReferences(l.text, off)
	}
	name2, bad, msg := wordAt(l, off, end, !p.opt.Raw)
	if msg == "" && name2.quote == '`' {
		bad, msg = off, "a section's second name cannot be in back quotes"
	}
	if msg != "" {
		p.failAt(l.pos(bad), "%s", msg)
		return end, false
	}
	at := l.skipSpace(end)
	if at < len(l.text) && l.text[at] == '{' {
		return at + 1, p.open(pos, name, name2, true)
	}
	if l.atEnd(at) && p.opens(l, pos, end, name.text) {
		return at, p.open(pos, name, name2, true)
	}
	if rest := strings.TrimRight(l.text, " \t\r"); strings.HasSuffix(rest, "{") && len(rest) > at {
		p.fail(&Error{l.pos(at), "a section has two names at most", "one with spaces or brackets needs quotes"})
		p.open(pos, name, name2, true)
		return len(rest), true
	}
	hint := fmt.Sprintf("write `%s = ...`", name.text)
	if strings.EqualFold(name.text, "include") {
		hint = "write `$INCLUDE ...`"
	}
	p.badPair(name, pos, l.pos(off), fmt.Sprintf("`%s` is followed by neither an operator nor a brace", name.text), hint)
	return at, false
}

// nameWithReferences is bareName for a name that holds references, whose braces belong to it.
func nameWithReferences(text string, off int) int {
	for off < len(text) {
		if open := referenceAt(text, off); open > 0 {
			end := strings.IndexByte(text[off:], '}')
			if end < 0 {
				return len(text)
			}
			off += end + 1
			continue
		}
		if endsName(text, off) {
			break
		}
		off++
	}
	return off
}

// opens tells whether a line that should have ended in a brace begins a section all the same, and reports it: the brace
// stands on the next line, or what follows is indented deeper.
func (p *parser) opens(l *line, pos Pos, end int, name string) bool {
	if pos.Column-1 != l.skipSpace(0) {
		return false
	}
	switch indent, first := p.scan.peek(); {
	case first == '{':
		p.failAt(l.pos(end), "the brace of section `%s` belongs on this line", name)
		p.skipBrace = true
		return true
	case indent > pos.Column-1:
		p.failAt(l.pos(end), "section `%s` has no opening brace", name)
		return true
	}
	return false
}

// open begins a section. It returns false, having reported it, when sections are nested too deep.
func (p *parser) open(pos Pos, name, name2 word, second bool) bool {
	s := &Section{Name: name.text, Name2: name2.text, Pos: pos, nameAs: name.spelling, name2As: name2.spelling}
	if second && len(name2.parts) > 0 {
		text, err := p.join(p.cur, name2.parts, 0)
		if err != nil {
			p.fail(err)
		} else {
			s.Name2, s.name2As = text, spellName(text, name2.quote)
		}
	}
	return p.push(s)
}

func (p *parser) push(s *Section) bool {
	s.parent, s.depth = p.cur, p.cur.depth+1
	if s.depth > maxNesting {
		p.stop(s.Pos, fmt.Sprintf("sections are nested deeper than %d", maxNesting))
		return false
	}
	p.cur.add(item{sec: s})
	p.cur = s
	return true
}

// openLost begins a section that nobody sees: its header was wrong.
func (p *parser) openLost(pos Pos) {
	before := len(p.cur.items)
	p.push(&Section{Name: "?", Pos: pos, isPolicy: true})
	if parent := p.cur.parent; parent != nil && len(parent.items) > before {
		parent.items = parent.items[:before]
	}
}

func (p *parser) close() {
	s := p.cur
	p.cur = s.parent
	if s.template != nil {
		p.mergeTemplate(s.templatePos, s, s.template)
		s.template = nil
	}
}

func (p *parser) addPair(pair *Pair) {
	pair.parent, pair.scope, pair.at, pair.after = p.cur, p.cur, len(p.cur.items), p.after
	p.expandNow(pair) // before it is there: `x = ${x}` is the x further out
	p.cur.add(item{pair: pair})
}
