package conf

import (
	"bufio"
	"io"
	"strings"
)

// Format writes s, and all in it, in FreeRADIUS syntax; of a root its contents. Reading what it wrote, with the same Options, gives an
// Equal tree. Comments are not kept. Included files and templates stand where they were merged, references are replaced,
// unless the tree was read with Options.Raw. Secrets are written as they are.
func (s *Section) Format(w io.Writer) error {
	f := formatter{w: bufio.NewWriter(w)}
	if s.parent == nil {
		f.items(s, 0)
	} else {
		f.section(s, 0)
	}
	return f.w.Flush()
}

type formatter struct{ w *bufio.Writer }

func (f formatter) items(s *Section, depth int) {
	for _, it := range s.items {
		if it.sec != nil {
			f.section(it.sec, depth)
		} else {
			f.pair(it.pair, depth)
		}
	}
}

func (f formatter) section(s *Section, depth int) {
	head := s.nameAs.String()
	switch {
	case s.isPolicy && s.Name2 != "":
		head += " " + s.Name2
	case !s.name2As.empty():
		head += " " + s.name2As.String()
	}
	f.line(depth, head+" {")
	f.items(s, depth+1)
	f.line(depth, "}")
}

func (f formatter) pair(p *Pair, depth int) {
	text := p.nameAs.String()
	if p.Op != "" {
		text += " " + p.Op
	}
	if !p.valueAs.empty() {
		text += " " + p.valueAs.String()
	}
	f.line(depth, text)
}

func (f formatter) line(depth int, text string) {
	f.w.WriteString(strings.Repeat("\t", depth))
	f.w.WriteString(text)
	if strings.HasSuffix(text, `\`) {
		f.w.WriteByte(' ') // or the line would go on
	}
	f.w.WriteByte('\n')
}

// String returns the word as it is written.
func (sp spelling) String() string {
	if sp.quote == 0 {
		return sp.raw
	}
	return string(sp.quote) + sp.raw + string(sp.quote)
}
