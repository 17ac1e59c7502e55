package conf

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

var directives = []string{"$INCLUDE", "$-INCLUDE", "$template"}

// openFile is a file that is being read.
type openFile struct {
	name string
	id   fileID
}

// fileID tells files apart whatever they are called; the zero value is no file.
type fileID struct{ path string }

// load reads a file. It returns a mistake's text.
func (p *parser) load(path string) (text string, id fileID, msg string) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", id, reason(err)
	case info.IsDir():
		return "", id, "is a directory"
	case !info.Mode().IsRegular():
		return "", id, "is not a regular file" // reading a pipe or a device could last for ever
	}
	f, err := os.Open(path)
	if err != nil {
		return "", id, reason(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	switch {
	case err != nil:
		return "", id, reason(err)
	case len(data) > maxFileBytes:
		return "", id, fmt.Sprintf("larger than %d bytes", maxFileBytes)
	}
	p.bytes += len(data)
	return string(data), identify(path), ""
}

// identify follows links, so that a file in mods-enabled and the one that it links to are the same.
func identify(path string) fileID {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return fileID{path}
}

// reason is the error of a file call without the path, which the message has already.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// enter notes that a file is being read; named is false for one found in a directory.
func (p *parser) enter(path string, id fileID, named bool) {
	p.files = append(p.files, openFile{path, id})
	p.seen[id] = p.seen[id] || named
	p.includes++
}

// includeLine parses `$INCLUDE path` and reads what it names into the current section.
func (p *parser) includeLine(l *line, pos Pos, name word, off int) (next int, ok bool) {
	path, next, ok := p.argument(l, name, off)
	if !ok {
		return next, false
	}
	at := l.pos(off)
	if p.opt.Raw {
		p.addDirective(pos, at, name, path)
		return next, true
	}
	target := path.text
	if len(path.parts) > 0 {
		text, err := p.join(p.cur, path.parts, 0)
		if err != nil {
			p.fail(err)
			return next, true
		}
		target = text
	}
	if target == "" {
		p.failAt(at, "`%s` of nothing", name.text)
		return next, true
	}
	optional, dir := strings.HasPrefix(name.text, "$-"), strings.HasSuffix(target, "/")
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(pos.File), target)
	}
	if target = filepath.Clean(target); dir {
		p.includeDir(at, target, optional)
	} else {
		p.includeFile(at, target, optional, true)
	}
	return next, true
}

// argument parses the one word that a directive takes.
func (p *parser) argument(l *line, name word, off int) (arg word, next int, ok bool) {
	if l.atEnd(off) {
		p.failAt(l.pos(off), "`%s` of nothing", name.text)
		return arg, off, false
	}
	end := l.bareValue(off)
	if isQuote(l.text[off]) {
		if end = l.closeQuote(off); end < 0 {
			p.failAt(l.pos(off), "string without closing quote")
			return arg, len(l.text), false
		}
		end++
	}
	if end == off {
		p.failAt(l.pos(off), "`%s` of nothing", name.text)
		return arg, off, false
	}
	arg, bad, msg := wordAt(l, off, end, !p.opt.Raw)
	if msg != "" {
		p.failAt(l.pos(bad), "%s", msg)
		return arg, end, false
	}
	if rest := l.skipSpace(end); !l.atEnd(rest) {
		p.failAt(l.pos(rest), "text after `%s`", name.text)
		return arg, rest, false
	}
	return arg, len(l.text), true
}

func (p *parser) addDirective(pos, at Pos, name, arg word) {
	p.addPair(&Pair{Name: name.text, Value: arg.text, Pos: pos, ValuePos: at, nameAs: name.spelling,
		valueAs: arg.spelling, kind: dirPair})
}

// includeDir reads the files of a directory in the order of their names. As in FreeRADIUS it skips sub-directories, names that
// begin with a dot or have characters other than letters, digits, dot, dash and underscore, and files
// that were included by name.
func (p *parser) includeDir(at Pos, dir string, optional bool) {
	list, err := os.ReadDir(dir)
	if err != nil {
		if !optional || !errors.Is(err, fs.ErrNotExist) {
			p.failAt(at, "include %s/: %s", dir, reason(err))
		}
		return
	}
	for _, entry := range list {
		path := filepath.Join(dir, entry.Name())
		info, err := os.Stat(path)
		if strings.HasPrefix(entry.Name(), ".") || !plainName(entry.Name()) || err == nil && info.IsDir() ||
			errors.Is(err, fs.ErrNotExist) || p.seen[identify(path)] {
			continue
		}
		p.includeFile(at, path, false, false)
		if p.full {
			return
		}
	}
}

func plainName(name string) bool {
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9':
		case c == '.' || c == '-' || c == '_':
		default:
			return false
		}
	}
	return true
}

func (p *parser) includeFile(at Pos, path string, optional, named bool) {
	id := identify(path)
	for i, open := range p.files {
		if open.id == id || open.id == (fileID{}) && identify(open.name) == id {
			p.failAt(at, "include %s: it includes itself: %s", path, cycle(p.files[i:], path))
			return
		}
	}
	limit := p.opt.MaxDepth
	if limit == 0 {
		limit = defaultMaxDepth
	}
	switch {
	case len(p.files) > limit:
		p.failAt(at, "include %s: files include files deeper than %d", path, limit)
		return
	case p.includes >= maxIncludes:
		p.stop(at, fmt.Sprintf("more than %d files are included", maxIncludes))
		return
	case p.bytes > maxAllBytes:
		p.stop(at, fmt.Sprintf("all files together are larger than %d bytes", maxAllBytes))
		return
	}
	if _, err := os.Stat(path); optional && errors.Is(err, fs.ErrNotExist) {
		return
	}
	text, id, msg := p.load(path)
	if msg == "is a directory" {
		p.fail(&Error{at, fmt.Sprintf("include %s: is a directory", path), "did you mean `" + path + "/`?"})
		return
	}
	if msg != "" {
		e := p.failAt(at, "include %s: %s", path, msg)
		if strings.ContainsAny(path, "*?[") {
			e.Hint = "there are no wildcards: `directory/` takes all files in it"
		}
		return
	}
	p.enter(path, id, named)
	p.read(path, text)
	p.files = p.files[:len(p.files)-1]
}

// cycle names the files that include each other.
func cycle(open []openFile, again string) string {
	var b strings.Builder
	for _, f := range open {
		b.WriteString(f.name + " -> ")
	}
	return b.String() + again
}
