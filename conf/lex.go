package conf

import (
	"sort"
	"strings"
)

// line is a logical line: physical lines joined where one ends in a backslash.
type line struct {
	file  string
	text  string
	marks []mark // where the pieces of text come from, by offset
	steps *int   // counts the bytes that the methods below look at
}

type mark struct{ off, line, column int }

// pos returns the place of the byte at off; of the end of the line with off == len(text).
func (l *line) pos(off int) Pos {
	i := sort.Search(len(l.marks), func(i int) bool { return l.marks[i].off > off }) - 1
	m := l.marks[i]
	return Pos{l.file, m.line, m.column + off - m.off}
}

// scanner cuts a file into logical lines, as FreeRADIUS does.
type scanner struct {
	file   string
	rest   string
	number int // of the physical line last read
	steps  *int
}

// physical returns the next line without its end.
func (s *scanner) physical() string {
	s.number++
	before := len(s.rest)
	defer func() { *s.steps += before - len(s.rest) }()
	text, rest, _ := strings.Cut(s.rest, "\n")
	s.rest = rest
	return strings.TrimRight(text, "\r")
}

// next returns the next logical line that is neither blank nor a comment; ok is false at the end of the file. open is set for a line
// whose continuation is missing since the file ends.
func (s *scanner) next() (l line, open, ok bool) {
	for s.rest != "" {
		text := s.physical()
		if start := skipSpace(text, 0); start == len(text) || text[start] == '#' {
			continue
		}
		l = line{file: s.file, text: text, marks: []mark{{0, s.number, 1}}, steps: s.steps}
		if strings.HasSuffix(text, `\`) {
			open = s.join(&l)
		}
		return l, open, true
	}
	return l, false, false
}

// join appends the lines that continue l. After a line that ends in "\ (a quote, a backslash) the spaces that lines
// begin with are dropped: FreeRADIUS uses that for long strings.
func (s *scanner) join(l *line) (open bool) {
	var b strings.Builder
	piece, trim := l.text, false
	for {
		if !strings.HasSuffix(piece, `\`) {
			b.WriteString(piece)
			l.text = b.String()
			return false
		}
		piece = piece[:len(piece)-1]
		trim = trim || len(piece) > 1 && strings.HasSuffix(piece, `"`)
		b.WriteString(piece)
		if s.rest == "" {
			l.text = b.String()
			return true
		}
		piece = s.physical()
		column := 1
		if trim {
			start := skipSpace(piece, 0)
			piece = piece[start:]
			column += start
		}
		l.marks = append(l.marks, mark{b.Len(), s.number, column})
	}
}

// peek returns how far the next line that is neither blank nor a comment is indented, and its first character; -1 at the end of
// the file.
func (s *scanner) peek() (indent int, first byte) {
	for rest := s.rest; rest != ""; {
		text, after, _ := strings.Cut(rest, "\n")
		*s.steps += len(text) + 1
		if start := skipSpace(text, 0); start < len(text) && text[start] != '#' {
			return start, text[start]
		}
		rest = after
	}
	return -1, 0
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func skipSpace(text string, off int) int {
	for off < len(text) && isSpace(text[off]) {
		off++
	}
	return off
}

// atEnd tells whether nothing but a comment is left.
func atEnd(text string, off int) bool { return off >= len(text) || text[off] == '#' }

// operators, the longer before those that they begin with.
var operators = []string{
	"=~", "!~", "++", "+=", "-=", ":=", "=*", "!*", "==", "^=", "!=", ">=", "<=", "=", ">", "<",
}

// operatorAt returns the operator at off, "" if there is none.
func operatorAt(text string, off int) string {
	switch text[off] {
	case '=', '!', '+', '-', ':', '^', '>', '<':
		for _, op := range operators {
			if strings.HasPrefix(text[off:], op) {
				return op
			}
		}
	}
	return ""
}

// endsName tells whether a bare name ends before the byte at off.
func endsName(text string, off int) bool {
	switch c := text[off]; c {
	case '{', '}', '(', ')', ',', ';', '#':
		return true
	default:
		return isSpace(c) || operatorAt(text, off) != ""
	}
}

// bareName returns the end of the bare name that begins at off. It stops at space, operator, comma and bracket.
func bareName(text string, off int) int {
	for off < len(text) && !endsName(text, off) {
		off++
	}
	return off
}

// bareValue returns the end of the bare value that begins at off. It stops at space and comma only, as in FreeRADIUS:
// brackets and # belong to it.
func bareValue(text string, off int) int {
	for off < len(text) && text[off] > ' ' && text[off] != ',' {
		off++
	}
	return off
}

func isQuote(c byte) bool { return c == '"' || c == '\'' || c == '`' }

// closeQuote returns the offset of the quote that ends the string opened at off, -1 if there is none.
func closeQuote(text string, off int) int {
	quote := text[off]
	for i := off + 1; i < len(text); i++ {
		switch text[i] {
		case quote:
			return i
		case '\\':
			i++
		}
	}
	return -1
}

// closeBrace returns the offset of the brace that ends the one at off, -1 if there is none.
func closeBrace(text string, off int) int {
	depth := 0
	for i := off; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// The methods are the functions above on the text of the line.

func (l *line) skipSpace(off int) int  { return l.count(off, skipSpace(l.text, off)) }
func (l *line) bareName(off int) int   { return l.count(off, bareName(l.text, off)) }
func (l *line) bareValue(off int) int  { return l.count(off, bareValue(l.text, off)) }
func (l *line) closeQuote(off int) int { return l.count(off, closeQuote(l.text, off)) }
func (l *line) closeBrace(off int) int { return l.count(off, closeBrace(l.text, off)) }
func (l *line) atEnd(off int) bool     { return atEnd(l.text, off) }

func (l *line) count(off, end int) int {
	if end < 0 {
		*l.steps += len(l.text) - off
	} else {
		*l.steps += end - off + 1
	}
	return end
}
