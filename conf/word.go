package conf

import "strings"

// spelling is how a word is written in the file: what stands between the quotes, and which.
type spelling struct {
	quote byte // 0 for a bare word
	raw   string
}

// empty tells that nothing is written at all, not even quotes.
func (sp spelling) empty() bool { return sp == spelling{} }

// word is a spelling with its meaning.
type word struct {
	spelling
	text  string // without escapes, references as written
	parts []part // set if there are references
}

// part is a piece of a value: text, or a reference to a variable or the environment.
type part struct {
	text string // the text, or the name in the braces
	env  bool   // $ENV{name}
	ref  bool   // ${name}
	pos  Pos
}

// wordAt makes the word that stands in l from start to end, quotes included. With refs it notes references; those
// are looked for in bare, double-quoted and back-quoted words. It returns a mistake's offset and text.
func wordAt(l *line, start, end int, refs bool) (w word, off int, msg string) {
	*l.steps += end - start
	w.raw = l.text[start:end]
	if isQuote(l.text[start]) {
		w.quote = l.text[start]
		w.raw = l.text[start+1 : end-1]
		start++
	}
	if w.quote == '\'' {
		w.text = unquoteSingle(w.raw)
		return w, 0, ""
	}
	if w.quote == 0 && !strings.Contains(w.raw, "$") || !strings.ContainsAny(w.raw, `\$`) {
		w.text = w.raw
		return w, 0, ""
	}
	var all, piece strings.Builder
	for i := 0; i < len(w.raw); {
		if open := referenceAt(w.raw, i); open > 0 && refs {
			end := strings.IndexByte(w.raw[i:], '}')
			if end < 0 {
				return w, start + i, "reference without closing brace"
			}
			if piece.Len() > 0 {
				w.parts = append(w.parts, part{text: piece.String(), pos: l.pos(start)})
				piece.Reset()
			}
			name := w.raw[i+open : i+end]
			w.parts = append(w.parts, part{text: name, env: open > 2, ref: open == 2, pos: l.pos(start + i)})
			all.WriteString(w.raw[i : i+end+1])
			i += end + 1
			continue
		}
		c, n := w.raw[i], 1
		if c == '\\' && w.quote != 0 {
			c, n = unescape(w.raw[i:], w.quote)
		}
		if c == 0 {
			return w, start + i, "NUL character"
		}
		all.WriteByte(c)
		piece.WriteByte(c)
		i += n
	}
	if len(w.parts) > 0 && piece.Len() > 0 {
		w.parts = append(w.parts, part{text: piece.String(), pos: l.pos(start)})
	}
	w.text = all.String()
	return w, 0, ""
}

// referenceAt returns the length of "${" or "$ENV{" at i, 0 if neither is there.
func referenceAt(raw string, i int) int {
	switch {
	case strings.HasPrefix(raw[i:], "${"):
		return 2
	case strings.HasPrefix(raw[i:], "$ENV{"):
		return 5
	}
	return 0
}

// unescape returns the character that the escape at the start of raw stands for, and the escape's length: \n, \r, \t,
// three octal digits, the quote, the backslash and $. Any other backslash is one, as in FreeRADIUS, whose files have
// realm "~\.example\.org$".
func unescape(raw string, quote byte) (c byte, n int) {
	switch c = raw[1]; c {
	case quote, '\\', '$':
		return c, 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case '0', '1', '2', '3':
		if len(raw) >= 4 && isOctal(raw[2]) && isOctal(raw[3]) {
			return (c-'0')<<6 | (raw[2]-'0')<<3 | (raw[3] - '0'), 4
		}
	}
	return '\\', 1
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }

// unquoteSingle removes the one escape of single quotes, \'. Every other backslash stays, with what follows it.
func unquoteSingle(raw string) string {
	if !strings.Contains(raw, `\'`) {
		return raw
	}
	var b strings.Builder
	for i := 0; i < len(raw); i++ {
		if raw[i] == '\\' && i+1 < len(raw) {
			i++
			if raw[i] != '\'' {
				b.WriteByte('\\')
			}
		}
		b.WriteByte(raw[i])
	}
	return b.String()
}

// spellValue returns a way to write value: bare if it was and can be, else in quotes.
func spellValue(value string, quote byte) spelling {
	if quote == 0 && value != "" && value != "{" && !isQuote(value[0]) && value[0] != '#' &&
		bareValue(value, 0) == len(value) && !hasReference(value) {
		return spelling{0, value}
	}
	return spellQuoted(value, quote)
}

// spellName is spellValue for what stands before an operator or brace.
func spellName(name string, quote byte) spelling {
	if quote == 0 && name != "" && !isQuote(name[0]) && bareName(name, 0) == len(name) && !hasReference(name) {
		return spelling{0, name}
	}
	return spellQuoted(name, quote)
}

func spellQuoted(value string, quote byte) spelling {
	if quote == 0 {
		quote = '"'
	}
	return spelling{quote, escape(value, quote)}
}

func hasReference(value string) bool {
	return strings.Contains(value, "${") || strings.Contains(value, "$ENV{")
}

// escape is the inverse of what wordAt does within double and back quotes.
func escape(value string, quote byte) string {
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < ' ':
			b.Write([]byte{'\\', '0', '0' + c>>3, '0' + c&7})
		case c == quote || c == '\\' || c == '$' && referenceAt(value, i) > 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
