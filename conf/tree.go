package conf

import (
	"fmt"
	"slices"
)

// item is what a section holds: one of both.
type item struct {
	sec  *Section
	pair *Pair
}

// itemKey finds items by name. FreeRADIUS lets the first of a name win.
type itemKey struct {
	what        byte // 'p' pair, 's' section by its name, '2' section by both names
	name, name2 string
}

func (s *Section) add(it item) {
	s.items = append(s.items, it)
	if s.index != nil {
		s.indexItem(it)
	}
}

// replace puts a section in the place of a pair.
func (s *Section) replace(pair *Pair, sec *Section) {
	s.items[pair.at] = item{sec: sec}
	if s.index != nil {
		if key := (itemKey{'p', pair.Name, ""}); s.index[key].pair == pair {
			delete(s.index, key)
		}
		s.indexItem(item{sec: sec})
	}
}

func (s *Section) indexItem(it item) {
	put := func(key itemKey) {
		if _, ok := s.index[key]; !ok {
			s.index[key] = it
		}
	}
	switch {
	case it.pair != nil && it.pair.kind == keyPair:
		put(itemKey{'p', it.pair.Name, ""})
	case it.sec != nil && !it.sec.isPolicy:
		put(itemKey{'s', it.sec.Name, ""})
		put(itemKey{'2', it.sec.Name, it.sec.Name2})
	}
}

func (s *Section) find(what byte, name, name2 string) item {
	if s.index == nil {
		s.index = make(map[itemKey]item, len(s.items))
		for _, it := range s.items {
			s.indexItem(it)
		}
	}
	return s.index[itemKey{what, name, name2}]
}

// Without returns s without the sections and pairs of these names. It shares what it holds with s, of which nothing is taken by it; it is for Format
// and Equal.
func (s *Section) Without(names ...string) *Section {
	out := *s
	out.index = nil
	out.items = slices.DeleteFunc(slices.Clone(s.items), func(it item) bool {
		if it.sec != nil {
			return slices.Contains(names, it.sec.Name)
		}
		return slices.Contains(names, it.pair.Name)
	})
	return &out
}

// Equal tells whether both trees say the same: the same names, operators, values and quotes, in the same order.
// Positions and marks do not count.
func (s *Section) Equal(t *Section) bool { return difference(s, t) == "" }

// difference describes the first difference of two trees, "" if there is none.
func difference(a, b *Section) string {
	if a.Name != b.Name || a.Name2 != b.Name2 || a.name2As != b.name2As || a.isPolicy != b.isPolicy {
		return fmt.Sprintf("%v: section `%s`; %v: section `%s`", a.Pos, a.title(), b.Pos, b.title())
	}
	for i := range min(len(a.items), len(b.items)) {
		x, y := a.items[i], b.items[i]
		switch {
		case x.sec != nil && y.sec != nil:
			if d := difference(x.sec, y.sec); d != "" {
				return d
			}
		case x.pair != nil && y.pair != nil:
			p, q := x.pair, y.pair
			if p.Name != q.Name || p.Op != q.Op || p.Value != q.Value || p.nameAs != q.nameAs ||
				p.valueAs != q.valueAs || p.kind != q.kind {
				return fmt.Sprintf("%v: `%s`; %v: `%s`", p.Pos, p.Name, q.Pos, q.Name)
			}
		default:
			return fmt.Sprintf("%v: a section and a pair at the same place", a.Pos)
		}
	}
	if len(a.items) != len(b.items) {
		return fmt.Sprintf("%v: section `%s` holds %d; %v: %d", a.Pos, a.title(), len(a.items), b.Pos, len(b.items))
	}
	return ""
}
