package conf

import (
	"fmt"
	"path/filepath"
)

// Pos is a place in a file. Line and Column start at 1. A column is a byte, not a character: a tab counts as one, an
// umlaut in UTF-8 as two. In a line that is continued with a backslash both are those of the physical line.
type Pos struct {
	File         string
	Line, Column int
}

// String returns "file:line:column".
func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// Options of a parse; the zero value is usual.
type Options struct {
	// Getenv answers `$ENV{NAME}`; nil is os.LookupEnv.
	Getenv func(string) (string, bool)
	// MaxDepth is how many files deep $INCLUDE may go, the first file not counted; 0 is 32.
	MaxDepth int
	// Raw reads one file as it stands: no $INCLUDE is followed, no template merged and no reference replaced.
	// Such a tree is for Format and Equal.
	Raw bool
}

// ParseFile reads path and what it includes. The root section has an empty name. With mistakes it returns
// what could be read and Errors, all of them. The root is never nil.
func ParseFile(path string, opt Options) (*Section, error) {
	p := newParser(path, opt)
	text, id, msg := p.load(path)
	if msg != "" {
		p.failAt(Pos{path, 1, 1}, "%s", msg)
		return p.root, p.errs.Err()
	}
	p.enter(path, id, true)
	return p.finish(path, text)
}

// ParseString reads text, which positions call name. An $INCLUDE in it is relative to the directory of name.
// Mistakes and result are as of ParseFile.
func ParseString(name, text string, opt Options) (*Section, error) {
	p := newParser(name, opt)
	if len(text) > maxFileBytes {
		p.failAt(Pos{name, 1, 1}, "larger than %d bytes", maxFileBytes)
		return p.root, p.errs.Err()
	}
	p.bytes = len(text)
	p.files = append(p.files, openFile{name: name})
	return p.finish(name, text)
}

func (p *parser) finish(name, text string) (*Section, error) {
	p.read(name, text)
	p.expandPending()
	return p.root, p.errs.Err()
}

// Section is `name name2 { ... }`. Thread: one at a time.
type Section struct {
	Name, Name2 string // unquoted; Name2 is expanded
	Pos         Pos    // of Name; of a root the start of its file

	parent   *Section
	from     *Section // what it is a copy of, by a template or a reference to a section
	items    []item
	index    map[itemKey]item // first of each name; nil until somebody looks
	known    map[string]known
	nameAs   spelling
	name2As  spelling
	taken    bool
	unclosed bool // its closing brace is missing: what it holds may belong further out
	isPolicy bool // `if (...)`, `update`, ...: Name2 is the text up to the brace
	depth    int

	template    *Section // merged where the section ends
	templatePos Pos
}

// Pair is `name op value`.
type Pair struct {
	Name, Op, Value string // Name and Value are unquoted, Value is expanded
	Pos, ValuePos   Pos    // ValuePos is that of the opening quote; that of the operator's end if there is no value

	parent  *Section // where it stands
	scope   *Section // where its references are looked up: where it was written
	at      int      // its place in parent.items
	opPos   Pos
	nameAs  spelling
	valueAs spelling
	parts   []part // of a value that is not expanded yet
	err     *Error // its mistake, reported already
	after   *Pair  // what it stands behind, with a comma and no space between: it may be the end of that one's value
	kind    pairKind
	state   pairState
	taken   bool
}

// pairKind tells what a line without a section is.
type pairKind uint8

const (
	keyPair  pairKind = iota // name op value
	callPair                 // a name alone, or an expansion: a policy statement
	dirPair                  // $INCLUDE or $template in a tree that was read with Raw
)

// Parent returns the enclosing section, nil at the root.
func (s *Section) Parent() *Section { return s.parent }

// Parent returns the section that holds p.
func (p *Pair) Parent() *Section { return p.parent }

// Sections returns the sub-sections called name ("": all), in order, without marking them. Policy (`if`, `update`, ...)
// is not among them.
func (s *Section) Sections(name string) []*Section {
	var list []*Section
	for _, it := range s.items {
		if it.sec != nil && !it.sec.isPolicy && (name == "" || it.sec.Name == name) {
			list = append(list, it.sec)
		}
	}
	return list
}

// Pairs returns the pairs called name ("": all), in order, without marking them. Policy statements are not among them.
func (s *Section) Pairs(name string) []*Pair {
	var list []*Pair
	for _, it := range s.items {
		if it.pair != nil && it.pair.kind == keyPair && (name == "" || it.pair.Name == name) {
			list = append(list, it.pair)
		}
	}
	return list
}

// Errorf makes an Error at the section's position.
func (s *Section) Errorf(format string, args ...any) *Error {
	return &Error{Pos: s.Pos, Msg: fmt.Sprintf(format, args...)}
}

// Errorf makes an Error at the position of the pair's value. A pair whose text is wrong already returns that
// mistake instead, so that one mistake is reported once.
func (p *Pair) Errorf(format string, args ...any) *Error {
	if p.err != nil {
		return p.err
	}
	return &Error{Pos: p.ValuePos, Msg: fmt.Sprintf(format, args...)}
}

// Path returns name as seen from the file that the pair stands in: a relative one is relative to that file's directory.
func (p *Pair) Path(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(p.Pos.File), name)
}
