package conf

import "strings"

// policyWords begin a section of policy, `if` and `elsif` apart: those are never the name of a key.
var policyWords = map[string]bool{
	"else": true, "switch": true, "case": true, "foreach": true, "while": true, "update": true, "map": true,
	"redundant": true, "load-balance": true, "redundant-load-balance": true,
}

// policy parses `keyword text {`. The text is kept as it is; only where it ends is found out.
func (p *parser) policy(l *line, pos Pos, name word, off int) (next int, ok bool) {
	end, bad, msg := policyText(l, off)
	text := strings.TrimSpace(l.text[off:end])
	conditional := name.text == "if" || name.text == "elsif"
	if msg == "" && conditional && (text == "" || strings.TrimSpace(strings.Trim(text, "()")) == "") {
		bad, msg = off, "the condition is empty"
	}
	opened := end < len(l.text) && l.text[end] == '{'
	if msg == "" && !opened && p.opens(l, pos, end, name.text) {
		opened = true
	} else if msg == "" && !opened {
		if !conditional && text == "" {
			p.addPair(&Pair{Name: name.text, Pos: pos, ValuePos: pos, nameAs: name.spelling, kind: callPair})
			return off, true
		}
		bad, msg = end, "`"+name.text+"` has no opening brace"
	}
	if msg != "" {
		p.failAt(l.pos(bad), "%s", msg)
	}
	if !opened {
		return len(l.text), false
	}
	ok = p.push(&Section{Name: name.text, Name2: text, Pos: pos, nameAs: name.spelling, isPolicy: true})
	if end < len(l.text) && l.text[end] == '{' {
		end++
	}
	return end, ok
}

// policyText returns the offset of the brace that ends a condition, or of the end of the line or a comment, and a mistake.
func policyText(l *line, off int) (end, bad int, msg string) {
	text, start := l.text, off
	defer func() { *l.steps += end - start }()
	depth, open := 0, 0
	note := func(at int, what string) {
		if msg == "" {
			bad, msg = at, what
		}
	}
	regex := false // after =~ and !~ a slash begins a regular expression
scan:
	for off < len(text) {
		c := text[off]
		switch {
		case isSpace(c):
			off++
			continue
		case c == '#' && isSpace(text[off-1]):
			break scan
		case isQuote(c):
			closing := l.closeQuote(off)
			if closing < 0 {
				note(off, "string without closing quote")
				return lastBrace(text), bad, msg
			}
			off = closing + 1
		case c == '/' && regex:
			closing := l.closeQuote(off)
			if closing < 0 {
				note(off, "regular expression without closing slash")
				return lastBrace(text), bad, msg
			}
			off = closing + 1
		case strings.HasPrefix(text[off:], "%{") || referenceAt(text, off) > 0:
			closing := l.closeBrace(off)
			if closing < 0 {
				note(off, "expansion without closing brace")
				return lastBrace(text), bad, msg
			}
			off = closing + 1
		case strings.HasPrefix(text[off:], "=~") || strings.HasPrefix(text[off:], "!~"):
			off += 2
			regex = true
			continue
		case c == '(':
			if depth == 0 {
				open = off
			}
			depth++
			off++
		case c == ')':
			if depth == 0 {
				note(off, "closing parenthesis without an opening one")
			} else {
				depth--
			}
			off++
		case c == '{':
			break scan
		case c == '\\':
			off += 2
		default:
			off++
		}
		regex = false
	}
	if depth > 0 {
		note(open, "parenthesis is not closed")
	}
	return min(off, len(text)), bad, msg
}

// lastBrace returns the offset of the opening brace that text ends in, else its length.
func lastBrace(text string) int {
	if rest := strings.TrimRight(text, " \t\r"); strings.HasSuffix(rest, "{") {
		return len(rest) - 1
	}
	return len(text)
}
